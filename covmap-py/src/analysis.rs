//! `covmap.Analysis`: the joint result, its maps as numpy arrays over the same memory, its pictures and files.

use std::path::PathBuf;
use std::sync::Arc;

use covmap_cli::Results;
use covmap_core::engine::{ModelIdentity, Training};
use covmap_core::render::{self, OverlayOptions};
use covmap_core::report::{self, DicomObject, DicomOptions, HtmlOptions};
use covmap_core::{Error, Result};
use numpy::ndarray::{Array, Dimension, Slice};
use numpy::{IntoPyArray, PyArray3};
use pyo3::prelude::*;
use pyo3::types::{PyBytes, PyDict};

use crate::array;
use crate::error::{attached, detached, parameter};
use crate::input::Source;
use crate::radiograph::Radiograph;
use crate::results::{Detection, Quality, Severity, sign};

/// Longest side of a picture in a notebook.
const LARGE: usize = 1024;

/// What a pipeline found in one radiograph.
///
/// Pickles without the radiograph, which pictures and DICOM objects then need as `radiograph=`.
#[pyclass(frozen, eq, module = "covmap")]
#[derive(Debug, Clone)]
pub(crate) struct Analysis {
    inner: Arc<covmap_core::Analysis>,
    /// `None` after unpickling.
    radiograph: Option<Arc<covmap_core::Radiograph>>,
    /// The input's file name, where it had one.
    file: Option<String>,
    how: Arc<How>,
}

/// What an analysis has from its pipeline and results show.
#[derive(Debug)]
pub(crate) struct How {
    /// What else decided the analysis, from which UIDs follow.
    pub(crate) options: String,
    /// What the models say of their training, for pages.
    pub(crate) training: Vec<Training>,
}

impl PartialEq for Analysis {
    fn eq(&self, other: &Self) -> bool {
        self.inner == other.inner && self.file == other.file
    }
}

impl Analysis {
    pub(crate) fn new(inner: covmap_core::Analysis, source: Source, how: &Arc<How>) -> Self {
        Analysis { inner: Arc::new(inner), radiograph: Some(source.radiograph), file: source.file, how: how.clone() }
    }

    /// The same with another result for the same radiograph.
    pub(crate) fn with(&self, inner: covmap_core::Analysis) -> Self {
        Analysis { inner: Arc::new(inner), ..self.clone() }
    }

    pub(crate) fn inner(&self) -> &covmap_core::Analysis {
        &self.inner
    }

    fn radiograph_or(&self, given: Option<&Bound<'_, Radiograph>>) -> Result<Arc<covmap_core::Radiograph>> {
        let own = given.map(|r| r.get().source.radiograph.clone()).or_else(|| self.radiograph.clone());
        own.ok_or_else(|| Error::Parameter("an unpickled analysis carries no radiograph: pass radiograph=covmap.Radiograph(...)".into()))
    }
}

/// Every k-th row and column.
fn thinned<D: Dimension>(picture: &Array<u8, D>, k: usize) -> Array<u8, D> {
    picture.slice_each_axis(|axis| Slice::new(0, None, if axis.axis.index() < 2 { k as isize } else { 1 })).to_owned()
}

fn overlay_options(colormap: &str, opacity: f32, contour: bool) -> Result<OverlayOptions> {
    let mut options = OverlayOptions::default();
    (options.colormap, options.opacity, options.contour) = (colormap.parse()?, opacity, contour);
    Ok(options)
}

