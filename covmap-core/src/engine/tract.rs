//! The reference engine: tract runs any ONNX graph it can load.

use std::collections::BTreeSet;
use std::panic::{AssertUnwindSafe, catch_unwind};

use tract_linalg::multithread::multithread_tract_scope;
use tract_onnx::onnx;
use tract_onnx::pb::tensor_proto::{DataLocation, DataType};
use tract_onnx::pb::tensor_shape_proto::dimension::Value as DimValue;
use tract_onnx::pb::{GraphProto, ModelProto, type_proto::Value};
use tract_onnx::prelude::*;
use tract_onnx::tract_core::internal::DimLike;
use tract_onnx::tract_core::ops::konst::Const;
use tract_onnx::tract_core::ops::source::TypedSource;
use tract_onnx::tract_core::plan::{SimplePlan, eval};

use super::execution::{Execution, Fallback};
use super::region::{Region, accelerate};
use super::{Activation, Engine, Layout, ModelSpec, Network};
use crate::simd::Level;
use crate::threads::Threads;
use crate::{Error, Result, RunOptions};

/// Numbers that one value of a graph may have: 1 GiB of floats, four times what a network of 1,024 x 1,024 pixels and 64 channels
/// needs. A file of a few bytes can ask for any amount, and what then cannot be had would end the process.
const MAX_NUMBERS: usize = 1 << 28;

/// One graph, simplified and ready to run.
#[derive(Debug)]
pub(crate) struct TractNetwork {
    plan: Arc<TypedSimplePlan>,
    input_shape: [usize; 4],
    regions: Vec<Region>,
    fallbacks: Vec<Fallback>,
    /// Where one region is the whole graph: which of its results each output is. It then runs without tract.
    whole: Option<Vec<usize>>,
    /// Of the tensors that live at the same time, where nothing is done in place.
    tensor_bytes: usize,
}

impl TractNetwork {
    /// Loads a graph for the input its description states.
    pub(crate) fn load(proto: ModelProto, spec: &ModelSpec, engine: Engine, bf16: bool) -> Result<Self> {
        let graph = proto.graph.as_ref().ok_or_else(|| Error::Model("there is no graph in the model".into()))?;
        // A model is one file: weights elsewhere would let it name any path of this machine.
        if let Some(t) = graph.initializer.iter().find(|t| t.data_location == Some(DataLocation::External as i32)) {
            return Err(Error::Model(format!("weights {} lie in another file; a model is one file", t.name)));
        }
        let [h, w] = spec.input.size;
        let input_shape = match spec.input.layout {
            Layout::Nhwc => [1, h, w, spec.input.channels],
            _ => [1, spec.input.channels, h, w],
        };
        check_input(graph, &input_shape)?;
        check_activations(graph, spec)?;
        let unfit = |what: &str| {
            let what = what.to_owned();
            move |e: TractError| Error::Model(format!("{what}: {e:#}"))
        };
        // Declared output shapes often carry a symbolic batch that contradicts the one input given here.
        let onnx = onnx().with_ignore_output_shapes(true).with_ignore_value_info(true);
        let mut model = onnx.model_for_proto_model(&proto).map_err(unfit("the graph cannot be read"))?;
        let names: Vec<String> = graph.output.iter().map(|g| g.name.clone()).collect();
        // tract has copied the weights.
        drop(proto);
        let inputs = model.input_outlets().map_err(unfit("the graph has no input"))?.len();
        if inputs != 1 {
            return Err(Error::Model(format!("the graph has {inputs} inputs; one is needed")));
        }
        let outlets = spec
            .outputs
            .iter()
            .map(|o| match names.iter().position(|name| *name == o.tensor) {
                Some(i) => Ok(model.outputs[i]),
                None => Err(Error::Model(format!("the graph has no output {:?}; it has {}", o.tensor, names.join(", ")))),
            })
            .collect::<Result<Vec<_>>>()?;
        model.select_output_outlets(&outlets).map_err(unfit("outputs"))?;
        model.set_input_fact(0, f32::fact(input_shape).into()).map_err(unfit("input"))?;
        let what = format!("the graph does not accept a {input_shape:?} float input");
        let mut model = model.into_typed().map_err(unfit(&what))?;
        check_outputs(&model, spec)?;
        check_sizes(&model)?;
        let (mut regions, mut fallbacks) = (Vec::new(), Vec::new());
        if engine == Engine::Auto {
            // Before decluttering, which turns convolutions into products of matrices.
            model.prop_consts().map_err(unfit(&what))?;
            (model, regions, fallbacks) = accelerate(&model, Level::detect(), bf16).map_err(unfit(&what))?;
        }
        let model = model.into_decluttered().and_then(|m| m.into_optimized()).map_err(unfit(&what))?;
        let whole = whole(&model);
        let tensor_bytes = tensor_bytes(&model).map_err(unfit("the graph cannot be ordered"))?;
        let plan = SimplePlan::new(model).map_err(unfit("the graph cannot be ordered"))?;
        Ok(TractNetwork { plan, input_shape, regions, fallbacks, whole, tensor_bytes })
    }
}

