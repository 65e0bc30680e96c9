//! From nodes to steps: which values stand in memory, and which kernel computes each.

use super::frame::Frame;
use super::fuse::{Fused, Node, NodeOp};
use super::rounded;
use super::step::Kind;
use super::terms::{self, Placed, Source};
use super::winograd;
use crate::engine::graph::{Act, Conv, Pool, Shape};
use crate::engine::kernels::conv::{ConvStep, Finish};
use crate::engine::kernels::depthwise::DepthwiseStep;
use crate::engine::kernels::head::{self, HeadStep};
use crate::engine::kernels::plane::{PlaneOp, PlaneStep, View};
use crate::engine::kernels::{BLOCK, widest_group};
use crate::simd::Level;

/// How a node's value is held.
#[derive(Debug, Clone, Copy, Default)]
pub(super) struct Need {
    /// Some step reads it as a value of its own.
    pub stands: bool,
    halo: usize,
    /// Read by something else than a dense convolution.
    blocked: bool,
    /// Leaves the plan as it is, and nothing else reads it.
    leaves: bool,
    pub last: usize,
}

/// What a dense convolution reads: joined and enlarged values are looked through where that costs nothing.
fn sources(fused: &Fused, node: &Node) -> Option<Vec<Source>> {
    let NodeOp::Conv { conv, .. } = &node.op else { return None };
    if depthwise(conv, node.shape.c) {
        return None;
    }
    let mut found = Vec::new();
    collect(fused, conv, node, node.inputs[0], 0, &mut found);
    Some(found)
}

fn collect(fused: &Fused, conv: &Conv, reader: &Node, at: usize, first: usize, found: &mut Vec<Source>) {
    let node = &fused.nodes[at];
    match &node.op {
        NodeOp::Concat => {
            let mut first = first;
            for input in &node.inputs {
                collect(fused, conv, reader, *input, first, found);
                first += fused.nodes[*input].shape.c;
            }
        }
        NodeOp::Nearest(factor)
            if !conv.transposed
                && conv.stride == [1, 1]
                && conv.dilation == [1, 1]
                && conv.kernel[0] > 1
                && conv.kernel[1] > 1
                && (reader.shape.h, reader.shape.w) == (node.shape.h, node.shape.w)
                && !matches!(reader.op, NodeOp::Conv { residual: true, .. })
                && found.iter().all(|s: &Source| s.factor == 1 || s.factor == *factor) =>
        {
            found.push(Source { node: node.inputs[0], shape: fused.nodes[node.inputs[0]].shape, factor: *factor, first });
        }
        _ => found.push(Source { node: at, shape: node.shape, factor: 1, first }),
    }
}

fn depthwise(conv: &Conv, channels: usize) -> bool {
    conv.groups == channels && conv.groups > 1 && !conv.transposed && conv.weights.len() == channels * conv.kernel[0] * conv.kernel[1]
}

/// Which nodes stand as values of their own, the halos that their readers ask for, and how long they live.
pub(super) fn needs(fused: &Fused) -> Vec<Need> {
    let mut needs = vec![Need::default(); fused.nodes.len()];
    let end = fused.nodes.len();
    for o in &fused.outputs {
        needs[*o] = Need { stands: true, leaves: true, last: end, ..needs[*o] };
    }
    for i in &fused.inputs {
        needs[*i].stands = true;
    }
    for (i, node) in fused.nodes.iter().enumerate().rev() {
        if !needs[i].stands {
            continue;
        }
        needs[i].last = needs[i].last.max(i);
        let mut read = |at: usize, halo: usize, blocked: bool| {
            let n = &mut needs[at];
            *n = Need { stands: true, halo: n.halo.max(halo), blocked: n.blocked || blocked, leaves: false, last: n.last.max(i) };
        };
        match (&node.op, sources(fused, node)) {
            (NodeOp::Conv { conv, .. }, Some(sources)) => {
                sources.iter().for_each(|s| read(s.node, terms::halo(conv, s, &sources, node.shape), false));
                node.inputs[1..].iter().for_each(|r| read(*r, 0, true));
            }
            (NodeOp::Conv { conv, .. }, None) => {
                let whole = Source { node: node.inputs[0], shape: fused.nodes[node.inputs[0]].shape, factor: 1, first: 0 };
                read(node.inputs[0], terms::halo(conv, &whole, &[whole], node.shape), true);
                node.inputs[1..].iter().for_each(|r| read(*r, 0, true));
            }
            _ => node.inputs.iter().for_each(|at| read(*at, 0, true)),
        }
    }
    needs
}

