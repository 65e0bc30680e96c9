//! Compiled plans against tract, on random graphs.

use arbitrary::Unstructured;
use covmap_core::engine::Engine;
use covmap_core::{Model, ModelOptions, Precision, RunOptions};
use serde_json::json;

use crate::onnx::Onnx;

/// Largest difference of a value, in parts of the largest (and of one).
const TOLERANCE: f32 = 5e-4;

/// Makes a graph of the bytes and runs it on both engines.
pub fn run(bytes: &[u8]) {
    let Ok(file) = graph(&mut Unstructured::new(bytes)) else { return };
    let load = |engine, threads| {
        let mut options = ModelOptions::default();
        (options.engine, options.threads) = (engine, threads);
        Model::from_bytes(file.clone(), &options)
    };
    // What tract itself refuses, or panics on, is no graph.
    let Ok(reference) = load(Engine::Reference, 1) else { return };
    let ours = load(Engine::Auto, 3).expect("plans take what tract takes");
    let mut options = RunOptions::default();
    options.precision = Precision::F32;
    let input = &ours.spec().input;
    let values: Vec<f32> = Numbers(9).take(input.size.iter().product::<usize>() * input.channels);
    let answers = |model: &Model, parallel| model.run_raw(&values, &options, parallel).unwrap_or_else(|e| panic!("{e}"));
    let (expected, one) = (answers(&reference, false), answers(&ours, false));
    for (theirs, ours) in expected.iter().zip(&one) {
        let largest = theirs.iter().fold(1f32, |m, x| m.max(x.abs()));
        if !largest.is_finite() {
            continue;
        }
        for (i, (a, b)) in theirs.iter().zip(ours).enumerate() {
            assert!((a - b).abs() <= TOLERANCE * largest, "value {i} is {b}, not {a}");
        }
    }
    let bits = |outputs: &[Vec<f32>]| outputs.iter().flatten().map(|x| x.to_bits()).collect::<Vec<_>>();
    assert_eq!(bits(&one), bits(&answers(&ours, true)), "three threads differ from one");
}

/// Small repeatable numbers in -1..1.
struct Numbers(u64);

impl Numbers {
    fn take(&mut self, n: usize) -> Vec<f32> {
        let mut next = || {
            self.0 = self.0.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
            (self.0 >> 40) as f32 / (1u64 << 23) as f32 - 1.0
        };
        (0..n).map(|_| next()).collect()
    }
}

/// A value of the graph: its name and size.
#[derive(Clone)]
struct Value(String, [usize; 3]);

/// An ONNX file of up to ten operators, most of which plans have.
pub fn graph(input: &mut Unstructured<'_>) -> arbitrary::Result<Vec<u8>> {
    let size = [*input.choose(&[16, 17, 20, 24, 32])?, *input.choose(&[16, 19, 24, 32])?];
    let channels = *input.choose(&[1, 3])?;
    let mut build = Build {
        onnx: Onnx::new().input("x", &[1, channels, size[0], size[1]]),
        values: vec![Value("x".into(), [channels, size[0], size[1]])],
        numbers: Numbers(u64::from(input.arbitrary::<u8>()?)),
        made: 0,
    };
    for _ in 0..input.int_in_range(1..=10)? {
        build.operator(input)?;
    }
    // Heads on what has the input's size.
    let full: Vec<Value> = build.values.iter().filter(|value| value.1[1..] == size).cloned().collect();
    for (name, channels) in [("infection", 1), ("lungs", 2)] {
        let from = &full[full.len() - 1 - input.int_in_range(0..=full.len().min(4) - 1)?];
        let weights = build.weights(&[channels, from.1[0], 1, 1], from.1[0]);
        build.onnx = build.onnx.node("Conv", &[&from.0, &weights], name, &[]).output(name, &[1, channels, size[0], size[1]]);
    }
    let spec = json!({
        "format": 1, "name": "random",
        "input": { "size": size, "layout": "nchw", "channels": channels, "normalisation": "standardise" },
        "outputs": [
            { "tensor": "infection", "channels": ["infection"], "activation": "logit" },
            { "tensor": "lungs", "channels": ["lung_right", "lung_left"], "activation": "logit" },
        ],
    });
    Ok(build.onnx.described(&spec).bytes())
}

struct Build {
    onnx: Onnx,
    values: Vec<Value>,
    numbers: Numbers,
    made: usize,
}

