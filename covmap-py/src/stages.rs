//! `covmap.stages`: the stages of a pipeline one by one, and what they hand to each other.

use std::path::PathBuf;
use std::sync::Arc;

use covmap_core::engine::Thresholds;
use covmap_core::{Fusion, Geometry, ModelOptions, Preprocess, RunOptions};
use numpy::PyReadonlyArray2;
use pyo3::prelude::*;
use pyo3::types::PyDict;

use crate::array;
use crate::error::{attached, detached, parameter};
use crate::radiograph::Radiograph;
use crate::results::{Detection, Severity};

/// A network with its description, for `covmap.stages`.
///
/// Loads an ONNX file; None is the bundled model.
///
/// Raises:
///     IoError: The file cannot be read.
///     ModelError: Graph and description do not fit together.
#[pyclass(frozen, module = "covmap")]
#[derive(Debug)]
pub(crate) struct Model(Arc<covmap_core::Model>);

#[pymethods]
impl Model {
    #[new]
    #[pyo3(signature = (path=None))]
    fn new(py: Python<'_>, path: Option<PathBuf>) -> PyResult<Self> {
        let options = ModelOptions::default();
        let model = detached(py, || match path {
            Some(path) => covmap_core::Model::open(path, &options),
            None => covmap_core::Model::bundled(&options),
        })?;
        Ok(Model(Arc::new(model)))
    }

    /// Short name, as results show it.
    #[getter]
    fn name(&self) -> &str {
        &self.0.spec().name
    }

    /// Of the file.
    #[getter]
    fn sha256(&self) -> &str {
        self.0.sha256()
    }

    /// Height and width of the network's input.
    #[getter]
    fn input_size(&self) -> (usize, usize) {
        self.0.spec().input.size.into()
    }

    /// Input, outputs, thresholds, calibration and training, as in `MODEL.onnx.json`.
    fn describe<'py>(&self, py: Python<'py>) -> PyResult<Bound<'py, PyDict>> {
        let json = attached(py, || {
            serde_json::to_string(self.0.spec()).map_err(|e| covmap_core::Error::Internal(format!("a description as JSON: {e}")))
        })?;
        Ok(py.import("json")?.call_method1("loads", (json,))?.cast_into()?)
    }

    fn __repr__(&self) -> String {
        format!("<covmap.Model {} {}>", self.name(), &self.sha256()[..8])
    }
}

/// A radiograph as a network takes it.
#[pyclass(frozen, module = "covmap.stages")]
#[derive(Debug)]
pub(crate) struct ModelInput {
    inner: Arc<covmap_core::ModelInput>,
    geometry: Geometry,
}

#[pymethods]
impl ModelInput {
    /// float32, flat, in the model's layout. Read-only, not a copy.
    #[getter]
    fn values<'py>(&self, py: Python<'py>) -> PyResult<Bound<'py, PyAny>> {
        array::view(py, &self.inner, |i| numpy::ndarray::ArrayView1::from(i.values()))
    }

    /// Height and width of the radiograph.
    #[getter]
    fn native_size(&self) -> (usize, usize) {
        self.geometry.native.into()
    }
}

/// What one network says of one radiograph, in the network's pixels, 0 in dark margins that were cut off. Arrays are read-only and no copies.
#[pyclass(frozen, module = "covmap.stages")]
#[derive(Debug)]
pub(crate) struct Prediction {
    inner: Arc<covmap_core::engine::Prediction>,
    geometry: Geometry,
    thresholds: Thresholds,
}

#[pymethods]
impl Prediction {
    /// float32 (height, width): probability of opacity, threshold as the model has it.
    #[getter]
    fn infection<'py>(&self, py: Python<'py>) -> PyResult<Option<Bound<'py, PyAny>>> {
        array::view_if(py, &self.inner, |p| Some(p.infection.as_ref()?.map().view()))
    }

    /// float32 (height, width): probability of the right lung, or of either where the model does not tell them apart.
    #[getter]
    fn right_lung<'py>(&self, py: Python<'py>) -> PyResult<Option<Bound<'py, PyAny>>> {
        array::view_if(py, &self.inner, |p| Some(p.lungs.as_ref()?.right().view()))
    }

    /// float32 (height, width): probability of the left lung, or of either where the model does not tell them apart.
    #[getter]
    fn left_lung<'py>(&self, py: Python<'py>) -> PyResult<Option<Bound<'py, PyAny>>> {
        array::view_if(py, &self.inner, |p| Some(p.lungs.as_ref()?.left().view()))
    }
}

