//! ONNX files of a few nodes, written node by node, so that what they compute is known by hand.

use half::f16;
use prost::Message;
use tract_onnx::pb::tensor_proto::{DataLocation, DataType};
use tract_onnx::pb::{
    AttributeProto, GraphProto, ModelProto, NodeProto, OperatorSetIdProto, StringStringEntryProto, TensorProto, TensorShapeProto,
    TypeProto, ValueInfoProto, attribute_proto::AttributeType, tensor_shape_proto, type_proto,
};

/// A graph under construction.
#[derive(Debug, Clone, Default)]
pub struct Onnx {
    graph: GraphProto,
    metadata: Vec<StringStringEntryProto>,
}

impl Onnx {
    /// An empty graph.
    pub fn new() -> Self {
        let graph = GraphProto { name: "test".into(), ..Default::default() };
        Onnx { graph, metadata: Vec::new() }
    }

    /// Adds an f32 input.
    pub fn input(mut self, name: &str, shape: &[usize]) -> Self {
        self.graph.input.push(value(name, shape, DataType::Float));
        self
    }

    /// Adds an input of bytes.
    pub fn byte_input(mut self, name: &str, shape: &[usize]) -> Self {
        self.graph.input.push(value(name, shape, DataType::Uint8));
        self
    }

    /// Adds an f32 output.
    pub fn output(mut self, name: &str, shape: &[usize]) -> Self {
        self.graph.output.push(value(name, shape, DataType::Float));
        self
    }

    /// Adds f32 weights.
    pub fn weights(mut self, name: &str, shape: &[usize], values: &[f32]) -> Self {
        let bytes = values.iter().flat_map(|v| v.to_le_bytes()).collect();
        self.graph.initializer.push(tensor(name, shape, DataType::Float, bytes));
        self
    }

    /// Adds weights stored in half precision; a Cast node makes `name` of them.
    pub fn half_weights(self, name: &str, shape: &[usize], values: &[f32]) -> Self {
        let bytes = values.iter().flat_map(|v| f16::from_f32(*v).to_le_bytes()).collect();
        self.cast_weights(name, |stored| tensor(stored, shape, DataType::Float16, bytes))
    }

    /// The same with every half in an integer of its own (`int32_data`), as ONNX has it beside packed bytes.
    pub fn half_weights_as_integers(self, name: &str, shape: &[usize], bits: &[i32]) -> Self {
        let int32_data = bits.to_vec();
        self.cast_weights(name, |stored| TensorProto { int32_data, ..tensor(stored, shape, DataType::Float16, Vec::new()) })
    }

    fn cast_weights(mut self, name: &str, weights: impl FnOnce(&str) -> TensorProto) -> Self {
        let stored = format!("{name}_half");
        self.graph.initializer.push(weights(&stored));
        self.node("Cast", &[&stored], name, &[("to", &[DataType::Float as i64])])
    }

    /// Adds weights that are said to lie in another file.
    pub fn external_weights(mut self, name: &str, shape: &[usize], file: &str) -> Self {
        let mut weights = tensor(name, shape, DataType::Float, Vec::new());
        weights.data_location = Some(DataLocation::External as i32);
        weights.external_data.push(StringStringEntryProto { key: "location".into(), value: file.into() });
        self.graph.initializer.push(weights);
        self
    }

    /// Adds a node; an attribute of one number is an integer, of several a list (`Transpose`'s `perm`).
    pub fn node(mut self, operator: &str, inputs: &[&str], output: &str, attributes: &[(&str, &[i64])]) -> Self {
        let attribute = attributes
            .iter()
            .map(|(name, numbers)| match numbers {
                [one] => AttributeProto { name: (*name).into(), r#type: AttributeType::Int as i32, i: *one, ..Default::default() },
                many => {
                    AttributeProto { name: (*name).into(), r#type: AttributeType::Ints as i32, ints: many.to_vec(), ..Default::default() }
                }
            })
            .collect();
        self.graph.node.push(NodeProto {
            name: format!("{operator}_{output}"),
            op_type: operator.into(),
            input: inputs.iter().map(|i| (*i).to_owned()).collect(),
            output: vec![output.into()],
            attribute,
            ..Default::default()
        });
        self
    }

    /// Adds one entry of metadata.
    pub fn metadata(mut self, key: &str, value: &str) -> Self {
        self.metadata.push(StringStringEntryProto { key: key.into(), value: value.into() });
        self
    }

    /// Adds a description as the `covmap.*` metadata of trained models.
    ///
    /// # Panics
    /// If `spec` is no JSON object.
    pub fn described(self, spec: &serde_json::Value) -> Self {
        let fields = spec.as_object().expect("a description is an object");
        fields.iter().fold(self, |onnx, (key, value)| onnx.metadata(&format!("covmap.{key}"), &value.to_string()))
    }

    /// The file.
    pub fn bytes(&self) -> Vec<u8> {
        let model = ModelProto {
            ir_version: 8,
            opset_import: vec![OperatorSetIdProto { domain: String::new(), version: 13 }],
            producer_name: "covmap-tests".into(),
            graph: Some(self.graph.clone()),
            metadata_props: self.metadata.clone(),
            ..Default::default()
        };
        model.encode_to_vec()
    }
}

fn tensor(name: &str, shape: &[usize], kind: DataType, raw_data: Vec<u8>) -> TensorProto {
    TensorProto {
        name: name.into(),
        dims: shape.iter().map(|n| *n as i64).collect(),
        data_type: kind as i32,
        raw_data,
        ..Default::default()
    }
}

fn value(name: &str, shape: &[usize], of: DataType) -> ValueInfoProto {
    let dimension = |n: &usize| tensor_shape_proto::Dimension {
        value: Some(tensor_shape_proto::dimension::Value::DimValue(*n as i64)),
        ..Default::default()
    };
    let shape = TensorShapeProto { dim: shape.iter().map(dimension).collect() };
    let tensor = type_proto::Tensor { elem_type: of as i32, shape: Some(shape) };
    let kind = TypeProto { value: Some(type_proto::Value::TensorType(tensor)), ..Default::default() };
    ValueInfoProto { name: name.into(), r#type: Some(kind), ..Default::default() }
}
