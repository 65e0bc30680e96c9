//! Probability kernels: sigmoid, threshold remapping, quantisation to bytes, binarisation.
#![allow(unsafe_code)]

use super::kernel;

/// Beyond this the exponential would leave the normal range of `f32`.
const SIGMOID_LIMIT: f32 = 87.0;

/// 1.5 * 2^23: adding it rounds to an integer, which then fills the low bits.
const ROUNDING: f32 = 12_582_912.0;

kernel! {
    /// Logits to probabilities in place, `1 / (1 + exp(-x))`, to a relative error of 1e-6. NaN stays NaN; below -87 the
    /// result stays at that of -87 (1.6e-38).
    pub fn sigmoid, sigmoid_at(values: &mut [f32]) {
        for value in values {
            // Written so that a NaN passes both comparisons.
            let x = if *value > SIGMOID_LIMIT { SIGMOID_LIMIT } else { *value };
            let x = if x < -SIGMOID_LIMIT { -SIGMOID_LIMIT } else { x };
            *value = 1.0 / (1.0 + exponential(-x));
        }
    }
}

kernel! {
    /// Piecewise linear remapping in place that brings the threshold `t` to 0.5 and leaves 0 and 1 where they are:
    /// `0.5 p / t` below `t`, `0.5 + 0.5 (p - t) / (1 - t)` from there on. `p >= t` holds exactly where the result is at
    /// least 0.5. `t` lies strictly between 0 and 1. NaN stays NaN.
    pub fn remap_threshold, remap_threshold_at(values: &mut [f32], t: f32) {
        assert!(t > 0.0 && t < 1.0, "remap_threshold: threshold {t} is not between 0 and 1");
        // True divisions: a reciprocal could round a value just below the threshold up to 0.5.
        for value in values {
            let p = *value;
            let below = 0.5 * (p / t);
            let above = 0.5 + 0.5 * ((p - t) / (1.0 - t));
            *value = if p < t { below } else { above };
        }
    }
}

kernel! {
    /// Probabilities to bytes: `255 p` rounded half up, clamped; NaN becomes 0. A byte is >= 128 exactly where `p >= 0.5`.
    pub fn quantise, quantise_at(src: &[f32], dst: &mut [u8]) {
        assert_eq!(src.len(), dst.len(), "quantise: source and destination differ in length");
        for (out, &p) in dst.iter_mut().zip(src) {
            let scaled = 255.0 * p + 0.5;
            let floored = if scaled > 0.0 { scaled } else { 0.0 };
            let clamped = if floored < 255.0 { floored } else { 255.0 };
            // SAFETY: clamped to 0..=255; a NaN has become 0.
            *out = unsafe { clamped.to_int_unchecked::<i32>() } as u8;
        }
    }
}

kernel! {
    /// 1 where `p >= t`, 0 elsewhere (also where `p` is NaN).
    pub fn threshold, threshold_at(src: &[f32], t: f32, dst: &mut [u8]) {
        assert_eq!(src.len(), dst.len(), "threshold: source and destination differ in length");
        for (out, &p) in dst.iter_mut().zip(src) {
            *out = u8::from(p >= t);
        }
    }
}

/// e^x for |x| <= 87, by the polynomial of Cephes `expf` (relative error below 2e-7); NaN stays NaN.
#[inline(always)]
fn exponential(x: f32) -> f32 {
    // ln 2 in two parts, so that subtracting whole multiples loses nothing.
    const LN_2_HIGH: f32 = 0.693_359_4;
    const LN_2_LOW: f32 = -2.121_944_4e-4;
    let shifted = x * std::f32::consts::LOG2_E + ROUNDING;
    let whole = shifted - ROUNDING;
    let rest = x - whole * LN_2_HIGH - whole * LN_2_LOW;
    let mut series = 1.987_569_1e-4;
    for coefficient in [1.398_199_9e-3, 8.333_452e-3, 4.166_579_6e-2, 1.666_666_5e-1, 0.5] {
        series = series * rest + coefficient;
    }
    let power = f32::from_bits((shifted.to_bits() << 23).wrapping_add(1.0f32.to_bits()));
    (series * rest * rest + rest + 1.0) * power
}

#[cfg(test)]
mod tests {
    use super::super::Level;
    use super::super::tests::{SIZES, noise_probabilities};
    use super::*;
    use proptest::prelude::*;

    const ODD: [f32; 12] =
        [f32::NAN, f32::INFINITY, f32::NEG_INFINITY, 0.0, -0.0, 1.0, -1.0, 0.5, f32::MIN_POSITIVE, f32::MAX, f32::MIN, 1e-42];

    /// Random probabilities with the odd values strewn in, `size` of them.
    fn samples(size: usize) -> Vec<f32> {
        let mut values = noise_probabilities(size, 3);
        for (index, value) in values.iter_mut().enumerate().filter(|(index, _)| index % 5 == 2) {
            *value = ODD[index % ODD.len()];
        }
        values
    }

