//! The ONNX file itself: parsing, metadata, and half-precision weights widened to f32.

use std::collections::{HashMap, HashSet};

use bytes::Bytes;
use half::f16;
use half::slice::HalfFloatSliceExt;
use prost::Message;
use tract_onnx::pb::{ModelProto, NodeProto, TensorProto, tensor_proto::DataType};

use crate::{Error, Result};

/// Parses the protobuf; anything that is not an ONNX model with a graph is refused.
pub(crate) fn parse(file: &Bytes) -> Result<ModelProto> {
    let proto = ModelProto::decode(file.clone()).map_err(|e| Error::Model(format!("not an ONNX file: {e}")))?;
    match &proto.graph {
        Some(g) if !g.node.is_empty() && !g.output.is_empty() => Ok(proto),
        _ => Err(Error::Model("not an ONNX model: there is no graph in it".into())),
    }
}

/// Replaces every half-precision initializer that a Cast widens by the f32 initializer it stands for, so that engines see
/// plain weights. Exact: every half is a float.
pub(crate) fn widen(proto: &mut ModelProto) -> Result<()> {
    let Some(graph) = proto.graph.as_mut() else { return Ok(()) };
    // Several Casts may widen one initializer, and other nodes may take it as it is.
    let mut casts: HashMap<&str, Vec<&str>> = HashMap::new();
    for node in graph.node.iter().filter(|n| is_cast_to_float(n)) {
        if let (Some(from), Some(to)) = (node.input.first(), node.output.first()) {
            casts.entry(from).or_default().push(to);
        }
    }
    let others: HashSet<&String> = graph.node.iter().filter(|n| !is_cast_to_float(n)).flat_map(|n| &n.input).collect();
    let (mut widened, mut replaced) = (Vec::new(), HashSet::new());
    for tensor in graph.initializer.iter_mut().filter(|t| t.data_type == DataType::Float16 as i32) {
        let Some(to) = casts.get(tensor.name.as_str()) else { continue };
        for name in to {
            widened.push(widened_tensor(tensor, name)?);
        }
        replaced.insert(tensor.name.clone());
        if !others.contains(&tensor.name) {
            *tensor = TensorProto { name: std::mem::take(&mut tensor.name), ..TensorProto::default() };
        }
    }
    graph.initializer.retain(|t| !replaced.contains(&t.name) || others.contains(&t.name));
    graph.node.retain(|n| !(is_cast_to_float(n) && n.input.first().is_some_and(|i| replaced.contains(i))));
    graph.initializer.extend(widened);
    Ok(())
}

fn is_cast_to_float(node: &NodeProto) -> bool {
    node.op_type == "Cast" && node.attribute.iter().any(|a| a.name == "to" && a.i == DataType::Float as i64)
}

/// The f32 tensor `name` of the values of a half-precision one: bytes, or an integer for each.
fn widened_tensor(tensor: &TensorProto, name: &str) -> Result<TensorProto> {
    let wrong = |what: &str| Error::Model(format!("weights {}: {what}", tensor.name));
    let mut raw_data = Vec::new();
    match tensor.raw_data.as_chunks::<2>() {
        ([], []) => {
            raw_data.reserve_exact(tensor.int32_data.len().saturating_mul(4));
            for bits in &tensor.int32_data {
                let bits = u16::try_from(*bits).map_err(|_| wrong("an integer of more than 16 bits is no half"))?;
                raw_data.extend(f16::from_bits(bits).to_f32().to_le_bytes());
            }
        }
        (halves, []) => {
            raw_data.reserve_exact(4 * halves.len());
            for halves in halves.chunks(1024) {
                let (mut from, mut to) = ([f16::ZERO; 1024], [0.0; 1024]);
                from.iter_mut().zip(halves).for_each(|(f, bytes)| *f = f16::from_le_bytes(*bytes));
                from.convert_to_f32_slice(&mut to);
                raw_data.extend(to[..halves.len()].iter().flat_map(|x: &f32| x.to_le_bytes()));
            }
        }
        _ => return Err(wrong("an odd number of bytes for halves")),
    }
    let (count, dims) = (raw_data.len() / 4, &tensor.dims);
    if i64::try_from(count).ok() != dims.iter().try_fold(1i64, |n, d| n.checked_mul(*d)) {
        return Err(wrong(&format!("{count} halves do not fill its shape {dims:?}")));
    }
    Ok(TensorProto { name: name.into(), dims: dims.clone(), data_type: DataType::Float as i32, raw_data, ..TensorProto::default() })
}

/// The same model with f32 weights, for engines that run such a file at their best.
pub(crate) fn extract(file: &Bytes) -> Result<Vec<u8>> {
    let mut proto = parse(file)?;
    widen(&mut proto)?;
    Ok(proto.encode_to_vec())
}
