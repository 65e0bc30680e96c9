//! An [`Analysis`] in the formats that others read.

mod dicom;
mod html;
mod json;

pub use dicom::{DicomObject, DicomOptions, to_dicom};
pub use html::{HtmlOptions, to_html};
pub use json::{SCHEMA, to_json};
