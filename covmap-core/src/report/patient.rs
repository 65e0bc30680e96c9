//! Who the patient is, for reports that are asked to say so. Nothing else writes it in clear text.

use dicom_core::Tag;
use dicom_dictionary_std::tags;
use dicom_encoding::text::{SpecificCharacterSet, TextCodec};
use serde::Serialize;

use crate::Radiograph;
use crate::radiograph::Source;

/// Identifying attributes of the Patient Module (PS3.3 C.7.1.1), decoded; `None` where the header has no value.
#[derive(Clone, PartialEq, Eq, Serialize)]
#[non_exhaustive]
pub struct Patient {
    pub name: Option<String>,
    pub id: Option<String>,
    /// As DICOM words it: 19700131.
    pub birth_date: Option<String>,
    pub sex: Option<String>,
}

impl Patient {
    /// The patient of a DICOM image; `None` for other inputs.
    pub fn of(radiograph: &Radiograph) -> Option<Self> {
        let Source::Dicom(source) = radiograph.source() else { return None };
        // Code extensions come after a first set that is often the default one; their escapes name themselves.
        let sets = source.header.ascii(tags::SPECIFIC_CHARACTER_SET).unwrap_or_default();
        let set =
            sets.split('\\').rev().map(str::trim).find(|s| !s.is_empty()).and_then(SpecificCharacterSet::from_code).unwrap_or_default();
        let value = |tag: Tag| {
            let bytes = source.header.bytes(tag)?;
            Some(set.decode(bytes).unwrap_or_else(|_| String::from_utf8_lossy(bytes).into_owned()))
        };
        Some(Patient {
            name: value(tags::PATIENT_NAME),
            id: value(tags::PATIENT_ID),
            birth_date: value(tags::PATIENT_BIRTH_DATE),
            sex: value(tags::PATIENT_SEX),
        })
    }
}

/// Names no patient in a log.
impl std::fmt::Debug for Patient {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Patient")
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::phantom::{Phantom, PhantomOptions};
    use dicom_core::value::PrimitiveValue;
    use dicom_core::{DataElement, VR};

    fn patient(sets: &str, name: &[u8]) -> Patient {
        let phantom = Phantom::new(&PhantomOptions { width: 64, height: 64, ..Default::default() }).unwrap();
        let mut object = dicom_object::from_reader(phantom.to_dicom().unwrap().as_slice()).unwrap();
        object.put(DataElement::new(tags::SPECIFIC_CHARACTER_SET, VR::CS, PrimitiveValue::from(sets)));
        object.put(DataElement::new(tags::PATIENT_NAME, VR::PN, PrimitiveValue::U8(name.into())));
        let mut bytes = Vec::new();
        object.write_all(&mut bytes).unwrap();
        Patient::of(&Radiograph::from_bytes(&bytes).unwrap()).unwrap()
    }

    #[test]
    fn names_are_read_in_their_character_set() {
        assert_eq!(patient("ISO_IR 100", b"M\xfcller^J\xf6rg").name.as_deref(), Some("Müller^Jörg"));
        assert_eq!(patient("ISO_IR 192", "Łukasz".as_bytes()).name.as_deref(), Some("Łukasz"));
        // PS3.5 H.3.
        let yamada = patient("\\ISO 2022 IR 87", b"Yamada^Tarou=\x1b$B;3ED\x1b(B^\x1b$BB@O:\x1b(B");
        assert_eq!(yamada.name.as_deref(), Some("Yamada^Tarou=山田^太郎"));
        assert_eq!((yamada.id.as_deref(), yamada.birth_date.as_deref(), yamada.sex.as_deref()), (Some("PHANTOM-1"), None, Some("O")));
        assert_eq!(format!("{yamada:?}"), "Patient");
        let png = Phantom::new(&PhantomOptions { width: 64, height: 64, ..Default::default() }).unwrap().radiograph().unwrap();
        assert!(Patient::of(&png).is_none());
    }
}
