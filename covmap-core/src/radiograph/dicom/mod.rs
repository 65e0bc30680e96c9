//! DICOM objects (PS3.3, PS3.5, PS3.10).

mod attributes;
mod border;
mod codec;
mod data_set;
mod frame;
mod grayscale;
mod header;
mod structure;
mod syntax;
mod tags;

#[cfg(test)]
mod tests;

pub(crate) use header::{HEADER, Header};

use super::open::guarded;
use super::{Decoded, Note, ReadOptions, Source, colour};
use crate::{Error, Result};
use attributes::Attributes;
use data_set::DataSet;
use frame::Stored;
use grayscale::Grayscale;
use ndarray::Array2;
use tags::{DOUBLE_FLOAT_PIXEL_DATA, FLOAT_PIXEL_DATA, MODALITY, PIXEL_DATA, PRESENTATION_INTENT_TYPE};

/// Whether the bytes carry the prefix of a DICOM file, behind its preamble or at the very start.
pub(super) fn is_part10(bytes: &[u8]) -> bool {
    bytes.get(128..132) == Some(b"DICM") || bytes.starts_with(b"DICM")
}

/// Whether the bytes look like a data set without preamble: they start with an element of group 0002 or 0008.
pub(super) fn looks_like_a_data_set(bytes: &[u8]) -> bool {
    let &[2 | 8, 0, element, 0, a, b, c, d, ..] = bytes else { return false };
    let explicit = structure::has_short_length([a, b]) && u16::from_le_bytes([c, d]) <= 256;
    let implicit = u32::from_le_bytes([a, b, c, d]) <= 256;
    element <= 0x60 && (explicit || implicit)
}

/// Decodes one frame of an object.
///
/// 1. Modality LUT, 2. VOI LUT or window, 3. inversion: see [`Grayscale`]. Colour that is grey skips them (it has none).
/// 4. Patient Orientation turns the image upright (applied by the caller together with the spacing).
///
/// Transfer syntaxes: docs/dicom.md. Overlays and embedded presentation states are not drawn.
pub(super) fn decode(bytes: &[u8], options: &ReadOptions) -> Result<Decoded> {
    guarded("the DICOM object", || decode_object(bytes, options))
}

fn decode_object(bytes: &[u8], options: &ReadOptions) -> Result<Decoded> {
    let opened = syntax::open(bytes, &options.limits)?;
    let data = DataSet::new(&opened.bytes, opened.encoding)?;
    let mut notes = Vec::new();
    attributes::check_modality(data.text(MODALITY)?.as_deref(), &mut notes)?;
    if data.element(PIXEL_DATA).is_none() {
        let float = [FLOAT_PIXEL_DATA, DOUBLE_FLOAT_PIXEL_DATA].iter().any(|&tag| data.element(tag).is_some());
        let what = if float { "its pixel data is of real numbers, which no radiograph has" } else { "it has no pixel data" };
        return Err(Error::Input(format!("the object is not an image that can be read: {what}")));
    }
    let attributes = Attributes::read(&data, options)?;
    if data.text(PRESENTATION_INTENT_TYPE)?.as_deref() == Some("FOR PROCESSING") {
        notes.push(Note::ForProcessing);
    }
    if attributes.frames > 1 {
        notes.push(Note::OneFrameOfSeveral);
    }
    let pixels = match frame::read(&data, &attributes, opened.codec, &opened.uid, &options.limits)? {
        Stored::Grey(words) => Grayscale::read(&data, &attributes, &mut notes)?.apply(&words, &attributes, &mut notes)?,
        Stored::Rgb(samples) => colour::to_grey(&samples, 3, &mut notes)?,
    };
    let pixels =
        Array2::from_shape_vec((attributes.rows, attributes.columns), pixels).map_err(|e| Error::Internal(format!("frame shape: {e}")))?;

    let mut source = attributes::source(&data, &opened.uid)?;
    (source.frame, source.frames) = (attributes.frame, attributes.frames);
    let turn = attributes::turn(&data, &mut notes)?;
    let (spacing_mm, pixel_aspect_ratio) = attributes::spacing(&data, &mut notes)?;
    Ok(Decoded {
        pixels,
        spacing_mm,
        pixel_aspect_ratio,
        view: attributes::view(&data)?,
        turn,
        notes,
        source: Source::Dicom(Box::new(source)),
    })
}
