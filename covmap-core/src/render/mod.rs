//! Pictures of an analysis: the paper's HSV overlay, outlines, a legend, and the PNG files around them.

mod change;
mod colormap;
mod contour;
mod display;
mod legend;
mod overlay;
mod write;

pub use change::{CLEARED_COLOUR, GREW_COLOUR, UNCHANGED_COLOUR, change_overlay};
pub use colormap::Colormap;
pub use contour::{LEFT_LUNG_COLOUR, OPACITY_COLOUR, RIGHT_LUNG_COLOUR, outline_lungs, outline_opacity};
pub use display::display_window;
pub use legend::with_legend;
pub use overlay::{OverlayOptions, coefficients, overlay};
pub use write::{encode_grey, encode_grey16, encode_rgb, write_rgb};

use ndarray::Array3;

use crate::{Analysis, Radiograph, Result};

/// The radiograph with its infection map and the outlines of both lungs: rows x columns x 3.
///
/// # Errors
/// [`Error::Parameter`](crate::Error::Parameter) if the analysis belongs to a radiograph of another size.
pub fn analysis_overlay(radiograph: &Radiograph, analysis: &Analysis, options: &OverlayOptions) -> Result<Array3<u8>> {
    let grey = display_window(radiograph.pixels());
    let mut picture = overlay(&grey, analysis.infection.bytes(), options)?;
    if let Some(lungs) = &analysis.lungs {
        outline_lungs(&mut picture, lungs.labels())?;
    }
    Ok(picture)
}
