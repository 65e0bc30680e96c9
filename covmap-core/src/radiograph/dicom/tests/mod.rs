//! Objects written by dicom-object or by hand, and what reading makes of them.

mod attributes;
mod faults;
mod fixtures;
mod grayscale;
mod hostile;

use super::tags::*;
use crate::radiograph::Radiograph;
use dicom_core::{DataElement, PrimitiveValue, Tag, VR};
use dicom_object::{FileMetaTableBuilder, InMemDicomObject};

pub(super) const EXPLICIT: &str = "1.2.840.10008.1.2.1";

/// A 16-bit MONOCHROME2 object of `rows` rows, with neither window nor orientation.
pub(super) fn object(words: &[u16], rows: u16) -> InMemDicomObject {
    let mut object = InMemDicomObject::new_empty();
    let texts = [
        (SOP_CLASS_UID, VR::UI, "1.2.840.10008.5.1.4.1.1.1.1"),
        (SOP_INSTANCE_UID, VR::UI, "2.25.1"),
        (STUDY_INSTANCE_UID, VR::UI, "2.25.2"),
        (SERIES_INSTANCE_UID, VR::UI, "2.25.3"),
        (MODALITY, VR::CS, "DX"),
        (PHOTOMETRIC_INTERPRETATION, VR::CS, "MONOCHROME2"),
    ];
    for (tag, vr, value) in texts {
        text(&mut object, tag, vr, value);
    }
    let numbers = [
        (ROWS, rows),
        (COLUMNS, words.len() as u16 / rows),
        (SAMPLES_PER_PIXEL, 1),
        (BITS_ALLOCATED, 16),
        (BITS_STORED, 16),
        (HIGH_BIT, 15),
        (PIXEL_REPRESENTATION, 0),
    ];
    for (tag, value) in numbers {
        number(&mut object, tag, value);
    }
    object.put(DataElement::new(PIXEL_DATA, VR::OW, PrimitiveValue::U16(words.iter().copied().collect())));
    object
}

pub(super) fn text(object: &mut InMemDicomObject, tag: Tag, vr: VR, value: &str) {
    let values: Vec<String> = value.split('\\').map(str::to_owned).collect();
    object.put(DataElement::new(tag, vr, PrimitiveValue::Strs(values.into())));
}

pub(super) fn number(object: &mut InMemDicomObject, tag: Tag, value: u16) {
    object.put(DataElement::new(tag, VR::US, PrimitiveValue::from(value)));
}

/// The object as a file in a transfer syntax.
pub(super) fn file(object: &InMemDicomObject, syntax: &str) -> Vec<u8> {
    let meta = FileMetaTableBuilder::new()
        .transfer_syntax(syntax)
        .media_storage_sop_class_uid("1.2.840.10008.5.1.4.1.1.1.1")
        .media_storage_sop_instance_uid("2.25.1");
    let mut bytes = Vec::new();
    object.clone().with_meta(meta).unwrap().write_all(&mut bytes).unwrap();
    bytes
}

pub(super) fn read(object: &InMemDicomObject) -> crate::Result<Radiograph> {
    Radiograph::from_bytes(&file(object, EXPLICIT))
}

/// The pixels that reading gives, row by row.
pub(super) fn pixels(object: &InMemDicomObject) -> Vec<u16> {
    read(object).unwrap().pixels().iter().copied().collect()
}

pub(super) fn error(object: &InMemDicomObject) -> String {
    read(object).unwrap_err().to_string()
}
