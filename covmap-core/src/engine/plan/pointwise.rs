//! Pointwise convolutions in bf16: when, and their weights.

use super::terms::{Placed, Source};
use crate::engine::graph::{Act, Conv, Shape};
use crate::engine::kernels::BLOCK;
use crate::engine::kernels::bf16::{PointwiseStep, rounded};
use crate::engine::kernels::conv::groups;
use crate::engine::kernels::plane::View;

/// Bytes of rounded input that a strip should not exceed, to stay near.
const STRIP: usize = 128 << 10;

/// Whether it is one, over values in blocks.
pub(super) fn fits(conv: &Conv, sources: &[(Source, Placed)]) -> bool {
    is_pointwise(conv) && sources.iter().all(|(s, p)| s.factor == 1 && !p.planar)
}

pub(super) fn is_pointwise(conv: &Conv) -> bool {
    conv.kernel == [1, 1] && conv.stride == [1, 1] && conv.pad == [0, 0] && conv.groups == 1 && !conv.transposed
}

/// The input channel of each lane of the sources' blocks; lanes beyond a source's channels have none.
pub(super) fn lanes(sources: &[(Source, Placed)]) -> impl Iterator<Item = Option<usize>> {
    sources.iter().flat_map(|(s, _)| (0..s.shape.c.next_multiple_of(BLOCK)).map(move |c| (c < s.shape.c).then_some(s.first + c)))
}

/// Where the sources lie, and their blocks.
pub(super) fn views(sources: &[(Source, Placed)]) -> Vec<(View, usize)> {
    sources.iter().map(|(s, p)| (p.view, s.shape.c.div_ceil(BLOCK))).collect()
}

#[allow(clippy::too_many_arguments)]
pub(super) fn step(
    conv: &Conv,
    sources: &[(Source, Placed)],
    shape: Shape,
    out: View,
    bias: Vec<f32>,
    residual: Option<View>,
    act: Option<Act>,
    widest: usize,
) -> PointwiseStep {
    let blocks = shape.c.div_ceil(BLOCK);
    let groups: Vec<(usize, usize)> = groups(blocks, widest).collect();
    let channels_in = conv.weights.len() / shape.c;
    let lanes: Vec<Option<usize>> = lanes(sources).collect();
    let weight = |filter: usize, lane: Option<usize>| match lane {
        Some(channel) if filter < shape.c => rounded(conv.weights[filter * channels_in + channel]),
        _ => 0,
    };
    let mut weights = Vec::with_capacity(lanes.len() * blocks * BLOCK);
    for (first, n) in &groups {
        for pair in lanes.chunks_exact(2) {
            for filter in first * BLOCK..(first + n) * BLOCK {
                weights.extend([weight(filter, pair[0]), weight(filter, pair[1])]);
            }
        }
    }
    let row = lanes.len() * shape.w * size_of::<u16>();
    // At least four strips, so that threads find work.
    let strip = (STRIP / row).min(shape.h.div_ceil(4)).max(1);
    PointwiseStep { sources: views(sources), weights, groups, bias, out, blocks, rows: shape.h, cols: shape.w, strip, residual, act }
}
