//! Patient, study and equipment as the object words them: carried into DICOM results, shown nowhere else.

use std::collections::BTreeMap;
use std::fmt;

use dicom_core::{Tag, VR};
use dicom_dictionary_std::tags::*;

use super::data_set::DataSet;
use super::structure::has_short_length;

/// Longer values than this are no name, number, date or description; they are left out.
const LONGEST: usize = 1024;

/// The attributes kept, all of them text.
pub(crate) const HEADER: [(Tag, VR); 31] = [
    (SPECIFIC_CHARACTER_SET, VR::CS),
    (STUDY_DATE, VR::DA),
    (SERIES_DATE, VR::DA),
    (ACQUISITION_DATE, VR::DA),
    (CONTENT_DATE, VR::DA),
    (STUDY_TIME, VR::TM),
    (SERIES_TIME, VR::TM),
    (ACQUISITION_TIME, VR::TM),
    (CONTENT_TIME, VR::TM),
    (ACCESSION_NUMBER, VR::SH),
    (REFERRING_PHYSICIAN_NAME, VR::PN),
    (TIMEZONE_OFFSET_FROM_UTC, VR::SH),
    (STUDY_DESCRIPTION, VR::LO),
    (PATIENT_NAME, VR::PN),
    (PATIENT_ID, VR::LO),
    (ISSUER_OF_PATIENT_ID, VR::LO),
    (PATIENT_BIRTH_DATE, VR::DA),
    (PATIENT_BIRTH_TIME, VR::TM),
    (PATIENT_SEX, VR::CS),
    (PATIENT_AGE, VR::AS),
    (PATIENT_SIZE, VR::DS),
    (PATIENT_WEIGHT, VR::DS),
    (PATIENT_IDENTITY_REMOVED, VR::CS),
    (DEIDENTIFICATION_METHOD, VR::LO),
    (BODY_PART_EXAMINED, VR::CS),
    (STUDY_ID, VR::SH),
    (PATIENT_ORIENTATION, VR::CS),
    (BURNED_IN_ANNOTATION, VR::CS),
    (LOSSY_IMAGE_COMPRESSION, VR::CS),
    (LOSSY_IMAGE_COMPRESSION_RATIO, VR::DS),
    (LOSSY_IMAGE_COMPRESSION_METHOD, VR::CS),
];

/// Values of [`HEADER`] as they were written, without padding, in the object's own character set; empty ones are absent.
#[derive(Clone, PartialEq, Eq, Default)]
pub(crate) struct Header(BTreeMap<Tag, Vec<u8>>);

impl Header {
    pub(super) fn read(data: &DataSet<'_>) -> Self {
        let mut values = BTreeMap::new();
        for (tag, _) in HEADER {
            let Some(element) = data.element(tag) else { continue };
            // Text that calls itself another kind of text is taken; sequences and binary values are not.
            let text = element.vr.is_none_or(|vr| vr == *b"UN" || has_short_length(vr));
            let value = &data.bytes()[element.value.clone()];
            let end = value.iter().rposition(|b| !matches!(b, b' ' | 0)).map_or(0, |last| last + 1);
            if text && !element.undefined && (1..=LONGEST).contains(&end) {
                values.insert(tag, value[..end].to_vec());
            }
        }
        Header(values)
    }

    /// A value as it was written.
    pub(crate) fn bytes(&self, tag: Tag) -> Option<&[u8]> {
        self.0.get(&tag).map(Vec::as_slice)
    }

    /// A value of letters, digits and signs that every character set shares.
    pub(crate) fn ascii(&self, tag: Tag) -> Option<&str> {
        self.bytes(tag).and_then(|b| std::str::from_utf8(b).ok()).filter(|t| t.bytes().all(|b| (b' '..0x7f).contains(&b))).map(str::trim)
    }
}

/// Whether the attribute is kept.
pub(super) fn is_kept(tag: Tag) -> bool {
    HEADER.iter().any(|(kept, _)| *kept == tag)
}

/// Names no patient in a log.
impl fmt::Debug for Header {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Header({} values)", self.0.len())
    }
}
