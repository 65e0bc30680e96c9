//! A model's description in JSON.

use covmap_core::{Model, ModelOptions, ModelSpec};

use super::sound;
use crate::models::{SIDE, little};

/// Reads a description, writes it, reads it again, and loads a little model by it.
pub fn run(bytes: &[u8]) {
    let Ok(json) = std::str::from_utf8(bytes) else { return };
    let Some(spec) = sound(ModelSpec::from_json(json)) else { return };
    let written = serde_json::to_string(&spec).expect("a description is JSON");
    let again = ModelSpec::from_json(&written).unwrap_or_else(|e| panic!("{e}: {written}"));
    assert_eq!(spec, again, "{written}");
    if spec.input.size == [SIDE; 2] {
        let mut options = ModelOptions::default();
        options.spec = Some(spec);
        sound(Model::from_bytes(little(1.0), &options));
    }
}