#[pymethods]
impl Analysis {
    /// uint8 (rows, columns) of the radiograph: 255 p, 0 outside the lungs, infected from 128. Read-only, not a copy.
    #[getter]
    fn infection_map<'py>(&self, py: Python<'py>) -> PyResult<Bound<'py, PyAny>> {
        array::view(py, &self.inner, |a| a.infection.bytes().view())
    }

    /// float32 in the network's pixels (more than its input's where dark margins were cut off): fused probability before the lung gate, threshold at 0.5. Read-only, not a copy.
    #[getter]
    fn probability<'py>(&self, py: Python<'py>) -> PyResult<Bound<'py, PyAny>> {
        array::view(py, &self.inner, |a| a.infection.probability().map().view())
    }

    /// uint8 (rows, columns) of the radiograph: 0 outside, 1 the patient's right lung, 2 the left. Read-only, not a copy.
    ///
    /// None where no model of the pipeline segments lungs.
    #[getter]
    fn lung_mask<'py>(&self, py: Python<'py>) -> PyResult<Option<Bound<'py, PyAny>>> {
        array::view_if(py, &self.inner, |a| Some(a.lungs.as_ref()?.labels().view()))
    }

    /// None where no model of the pipeline segments lungs.
    #[getter]
    fn severity(&self) -> Option<Severity> {
        self.inner.severity.clone().map(Severity)
    }

    /// The answer for the whole map.
    #[getter]
    fn detection(&self) -> Detection {
        Detection(self.inner.detection.clone())
    }

    /// What is doubtful about radiograph and lungs.
    #[getter]
    fn quality(&self) -> Quality {
        Quality(self.inner.quality.clone())
    }

    /// Columns of the radiograph.
    #[getter]
    fn width(&self) -> usize {
        self.inner.width
    }

    /// Rows of the radiograph.
    #[getter]
    fn height(&self) -> usize {
        self.inner.height
    }

    /// Distance of pixel centres in mm, between rows and between columns; None where unknown.
    #[getter]
    fn spacing_mm(&self) -> Option<(f64, f64)> {
        self.inner.spacing_mm.map(Into::into)
    }

    /// Projection, as far as the input says it.
    #[getter]
    fn view(&self) -> &'static str {
        self.inner.view.as_str()
    }

    /// The input's file name, where it had one.
    #[getter]
    fn file(&self) -> Option<&str> {
        self.file.as_deref()
    }

    /// Name and SHA-256 of each model.
    #[getter]
    fn models(&self) -> Vec<(&str, &str)> {
        self.inner.models.iter().map(|ModelIdentity { name, sha256 }| (name.as_str(), sha256.as_str())).collect()
    }

    /// What was analysed; None after unpickling.
    #[getter]
    fn radiograph(&self) -> Option<Radiograph> {
        let radiograph = self.radiograph.clone()?;
        Some(Radiograph::of(&Source { radiograph, file: self.file.clone() }))
    }

    /// The result as JSON text, schema "covmap/1".
    fn to_json(&self) -> String {
        format!("{:#}", report::to_json(&self.inner, self.file.as_deref()))
    }

    /// The result as a dictionary, schema "covmap/1".
    fn to_dict<'py>(&self, py: Python<'py>) -> PyResult<Bound<'py, PyDict>> {
        Ok(py.import("json")?.call_method1("loads", (self.to_json(),))?.cast_into()?)
    }

    /// uint8 (rows, columns, 3): the paper's picture, hue and saturation of the map over the radiograph.
    ///
    /// Args:
    ///     colormap: Colours of the probabilities.
    ///     opacity: How strongly colour covers grey, 0..1.
    ///     contour: Outline what counts as infected.
    ///     legend: A colour bar below, which adds rows.
    ///     radiograph: In place of the analysis's own.
    ///
    /// Raises:
    ///     ParameterError: `opacity` outside 0..1, a radiograph of another size, or none after unpickling.
    #[pyo3(signature = (*, colormap="jet", opacity=0.6, contour=false, legend=false, radiograph=None))]
    fn overlay<'py>(
        &self,
        py: Python<'py>,
        colormap: &str,
        opacity: f32,
        contour: bool,
        legend: bool,
        radiograph: Option<&Bound<'_, Radiograph>>,
    ) -> PyResult<Bound<'py, PyArray3<u8>>> {
        let radiograph = attached(py, || self.radiograph_or(radiograph))?;
        let picture = detached(py, || {
            let options = overlay_options(colormap, opacity, contour)?;
            let picture = render::analysis_overlay(&radiograph, &self.inner, &options)?;
            if legend { render::with_legend(&picture, &options) } else { Ok(picture) }
        })?;
        Ok(picture.into_pyarray(py))
    }

    /// The result as a DICOM file: Segmentation, Structured Report (TID 1500) or Secondary Capture of the source's study.
    ///
    /// The same source, models and options make the same object with the same UIDs.
    ///
    /// Raises:
    ///     InputError: The radiograph was not read from a DICOM object, or that has no UIDs to refer to.
    #[pyo3(signature = (kind="seg", *, colormap="jet", opacity=0.6, radiograph=None))]
    fn to_dicom<'py>(
        &self,
        py: Python<'py>,
        kind: &str,
        colormap: &str,
        opacity: f32,
        radiograph: Option<&Bound<'_, Radiograph>>,
    ) -> PyResult<Bound<'py, PyBytes>> {
        let radiograph = attached(py, || self.radiograph_or(radiograph))?;
        let object = detached(py, || {
            let kind: DicomObject = kind.parse()?;
            let mut options = DicomOptions::default();
            (options.overlay, options.options) = (overlay_options(colormap, opacity, false)?, self.how.options.clone());
            report::to_dicom(&radiograph, &self.inner, kind, &options)
        })?;
        Ok(PyBytes::new(py, &object))
    }

    /// The result as one HTML page for people, which loads nothing.
    #[pyo3(signature = (*, radiograph=None))]
    fn to_html(&self, py: Python<'_>, radiograph: Option<&Bound<'_, Radiograph>>) -> PyResult<String> {
        let radiograph = attached(py, || self.radiograph_or(radiograph))?;
        detached(py, || {
            let mut options = HtmlOptions::default();
            (options.file, options.training) = (self.file.clone(), self.how.training.clone());
            report::to_html(&radiograph, &self.inner, &options)
        })
    }

    /// Writes the files of the command: STEM.json, STEM.infection.png, STEM.lung.png, STEM.overlay.png and what is asked for.
    ///
    /// Args:
    ///     directory: Made if need be.
    ///     stem: Default: the input's file name without its ending.
    ///     dicom: Objects to write as STEM.seg.dcm and so on.
    ///     html: Also write STEM.html.
    ///     colormap: As `overlay`.
    ///     opacity: As `overlay`.
    ///     radiograph: In place of the analysis's own.
    ///
    /// Raises:
    ///     IoError: A file cannot be written.
    ///     InputError: DICOM objects of an input that is not DICOM.
    ///     ParameterError: No stem is known.
    #[pyo3(signature = (directory, *, stem=None, dicom=Vec::new(), html=false, colormap="jet", opacity=0.6, radiograph=None))]
    #[expect(clippy::too_many_arguments, reason = "keywords in Python")]
    fn save(
        &self,
        py: Python<'_>,
        directory: PathBuf,
        stem: Option<String>,
        dicom: Vec<String>,
        html: bool,
        colormap: &str,
        opacity: f32,
        radiograph: Option<&Bound<'_, Radiograph>>,
    ) -> PyResult<()> {
        let named = self.file.as_ref().and_then(|f| PathBuf::from(f).file_stem().map(|s| s.to_string_lossy().into_owned()));
        let Some(stem) = stem.or(named) else {
            return Err(parameter(py, "the input had no file name: pass stem=\"NAME\"".into()));
        };
        let radiograph = attached(py, || self.radiograph_or(radiograph))?;
        detached(py, || {
            let dicom = Results::each_once(dicom.iter().map(|kind| kind.parse()).collect::<Result<_>>()?);
            let overlay = overlay_options(colormap, opacity, false)?;
            let (options, training) = (self.how.options.clone(), self.how.training.clone());
            let results = Results { overlay, dicom, options, html, training, ..Results::default() };
            results.write(&radiograph, &self.inner, self.file.as_deref(), &directory.join(stem)).map(|_| ())
        })
    }

    /// A matplotlib Figure: radiograph, map with its colour bar, zones.
    ///
    /// Raises:
    ///     ImportError: Without matplotlib (`pip install covmap[plot]`).
    #[pyo3(signature = (*, radiograph=None))]
    fn plot<'py>(slf: &Bound<'py, Self>, radiograph: Option<&Bound<'py, Radiograph>>) -> PyResult<Bound<'py, PyAny>> {
        slf.py().import("covmap._plot")?.call_method1("plot", (slf, radiograph))
    }

    /// The overlay, the map alone where the radiograph is not there; every k-th pixel of large ones, since a notebook keeps it.
    fn _repr_png_<'py>(&self, py: Python<'py>) -> PyResult<Bound<'py, PyBytes>> {
        let k = self.inner.width.max(self.inner.height).div_ceil(LARGE);
        let png = detached(py, || match &self.radiograph {
            Some(r) => {
                let picture = render::analysis_overlay(r, &self.inner, &OverlayOptions::default())?;
                render::encode_rgb(&thinned(&picture, k))
            }
            None => render::encode_grey(&thinned(self.inner.infection.bytes(), k)),
        })?;
        Ok(PyBytes::new(py, &png))
    }

    fn _repr_html_<'py>(slf: &Bound<'py, Self>) -> PyResult<Bound<'py, PyAny>> {
        slf.py().import("covmap._display")?.call_method1("html", (slf,))
    }

    fn __reduce__<'py>(slf: &Bound<'py, Self>) -> PyResult<(Bound<'py, PyAny>, Pickled<'py>)> {
        let (py, this) = (slf.py(), slf.get());
        let bytes = detached(py, || this.inner.to_bytes())?;
        let training = serde_json::to_string(&this.how.training).map_err(|e| parameter(py, e.to_string()))?;
        let state = (PyBytes::new(py, &bytes), this.file.clone(), this.how.options.clone(), training);
        Ok((py.import("covmap._covmap")?.getattr("_restore_analysis")?, state))
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
            text += &format!(", {} ({probability:.2})", sign(positive));
        }
        text + ">"
    }
}

type Pickled<'py> = (Bound<'py, PyBytes>, Option<String>, String, String);

/// An analysis from its pickle.
#[pyfunction]
#[pyo3(name = "_restore_analysis")]
pub(crate) fn restore(py: Python<'_>, bytes: &[u8], file: Option<String>, options: String, training: &str) -> PyResult<Analysis> {
    let inner = detached(py, || covmap_core::Analysis::from_bytes(bytes))?;
    let training = serde_json::from_str(training).map_err(|e| parameter(py, e.to_string()))?;
    Ok(Analysis { inner: Arc::new(inner), radiograph: None, file, how: Arc::new(How { options, training }) })
}
