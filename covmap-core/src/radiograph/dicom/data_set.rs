//! Values of single elements, decoded by dicom-object.

use super::structure::{self, Element, Elements, Encoding};
use super::{header, tags};
use crate::{Error, Result};
use dicom_core::Tag;
use dicom_object::InMemDicomObject;
use dicom_object::mem::InMemElement;
use dicom_transfer_syntax_registry::entries::{EXPLICIT_VR_BIG_ENDIAN, EXPLICIT_VR_LITTLE_ENDIAN, IMPLICIT_VR_LITTLE_ENDIAN};

/// No attribute that is decoded by itself comes near this many bytes.
const MAX_VALUE: usize = 1 << 16;

/// The needed elements of a data set or of a sequence item.
pub(super) struct DataSet<'a> {
    bytes: &'a [u8],
    encoding: Encoding,
    elements: Elements,
}

impl<'a> DataSet<'a> {
    /// Finds the needed elements in the bytes of a data set.
    pub fn new(bytes: &'a [u8], encoding: Encoding) -> Result<Self> {
        Ok(DataSet { bytes, encoding, elements: structure::elements(bytes, encoding, |tag| tags::is_needed(tag) || header::is_kept(tag))? })
    }

    pub fn bytes(&self) -> &'a [u8] {
        self.bytes
    }

    pub fn encoding(&self) -> Encoding {
        self.encoding
    }

    pub fn element(&self, tag: Tag) -> Option<&Element> {
        self.elements.get(&tag)
    }

    /// The value as it is written.
    pub fn raw(&self, tag: Tag) -> Option<&'a [u8]> {
        self.element(tag).map(|element| &self.bytes[element.value.clone()])
    }

    /// The value as 16-bit words, as of LUT descriptors, whose value representation depends on other attributes.
    pub fn words(&self, tag: Tag) -> Option<Vec<u16>> {
        let word = match self.encoding {
            Encoding::ExplicitBig => u16::from_be_bytes,
            _ => u16::from_le_bytes,
        };
        self.raw(tag).map(|bytes| bytes.chunks_exact(2).map(|b| word([b[0], b[1]])).collect())
    }

    /// The first value as text without padding; `None` where the element is absent or empty.
    pub fn text(&self, tag: Tag) -> Result<Option<String>> {
        Ok(self.texts(tag)?.into_iter().next().filter(|text| !text.is_empty()))
    }

    /// All values as text without padding.
    pub fn texts(&self, tag: Tag) -> Result<Vec<String>> {
        let Some(element) = self.decode(tag)? else { return Ok(Vec::new()) };
        let texts = element.to_multi_str().map_err(|e| unreadable(tag, e))?;
        Ok(texts.iter().map(|text| text.trim_matches([' ', '\0']).to_owned()).collect())
    }

    /// The first value as an integer; `None` where the element is absent or empty.
    pub fn integer(&self, tag: Tag) -> Result<Option<i64>> {
        self.decode(tag)?.map(|element| element.to_int().map_err(|e| unreadable(tag, e))).transpose()
    }

    /// The integer of an element that an image must have, if it fits.
    pub fn required(&self, tag: Tag, name: &str) -> Result<u16> {
        let value = self.integer(tag)?.ok_or_else(|| Error::Input(format!("the object has no {name} {tag}")))?;
        u16::try_from(value).map_err(|_| Error::Input(format!("{name} {tag} is {value}")))
    }

    /// All values as real numbers; empty where the element is absent, empty or not made of numbers.
    pub fn decimals(&self, tag: Tag) -> Result<Vec<f64>> {
        let Some(element) = self.decode(tag)? else { return Ok(Vec::new()) };
        Ok(element.to_multi_float64().unwrap_or_default())
    }

    /// The first item of a sequence, where it has one.
    pub fn first_item(&self, tag: Tag) -> Result<Option<DataSet<'a>>> {
        let Some(sequence) = self.element(tag) else { return Ok(None) };
        let encoding = if sequence.vr == Some(*b"UN") { Encoding::ImplicitLittle } else { self.encoding };
        let items = structure::items(self.bytes, sequence, encoding, 1)?;
        items.into_iter().next().map(|item| DataSet::new(&self.bytes[item], encoding)).transpose()
    }

    /// Decodes one element; `None` where it is absent or empty.
    fn decode(&self, tag: Tag) -> Result<Option<InMemElement>> {
        let Some(element) = self.element(tag).filter(|element| !element.value.is_empty()) else { return Ok(None) };
        // A sequence here would be decoded recursively, however deep it is.
        if element.undefined || element.vr == Some(*b"SQ") || element.value.len() > MAX_VALUE {
            return Err(Error::Input(format!("element {tag} is not a plain value")));
        }
        let value = &self.bytes[element.value.clone()];
        let decoded = match (self.encoding, element.vr) {
            // Unknown to the last writer, not to us: such values are kept in implicit little endian (PS3.5 6.2.2 note 2).
            (_, Some([b'U', b'N'])) => {
                let mut implicit = Vec::with_capacity(8 + value.len());
                implicit.extend_from_slice(&tag.group().to_le_bytes());
                implicit.extend_from_slice(&tag.element().to_le_bytes());
                implicit.extend_from_slice(&(value.len() as u32).to_le_bytes());
                implicit.extend_from_slice(value);
                InMemDicomObject::read_dataset_with_ts(&implicit[..], &IMPLICIT_VR_LITTLE_ENDIAN.erased())
            }
            (encoding, _) => {
                let bytes = &self.bytes[element.header.start..element.value.end];
                let syntax = match encoding {
                    Encoding::ImplicitLittle => IMPLICIT_VR_LITTLE_ENDIAN.erased(),
                    Encoding::ExplicitLittle => EXPLICIT_VR_LITTLE_ENDIAN.erased(),
                    Encoding::ExplicitBig => EXPLICIT_VR_BIG_ENDIAN.erased(),
                };
                InMemDicomObject::read_dataset_with_ts(bytes, &syntax)
            }
        };
        let object = decoded.map_err(|e| unreadable(tag, e))?;
        Ok(object.into_iter().find(|element| element.header().tag == tag))
    }
}

fn unreadable(tag: Tag, error: impl std::fmt::Display) -> Error {
    Error::Input(format!("element {tag} cannot be read: {error}"))
}