impl Build {
    fn name(&mut self, prefix: &str) -> String {
        self.made += 1;
        format!("{prefix}{}", self.made)
    }

    /// Weights whose sums over `reach` values keep their size.
    fn weights(&mut self, shape: &[usize], reach: usize) -> String {
        let name = self.name("w");
        let scale = (3.0 / reach as f32).sqrt();
        let values: Vec<f32> = self.numbers.take(shape.iter().product()).iter().map(|x| x * scale).collect();
        self.onnx = std::mem::take(&mut self.onnx).weights(&name, shape, &values);
        name
    }

    fn push(&mut self, operator: &str, inputs: &[&str], attributes: &[(&str, &[i64])], size: [usize; 3]) {
        let name = self.name("v");
        self.onnx = std::mem::take(&mut self.onnx).node(operator, inputs, &name, attributes);
        self.values.push(Value(name, size));
    }

    /// One of the last values.
    fn recent(&self, input: &mut Unstructured<'_>) -> arbitrary::Result<Value> {
        let back = input.int_in_range(0..=self.values.len().min(4) - 1)?;
        Ok(self.values[self.values.len() - 1 - back].clone())
    }

    fn operator(&mut self, input: &mut Unstructured<'_>) -> arbitrary::Result<()> {
        let Value(x, [c, h, w]) = self.recent(input)?;
        match input.int_in_range(0..=17u8)? {
            0..=3 => self.convolution(input, &x, [c, h, w])?,
            4 => self.transposed(input, &x, [c, h, w])?,
            5 => self.push("Relu", &[&x], &[], [c, h, w]),
            6 => self.push(input.choose(&["LeakyRelu", "Sigmoid", "Tanh", "Abs", "Neg"])?, &[&x], &[], [c, h, w]),
            7 => {
                let sigmoid = self.values.len();
                self.push("Sigmoid", &[&x], &[], [c, h, w]);
                let gate = self.values[sigmoid].0.clone();
                self.push("Mul", &[&x, &gate], &[], [c, h, w]);
            }
            8 => {
                let (low, high) = (self.name("w"), self.name("w"));
                self.onnx = std::mem::take(&mut self.onnx).weights(&low, &[], &[0.0]).weights(&high, &[], &[0.5]);
                self.push("Clip", &[&x, &low, &high], &[], [c, h, w]);
            }
            9 | 10 => self.pool(input, &x, [c, h, w])?,
            11 => {
                self.push("GlobalAveragePool", &[&x], &[], [c, 1, 1]);
                let mean = self.values[self.values.len() - 1].0.clone();
                let weights = self.weights(&[c, c, 1, 1], c);
                self.push("Conv", &[&mean, &weights], &[], [c, 1, 1]);
                let squeezed = self.values[self.values.len() - 1].0.clone();
                self.push("Sigmoid", &[&squeezed], &[], [c, 1, 1]);
                let gate = self.values[self.values.len() - 1].0.clone();
                self.push("Mul", &[&x, &gate], &[], [c, h, w]);
            }
            12 | 13 => {
                let alike: Vec<String> = self.values.iter().filter(|v| v.1 == [c, h, w]).map(|v| v.0.clone()).collect();
                let other = input.choose(&alike)?.clone();
                self.push(input.choose(&["Add", "Mul", "Sub"])?, &[&x, &other], &[], [c, h, w]);
            }
            14 | 15 => {
                let alike: Vec<Value> = self.values.iter().filter(|v| v.1[1..] == [h, w] && v.1[0] + c <= 80).cloned().collect();
                if !alike.is_empty() {
                    let Value(other, [more, ..]) = input.choose(&alike)?.clone();
                    self.push("Concat", &[&x, &other], &[("axis", &[1])], [c + more, h, w]);
                }
            }
            16 => {
                let factor = *input.choose(&[2, 3])?;
                if h * w * factor * factor <= 48 * 48 {
                    let scales = self.name("w");
                    let values = [1.0, 1.0, factor as f32, factor as f32];
                    self.onnx = std::mem::take(&mut self.onnx).weights(&scales, &[4], &values);
                    self.push("Resize", &[&x, "", &scales], &[], [c, h * factor, w * factor]);
                }
            }
            _ => {
                let [scale, shift, mean] = [(); 3].map(|()| self.weights(&[c], 3));
                let variance = self.name("w");
                let values: Vec<f32> = self.numbers.take(c).iter().map(|x| x * x + 0.1).collect();
                self.onnx = std::mem::take(&mut self.onnx).weights(&variance, &[c], &values);
                self.push("BatchNormalization", &[&x, &scale, &shift, &mean, &variance], &[], [c, h, w]);
            }
        }
        Ok(())
    }

