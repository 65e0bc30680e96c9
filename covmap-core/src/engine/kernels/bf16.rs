//! Pointwise convolution with 16-bit brain floats (AVX512_BF16): two channels a multiplication, sums in f32.
//!
//! Values stay f32 in the arena; a strip of pixels at a time is rounded into scratch memory, then multiplied.

use super::BLOCK;
use super::plane::View;
use crate::engine::graph::Act;

/// A 1 x 1 convolution ready to run.
#[derive(Debug, Clone)]
pub(crate) struct PointwiseStep {
    /// Values that are read as if they were joined, and their blocks.
    pub sources: Vec<(View, usize)>,
    /// Per group of output blocks: pairs of input channels x blocks x 16 x 2.
    pub weights: Vec<u16>,
    /// Output blocks made at once: first and count.
    pub groups: Vec<(usize, usize)>,
    pub bias: Vec<f32>,
    pub out: View,
    pub blocks: usize,
    pub rows: usize,
    pub cols: usize,
    /// Rows in a strip.
    pub strip: usize,
    pub residual: Option<View>,
    pub act: Option<Act>,
}

impl PointwiseStep {
    pub(crate) fn blocks_in(&self) -> usize {
        self.sources.iter().map(|s| s.1).sum()
    }

    /// Brain floats of scratch memory that a strip needs.
    pub(crate) fn scratch(&self) -> usize {
        self.blocks_in() * self.strip * self.cols * BLOCK
    }
}

/// To the nearest brain float, halves to even; a NaN stays one.
pub(crate) fn rounded(x: f32) -> u16 {
    let bits = x.to_bits();
    if x.is_nan() { (bits >> 16) as u16 | 0x40 } else { ((bits + 0x7fff + ((bits >> 16) & 1)) >> 16) as u16 }
}

/// Output rows `rows`, all blocks.
///
/// # Safety
/// `simd::has_bf16` holds; sources and output lie inside the arena, and `scratch` has `step.scratch()` brain floats (checked when
/// the plan is made).
pub(crate) unsafe fn pointwise_rows(arena: *mut f32, step: &PointwiseStep, scratch: *mut u16, rows: (usize, usize)) {
    #[cfg(target_arch = "x86_64")]
    unsafe {
        avx512::rows(arena, step, scratch, rows);
    }
    #[cfg(not(target_arch = "x86_64"))]
    unreachable!("no plan asks for what is not available: {:?}", (arena, step, scratch, rows));
}

#[cfg(target_arch = "x86_64")]
mod avx512 {
    use std::arch::x86_64::*;

    use super::super::act;
    use super::super::lane::{Avx512, Lane};
    use super::{BLOCK, PointwiseStep};

    #[target_feature(enable = "avx512f,avx512bw,avx512dq,avx512vl,avx512bf16,avx2,fma")]
    pub(super) unsafe fn rows(arena: *mut f32, step: &PointwiseStep, scratch: *mut u16, rows: (usize, usize)) {
        let count = (rows.1 - rows.0) * step.cols;
        unsafe {
            let mut to = scratch;
            for (view, blocks) in &step.sources {
                for block in 0..*blocks {
                    for y in rows.0..rows.1 {
                        let from = arena.add(view.at + block * view.plane + y * view.row);
                        for x in 0..step.cols {
                            let narrow = _mm512_cvtneps_pbh(_mm512_loadu_ps(from.add(x * BLOCK)));
                            to.cast::<__m256bh>().write_unaligned(narrow);
                            to = to.add(BLOCK);
                        }
                    }
                }
            }
            let pairs = step.blocks_in() * BLOCK / 2;
            let mut weights = step.weights.as_ptr();
            for (first, n) in &step.groups {
                match n {
                    3 => group::<3>(arena, step, scratch, weights, *first, rows, count),
                    2 => group::<2>(arena, step, scratch, weights, *first, rows, count),
                    _ => group::<1>(arena, step, scratch, weights, *first, rows, count),
                }
                weights = weights.add(pairs * n * BLOCK * 2);
            }
        }
    }