pub(super) fn frames(fused: &Fused, needs: &[Need]) -> Vec<Frame> {
    fused
        .nodes
        .iter()
        .zip(needs)
        .map(|(node, need)| {
            let planar = match node.op {
                NodeOp::Input => !need.blocked && !need.leaves && node.shape.c < BLOCK,
                _ => need.leaves && is_head(fused, node),
            };
            let shape = if need.stands { node.shape } else { Shape { c: 0, ..node.shape } };
            Frame::new(shape, need.halo, planar)
        })
        .collect()
}

/// The steps of one node.
pub(super) fn lower(fused: &Fused, frames: &[Frame], i: usize, level: Level, bf16: bool) -> Result<Vec<Kind>, String> {
    let node = &fused.nodes[i];
    let (out, shape) = (frames[i].view(), node.shape);
    let blocks = shape.c.div_ceil(BLOCK);
    let plane = |op: PlaneOp, inputs: Vec<View>| {
        let first = fused.nodes[node.inputs[0]].shape;
        Kind::Plane(PlaneStep { op, inputs, from: [first.h, first.w], out, blocks, rows: shape.h, cols: shape.w })
    };
    let input = |k: usize| frames[node.inputs[k]].view();
    Ok(match &node.op {
        NodeOp::Input => Vec::new(),
        NodeOp::Conv { conv, residual, act } => vec![match sources(fused, node) {
            Some(sources) => {
                let plain = sources.clone();
                let placed: Vec<(Source, Placed)> =
                    sources.into_iter().map(|s| (s, Placed { view: frames[s.node].view(), planar: frames[s.node].pixel == 1 })).collect();
                let finish = Finish { bias: padded(&conv.bias), residual: residual.then(|| input(1)), act: *act };
                let direct = terms::vector_macs(conv, &plain, shape);
                let blocked = placed.iter().all(|(_, p)| !p.planar);
                let transformed = winograd::cost(conv, &plain, shape).filter(|cost| blocked && *cost < direct);
                if frames[i].pixel == 1 {
                    Kind::Head(head(conv, &placed, shape, out, *act))
                } else if bf16 && rounded::pays(conv, &placed, direct, transformed.unwrap_or(direct)) {
                    Kind::Rounded(rounded::step(conv, &placed, shape, out, finish, widest_group(level)))
                } else if transformed.is_some() {
                    Kind::Winograd(winograd::step(conv, &placed, shape, out, finish, widest_group(level)))
                } else {
                    let phases = terms::phases(conv, &placed, shape, out, widest_group(level));
                    Kind::Conv(ConvStep { phases, out: out.at, plane: out.plane, finish })
                }
            }
            None => depthwise_step(conv, *act, *residual, input(0), out, shape)?,
        }],
        NodeOp::Affine { scale, shift, act } => {
            vec![plane(PlaneOp::Affine { scale: padded(scale), shift: padded(shift), act: *act }, vec![input(0)])]
        }
        NodeOp::Act(a) => vec![plane(PlaneOp::Act(*a), vec![input(0)])],
        NodeOp::Add(a) => vec![plane(PlaneOp::Add(*a), vec![input(0), input(1)])],
        NodeOp::Mul => vec![plane(PlaneOp::Mul, vec![input(0), input(1)])],
        NodeOp::MulChannel => vec![plane(PlaneOp::MulChannel, vec![input(0), input(1)])],
        NodeOp::Pool(p) => vec![plane(PlaneOp::Pool(Pool::clone(p)), vec![input(0)])],
        NodeOp::GlobalSum => vec![plane(PlaneOp::GlobalSum, vec![input(0)])],
        NodeOp::Nearest(f) => vec![plane(PlaneOp::Nearest(*f), vec![input(0)])],
        NodeOp::Bilinear(f) => vec![plane(PlaneOp::Bilinear(*f), vec![input(0)])],
        NodeOp::Concat => {
            let mut first = 0;
            let mut copies = Vec::new();
            for at in &node.inputs {
                let part = fused.nodes[*at].shape;
                if first % BLOCK != 0 {
                    return Err(format!("{}: a join of {first} channels and more inside a block", node.name));
                }
                copies.push(Kind::Plane(PlaneStep {
                    op: PlaneOp::Copy,
                    inputs: vec![frames[*at].view()],
                    from: [part.h, part.w],
                    out: View { at: out.at + first / BLOCK * out.plane, ..out },
                    blocks: part.c.div_ceil(BLOCK),
                    rows: shape.h,
                    cols: shape.w,
                }));
                first += part.c;
            }
            copies
        }
    })
}