    fn convolution(&mut self, input: &mut Unstructured<'_>, x: &str, [c, h, w]: [usize; 3]) -> arbitrary::Result<()> {
        let kernel = *input.choose(&[[1, 1], [3, 3], [3, 3], [5, 5], [2, 2], [1, 7], [4, 3]])?;
        let groups = *input.choose(&[1, 1, c, 2])?;
        let groups = if c.is_multiple_of(groups) { groups } else { 1 };
        let out = if groups == c { c } else { *input.choose(&[1, 8, 16, 17, 24, 33, 40])? };
        let out = out.div_ceil(groups) * groups;
        let (stride, dilation) = (*input.choose(&[[1, 1], [1, 1], [2, 2], [1, 2]])?, *input.choose(&[[1, 1], [1, 1], [1, 1], [2, 1]])?);
        let mut pads = [0; 4];
        for (i, pad) in pads.iter_mut().enumerate() {
            *pad = if input.ratio(3, 4)? { (kernel[i % 2] - 1) * dilation[i % 2] / 2 } else { input.int_in_range(0..=2)? };
        }
        let n = |size: usize, axis: usize| {
            let reach = (kernel[axis] - 1) * dilation[axis] + 1;
            (size + pads[axis] + pads[axis + 2]).checked_sub(reach).map(|room| room / stride[axis] + 1)
        };
        let (Some(to_h), Some(to_w)) = (n(h, 0), n(w, 1)) else { return Ok(()) };
        let weights = self.weights(&[out, c / groups, kernel[0], kernel[1]], c / groups * kernel[0] * kernel[1]);
        let bias = self.weights(&[out], 3);
        let inputs: &[&str] = if input.arbitrary()? { &[x, &weights, &bias] } else { &[x, &weights] };
        let numbers = |values: &[usize]| values.iter().map(|n| *n as i64).collect::<Vec<_>>();
        let attributes: [(&str, &[i64]); 4] =
            [("group", &[groups as i64]), ("strides", &numbers(&stride)), ("dilations", &numbers(&dilation)), ("pads", &numbers(&pads))];
        self.push("Conv", inputs, &attributes, [out, to_h, to_w]);
        Ok(())
    }

    fn transposed(&mut self, input: &mut Unstructured<'_>, x: &str, [c, h, w]: [usize; 3]) -> arbitrary::Result<()> {
        let [kernel, stride, pad] = *input.choose(&[[2, 2, 0], [4, 2, 1], [3, 2, 1], [3, 1, 1], [3, 3, 0]])?;
        let out = *input.choose(&[1, 16, 20])?;
        let n = |size: usize| ((size - 1) * stride + kernel).saturating_sub(2 * pad);
        let size = [out, n(h), n(w)];
        if size[1] * size[2] > 48 * 48 || size[1] * size[2] == 0 {
            return Ok(());
        }
        let weights = self.weights(&[c, out, kernel, kernel], c * kernel * kernel);
        let both = |n: usize| [n as i64; 2];
        self.push("ConvTranspose", &[x, &weights], &[("strides", &both(stride)), ("pads", &[pad as i64; 4])], size);
        Ok(())
    }

    fn pool(&mut self, input: &mut Unstructured<'_>, x: &str, [c, h, w]: [usize; 3]) -> arbitrary::Result<()> {
        let [kernel, stride, pad] = *input.choose(&[[2usize, 2, 0], [3, 2, 1], [3, 1, 1], [2, 1, 0]])?;
        let n = |size: usize| (size + 2 * pad).checked_sub(kernel).map(|room| room / stride + 1);
        let (Some(to_h), Some(to_w)) = (n(h), n(w)) else { return Ok(()) };
        let size = [c, to_h, to_w];
        let shape = [kernel as i64; 2];
        let attributes: [(&str, &[i64]); 3] = [("kernel_shape", &shape), ("strides", &[stride as i64; 2]), ("pads", &[pad as i64; 4])];
        if input.arbitrary()? {
            self.push("MaxPool", &[x], &attributes, size);
        } else {
            let counted = [i64::from(input.arbitrary::<bool>()?)];
            self.push("AveragePool", &[x], &[attributes[0], attributes[1], attributes[2], ("count_include_pad", &counted)], size);
        }
        Ok(())
    }
}
