//! Members, test-time views and the lung gate become one infection map at native resolution.

use std::fmt;
use std::str::FromStr;

use ndarray::{Array2, Zip};
use serde::{Deserialize, Serialize};

use crate::infection::InfectionProbability;
use crate::lung::{LungMask, LungProbability};
use crate::plane::{slice, slice_mut, stretch};
use crate::preprocess::Geometry;
use crate::run::named;
use crate::{Error, Result, simd};

named! {
    /// How several probabilities of one pixel become one.
    Fusion: "fusion" {
        Mean = "mean",
        /// Mean of the logits, back through the sigmoid.
        LogitMean = "logit-mean",
        Max = "max",
        /// Share of the members that say at least 0.5.
        Vote = "vote",
    } default Mean
}

/// The infection map: 0..255 per native pixel, 0 outside the lungs, **128 and more is infected**.
#[derive(Debug, Clone, PartialEq)]
pub struct InfectionMap {
    bytes: Array2<u8>,
    probability: InfectionProbability,
}

impl Fusion {
    fn apply(self, maps: &[&Array2<f32>]) -> Result<Array2<f32>> {
        let Some(first) = maps.first() else {
            return Err(Error::Parameter("there is nothing to fuse".into()));
        };
        let mut fused = (*first).clone();
        if maps.len() == 1 && self != Fusion::Vote {
            return Ok(fused);
        }
        let prepare = |p: f32| match self {
            Fusion::LogitMean => {
                let p = p.clamp(1e-6, 1.0 - 1e-6);
                (p / (1.0 - p)).ln()
            }
            Fusion::Vote => f32::from(u8::from(p >= 0.5)),
            _ => p,
        };
        fused.mapv_inplace(prepare);
        for map in &maps[1..] {
            Zip::from(&mut fused).and(*map).for_each(|f, p| {
                let p = prepare(*p);
                *f = if self == Fusion::Max { f.max(p) } else { *f + p };
            });
        }
        if self != Fusion::Max {
            let n = maps.len() as f32;
            fused.mapv_inplace(|f| f / n);
        }
        if self == Fusion::LogitMean {
            simd::sigmoid(slice_mut(&mut fused));
        }
        Ok(fused)
    }

    /// Fuses infection probabilities; members of another size are brought to the first one's. Points are fused by their mean over
    /// the members that have them.
    ///
    /// # Errors
    /// `Parameter` if there is none.
    pub fn infection(self, members: &[InfectionProbability]) -> Result<InfectionProbability> {
        let fused = self.resized(members.iter().map(InfectionProbability::map))?;
        let points = match members.iter().any(|m| m.points().is_some()) {
            true => Some(Fusion::Mean.resized(members.iter().filter_map(InfectionProbability::points))?),
            false => None,
        };
        Ok(InfectionProbability::new(fused).with_points(points))
    }

    fn resized<'a>(self, maps: impl Iterator<Item = &'a Array2<f32>> + Clone) -> Result<Array2<f32>> {
        let size = maps.clone().next().map_or((0, 0), Array2::dim);
        let maps = maps.map(|m| resampled(m, size)).collect::<Result<Vec<_>>>()?;
        self.apply(&maps.iter().collect::<Vec<_>>())
    }

    /// Fuses lung probabilities side by side; sides are found by position (at `threshold`) where a member has none.
    ///
    /// # Errors
    /// `Parameter` if there is none.
    pub fn lungs(self, members: &[LungProbability], threshold: f32) -> Result<LungProbability> {
        let sided = members.iter().all(LungProbability::is_sided);
        let members: Vec<LungProbability> = match sided || members.iter().all(|m| !m.is_sided()) {
            true => members.to_vec(),
            false => members.iter().map(|m| m.clone().with_sides(threshold)).collect(),
        };
        let fuse = |side: fn(&LungProbability) -> &Array2<f32>| self.resized(members.iter().map(side));
        let right = fuse(LungProbability::right)?;
        match members.iter().all(|m| !m.is_sided()) {
            true => Ok(LungProbability::both(right)),
            false => Ok(LungProbability::sided(right, fuse(LungProbability::left)?)),
        }
    }
}

fn resampled(map: &Array2<f32>, (h, w): (usize, usize)) -> Result<Array2<f32>> {
    if map.dim() == (h, w) {
        return Ok(map.clone());
    }
    let values = stretch(slice(map), map.dim(), (h, w))?;
    Array2::from_shape_vec((h, w), values).map_err(|e| Error::Internal(format!("resample: {e}")))
}

