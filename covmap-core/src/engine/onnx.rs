//! The ONNX file itself: parsing, metadata, and half-precision weights widened to f32.

use std::collections::{HashMap, HashSet};

use half::f16;
use half::slice::HalfFloatSliceExt;
use prost::Message;
use tract_onnx::pb::{ModelProto, NodeProto, TensorProto, tensor_proto::DataType};

use crate::{Error, Result};

/// Parses the protobuf; anything that is not an ONNX model with a graph is refused.
pub(crate) fn parse(bytes: &[u8]) -> Result<ModelProto> {
    let proto = ModelProto::decode(bytes).map_err(|e| Error::Model(format!("not an ONNX file: {e}")))?;
    match &proto.graph {
        Some(g) if !g.node.is_empty() && !g.output.is_empty() => Ok(proto),
        _ => Err(Error::Model("not an ONNX model: there is no graph in it".into())),
    }
}

/// Replaces every half-precision initializer that a Cast widens by the f32 initializer it stands for, so that engines see
/// plain weights. Exact: every half is a float.
pub(crate) fn widen(proto: &mut ModelProto) -> Result<()> {
    let Some(graph) = proto.graph.as_mut() else { return Ok(()) };
    let halves: HashMap<String, usize> = graph
        .initializer
        .iter()
        .enumerate()
        .filter(|(_, t)| t.data_type == DataType::Float16 as i32)
        .map(|(i, t)| (t.name.clone(), i))
        .collect();
    // Several Casts may widen one initializer, and other nodes may take it as it is.
    let mut widened = Vec::new();
    let mut replaced = HashSet::new();
    for node in graph.node.iter().filter(|n| is_cast_to_float(n)) {
        if let (Some(from), Some(to)) = (node.input.first(), node.output.first())
            && let Some(i) = halves.get(from)
        {
            let mut tensor = graph.initializer[*i].clone();
            tensor.name.clone_from(to);
            widen_tensor(&mut tensor)?;
            widened.push(tensor);
            replaced.insert(from.clone());
        }
    }
    graph.node.retain(|n| !(is_cast_to_float(n) && n.input.first().is_some_and(|i| replaced.contains(i))));
    let used: HashSet<&String> = graph.node.iter().flat_map(|n| &n.input).collect();
    graph.initializer.retain(|t| used.contains(&t.name) || !replaced.contains(&t.name));
    graph.initializer.extend(widened);
    Ok(())
}

fn is_cast_to_float(node: &NodeProto) -> bool {
    node.op_type == "Cast" && node.attribute.iter().any(|a| a.name == "to" && a.i == DataType::Float as i64)
}

fn widen_tensor(tensor: &mut TensorProto) -> Result<()> {
    let halves = halves(tensor)?;
    let count = tensor.dims.iter().try_fold(1i64, |n, d| n.checked_mul(*d));
    if i64::try_from(halves.len()).ok() != count {
        let (name, dims, found) = (&tensor.name, &tensor.dims, halves.len());
        return Err(Error::Model(format!("weights {name}: {found} halves do not fill its shape {dims:?}")));
    }
    let mut floats = halves.to_f32_vec();
    if cfg!(target_endian = "big") {
        floats.iter_mut().for_each(|x| *x = f32::from_bits(x.to_bits().swap_bytes()));
    }
    tensor.raw_data = bytemuck::cast_slice(&floats).to_vec();
    tensor.int32_data.clear();
    tensor.data_type = DataType::Float as i32;
    Ok(())
}

/// The values of a half-precision tensor: bytes, or an integer for each.
fn halves(tensor: &TensorProto) -> Result<Vec<f16>> {
    let wrong = |what: &str| Error::Model(format!("weights {}: {what}", tensor.name));
    match tensor.raw_data.as_chunks::<2>() {
        ([], []) => {
            let bits = tensor.int32_data.iter().map(|bits| u16::try_from(*bits).map(f16::from_bits));
            bits.collect::<std::result::Result<_, _>>().map_err(|_| wrong("an integer of more than 16 bits is no half"))
        }
        (halves, []) => Ok(halves.iter().map(|h| f16::from_le_bytes(*h)).collect()),
        _ => Err(wrong("an odd number of bytes for halves")),
    }
}

/// The same model with f32 weights, for engines that run such a file at their best.
pub(crate) fn extract(bytes: &[u8]) -> Result<Vec<u8>> {
    let mut proto = parse(bytes)?;
    widen(&mut proto)?;
    Ok(proto.encode_to_vec())
}
