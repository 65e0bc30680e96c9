//! Convolution with 16-bit brain floats (AVX512_BF16): two channels a multiplication, sums in f32.
//!
//! Values stay f32 in the arena; what a strip of output rows reads is rounded into scratch memory, then multiplied.

use super::BLOCK;
use super::conv::Finish;
use super::plane::View;

/// A convolution ready to run.
#[derive(Debug, Clone)]
pub(crate) struct RoundedStep {
    pub sources: Vec<RoundedSource>,
    pub phases: Vec<RoundedPhase>,
    /// Output blocks made at once: first and count.
    pub groups: Vec<(usize, usize)>,
    pub out: View,
    pub blocks: usize,
    /// Rows of the longest phase.
    pub rows: usize,
    /// Rows of a phase in a strip.
    pub strip: usize,
    /// Brain floats of scratch memory that a strip needs.
    pub scratch: usize,
    pub finish: Finish,
}

/// A value that is read, and how a strip of it lies in scratch memory.
#[derive(Debug, Clone, Copy)]
pub(crate) struct RoundedSource {
    /// The first pixel that the first strip reads.
    pub view: View,
    pub blocks: usize,
    /// Rows that a strip reads, and rows from one row of a phase to the next.
    pub rows: usize,
    pub advance: usize,
    pub cols: usize,
    /// Where it begins in scratch memory.
    pub at: usize,
}

/// Output pixels that share their taps, as `conv::Phase`.
#[derive(Debug, Clone)]
pub(crate) struct RoundedPhase {
    pub terms: Vec<RoundedTerm>,
    /// Per group of output blocks: terms x pairs of input channels x blocks x 16 x 2.
    pub weights: Vec<u16>,
    pub rows: usize,
    pub cols: usize,
    pub at: usize,
    pub row: usize,
    pub px: usize,
}

impl RoundedPhase {
    /// Pairs of input channels over all terms.
    pub(crate) fn pairs(&self) -> usize {
        self.terms.iter().map(|t| t.pairs).sum()
    }
}

/// Up to sixteen input channels under one tap: where its pixel for the first output pixel of a strip lies in scratch memory, and
/// how far the pixels for the next row and column lie from it.
#[derive(Debug, Clone, Copy)]
pub(crate) struct RoundedTerm {
    pub at: usize,
    pub row: usize,
    pub px: usize,
    /// Pairs of input channels.
    pub pairs: usize,
}

/// To the nearest brain float, halves to even; a NaN stays one.
pub(crate) fn rounded(x: f32) -> u16 {
    let bits = x.to_bits();
    if x.is_nan() { (bits >> 16) as u16 | 0x40 } else { ((bits + 0x7fff + ((bits >> 16) & 1)) >> 16) as u16 }
}

/// Strip `strip`, all phases and blocks.
///
/// # Safety
/// `simd::has_bf16` holds; sources and output lie inside the arena, and `scratch` has `step.scratch` brain floats, within which
/// every term lies (checked when the plan is made).
pub(crate) unsafe fn rounded_strip(arena: *mut f32, step: &RoundedStep, scratch: *mut u16, strip: usize) {
    #[cfg(target_arch = "x86_64")]
    unsafe {
        avx512::strip(arena, step, scratch, strip);
    }
    #[cfg(not(target_arch = "x86_64"))]
    unreachable!("no plan asks for what is not available: {:?}", (arena, step, scratch, strip));
}

#[cfg(target_arch = "x86_64")]
mod avx512 {
    use std::arch::x86_64::*;

    use super::super::act;
    use super::super::lane::{Avx512, Lane};
    use super::{BLOCK, RoundedPhase, RoundedStep};

