//! TIFF and BigTIFF: 1 to 32-bit grey, real numbers, and 8 or 16-bit RGB that is grey.

use super::open::guarded;
use super::{Decoded, Note, RasterFormat, ReadOptions, Sample, Source, Turn, colour, scale};
use crate::{Error, Result};
use ndarray::Array2;
use std::io::Cursor;
use tiff::decoder::{Decoder, DecodingResult};
use tiff::tags::Tag;
use tiff::{ColorType, TiffError};

/// Decodes one page of a TIFF file (`options.frame`, by default the first).
///
/// 1. Size and decoded bytes against the limits, from the page's directory.
/// 2. Decoding, whole or not at all; WhiteIsZero is inverted.
/// 3. 1 to 16 unsigned bits keep their full range; signed, 32-bit and real samples are spread from minimum to maximum.
/// 4. Alpha over black, colour to grey.
/// 5. Orientation (applied by the caller).
pub(super) fn decode(bytes: &[u8], options: &ReadOptions) -> Result<Decoded> {
    guarded("the TIFF file", || decode_page(bytes, options))
}

fn decode_page(bytes: &[u8], options: &ReadOptions) -> Result<Decoded> {
    let mut bounds = tiff::decoder::Limits::default();
    let most = usize::try_from(options.limits.max_decoded_bytes).unwrap_or(usize::MAX);
    (bounds.decoding_buffer_size, bounds.intermediate_buffer_size) = (most, most);
    // A directory entry cannot hold more than the file does.
    bounds.ifd_value_size = bytes.len();
    let mut decoder = Decoder::new(Cursor::new(bytes)).map_err(failed)?.with_limits(bounds);
    for page in 1..=options.frame {
        if !decoder.more_images() {
            return Err(Error::Parameter(format!("frame {} was asked for; the TIFF file has {page} (0 to {})", options.frame, page - 1)));
        }
        if page >= options.limits.max_frames {
            return Err(Error::LimitsExceeded(format!("the limit is {} frames", options.limits.max_frames)));
        }
        decoder.next_image().map_err(failed)?;
    }

    let (width, height) = decoder.dimensions().map_err(failed)?;
    options.limits.check_size(width, height)?;
    let (rows, columns) = (height as usize, width as usize);
    let colour_type = decoder.colortype().map_err(failed)?;
    let turn = match decoder.find_tag_unsigned::<u8>(Tag::Orientation) {
        Ok(orientation) => Turn::from_exif(orientation.unwrap_or(1)),
        Err(_) => Turn::default(),
    };
    let white_is_zero = decoder.find_tag_unsigned::<u16>(Tag::PhotometricInterpretation).map_err(failed)? == Some(0);
    let layout = decoder.image_buffer_layout().map_err(failed)?;
    options.limits.check_decoded(layout.complete_len as u64)?;
    check_extent(&mut decoder, bytes.len() as u64, layout.complete_len as u64)?;

    let mut notes = Vec::new();
    if options.frame > 0 || decoder.more_images() {
        notes.push(Note::OneFrameOfSeveral);
    }
    if white_is_zero {
        notes.push(Note::Inverted);
    }
    let mut samples = DecodingResult::U8(Vec::new());
    decoder.read_image_to_buffer(&mut samples).map_err(failed)?;
    let pixels = match (colour_type, samples) {
        (ColorType::Gray(bits @ (1 | 2 | 4)), DecodingResult::U8(packed)) => {
            grey(&unpack(&packed, columns, bits), 1, rows, columns, &mut notes)
        }
        (ColorType::Gray(8), DecodingResult::U8(v)) => grey(&v, 1, rows, columns, &mut notes),
        (ColorType::Gray(16), DecodingResult::U16(v)) => grey(&v, 1, rows, columns, &mut notes),
        (ColorType::GrayA(_) | ColorType::RGB(_) | ColorType::RGBA(_), DecodingResult::U8(v)) => {
            let channels = usize::from(colour_type.num_samples());
            grey(&interleaved(v, channels, layout.planes), channels, rows, columns, &mut notes)
        }
        (ColorType::GrayA(_) | ColorType::RGB(_) | ColorType::RGBA(_), DecodingResult::U16(v)) => {
            let channels = usize::from(colour_type.num_samples());
            grey(&interleaved(v, channels, layout.planes), channels, rows, columns, &mut notes)
        }
        (ColorType::Gray(_), DecodingResult::I8(v)) => spread(&v, rows, columns),
        (ColorType::Gray(_), DecodingResult::I16(v)) => spread(&v, rows, columns),
        (ColorType::Gray(_), DecodingResult::I32(v)) => spread(&v, rows, columns),
        (ColorType::Gray(_), DecodingResult::U32(v)) => spread(&v, rows, columns),
        (ColorType::Gray(_), DecodingResult::F16(v)) => spread(&v, rows, columns),
        (ColorType::Gray(_), DecodingResult::F32(v)) => spread(&v, rows, columns),
        (ColorType::Gray(_), DecodingResult::F64(v)) => spread(&v, rows, columns),
        _ => Err(Error::Input(format!("TIFF with {colour_type:?} samples cannot be read"))),
    }?;
    if !turn.is_identity() {
        notes.push(Note::OrientationApplied);
    }
    Ok(Decoded { turn, notes, ..Decoded::plain(pixels, Source::Raster { format: RasterFormat::Tiff }) })
}