    /// Runs an in-place kernel at every level against `reference`, to a relative error of 1e-6.
    fn check_in_place(src: &[f32], kernel: impl Fn(Level, &mut [f32]), reference: impl Fn(f64) -> f64) {
        let mut first: Option<Vec<f32>> = None;
        for level in Level::available() {
            let mut values = src.to_vec();
            kernel(level, &mut values);
            for (&x, &out) in src.iter().zip(&values) {
                let expected = reference(f64::from(x));
                let close = (f64::from(out) - expected).abs() <= 1e-6 * expected.abs().max(1e-37);
                let agrees = close || out.is_nan() && expected.is_nan();
                assert!(agrees, "{level:?}: {x} gave {out}, not {expected}");
            }
            let same = |(a, b): (&f32, &f32)| a.to_bits() == b.to_bits() || a.is_nan() && b.is_nan();
            assert!(first.get_or_insert_with(|| values.clone()).iter().zip(&values).all(same), "{level:?} differs");
        }
    }

    fn check_sigmoid(src: &[f32]) {
        check_in_place(src, sigmoid_at, |x| 1.0 / (1.0 + (-x.clamp(-87.0, 87.0)).exp()));
    }

    fn check_remap(src: &[f32], t: f32) {
        let t = f64::from(t);
        // Far outside 0..1 f32 overflows where the f64 of the reference does not.
        let src: Vec<f32> = src.iter().copied().filter(|p| p.is_nan() || p.abs() < 1e30).collect();
        let reference = |p: f64| if p < t { 0.5 * p / t } else { 0.5 + 0.5 * (p - t) / (1.0 - t) };
        check_in_place(&src, |level, values| remap_threshold_at(level, values, t as f32), reference);
    }

    fn check_bytes(src: &[f32], t: f32) {
        for level in Level::available() {
            let (mut bytes, mut mask) = (vec![9; src.len()], vec![9; src.len()]);
            quantise_at(level, src, &mut bytes);
            threshold_at(level, src, t, &mut mask);
            for ((&p, &byte), &bit) in src.iter().zip(&bytes).zip(&mask) {
                let expected = if p.is_nan() { 0.0 } else { (f64::from(p) * 255.0).clamp(0.0, 255.0) };
                assert!((f64::from(byte) - expected).abs() <= 0.5001, "{level:?}: {p} gave {byte}");
                assert_eq!(byte >= 128, p >= 0.5, "{level:?}: {p} gave {byte}");
                assert_eq!(bit == 1, p >= t, "{level:?}: {p} against {t} gave {bit}");
                assert!(bit <= 1);
            }
        }
    }

    #[test]
    fn all_sizes_unaligned_with_odd_values() {
        for size in SIZES {
            let values = samples(size + 1);
            check_sigmoid(&values[1..]);
            check_remap(&values[1..], 0.3);
            check_bytes(&values[1..], 0.3);
        }
    }

    #[test]
    fn every_byte_border_rounds_half_up() {
        // k + 0.5 over 255 is exact in no float, so go to the neighbours on both sides.
        let borders = (0..255).map(|k| (k as f32 + 0.5) / 255.0).flat_map(|p| [p.next_down(), p, p.next_up()]);
        check_bytes(&borders.collect::<Vec<_>>(), 0.5);
        for level in Level::available() {
            let mut bytes = [0; 3];
            quantise_at(level, &[0.5f32.next_down(), 0.5, 1.0], &mut bytes);
            assert_eq!(bytes, [127, 128, 255], "{level:?}");
        }
    }

    #[test]
    #[should_panic(expected = "not between 0 and 1")]
    fn a_threshold_of_one_is_refused() {
        remap_threshold(&mut [0.5], 1.0);
    }

    proptest! {
        #[test]
        fn sigmoid_over_random_logits(src in prop::collection::vec(-100.0f32..100.0, 0..200)) {
            check_sigmoid(&src);
        }

        #[test]
        fn remapping_keeps_the_decision(mut src in prop::collection::vec(0.0f32..=1.0, 0..200), t in 1e-3f32..0.999) {
            src.extend([t, t.next_down(), t.next_up(), 0.0, 1.0]);
            check_remap(&src, t);
            for level in Level::available() {
                let mut values = src.clone();
                remap_threshold_at(level, &mut values, t);
                prop_assert!(src.iter().zip(&values).all(|(&p, &q)| (p >= t) == (q >= 0.5)));
                prop_assert_eq!(&values[src.len() - 2..], &[0.0, 1.0]);
            }
        }

        #[test]
        fn bytes_over_random_input(src in prop::collection::vec(-0.2f32..1.2, 0..200), t in 0.0f32..1.0) {
            check_bytes(&src, t);
        }
    }
}