    #[target_feature(enable = "avx512f,avx512bw,avx512dq,avx512vl,avx512bf16,avx2,fma")]
    pub(super) unsafe fn strip(arena: *mut f32, step: &RoundedStep, scratch: *mut u16, strip: usize) {
        let first = strip * step.strip;
        unsafe {
            for s in &step.sources {
                // The last strip may be shorter.
                let rows = s.rows - (first + step.strip).saturating_sub(step.rows) * s.advance;
                for block in 0..s.blocks {
                    let mut to = scratch.add(s.at + block * s.rows * s.cols * BLOCK);
                    for y in 0..rows {
                        let from = arena.add(s.view.at + block * s.view.plane + (first * s.advance + y) * s.view.row);
                        for x in 0..s.cols {
                            let narrow = _mm512_cvtneps_pbh(_mm512_loadu_ps(from.add(x * BLOCK)));
                            to.cast::<__m256bh>().write_unaligned(narrow);
                            to = to.add(BLOCK);
                        }
                    }
                }
            }
            for phase in &step.phases {
                let mut weights = phase.weights.as_ptr();
                for (block, n) in &step.groups {
                    match n {
                        3 => group::<3>(arena, step, phase, scratch, weights, *block, first),
                        2 => group::<2>(arena, step, phase, scratch, weights, *block, first),
                        _ => group::<1>(arena, step, phase, scratch, weights, *block, first),
                    }
                    weights = weights.add(phase.pairs() * 2 * n * BLOCK);
                }
            }
        }
    }

    #[inline]
    #[target_feature(enable = "avx512f,avx512bw,avx512dq,avx512vl,avx512bf16,avx2,fma")]
    unsafe fn group<const OCB: usize>(
        arena: *mut f32,
        step: &RoundedStep,
        phase: &RoundedPhase,
        scratch: *const u16,
        weights: *const u16,
        block: usize,
        first: usize,
    ) {
        for y in first..(first + step.strip).min(phase.rows) {
            let mut x = 0;
            let at = (y - first, y);
            unsafe {
                while phase.cols - x >= 8 {
                    tile::<8, OCB>(arena, step, phase, scratch, weights, block, at, x);
                    x += 8;
                }
                if phase.cols - x >= 4 {
                    tile::<4, OCB>(arena, step, phase, scratch, weights, block, at, x);
                    x += 4;
                }
                while x < phase.cols {
                    tile::<1, OCB>(arena, step, phase, scratch, weights, block, at, x);
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
        step: &RoundedStep,
        phase: &RoundedPhase,
        scratch: *const u16,
        weights: *const u16,
        block: usize,
        (line, y): (usize, usize),
        x: usize,
    ) {
        unsafe {
            let mut start = [_mm512_setzero_ps(); OCB];
            for (o, s) in start.iter_mut().enumerate() {
                *s = _mm512_loadu_ps(step.finish.bias.as_ptr().add((block + o) * BLOCK));
            }
            let mut acc = [start; PX];
            let mut w = weights;
            for term in &phase.terms {
                let from = scratch.add(term.at + line * term.row + x * term.px);
                w = match term.px {
                    BLOCK => accumulate(&mut acc, from, BLOCK, term.pairs, w),
                    px => accumulate(&mut acc, from, px, term.pairs, w),
                };
            }
            for o in 0..OCB {
                let to = arena.add(step.out.at + phase.at + (block + o) * step.out.plane + y * phase.row + x * phase.px);
                for (p, pixel) in acc.iter().enumerate() {
                    let mut v = Avx512::of(pixel[o]);
                    if let Some(r) = &step.finish.residual {
                        v = v.add(Avx512::load(arena.add(r.at + (block + o) * r.plane + y * r.row + (x + p) * BLOCK)));
                    }
                    act(v, step.finish.act).store(to.add(p * phase.px));
                }
            }
        }
    }

    /// One term; gives the weights of the next.
    #[inline]
    #[target_feature(enable = "avx512f,avx512bw,avx512dq,avx512vl,avx512bf16,avx2,fma")]
    unsafe fn accumulate<const PX: usize, const OCB: usize>(
        acc: &mut [[__m512; OCB]; PX],
        from: *const u16,
        px: usize,
        pairs: usize,
        mut w: *const u16,
    ) -> *const u16 {
        unsafe {
            for pair in 0..pairs {
                let mut weight = [_mm512_setzero_si512(); OCB];
                for (o, v) in weight.iter_mut().enumerate() {
                    *v = _mm512_loadu_si512(w.add(o * BLOCK * 2).cast());
                }
                for (p, pixel) in acc.iter_mut().enumerate() {
                    let both = _mm512_set1_epi32(from.add(p * px + pair * 2).cast::<i32>().read_unaligned());
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
            w
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
