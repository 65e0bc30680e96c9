//! Depthwise convolution: a plain vector loop over the channel block.

use super::lane::Lane;
use super::{BLOCK, act, level_dispatch};
use crate::engine::graph::Act;

/// A depthwise convolution ready to run.
#[derive(Debug, Clone)]
pub(crate) struct DepthwiseStep {
    /// Block, row, column, 16 channels.
    pub weights: Vec<f32>,
    pub bias: Vec<f32>,
    pub blocks: usize,
    pub kernel: [usize; 2],
    pub dilation: [usize; 2],
    pub rows: usize,
    pub cols: usize,
    /// First tap of the first pixel in the arena; floats between its blocks, and between taps' rows.
    pub from: usize,
    pub from_plane: usize,
    pub from_line: usize,
    /// From one output row, and pixel, to the next.
    pub from_row: usize,
    pub from_px: usize,
    pub out: usize,
    pub out_plane: usize,
    pub out_row: usize,
    pub act: Option<Act>,
}

level_dispatch! {
    /// Output rows `rows` of one block.
    ///
    /// # Safety
    /// Input taps and output lie inside the arena for all rows and columns (checked when the plan is made).
    pub(crate) unsafe fn depthwise_rows(arena: *mut f32, step: &DepthwiseStep, block: usize, rows: (usize, usize))
    with depthwise_body
}

#[inline(always)]
unsafe fn depthwise_body<V: Lane>(arena: *mut f32, step: &DepthwiseStep, block: usize, rows: (usize, usize)) {
    unsafe {
        match V::REGISTERS.0 {
            1 => all_rows::<V, 8>(arena, step, block, rows),
            2 => all_rows::<V, 4>(arena, step, block, rows),
            _ => all_rows::<V, 2>(arena, step, block, rows),
        }
    }
}

#[inline(always)]
unsafe fn all_rows<V: Lane, const PX: usize>(arena: *mut f32, step: &DepthwiseStep, block: usize, rows: (usize, usize)) {
    unsafe {
        for y in rows.0..rows.1 {
            let mut x = 0;
            while step.cols - x >= PX {
                strip::<V, PX>(arena, step, block, y, x);
                x += PX;
            }
            while x < step.cols {
                strip::<V, 1>(arena, step, block, y, x);
                x += 1;
            }
        }
    }
}

#[inline(always)]
unsafe fn strip<V: Lane, const PX: usize>(arena: *mut f32, step: &DepthwiseStep, block: usize, y: usize, x: usize) {
    unsafe {
        let from = arena.cast_const().add(step.from + block * step.from_plane + y * step.from_row + x * step.from_px);
        let weights = step.weights.as_ptr().add(block * step.kernel[0] * step.kernel[1] * BLOCK);
        let mut acc = [V::load(step.bias.as_ptr().add(block * BLOCK)); PX];
        // Kernel sizes and steps of the usual networks get loops of known length.
        match (step.kernel, step.dilation[1], step.from_px) {
            ([3, 3], 1, 16) => taps::<V, PX>(&mut acc, from, step.from_line, 3, 3, 16, 16, weights),
            ([3, 3], 1, 32) => taps::<V, PX>(&mut acc, from, step.from_line, 3, 3, 16, 32, weights),
            ([5, 5], 1, 16) => taps::<V, PX>(&mut acc, from, step.from_line, 5, 5, 16, 16, weights),
            ([5, 5], 1, 32) => taps::<V, PX>(&mut acc, from, step.from_line, 5, 5, 16, 32, weights),
            ([ky, kx], dilation, px) => taps::<V, PX>(&mut acc, from, step.from_line, ky, kx, dilation * BLOCK, px, weights),
        }
        let to = arena.add(step.out + block * step.out_plane + y * step.out_row + x * BLOCK);
        for (p, v) in acc.into_iter().enumerate() {
            act::<V>(v, step.act).store(to.add(p * BLOCK));
        }
    }
}

#[inline(always)]
#[allow(clippy::too_many_arguments)]
unsafe fn taps<V: Lane, const PX: usize>(
    acc: &mut [V; PX],
    from: *const f32,
    line: usize,
    ky: usize,
    kx: usize,
    tap: usize,
    px: usize,
    weights: *const f32,
) {
    unsafe {
        for i in 0..ky {
            for j in 0..kx {
                let w = V::load(weights.add((i * kx + j) * BLOCK));
                for (p, a) in acc.iter_mut().enumerate() {
                    *a = V::load(from.add(i * line + j * tap + p * px)).fma(w, *a);
                }
            }
        }
    }
}