    #[inline]
    #[target_feature(enable = "avx512f,avx512bw,avx512dq,avx512vl,avx512bf16,avx2,fma")]
    #[allow(clippy::too_many_arguments)]
    unsafe fn group<const OCB: usize>(
        arena: *mut f32,
        step: &PointwiseStep,
        scratch: *const u16,
        weights: *const u16,
        first: usize,
        rows: (usize, usize),
        count: usize,
    ) {
        for y in rows.0..rows.1 {
            let mut x = 0;
            let line = (y - rows.0) * step.cols;
            unsafe {
                while step.cols - x >= 8 {
                    tile::<8, OCB>(arena, step, scratch.add((line + x) * BLOCK), weights, first, y, x, count);
                    x += 8;
                }
                if step.cols - x >= 4 {
                    tile::<4, OCB>(arena, step, scratch.add((line + x) * BLOCK), weights, first, y, x, count);
                    x += 4;
                }
                while x < step.cols {
                    tile::<1, OCB>(arena, step, scratch.add((line + x) * BLOCK), weights, first, y, x, count);
                    x += 1;
                }
            }
        }
    }

    #[inline]
    #[target_feature(enable = "avx512f,avx512bw,avx512dq,avx512vl,avx512bf16,avx2,fma")]
    #[allow(clippy::too_many_arguments)]
    unsafe fn tile<const PX: usize, const OCB: usize>(
        arena: *mut f32,
        step: &PointwiseStep,
        from: *const u16,
        weights: *const u16,
        first: usize,
        y: usize,
        x: usize,
        count: usize,
    ) {
        unsafe {
            let mut start = [_mm512_setzero_ps(); OCB];
            for (o, s) in start.iter_mut().enumerate() {
                *s = _mm512_loadu_ps(step.bias.as_ptr().add((first + o) * BLOCK));
            }
            let mut acc = [start; PX];
            let mut w = weights;
            for block in 0..step.blocks_in() {
                let from = from.add(block * count * BLOCK);
                for pair in 0..BLOCK / 2 {
                    let mut weight = [_mm512_setzero_si512(); OCB];
                    for (o, v) in weight.iter_mut().enumerate() {
                        *v = _mm512_loadu_si512(w.add(o * BLOCK * 2).cast());
                    }
                    for (p, pixel) in acc.iter_mut().enumerate() {
                        let both = _mm512_set1_epi32(from.add(p * BLOCK + pair * 2).cast::<i32>().read_unaligned());
                        for (a, weight) in pixel.iter_mut().zip(weight) {
                            *a = _mm512_dpbf16_ps(
                                *a,
                                std::mem::transmute::<__m512i, __m512bh>(both),
                                std::mem::transmute::<__m512i, __m512bh>(weight),
                            );
                        }
                    }
                    w = w.add(OCB * BLOCK * 2);
                }
            }
            for o in 0..OCB {
                let to = arena.add(step.out.at + (first + o) * step.out.plane + y * step.out.row + x * BLOCK);
                for (p, pixel) in acc.iter().enumerate() {
                    let mut v = Avx512::of(pixel[o]);
                    if let Some(r) = &step.residual {
                        v = v.add(Avx512::load(arena.add(r.at + (first + o) * r.plane + y * r.row + (x + p) * BLOCK)));
                    }
                    act(v, step.act).store(to.add(p * BLOCK));
                }
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::rounded;

    #[test]
    fn rounding_is_to_nearest_even() {
        for (x, expected) in [
            (1.0f32, 0x3f80),
            (-2.0, 0xc000),
            (f32::from_bits(0x3f80_8000), 0x3f80),
            (f32::from_bits(0x3f81_8000), 0x3f82),
            (0.0, 0),
            (f32::INFINITY, 0x7f80),
        ] {
            assert_eq!(rounded(x), expected, "{x}");
        }
        assert!(f32::from_bits(u32::from(rounded(f32::NAN)) << 16).is_nan());
    }
}
