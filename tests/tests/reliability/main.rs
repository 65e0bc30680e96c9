//! Fit to live inside other people's programs: memory as predicted, nothing leaked, faults survived. Short here; `tests/full
//! soak load memory faults kill` runs them at full length and keeps the figures.
#![cfg(target_os = "linux")]

mod faults;
mod kill;
mod memory;
mod scarcity;
mod soak;

use std::path::{Path, PathBuf};
use std::process::{Command, Output};

use covmap_core::phantom::Opacities;
use covmap_tests::models::little;
use covmap_tests::{json, phantom};
use serde_json::Value;
use tempfile::TempDir;

/// Inputs `00.png`, `01.dcm` and so on, and a little model, in a folder in which the command runs.
struct Batch {
    folder: TempDir,
    inputs: Vec<String>,
}

impl Batch {
    fn new(count: usize) -> Self {
        let folder = tempfile::tempdir().unwrap();
        std::fs::write(folder.path().join("little.onnx"), little(1.0)).unwrap();
        let mut inputs = Vec::new();
        for i in 0..count {
            let image = phantom(i as u64, Opacities::Moderate, 160, 200);
            let (name, bytes) =
                if i % 2 == 0 { (format!("{i:02}.png"), image.to_png()) } else { (format!("{i:02}.dcm"), image.to_dicom()) };
            std::fs::write(folder.path().join(&name), bytes.unwrap()).unwrap();
            inputs.push(name);
        }
        Batch { folder, inputs }
    }

    fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    /// The arguments of `covmap analyze` with the little model into the folder `out`.
    fn arguments<'a>(&'a self, out: &'a str, more: &[&'a str]) -> Vec<&'a str> {
        let fixed = ["analyze", "--model", "little.onnx", "--quiet", "--out", out];
        fixed.into_iter().chain(more.iter().copied()).chain(self.inputs.iter().map(String::as_str)).collect()
    }

    fn analyze(&self, out: &str, more: &[&str]) -> Output {
        let mut command = Command::new(env!("CARGO_BIN_EXE_covmap-under-test"));
        command.current_dir(self.folder.path()).args(self.arguments(out, more)).output().unwrap()
    }

    /// As `analyze`, from a shell: `script` does what it wants with "$@".
    fn shell(&self, script: &str, out: &str, more: &[&str]) -> Output {
        let mut command = Command::new("bash");
        command.current_dir(self.folder.path()).args(["-c", script, "bash", env!("CARGO_BIN_EXE_covmap-under-test")]);
        command.args(self.arguments(out, more)).output().unwrap()
    }

    /// Names of the files of a folder, in order.
    fn names(&self, folder: &str) -> Vec<String> {
        let Ok(listing) = std::fs::read_dir(self.path(folder)) else { return Vec::new() };
        let mut names: Vec<String> = listing.map(|e| e.unwrap().file_name().into_string().unwrap()).collect();
        names.sort();
        names
    }

    /// Every result in `out` is that of `reference`, byte for byte; the record is whole, and tells of no result that is not
    /// there. Returns how many results there are. (The index tells of failures too, where there are any.)
    fn check_results(&self, out: &str, reference: &str) -> usize {
        let of_an_input = |n: &String| n != "run.json" && n != "index.html" && !n.starts_with(".covmap-");
        let names: Vec<String> = self.names(out).into_iter().filter(of_an_input).collect();
        for name in &names {
            let [found, wanted] = [out, reference].map(|f| std::fs::read(self.path(f).join(name)).unwrap());
            assert!(found == wanted, "{out}/{name} has {} bytes, not the {} it should", found.len(), wanted.len());
        }
        if self.path(out).join("run.json").exists() {
            for entry in done(&json(&self.path(out).join("run.json"))) {
                for output in entry["outputs"].as_array().unwrap() {
                    assert!(self.path(output.as_str().unwrap()).exists(), "{output} is recorded, but not there");
                }
            }
        }
        names.len()
    }
}

/// Entries of a record that succeeded.
fn done(record: &Value) -> Vec<&Value> {
    record["files"].as_array().unwrap().iter().filter(|e| e["status"] == "ok").collect()
}

/// What `host-under-test` measured.
fn host(arguments: &[&str]) -> Value {
    host_with(arguments, &[])
}

/// The same in another environment.
fn host_with(arguments: &[&str], environment: &[(&str, &str)]) -> Value {
    let mut command = Command::new(env!("CARGO_BIN_EXE_host-under-test"));
    let output = command.args(arguments).envs(environment.iter().copied()).output().unwrap();
    assert!(output.status.success(), "{arguments:?}: {}", text(&output.stderr));
    serde_json::from_slice(&output.stdout).unwrap()
}

fn text(bytes: &[u8]) -> String {
    String::from_utf8_lossy(bytes).into_owned()
}

fn exists(program: &str) -> bool {
    let path = std::env::var_os("PATH").unwrap_or_default();
    std::env::split_paths(&path).any(|folder| Path::new(&folder).join(program).exists())
}
