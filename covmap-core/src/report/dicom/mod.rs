//! The result as DICOM objects of the source image's study (PS3.3): Segmentations, Structured Report, Secondary Capture.
//!
//! Patient and study are copied from the source as they are worded there; what the source leaves out stays empty. Nothing is
//! taken from a clock: content date and time are the source's, and UIDs follow from source, models, options and kind, so that
//! a second run makes the same objects.

mod content;
mod dataset;
mod header;
mod outline;
mod secondary_capture;
mod segmentation;
mod structured_report;

#[cfg(test)]
mod tests;

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Serialize};

use crate::render::OverlayOptions;
use crate::run::named;
use crate::{Analysis, Error, Radiograph, Result};
use header::Origin;

pub use outline::{Outline, OutlineOrigin, outline_to_dicom};

named! {
    /// A DICOM object that holds a result.
    DicomObject: "DICOM object" {
        /// Segmentation (PS3.3 A.51), binary: right lung, left lung, opacity. In the pixel grid of the source as it is stored.
        Segmentation = "seg",
        /// Segmentation (PS3.3 A.51), fractional: the infection map as probabilities, 255 is 1. In the same pixel grid.
        ProbabilityMap = "map",
        /// Comprehensive SR (PS3.3 A.35.3) by TID 1500, Measurement Report (PS3.16).
        StructuredReport = "sr",
        /// Secondary Capture Image (PS3.3 A.8) of the overlay, upright.
        SecondaryCapture = "sc",
    } default Segmentation
}

/// How to write a result as DICOM.
#[derive(Debug, Clone, Default, PartialEq)]
#[non_exhaustive]
pub struct DicomOptions {
    /// How the overlay of the Secondary Capture is painted.
    pub overlay: OverlayOptions,
    /// What else decided the analysis (fusion, views, corrected lungs), in any wording that is the same for the same choice:
    /// results of different options are different objects with UIDs of their own. [`Pipeline::choices`](crate::Pipeline::choices)
    /// words those of a pipeline.
    pub options: String,
}

/// An analysis as a DICOM file (PS3.10), explicit VR little endian.
///
/// # Errors
/// `Input` if the radiograph was not read from a DICOM image with SOP Class, SOP Instance, Study and Series Instance UID, to
/// which the object has to refer; `Parameter` if the analysis belongs to a radiograph of another size.
pub fn to_dicom(radiograph: &Radiograph, analysis: &Analysis, object: DicomObject, options: &DicomOptions) -> Result<Vec<u8>> {
    if radiograph.pixels().dim() != (analysis.height, analysis.width) {
        return Err(Error::Parameter("the analysis belongs to a radiograph of another size".into()));
    }
    let origin = Origin::new(radiograph, analysis, options)?;
    match object {
        DicomObject::Segmentation => segmentation::encode_binary(&origin, radiograph, analysis),
        DicomObject::ProbabilityMap => segmentation::encode_fractional(&origin, radiograph, analysis),
        DicomObject::StructuredReport => structured_report::encode(&origin, analysis),
        DicomObject::SecondaryCapture => secondary_capture::encode(&origin, radiograph, analysis, &options.overlay),
    }
}
