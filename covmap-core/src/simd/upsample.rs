//! Bilinear resampling of network outputs to native resolution, fused with quantisation, gating and labelling.
#![allow(unsafe_code)]

use rayon::prelude::*;

use super::probability::quantise_at;
use super::{BAND_PIXELS, Level, in_parallel, levels};

/// Bilinear resampling of `src` to the size of `dst`: half-pixel centres, edges clamped. Sizes are (width, height), pixels
/// row by row. Any ratio is legal; downsampling interpolates between neighbours, it doesn't average. A NaN spreads to every
/// pixel that has it as a neighbour.
pub fn upsample(src: &[f32], src_size: (usize, usize), dst: &mut [f32], dst_size: (usize, usize)) {
    upsample_at(Level::detect(), src, src_size, dst, dst_size);
}

#[doc(hidden)]
pub fn upsample_at(level: Level, src: &[f32], src_size: (usize, usize), dst: &mut [f32], dst_size: (usize, usize)) {
    let Some(stretch) = Stretch::new(level, src.len(), src_size, dst.len(), dst_size) else { return };
    each_row(dst, &stretch, |y, out, lines| stretch.row(src, y, &mut lines.source, out));
}

/// [`upsample`] of probabilities, then `255 p` rounded half up as [`quantise`](super::quantise) does it, and 0 wherever
/// the gate (of the destination's size) is 0.
pub fn upsample_bytes(src: &[f32], src_size: (usize, usize), gate: Option<&[u8]>, dst: &mut [u8], dst_size: (usize, usize)) {
    upsample_bytes_at(Level::detect(), src, src_size, gate, dst, dst_size);
}

#[doc(hidden)]
pub fn upsample_bytes_at(
    level: Level,
    src: &[f32],
    src_size: (usize, usize),
    gate: Option<&[u8]>,
    dst: &mut [u8],
    dst_size: (usize, usize),
) {
    if let Some(gate) = gate {
        assert_eq!(gate.len(), dst.len(), "upsample_bytes: gate and destination differ in length");
    }
    let Some(stretch) = Stretch::new(level, src.len(), src_size, dst.len(), dst_size) else { return };
    each_row(dst, &stretch, |y, out, lines| {
        stretch.row(src, y, &mut lines.source, &mut lines.first);
        quantise_at(level, &lines.first, out);
        if let Some(gate) = gate {
            gate_row_at(level, &gate[y * dst_size.0..][..dst_size.0], out);
        }
    });
}

/// [`upsample`] of the two lung probabilities to labels: where the greater one reaches `threshold`, 1 (the patient's right
/// lung, also where they are equal) or 2 (left); 0 elsewhere.
pub fn upsample_lungs(right: &[f32], left: &[f32], src_size: (usize, usize), threshold: f32, dst: &mut [u8], dst_size: (usize, usize)) {
    upsample_lungs_at(Level::detect(), right, left, src_size, threshold, dst, dst_size);
}

#[doc(hidden)]
pub fn upsample_lungs_at(
    level: Level,
    right: &[f32],
    left: &[f32],
    src_size: (usize, usize),
    threshold: f32,
    dst: &mut [u8],
    dst_size: (usize, usize),
) {
    assert_eq!(right.len(), left.len(), "upsample_lungs: right and left differ in length");
    let Some(stretch) = Stretch::new(level, right.len(), src_size, dst.len(), dst_size) else { return };
    each_row(dst, &stretch, |y, out, lines| {
        stretch.row(right, y, &mut lines.source, &mut lines.first);
        stretch.row(left, y, &mut lines.source, &mut lines.second);
        label_row_at(level, &lines.first, &lines.second, threshold, out);
    });
}

/// How one size maps to another.
struct Stretch {
    level: Level,
    src_width: usize,
    columns: Axis,
    rows: Axis,
}

