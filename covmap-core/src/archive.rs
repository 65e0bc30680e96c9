//! An analysis as bytes and back, to hand it to another process: everything but the radiograph's pixels.
//!
//! Little endian: magic, length of a JSON header, the header, then the planes: lung labels (where there are lungs), infection
//! bytes, and in the network's pixels f32 infection probability and points (where there are any).

use ndarray::Array2;
use serde::{Deserialize, Serialize};

use crate::engine::ModelIdentity;
use crate::fusion::InfectionMap;
use crate::infection::InfectionProbability;
use crate::lung::LungMask;
use crate::plane::slice;
use crate::radiograph::View;
use crate::{Analysis, Detection, Error, Limits, Quality, Result, Severity};

const MAGIC: &[u8; 8] = b"covmapA2";

#[derive(Serialize, Deserialize)]
struct Header {
    size: [usize; 2],
    network: [usize; 2],
    points: Option<[usize; 2]>,
    has_lungs: bool,
    spacing_mm: Option<[f64; 2]>,
    view: View,
    input_sha256: Option<String>,
    quality: Quality,
    severity: Option<Severity>,
    detection: Detection,
    models: Vec<ModelIdentity>,
}

impl Analysis {
    /// The analysis as bytes, without loss; [`from_bytes`](Self::from_bytes) of the same version reads them.
    ///
    /// # Errors
    /// `Internal` only.
    pub fn to_bytes(&self) -> Result<Vec<u8>> {
        let (probability, points) = (self.infection.probability().map(), self.infection.probability().points());
        let header = Header {
            size: [self.height, self.width],
            network: probability.dim().into(),
            points: points.map(|p| p.dim().into()),
            has_lungs: self.lungs.is_some(),
            spacing_mm: self.spacing_mm,
            view: self.view,
            input_sha256: self.input_sha256.clone(),
            quality: self.quality.clone(),
            severity: self.severity.clone(),
            detection: self.detection.clone(),
            models: self.models.clone(),
        };
        let header = serde_json::to_vec(&header).map_err(|e| Error::Internal(format!("an analysis as JSON: {e}")))?;
        let mut bytes = Vec::with_capacity(MAGIC.len() + 8 + header.len() + 2 * self.width * self.height + 8 * probability.len());
        bytes.extend_from_slice(MAGIC);
        bytes.extend_from_slice(&(header.len() as u64).to_le_bytes());
        bytes.extend_from_slice(&header);
        if let Some(lungs) = &self.lungs {
            bytes.extend_from_slice(slice(lungs.labels()));
        }
        bytes.extend_from_slice(slice(self.infection.bytes()));
        bytes.extend(probability.iter().chain(points.into_iter().flatten()).flat_map(|p| p.to_le_bytes()));
        Ok(bytes)
    }

    /// An analysis from the bytes that [`to_bytes`](Self::to_bytes) made.
    ///
    /// # Errors
    /// `Input` where they are not such bytes, or are damaged; `LimitsExceeded` for a size beyond [`Limits::default`].
    pub fn from_bytes(bytes: &[u8]) -> Result<Self> {
        let damaged = || Error::Input("not the bytes of an analysis, or damaged ones".into());
        let rest = bytes.strip_prefix(MAGIC).ok_or_else(damaged)?;
        let (length, rest) = rest.split_first_chunk().ok_or_else(damaged)?;
        let length = usize::try_from(u64::from_le_bytes(*length)).map_err(|_| damaged())?;
        let (header, mut rest) = rest.split_at_checked(length).ok_or_else(damaged)?;
        let header: Header = serde_json::from_slice(header).map_err(|_| damaged())?;
        let mut take = |size: [usize; 2], width: usize| {
            let [rows, columns] = size.map(|n| u32::try_from(n).unwrap_or(u32::MAX));
            Limits::default().check_size(columns, rows)?;
            let (plane, after) = rest.split_at_checked(size[0] * size[1] * width).ok_or_else(damaged)?;
            rest = after;
            Ok::<_, Error>(plane)
        };
        let plane = |values: &[u8]| Array2::from_shape_vec(header.size, values.to_vec()).map_err(|_| damaged());
        let lungs = match header.has_lungs {
            true => Some(LungMask::from_labels(plane(take(header.size, 1)?)?)),
            false => None,
        };
        let infection = plane(take(header.size, 1)?)?;
        let mut floats = |size: [usize; 2]| {
            let values = take(size, 4)?.as_chunks().0.iter().map(|p| f32::from_le_bytes(*p)).collect();
            Array2::from_shape_vec(size, values).map_err(|_| damaged())
        };
        let probability = floats(header.network)?;
        let points = header.points.map(floats).transpose()?;
        if !rest.is_empty() {
            return Err(damaged());
        }
        Ok(Analysis {
            width: header.size[1],
            height: header.size[0],
            spacing_mm: header.spacing_mm,
            view: header.view,
            input_sha256: header.input_sha256,
            quality: header.quality,
            lungs,
            infection: InfectionMap::of_parts(infection, InfectionProbability::new(probability).with_points(points)),
            severity: header.severity,
            detection: header.detection,
            models: header.models,
        })
    }
}

#[cfg(all(test, feature = "bundled-model"))]
mod tests {
    use super::*;
    use crate::ErrorKind;
    use crate::phantom::{Phantom, PhantomOptions};

    #[test]
    fn comes_back_whole_and_damage_is_an_error() {
        let phantom = Phantom::new(&PhantomOptions::default()).unwrap();
        let analysis = crate::Pipeline::bundled().unwrap().analyze(&phantom.radiograph().unwrap()).unwrap();
        let bytes = analysis.to_bytes().unwrap();
        assert!(Analysis::from_bytes(&bytes).unwrap() == analysis);
        for length in [0, 7, 15, 16, 100, bytes.len() - 1] {
            assert_eq!(Analysis::from_bytes(&bytes[..length]).unwrap_err().kind(), ErrorKind::Input);
        }
        let longer = [&bytes[..], &[0]].concat();
        assert_eq!(Analysis::from_bytes(&longer).unwrap_err().kind(), ErrorKind::Input);
        let mut endless = bytes;
        endless[8..16].copy_from_slice(&u64::MAX.to_le_bytes());
        assert_eq!(Analysis::from_bytes(&endless).unwrap_err().kind(), ErrorKind::Input);
    }
}
