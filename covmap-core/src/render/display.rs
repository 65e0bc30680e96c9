//! From 16-bit film to the 8 bits a picture shows.

use ndarray::{Array2, ArrayView2};

use crate::plane::slice_mut;
use crate::simd;

/// Share of the pixels that may saturate at either end.
const CLIPPED: f64 = 0.005;

/// Stretches a radiograph (H x W, bright where the beam was stopped) to 0..=255.
///
/// The 0.5th percentile of its own grey levels becomes 0 and the 99.5th 255, linear between, rounded half up: a radiograph
/// that uses a few hundred of 65,536 levels shows as well as one that uses them all. Percentiles are nearest-rank, exact.
/// A picture of one level becomes 0; an empty one stays empty.
pub fn display_window(pixels: ArrayView2<'_, u16>) -> Array2<u8> {
    let pixels = pixels.as_standard_layout();
    let values = pixels.as_slice().unwrap_or_default();
    let histogram = simd::histogram(values);
    let rank = (CLIPPED * pixels.len() as f64) as u64;
    let low = level_at(histogram.iter(), rank);
    let high = 65_535 - level_at(histogram.iter().rev(), rank);
    let table: Vec<u8> = (0..65_536usize)
        .map(|level| {
            if level <= low {
                0
            } else if level >= high {
                255
            } else {
                ((510 * (level - low) + (high - low)) / (2 * (high - low))) as u8
            }
        })
        .collect();
    let mut shown = Array2::zeros(pixels.dim());
    simd::lut_u8(values, &table, slice_mut(&mut shown));
    shown
}

/// How far into the histogram more than `rank` pixels have been met.
fn level_at<'a>(counts: impl Iterator<Item = &'a u64>, rank: u64) -> usize {
    let mut met = 0;
    for (level, &count) in counts.enumerate() {
        met += count;
        if met > rank {
            return level;
        }
    }
    0
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_narrow_range_fills_the_display() {
        // 1,000 pixels over levels 30,000..31,000: five clip at either end.
        let pixels = Array2::from_shape_fn((25, 40), |(y, x)| 30_000 + (40 * y + x) as u16);
        let shown = display_window(pixels.view());
        let (low, high) = (5.0, 994.0);
        for (&shown, level) in shown.iter().zip(0..1000) {
            let exact = ((f64::from(level) - low) / (high - low)).clamp(0.0, 1.0) * 255.0;
            assert_eq!(f64::from(shown), (exact + 0.5).floor(), "{level}");
        }
    }

    #[test]
    fn rare_outliers_do_not_matter() {
        let mut pixels = Array2::from_shape_fn((100, 100), |(y, _)| 1000 + y as u16);
        let clean = display_window(pixels.view());
        for i in 0..40 {
            pixels[[50, i]] = if i % 2 == 0 { 0 } else { 65_535 };
        }
        let marked = display_window(pixels.view());
        assert_eq!(clean.row(20), marked.row(20));
        assert_eq!((marked[[50, 0]], marked[[50, 1]]), (0, 255));
    }

    #[test]
    fn odd_pictures() {
        assert_eq!(display_window(Array2::from_elem((3, 4), 777).view()), Array2::<u8>::zeros((3, 4)));
        assert_eq!(display_window(Array2::<u16>::zeros((0, 4)).view()).dim(), (0, 4));
        assert_eq!(display_window(ndarray::arr2(&[[0, 65_535]]).view()), ndarray::arr2(&[[0, 255]]));
    }
}
