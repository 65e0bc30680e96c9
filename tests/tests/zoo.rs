//! The paper's decoders on its encoders give here what they give in PyTorch. Narrow versions of the same topology with random
//! weights, written by `python -m training.zoo fixtures` after onnxruntime had agreed.

use std::path::{Path, PathBuf};

use covmap_core::{Model, ModelOptions, RunOptions};

/// Largest difference of a pixel's probability.
const TOLERANCE: f32 = 1e-3;

fn file(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("fixtures/zoo").join(name)
}

fn floats(name: &str) -> Vec<f32> {
    let bytes = std::fs::read(file(name)).unwrap_or_else(|e| panic!("{name}: {e}"));
    bytes.chunks_exact(4).map(|b| f32::from_le_bytes([b[0], b[1], b[2], b[3]])).collect()
}

/// Runs the decoder on every encoder; the largest differences are shown before any of them fails the test.
#[track_caller]
fn every_encoder(decoder: &str) {
    let mut agree = true;
    for encoder in ["chexnet", "densenet121", "inceptionv3", "resnet50"] {
        let name = format!("{decoder}-{encoder}");
        let model = Model::open(file(&format!("{name}.onnx")), &ModelOptions::default()).unwrap();
        let (input, expected) = (floats(&format!("{name}.input.f32")), floats(&format!("{name}.probabilities.f32")));
        let outputs = model.run_raw(&input, &RunOptions::default(), false).unwrap();
        assert_eq!((outputs.len(), outputs[0].len()), (1, expected.len()), "{name}");
        let differences = outputs[0].iter().zip(&expected).map(|(logit, p)| (1.0 / (1.0 + (-logit).exp()) - p).abs());
        let differences: Vec<f32> = differences.collect();
        println!("{name}: largest difference of probabilities {:.1e}", differences.iter().copied().fold(0.0, f32::max));
        agree &= differences.iter().all(|d| *d <= TOLERANCE);
    }
    assert!(agree, "{decoder} differs by more than {TOLERANCE}");
}

#[test]
fn unet() {
    every_encoder("unet");
}

#[test]
fn unet_plus_plus() {
    every_encoder("unetplusplus");
}

#[test]
fn deep_layer_aggregation() {
    every_encoder("dla");
}
