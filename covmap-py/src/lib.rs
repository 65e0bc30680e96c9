//! `covmap._covmap`, the compiled half of the Python package `covmap`; `python/covmap/` is the other.
//!
//! Work happens with the interpreter released, a core error becomes the exception of its kind, and so does a panic.
#![forbid(unsafe_code)]

mod analysis;
mod error;
mod input;
mod pipeline;

use std::ffi::OsString;

use pyo3::prelude::*;

#[pymodule(gil_used = false)]
mod _covmap {
    #[pymodule_export]
    use super::{analysis::Analysis, pipeline::Pipeline, pipeline::analyze, run_command};

    #[pymodule_export]
    #[expect(non_upper_case_globals, reason = "Python's name")]
    const __version__: &str = env!("CARGO_PKG_VERSION");
}

/// Runs the `covmap` command and returns its exit status; `arguments` starts with the program's name.
#[pyfunction]
fn run_command(py: Python<'_>, arguments: Vec<OsString>) -> PyResult<u8> {
    error::detached(py, || Ok(covmap_cli::run(arguments)))
}
