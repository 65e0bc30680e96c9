//! Real values to 16 bits: the lowest finite value becomes 0, the highest 65,535.

use crate::{Error, Result};
use ndarray::Array2;

/// Rounds half up to 16 bits after clamping to 0..=1; what is not a number becomes 0.
pub(super) fn to_u16(unit: f64) -> u16 {
    (unit.clamp(0.0, 1.0) * 65535.0 + 0.5) as u16
}

/// Spreads `low..=high` over the full range; an image of one value becomes black.
pub(super) fn spread(value: f64, low: f64, high: f64) -> u16 {
    // Halved, so that the span of the largest finite values stays finite.
    let span = high * 0.5 - low * 0.5;
    if span > 0.0 { to_u16((value * 0.5 - low * 0.5) / span) } else { 0 }
}

/// Spreads an image over the full range, from its minimum to its maximum or over the window `[low, high]`.
///
/// # Errors
/// `Input` naming the first pixel that is not finite.
pub(super) fn spread_image<T: Copy + Into<f64>>(
    rows: usize,
    columns: usize,
    values: impl Iterator<Item = T> + Clone,
    window: Option<[f32; 2]>,
) -> Result<Array2<u16>> {
    let (mut low, mut high) = (f64::INFINITY, f64::NEG_INFINITY);
    for (index, value) in values.clone().enumerate() {
        let value = value.into();
        if !value.is_finite() {
            return Err(not_finite(index / columns, index % columns, value));
        }
        low = low.min(value);
        high = high.max(value);
    }
    if let Some(window) = window {
        [low, high] = window.map(f64::from);
    }
    let scaled = values.map(|value| spread(value.into(), low, high)).collect();
    Array2::from_shape_vec((rows, columns), scaled).map_err(|e| Error::Internal(format!("image shape: {e}")))
}

/// The error of a pixel that is not finite.
pub(super) fn not_finite(row: usize, column: usize, value: f64) -> Error {
    let what = if value.is_nan() { "not a number" } else { "infinite" };
    Error::Input(format!("pixel (row {row}, column {column}) is {what}"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn spreads_to_the_full_range() {
        assert_eq!(spread(-5.0, -5.0, 5.0), 0);
        assert_eq!(spread(5.0, -5.0, 5.0), 65535);
        assert_eq!(spread(0.0, -5.0, 5.0), 32768);
        assert_eq!(spread(3.0, 3.0, 3.0), 0);
        assert_eq!(spread(f64::MAX, f64::MIN, f64::MAX), 65535);
    }

    #[test]
    fn says_where_a_value_is_not_a_number() {
        let values = [0.0f32, 1.0, 2.0, 3.0, f32::NAN, 5.0];
        let error = spread_image(2, 3, values.into_iter(), None).unwrap_err();
        assert_eq!(error.to_string(), "pixel (row 1, column 1) is not a number");
    }
}
