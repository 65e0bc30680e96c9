//! Radiograph to the network's square.
//!
//! The radiograph without its dark margins is stretched to the network's size by a triangle filter (antialiased bilinear, as
//! Pillow's `BILINEAR`), without padding, so that no border and no statistic tells the original shape; grey values are then
//! normalised per image.

use crate::engine::{InputSpec, Layout, Normalisation};
use crate::margins::Margins;
use crate::plane::stretch_part;
use crate::{Error, Radiograph, Result, simd};

/// Prepares radiographs for the input of one model.
#[derive(Debug, Clone, PartialEq)]
pub struct Preprocess {
    input: InputSpec,
}

/// A prepared input: values in the model's layout.
#[derive(Debug, Clone, PartialEq)]
pub struct ModelInput {
    values: Vec<f32>,
    spec: InputSpec,
    margins: Margins,
}

/// The way back from the network's pixels to the native ones.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Geometry {
    /// Height and width of the radiograph in pixels.
    pub native: [usize; 2],
    /// Rows and columns of network pixels over the whole radiograph: the network's input, and dark margins around it that it was
    /// not shown. A network's [`Prediction`](crate::engine::Prediction) has this size.
    pub model: [usize; 2],
}

impl Geometry {
    /// Centre of a model pixel (row, column) in native pixel coordinates, half-pixel centres.
    pub fn to_native(&self, row: f64, column: f64) -> [f64; 2] {
        let scale = |x: f64, n: usize, m: usize| (x + 0.5) * n as f64 / m as f64 - 0.5;
        [scale(row, self.native[0], self.model[0]), scale(column, self.native[1], self.model[1])]
    }
}

impl Preprocess {
    /// For a model with this input.
    pub fn new(input: &InputSpec) -> Self {
        Preprocess { input: input.clone() }
    }

    /// Cuts dark margins off (at most a third of the rows and of the columns), stretches and normalises.
    ///
    /// # Errors
    /// `Internal` only.
    pub fn apply(&self, radiograph: &Radiograph) -> Result<(ModelInput, Geometry)> {
        let [h, w] = self.input.size;
        let pixels = radiograph.pixels();
        let (rows, columns) = pixels.dim();
        let values = pixels.as_slice().ok_or_else(|| Error::Internal("pixels are not contiguous".into()))?;
        let margins = Margins::of(&pixels, [h, w]);
        let window = margins.window([rows, columns], [h, w]);
        let mut plane: Vec<f32> =
            stretch_part(values, (rows, columns), window, (h, w))?.into_iter().map(|v| f32::from(v) / 65535.0).collect();
        if self.input.normalisation == Normalisation::Standardise {
            simd::standardise(&mut plane);
        }
        let n = self.input.channels;
        let mut values = vec![0.0; plane.len() * n];
        for (i, x) in plane.into_iter().enumerate() {
            for c in 0..n {
                let y = match &self.input.normalisation {
                    Normalisation::Affine { mean, std } => (x - mean[c]) / std[c],
                    _ => x,
                };
                match self.input.layout {
                    Layout::Nhwc => values[i * n + c] = y,
                    _ => values[c * h * w + i] = y,
                }
            }
        }
        let geometry = Geometry { native: [rows, columns], model: margins.whole([h, w]) };
        Ok((ModelInput { values, spec: self.input.clone(), margins }, geometry))
    }
}

impl ModelInput {
    /// The values in the model's layout.
    pub fn values(&self) -> &[f32] {
        &self.values
    }

    /// What the radiograph has around them.
    pub(crate) fn margins(&self) -> &Margins {
        &self.margins
    }

    /// The mirror image (columns reversed).
    pub fn mirrored(&self) -> ModelInput {
        let ([_, w], n) = (self.spec.size, self.spec.channels);
        let mut values = self.values.clone();
        match self.spec.layout {
            Layout::Nhwc => {
                for row in values.chunks_exact_mut(w * n) {
                    for x in 0..w / 2 {
                        for c in 0..n {
                            row.swap(x * n + c, (w - 1 - x) * n + c);
                        }
                    }
                }
            }
            _ => values.chunks_exact_mut(w).for_each(<[f32]>::reverse),
        }
        ModelInput { values, spec: self.spec.clone(), margins: self.margins.mirrored() }
    }
}
