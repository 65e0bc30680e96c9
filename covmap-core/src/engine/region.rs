//! Which parts of a network run as plans, and the tract operator that a plan stands behind.
//!
//! Nodes are sorted into layers that alternate between tract and plans: a node lies one layer above an input of the other
//! kind. A layer of planned nodes is one region: no path can leave it and come back.

use std::collections::HashMap;
use std::sync::Arc;

use tract_onnx::prelude::*;
use tract_onnx::tract_core::internal::*;
use tract_onnx::tract_core::ops::konst::Const;
use tract_onnx::tract_core::ops::source::TypedSource;

use super::execution::Fallback;
use super::graph::{Graph, Op as RegionGraphOp, Shape, ValueId};
use super::lower::{Lowered, lower, shape_of};
use super::plan::Plan;
use crate::simd::Level;

/// One region as it stands in the network.
#[derive(Debug, Clone)]
pub(crate) struct Region {
    pub plan: Arc<Plan>,
    /// Images in a batch.
    images: usize,
    outputs: Vec<Shape>,
}

/// `model` with its regions replaced by plans, the regions, and what stays on tract.
pub(crate) fn accelerate(model: &TypedModel, level: Level, bf16: bool) -> TractResult<(TypedModel, Vec<Region>, Vec<Fallback>)> {
    let order = model.eval_order()?;
    let mut found: HashMap<usize, Result<Lowered, String>> = HashMap::new();
    for id in &order {
        let node = model.node(*id);
        if !is_given(node) {
            found.insert(*id, lower(model, node));
        }
    }
    let layers = loop {
        let layers = layers(model, &order, &found);
        // A region without a convolution costs more in repacking than it gains.
        let idle: Vec<usize> = layers
            .iter()
            .filter(|(_, layer)| layer.planned)
            .filter(|(_, layer)| !layer.nodes.iter().any(|id| matches!(&found[id], Ok(Lowered { op: RegionGraphOp::Conv(_), .. }))))
            .flat_map(|(_, layer)| layer.nodes.clone())
            .collect();
        if idle.is_empty() {
            break layers;
        }
        for id in idle {
            found.insert(id, Err("stands alone, without a convolution".into()));
        }
    };
    let mut made = TypedModel { symbols: model.symbols.clone(), ..TypedModel::default() };
    let mut of: HashMap<OutletId, OutletId> = HashMap::new();
    for input in model.input_outlets()? {
        let outlet = made.add_source(model.node(input.node).name.clone(), model.outlet_fact(*input)?.clone())?;
        of.insert(*input, outlet);
    }
    let mut regions = Vec::new();
    for (_, layer) in layers {
        if layer.planned {
            regions.push(wire_region(model, &mut made, &mut of, &layer.nodes, &mut found, (level, bf16))?);
        } else {
            for id in layer.nodes {
                let node = model.node(id);
                let inputs = node.inputs.iter().map(|i| given(model, &mut made, &mut of, *i)).collect::<TractResult<TVec<_>>>()?;
                let outlets = made.wire_node(&node.name, node.op.clone(), &inputs)?;
                of.extend(outlets.into_iter().enumerate().map(|(slot, o)| (OutletId::new(id, slot), o)));
            }
        }
    }
    let outputs = model.output_outlets()?.iter().map(|o| given(model, &mut made, &mut of, *o)).collect::<TractResult<Vec<_>>>()?;
    made.select_output_outlets(&outputs)?;
    let fallbacks = order
        .iter()
        .filter_map(|id| {
            let reason = found.get(id)?.as_ref().err()?.clone();
            let node = model.node(*id);
            Some(Fallback { node: node.name.clone(), operator: node.op.name().into_owned(), reason })
        })
        .collect();
    Ok((made, regions, fallbacks))
}

/// Inputs and constants belong to no layer.
fn is_given(node: &TypedNode) -> bool {
    node.op_is::<TypedSource>() || node.op_is::<Const>()
}

#[derive(Debug, Default)]
struct Layer {
    planned: bool,
    nodes: Vec<usize>,
}