impl InfectionMap {
    /// Bilinear to native resolution, gated by the lungs, `round half up(255 p)`.
    ///
    /// The probability's threshold must lie at 0.5 ([`InfectionProbability::with_threshold_at_half`]). Without lungs
    /// (`None`: no member segments them) nothing is gated.
    ///
    /// # Errors
    /// `Parameter` if the lungs belong to an image of another size.
    pub fn new(probability: InfectionProbability, lungs: Option<&LungMask>, geometry: &Geometry) -> Result<Self> {
        let [rows, columns] = geometry.native;
        if let Some(l) = lungs
            && l.labels().dim() != (rows, columns)
        {
            return Err(Error::Parameter(format!("lungs of {:?} pixels for a radiograph of {rows} x {columns}", l.labels().dim())));
        }
        let (h, w) = probability.map().dim();
        let mut bytes = Array2::zeros((rows, columns));
        simd::upsample_bytes(slice(probability.map()), (w, h), lungs.map(|l| slice(l.labels())), slice_mut(&mut bytes), (columns, rows));
        Ok(InfectionMap { bytes, probability })
    }

    /// A map made earlier, with the probability that it was made of.
    pub(crate) fn of_parts(bytes: Array2<u8>, probability: InfectionProbability) -> Self {
        InfectionMap { bytes, probability }
    }

    /// The map, rows x columns of the radiograph.
    pub fn bytes(&self) -> &Array2<u8> {
        &self.bytes
    }

    /// Fused probability in the network's pixels ([`Geometry::model`](crate::Geometry)), before the lung gate, threshold at 0.5.
    pub fn probability(&self) -> &InfectionProbability {
        &self.probability
    }

    /// The same probability brought to native resolution, 0..1, rows x columns of the radiograph; not gated.
    pub fn native_probability(&self) -> Array2<f32> {
        let (rows, columns) = self.bytes.dim();
        let (h, w) = self.probability.map().dim();
        let mut native = Array2::zeros((rows, columns));
        simd::upsample(slice(self.probability.map()), (w, h), slice_mut(&mut native), (columns, rows));
        native
    }

    /// 1 where infected, rows x columns of the radiograph.
    pub fn mask(&self) -> Array2<u8> {
        self.bytes.mapv(|b| u8::from(b >= 128))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use ndarray::array;

    #[test]
    fn rules() {
        let a = InfectionProbability::new(array![[0.2, 0.9]]);
        let b = InfectionProbability::new(array![[0.6, 0.7]]);
        let fused = |f: Fusion| f.infection(&[a.clone(), b.clone()]).unwrap().map().clone();
        assert!((&fused(Fusion::Mean) - &array![[0.4, 0.8]]).iter().all(|d| d.abs() < 1e-6));
        assert_eq!(fused(Fusion::Max), array![[0.6, 0.9]]);
        assert_eq!(fused(Fusion::Vote), array![[0.5, 1.0]]);
        let logit = |p: f32| (p / (1.0 - p)).ln();
        let expected = 1.0 / (1.0 + (-(logit(0.2) + logit(0.6)) / 2.0).exp());
        assert!((fused(Fusion::LogitMean)[[0, 0]] - expected).abs() < 1e-5);
        assert!(Fusion::Mean.infection(&[]).is_err());
    }

    #[test]
    fn points_are_fused_by_their_mean_whatever_the_rule() {
        let member = |points: Option<f32>| InfectionProbability::new(array![[0.2, 0.9]]).with_points(points.map(|p| array![[p, -p]]));
        let fused = Fusion::Vote.infection(&[member(None), member(Some(1.0)), member(Some(2.0)).mirrored()]).unwrap();
        assert_eq!(fused.points(), Some(&array![[-0.5, 0.5]]));
        assert_eq!(Fusion::Mean.infection(&[member(None)]).unwrap().points(), None);
    }

    #[test]
    fn the_gate_closes_outside_the_lungs() {
        let p = InfectionProbability::new(Array2::from_elem((4, 4), 0.9));
        let lungs = LungMask::from_labels(Array2::from_shape_fn((6, 8), |(_, x)| u8::from(x < 3)));
        let g = Geometry { native: [6, 8], model: [4, 4] };
        let map = InfectionMap::new(p, Some(&lungs), &g).unwrap();
        assert!(map.bytes().indexed_iter().all(|((_, x), b)| *b == if x < 3 { 230 } else { 0 }));
    }

    #[test]
    fn infected_means_at_least_the_threshold() {
        let p = InfectionProbability::new(array![[0.299_99, 0.300_01]]).with_threshold_at_half(0.3);
        let map = InfectionMap::new(p, None, &Geometry { native: [1, 2], model: [1, 2] }).unwrap();
        assert_eq!(map.mask(), array![[0, 1]]);
    }
}