/// Right and left lung in a radiograph's pixels.
///
/// Takes a mask (rows, columns) of 0, 1 (the patient's right) and 2 (left) as it is, copied.
///
/// Raises:
///     ParameterError: Other values, or no pixels.
#[pyclass(frozen, module = "covmap.stages")]
#[derive(Debug)]
pub(crate) struct LungMask(pub(crate) Arc<covmap_core::LungMask>);

#[pymethods]
impl LungMask {
    #[new]
    fn new(labels: PyReadonlyArray2<'_, u8>) -> PyResult<Self> {
        let py = labels.py();
        let labels = labels.as_array().to_owned();
        if labels.is_empty() || labels.iter().any(|label| *label > 2) {
            return Err(parameter(py, "a lung mask holds 0, 1 (the patient's right lung) and 2 (left), and at least one pixel".into()));
        }
        Ok(LungMask(Arc::new(covmap_core::LungMask::from_labels(labels))))
    }

    /// uint8 (rows, columns). Read-only, not a copy.
    #[getter]
    fn labels<'py>(&self, py: Python<'py>) -> PyResult<Bound<'py, PyAny>> {
        array::view(py, &self.0, |l| l.labels().view())
    }

    /// Pixels of the patient's right lung.
    #[getter]
    fn right_area(&self) -> u64 {
        self.0.right_area()
    }

    /// Pixels of the patient's left lung.
    #[getter]
    fn left_area(&self) -> u64 {
        self.0.left_area()
    }
}

/// Opacity in a radiograph's pixels.
#[pyclass(frozen, module = "covmap.stages")]
#[derive(Debug)]
pub(crate) struct InfectionMap(Arc<covmap_core::InfectionMap>);

#[pymethods]
impl InfectionMap {
    /// uint8 (rows, columns): 255 p, 0 outside the lungs, infected from 128. Read-only, not a copy.
    #[getter]
    fn pixels<'py>(&self, py: Python<'py>) -> PyResult<Bound<'py, PyAny>> {
        array::view(py, &self.0, |m| m.bytes().view())
    }

    /// float32 in the network's pixels (more than its input's where dark margins were cut off): fused, before the lung gate, threshold at 0.5. Read-only, not a copy.
    #[getter]
    fn probability<'py>(&self, py: Python<'py>) -> PyResult<Bound<'py, PyAny>> {
        array::view(py, &self.0, |m| m.probability().map().view())
    }
}

/// One prediction, or those of an ensemble.
#[derive(FromPyObject)]
pub(crate) enum Predictions<'py> {
    One(Bound<'py, Prediction>),
    Several(Vec<Bound<'py, Prediction>>),
}

impl Predictions<'_> {
    fn list(&self) -> &[Bound<'_, Prediction>] {
        match self {
            Predictions::One(p) => std::slice::from_ref(p),
            Predictions::Several(p) => p,
        }
    }
}

/// Cuts dark margins off, stretches the rest to the network's size and normalises its grey values.
#[pyfunction]
pub(crate) fn preprocess(py: Python<'_>, radiograph: &Bound<'_, Radiograph>, model: &Bound<'_, Model>) -> PyResult<ModelInput> {
    let (radiograph, model) = (&radiograph.get().source.radiograph, &model.get().0);
    let (input, geometry) = detached(py, || Preprocess::new(&model.spec().input).apply(radiograph))?;
    Ok(ModelInput { inner: Arc::new(input), geometry })
}