/// Per destination coordinate the source coordinate below it and the weight (0..1) of the next one.
struct Axis {
    below: Vec<u32>,
    weight: Vec<f32>,
}

/// One thread's line buffers: a source line interpolated between rows, and up to two destination lines.
struct Lines {
    source: Vec<f32>,
    first: Vec<f32>,
    second: Vec<f32>,
}

/// A source line is continued by this many copies of its last value: a right neighbour for the last pixel, and room for a
/// whole vector from any pixel on.
const PADDING: usize = 16;

impl Stretch {
    /// `None` where the destination is empty.
    fn new(level: Level, src_len: usize, src: (usize, usize), dst_len: usize, dst: (usize, usize)) -> Option<Self> {
        assert_eq!(src_len, src.0 * src.1, "upsample: the source does not have width * height pixels");
        assert_eq!(dst_len, dst.0 * dst.1, "upsample: the destination does not have width * height pixels");
        if dst_len == 0 {
            return None;
        }
        assert!(src_len > 0, "upsample: the source is empty");
        assert!(u32::try_from(src.0.max(src.1)).is_ok(), "upsample: the source is wider or higher than 2^32");
        Some(Self { level, src_width: src.0, columns: Axis::new(src.0, dst.0), rows: Axis::new(src.1, dst.1) })
    }

    /// Row `y` of the destination; `line` is a buffer of `src_width + PADDING`.
    fn row(&self, src: &[f32], y: usize, line: &mut [f32], out: &mut [f32]) {
        let width = self.src_width;
        let upper = self.rows.below[y] as usize;
        let lower = (upper + 1).min(src.len() / width - 1);
        let (body, padding) = line.split_at_mut(width);
        lerp_rows_at(self.level, &src[upper * width..][..width], &src[lower * width..][..width], self.rows.weight[y], body);
        padding.fill(body[width - 1]);
        self.columns.interpolate(self.level, line, out);
    }
}

impl Axis {
    fn new(src: usize, dst: usize) -> Self {
        let ratio = src as f64 / dst as f64;
        let positions = (0..dst).map(|at| ((at as f64 + 0.5) * ratio - 0.5).clamp(0.0, (src - 1) as f64));
        let (below, weight) = positions.map(|position| (position as u32, position.fract() as f32)).unzip();
        Self { below, weight }
    }

    fn interpolate(&self, level: Level, line: &[f32], out: &mut [f32]) {
        assert!(out.len() == self.below.len() && out.len() == self.weight.len());
        match level.supported() {
            // SAFETY: `supported` returns a level only where the machine has every feature of it.
            #[cfg(target_arch = "x86_64")]
            Level::Avx512 => unsafe { x86::interpolate_avx512(self, line, out) },
            // SAFETY: as above.
            #[cfg(target_arch = "x86_64")]
            Level::Avx2 => unsafe { x86::interpolate_avx2(self, line, out) },
            _ => interpolate_pixels(&self.below, &self.weight, line, out),
        }
    }
}

#[inline(always)]
fn interpolate_pixels(below: &[u32], weight: &[f32], line: &[f32], out: &mut [f32]) {
    for ((out, &below), &weight) in out.iter_mut().zip(below).zip(weight) {
        let (left, right) = (line[below as usize], line[below as usize + 1]);
        *out = left + weight * (right - left);
    }
}

levels! {
    fn lerp_rows_at(upper: &[f32], lower: &[f32], weight: f32, out: &mut [f32]) {
        for ((out, &upper), &lower) in out.iter_mut().zip(upper).zip(lower) {
            *out = upper + weight * (lower - upper);
        }
    }
}

levels! {
    fn gate_row_at(gate: &[u8], out: &mut [u8]) {
        for (out, &gate) in out.iter_mut().zip(gate) {
            *out = if gate == 0 { 0 } else { *out };
        }
    }
}

