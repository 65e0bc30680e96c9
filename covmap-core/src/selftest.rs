//! Self-test after installing: a phantom, as a DICOM file, analysed with the bundled model at every dispatch level of the
//! machine, and compared with what was recorded when the model was bundled.

use serde::{Deserialize, Serialize};

use crate::phantom::PhantomOptions;
use crate::simd::Level;
use crate::{Analysis, Error, Phantom, Pipeline, PipelineOptions, Precision, Radiograph, Result, RunOptions};

/// Rewritten together with the goldens (CONTRIBUTING.md).
const RECORDED: &str = include_str!("../model/selftest.json");
/// Every so many rows and columns of the network's map are recorded.
const STEP: usize = 16;

/// What an analysis of the phantom gives.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Record {
    /// SHA-256 of the model that gave it.
    pub model: String,
    /// Pixels of the phantom.
    pub pixels: u64,
    /// Area and infected pixels of the zones A to F.
    pub zones: [[u64; 2]; 6],
    pub brixia_estimate: Option<f64>,
    pub detection: Option<f64>,
    /// Probability of opacity before the lung gate, of every sixteenth row and column of the network's map.
    pub probability: Vec<f32>,
}

/// How far results may lie from the record.
#[derive(Debug, Clone, Copy, PartialEq, Serialize)]
pub struct Tolerance {
    pub probability: f32,
    /// Share of the phantom's pixels, for each area.
    pub pixels: f64,
    /// Of the Brixia estimate, in points.
    pub brixia: f64,
}

/// f32 on every processor: only the order of summation differs.
const F32: Tolerance = Tolerance { probability: 1e-4, pixels: 1e-4, brixia: 0.01 };
/// bf16, which the model records as equivalent over many radiographs; a pixel may move more.
const BF16: Tolerance = Tolerance { probability: 0.1, pixels: 0.01, brixia: 0.3 };

/// One dispatch level and arithmetic.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Check {
    pub level: &'static str,
    pub precision: Precision,
    /// `None` where the machine does not have it.
    pub found: Option<Found>,
}

/// How an analysis compares with the record.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Found {
    pub tolerance: Tolerance,
    /// Largest difference of a probability.
    pub probability: f32,
    /// Largest difference of an area, in pixels.
    pub pixels: u64,
    /// What lies outside the tolerance; empty is passed.
    pub faults: Vec<String>,
    pub milliseconds: f64,
}

impl Check {
    /// Whether nothing is wrong; what the machine lacks is not.
    pub fn passed(&self) -> bool {
        self.found.as_ref().is_none_or(|f| f.faults.is_empty())
    }
}

/// Checks every level, lowest first, in f32, and then bf16. Other work of the process uses the level under test meanwhile,
/// with the same results.
///
/// # Errors
/// `Internal` where the record belongs to another model or cannot be read, or an analysis fails.
pub fn run() -> Result<Vec<Check>> {
    let recorded: Record = serde_json::from_str(RECORDED).map_err(|e| Error::Internal(format!("the self-test's record: {e}")))?;
    let _restore = Restore(Level::detect());
    let all = Level::ALL.map(|level| (level, Precision::F32)).into_iter().chain([(Level::Avx512, Precision::Bf16)]);
    all.map(|(level, precision)| {
        let available = level.set() == level && precision.require_available().is_ok();
        let found = available.then(|| compare(&recorded, precision)).transpose()?;
        Ok(Check { level: level.as_str(), precision, found })
    })
    .collect()
}

/// Puts the level that was in use back.
struct Restore(Level);

impl Drop for Restore {
    fn drop(&mut self) {
        self.0.set();
    }
}

fn compare(recorded: &Record, precision: Precision) -> Result<Found> {
    let start = std::time::Instant::now();
    let found = Record::make(precision)?;
    let milliseconds = start.elapsed().as_secs_f64() * 1e3;
    if recorded.model != found.model {
        let (model, of) = (&found.model, &recorded.model);
        return Err(Error::Internal(format!("the self-test was recorded with the model {of}; the bundled one is {model}")));
    }
    Ok(recorded.differences(&found, if precision == Precision::Bf16 { BF16 } else { F32 }, milliseconds))
}

