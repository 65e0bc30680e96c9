//! One frame's stored values: native bytes, or a codec of the transfer syntax (PS3.5 chapters 8 and A.4).

use super::attributes::{Attributes, Colour};
use super::data_set::DataSet;
use super::rle;
use super::structure::{self, Element, Encoding};
use super::syntax::Codec;
use super::tags;
use crate::radiograph::jpeg;
use crate::{Error, Result};
use dicom_core::value::PixelFragmentSequence;
use dicom_core::{DataElement, PrimitiveValue, VR};
use dicom_object::{FileMetaTable, InMemDicomObject};
use dicom_transfer_syntax_registry::{TransferSyntaxIndex, TransferSyntaxRegistry};

/// What the pixel data element holds for one frame.
pub(super) enum Stored {
    /// Allocated words of a grey image, row by row.
    Grey(Vec<u16>),
    /// Red, green, blue for each pixel, row by row.
    Rgb(Vec<u8>),
}

/// Reads the frame that `attributes` asks for.
///
/// # Errors
/// `Input` where the pixel data is shorter than declared, damaged, or contradicts the attributes.
pub(super) fn read(data: &DataSet<'_>, attributes: &Attributes, codec: Codec, uid: &str) -> Result<Stored> {
    let element = data.element(tags::PIXEL_DATA).ok_or_else(|| Error::Internal("pixel data was checked".to_owned()))?;
    match (codec, element.undefined) {
        (Codec::Native, false) => native(data, attributes, element),
        (Codec::Native, true) => Err(Error::Input(format!("the pixel data is encapsulated, transfer syntax {uid} says it is not"))),
        (_, false) => Err(Error::Input(format!("the pixel data is not encapsulated, transfer syntax {uid} says it is"))),
        (_, true) => encapsulated(data, attributes, element, codec, uid),
    }
}

fn native(data: &DataSet<'_>, attributes: &Attributes, element: &Element) -> Result<Stored> {
    let bytes = &data.bytes()[element.value.clone()];
    let needed = attributes.frame_bytes() * u64::from(attributes.frames);
    if (bytes.len() as u64) < needed {
        return Err(Error::Input(format!(
            "pixel data is {} bytes, Rows x Columns x BitsAllocated ({} frames of {} x {} x {} samples of {} bits) need {needed}",
            bytes.len(),
            attributes.frames,
            attributes.rows,
            attributes.columns,
            attributes.colour.samples(),
            attributes.bits_allocated
        )));
    }
    let size = attributes.frame_bytes() as usize;
    let start = size * attributes.frame as usize;
    let big = data.encoding() == Encoding::ExplicitBig;
    if attributes.bits_allocated == 16 {
        let word = if big { u16::from_be_bytes } else { u16::from_le_bytes };
        return Ok(Stored::Grey(bytes[start..start + size].chunks_exact(2).map(|b| word([b[0], b[1]])).collect()));
    }
    // Bytes in big endian words (OW) are stored in pairs, the second first (PS3.5 A.3 and 7.3).
    let swapped = usize::from(big && element.vr == Some(*b"OW"));
    let byte = |index: usize| bytes.get(index ^ swapped).copied();
    let samples: Vec<u8> = (start..start + size)
        .map(byte)
        .collect::<Option<_>>()
        .ok_or_else(|| Error::Input("pixel data of words has an odd length".to_owned()))?;
    match attributes.colour {
        Colour::Grey { .. } => Ok(Stored::Grey(samples.into_iter().map(u16::from).collect())),
        Colour::YbrFull422 => Err(Error::Input("native pixel data in YBR_FULL_422 cannot be read".to_owned())),
        colour if attributes.planar => {
            let plane = size / 3;
            Ok(rgb((0..plane).flat_map(|p| [samples[p], samples[plane + p], samples[2 * plane + p]]).collect(), colour))
        }
        colour => Ok(rgb(samples, colour)),
    }
}

fn encapsulated(data: &DataSet<'_>, attributes: &Attributes, element: &Element, codec: Codec, uid: &str) -> Result<Stored> {
    let mut stream = frame_stream(data, attributes, element)?;
    let mut sample_bits = attributes.bits_allocated;
    if codec == Codec::Jpeg {
        let header = jpeg::inspect(&stream)?;
        let declared = (attributes.rows, attributes.columns, attributes.colour.samples());
        let coded = (usize::from(header.rows), usize::from(header.columns), usize::from(header.components));
        if coded != declared {
            return Err(Error::Input(format!(
                "the JPEG stream holds {} x {} pixels of {} samples, the object declares {} x {} of {}",
                coded.0, coded.1, coded.2, declared.0, declared.1, declared.2
            )));
        }
        if header.precision > 8 && !header.lossless {
            return Err(Error::Input(format!(
                "JPEG with {} bits a sample (transfer syntax {uid}) is not supported; up to 8 bits or lossless is",
                header.precision
            )));
        }
        if header.precision < 2 || u16::from(header.precision) > attributes.bits_allocated {
            return Err(Error::Input(format!(
                "the JPEG stream has {} bits a sample, Bits Allocated is {}",
                header.precision, attributes.bits_allocated
            )));
        }
        // The decoder writes bytes where the stream's precision allows it, whatever the object allocates.
        sample_bits = if header.precision <= 8 { 8 } else { 16 };
    }
    // Trailing zeros pad a fragment to an even length; an odd one is the writer's slip.
    if stream.len() % 2 == 1 {
        stream.push(0);
    }
    let pixels = attributes.rows * attributes.columns;
    let samples = match codec {
        Codec::Rle => rle::decode(&stream, pixels, attributes.colour.samples(), usize::from(sample_bits / 8))?,
        _ => run_codec(stream, attributes, sample_bits, uid)?,
    };
    if samples.len() != pixels * attributes.colour.samples() * usize::from(sample_bits / 8) {
        return Err(Error::Input("the encapsulated pixel data does not decode to the declared size".to_owned()));
    }
    match (attributes.colour, sample_bits) {
        (Colour::Grey { .. }, 8) => Ok(Stored::Grey(samples.into_iter().map(u16::from).collect())),
        (Colour::Grey { .. }, _) => Ok(Stored::Grey(samples.chunks_exact(2).map(|b| u16::from_le_bytes([b[0], b[1]])).collect())),
        // The JPEG decoder has turned YBR into RGB already.
        (_, _) if codec == Codec::Jpeg => Ok(Stored::Rgb(samples)),
        (Colour::YbrFull422, _) => Err(Error::Input("YBR_FULL_422 outside JPEG cannot be read".to_owned())),
        (colour, _) => Ok(rgb(samples, colour)),
    }
}