/// A pointwise convolution to few channels, of values in blocks.
fn is_head(fused: &Fused, node: &Node) -> bool {
    let (NodeOp::Conv { conv, residual: false, .. }, Some(sources)) = (&node.op, sources(fused, node)) else { return false };
    // Inputs of few channels may be planes themselves.
    node.shape.c <= head::MOST
        && conv.kernel == [1, 1]
        && conv.stride == [1, 1]
        && conv.pad == [0, 0]
        && conv.groups == 1
        && !conv.transposed
        && sources.iter().all(|s| s.factor == 1 && !matches!(fused.nodes[s.node].op, NodeOp::Input))
}

fn head(conv: &Conv, sources: &[(Source, Placed)], shape: Shape, out: View, act: Option<Act>) -> HeadStep {
    let channels = conv.weights.len() / shape.c;
    let of = |channel: Option<usize>, o: usize| channel.filter(|_| o < shape.c).map_or(0.0, |c| conv.weights[o * channels + c]);
    // The input channel of each lane; lanes beyond a source's channels have none.
    let lanes =
        sources.iter().flat_map(|(s, _)| (0..s.shape.c.next_multiple_of(BLOCK)).map(move |c| (c < s.shape.c).then_some(s.first + c)));
    HeadStep {
        weights: lanes.map(|c| std::array::from_fn(|o| of(c, o))).collect(),
        bias: std::array::from_fn(|o| conv.bias.get(o).copied().unwrap_or(0.0)),
        sources: sources.iter().map(|(s, p)| (p.view, s.shape.c.div_ceil(BLOCK))).collect(),
        out,
        channels: shape.c,
        rows: shape.h,
        cols: shape.w,
        act,
    }
}

fn padded(values: &[f32]) -> Vec<f32> {
    let mut padded = values.to_vec();
    padded.resize(values.len().next_multiple_of(BLOCK), 0.0);
    padded
}

fn depthwise_step(conv: &Conv, act: Option<Act>, residual: bool, from: View, out: View, shape: Shape) -> Result<Kind, String> {
    if residual {
        return Err("a sum fused into a depthwise convolution".into());
    }
    let blocks = shape.c.div_ceil(BLOCK);
    let taps = conv.kernel[0] * conv.kernel[1];
    let mut weights = vec![0.0; blocks * taps * BLOCK];
    for c in 0..shape.c {
        for t in 0..taps {
            weights[(c / BLOCK * taps + t) * BLOCK + c % BLOCK] = conv.weights[c * taps + t];
        }
    }
    Ok(Kind::Depthwise(DepthwiseStep {
        weights,
        bias: padded(&conv.bias),
        blocks,
        kernel: conv.kernel,
        dilation: conv.dilation,
        rows: shape.h,
        cols: shape.w,
        from: from.at - conv.pad[0] * from.row - conv.pad[1] * BLOCK,
        from_plane: from.plane,
        from_line: conv.dilation[0] * from.row,
        from_row: conv.stride[0] * from.row,
        from_px: conv.stride[1] * BLOCK,
        out: out.at,
        out_plane: out.plane,
        out_row: out.row,
        act,
    }))
}
