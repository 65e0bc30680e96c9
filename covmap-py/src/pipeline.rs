//! `covmap.Pipeline` and `covmap.analyze`.

use std::path::PathBuf;
use std::sync::{Mutex, PoisonError};

use covmap_core::PipelineOptions;
use pyo3::prelude::*;

use crate::analysis::Analysis;
use crate::error::{attached, detached, parameter};
use crate::input::Input;

/// Models, loaded once; analyses many radiographs, from many threads at once.
#[pyclass(frozen, module = "covmap")]
#[derive(Debug)]
pub(crate) struct Pipeline {
    inner: covmap_core::Pipeline,
}

/// One model file, or an ensemble.
#[derive(FromPyObject)]
enum Models {
    One(PathBuf),
    Several(Vec<PathBuf>),
}

#[pymethods]
impl Pipeline {
    #[new]
    #[pyo3(signature = (models=None, *, fusion="mean", threads=None))]
    fn new(py: Python<'_>, models: Option<Models>, fusion: &str, threads: Option<usize>) -> PyResult<Self> {
        let mut options = PipelineOptions::default();
        options.models = match models {
            None => Vec::new(),
            Some(Models::One(path)) => vec![path],
            // To the core an empty list is the bundled model; here it is rather a search that found nothing.
            Some(Models::Several(paths)) if paths.is_empty() => {
                return Err(parameter(py, "models is empty; None means the bundled model".into()));
            }
            Some(Models::Several(paths)) => paths,
        };
        options.fusion = attached(py, || fusion.parse())?;
        options.threads = threads.unwrap_or(options.threads);
        Ok(Pipeline { inner: detached(py, || covmap_core::Pipeline::new(&options))? })
    }

    /// Analyses one radiograph: a path, the bytes of a file, or a 2-D uint8 or uint16 array.
    #[pyo3(signature = (x, /))]
    fn analyze(&self, x: &Bound<'_, PyAny>) -> PyResult<Analysis> {
        run(&self.inner, x)
    }

    fn __repr__(&self) -> String {
        let names: Vec<&str> = self.inner.models().iter().map(|m| m.spec().name.as_str()).collect();
        format!("<covmap.Pipeline {}>", names.join(" + "))
    }
}

/// Analyses one radiograph with the bundled model, which is loaded on the first call.
#[pyfunction]
#[pyo3(signature = (x, /))]
pub(crate) fn analyze(x: &Bound<'_, PyAny>) -> PyResult<Analysis> {
    static BUNDLED: Mutex<Option<covmap_core::Pipeline>> = Mutex::new(None);
    // The lock is only ever waited for with the interpreter released, so that the two cannot wait for each other.
    let pipeline = detached(x.py(), || {
        let mut bundled = BUNDLED.lock().unwrap_or_else(PoisonError::into_inner);
        match &*bundled {
            Some(pipeline) => Ok(pipeline.clone()),
            None => Ok(bundled.insert(covmap_core::Pipeline::bundled()?).clone()),
        }
    })?;
    run(&pipeline, x)
}

fn run(pipeline: &covmap_core::Pipeline, x: &Bound<'_, PyAny>) -> PyResult<Analysis> {
    let input = Input::of(x)?;
    detached(x.py(), || {
        let (radiograph, file) = input.read()?;
        Ok(Analysis::new(pipeline.analyze(&radiograph)?, file))
    })
}
