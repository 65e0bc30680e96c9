//! Model files: a description in JSON, which may be empty, a NUL, and an ONNX file.

use std::time::{Duration, Instant};

use covmap_core::preprocess::Preprocess;
use covmap_core::{ErrorKind, Model, ModelOptions, ModelSpec, RunOptions};

use super::sound;
use crate::radiograph;

/// Bytes that a model may have here.
const LARGEST: usize = 64 << 10;

/// Loads a model, and runs it where it loads and is small.
pub fn run(bytes: &[u8]) {
    let Some(at) = bytes.iter().position(|byte| *byte == 0) else { return };
    let (json, file) = (&bytes[..at], &bytes[at + 1..]);
    if file.len() > LARGEST {
        return;
    }
    let mut options = ModelOptions::default();
    if !json.is_empty() {
        let Ok(json) = std::str::from_utf8(json) else { return };
        options.spec = sound(ModelSpec::from_json(json));
        if options.spec.is_none() {
            return;
        }
    }
    let Some(model) = sound(Model::from_bytes(file.to_vec(), &options)) else { return };
    let spec = model.spec();
    if spec.input.size.iter().product::<usize>() > 128 * 128 {
        return;
    }
    let mut run = RunOptions::default();
    run.deadline = Instant::now().checked_add(Duration::from_secs(2));
    let (input, geometry) = Preprocess::new(&spec.input).apply(&radiograph(1, 80, 64)).expect("a checked description fits any radiograph");
    match model.run(&input, &run, false) {
        Ok(seen) => {
            let maps =
                [seen.infection.as_ref().map(|p| p.map()), seen.lungs.as_ref().map(|l| l.right()), seen.lungs.as_ref().map(|l| l.left())];
            for map in maps.into_iter().flatten() {
                assert_eq!(map.dim(), geometry.model.into());
                assert!(map.iter().all(|p| (0.0..=1.0).contains(p)));
            }
        }
        Err(error) => assert!(matches!(error.kind(), ErrorKind::Model | ErrorKind::Cancelled), "{error:?}"),
    }
}
