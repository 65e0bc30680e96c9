//! STAPLE: Warfield, Zou and Wells, IEEE Trans Med Imaging 2004.

use ndarray::Array2;

use crate::{Refusal, Result};

/// A consensus of readers and how each of them stands to it.
#[derive(Debug, Clone, PartialEq)]
pub struct Staple {
    /// 1 where the probability that the pixel is marked in truth is at least a half.
    pub mask: Array2<u8>,
    /// By reader, as given.
    pub sensitivity: Vec<f64>,
    pub specificity: Vec<f64>,
}

/// Readers at most: every combination of their answers has a place in a table.
const MAX_READERS: usize = 16;
const MAX_ITERATIONS: usize = 1000;

/// Expectation maximisation over masks of one size (non-zero is marked). The prior is the mean share of marked pixels, as in
/// ITK. Pixels on which the readers answer alike are one and the same to it, so they are counted once.
///
/// # Errors
/// `Wrong` for no mask, more than sixteen, or different sizes.
pub fn staple(masks: &[Array2<u8>]) -> Result<Staple> {
    let Some(first) = masks.first() else { return Err(Refusal::wrong("a consensus of nobody")) };
    if masks.len() > MAX_READERS || masks.iter().any(|m| m.dim() != first.dim()) {
        return Err(Refusal::wrong("a consensus wants at most 16 masks of one size"));
    }
    let mut patterns = Array2::<u16>::zeros(first.dim());
    for (i, mask) in masks.iter().enumerate() {
        ndarray::Zip::from(&mut patterns).and(mask).for_each(|p, m| *p |= u16::from(*m != 0) << i);
    }
    let mut counts = vec![0.0; 1 << masks.len()];
    patterns.iter().for_each(|p| counts[usize::from(*p)] += 1.0);
    let readers = masks.len();
    let marks = |pattern: usize, reader: usize| pattern >> reader & 1 == 1;
    let pixels: f64 = counts.iter().sum();
    let marked: f64 = (0..counts.len()).map(|p| counts[p] * p.count_ones() as f64).sum();
    let prior = marked / (pixels * readers as f64);
    let (mut sensitivity, mut specificity) = (vec![0.99999; readers], vec![0.99999; readers]);
    let mut truth = vec![0.0; counts.len()];
    for _ in 0..MAX_ITERATIONS {
        for (pattern, w) in truth.iter_mut().enumerate() {
            let (mut yes, mut no) = (prior, 1.0 - prior);
            for r in 0..readers {
                let marks = marks(pattern, r);
                yes *= if marks { sensitivity[r] } else { 1.0 - sensitivity[r] };
                no *= if marks { 1.0 - specificity[r] } else { specificity[r] };
            }
            *w = if yes + no > 0.0 { yes / (yes + no) } else { 0.0 };
        }
        let inside: f64 = truth.iter().zip(&counts).map(|(w, n)| w * n).sum();
        let mut moved: f64 = 0.0;
        for r in 0..readers {
            let (mut hit, mut clear) = (0.0, 0.0);
            for (pattern, (w, n)) in truth.iter().zip(&counts).enumerate() {
                if marks(pattern, r) {
                    hit += w * n;
                } else {
                    clear += (1.0 - w) * n;
                }
            }
            let new = [if inside > 0.0 { hit / inside } else { 1.0 }, if pixels > inside { clear / (pixels - inside) } else { 1.0 }];
            moved = moved.max((new[0] - sensitivity[r]).abs()).max((new[1] - specificity[r]).abs());
            (sensitivity[r], specificity[r]) = (new[0], new[1]);
        }
        if moved < 1e-12 {
            break;
        }
    }
    Ok(Staple { mask: patterns.mapv(|p| u8::from(truth[usize::from(p)] >= 0.5)), sensitivity, specificity })
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Masks and figures that `tests/fixtures/make_staple.py` took from SimpleITK.
    #[test]
    fn as_itk_has_it() {
        let fixture: serde_json::Value = serde_json::from_str(include_str!("../../tests/staple.json")).unwrap();
        let numbers = |v: &serde_json::Value| v.as_array().unwrap().iter().map(|x| x.as_f64().unwrap()).collect::<Vec<_>>();
        let grid = |v: &serde_json::Value| {
            let rows: Vec<Vec<u8>> =
                v.as_array().unwrap().iter().map(|r| r.as_str().unwrap().bytes().map(|b| b - b'0').collect()).collect();
            Array2::from_shape_fn((rows.len(), rows[0].len()), |(y, x)| rows[y][x])
        };
        let masks: Vec<Array2<u8>> = fixture["masks"].as_array().unwrap().iter().map(grid).collect();
        let found = staple(&masks).unwrap();
        assert_eq!(found.mask, grid(&fixture["consensus"]));
        for (mine, itk) in [(&found.sensitivity, &fixture["sensitivity"]), (&found.specificity, &fixture["specificity"])] {
            assert!(mine.iter().zip(numbers(itk)).all(|(a, b)| (a - b).abs() < 1e-6), "{mine:?} {itk}");
        }
    }

    #[test]
    fn nothing_and_one_reader() {
        let empty = staple(&[Array2::zeros((3, 3)), Array2::zeros((3, 3))]).unwrap();
        assert_eq!(empty.mask.sum(), 0);
        let one = Array2::from_shape_fn((3, 3), |(y, x)| u8::from(x > y));
        assert_eq!(staple(std::slice::from_ref(&one)).unwrap().mask, one);
        assert!(staple(&[]).is_err() && staple(&[one, Array2::zeros((2, 2))]).is_err());
    }
}