fn whole(model: &TypedModel) -> Option<Vec<usize>> {
    let outputs = model.output_outlets().ok()?;
    let node = model.node(outputs.first()?.node);
    let alone = matches!(*node.inputs, [only] if model.node(only.node).op_is::<TypedSource>()) && node.op_is::<Region>();
    let slots: Vec<usize> = outputs.iter().filter(|o| o.node == node.id).map(|o| o.slot).collect();
    let distinct: BTreeSet<&usize> = slots.iter().collect();
    (alone && distinct.len() == outputs.len()).then_some(slots)
}

/// The most that the tensors of any step take together; weights are not among them.
fn tensor_bytes(model: &TypedModel) -> TractResult<usize> {
    let steps = model.eval_tmp_memory_usage(&model.eval_order()?, |node| node.op_as::<Const>().is_none())?;
    // A size that stays symbolic here is not known before it runs.
    Ok(steps.iter().filter_map(|(_, bytes)| bytes.to_usize().ok()).max().unwrap_or(0))
}

/// A size that the graph fixes binds its description: many graphs would run at another one, and answer badly.
fn check_input(graph: &GraphProto, described: &[usize; 4]) -> Result<()> {
    let weights = |name: &str| graph.initializer.iter().any(|t| t.name == name);
    let Some(input) = graph.input.iter().find(|i| !weights(&i.name)) else { return Ok(()) };
    let Some(Value::TensorType(tensor)) = input.r#type.as_ref().and_then(|t| t.value.as_ref()) else { return Ok(()) };
    if tensor.elem_type != DataType::Float as i32 && tensor.elem_type != DataType::Undefined as i32 {
        let of = DataType::try_from(tensor.elem_type).map_or("an unknown type".to_owned(), |t| format!("{t:?}"));
        return Err(Error::Model(format!("input {} takes {of}; 32-bit floats are given", input.name)));
    }
    let Some(shape) = &tensor.shape else { return Ok(()) };
    let declared: Vec<Option<i64>> = shape
        .dim
        .iter()
        .map(|d| match d.value {
            Some(DimValue::DimValue(n)) if n > 0 => Some(n),
            _ => None,
        })
        .collect();
    // The batch is set to one in any case.
    let fits = declared.len() == 4 && (1..4).all(|i| declared[i].is_none_or(|n| n as usize == described[i]));
    if !fits {
        let text: Vec<String> = declared.iter().map(|d| d.map_or("?".into(), |n| n.to_string())).collect();
        return Err(Error::Model(format!("input {} declares [{}]; its description says {described:?}", input.name, text.join(", "))));
    }
    Ok(())
}

/// What a graph ends in binds its description: a sigmoid of a sigmoid is a map without contrast.
fn check_activations(graph: &GraphProto, spec: &ModelSpec) -> Result<()> {
    for output in spec.outputs.iter().filter(|o| o.activation == Activation::Logit) {
        let last = graph.node.iter().find(|n| n.output.contains(&output.tensor)).map(|n| n.op_type.as_str());
        if let Some(last @ ("Sigmoid" | "HardSigmoid" | "Softmax")) = last {
            let tensor = &output.tensor;
            return Err(Error::Model(format!("output {tensor} ends in {last}; its description says logit, not probability")));
        }
    }
    Ok(())
}

