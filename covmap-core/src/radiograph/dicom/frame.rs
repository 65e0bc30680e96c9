//! One frame's stored values: native bytes, or a codec of the transfer syntax (PS3.5 chapters 8 and A.4).

use super::attributes::{Attributes, Colour};
use super::codec::{self, Codec};
use super::data_set::DataSet;
use super::structure::{self, Element, Encoding};
use super::tags;
use crate::{Error, Limits, Result};

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
/// `Input` where the pixel data is shorter than declared, damaged, or contradicts the attributes; `LimitsExceeded` where
/// decoding it takes too much memory.
pub(super) fn read(data: &DataSet<'_>, attributes: &Attributes, codec: Option<Codec>, uid: &str, limits: &Limits) -> Result<Stored> {
    let element = data.element(tags::PIXEL_DATA).ok_or_else(|| Error::Internal("pixel data was checked".to_owned()))?;
    match (codec, element.undefined) {
        (None, false) => native(data, attributes, element),
        (None, true) => Err(Error::Input(format!("the pixel data is encapsulated, transfer syntax {uid} says it is not"))),
        (Some(_), false) => Err(Error::Input(format!("the pixel data is not encapsulated, transfer syntax {uid} says it is"))),
        (Some(codec), true) => encapsulated(data, attributes, element, codec, limits),
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
        Colour::OfCodec => Err(Error::Input("native pixel data in the colours of a codec cannot be read".to_owned())),
        colour if attributes.planar => {
            let plane = size / 3;
            Ok(rgb((0..plane).flat_map(|p| [samples[p], samples[plane + p], samples[2 * plane + p]]).collect(), colour))
        }
        colour => Ok(rgb(samples, colour)),
    }
}

fn encapsulated(data: &DataSet<'_>, attributes: &Attributes, element: &Element, codec: Codec, limits: &Limits) -> Result<Stored> {
    let stream = frame_stream(data, attributes, element)?;
    let samples = codec::decode(codec, &stream, attributes, limits)?;
    // Colour has 8 bits: see `Attributes::read`.
    let bytes = || samples.iter().map(|&sample| sample as u8).collect();
    match attributes.colour {
        Colour::Grey { .. } => Ok(Stored::Grey(samples)),
        Colour::YbrFull422 | Colour::OfCodec if codec == Codec::Rle => {
            Err(Error::Input("RLE in the colours of another codec cannot be read".to_owned()))
        }
        colour if codec == Codec::Rle => Ok(rgb(bytes(), colour)),
        _ => Ok(Stored::Rgb(bytes())),
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
