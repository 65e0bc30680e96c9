//! Compiled plans against tract on whole networks: the bundled one, the paper's, and graphs of which a plan covers a part.

use std::path::Path;

use covmap_core::engine::Engine;
use covmap_core::{Model, ModelOptions, Precision, RunOptions};
use covmap_tests::onnx::Onnx;
use serde_json::json;

/// Largest difference of a logit, in parts of the largest.
const TOLERANCE: f32 = 1e-4;

fn options(engine: Engine, threads: usize) -> ModelOptions {
    let mut options = ModelOptions::default();
    (options.engine, options.threads) = (engine, threads);
    options
}

fn noise(n: usize) -> Vec<f32> {
    (0..n).map(|i| ((i * 7919 + i / 251 * 31) % 1009) as f32 / 252.0 - 2.0).collect()
}

/// The same answer from tract, from plans on one thread and, bit for bit, on three.
fn agree(what: &str, load: impl Fn(&ModelOptions) -> Model) {
    let run = |engine, threads| {
        let model = load(&options(engine, threads));
        let input = &model.spec().input;
        let values = noise(input.size[0] * input.size[1] * input.channels);
        let mut run = RunOptions::default();
        run.precision = Precision::F32;
        model.run_raw(&values, &run, threads > 1).unwrap()
    };
    let (reference, ours) = (run(Engine::Reference, 1), run(Engine::Auto, 1));
    let largest = reference.iter().flatten().fold(0f32, |m, x| m.max(x.abs()));
    let difference = reference.iter().flatten().zip(ours.iter().flatten()).fold(0f32, |m, (a, b)| m.max((a - b).abs()));
    println!("{what}: largest difference {difference:.1e} of {largest:.1}");
    assert!(difference <= TOLERANCE * largest, "{what}: {difference} of {largest}");
    assert_eq!(ours, run(Engine::Auto, 3), "{what}: three threads differ from one");
}

#[test]
fn the_bundled_network() {
    agree("bundled", |o| Model::bundled(o).unwrap());
    let execution = Model::bundled(&options(Engine::Auto, 1)).unwrap().execution(Precision::Auto).unwrap();
    assert_eq!((execution.regions.len(), execution.fallbacks.len()), (1, 0));
    let region = &execution.regions[0];
    assert!(region.steps.iter().any(|s| s.kernel.contains("Winograd")) && region.arena_bytes < 20_000_000);
    assert!(Model::bundled(&options(Engine::Reference, 1)).unwrap().execution(Precision::Auto).unwrap().regions.is_empty());
}

#[test]
fn the_papers_networks() {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("fixtures/zoo");
    let mut count = 0;
    for entry in std::fs::read_dir(&folder).unwrap() {
        let path = entry.unwrap().path();
        if path.extension().is_some_and(|e| e == "onnx") {
            agree(&path.file_stem().unwrap().to_string_lossy(), |o| Model::open(&path, o).unwrap());
            count += 1;
        }
    }
    assert_eq!(count, 12);
}

/// Convolutions around an operator that no plan has, with values that cross it.
fn mixed(operator: &str) -> Vec<u8> {
    let shape = [1, 1, 32, 32];
    Onnx::new()
        .input("x", &shape)
        .weights("w", &[20, 1, 3, 3], &noise(180).iter().map(|x| x * 0.1).collect::<Vec<_>>())
        .weights("v", &[4, 20, 3, 3], &noise(720).iter().map(|x| x * 0.02).collect::<Vec<_>>())
        .weights("u", &[1, 24, 1, 1], &noise(24).iter().map(|x| x * 0.1).collect::<Vec<_>>())
        .node("Conv", &["x", "w"], "a", &[("pads", &[1, 1, 1, 1])])
        .node("Relu", &["a"], "b", &[])
        .node(operator, &["b"], "c", &[])
        .node("Conv", &["c", "v"], "d", &[("pads", &[1, 1, 1, 1])])
        .node("Concat", &["d", "b"], "e", &[("axis", &[1])])
        .node("Conv", &["e", "u"], "infection", &[])
        .output("infection", &shape)
        .described(&json!({
            "format": 1, "name": "mixed",
            "input": { "size": [32, 32], "layout": "nchw", "channels": 1, "normalisation": "standardise" },
            "outputs": [{ "tensor": "infection", "channels": ["infection"], "activation": "logit" }],
        }))
        .bytes()
}

#[test]
fn what_no_plan_covers_runs_on_tract() {
    for operator in ["Tanh", "Softplus", "Abs"] {
        let file = mixed(operator);
        agree(operator, |o| Model::from_bytes(file.clone(), o).unwrap());
        let execution = Model::from_bytes(file, &options(Engine::Auto, 1)).unwrap().execution(Precision::Auto).unwrap();
        assert_eq!(execution.regions.len(), 2, "{operator}: {execution:?}");
        assert!(!execution.fallbacks.is_empty() && execution.fallbacks.iter().all(|f| !f.reason.is_empty()));
    }
}

/// Automatic precision follows the model's metadata; asked for, bf16 stays near.
#[test]
fn brain_floats_where_they_change_nothing() {
    let model = Model::bundled(&options(Engine::Auto, 1)).unwrap();
    let recorded = model.spec().bf16.as_ref().is_some_and(|d| d.is_negligible());
    let Ok(available) = model.precision(Precision::Bf16) else {
        eprintln!("SKIPPED: this processor has no AVX512_BF16");
        assert_eq!(model.precision(Precision::Auto).unwrap(), Precision::F32);
        return;
    };
    assert_eq!(available, Precision::Bf16);
    assert_eq!(model.precision(Precision::Auto).unwrap() == Precision::Bf16, recorded);
    assert!(model.precision(Precision::Int8).is_err());
    let input = &model.spec().input;
    let values = noise(input.size[0] * input.size[1]);
    let run = |precision| {
        let mut options = RunOptions::default();
        options.precision = precision;
        model.run_raw(&values, &options, false).unwrap().concat()
    };
    let (full, short) = (run(Precision::F32), run(Precision::Bf16));
    let largest = full.iter().fold(0f32, |m, x| m.max(x.abs()));
    let mean = full.iter().zip(&short).map(|(a, b)| (a - b).abs()).sum::<f32>() / full.len() as f32;
    assert!(mean > 0.0 && mean < 0.02 * largest, "{mean} of {largest}");
}

#[test]
fn a_run_can_be_cancelled_within_a_plan() {
    let model = Model::bundled(&options(Engine::Auto, 1)).unwrap();
    let input = &model.spec().input;
    let mut late = RunOptions::default();
    late.deadline = Some(std::time::Instant::now());
    let e = model.run_raw(&noise(input.size[0] * input.size[1]), &late, false).unwrap_err();
    assert_eq!(e.kind(), covmap_core::ErrorKind::Cancelled);
}
