//! What grew and what cleared, over the later radiograph.

use ndarray::{Array2, Array3};

use super::contour::{outline, outline_lungs};
use super::display_window;
use super::legend::with_keys;
use crate::progression::{CLEARED, ChangeMap, GREW, UNCHANGED};
use crate::{Analysis, Error, Radiograph, Result};

/// Opacity that grew: orange. With its counterpart one of the pairs that all kinds of colour vision tell apart (Okabe, Ito 2008).
pub const GREW_COLOUR: [u8; 3] = [240, 130, 0];
/// Opacity that cleared: sky blue.
pub const CLEARED_COLOUR: [u8; 3] = [60, 170, 250];
/// Opacity in both studies: outlined in white.
pub const UNCHANGED_COLOUR: [u8; 3] = [255, 255, 255];

/// How strongly the colours cover the film.
const COVER: f32 = 0.55;

/// The later radiograph with the outlines of its lungs and the map of change, and a legend below: rows x columns x 3.
///
/// # Errors
/// [`Error::Parameter`] if radiograph, analysis and map differ in size.
pub fn change_overlay(radiograph: &Radiograph, analysis: &Analysis, change: Option<&ChangeMap>) -> Result<Array3<u8>> {
    let grey: Array2<u8> = display_window(radiograph.pixels());
    let (rows, columns) = grey.dim();
    let mut picture = Array3::from_shape_fn((rows, columns, 3), |(y, x, _)| grey[[y, x]]);
    if let Some(lungs) = &analysis.lungs {
        outline_lungs(&mut picture, lungs.labels())?;
    }
    if let Some(change) = change {
        let labels = change.labels();
        if labels.dim() != (rows, columns) {
            return Err(Error::Parameter("the map of change belongs to a radiograph of another size".into()));
        }
        for ((y, x), label) in labels.indexed_iter() {
            let colour = match *label {
                GREW => GREW_COLOUR,
                CLEARED => CLEARED_COLOUR,
                _ => continue,
            };
            for (channel, level) in colour.into_iter().enumerate() {
                let film = f32::from(picture[[y, x, channel]]);
                picture[[y, x, channel]] = (film + COVER * (f32::from(level) - film) + 0.5) as u8;
            }
        }
        outline(&mut picture, labels, |label| label == UNCHANGED, UNCHANGED_COLOUR)?;
        outline(&mut picture, labels, |label| label == GREW, GREW_COLOUR)?;
        outline(&mut picture, labels, |label| label == CLEARED, CLEARED_COLOUR)?;
    }
    Ok(with_keys(&picture, &[("grew", GREW_COLOUR), ("cleared", CLEARED_COLOUR), ("both", UNCHANGED_COLOUR)]))
}
