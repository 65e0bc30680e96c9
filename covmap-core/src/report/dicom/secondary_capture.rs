//! Secondary Capture Image Storage (PS3.3 A.8.1): the overlay as viewers without segmentation support can show it.

use dicom_core::VR;
use dicom_dictionary_std::{tags, uids};

use super::header::{Origin, STATEMENT};
use crate::radiograph::Turn;
use crate::render::{self, OverlayOptions};
use crate::{Analysis, Error, Radiograph, Result};

const SERIES_NUMBER: u16 = 9003;

/// The overlay, upright, 8-bit RGB.
pub(super) fn encode(origin: &Origin<'_>, radiograph: &Radiograph, analysis: &Analysis, overlay: &OverlayOptions) -> Result<Vec<u8>> {
    let picture = render::analysis_overlay(radiograph, analysis, overlay)?;
    let side = |pixels: usize| u16::try_from(pixels).map_err(|_| Error::Parameter("a DICOM image has at most 65,535 pixels a side".into()));
    let (height, width, _) = picture.dim();
    // Another painting is another image.
    let kind = format!("sc {} {} {}", overlay.colormap, overlay.opacity, overlay.contour);
    let class = uids::SECONDARY_CAPTURE_IMAGE_STORAGE;
    let data = origin.data_set(class, &kind, "OT", SERIES_NUMBER, "covmap: overlay of the opacity map");
    let data = origin.copied(data, tags::BURNED_IN_ANNOTATION, false);
    // Physical size of pixels that are not square, in whole numbers.
    let aspect = radiograph.pixel_aspect_ratio();
    let aspect = ((aspect - 1.0).abs() > 1e-6 && (1e-3..=1e3).contains(&aspect)).then(|| format!("{}\\10000", (aspect * 1e4).round()));
    origin
        .compression(data)
        .text(tags::IMAGE_TYPE, VR::CS, "DERIVED\\SECONDARY")
        .text(tags::CONVERSION_TYPE, VR::CS, "WSD")
        .text(tags::PATIENT_ORIENTATION, VR::CS, &orientation(origin, radiograph.turn()))
        .text(tags::IMAGE_COMMENTS, VR::LT, STATEMENT)
        .text(tags::DERIVATION_DESCRIPTION, VR::ST, &format!("Map of opacity over the radiograph, turned upright. {STATEMENT}"))
        .sequence(tags::SOURCE_IMAGE_SEQUENCE, [origin.source_reference(radiograph.turn().is_identity())])
        .sequence(tags::REFERENCED_SERIES_SEQUENCE, [origin.referenced_series()])
        .number(tags::SAMPLES_PER_PIXEL, 3)
        .text(tags::PHOTOMETRIC_INTERPRETATION, VR::CS, "RGB")
        .number(tags::PLANAR_CONFIGURATION, 0)
        .number(tags::ROWS, side(height)?)
        .number(tags::COLUMNS, side(width)?)
        .with(aspect, |data, aspect| data.text(tags::PIXEL_ASPECT_RATIO, VR::IS, &aspect))
        .number(tags::BITS_ALLOCATED, 8)
        .number(tags::BITS_STORED, 8)
        .number(tags::HIGH_BIT, 7)
        .number(tags::PIXEL_REPRESENTATION, 0)
        .pixels(picture.into_iter().collect())
        .into_file(class, &origin.uid(&kind))
}

/// Patient Orientation of the upright picture; empty where the source does not say.
fn orientation(origin: &Origin<'_>, turn: Turn) -> String {
    let stored = origin.header.ascii(tags::PATIENT_ORIENTATION).and_then(|text| text.split_once('\\'));
    stored.map_or_else(String::new, |(row, column)| {
        let [row, column] = turn.apply_to_orientation([row.trim(), column.trim()]);
        format!("{row}\\{column}")
    })
}
