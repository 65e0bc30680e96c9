//! Elements, sequences and codes of a data set in the making.

use dicom_core::value::{DataSetSequence, PrimitiveValue};
use dicom_core::{DataElement, Tag, VR};
use dicom_dictionary_std::tags;
use dicom_object::{FileMetaTableBuilder, InMemDicomObject};

use crate::{Error, Result};

/// A data set or an item of a sequence.
#[derive(Debug, Clone)]
pub(super) struct DataSet(InMemDicomObject);

/// A code with its scheme and meaning (PS3.3 8.8).
#[derive(Debug, Clone, Copy)]
pub(super) struct Code(pub &'static str, pub &'static str, pub &'static str);

impl Code {
    /// An item of a code sequence.
    pub fn item(self) -> DataSet {
        let Code(value, scheme, meaning) = self;
        DataSet::new().text(tags::CODE_VALUE, VR::SH, value).text(tags::CODING_SCHEME_DESIGNATOR, VR::SH, scheme).text(
            tags::CODE_MEANING,
            VR::LO,
            meaning,
        )
    }
}

impl DataSet {
    pub fn new() -> Self {
        DataSet(InMemDicomObject::new_empty())
    }

    /// Text; an empty one makes an element without value.
    pub fn text(self, tag: Tag, vr: VR, text: &str) -> Self {
        self.put(tag, vr, if text.is_empty() { PrimitiveValue::Empty } else { PrimitiveValue::from(text) })
    }

    /// Text as its bytes in the object's character set.
    pub fn encoded(self, tag: Tag, vr: VR, text: &[u8]) -> Self {
        let mut bytes = text.to_vec();
        if bytes.len() % 2 == 1 {
            bytes.push(if vr == VR::UI { 0 } else { b' ' });
        }
        self.put(tag, vr, if bytes.is_empty() { PrimitiveValue::Empty } else { PrimitiveValue::U8(bytes.into()) })
    }

    pub fn number(self, tag: Tag, value: u16) -> Self {
        self.put(tag, VR::US, PrimitiveValue::from(value))
    }

    pub fn double(self, tag: Tag, value: f64) -> Self {
        self.put(tag, VR::FD, PrimitiveValue::from(value))
    }

    pub fn index(self, tag: Tag, value: u32) -> Self {
        self.put(tag, VR::UL, PrimitiveValue::from(value))
    }

    pub fn pointer(self, tag: Tag, value: Tag) -> Self {
        self.put(tag, VR::AT, PrimitiveValue::from(value))
    }

    /// Pixel data of at most eight bits a sample.
    pub fn pixels(self, mut bytes: Vec<u8>) -> Self {
        if bytes.len() % 2 == 1 {
            bytes.push(0);
        }
        self.put(tags::PIXEL_DATA, VR::OB, PrimitiveValue::U8(bytes.into()))
    }

    pub fn sequence(mut self, tag: Tag, items: impl IntoIterator<Item = DataSet>) -> Self {
        let items: Vec<InMemDicomObject> = items.into_iter().map(|item| item.0).collect();
        self.0.put(DataElement::new(tag, VR::SQ, DataSetSequence::from(items)));
        self
    }

    pub fn code(self, tag: Tag, code: Code) -> Self {
        self.sequence(tag, [code.item()])
    }

    /// The same data set, changed where `value` is there.
    pub fn with<T>(self, value: Option<T>, change: impl FnOnce(Self, T) -> Self) -> Self {
        match value {
            Some(value) => change(self, value),
            None => self,
        }
    }

    /// The data set as a file (PS3.10).
    pub fn into_file(self, sop_class_uid: &str, sop_instance_uid: &str) -> Result<Vec<u8>> {
        let internal = |e: &dyn std::fmt::Display| Error::Internal(format!("writing a DICOM object: {e}"));
        let meta = FileMetaTableBuilder::new()
            .transfer_syntax(dicom_dictionary_std::uids::EXPLICIT_VR_LITTLE_ENDIAN)
            .media_storage_sop_class_uid(sop_class_uid)
            .media_storage_sop_instance_uid(sop_instance_uid);
        let file = self.0.with_meta(meta).map_err(|e| internal(&e))?;
        let mut bytes = Vec::new();
        file.write_all(&mut bytes).map_err(|e| internal(&e))?;
        Ok(bytes)
    }

    fn put(mut self, tag: Tag, vr: VR, value: PrimitiveValue) -> Self {
        self.0.put(DataElement::new(tag, vr, value));
        self
    }
}

/// Text of ours for a value of at most `longest` characters: what is not ASCII depends on the character set of the source.
pub(super) fn plain(text: &str, longest: usize) -> String {
    let shown = text.chars().map(|c| if matches!(c, ' '..='~') && c != '\\' { c } else { '?' });
    shown.take(longest).collect::<String>().trim().to_owned()
}

/// A real number as a decimal string of at most 16 characters (PS3.5 6.2, DS).
pub(super) fn decimal(value: f64) -> String {
    let exact = format!("{value}");
    if exact.len() <= 16 {
        return exact;
    }
    (0..=14).rev().map(|digits| format!("{value:.digits$}")).find(|text| text.len() <= 16).unwrap_or_else(|| format!("{value:.8e}"))
}
