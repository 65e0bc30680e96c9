//! Model files that do not fit: exit status 2, the file and its fault named, nothing analysed.

use covmap_tests::models::{SIDE, little};
use covmap_tests::onnx::Onnx;
use serde_json::json;

use crate::Place;

fn description() -> serde_json::Value {
    json!({
        "format": 1,
        "name": "copying",
        "input": { "size": [SIDE, SIDE] },
        "outputs": [{ "tensor": "y", "channels": ["infection"], "activation": "probability" }],
    })
}

/// A graph that copies its input, described by `change`d metadata.
fn copying(change: impl FnOnce(&mut serde_json::Value)) -> Vec<u8> {
    let shape = [1, 1, SIDE, SIDE];
    let mut spec = description();
    change(&mut spec);
    Onnx::new().input("x", &shape).node("Sigmoid", &["x"], "y", &[]).output("y", &shape).described(&spec).bytes()
}

#[test]
fn wrong_models_are_named_with_their_fault() {
    let place = Place::new();
    place.phantom("a.png", 1);
    let whole = little(1.0);
    let shape = [1, 1, SIDE, SIDE];
    let bare = Onnx::new().input("x", &shape).node("Sigmoid", &["x"], "y", &[]).output("y", &shape).bytes();
    let twice = |s: &mut serde_json::Value| {
        let mut second = s["outputs"][0].clone();
        second["channels"] = json!(["lungs"]);
        s["outputs"].as_array_mut().unwrap().push(second);
    };
    let integers = Onnx::new().byte_input("x", &shape).node("Cast", &["x"], "f", &[("to", &[1])]).node("Sigmoid", &["f"], "y", &[]);
    let models: [(&str, Vec<u8>, &str); 16] = [
        ("empty.onnx", vec![], "no graph"),
        ("text.onnx", b"This is not a model.\n".repeat(50), "not an ONNX file"),
        ("zeros.onnx", vec![0; 4096], "not an ONNX file"),
        ("truncated.onnx", whole[..whole.len() / 2].to_vec(), "not an ONNX file"),
        ("bare.onnx", bare, "no covmap.* metadata"),
        ("size.onnx", copying(|s| s["input"]["size"] = json!([32, 32])), "declares [1, 1, 64, 64]; its description says [1, 1, 32, 32]"),
        ("output.onnx", copying(|s| s["outputs"][0]["tensor"] = json!("z")), "no output \"z\"; it has y"),
        ("channels.onnx", copying(|s| s["outputs"][0]["channels"] = json!(["infection", "lungs"])), "output y is"),
        ("meaning.onnx", copying(|s| s["outputs"][0]["channels"] = json!(["tumour"])), "tumour"),
        ("logit.onnx", copying(|s| s["outputs"][0]["activation"] = json!("logit")), "output y ends in Sigmoid"),
        ("twice.onnx", copying(twice), "described twice"),
        ("nothing.onnx", copying(|s| s["outputs"][0]["channels"] = json!([])), "has no channel"),
        ("integers.onnx", integers.output("y", &shape).described(&description()).bytes(), "takes Uint8"),
        ("format.onnx", copying(|s| s["format"] = json!(2)), "format 2"),
        ("threshold.onnx", copying(|s| s["thresholds"] = json!({"infection": 1.5, "lungs": 0.5})), "threshold 1.5"),
        ("key.onnx", copying(|s| s["colour"] = json!("red")), "colour"),
    ];
    for (name, bytes, says) in &models {
        place.write(name, bytes);
        for arguments in [&["analyze", "a.png", "--out", "out", "--model", name][..], &["model", "inspect", name]] {
            let run = place.run(arguments);
            assert_eq!(run.status, 2, "{arguments:?}: {}", run.err);
            assert!(run.err.starts_with(&format!("covmap: {name}: ")) && run.err.contains(says), "{arguments:?}: {}", run.err);
            assert!(!run.err.contains("panicked"), "{}", run.err);
            assert!(!place.path("out/a.json").exists());
        }
    }
    // The same graph with a description that fits does run.
    place.write("right.onnx", &copying(|_| ()));
    let run = place.run(&["analyze", "a.png", "--out", "out", "--model", "right.onnx"]);
    assert_eq!(run.status, 0, "{}", run.err);
}