levels! {
    fn label_row_at(right: &[f32], left: &[f32], threshold: f32, out: &mut [u8]) {
        for ((out, &right), &left) in out.iter_mut().zip(right).zip(left) {
            let wins = (right >= left) | left.is_nan();
            let is_right = u8::from(right >= threshold) & u8::from(wins);
            let is_left = u8::from(left >= threshold) & (1 - is_right);
            *out = is_right | is_left << 1;
        }
    }
}

/// Calls `work(y, row, buffers)` for every row of the destination, in parallel where it is big.
fn each_row<T: Send>(dst: &mut [T], stretch: &Stretch, work: impl Fn(usize, &mut [T], &mut Lines) + Sync) {
    let width = stretch.columns.below.len();
    let lines = || Lines { source: vec![0.0; stretch.src_width + PADDING], first: vec![0.0; width], second: vec![0.0; width] };
    if !in_parallel(dst.len()) {
        let mut lines = lines();
        return dst.chunks_exact_mut(width).enumerate().for_each(|(y, row)| work(y, row, &mut lines));
    }
    let rows = dst.par_chunks_exact_mut(width).enumerate().with_min_len((BAND_PIXELS / width).max(1));
    rows.for_each_init(lines, |lines, (y, row)| work(y, row, lines));
}

#[cfg(target_arch = "x86_64")]
mod x86 {
    use super::{Axis, interpolate_pixels};
    use std::arch::x86_64::*;

    // Neighbouring destination pixels read neighbouring source pixels: unless the image shrinks, all that a vector needs
    // lies within a vector's width from its first source pixel on, and a permutation of registers replaces the gathers.

    #[target_feature(enable = "avx512f,avx2")]
    pub(super) fn interpolate_avx512(axis: &Axis, line: &[f32], out: &mut [f32]) {
        let (below_blocks, below_rest) = axis.below.as_chunks::<16>();
        let (weight_blocks, weight_rest) = axis.weight.as_chunks::<16>();
        let (out_blocks, out_rest) = out.as_chunks_mut::<16>();
        for ((out, below), weight) in out_blocks.iter_mut().zip(below_blocks).zip(weight_blocks) {
            if below[15] - below[0] > 15 {
                interpolate_pixels(below, weight, line, out);
                continue;
            }
            let near: &[f32; 17] = line[below[0] as usize..].first_chunk().expect("the line is padded");
            // SAFETY: every load and store is of 16 values: all of 16, the first or the last 16 of 17; none needs alignment.
            unsafe {
                let index = _mm512_sub_epi32(_mm512_loadu_si512(below.as_ptr().cast()), _mm512_set1_epi32(below[0] as i32));
                let left = _mm512_permutexvar_ps(index, _mm512_loadu_ps(near.as_ptr()));
                let right = _mm512_permutexvar_ps(index, _mm512_loadu_ps(near.as_ptr().add(1)));
                let step = _mm512_mul_ps(_mm512_loadu_ps(weight.as_ptr()), _mm512_sub_ps(right, left));
                _mm512_storeu_ps(out.as_mut_ptr(), _mm512_add_ps(left, step));
            }
        }
        interpolate_pixels(below_rest, weight_rest, line, out_rest);
    }

    #[target_feature(enable = "avx2")]
    pub(super) fn interpolate_avx2(axis: &Axis, line: &[f32], out: &mut [f32]) {
        let (below_blocks, below_rest) = axis.below.as_chunks::<8>();
        let (weight_blocks, weight_rest) = axis.weight.as_chunks::<8>();
        let (out_blocks, out_rest) = out.as_chunks_mut::<8>();
        for ((out, below), weight) in out_blocks.iter_mut().zip(below_blocks).zip(weight_blocks) {
            if below[7] - below[0] > 7 {
                interpolate_pixels(below, weight, line, out);
                continue;
            }
            let near: &[f32; 9] = line[below[0] as usize..].first_chunk().expect("the line is padded");
            // SAFETY: every load and store is of 8 values: all of 8, the first or the last 8 of 9; none needs alignment.
            unsafe {
                let index = _mm256_sub_epi32(_mm256_loadu_si256(below.as_ptr().cast()), _mm256_set1_epi32(below[0] as i32));
                let left = _mm256_permutevar8x32_ps(_mm256_loadu_ps(near.as_ptr()), index);
                let right = _mm256_permutevar8x32_ps(_mm256_loadu_ps(near.as_ptr().add(1)), index);
                let step = _mm256_mul_ps(_mm256_loadu_ps(weight.as_ptr()), _mm256_sub_ps(right, left));
                _mm256_storeu_ps(out.as_mut_ptr(), _mm256_add_ps(left, step));
            }
        }
        interpolate_pixels(below_rest, weight_rest, line, out_rest);
    }
}

