//! The command end to end, as a process, in folders of its own.

mod analyze;
mod compare;
mod determinism;
mod evaluate;
mod hostile;
mod model_files;
mod resume;
mod status;

use std::path::{Path, PathBuf};
use std::process::{Command, Output};

use covmap_core::phantom::Opacities;
use covmap_tests::models::little;
use covmap_tests::{json, phantom};
use serde_json::Value;
use tempfile::TempDir;

/// A folder with a little model in it, in which the command runs.
struct Place(TempDir);

/// How one run ended and what it said.
struct Run {
    status: i32,
    out: String,
    err: String,
}

impl Place {
    fn new() -> Self {
        let place = Place(tempfile::tempdir().unwrap());
        place.write("little.onnx", &little(1.0));
        place
    }

    fn path(&self, name: &str) -> PathBuf {
        self.0.path().join(name)
    }

    fn write(&self, name: &str, bytes: &[u8]) {
        let path = self.path(name);
        std::fs::create_dir_all(path.parent().unwrap()).unwrap();
        std::fs::write(path, bytes).unwrap();
    }

    fn read(&self, name: &str) -> Vec<u8> {
        std::fs::read(self.path(name)).unwrap_or_else(|e| panic!("{name}: {e}"))
    }

    /// Writes a radiograph of 160 x 200 pixels.
    fn phantom(&self, name: &str, seed: u64) {
        self.write(name, &phantom(seed, Opacities::Moderate, 160, 200).to_png().unwrap());
    }

    fn command(&self, arguments: &[&str]) -> Command {
        let mut command = Command::new(env!("CARGO_BIN_EXE_covmap-under-test"));
        command.current_dir(self.0.path()).args(arguments);
        command
    }

    fn run(&self, arguments: &[&str]) -> Run {
        let Output { status, stdout, stderr } = self.command(arguments).output().unwrap();
        let text = |bytes: Vec<u8>| String::from_utf8(bytes).unwrap();
        Run { status: status.code().expect("no signal ended it"), out: text(stdout), err: text(stderr) }
    }

    /// `covmap analyze` with the little model into `out`.
    fn analyze(&self, arguments: &[&str]) -> Run {
        self.run(&[&["analyze", "--model", "little.onnx", "--out", "out"], arguments].concat())
    }

    fn record(&self) -> Value {
        json(&self.path("out/run.json"))
    }

    /// The record's entry of one input.
    fn entry(&self, input: &str) -> Value {
        let record = self.record();
        let files = record["files"].as_array().unwrap();
        let found: Vec<&Value> = files.iter().filter(|f| f["input"] == input).collect();
        assert_eq!(found.len(), 1, "{input} in {record:#}");
        found[0].clone()
    }

    /// Files below `folder` with their bytes, in order; names with `/`.
    fn files(&self, folder: &str) -> Vec<(String, Vec<u8>)> {
        let (root, mut found) = (self.path(folder), Vec::new());
        walk(&root, &root, &mut found);
        found.sort();
        found
    }

    fn names(&self, folder: &str) -> Vec<String> {
        self.files(folder).into_iter().map(|(name, _)| name).collect()
    }
}

fn walk(root: &Path, folder: &Path, found: &mut Vec<(String, Vec<u8>)>) {
    for entry in std::fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            walk(root, &path, found);
        } else {
            let name = path.strip_prefix(root).unwrap().to_string_lossy().replace('\\', "/");
            found.push((name, std::fs::read(&path).unwrap()));
        }
    }
}

/// Names of the results of some stems, and the record.
fn results_of(stems: &[&str]) -> Vec<String> {
    let endings = ["infection.png", "json", "lung.png", "overlay.png"];
    let mut names: Vec<String> = stems.iter().flat_map(|s| endings.map(|e| format!("{s}.{e}"))).collect();
    names.push("run.json".into());
    names.sort();
    names
}
