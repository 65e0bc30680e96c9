//! Convolution on the channel-blocked layout: a tile of output pixels times a group of output blocks stays in registers
//! while a list of terms (a tap of the kernel times a block of input channels) streams past.

use super::lane::Lane;
use super::plane::View;
use super::{act, level_dispatch};
use crate::engine::graph::Act;

/// One tap and up to sixteen input channels. Offsets and steps count floats.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Term {
    /// Where the channels of the first output pixel's tap begin, from the start of the arena.
    pub at: usize,
    /// From one output row to the next.
    pub row: usize,
    /// From one output pixel to the next.
    pub px: usize,
    /// Input channels.
    pub channels: usize,
}

/// The output pixels of one phase: all of a plain convolution, every second row and column of a folded enlargement.
#[derive(Debug, Clone)]
pub(crate) struct Phase {
    pub terms: Vec<Term>,
    /// Per group of output blocks: terms x channels x blocks x 16.
    pub weights: Vec<f32>,
    /// The output blocks it makes.
    pub first: usize,
    pub blocks: usize,
    pub rows: usize,
    pub cols: usize,
    /// First output pixel, in floats from the start of the output's first block; steps to the next row and pixel.
    pub at: usize,
    pub row: usize,
    pub px: usize,
}

/// What becomes of a convolution's sums.
#[derive(Debug, Clone)]
pub(crate) struct Finish {
    /// Output blocks x 16.
    pub bias: Vec<f32>,
    /// A value of the output's shape that is added. Of a plain convolution only with a single phase.
    pub residual: Option<View>,
    pub act: Option<Act>,
}

/// A convolution ready to run.
#[derive(Debug, Clone)]
pub(crate) struct ConvStep {
    pub phases: Vec<Phase>,
    /// Start of the output's first block in the arena, floats from one block to the next.
    pub out: usize,
    pub plane: usize,
    pub finish: Finish,
}

/// Output blocks that one pass over the input makes, at most `widest` at once: first and count of each pass.
pub(crate) fn groups(blocks: usize, widest: usize) -> impl Iterator<Item = (usize, usize)> {
    // Even groups: 4 is 2 + 2, not 3 + 1.
    let groups = blocks.div_ceil(widest);
    let (base, extra) = (blocks / groups.max(1), blocks % groups.max(1));
    (0..groups).map(move |g| (g * base + g.min(extra), base + usize::from(g < extra)))
}

level_dispatch! {
    /// Output rows `rows` of output blocks `first..first + n` of one phase.
    ///
    /// # Safety
    /// Every term and the output lie inside the arena for all rows and columns of the phase (checked when the plan is made).
    pub(crate) unsafe fn conv_rows(arena: *mut f32, step: &ConvStep, phase: &Phase, weights: *const f32, first: usize, n: usize, rows: (usize, usize))
    with conv_body
}

/// As many pixels as the level's registers hold beside the weights.
#[inline(always)]
#[allow(clippy::too_many_arguments)]
pub(super) unsafe fn conv_body<V: Lane>(
    arena: *mut f32,
    step: &ConvStep,
    phase: &Phase,
    weights: *const f32,
    first: usize,
    n: usize,
    rows: (usize, usize),
) {
    unsafe {
        match (V::REGISTERS, n) {
            ((1, _), 3) => all_rows::<V, 8, 3>(arena, step, phase, weights, first, rows),
            ((1, _), 2) => all_rows::<V, 8, 2>(arena, step, phase, weights, first, rows),
            ((1, _), _) => all_rows::<V, 8, 1>(arena, step, phase, weights, first, rows),
            ((2, _), _) => all_rows::<V, 6, 1>(arena, step, phase, weights, first, rows),
            _ => all_rows::<V, 2, 1>(arena, step, phase, weights, first, rows),
        }
    }
}

#[inline(always)]
#[allow(clippy::too_many_arguments)]
unsafe fn all_rows<V: Lane, const PX: usize, const OCB: usize>(
    arena: *mut f32,
    step: &ConvStep,
    phase: &Phase,
    weights: *const f32,
    first: usize,
    rows: (usize, usize),
) {
    unsafe {
        for y in rows.0..rows.1 {
            let mut x = 0;
            while phase.cols - x >= PX {
                tile::<V, PX, OCB>(arena, step, phase, weights, first, y, x);
                x += PX;
            }
            // The rest in halves, so that small maps are not worked pixel by pixel.
            if PX > 8 && phase.cols - x >= 8 {
                tile::<V, 8, OCB>(arena, step, phase, weights, first, y, x);
                x += 8;
            }
            if PX > 4 && phase.cols - x >= 4 {
                tile::<V, 4, OCB>(arena, step, phase, weights, first, y, x);
                x += 4;
            }
            if PX > 2 && phase.cols - x >= 2 {
                tile::<V, 2, OCB>(arena, step, phase, weights, first, y, x);
                x += 2;
            }
            while x < phase.cols {
                tile::<V, 1, OCB>(arena, step, phase, weights, first, y, x);
                x += 1;
            }
        }
    }
}

#[inline(always)]
#[allow(clippy::too_many_arguments)]
unsafe fn tile<V: Lane, const PX: usize, const OCB: usize>(
    arena: *mut f32,
    step: &ConvStep,
    phase: &Phase,
    weights: *const f32,
    first: usize,
    y: usize,
    x: usize,
) {
    unsafe {
        let bias = step.finish.bias.as_ptr().add(first * 16);
        let start: [V; OCB] = std::array::from_fn(|o| V::load(bias.add(o * 16)));
        let mut acc = [start; PX];
        let mut w = weights;
        for term in &phase.terms {
            let from = arena.cast_const().add(term.at + y * term.row + x * term.px);
            match term.px {
                16 => w = accumulate::<V, PX, OCB>(&mut acc, from, 16, term.channels, w),
                32 => w = accumulate::<V, PX, OCB>(&mut acc, from, 32, term.channels, w),
                px => w = accumulate::<V, PX, OCB>(&mut acc, from, px, term.channels, w),
            }
        }
        let out = step.out + phase.at + y * phase.row + x * phase.px + first * step.plane;
        for o in 0..OCB {
            let to = arena.add(out + o * step.plane);
            for (p, pixel) in acc.iter().enumerate() {
                let mut v = pixel[o];
                if let Some(r) = &step.finish.residual {
                    v = v.add(V::load(arena.add(r.at + (first + o) * r.plane + y * r.row + (x + p) * 16)));
                }
                act::<V>(v, step.finish.act).store(to.add(p * phase.px));
            }
        }
    }
}

/// One term; gives the weights of the next.
#[inline(always)]
unsafe fn accumulate<V: Lane, const PX: usize, const OCB: usize>(
    acc: &mut [[V; OCB]; PX],
    from: *const f32,
    px: usize,
    channels: usize,
    mut w: *const f32,
) -> *const f32 {
    unsafe {
        for c in 0..channels {
            let weight: [V; OCB] = std::array::from_fn(|o| V::load(w.add(o * 16)));
            for (p, pixel) in acc.iter_mut().enumerate() {
                let x = V::splat(*from.add(p * px + c));
                for (a, weight) in pixel.iter_mut().zip(weight) {
                    *a = x.fma(weight, *a);
                }
            }
            w = w.add(OCB * 16);
        }
        w
    }
}