/// Runs the network on the calling thread.
///
/// Raises:
///     ParameterError: The input was prepared for another model, or this processor lacks the precision.
///     ModelError: The output is not finite.
#[pyfunction]
#[pyo3(signature = (model_input, model, *, precision="auto"))]
pub(crate) fn network(
    py: Python<'_>,
    model_input: &Bound<'_, ModelInput>,
    model: &Bound<'_, Model>,
    precision: &str,
) -> PyResult<Prediction> {
    let (input, model) = (model_input.get(), &model.get().0);
    let mut options = RunOptions::default();
    options.precision = attached(py, || precision.parse())?;
    let inner = detached(py, || model.run(&input.inner, &options, false))?;
    Ok(Prediction { inner: Arc::new(inner), geometry: input.geometry, thresholds: model.spec().thresholds })
}

/// Fuses and cleans the lungs, at the radiograph's size; None where no prediction has any.
#[pyfunction]
pub(crate) fn lungs(py: Python<'_>, predictions: Predictions<'_>) -> PyResult<Option<LungMask>> {
    let members: Vec<_> = predictions.list().iter().filter(|p| p.get().inner.lungs.is_some()).collect();
    let Some(first) = members.first().map(|p| p.get()) else { return Ok(None) };
    let threshold = predictions.list()[0].get().thresholds.lungs;
    let found: Vec<_> = members.iter().filter_map(|p| p.get().inner.lungs.clone()).collect();
    // Vote would leave too few levels to interpolate.
    let mask = detached(py, || {
        let fused = Fusion::Mean.lungs(&found, threshold)?;
        Ok(covmap_core::LungMask::new(&fused, threshold, &first.geometry))
    })?;
    Ok(Some(LungMask(Arc::new(mask))))
}

/// Fuses the infection probabilities at the radiograph's size, 0 outside the lungs (no gate where they are None).
///
/// Raises:
///     ParameterError: There is nothing to fuse, or the lungs have another size.
#[pyfunction]
#[pyo3(signature = (predictions, lungs, *, rule="mean"))]
pub(crate) fn fusion(
    py: Python<'_>,
    predictions: Predictions<'_>,
    lungs: Option<&Bound<'_, LungMask>>,
    rule: &str,
) -> PyResult<InfectionMap> {
    let rule: Fusion = attached(py, || rule.parse())?;
    let Some(native) = predictions.list().first().map(|p| p.get().geometry.native) else {
        return Err(parameter(py, "there is nothing to fuse".into()));
    };
    let members: Vec<_> = predictions
        .list()
        .iter()
        .filter_map(|p| Some(p.get().inner.infection.clone()?.with_threshold_at_half(p.get().thresholds.infection)))
        .collect();
    let lungs = lungs.map(|l| &l.get().0);
    let map = detached(py, || {
        let fused = rule.infection(&members)?;
        let geometry = Geometry { native, model: fused.map().dim().into() };
        covmap_core::InfectionMap::new(fused, lungs.map(|l| &**l), &geometry)
    })?;
    Ok(InfectionMap(Arc::new(map)))
}

/// Extent per zone, with the model's calibration.
///
/// Raises:
///     ParameterError: Map and lungs differ in size.
#[pyfunction]
pub(crate) fn severity(
    py: Python<'_>,
    infection: &Bound<'_, InfectionMap>,
    lungs: &Bound<'_, LungMask>,
    model: &Bound<'_, Model>,
) -> PyResult<Severity> {
    let (map, lungs, model) = (&infection.get().0, &lungs.get().0, &model.get().0);
    let calibration = model.spec().calibration.as_ref().map(|c| &c.brixia);
    detached(py, || covmap_core::Severity::new(map, lungs, calibration)).map(Severity)
}

/// Whether the map is positive, with the model's calibration; any infected pixel where it has none or severity is None.
#[pyfunction]
#[pyo3(signature = (infection, severity, model, *, operating_point="specificity95"))]
pub(crate) fn detection(
    py: Python<'_>,
    infection: &Bound<'_, InfectionMap>,
    severity: Option<&Bound<'_, Severity>>,
    model: &Bound<'_, Model>,
    operating_point: &str,
) -> PyResult<Detection> {
    let point = attached(py, || operating_point.parse())?;
    let (map, model) = (&infection.get().0, &model.get().0);
    let calibration = model.spec().calibration.as_ref().map(|c| &c.detection);
    Ok(Detection(match severity {
        Some(s) => covmap_core::Detection::new(map, &s.get().0, calibration, point),
        None => covmap_core::Detection::any_pixel(map),
    }))
}
