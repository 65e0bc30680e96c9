//! Intensity kernels: VOI window, lookup table, inversion, mean and standard deviation.
#![allow(unsafe_code)]

use rayon::prelude::*;

use super::{BAND_PIXELS, in_parallel, kernel};

/// Lanes of every sum, whatever the vector width: the order of additions, and so the result, is the same at all levels.
const LANES: usize = 16;

/// Standard deviations below this count as this: a constant image standardises to zeros, not to infinities.
const LEAST_STANDARD_DEVIATION: f64 = 1e-6;

kernel! {
    /// Linear window: `low..high` becomes `0..65535`, rounded half up, clamped.
    ///
    /// Where `high <= low` the window is a step: values above `low` become 65535, all others 0.
    pub fn window_u16, window_u16_at(src: &[u16], dst: &mut [u16], low: f32, high: f32) {
        assert_eq!(src.len(), dst.len(), "window_u16: source and destination differ in length");
        if high <= low {
            for (out, &value) in dst.iter_mut().zip(src) {
                *out = if f32::from(value) > low { u16::MAX } else { 0 };
            }
            return;
        }
        let scale = 65535.0 / (high - low);
        for (out, &value) in dst.iter_mut().zip(src) {
            let scaled = (f32::from(value) - low) * scale + 0.5;
            let floored = if scaled > 0.0 { scaled } else { 0.0 };
            let clamped = if floored < 65535.0 { floored } else { 65535.0 };
            // SAFETY: clamped to 0..=65535; a NaN (from a window that is not finite) has become 0.
            *out = unsafe { clamped.to_int_unchecked::<i32>() } as u16;
        }
    }
}

kernel! {
    /// `dst[i] = lut[src[i]]`; `lut` has 65536 entries.
    // No level gathers: the table fills 128 KiB, and plain loads from L2 are as fast as gathers of two-byte entries.
    pub fn lut_u16, lut_u16_at(src: &[u16], lut: &[u16], dst: &mut [u16]) {
        assert_eq!(src.len(), dst.len(), "lut_u16: source and destination differ in length");
        let lut: &[u16; 65536] = lut.try_into().expect("lut_u16: the table has 65536 entries");
        for (out, &value) in dst.iter_mut().zip(src) {
            *out = lut[usize::from(value)];
        }
    }
}

/// How often each of the 65,536 levels occurs.
pub fn histogram(src: &[u16]) -> Vec<u64> {
    let count = |src: &[u16]| {
        let mut counts = vec![0u64; 65_536];
        src.iter().for_each(|&level| counts[usize::from(level)] += 1);
        counts
    };
    if !in_parallel(src.len()) {
        return count(src);
    }
    // Few parts: each has a table of its own.
    let parts = src.par_chunks(src.len().div_ceil(rayon::current_num_threads())).map(count);
    parts.reduce(
        || vec![0; 65_536],
        |mut sum, part| {
            sum.iter_mut().zip(part).for_each(|(sum, n)| *sum += n);
            sum
        },
    )
}

/// `dst[i] = lut[src[i]]`; `lut` has 65536 entries.
pub fn lut_u8(src: &[u16], lut: &[u8], dst: &mut [u8]) {
    assert_eq!(src.len(), dst.len(), "lut_u8: source and destination differ in length");
    let lut: &[u8; 65536] = lut.try_into().expect("lut_u8: the table has 65536 entries");
    let band = |(dst, src): (&mut [u8], &[u16])| dst.iter_mut().zip(src).for_each(|(out, &level)| *out = lut[usize::from(level)]);
    if in_parallel(src.len()) {
        dst.par_chunks_mut(BAND_PIXELS).zip(src.par_chunks(BAND_PIXELS)).for_each(band);
    } else {
        band((dst, src));
    }
}

kernel! {
    /// `65535 - v` in place: MONOCHROME1 to MONOCHROME2.
    pub fn invert_u16, invert_u16_at(pixels: &mut [u16]) {
        for value in pixels {
            *value = !*value;
        }
    }
}

kernel! {
    /// Mean and population standard deviation; (0, 0) of an empty slice.
    pub fn mean_std, mean_std_at(src: &[f32]) -> (f64, f64) {
        if src.is_empty() {
            return (0.0, 0.0);
        }
        let count = src.len() as f64;
        let mean = lane_sum(src, |value| value) / count;
        let variance = lane_sum(src, |value| (value - mean) * (value - mean)) / count;
        (mean, variance.sqrt())
    }
}

kernel! {
    /// In place `(x - mean) / max(std, 1e-6)`, mean and standard deviation as of [`mean_std`].
    pub fn standardise, standardise_at(values: &mut [f32]) {
        // Spelled out, since a call of `mean_std` would not be inlined into this level.
        let count = (values.len() as f64).max(1.0);
        let mean = lane_sum(values, |value| value) / count;
        let variance = lane_sum(values, |value| (value - mean) * (value - mean)) / count;
        let (centre, spread) = (mean as f32, variance.sqrt().max(LEAST_STANDARD_DEVIATION) as f32);
        for value in values {
            *value = (*value - centre) / spread;
        }
    }
}

/// Sum of `term` over the values, in 16 lanes of double precision.
#[inline(always)]
fn lane_sum(values: &[f32], term: impl Fn(f64) -> f64) -> f64 {
    let mut lanes = [0.0f64; LANES];
    let (blocks, rest) = values.as_chunks::<LANES>();
    for block in blocks {
        for (lane, &value) in lanes.iter_mut().zip(block) {
            *lane += term(f64::from(value));
        }
    }
    for (lane, &value) in lanes.iter_mut().zip(rest) {
        *lane += term(f64::from(value));
    }
    lanes.iter().sum()
}

