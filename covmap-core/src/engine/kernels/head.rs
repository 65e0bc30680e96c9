//! The pointwise convolution at a network's end: few channels come out of it, as planes. In blocks they would take sixteen
//! times the memory, and another pass to leave them.

use super::lane::Lane;
use super::plane::View;
use super::{BLOCK, act, level_dispatch};
use crate::engine::graph::Act;

/// Most channels that come out.
pub(crate) const MOST: usize = 4;

/// Such a convolution ready to run.
#[derive(Debug, Clone)]
pub(crate) struct HeadStep {
    /// Values that are read as if they were joined, and their blocks.
    pub sources: Vec<(View, usize)>,
    /// Per input channel, those that only fill a block included: a weight for each of `MOST` outputs.
    pub weights: Vec<[f32; MOST]>,
    pub bias: [f32; MOST],
    /// Planes, one a channel.
    pub out: View,
    pub channels: usize,
    pub rows: usize,
    pub cols: usize,
    pub act: Option<Act>,
}

level_dispatch! {
    /// Output rows `rows`, all channels.
    ///
    /// # Safety
    /// Sources and output lie inside the arena (checked when the plan is made).
    pub(crate) unsafe fn head_rows(arena: *mut f32, step: &HeadStep, rows: (usize, usize))
    with head_body
}

#[inline(always)]
unsafe fn head_body<V: Lane>(arena: *mut f32, step: &HeadStep, rows: (usize, usize)) {
    unsafe {
        match step.channels {
            1 => head::<V, 1>(arena, step, rows),
            2 => head::<V, 2>(arena, step, rows),
            _ => head::<V, MOST>(arena, step, rows),
        }
    }
}

#[inline(always)]
unsafe fn head<V: Lane, const N: usize>(arena: *mut f32, step: &HeadStep, (first, end): (usize, usize)) {
    unsafe {
        for y in first..end {
            for x in (0..step.cols).step_by(BLOCK) {
                let pixels = (step.cols - x).min(BLOCK);
                let mut sums: [V; N] = std::array::from_fn(|o| V::splat(step.bias[o]));
                let mut weights = step.weights.as_ptr();
                for (view, blocks) in &step.sources {
                    for block in 0..*blocks {
                        let from = arena.cast_const().add(view.at + block * view.plane + y * view.row + x * BLOCK);
                        // Beyond the last pixel it is read again: nobody keeps that sum.
                        let channels = V::transpose(std::array::from_fn(|p| V::load(from.add(p.min(pixels - 1) * BLOCK))));
                        for channel in channels {
                            for (o, sum) in sums.iter_mut().enumerate() {
                                *sum = channel.fma(V::splat((*weights)[o]), *sum);
                            }
                            weights = weights.add(1);
                        }
                    }
                }
                for (o, sum) in sums.into_iter().enumerate().take(step.channels) {
                    let to = arena.add(step.out.at + o * step.out.plane + y * step.out.row + x);
                    let sum = act(sum, step.act);
                    if pixels == BLOCK {
                        sum.store(to);
                    } else {
                        let mut last = [0.0; BLOCK];
                        sum.store(last.as_mut_ptr());
                        to.copy_from_nonoverlapping(last.as_ptr(), pixels);
                    }
                }
            }
        }
    }
}
