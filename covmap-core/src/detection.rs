//! Whether the map, taken as a whole, is positive for opacity consistent with COVID-19 pneumonia.

use serde::{Deserialize, Serialize};

use crate::engine::DetectionCalibration;
use crate::fusion::InfectionMap;
use crate::run::OperatingPoint;
use crate::severity::Severity;

/// Detection from map and lungs.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Detection {
    /// 0..1; `None` where no lung was found.
    pub probability: Option<f64>,
    /// The operating point asked for; `None` for an uncalibrated model, which follows the paper's rule (any infected pixel).
    pub operating_point: Option<OperatingPoint>,
    /// Probability from which the answer is positive.
    pub threshold: f64,
    pub positive: Option<bool>,
}

/// Keeps the logarithms finite on an empty map.
const FLOOR: f64 = 0.001;

impl Detection {
    /// Logistic in the mean of the map over both lungs and over the worst zone; [`Detection::any_pixel`] without
    /// calibration.
    pub fn new(map: &InfectionMap, severity: &Severity, calibration: Option<&DetectionCalibration>, point: OperatingPoint) -> Self {
        let Some(c) = calibration else { return Self::any_pixel(map) };
        let threshold = f64::from(match point {
            OperatingPoint::Sensitivity95 => c.sensitivity95,
            OperatingPoint::Specificity95 => c.specificity95,
        });
        let probability = severity.total().mean().map(|mean| {
            let worst = severity.zones.iter().filter_map(|z| z.mean()).fold(0.0, f64::max);
            let z =
                f64::from(c.intercept) + f64::from(c.log_mean) * (mean + FLOOR).ln() + f64::from(c.log_worst_zone) * (worst + FLOOR).ln();
            1.0 / (1.0 + (-z).exp())
        });
        Detection { probability, operating_point: Some(point), threshold, positive: probability.map(|p| p >= threshold) }
    }

    /// The paper's rule: positive where any pixel is infected. The probability is the map's maximum.
    pub fn any_pixel(map: &InfectionMap) -> Self {
        let highest = f64::from(map.bytes().iter().copied().max().unwrap_or(0)) / 255.0;
        Detection { probability: Some(highest), operating_point: None, threshold: 0.5, positive: Some(highest >= 0.5) }
    }
}