fn layers(
    model: &TypedModel,
    order: &[usize],
    found: &HashMap<usize, Result<Lowered, String>>,
) -> std::collections::BTreeMap<usize, Layer> {
    let mut height: HashMap<usize, usize> = HashMap::new();
    let mut layers = std::collections::BTreeMap::<usize, Layer>::new();
    for id in order.iter().filter(|id| !is_given(model.node(**id))) {
        // Even layers are tract's.
        let planned = found[id].is_ok();
        let below = model.node(*id).inputs.iter().filter_map(|i| height.get(&i.node)).max().copied().unwrap_or(0);
        let own = if (below % 2 == 1) == planned { below } else { below + 1 };
        height.insert(*id, own);
        let layer = layers.entry(own).or_default();
        layer.planned = planned;
        layer.nodes.push(*id);
    }
    layers
}

/// An outlet in the new model; constants are carried over when first asked for.
fn given(model: &TypedModel, made: &mut TypedModel, of: &mut HashMap<OutletId, OutletId>, outlet: OutletId) -> TractResult<OutletId> {
    if let Some(o) = of.get(&outlet) {
        return Ok(*o);
    }
    let node = model.node(outlet.node);
    let constant = node.op_as::<Const>().with_context(|| format!("{} is used before it is made", node.name))?;
    let o = made.add_const(&node.name, constant.val().clone())?;
    of.insert(outlet, o);
    Ok(o)
}

fn wire_region(
    model: &TypedModel,
    made: &mut TypedModel,
    of: &mut HashMap<OutletId, OutletId>,
    nodes: &[usize],
    found: &mut HashMap<usize, Result<Lowered, String>>,
    (level, bf16): (Level, bool),
) -> TractResult<Region> {
    let unfit = |e: String| format_err!("region: {e}");
    let (mut graph, mut values, mut inputs) = (Graph::default(), HashMap::<OutletId, ValueId>::new(), TVec::new());
    let mut images = None;
    for id in nodes {
        let node = model.node(*id);
        let (n, shape) = shape_of(model, (*id).into()).map_err(unfit)?;
        ensure!(*images.get_or_insert(n) == n, "a region of different batch sizes");
        let Some(Ok(lowered)) = found.get_mut(id) else { bail!("{} has no counterpart", node.name) };
        let slots = lowered.slots.iter().map(|slot| node.inputs[*slot]).collect::<Vec<_>>();
        for outlet in &slots {
            if !values.contains_key(outlet) {
                let (_, shape) = shape_of(model, *outlet).map_err(unfit)?;
                values.insert(*outlet, graph.push(&model.node(outlet.node).name, shape, RegionGraphOp::Input, &[]));
                inputs.push(given(model, made, of, *outlet)?);
            }
        }
        let arguments: Vec<ValueId> = slots.iter().map(|o| values[o]).collect();
        let op = std::mem::replace(&mut lowered.op, RegionGraphOp::Input);
        values.insert((*id).into(), graph.push(&node.name, shape, op, &arguments));
    }
    let outputs = model.output_outlets()?;
    let read_outside = |id: &&usize| {
        let outlet = OutletId::from(**id);
        outputs.contains(&outlet) || model.outlet_successors(outlet).iter().any(|s| !nodes.contains(&s.node))
    };
    let leaving: Vec<usize> = nodes.iter().filter(read_outside).copied().collect();
    graph.outputs = leaving.iter().map(|id| values[&OutletId::from(*id)]).collect();
    let outputs = graph.outputs.iter().map(|v| graph.values[*v].shape).collect();
    let region = Region { plan: Arc::new(Plan::new(graph, level, bf16).map_err(unfit)?), images: images.unwrap_or(1), outputs };
    let name = format!("plan of {} nodes from {}", nodes.len(), model.node(nodes[0]).name);
    let outlets = made.wire_node(name, region.clone(), &inputs)?;
    of.extend(leaving.into_iter().map(OutletId::from).zip(outlets));
    Ok(region)
}

impl Region {
    /// Runs all images of the batch; `inputs` and results are channels first. `between` is called before each step.
    pub(crate) fn run(
        &self,
        inputs: &[&[f32]],
        threads: usize,
        between: &mut dyn FnMut(usize) -> crate::Result<()>,
    ) -> crate::Result<Vec<Vec<f32>>> {
        let mut outputs: Vec<Vec<f32>> = self.outputs.iter().map(|s| Vec::with_capacity(s.len() * self.images)).collect();
        for image in 0..self.images {
            let inputs: Vec<&[f32]> =
                inputs.iter().map(|i| &i[image * i.len() / self.images..(image + 1) * i.len() / self.images]).collect();
            self.plan.run(&inputs, &mut outputs, threads, &mut *between)?;
        }
        Ok(outputs)
    }
}

