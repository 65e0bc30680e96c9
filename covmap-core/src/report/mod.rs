//! An [`Analysis`](crate::Analysis) in the formats that others read.

mod dicom;
mod html;
mod index;
mod json;
mod page;
mod patient;
mod progression;

pub use dicom::{DicomObject, DicomOptions, Outline, OutlineOrigin, outline_to_dicom, to_dicom};
pub use html::{HtmlOptions, to_html};
pub use index::{IndexEntry, thumbnail, to_index};
pub use json::{SCHEMA, to_json};
pub use patient::Patient;
pub use progression::{COMPARE_SCHEMA, compare_to_html, compare_to_json, trend_to_svg};