fn check_outputs(model: &TypedModel, spec: &ModelSpec) -> Result<()> {
    for (i, o) in spec.outputs.iter().enumerate() {
        let fact = model.output_fact(i).map_err(|e| Error::Model(format!("output {}: {e:#}", o.tensor)))?;
        let shape = fact.shape.as_concrete().map(<[usize]>::to_vec).unwrap_or_default();
        let [h, w] = spec.input.size;
        let n = o.channels.len();
        let expected = match spec.input.layout {
            Layout::Nhwc => vec![1, h, w, n],
            _ => vec![1, n, h, w],
        };
        if shape != expected || fact.datum_type != f32::datum_type() {
            return Err(Error::Model(format!(
                "output {} is {:?} {:?}; its description needs F32 {expected:?}",
                o.tensor, fact.datum_type, fact.shape
            )));
        }
    }
    Ok(())
}

fn check_sizes(model: &TypedModel) -> Result<()> {
    for node in &model.nodes {
        for output in &node.outputs {
            let Some(shape) = output.fact.shape.as_concrete() else { continue };
            let numbers = shape.iter().try_fold(1usize, |n, side| n.checked_mul(*side));
            if numbers.is_none_or(|n| n > MAX_NUMBERS) {
                let text = format!("value {} of the graph is {shape:?}; the limit is {MAX_NUMBERS} numbers", node.name);
                return Err(Error::LimitsExceeded(text));
            }
        }
    }
    Ok(())
}

impl Network for TractNetwork {
    fn execution(&self) -> Execution {
        Execution::new(&self.regions, &self.fallbacks)
    }

    fn run_bytes(&self, threads: usize) -> [usize; 2] {
        // A tensor on its way between tract and a plan, or into a product of matrices, is there twice.
        [self.regions.iter().map(|r| r.plan.kept_bytes(threads)).sum(), 2 * self.tensor_bytes]
    }

    fn observe(
        &self,
        input: &[f32],
        options: &RunOptions,
        threads: &Threads,
        seen: &mut (dyn FnMut(usize, usize) + Send),
    ) -> Result<Vec<Vec<f32>>> {
        threads.run(|| self.run_here(input, options, threads, seen))
    }
}

impl TractNetwork {
    fn run_here(
        &self,
        input: &[f32],
        options: &RunOptions,
        threads: &Threads,
        seen: &mut dyn FnMut(usize, usize),
    ) -> Result<Vec<Vec<f32>>> {
        let fault = |e: TractError| Error::Model(format!("the graph cannot be run: {e:#}"));
        let run = || {
            if let (Some(order), [region]) = (&self.whole, self.regions.as_slice()) {
                let mut results = region.run(&[input], threads.count(), &mut |step| {
                    seen(0, step);
                    options.check()
                })?;
                return Ok(order.iter().map(|slot| std::mem::take(&mut results[*slot])).collect());
            }
            let input = Tensor::from_shape(&self.input_shape, input).map_err(fault)?;
            let mut state = self.plan.spawn().map_err(fault)?;
            let outputs = state.run_plan_with_eval(tvec!(input.into_tvalue()), |context, op_state, node, inputs| {
                options.check().map_err(|e| TractError::msg(e.to_string()))?;
                match node.op_as::<Region>() {
                    Some(region) => {
                        let index = self.regions.iter().position(|r| r == region).unwrap_or(0);
                        region.run_tensors(&inputs, threads.count(), &mut |step| {
                            seen(index, step);
                            options.check()
                        })
                    }
                    None => eval(context, op_state, node, inputs),
                }
            });
            let outputs = match outputs {
                Ok(o) => o,
                // The error's type does not survive tract; what was asked for tells it apart.
                Err(e) => return Err(options.check().err().unwrap_or_else(|| fault(e))),
            };
            outputs.iter().map(|t| Ok(t.to_plain_array_view::<f32>().map_err(fault)?.iter().copied().collect())).collect()
        };
        // As in loading: what tract accepted it may still panic on, also where it gets no memory. Inside its scope, which would
        // not be left otherwise.
        multithread_tract_scope(threads.executor(), || catch_unwind(AssertUnwindSafe(run)))
            .unwrap_or_else(|_| Err(Error::Model("the graph is malformed (running it was given up)".into())))
    }
}
