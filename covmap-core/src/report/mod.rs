//! An [`Analysis`] in the formats that others read.

mod dicom;
mod json;

pub use dicom::{DicomObject, DicomOptions, to_dicom};
pub use json::{SCHEMA, to_json};