#[cfg(test)]
mod tests {
    use super::super::PARALLEL_PIXELS;
    use super::super::tests::{SIZES, in_pools, noise_bytes, noise_probabilities};
    use super::*;
    use proptest::prelude::*;

    /// One destination pixel in double precision, straight from the definition.
    fn reference(src: &[f32], (sw, sh): (usize, usize), x: usize, y: usize, (dw, dh): (usize, usize)) -> f64 {
        let along = |at: usize, src: usize, dst: usize| {
            let position = (at as f64 + 0.5) * src as f64 / dst as f64 - 0.5;
            let below = position.floor();
            let clamp = |at: f64| at.max(0.0).min(src as f64 - 1.0) as usize;
            (clamp(below), clamp(below + 1.0), position - below)
        };
        let (x0, x1, wx) = along(x, sw, dw);
        let (y0, y1, wy) = along(y, sh, dh);
        let pixel = |x: usize, y: usize| f64::from(src[y * sw + x]);
        let row = |y: usize| pixel(x0, y) * (1.0 - wx) + pixel(x1, y) * wx;
        row(y0) * (1.0 - wy) + row(y1) * wy
    }

    fn check(src: &[f32], other: &[f32], src_size: (usize, usize), dst_size: (usize, usize)) {
        let count = dst_size.0 * dst_size.1;
        let gate: Vec<u8> = noise_bytes(count, 15).iter().map(|&byte| byte / 64).collect();
        let threshold = 0.6;
        let mut first = None;
        for level in Level::available() {
            let (mut values, mut bytes, mut gated, mut labels) = (vec![9.0; count], vec![9; count], vec![9; count], vec![9; count]);
            upsample_at(level, src, src_size, &mut values, dst_size);
            upsample_bytes_at(level, src, src_size, None, &mut bytes, dst_size);
            upsample_bytes_at(level, src, src_size, Some(&gate), &mut gated, dst_size);
            upsample_lungs_at(level, src, other, src_size, threshold, &mut labels, dst_size);
            for at in 0..count {
                let (x, y) = (at % dst_size.0, at / dst_size.0);
                let place = format!("{level:?}, {src_size:?} to {dst_size:?} at {x}, {y}");
                let right = reference(src, src_size, x, y, dst_size);
                assert!((f64::from(values[at]) - right).abs() < 1e-6, "{place}: {}, not {right}", values[at]);
                assert!((f64::from(bytes[at]) - 255.0 * right).abs() < 0.5003, "{place}: {}, not {right}", bytes[at]);
                assert_eq!(gated[at], if gate[at] == 0 { 0 } else { bytes[at] }, "{place}");
                let left = reference(other, src_size, x, y, dst_size);
                let greater = right.max(left);
                // Within rounding of a border either side is right.
                if (greater - f64::from(threshold)).abs() > 1e-6 && (right - left).abs() > 1e-6 {
                    let expected = if greater < f64::from(threshold) {
                        0
                    } else if right >= left {
                        1
                    } else {
                        2
                    };
                    assert_eq!(labels[at], expected, "{place}: {right}, {left}");
                }
            }
            let bits: Vec<u32> = values.iter().map(|value| value.to_bits()).collect();
            let all = (bits, bytes, labels);
            assert_eq!(first.get_or_insert_with(|| all.clone()), &all, "{level:?}, {src_size:?} to {dst_size:?} differs");
        }
    }

