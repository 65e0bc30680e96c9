//! Masks as runs, as PNG files, and their layers.

use std::path::Path;

use ndarray::Array2;
use serde::{Deserialize, Serialize};

use crate::{Refusal, Result};

/// What a mask says. Values are those of the workspace.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Layer {
    /// 0 none, 100 the patient's right lung, 200 left, 255 sides not told.
    Lung,
    /// 0 none, 1 ground-glass opacity, 2 consolidation.
    Infection,
}

impl Layer {
    pub const ALL: [Layer; 2] = [Layer::Lung, Layer::Infection];

    pub fn as_str(self) -> &'static str {
        match self {
            Layer::Lung => "lung",
            Layer::Infection => "infection",
        }
    }

    pub fn parse(text: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|l| l.as_str() == text)
    }

    pub fn values(self) -> &'static [u8] {
        match self {
            Layer::Lung => &[0, 100, 200, 255],
            Layer::Infection => &[0, 1, 2],
        }
    }

    /// Refuses a mask with other values.
    pub fn check(self, values: impl IntoIterator<Item = u8>) -> Result<()> {
        match values.into_iter().find(|v| !self.values().contains(v)) {
            Some(v) => Err(Refusal::Wrong(format!("a mask of the {} has no value {v}", self.as_str()))),
            None => Ok(()),
        }
    }
}

/// Runs of equal values, row by row: value, length, value, length.
pub fn runs(values: &[u8]) -> Vec<u32> {
    values.chunk_by(|a, b| a == b).flat_map(|run| [u32::from(run[0]), run.len() as u32]).collect()
}

/// The `length` values of [`runs`].
///
/// # Errors
/// `Wrong` if they are not that many, or not bytes.
pub fn from_runs(runs: &[u32], length: usize) -> Result<Vec<u8>> {
    let (pairs, rest) = runs.as_chunks::<2>();
    let total: u64 = pairs.iter().map(|[_, n]| u64::from(*n)).sum();
    if total != length as u64 || !rest.is_empty() {
        return Err(Refusal::Wrong(format!("runs of {total} pixels for {length}")));
    }
    let mut values = Vec::with_capacity(length);
    for [value, n] in pairs {
        let value = u8::try_from(*value).map_err(|_| Refusal::Wrong(format!("{value} is no value of a mask")))?;
        values.resize(values.len() + *n as usize, value);
    }
    Ok(values)
}

/// The pixels of a mask, row by row.
pub fn pixels(mask: &Array2<u8>) -> &[u8] {
    mask.as_slice().expect("masks are made in standard layout")
}

/// Reads an 8-bit grey PNG.
pub fn read(path: &Path) -> Result<Array2<u8>> {
    decode(&std::fs::read(path).map_err(|e| Refusal::io(path, e))?).map_err(|e| Refusal::Failed(format!("{}: {e}", path.display())))
}

/// Decodes a PNG.
pub fn decode(bytes: &[u8]) -> Result<Array2<u8>> {
    let grey =
        image::load_from_memory_with_format(bytes, image::ImageFormat::Png).map_err(|e| Refusal::Failed(e.to_string()))?.into_luma8();
    Array2::from_shape_vec((grey.height() as usize, grey.width() as usize), grey.into_raw()).map_err(|e| Refusal::Failed(e.to_string()))
}

/// Pixels in which two masks of one size differ.
pub fn differing(a: &Array2<u8>, b: &Array2<u8>) -> usize {
    a.iter().zip(b).filter(|(a, b)| a != b).count()
}

/// Dice of what two masks mark, whatever they call it; two empty ones agree.
pub fn dice(a: &Array2<u8>, b: &Array2<u8>) -> f64 {
    covmap_core::metrics::Confusion::of(pixels(a), pixels(b)).f1().unwrap_or(1.0)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn runs_there_and_back() {
        for values in [vec![], vec![7], vec![0, 0, 1, 1, 1, 2], vec![1, 0, 1, 0]] {
            assert_eq!(from_runs(&runs(&values), values.len()).unwrap(), values);
        }
        assert_eq!(runs(&[0, 0, 2]), [0, 2, 2, 1]);
    }

    #[test]
    fn wrong_runs_are_refused_before_they_cost_memory() {
        for (wrong, length) in [(vec![0, u32::MAX, 0, u32::MAX], 4), (vec![1], 0), (vec![256, 4], 4), (vec![1, 3], 4)] {
            assert!(from_runs(&wrong, length).is_err(), "{wrong:?}");
        }
    }
}
