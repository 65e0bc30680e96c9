//! `covmap.Analysis`: the result, and its maps as numpy arrays over the same memory.

use std::sync::Arc;

use covmap_core::report;
use pyo3::prelude::*;
use pyo3::types::PyDict;

/// What a pipeline found in one radiograph.
#[pyclass(frozen, module = "covmap")]
#[derive(Debug)]
pub(crate) struct Analysis {
    inner: Arc<covmap_core::Analysis>,
    /// The input's file name, where it had one.
    file: Option<String>,
}

impl Analysis {
    pub(crate) fn new(inner: covmap_core::Analysis, file: Option<String>) -> Self {
        Analysis { inner: Arc::new(inner), file }
    }

    fn array<'py>(&self, py: Python<'py>, map: Map) -> PyResult<Bound<'py, PyAny>> {
        py.import("numpy")?.call_method1("asarray", (Pixels { analysis: self.inner.clone(), map },))
    }
}

#[pymethods]
impl Analysis {
    /// uint8, rows x columns of the radiograph: 0 outside the lungs, infected from 128. Read-only, not a copy.
    #[getter]
    fn infection_map<'py>(&self, py: Python<'py>) -> PyResult<Bound<'py, PyAny>> {
        self.array(py, Map::Infection)
    }

    /// uint8, rows x columns of the radiograph: 0 outside, 1 the patient's right lung, 2 the left. Read-only, not a copy.
    /// None where no model of the pipeline segments lungs.
    #[getter]
    fn lung_mask<'py>(&self, py: Python<'py>) -> PyResult<Option<Bound<'py, PyAny>>> {
        self.inner.lungs.is_some().then(|| self.array(py, Map::Lungs)).transpose()
    }

    /// The result as JSON text, schema "covmap/1".
    fn to_json(&self) -> String {
        format!("{:#}", report::to_json(&self.inner, self.file.as_deref()))
    }

    /// The result as a dictionary, schema "covmap/1".
    fn to_dict<'py>(&self, py: Python<'py>) -> PyResult<Bound<'py, PyDict>> {
        Ok(py.import("json")?.call_method1("loads", (self.to_json(),))?.cast_into()?)
    }

    fn __repr__(&self) -> String {
        let a = &*self.inner;
        let mut text = format!("<covmap.Analysis {} x {}", a.width, a.height);
        if let Some(share) = a.severity.as_ref().and_then(|s| s.total().share()) {
            text += &format!(", {:.1} % of the lungs infected", 100.0 * share);
        }
        if let Some(grade) = a.severity.as_ref().and_then(|s| s.grade) {
            text += &format!(", severity {grade}");
        }
        if let (Some(probability), Some(positive)) = (a.detection.probability, a.detection.positive) {
            text += &format!(", {} ({probability:.2})", if positive { "positive" } else { "negative" });
        }
        text + ">"
    }
}

#[derive(Clone, Copy)]
enum Map {
    Infection,
    Lungs,
}

/// Memory of an analysis as numpy asks for it; the array keeps this alive, and this the analysis.
#[pyclass(frozen)]
struct Pixels {
    analysis: Arc<covmap_core::Analysis>,
    map: Map,
}

#[pymethods]
impl Pixels {
    /// <https://numpy.org/doc/stable/reference/arrays.interface.html>, version 3.
    #[getter]
    fn __array_interface__<'py>(&self, py: Python<'py>) -> PyResult<Bound<'py, PyDict>> {
        let map = match (self.map, &self.analysis.lungs) {
            (Map::Lungs, Some(lungs)) => lungs.labels(),
            _ => self.analysis.infection.bytes(),
        };
        let interface = PyDict::new(py);
        interface.set_item("version", 3)?;
        interface.set_item("typestr", "|u1")?;
        interface.set_item("shape", map.dim())?;
        // Elements are bytes, so that strides in elements are strides in bytes.
        interface.set_item("strides", (map.strides()[0], map.strides()[1]))?;
        let read_only = true;
        interface.set_item("data", (map.as_ptr() as usize, read_only))?;
        Ok(interface)
    }
}
