//! `covmap._covmap`, the compiled half of the Python package `covmap`; `python/covmap/` is the other, with the documentation of
//! both in `_covmap.pyi`.
//!
//! Work happens with the interpreter released, a core error becomes the exception of its kind, and so does a panic.
#![forbid(unsafe_code)]

mod analysis;
mod array;
mod batch;
mod error;
mod input;
mod pipeline;
mod radiograph;
mod results;
mod stages;

use std::ffi::OsString;

use pyo3::prelude::*;

#[pymodule(gil_used = false)]
mod _covmap {
    #[pymodule_export]
    use super::{
        analysis::{Analysis, restore as restore_analysis},
        batch::AnalyzeMany,
        pipeline::{CancelToken, Pipeline, analyze, analyze_many, restore as restore_pipeline},
        radiograph::Radiograph,
        results::{Detection, Quality, Severity},
        run_command,
        stages::{InfectionMap, LungMask, Model, ModelInput, Prediction, detection, fusion, lungs, network, preprocess, severity},
    };

    #[pymodule_export]
    #[expect(non_upper_case_globals, reason = "Python's name")]
    const __version__: &str = env!("CARGO_PKG_VERSION");
}

/// Runs the `covmap` command and returns its exit status; `arguments` starts with the program's name.
#[pyfunction]
fn run_command(py: Python<'_>, arguments: Vec<OsString>) -> PyResult<u8> {
    error::detached(py, || Ok(covmap_cli::run(arguments)))
}