impl PartialEq for Region {
    fn eq(&self, other: &Self) -> bool {
        Arc::ptr_eq(&self.plan, &other.plan)
    }
}

impl Eq for Region {}

impl Op for Region {
    fn name(&self) -> StaticName {
        "Region".into()
    }

    op_as_typed_op!();
}

impl EvalOp for Region {
    op_out_of_plan!();

    fn eval(&self, _: &EvalContext<'_>, inputs: TVec<TValue>) -> TractResult<TVec<TValue>> {
        self.run_tensors(&inputs, 1, &mut |_| Ok(()))
    }
}

impl TypedOp for Region {
    as_op!();

    fn output_facts(&self, _: &[&TypedFact]) -> TractResult<TVec<TypedFact>> {
        Ok(self.outputs.iter().map(|s| f32::fact([self.images, s.c, s.h, s.w])).collect())
    }
}

impl Region {
    pub(crate) fn run_tensors(
        &self,
        inputs: &[TValue],
        threads: usize,
        between: &mut dyn FnMut(usize) -> crate::Result<()>,
    ) -> TractResult<TVec<TValue>> {
        let views = inputs.iter().map(|t| t.to_plain_array_view::<f32>()).collect::<TractResult<Vec<_>>>()?;
        let slices = views.iter().map(|v| v.as_slice().context("an input is not contiguous")).collect::<TractResult<Vec<_>>>()?;
        let outputs = self.run(&slices, threads, between).map_err(|e| format_err!("{e}"))?;
        let tensor = |(values, s): (Vec<f32>, &Shape)| Ok(Tensor::from_shape(&[self.images, s.c, s.h, s.w], &values)?.into_tvalue());
        outputs.into_iter().zip(&self.outputs).map(tensor).collect()
    }
}

#[cfg(all(test, feature = "bundled-model"))]
mod tests {
    use super::super::{bundled::BUNDLED, onnx};
    use super::*;

    /// Three different images, and each of them alone, on plans and on tract.
    #[test]
    fn images_of_a_batch_are_those_of_runs_alone() {
        let mut proto = onnx::parse(&bytes::Bytes::from_static(BUNDLED)).unwrap();
        onnx::widen(&mut proto).unwrap();
        let reader = onnx().with_ignore_output_shapes(true).with_ignore_value_info(true);
        let of_batch = |images: usize| {
            let mut model = reader.model_for_proto_model(&proto).unwrap();
            model.set_input_fact(0, f32::fact([images, 1, 64, 96]).into()).unwrap();
            let mut model = model.into_typed().unwrap();
            model.prop_consts().unwrap();
            model
        };
        let input: Vec<f32> = (0..3 * 64 * 96).map(|i| ((i * i / 7) % 255) as f32 / 128.0 - 1.0).collect();
        let run = |model: TypedModel, input: &[f32]| -> Vec<Vec<f32>> {
            let images = input.len() / (64 * 96);
            let tensor = Tensor::from_shape(&[images, 1, 64, 96], input).unwrap();
            let outputs = model.into_optimized().unwrap().into_runnable().unwrap().run(tvec!(tensor.into_tvalue())).unwrap();
            outputs.iter().map(|t| t.to_plain_array_view::<f32>().unwrap().iter().copied().collect()).collect()
        };
        let tract = run(of_batch(3), &input);
        for level in Level::available() {
            let (planned, regions, _) = accelerate(&of_batch(3), level, false).unwrap();
            assert!(regions.iter().any(|r| r.images == 3), "no region has the batch");
            let batch = run(planned, &input);
            let alone =
                input.chunks(64 * 96).map(|image| run(accelerate(&of_batch(1), level, false).unwrap().0, image)).collect::<Vec<_>>();
            for (output, (ours, theirs)) in batch.iter().zip(&tract).enumerate() {
                assert_eq!(*ours, alone.iter().flat_map(|image| image[output].clone()).collect::<Vec<_>>(), "{level:?}");
                let scale = theirs.iter().fold(0f32, |m, x| m.max(x.abs()));
                let worst = ours.iter().zip(theirs).fold(0f32, |m, (a, b)| m.max((a - b).abs()));
                assert!(worst <= 1e-4 * scale, "{level:?}, output {output}: {worst} of {scale}");
            }
        }
    }
}
