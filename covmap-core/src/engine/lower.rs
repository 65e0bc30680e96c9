//! tract's operators -> the region graph, one at a time; what has no counterpart says why.

use tract_onnx::prelude::*;
use tract_onnx::tract_core::ops::array::TypedConcat;
use tract_onnx::tract_core::ops::binary::TypedBinOp;
use tract_onnx::tract_core::ops::cnn::conv::KernelFormat;
use tract_onnx::tract_core::ops::cnn::{Conv as TractConv, Deconv, MaxPool, PaddingSpec, PoolSpec, SumPool};
use tract_onnx::tract_core::ops::element_wise::ElementWiseOp;
use tract_onnx::tract_core::ops::nn::resize::{CoordTransformer, Interpolator};
use tract_onnx::tract_core::ops::nn::{DataFormat, HardSwish, LeakyRelu, Reduce, Reducer, Sigmoid, Silu};
use tract_onnx::tract_hir::tract_num_traits::Zero;
use tract_onnx_opl::resize::{CoordTransform, Nearest, Resize};

use super::graph::{Act, Conv, Op, Pool, PoolKind, Shape};
use super::kernels::BLOCK;

/// An operator of the region graph and the node's inputs (by slot) that it takes.
pub(crate) struct Lowered {
    pub op: Op,
    pub slots: Vec<usize>,
}

type Answer = Result<Lowered, String>;

/// Images, channels, rows and columns of an f32 value of fixed size.
pub(crate) fn shape_of(model: &TypedModel, outlet: OutletId) -> Result<(usize, Shape), String> {
    let fact = model.outlet_fact(outlet).map_err(|e| e.to_string())?;
    match fact.shape.as_concrete() {
        Some([n, c, h, w]) if fact.datum_type == f32::datum_type() => Ok((*n, Shape { c: *c, h: *h, w: *w })),
        _ => Err(format!("{:?} {:?} is not an f32 image of fixed size", fact.datum_type, fact.shape)),
    }
}

/// What a node is in the region graph, or why it stays on tract.
pub(crate) fn lower(model: &TypedModel, node: &TypedNode) -> Answer {
    let (_, out) = shape_of(model, node.id.into())?;
    if let Some(conv) = node.op_as::<TractConv>() {
        if conv.q_params.is_some() {
            return Err("quantised".into());
        }
        return convolution(model, node, &conv.pool_spec, conv.kernel_fmt, conv.group, None, out);
    }
    if let Some(deconv) = node.op_as::<Deconv>() {
        return convolution(model, node, &deconv.pool_spec, deconv.kernel_format, deconv.group, Some(&deconv.adjustments), out);
    }
    if let Some(pool) = node.op_as::<MaxPool>() {
        if pool.with_index_outputs.is_some() {
            return Err("gives indices".into());
        }
        return pooling(model, node, &pool.pool_spec, PoolKind::Max);
    }
    if let Some(pool) = node.op_as::<SumPool>() {
        if !pool.normalize {
            return Err("a sum, not a mean".into());
        }
        return pooling(
            model,
            node,
            &pool.pool_spec,
            if pool.count_include_pad { PoolKind::AverageWithPadding } else { PoolKind::Average },
        );
    }
    if let Some(concat) = node.op_as::<TypedConcat>() {
        return joined(model, node, concat.axis);
    }
    if let Some(reduce) = node.op_as::<Reduce>() {
        return match (&reduce.reducer, reduce.axes.as_slice()) {
            (Reducer::Sum, [2, 3]) => one(Op::GlobalSum),
            _ => Err(format!("reduces {:?} over axes {:?}", reduce.reducer, reduce.axes)),
        };
    }
    if let Some(resize) = node.op_as::<Resize>() {
        return enlargement(model, node, resize, out);
    }
    if let Some(op) = node.op_as::<ElementWiseOp>() {
        let mini = &op.0;
        let act = if mini.is::<Sigmoid>() {
            Act::Sigmoid
        } else if mini.is::<Silu>() {
            Act::Silu
        } else if mini.is::<HardSwish>() {
            Act::HardSwish
        } else if let Some(leaky) = mini.downcast_ref::<LeakyRelu>() {
            Act::Leaky(leaky.alpha)
        } else {
            return Err(format!("{} has no kernel", mini.name()));
        };
        return one(Op::Act(act));
    }
    if let Some(op) = node.op_as::<TypedBinOp>() {
        return binary(model, node, op.0.name(), out);
    }
    Err("has no kernel".into())
}

