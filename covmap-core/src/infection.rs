//! Opacity consistent with COVID-19 pneumonia, as the network sees it: probabilities in the network's pixels.

use ndarray::Array2;

use crate::plane::{mirrored, slice_mut};
use crate::simd;

/// Probability of opacity per pixel, 0..1, rows x columns of the network, and what the network says of its severity where it does.
#[derive(Debug, Clone, PartialEq)]
pub struct InfectionProbability {
    map: Array2<f32>,
    points: Option<Array2<f32>>,
}

impl InfectionProbability {
    /// Takes a map of values in 0..1.
    pub fn new(map: Array2<f32>) -> Self {
        InfectionProbability { map: map.as_standard_layout().into_owned(), points: None }
    }

    /// Adds what [`points`](Self::points) gives, of any size over the same radiograph.
    pub fn with_points(self, points: Option<Array2<f32>>) -> Self {
        InfectionProbability { points: points.map(|p| p.as_standard_layout().into_owned()), ..self }
    }

    /// The map.
    pub fn map(&self) -> &Array2<f32> {
        &self.map
    }

    /// Points of the Brixia score that opacity has beyond what its probability tells, per pixel: their mean over a zone counts
    /// ([`BrixiaCalibration::ramp`](crate::engine::BrixiaCalibration)). `None` where the network does not say.
    pub fn points(&self) -> Option<&Array2<f32>> {
        self.points.as_ref()
    }

    /// The map seen in a mirror: brings the answer to a mirrored view back.
    pub fn mirrored(&self) -> Self {
        InfectionProbability { map: mirrored(&self.map), points: self.points.as_ref().map(mirrored) }
    }

    /// Remapped piecewise linearly so that `threshold` lies at 0.5; 0 and 1 stay.
    pub fn with_threshold_at_half(mut self, threshold: f32) -> Self {
        simd::remap_threshold(slice_mut(&mut self.map), threshold);
        self
    }
}
