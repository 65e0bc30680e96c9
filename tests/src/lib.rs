//! What the tests share: phantoms, small models, places, the command's results.

pub mod fuzz;
pub mod golden;
pub mod hostile;
pub mod models;
pub mod onnx;
pub mod process;
pub mod reliability;
pub mod schema;

use std::path::{Path, PathBuf};
use std::sync::OnceLock;

use covmap_core::phantom::{Opacities, PhantomOptions};
use covmap_core::radiograph::BufferOptions;
use covmap_core::{Phantom, Pipeline, Radiograph};
use ndarray::Array2;
use serde_json::Value;

/// The workspace's root.
pub fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).parent().expect("tests/ lies in the workspace").to_owned()
}

/// The labelled radiographs (`COVMAP_DATA`, else `../shared/data` beside the workspace); says so loudly where they are not.
pub fn data() -> Option<PathBuf> {
    let folder = std::env::var_os("COVMAP_DATA").map_or_else(|| root().join("../shared/data"), PathBuf::from);
    if folder.join("catalog.csv").exists() {
        return Some(folder);
    }
    eprintln!("SKIPPED: {} holds no labelled radiographs; set COVMAP_DATA", folder.display());
    None
}

/// A phantom.
pub fn phantom(seed: u64, opacities: Opacities, width: usize, height: usize) -> Phantom {
    let mut options = PhantomOptions::default();
    (options.seed, options.opacities, options.width, options.height) = (seed, opacities, width, height);
    Phantom::new(&options).expect("a phantom of legal size")
}

/// A phantom with moderate opacities, as a radiograph.
pub fn radiograph(seed: u64, width: usize, height: usize) -> Radiograph {
    let p = phantom(seed, Opacities::Moderate, width, height);
    Radiograph::from_view(p.pixels.view(), &BufferOptions::default()).expect("a phantom is a radiograph")
}

/// The bundled model, loaded once a test binary.
pub fn bundled() -> &'static Pipeline {
    static PIPELINE: OnceLock<Pipeline> = OnceLock::new();
    PIPELINE.get_or_init(|| Pipeline::bundled().expect("the bundled model loads"))
}

/// An 8-bit picture from a file.
///
/// # Panics
/// If it cannot be read.
pub fn picture(path: &Path) -> Array2<u8> {
    let grey = image::open(path).unwrap_or_else(|e| panic!("{}: {e}", path.display())).into_luma8();
    let shape = (grey.height() as usize, grey.width() as usize);
    Array2::from_shape_vec(shape, grey.into_raw()).expect("rows times columns")
}

/// A JSON file.
///
/// # Panics
/// If it cannot be read.
pub fn json(path: &Path) -> Value {
    let text = std::fs::read_to_string(path).unwrap_or_else(|e| panic!("{}: {e}", path.display()));
    serde_json::from_str(&text).unwrap_or_else(|e| panic!("{}: {e}", path.display()))
}

/// Writes figures, an object, to tests/reliability/SUBJECT.json, with date and commit.
///
/// # Panics
/// If that is not possible.
pub fn record(subject: &str, figures: &Value) {
    let said = |command: &str, arguments: &[&str]| {
        let output = std::process::Command::new(command).args(arguments).current_dir(root()).output().expect("it runs");
        String::from_utf8_lossy(&output.stdout).trim().to_owned()
    };
    let date = said("date", &["-u", "+%Y-%m-%d"]);
    let mut told = serde_json::json!({ "subject": subject, "date": date, "commit": said("git", &["rev-parse", "--short", "HEAD"]) });
    let fields = told.as_object_mut().expect("an object");
    fields.extend(figures.as_object().expect("an object").clone());
    let folder = root().join("tests/reliability");
    std::fs::create_dir_all(&folder).expect("a folder");
    std::fs::write(folder.join(format!("{subject}.json")), format!("{told:#}\n")).expect("a file");
}

/// The README's Rust snippets compile.
#[cfg(doctest)]
#[doc = include_str!("../../README.md")]
struct Readme;
