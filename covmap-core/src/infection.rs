//! Opacity consistent with COVID-19 pneumonia, as the network sees it: probabilities in the network's pixels.

use ndarray::Array2;

use crate::plane::{mirrored, slice_mut};
use crate::simd;

/// Probability of opacity per pixel, 0..1, rows x columns of the network.
#[derive(Debug, Clone, PartialEq)]
pub struct InfectionProbability(Array2<f32>);

impl InfectionProbability {
    /// Takes a map of values in 0..1.
    pub fn new(map: Array2<f32>) -> Self {
        InfectionProbability(map.as_standard_layout().into_owned())
    }

    /// The map.
    pub fn map(&self) -> &Array2<f32> {
        &self.0
    }

    /// The map seen in a mirror: brings the answer to a mirrored view back.
    pub fn mirrored(&self) -> Self {
        InfectionProbability(mirrored(&self.0))
    }

    /// Remapped piecewise linearly so that `threshold` lies at 0.5; 0 and 1 stay.
    pub fn with_threshold_at_half(mut self, threshold: f32) -> Self {
        simd::remap_threshold(slice_mut(&mut self.0), threshold);
        self
    }
}