/// The frame's fragments, joined (PS3.5 A.4: a frame may span several, a fragment never holds parts of two frames).
fn frame_stream(data: &DataSet<'_>, attributes: &Attributes, element: &Element) -> Result<Vec<u8>> {
    let (table, fragments) = structure::fragments(data.bytes(), element)?;
    let (frame, frames) = (attributes.frame as usize, attributes.frames as usize);
    let chosen = if frames == 1 {
        0..fragments.len()
    } else if fragments.len() == frames {
        frame..frame + 1
    } else if table.len() == frames && !fragments.is_empty() {
        // Offsets count from the item of the first fragment.
        let origin = fragments[0].start;
        let starts_at = |offset: u32| fragments.iter().position(|f| f.start - origin == offset as usize);
        let first = starts_at(table[frame]);
        let end = match table.get(frame + 1) {
            Some(&next) => starts_at(next),
            None => Some(fragments.len()),
        };
        match (first, end) {
            (Some(first), Some(end)) if first < end => first..end,
            _ => return Err(Error::Input("the basic offset table does not fit the fragments".to_owned())),
        }
    } else {
        return Err(Error::Input(format!(
            "{} fragments for {frames} frames and no offset table that says which belong together",
            fragments.len()
        )));
    };
    let parts: Vec<&[u8]> = fragments[chosen].iter().map(|f| &data.bytes()[f.clone()]).collect();
    let stream = parts.concat();
    if stream.is_empty() {
        return Err(Error::Input("the encapsulated pixel data is empty".to_owned()));
    }
    Ok(stream)
}

/// Decodes one stream with the codec that dicom-rs registers for the transfer syntax.
fn run_codec(stream: Vec<u8>, attributes: &Attributes, sample_bits: u16, uid: &str) -> Result<Vec<u8>> {
    let number = |tag, value: usize| DataElement::new(tag, VR::US, PrimitiveValue::from(value as u16));
    // An object of its own, so that codecs see checked values and one frame only.
    let mut object = InMemDicomObject::new_empty();
    object.put(number(tags::ROWS, attributes.rows));
    object.put(number(tags::COLUMNS, attributes.columns));
    object.put(number(tags::SAMPLES_PER_PIXEL, attributes.colour.samples()));
    object.put(number(tags::BITS_ALLOCATED, usize::from(sample_bits)));
    object.put(number(tags::BITS_STORED, usize::from(sample_bits)));
    let fragments = PixelFragmentSequence::new(Vec::<u32>::new(), vec![stream]);
    object.put(DataElement::new(tags::PIXEL_DATA, VR::OB, fragments));
    let meta = FileMetaTable { transfer_syntax: uid.to_owned(), ..empty_meta() };
    let object = object.with_exact_meta(meta);

    let syntax = TransferSyntaxRegistry.get(uid);
    let reader = syntax
        .and_then(|syntax| syntax.pixel_data_reader())
        .ok_or_else(|| Error::Internal(format!("no codec for transfer syntax {uid}")))?;
    let mut samples = Vec::new();
    reader
        .decode_frame(&object, 0, &mut samples)
        .map_err(|e| Error::Input(format!("the encapsulated pixel data cannot be decoded: {}", chain(&e))))?;
    Ok(samples)
}

fn empty_meta() -> FileMetaTable {
    FileMetaTable {
        information_group_length: 0,
        information_version: [0, 1],
        media_storage_sop_class_uid: String::new(),
        media_storage_sop_instance_uid: String::new(),
        transfer_syntax: String::new(),
        implementation_class_uid: String::new(),
        implementation_version_name: None,
        source_application_entity_title: None,
        sending_application_entity_title: None,
        receiving_application_entity_title: None,
        private_information_creator_uid: None,
        private_information: None,
    }
}

/// An error with its causes.
fn chain(error: &dyn std::error::Error) -> String {
    let mut text = error.to_string();
    let mut cause = error.source();
    while let Some(error) = cause {
        text.push_str(&format!(": {error}"));
        cause = error.source();
    }
    text
}

/// Interleaved colour samples as RGB (PS3.3 C.7.6.3.1.2).
fn rgb(mut samples: Vec<u8>, colour: Colour) -> Stored {
    if colour != Colour::Rgb {
        for pixel in samples.chunks_exact_mut(3) {
            let (y, cb, cr) = (f32::from(pixel[0]), f32::from(pixel[1]) - 128.0, f32::from(pixel[2]) - 128.0);
            let byte = |v: f32| (v + 0.5).clamp(0.0, 255.0) as u8;
            pixel.copy_from_slice(&[byte(y + 1.402 * cr), byte(y - 0.344136 * cb - 0.714136 * cr), byte(y + 1.772 * cb)]);
        }
    }
    Stored::Rgb(samples)
}
