//! `covmap.Radiograph`: the input, normalised.

use std::sync::Arc;

use covmap_core::radiograph::{BufferOptions, Photometric, View};
use covmap_core::{ReadOptions, render};
use numpy::{IntoPyArray, PyArray2};
use pyo3::prelude::*;

use crate::array;
use crate::error::{detached, parameter};
use crate::input::{Input, InputOptions, Source};
use crate::results::Quality;

/// A chest radiograph, read and normalised: upright, bright is dense, 16 bits over the full range.
///
/// Reads `x`, anything that `analyze` takes.
///
/// Args:
///     x: The input.
///     frame: Frame of a multi-frame DICOM object or page of a TIFF, from 0.
///     monochrome1: An array in which dense is dark; it is inverted.
///     window: Grey levels of an array shown as black and white, in its own units.
///     spacing_mm: Distance of an array's pixel centres in mm, between rows and between columns.
///     view: Projection of an array.
///
/// Raises:
///     ParameterError: These are said of a file, which says them itself; or there is no such frame.
///     CovmapError: As `Pipeline.analyze`.
#[pyclass(frozen, module = "covmap")]
#[derive(Debug)]
pub(crate) struct Radiograph {
    pub(crate) source: Source,
}

#[pymethods]
impl Radiograph {
    #[new]
    #[pyo3(signature = (x, /, *, frame=0, monochrome1=false, window=None, spacing_mm=None, view=None))]
    fn new(
        x: &Bound<'_, PyAny>,
        frame: u32,
        monochrome1: bool,
        window: Option<[f32; 2]>,
        spacing_mm: Option<[f64; 2]>,
        view: Option<&str>,
    ) -> PyResult<Self> {
        let py = x.py();
        let mut buffer = BufferOptions::default();
        if monochrome1 {
            buffer.photometric = Photometric::Monochrome1;
        }
        (buffer.window, buffer.spacing_mm) = (window, spacing_mm);
        if let Some(name) = view {
            let known = [View::Pa, View::Ap, View::Lateral, View::Other, View::Unknown];
            let found = known.into_iter().find(|v| v.as_str() == name);
            buffer.view = found.ok_or_else(|| parameter(py, format!("unknown view {name:?}; known: pa, ap, lateral, other, unknown")))?;
        }
        let said = monochrome1 || window.is_some() || spacing_mm.is_some() || view.is_some();
        let options = InputOptions { read: ReadOptions::default().frame(frame), buffer: said.then_some(buffer) };
        let input = Input::of(x, &options)?;
        Ok(Radiograph { source: detached(py, || input.read())? })
    }

    /// uint16 (rows, columns), 0..65535. Read-only, not a copy.
    #[getter]
    fn pixels<'py>(&self, py: Python<'py>) -> PyResult<Bound<'py, PyAny>> {
        array::view(py, &self.source.radiograph, |r| r.pixels())
    }

    /// uint8 (rows, columns): grey levels from the 0.5th to the 99.5th percentile over 0..255.
    fn display<'py>(&self, py: Python<'py>) -> Bound<'py, PyArray2<u8>> {
        py.detach(|| render::display_window(self.source.radiograph.pixels())).into_pyarray(py)
    }

    /// Columns.
    #[getter]
    fn width(&self) -> usize {
        self.source.radiograph.width()
    }

    /// Rows.
    #[getter]
    fn height(&self) -> usize {
        self.source.radiograph.height()
    }

    /// Distance of pixel centres in mm, between rows and between columns; None where unknown.
    #[getter]
    fn spacing_mm(&self) -> Option<(f64, f64)> {
        self.source.radiograph.spacing_mm().map(Into::into)
    }

    /// Projection, as far as the input says it.
    #[getter]
    fn view(&self) -> &'static str {
        self.source.radiograph.view().as_str()
    }

    /// What reading had to do beyond decoding, e.g. "inverted", "mirrored-turned".
    #[getter]
    fn notes(&self) -> Vec<&'static str> {
        self.source.radiograph.notes().iter().map(|n| n.as_str()).collect()
    }

    /// Of the input's bytes; None for arrays.
    #[getter]
    fn sha256(&self) -> Option<&str> {
        self.source.radiograph.sha256()
    }

    /// The input's file name, where it had one.
    #[getter]
    fn file(&self) -> Option<&str> {
        self.source.file.as_deref()
    }

    /// What is doubtful before any network has seen it.
    #[getter]
    fn quality(&self) -> Quality {
        Quality(covmap_core::Quality::assess(&self.source.radiograph))
    }

    fn __repr__(&self) -> String {
        let name = self.source.file.as_ref().map_or(String::new(), |f| format!("{f}, "));
        format!("<covmap.Radiograph {name}{} x {}, view {}>", self.width(), self.height(), self.view())
    }
}

impl Radiograph {
    pub(crate) fn of(source: &Source) -> Self {
        Radiograph { source: Source { radiograph: Arc::clone(&source.radiograph), file: source.file.clone() } }
    }
}
