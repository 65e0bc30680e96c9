//! The phantom as a DICOM Computed Radiography Image (PS3.3 A.2).

use dicom_core::value::PrimitiveValue;
use dicom_core::{DataElement, Tag, VR};
use dicom_object::{FileMetaTableBuilder, InMemDicomObject};
use sha2::{Digest, Sha256};

use super::Phantom;
use crate::{Error, Result};

const COMPUTED_RADIOGRAPHY_IMAGE_STORAGE: &str = "1.2.840.10008.5.1.4.1.1.1";
const EXPLICIT_VR_LITTLE_ENDIAN: &str = "1.2.840.10008.1.2.1";

/// A Part 10 file of `phantom`.
pub(super) fn encode(phantom: &Phantom) -> Result<Vec<u8>> {
    let (height, width) = phantom.pixels.dim();
    let instance = uid(phantom, "instance");
    let side = |pixels: usize| {
        u16::try_from(pixels).map_err(|_| Error::Parameter(format!("a DICOM image has at most 65,535 pixels a side, not {pixels}")))
    };
    let spacing = format!("{:.6}", phantom.spacing_mm());
    let spacing = format!("{spacing}\\{spacing}");
    let orientation = if phantom.options.mirrored { "R\\F" } else { "L\\F" };
    let patient = format!("PHANTOM-{}", phantom.options.seed);
    let mut object = InMemDicomObject::new_empty();
    let (study, series) = (uid(phantom, "study"), uid(phantom, "series"));
    for (group, element, vr, value) in [
        (0x0008, 0x0005, VR::CS, "ISO_IR 192"),
        (0x0008, 0x0008, VR::CS, "ORIGINAL\\PRIMARY"),
        (0x0008, 0x0016, VR::UI, COMPUTED_RADIOGRAPHY_IMAGE_STORAGE),
        (0x0008, 0x0018, VR::UI, &instance),
        (0x0008, 0x0020, VR::DA, "20200401"), // StudyDate
        (0x0008, 0x0021, VR::DA, "20200401"), // SeriesDate
        (0x0008, 0x0023, VR::DA, "20200401"), // ContentDate
        (0x0008, 0x0030, VR::TM, "120000"),   // StudyTime
        (0x0008, 0x0033, VR::TM, "120000"),   // ContentTime
        (0x0008, 0x0050, VR::SH, ""),         // AccessionNumber
        (0x0008, 0x0060, VR::CS, "CR"),       // Modality
        (0x0008, 0x0070, VR::LO, "covmap"),   // Manufacturer
        (0x0008, 0x0090, VR::PN, ""),         // ReferringPhysicianName
        (0x0008, 0x1030, VR::LO, "Synthetic chest radiograph"),
        (0x0008, 0x1090, VR::LO, "phantom"), // ManufacturerModelName
        (0x0010, 0x0010, VR::PN, "PHANTOM^COVMAP"),
        (0x0010, 0x0020, VR::LO, &patient),
        (0x0010, 0x0030, VR::DA, ""),      // PatientBirthDate
        (0x0010, 0x0040, VR::CS, "O"),     // PatientSex
        (0x0018, 0x0015, VR::CS, "CHEST"), // BodyPartExamined
        (0x0018, 0x1164, VR::DS, &spacing),
        (0x0018, 0x5101, VR::CS, "PA"), // ViewPosition
        (0x0020, 0x000D, VR::UI, &study),
        (0x0020, 0x000E, VR::UI, &series),
        (0x0020, 0x0010, VR::SH, "1"), // StudyID
        (0x0020, 0x0011, VR::IS, "1"), // SeriesNumber
        (0x0020, 0x0013, VR::IS, "1"), // InstanceNumber
        (0x0020, 0x0020, VR::CS, orientation),
        (0x0028, 0x0004, VR::CS, "MONOCHROME2"),
        (0x0028, 0x0030, VR::DS, &spacing),
        (0x0028, 0x0301, VR::CS, "NO"), // BurnedInAnnotation
        // The identity window, so that a DICOM reader and a PNG reader see the same picture.
        (0x0028, 0x1050, VR::DS, "32768"),
        (0x0028, 0x1051, VR::DS, "65536"),
    ] {
        object.put(DataElement::new(Tag(group, element), vr, PrimitiveValue::from(value)));
    }
    for (element, value) in
        [(0x0002, 1), (0x0010, side(height)?), (0x0011, side(width)?), (0x0100, 16), (0x0101, 16), (0x0102, 15), (0x0103, 0)]
    {
        object.put(DataElement::new(Tag(0x0028, element), VR::US, PrimitiveValue::from(value)));
    }
    let pixels = PrimitiveValue::U16(phantom.pixels.iter().copied().collect());
    object.put(DataElement::new(Tag(0x7FE0, 0x0010), VR::OW, pixels));
    let internal = |e: &dyn std::fmt::Display| Error::Internal(format!("writing the phantom as DICOM: {e}"));
    let file = object
        .with_meta(
            FileMetaTableBuilder::new()
                .transfer_syntax(EXPLICIT_VR_LITTLE_ENDIAN)
                .media_storage_sop_class_uid(COMPUTED_RADIOGRAPHY_IMAGE_STORAGE)
                .media_storage_sop_instance_uid(instance),
        )
        .map_err(|e| internal(&e))?;
    let mut bytes = Vec::with_capacity(2 * height * width + 4096);
    file.write_all(&mut bytes).map_err(|e| internal(&e))?;
    Ok(bytes)
}

/// A UID under 2.25 (PS3.5 B.2) that the phantom's options decide: the same phantom is the same object.
fn uid(phantom: &Phantom, kind: &str) -> String {
    let digest = Sha256::digest(format!("covmap phantom {kind} {:?}", phantom.options));
    let mut bytes = [0; 16];
    bytes.copy_from_slice(&digest[..16]);
    bytes[6] = (bytes[6] & 0x0f) | 0x80; // UUID version 8 (RFC 9562): made from a custom hash
    bytes[8] = (bytes[8] & 0x3f) | 0x80;
    format!("2.25.{}", u128::from_be_bytes(bytes))
}