fn one(op: Op) -> Answer {
    Ok(Lowered { op, slots: vec![0] })
}

/// Numbers of a constant input.
fn constant(model: &TypedModel, outlet: OutletId) -> Option<Vec<f32>> {
    let tensor = model.outlet_fact(outlet).ok()?.konst.clone()?;
    let tensor = tensor.cast_to::<f32>().ok()?;
    let view = tensor.to_plain_array_view::<f32>().ok()?;
    Some(view.as_slice().map_or_else(|| view.iter().copied().collect(), <[f32]>::to_vec))
}

fn pair(values: &[usize]) -> Result<[usize; 2], String> {
    values.try_into().map_err(|_| format!("{} spatial axes", values.len()))
}

#[allow(clippy::too_many_arguments)]
fn convolution(
    model: &TypedModel,
    node: &TypedNode,
    spec: &PoolSpec,
    format: KernelFormat,
    groups: usize,
    adjustments: Option<&TVec<usize>>,
    out: Shape,
) -> Answer {
    if spec.data_format != DataFormat::NCHW || format != KernelFormat::OIHW {
        return Err(format!("{:?} with {format:?} weights", spec.data_format));
    }
    let from = shape_of(model, node.inputs[0])?.1;
    let weights = constant(model, node.inputs[1]).ok_or("weights are not constant")?;
    let mut bias = constant(model, node.inputs[2]).ok_or("the bias is not constant")?;
    if bias.len() == 1 {
        bias = vec![bias[0]; out.c];
    }
    let depthwise = groups == out.c && groups == from.c;
    if groups > 1 && !depthwise && !(out.c / groups).is_multiple_of(BLOCK) {
        return Err(format!("{groups} groups of {} channels", out.c / groups));
    }
    let pad = match adjustments {
        // tract states the padding of the small grid's gradient as ONNX does.
        Some(adjustments) => {
            let hw = [from.h, from.w];
            let computed = spec.padding.compute_for_deconv(&hw, &spec.kernel_shape, &spec.dilations(), &spec.strides(), adjustments);
            let computed = computed.map_err(|e| e.to_string())?;
            [computed[0].pad_before, computed[1].pad_before]
        }
        None => {
            let computed = spec.computed_padding(&[from.h, from.w]);
            [computed[0].pad_before, computed[1].pad_before]
        }
    };
    let op = Conv {
        weights,
        bias,
        groups,
        kernel: pair(&spec.kernel_shape)?,
        stride: pair(&spec.strides())?,
        dilation: pair(&spec.dilations())?,
        pad,
        transposed: adjustments.is_some(),
    };
    if op.transposed && groups > 1 {
        return Err("transposed with groups".into());
    }
    one(Op::Conv(op))
}

fn pooling(model: &TypedModel, node: &TypedNode, spec: &PoolSpec, kind: PoolKind) -> Answer {
    if spec.data_format != DataFormat::NCHW || spec.dilations().iter().any(|d| *d != 1) {
        return Err("other than NCHW, or dilated".into());
    }
    let from = shape_of(model, node.inputs[0])?.1;
    // With rounded-up sizes a last window may reach beyond the padding, which each library counts in its own way.
    if kind == PoolKind::AverageWithPadding && matches!(spec.padding, PaddingSpec::ExplicitOnnxPool(_, _, true)) {
        return Err("an average that rounds up".into());
    }
    let padding = spec.computed_padding(&[from.h, from.w]);
    one(Op::Pool(Pool {
        kind,
        kernel: pair(&spec.kernel_shape)?,
        stride: pair(&spec.strides())?,
        pad: [padding[0].pad_before, padding[1].pad_before],
    }))
}

fn joined(model: &TypedModel, node: &TypedNode, axis: usize) -> Answer {
    if axis != 1 {
        return Err(format!("joins axis {axis}"));
    }
    let mut channels = 0;
    for input in &node.inputs {
        // Only convolutions read parts that begin inside a block.
        let dense = || {
            node.outputs[0].successors.iter().all(|s| {
                let reader = model.node(s.node);
                reader.op_as::<TractConv>().is_some_and(|c| c.group == 1 && s.slot == 0)
            })
        };
        if channels % BLOCK != 0 && (node.outputs[0].successors.is_empty() || !dense()) {
            return Err(format!("joins after {channels} channels, inside a block"));
        }
        channels += shape_of(model, *input)?.1.c;
    }
    Ok(Lowered { op: Op::Concat, slots: (0..node.inputs.len()).collect() })
}