impl Record {
    /// Analyses the phantom at the level in use.
    ///
    /// # Errors
    /// As [`Pipeline::bundled`] and [`Pipeline::analyze`].
    pub fn make(precision: Precision) -> Result<Self> {
        let mut phantom = PhantomOptions::default();
        (phantom.width, phantom.height, phantom.seed) = (512, 512, 1);
        let file = Phantom::new(&phantom)?.to_dicom()?;
        let options = PipelineOptions { threads: 1, ..PipelineOptions::default() };
        let run = RunOptions { precision, ..RunOptions::default() };
        let pipeline = Pipeline::new(&options)?;
        Self::of(&pipeline.analyze_with(&Radiograph::from_bytes(&file)?, &run)?)
    }

    fn of(analysis: &Analysis) -> Result<Self> {
        let missing = || Error::Internal("the phantom's analysis has no lungs or no model".into());
        let severity = analysis.severity.as_ref().ok_or_else(missing)?;
        let map = analysis.infection.probability().map();
        Ok(Record {
            model: analysis.models.first().ok_or_else(missing)?.sha256.clone(),
            pixels: (analysis.width * analysis.height) as u64,
            zones: severity.zones.map(|z| [z.area, z.infected]),
            brixia_estimate: severity.brixia_estimate,
            detection: analysis.detection.probability,
            probability: map.slice(ndarray::s![..;STEP, ..;STEP]).iter().copied().collect(),
        })
    }

    fn differences(&self, found: &Record, tolerance: Tolerance, milliseconds: f64) -> Found {
        let mut faults = Vec::new();
        if self.probability.len() != found.probability.len() || self.pixels != found.pixels {
            faults.push("the map has another size".to_owned());
        }
        let apart = |a: &f32, b: &f32| if (a - b).is_finite() { (a - b).abs() } else { f32::INFINITY };
        let probability = self.probability.iter().zip(&found.probability).map(|(a, b)| apart(a, b)).fold(0.0, f32::max);
        if probability > tolerance.probability {
            faults.push(format!("a probability differs by {probability}; {} is allowed", tolerance.probability));
        }
        let areas = self.zones.as_flattened().iter().zip(found.zones.as_flattened());
        let pixels = areas.map(|(a, b)| a.abs_diff(*b)).max().unwrap_or(0);
        let allowed = (tolerance.pixels * self.pixels as f64).ceil() as u64;
        if pixels > allowed {
            faults.push(format!("an area differs by {pixels} pixels; {allowed} are allowed"));
        }
        // Written so that a NaN is a fault.
        let close = |a: Option<f64>, b: Option<f64>, by: f64| match (a, b) {
            (Some(a), Some(b)) => (a - b).abs() <= by,
            (None, None) => true,
            _ => false,
        };
        if !close(self.brixia_estimate, found.brixia_estimate, tolerance.brixia) {
            faults.push(format!("the Brixia estimate is {:?}, not {:?}", found.brixia_estimate, self.brixia_estimate));
        }
        // A logistic function of the map: no steeper than the map's own tolerance, tenfold.
        if !close(self.detection, found.detection, 10.0 * f64::from(tolerance.probability)) {
            faults.push(format!("the detection is {:?}, not {:?}", found.detection, self.detection));
        }
        Found { tolerance, probability, pixels, faults, milliseconds }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_differs_is_a_fault() {
        let record = Record {
            model: String::new(),
            pixels: 1000,
            zones: [[100, 10]; 6],
            brixia_estimate: Some(4.0),
            detection: Some(0.5),
            probability: vec![0.5; 4],
        };
        let faults = |change: &dyn Fn(&mut Record)| {
            let mut other = record.clone();
            change(&mut other);
            record.differences(&other, F32, 0.0).faults.len()
        };
        assert_eq!(faults(&|_| ()), 0);
        assert_eq!(faults(&|r| r.probability[2] += 0.9e-4), 0);
        assert_eq!(faults(&|r| r.probability[2] += 1.1e-4), 1);
        assert_eq!(faults(&|r| r.probability[2] = f32::NAN), 1);
        assert_eq!(faults(&|r| r.zones[5][1] += 1), 0);
        assert_eq!(faults(&|r| r.zones[5][1] += 2), 1);
        assert_eq!(faults(&|r| r.brixia_estimate = None), 1);
        assert_eq!(faults(&|r| r.detection = Some(f64::NAN)), 1);
        assert_eq!(faults(&|r| r.probability.clear()), 1);
    }
}
