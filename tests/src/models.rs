//! Models for tests that are not about the network: they load in a moment and answer what is known beforehand.

use covmap_core::{Model, ModelOptions};
use serde_json::json;

use crate::onnx::Onnx;

/// Side of the little model's square.
pub const SIDE: usize = 64;

/// A model that sees two elliptic lungs in every radiograph and takes bright for infected: infection logit `gain` times the
/// standardised grey value. `gain` tells members of an ensemble apart.
pub fn little(gain: f32) -> Vec<u8> {
    built(gain, None)
}

/// [`little`] of gain 1 whose network says as many points of every pixel, in full from a share of 0.01 on.
pub fn little_with_points(points: f32) -> Vec<u8> {
    built(1.0, Some(points))
}

fn built(gain: f32, points: Option<f32>) -> Vec<u8> {
    let shape = [1, 1, SIDE, SIDE];
    let lungs = [ellipse(0.3), ellipse(0.7)].concat();
    let mut graph = Onnx::new()
        .input("x", &shape)
        .weights("gain", &[1], &[gain])
        .weights("none", &[1, 2, 1, 1], &[0.0, 0.0])
        .weights("ellipses", &[1, 2, SIDE, SIDE], &lungs)
        .node("Mul", &["x", "gain"], "infection", &[])
        // The input must take part, or there is nothing to run.
        .node("Mul", &["x", "none"], "nothing", &[])
        .node("Add", &["nothing", "ellipses"], "lungs", &[])
        .output("infection", &shape)
        .output("lungs", &[1, 2, SIDE, SIDE]);
    let mut description = json!({
        "format": 1,
        "name": format!("little-{gain}"),
        "input": { "size": [SIDE, SIDE], "layout": "nchw", "channels": 1, "normalisation": "standardise" },
        "outputs": [
            { "tensor": "infection", "channels": ["infection"], "activation": "logit" },
            { "tensor": "lungs", "channels": ["lung_right", "lung_left"], "activation": "logit" },
        ],
        "calibration": {
            "brixia": { "feature": "share", "knots": [[0.0, 0.0], [1.0, 3.0]] },
            "detection": { "intercept": 1.0, "log_mean": 1.0, "log_worst_zone": 0.5, "sensitivity95": 0.2, "specificity95": 0.6 },
        },
    });
    if let Some(points) = points {
        graph = graph
            .weights("zero", &[1], &[0.0])
            .weights("given", &[1], &[points])
            .node("Mul", &["x", "zero"], "flat", &[])
            .node("Add", &["flat", "given"], "points", &[])
            .output("points", &shape);
        description["outputs"]
            .as_array_mut()
            .expect("a list")
            .push(json!({ "tensor": "points", "channels": ["points"], "activation": "linear" }));
        description["calibration"]["brixia"]["ramp"] = 0.01.into();
    }
    graph.described(&description).bytes()
}

/// [`little`], loaded.
///
/// # Panics
/// If it does not load.
pub fn little_model(gain: f32) -> Model {
    Model::from_bytes(little(gain), &ModelOptions::default()).expect("the little model loads")
}

/// Logits of an elliptic lung about a column (fraction of the width).
fn ellipse(centre: f32) -> Vec<f32> {
    let at = |i: usize| ((i % SIDE) as f32 / SIDE as f32, (i / SIDE) as f32 / SIDE as f32);
    let logit = |(x, y): (f32, f32)| 6.0 - 6.0 * (((x - centre) / 0.14).powi(2) + ((y - 0.5) / 0.35).powi(2));
    (0..SIDE * SIDE).map(|i| logit(at(i)).max(-6.0)).collect()
}
