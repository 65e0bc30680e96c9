//! `covmap.Quality`, `covmap.Severity` and `covmap.Detection`: what was read off radiograph and map.

use covmap_core::severity::ZONES;
use pyo3::prelude::*;
use pyo3::types::PyDict;

/// What is doubtful about a radiograph or its lungs.
#[pyclass(frozen, eq, module = "covmap")]
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Quality(pub(crate) covmap_core::Quality);

#[pymethods]
impl Quality {
    /// Whether nothing is.
    #[getter]
    fn good(&self) -> bool {
        self.0.is_good()
    }

    /// E.g. "inverted", "lateral", "one-lung".
    #[getter]
    fn flags(&self) -> Vec<&'static str> {
        self.0.flags.iter().map(|f| f.as_str()).collect()
    }

    fn __repr__(&self) -> String {
        format!("<covmap.Quality {}>", if self.good() { "good".to_owned() } else { self.flags().join(", ") })
    }
}

/// Extent of opacity in the lungs. What needs a lung is None where it was not found.
#[pyclass(frozen, eq, module = "covmap")]
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Severity(pub(crate) covmap_core::Severity);

#[pymethods]
impl Severity {
    /// Infected share of both lungs, 0..1.
    #[getter]
    fn share(&self) -> Option<f64> {
        self.0.total().share()
    }

    /// Infected share of the patient's right lung, 0..1.
    #[getter]
    fn right_share(&self) -> Option<f64> {
        self.0.right().share()
    }

    /// Infected share of the patient's left lung, 0..1.
    #[getter]
    fn left_share(&self) -> Option<f64> {
        self.0.left().share()
    }

    /// Infected share of each Brixia zone, 0..1: A, B, C right upper, middle, lower; D, E, F left.
    #[getter]
    fn zone_shares<'py>(&self, py: Python<'py>) -> PyResult<Bound<'py, PyDict>> {
        by_zone(py, self.0.zones.map(|z| z.share()))
    }

    /// Brixia estimate of each zone, 0..3; None for an uncalibrated model.
    #[getter]
    fn zone_scores<'py>(&self, py: Python<'py>) -> PyResult<Bound<'py, PyDict>> {
        by_zone(py, self.0.zone_scores)
    }

    /// Sum of the zones, 0..18; None for an uncalibrated model.
    #[getter]
    fn brixia_estimate(&self) -> Option<f64> {
        self.0.brixia_estimate
    }

    /// The estimate in words; describes a radiograph, not a patient's prospects.
    #[getter]
    fn grade(&self) -> Option<&'static str> {
        self.0.grade.map(|g| g.as_str())
    }

    fn __repr__(&self) -> String {
        let share = self.share().map_or("no lungs".to_owned(), |s| format!("{:.1} % of the lungs", 100.0 * s));
        let brixia = self.0.brixia_estimate.map_or(String::new(), |b| format!(", Brixia estimate {b:.1} of 18"));
        let grade = self.grade().map_or(String::new(), |g| format!(", {g}"));
        format!("<covmap.Severity {share}{brixia}{grade}>")
    }
}

fn by_zone(py: Python<'_>, values: [Option<f64>; 6]) -> PyResult<Bound<'_, PyDict>> {
    let zones = PyDict::new(py);
    for (name, value) in ZONES.iter().zip(values) {
        zones.set_item(name, value)?;
    }
    Ok(zones)
}

/// Whether the map as a whole is positive for opacity consistent with COVID-19 pneumonia.
#[pyclass(frozen, eq, module = "covmap")]
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Detection(pub(crate) covmap_core::Detection);

#[pymethods]
impl Detection {
    /// 0..1; None where no lung was found.
    #[getter]
    fn probability(&self) -> Option<f64> {
        self.0.probability
    }

    /// None for an uncalibrated model: any infected pixel is positive.
    #[getter]
    fn operating_point(&self) -> Option<&'static str> {
        self.0.operating_point.map(|o| o.as_str())
    }

    /// Probability from which the answer is positive.
    #[getter]
    fn threshold(&self) -> f64 {
        self.0.threshold
    }

    /// The answer; None where no lung was found.
    #[getter]
    fn positive(&self) -> Option<bool> {
        self.0.positive
    }

    fn __repr__(&self) -> String {
        match (self.0.probability, self.0.positive) {
            (Some(p), Some(positive)) => {
                format!("<covmap.Detection {} ({p:.2}, threshold {:.2})>", sign(positive), self.0.threshold)
            }
            _ => "<covmap.Detection unknown: no lungs>".to_owned(),
        }
    }
}

pub(crate) fn sign(positive: bool) -> &'static str {
    if positive { "positive" } else { "negative" }
}