#[cfg(test)]
mod tests {
    use super::super::Level;
    use super::super::tests::{SIZES, noise, noise_probabilities};
    use super::*;
    use proptest::prelude::*;

    fn check_window(src: &[u16], low: f32, high: f32) {
        let mut first = None;
        for level in Level::available() {
            let mut dst = vec![7; src.len()];
            window_u16_at(level, src, &mut dst, low, high);
            for (&value, &out) in src.iter().zip(&dst) {
                let exact = (f64::from(value) - f64::from(low)) / (f64::from(high) - f64::from(low)) * 65535.0;
                let error = (exact.clamp(0.0, 65535.0) - f64::from(out)).abs();
                assert!(error <= 0.52, "{level:?}: {value} in {low}..{high} gave {out}, expected {exact}");
            }
            assert_eq!(first.get_or_insert_with(|| dst.clone()), &dst, "{level:?} differs");
        }
    }

    #[test]
    fn window_at_all_sizes_unaligned() {
        let pixels: Vec<u16> = noise(1).map(|bits| bits as u16).take(1100).collect();
        for size in SIZES {
            check_window(&pixels[1..][..size], 1000.0, 40000.0);
            check_window(&pixels[3..][..size], -500.5, 70000.0);
        }
    }

    #[test]
    fn full_window_is_the_identity() {
        let pixels: Vec<u16> = (0..=u16::MAX).collect();
        for level in Level::available() {
            let mut dst = vec![0; pixels.len()];
            window_u16_at(level, &pixels, &mut dst, 0.0, 65535.0);
            assert_eq!(dst, pixels, "{level:?}");
        }
    }

    #[test]
    fn windows_round_half_up_and_step_where_degenerate() {
        for level in Level::available() {
            let mut dst = [9; 4];
            window_u16_at(level, &[0, 1, 2, 3], &mut dst, 0.0, 2.0);
            assert_eq!(dst, [0, 32768, 65535, 65535], "{level:?}");
            window_u16_at(level, &[4, 5, 6, 7], &mut dst, 5.0, 5.0);
            assert_eq!(dst, [0, 0, 65535, 65535], "{level:?}");
            window_u16_at(level, &[4, 5, 6, 7], &mut dst, f32::NAN, 5.0);
            assert_eq!(dst, [0; 4], "{level:?}");
        }
    }

    #[test]
    #[should_panic(expected = "differ in length")]
    fn lengths_must_agree() {
        window_u16(&[1, 2], &mut [0], 0.0, 1.0);
    }

    proptest! {
        #[test]
        fn window_over_random_input(
            src in prop::collection::vec(any::<u16>(), 0..300), low in -1000.0f32..60000.0, width in 1.0f32..70000.0,
        ) {
            check_window(&src, low, low + width);
        }

        #[test]
        fn table_and_inversion_over_random_input(src in prop::collection::vec(any::<u16>(), 0..300), seed in any::<u64>()) {
            let lut: Vec<u16> = noise(seed).map(|bits| bits as u16).take(65536).collect();
            for level in Level::available() {
                let mut dst = vec![0; src.len()];
                lut_u16_at(level, &src, &lut, &mut dst);
                prop_assert!(src.iter().zip(&dst).all(|(&value, &out)| out == lut[value as usize]));
                invert_u16_at(level, &mut dst);
                prop_assert!(src.iter().zip(&dst).all(|(&value, &out)| out == 65535 - lut[value as usize]));
            }
        }

        #[test]
        fn statistics_over_random_input(src in prop::collection::vec(-3000.0f32..3000.0, 0..300)) {
            check_statistics(&src);
        }
    }

    fn check_statistics(src: &[f32]) {
        let count = src.len().max(1) as f64;
        let mean = src.iter().map(|&value| f64::from(value)).sum::<f64>() / count;
        let std = (src.iter().map(|&value| (f64::from(value) - mean).powi(2)).sum::<f64>() / count).sqrt();
        let mut first = None;
        for level in Level::available() {
            let found = mean_std_at(level, src);
            assert!((found.0 - mean).abs() < 1e-9 && (found.1 - std).abs() < 1e-9, "{level:?}: {found:?}, not {mean}, {std}");
            let mut standard = src.to_vec();
            standardise_at(level, &mut standard);
            for (&value, &out) in src.iter().zip(&standard) {
                let expected = (f64::from(value) - mean) / std.max(1e-6);
                let tolerance = 1e-6 * expected.abs() + 1e-7 * mean.abs() / std.max(1e-6) + 1e-6;
                assert!((f64::from(out) - expected).abs() < tolerance, "{level:?}: {value} gave {out}, not {expected}");
            }
            let bits: Vec<u32> = standard.iter().map(|value| value.to_bits()).collect();
            assert_eq!(first.get_or_insert_with(|| (found, bits.clone())), &(found, bits), "{level:?} differs");
        }
    }

    #[test]
    fn statistics_at_all_sizes_unaligned() {
        let values = noise_probabilities(1100, 2);
        for size in SIZES {
            check_statistics(&values[1..][..size]);
        }
    }

    #[test]
    fn a_constant_image_standardises_to_zeros() {
        for level in Level::available() {
            let mut values = [0.25; 37];
            standardise_at(level, &mut values);
            assert_eq!(values, [0.0; 37], "{level:?}");
        }
    }
}