fn enlargement(model: &TypedModel, node: &TypedNode, resize: &Resize, out: Shape) -> Answer {
    let from = shape_of(model, node.inputs[0])?.1;
    let factor = out.h / from.h;
    if from.c != out.c || factor == 0 || (from.h * factor, from.w * factor) != (out.h, out.w) {
        return Err("not an enlargement by a whole number".into());
    }
    if resize.antialias
        || resize.optional_roi_input.is_some_and(|i| i < node.inputs.len() && resize.coord_transformer == CoordTransform::TfCropAndResize)
    {
        return Err("cropped or smoothed".into());
    }
    use CoordTransformer::*;
    let CoordTransform::Plain(transform) = &resize.coord_transformer else { return Err("cropped".into()) };
    match (&resize.interpolator, transform, resize.nearest) {
        // With a whole factor, all of these give pixel y / factor.
        (Interpolator::Nearest, Asymmetric, Nearest::Floor)
        | (
            Interpolator::Nearest,
            HalfPixel | PytorchHalfPixel | HalfPixelSymmetric,
            Nearest::RoundPreferFloor | Nearest::RoundPreferCeil,
        ) => one(Op::Nearest { factor }),
        (Interpolator::Linear, HalfPixel | HalfPixelSymmetric, _) => one(Op::Bilinear { factor }),
        (Interpolator::Linear, PytorchHalfPixel, _) if out.h > 1 && out.w > 1 => one(Op::Bilinear { factor }),
        (interpolator, transform, _) => Err(format!("{} interpolation, {} coordinates", interpolator.as_str(), transform.as_str())),
    }
}

fn binary(model: &TypedModel, node: &TypedNode, name: &str, out: Shape) -> Answer {
    let constants = [constant(model, node.inputs[0]), constant(model, node.inputs[1])];
    let shape = |slot: usize| shape_of(model, node.inputs[slot]).map(|s| s.1);
    let (slot, values) = match constants {
        [None, None] => {
            return match (name.to_ascii_lowercase().as_str(), shape(0)?, shape(1)?) {
                ("add", a, b) if a == b => Ok(Lowered { op: Op::Add, slots: vec![0, 1] }),
                ("mul", a, b) if a == b => Ok(Lowered { op: Op::Mul, slots: vec![0, 1] }),
                ("mul", a, b) if a == out && (b.h, b.w, b.c) == (1, 1, a.c) => Ok(Lowered { op: Op::MulChannel, slots: vec![0, 1] }),
                ("mul", a, b) if b == out && (a.h, a.w, a.c) == (1, 1, b.c) => Ok(Lowered { op: Op::MulChannel, slots: vec![1, 0] }),
                (name, ..) => Err(format!("{name} of two values")),
            };
        }
        [Some(values), None] => (1, values),
        [None, Some(values)] => (0, values),
        _ => return Err("constant".into()),
    };
    if shape(slot)? != out {
        return Err("widens its value".into());
    }
    let per_channel =
        match model.outlet_fact(node.inputs[1 - slot]).ok().and_then(|f| f.shape.as_concrete().map(<[usize]>::to_vec)).as_deref() {
            _ if values.len() == 1 => vec![values[0]; out.c],
            Some([1, _, 1, 1] | [_, 1, 1]) if values.len() == out.c => values.clone(),
            _ => return Err(format!("{} constants that are not one a channel", values.len())),
        };
    let affine = |scale: Vec<f32>, shift: Vec<f32>| Ok(Lowered { op: Op::Affine { scale, shift }, slots: vec![slot] });
    let clamp = |low: f32, high: f32| Ok(Lowered { op: Op::Act(Act::Clamp(low, high)), slots: vec![slot] });
    let (ones, zeros) = (vec![1.0; out.c], vec![0.0; out.c]);
    match name.to_ascii_lowercase().as_str() {
        "mul" => affine(per_channel, zeros),
        "div" if slot == 0 && per_channel.iter().all(|x| !x.is_zero()) => affine(per_channel.iter().map(|x| 1.0 / x).collect(), zeros),
        "add" => affine(ones, per_channel),
        "sub" if slot == 0 => affine(ones, per_channel.iter().map(|x| -x).collect()),
        "sub" => affine(vec![-1.0; out.c], per_channel),
        "max" if values.len() == 1 => clamp(values[0], f32::INFINITY),
        "min" if values.len() == 1 => clamp(f32::NEG_INFINITY, values[0]),
        name => Err(format!("{name} with a constant")),
    }
}
