//! Graph -> nodes: activations, per-channel factors and residual sums move into the operator that makes their input.

use crate::engine::graph::{Act, Conv, Graph, Op, Pool, Shape, ValueId};

/// What one step computes. `inputs` of the node are node indices; a residual is the last one.
#[derive(Debug, Clone)]
pub(crate) enum NodeOp {
    Input,
    Conv { conv: Conv, residual: bool, act: Option<Act> },
    Affine { scale: Vec<f32>, shift: Vec<f32>, act: Option<Act> },
    Act(Act),
    Add(Option<Act>),
    Mul,
    MulChannel,
    Concat,
    Pool(Pool),
    GlobalSum,
    Nearest(usize),
    Bilinear(usize),
}

#[derive(Debug, Clone)]
pub(crate) struct Node {
    pub name: String,
    pub shape: Shape,
    pub op: NodeOp,
    pub inputs: Vec<usize>,
    /// Operators of the graph that it stands for.
    pub covers: usize,
}

#[derive(Debug)]
pub(crate) struct Fused {
    pub nodes: Vec<Node>,
    pub inputs: Vec<usize>,
    pub outputs: Vec<usize>,
}

pub(crate) fn fuse(graph: Graph) -> Fused {
    let uses = graph.uses();
    let mut nodes: Vec<Option<Node>> = Vec::new();
    // Which node makes a value.
    let mut of: Vec<usize> = Vec::with_capacity(graph.values.len());
    for value in graph.values {
        let inputs: Vec<usize> = value.inputs.iter().map(|i| of[*i]).collect();
        let alone = |i: usize| uses[value.inputs[i]] == 1;
        let merged = match &value.op {
            Op::Act(a) if alone(0) => take_act(&mut nodes, inputs[0], *a),
            Op::Affine { scale, shift } if alone(0) => fold_affine(&mut nodes, inputs[0], scale, shift),
            // The convolution that comes later takes the sum along.
            Op::Add => (0..2)
                .filter(|i| alone(*i) && inputs[0] != inputs[1])
                .max_by_key(|i| inputs[*i])
                .and_then(|i| take_residual(&mut nodes, inputs[i], inputs[1 - i])),
            _ => None,
        };
        of.push(merged.unwrap_or_else(|| {
            nodes.push(Some(Node {
                name: value.name,
                shape: value.shape,
                covers: usize::from(!matches!(value.op, Op::Input)),
                op: plain(value.op),
                inputs,
            }));
            nodes.len() - 1
        }));
    }
    compact(nodes, graph.inputs.iter().map(|v| of[*v]).collect(), graph.outputs.iter().map(|v: &ValueId| of[*v]).collect())
}

fn plain(op: Op) -> NodeOp {
    match op {
        Op::Input => NodeOp::Input,
        Op::Conv(conv) => NodeOp::Conv { conv, residual: false, act: None },
        Op::Affine { scale, shift } => NodeOp::Affine { scale, shift, act: None },
        Op::Act(a) => NodeOp::Act(a),
        Op::Add => NodeOp::Add(None),
        Op::Mul => NodeOp::Mul,
        Op::MulChannel => NodeOp::MulChannel,
        Op::Concat => NodeOp::Concat,
        Op::Pool(p) => NodeOp::Pool(p),
        Op::GlobalSum => NodeOp::GlobalSum,
        Op::Nearest { factor } => NodeOp::Nearest(factor),
        Op::Bilinear { factor } => NodeOp::Bilinear(factor),
    }
}

fn take_act(nodes: &mut [Option<Node>], of: usize, new: Act) -> Option<usize> {
    let node = nodes[of].as_mut()?;
    let (NodeOp::Conv { act, .. } | NodeOp::Affine { act, .. } | NodeOp::Add(act)) = &mut node.op else { return None };
    *act = Some(match (*act, new) {
        (None, new) => new,
        // Relu6 often comes as a maximum and a minimum.
        (Some(Act::Clamp(a, b)), Act::Clamp(c, d)) => Act::Clamp(a.max(c).min(d), b.min(d).max(c)),
        _ => return None,
    });
    node.covers += 1;
    Some(of)
}

fn fold_affine(nodes: &mut [Option<Node>], of: usize, new_scale: &[f32], new_shift: &[f32]) -> Option<usize> {
    let node = nodes[of].as_mut()?;
    match &mut node.op {
        NodeOp::Conv { conv, residual: false, act: None } => {
            let each = conv.weights.len() / conv.bias.len();
            for ((weights, bias), (scale, shift)) in
                conv.weights.chunks_exact_mut(each).zip(&mut conv.bias).zip(new_scale.iter().zip(new_shift))
            {
                weights.iter_mut().for_each(|w| *w *= scale);
                *bias = *bias * scale + shift;
            }
        }
        NodeOp::Affine { scale, shift, act: None } => {
            for ((a, b), (c, d)) in scale.iter_mut().zip(shift.iter_mut()).zip(new_scale.iter().zip(new_shift)) {
                (*a, *b) = (*a * c, *b * c + d);
            }
        }
        _ => return None,
    }
    node.covers += 1;
    Some(of)
}

/// Moves the convolution to the end, so that what it adds exists by then.
fn take_residual(nodes: &mut Vec<Option<Node>>, conv: usize, other: usize) -> Option<usize> {
    match &nodes[conv].as_ref()?.op {
        // Folded phases write every second pixel; only plain convolutions add.
        NodeOp::Conv { conv, residual: false, act: None } if !conv.transposed && conv.groups == 1 => {}
        _ => return None,
    }
    let mut node = nodes[conv].take()?;
    if let NodeOp::Conv { residual, .. } = &mut node.op {
        *residual = true;
    }
    node.inputs.push(other);
    node.covers += 1;
    nodes.push(Some(node));
    Some(nodes.len() - 1)
}

fn compact(nodes: Vec<Option<Node>>, inputs: Vec<usize>, outputs: Vec<usize>) -> Fused {
    let mut place = vec![usize::MAX; nodes.len()];
    let mut kept = Vec::new();
    for (i, node) in nodes.into_iter().enumerate() {
        if let Some(node) = node {
            place[i] = kept.len();
            kept.push(node);
        }
    }
    for node in &mut kept {
        node.inputs.iter_mut().for_each(|i| *i = place[*i]);
    }
    Fused { nodes: kept, inputs: inputs.into_iter().map(|i| place[i]).collect(), outputs: outputs.into_iter().map(|i| place[i]).collect() }
}