/// The decoder reads uncompressed pixels on beyond the bytes that the page calls its own, into whatever follows.
fn check_extent(decoder: &mut Decoder<Cursor<&[u8]>>, file: u64, needed: u64) -> Result<()> {
    let mut numbers = |strips, tiles| match decoder.find_tag_unsigned_vec::<u64>(strips).map_err(failed)? {
        Some(numbers) => Ok(numbers),
        None => Ok(decoder.find_tag_unsigned_vec::<u64>(tiles).map_err(failed)?.unwrap_or_default()),
    };
    let offsets = numbers(Tag::StripOffsets, Tag::TileOffsets)?;
    let counts = numbers(Tag::StripByteCounts, Tag::TileByteCounts)?;
    if offsets.iter().zip(&counts).any(|(offset, count)| offset.saturating_add(*count) > file) {
        return Err(Error::Input("the TIFF file is truncated: pixels lie beyond its end".to_owned()));
    }
    let compression = decoder.find_tag_unsigned::<u16>(Tag::Compression).map_err(failed)?.unwrap_or(1);
    if compression == 1 && counts.iter().fold(0, |sum: u64, &count| sum.saturating_add(count)) < needed {
        return Err(short());
    }
    Ok(())
}

fn grey<S: Sample>(samples: &[S], channels: usize, rows: usize, columns: usize, notes: &mut Vec<Note>) -> Result<Array2<u16>> {
    // The decoder's word for the size is checked, since a short page must not become half an image.
    let samples = samples.get(..rows * columns * channels).ok_or_else(short)?;
    let grey = colour::to_grey(samples, channels, notes)?;
    Array2::from_shape_vec((rows, columns), grey).map_err(|e| Error::Internal(format!("image shape: {e}")))
}

fn spread<T: Copy + Into<f64>>(samples: &[T], rows: usize, columns: usize) -> Result<Array2<u16>> {
    let samples = samples.get(..rows * columns).ok_or_else(short)?;
    scale::spread_image(rows, columns, samples.iter().copied(), None)
}

fn short() -> Error {
    Error::Input("the TIFF page holds fewer pixels than it declares".to_owned())
}

/// 1, 2 or 4-bit samples, first in the high bits and rows starting on a byte, over the full range of 8 bits.
fn unpack(packed: &[u8], columns: usize, bits: u8) -> Vec<u8> {
    let bits = usize::from(bits);
    let most = (1u8 << bits) - 1;
    let row_bytes = (columns * bits).div_ceil(8);
    let sample = |row: &[u8], column: usize| row[column * bits / 8] >> (8 - bits - column * bits % 8) & most;
    packed.chunks_exact(row_bytes).flat_map(|row| (0..columns).map(move |c| sample(row, c) * (255 / most))).collect()
}

/// Planes one after the other to pixels one after the other.
fn interleaved<T: Copy>(samples: Vec<T>, channels: usize, planes: usize) -> Vec<T> {
    if planes <= 1 || channels != planes {
        return samples;
    }
    let plane = samples.len() / planes;
    (0..plane).flat_map(|pixel| (0..planes).map(move |p| p * plane + pixel)).map(|index| samples[index]).collect()
}

fn failed(error: TiffError) -> Error {
    match error {
        TiffError::LimitsExceeded => Error::LimitsExceeded("the TIFF file needs more memory than the limits allow".to_owned()),
        TiffError::UnsupportedError(what) => Error::Input(format!("the TIFF file cannot be read: {what}")),
        other => Error::Input(format!("the TIFF file is damaged or truncated: {other}")),
    }
}