/// A model without metadata runs with its description beside it.
#[test]
fn a_description_may_lie_beside_the_model() {
    let place = Place::new();
    place.phantom("a.png", 1);
    let shape = [1, 1, SIDE, SIDE];
    place.write("own.onnx", &Onnx::new().input("x", &shape).node("Sigmoid", &["x"], "y", &[]).output("y", &shape).bytes());
    let spec = json!({ "format": 1, "name": "own", "input": { "size": [SIDE, SIDE] },
        "outputs": [{ "tensor": "y", "channels": ["infection"], "activation": "probability" }] });
    place.write("own.onnx.json", spec.to_string().as_bytes());
    let run = place.run(&["analyze", "a.png", "--out", "out", "--model", "own.onnx"]);
    assert_eq!(run.status, 0, "{}", run.err);
    let result = covmap_tests::json(&place.path("out/a.json"));
    assert_eq!(result["model"][0]["name"], "own");
    // It has no lungs: nothing that needs them, and an empty mask.
    assert!(result["lung"]["area_px"].is_null());
    assert!(covmap_tests::picture(&place.path("out/a.lung.png")).iter().all(|l| *l == 0));

    place.write("own.onnx.json", b"{ \"format\": 1 }");
    let run = place.run(&["analyze", "a.png", "--out", "out", "--model", "own.onnx"]);
    assert_eq!(run.status, 2);
    assert!(run.err.contains("own.onnx.json") && run.err.contains("name"), "{}", run.err);
}

/// What is no probability cannot be told from the graph, but from the first answer.
#[test]
fn values_that_are_no_probabilities_are_refused() {
    let place = Place::new();
    place.phantom("a.png", 1);
    let shape = [1, 1, SIDE, SIDE];
    let bare = Onnx::new().input("x", &shape).node("Neg", &["x"], "y", &[]).output("y", &shape);
    place.write("bare.onnx", &bare.described(&description()).bytes());
    let run = place.run(&["analyze", "a.png", "--out", "out", "--model", "bare.onnx"]);
    assert_eq!(run.status, 1, "{}", run.err);
    assert!(run.err.contains("output y of copying is described as probability, but has the value"), "{}", run.err);
    assert!(!place.path("out/a.json").exists());
}

/// A checksum beside a model binds it.
#[test]
fn a_checksum_may_lie_beside_the_model() {
    let place = Place::new();
    place.phantom("a.png", 1);
    assert_eq!(place.analyze(&["a.png"]).status, 0);
    let sha256 = covmap_tests::json(&place.path("out/a.json"))["model"][0]["sha256"].as_str().unwrap().to_owned();
    place.write("little.onnx.sha256", format!("{sha256}  little.onnx\n").as_bytes());
    assert_eq!(place.analyze(&["a.png"]).status, 0);
    place.write("little.onnx", &little(2.0));
    for wrong in [format!("{sha256}  little.onnx\n"), String::new()] {
        place.write("little.onnx.sha256", wrong.as_bytes());
        let run = place.analyze(&["a.png"]);
        assert_eq!(run.status, 2, "{}", run.err);
        assert!(run.err.contains("little.onnx: its SHA-256 is "), "{}", run.err);
    }
}

#[test]
fn an_extracted_model_is_the_same_model() {
    let place = Place::new();
    let run = place.run(&["model", "extract", "--out", "plain.onnx"]);
    assert_eq!(run.status, 0, "{}", run.err);
    // Half-precision weights became floats.
    assert!(place.read("plain.onnx").len() > 1_900_000);
    for (model, output) in [(&[][..], "bundled.f32"), (&["plain.onnx"], "plain.f32")] {
        let arguments = [&["model", "bench", "--runs", "1", "--json", "--output", output][..], model].concat();
        let run = place.run(&arguments);
        assert_eq!(run.status, 0, "{}", run.err);
        let figures: serde_json::Value = serde_json::from_str(&run.out).unwrap();
        assert!(figures["median_ms"].as_f64().unwrap() > 0.0, "{figures}");
    }
    assert_eq!(place.read("bundled.f32"), place.read("plain.f32"));
}