    #[test]
    fn all_widths_unaligned() {
        let (right, left) = (noise_probabilities(1100 * 3, 16), noise_probabilities(1100 * 3, 17));
        for src in SIZES.into_iter().filter(|&size| size > 0) {
            for dst in SIZES {
                check(&right[1..][..src * 2], &left[3..][..src * 2], (src, 2), (dst, 3));
            }
        }
        check(&right[..1], &left[..1], (1, 1), (40, 7));
        check(&right[..33], &left[..33], (1, 33), (1, 65));
        check(&right[..64], &left[..64], (4, 16), (300, 1));
        check(&[], &[], (0, 5), (0, 7));
    }

    #[test]
    fn the_same_size_is_the_identity() {
        let src = noise_probabilities(37 * 5, 18);
        for level in Level::available() {
            let mut dst = vec![0.0; src.len()];
            upsample_at(level, &src, (37, 5), &mut dst, (37, 5));
            assert_eq!(dst, src, "{level:?}");
        }
    }

    #[test]
    fn right_wins_ties_and_nan_is_no_lung() {
        let nan = f32::NAN;
        let cases =
            [(0.7, 0.7, 1), (0.7, 0.6, 1), (0.5, 0.9, 2), (0.2, 0.3, 0), (0.6, 0.1, 1), (nan, 0.8, 2), (0.9, nan, 1), (nan, nan, 0)];
        for (level, (right, left, label)) in Level::available().into_iter().flat_map(|level| cases.map(|case| (level, case))) {
            let mut labels = [9; 40];
            upsample_lungs_at(level, &[right], &[left], (1, 1), 0.6, &mut labels, (20, 2));
            assert_eq!(labels, [label; 40], "{level:?}: {right}, {left}");
        }
    }

    #[test]
    fn threads_change_nothing() {
        let (right, left) = (noise_probabilities(60 * 50, 19), noise_probabilities(60 * 50, 20));
        let size = (1201, 907);
        assert!(size.0 * size.1 > PARALLEL_PIXELS);
        let mut alone = vec![0.0; size.0 * size.1];
        let stretch = Stretch::new(Level::Portable, right.len(), (60, 50), alone.len(), size).expect("not empty");
        let mut line = vec![0.0; 60 + PADDING];
        alone.chunks_mut(size.0).enumerate().for_each(|(y, row)| stretch.row(&right, y, &mut line, row));
        for level in Level::available() {
            let [(values, bytes, labels), three] = in_pools(|| {
                let (mut values, mut bytes, mut labels) = (alone.clone(), vec![0; alone.len()], vec![0; alone.len()]);
                values.fill(0.0);
                upsample_at(level, &right, (60, 50), &mut values, size);
                upsample_bytes_at(level, &right, (60, 50), None, &mut bytes, size);
                upsample_lungs_at(level, &right, &left, (60, 50), 0.5, &mut labels, size);
                (values, bytes, labels)
            });
            assert!(values == alone, "{level:?}");
            assert!((values, bytes, labels) == three, "{level:?}");
        }
    }

    #[test]
    #[should_panic(expected = "the source is empty")]
    fn a_source_is_needed() {
        upsample(&[], (0, 3), &mut [0.0], (1, 1));
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(48))]
        #[test]
        fn random_sizes(sw in 1usize..70, sh in 1usize..20, dw in 1usize..150, dh in 1usize..30, seed in any::<u64>()) {
            let (right, left) = (noise_probabilities(sw * sh, seed), noise_probabilities(sw * sh, seed ^ 1));
            check(&right, &left, (sw, sh), (dw, dh));
        }
    }
}
