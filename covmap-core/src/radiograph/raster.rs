//! PNG and JPEG.

use super::open::guarded;
use super::{Decoded, Note, RasterFormat, ReadOptions, Source, Turn, colour, jpeg};
use crate::{Error, Limits, Result};
use image::codecs::{jpeg::JpegDecoder, png::PngDecoder};
use image::{DynamicImage, ImageDecoder, ImageError};
use ndarray::Array2;
use std::io::Cursor;

/// Decodes a PNG or JPEG file. Palettes and 1, 2 and 4-bit grey are expanded to 8 bits; of an animation the default image counts.
///
/// 1. Size and decoded bytes against the limits, from the header.
/// 2. Decoding, whole or not at all.
/// 3. Alpha over black, colour to grey.
/// 4. EXIF orientation (applied by the caller together with the spacing).
pub(super) fn decode(bytes: &[u8], format: RasterFormat, options: &ReadOptions) -> Result<Decoded> {
    if options.frame != 0 {
        return Err(Error::Parameter(format!("frame {} was asked for; a {format:?} image has one", options.frame)));
    }
    guarded("the image", || {
        if format == RasterFormat::Png {
            // Without bounds on the sides: `decode_with` checks those, with a message that names them.
            let mut bounds = bounds(&options.limits);
            (bounds.max_image_width, bounds.max_image_height) = (None, None);
            decode_with(PngDecoder::with_limits(Cursor::new(bytes), bounds).map_err(failed)?, format, options)
        } else {
            let header = jpeg::inspect(bytes)?;
            options.limits.check_size(u32::from(header.columns), u32::from(header.rows))?;
            decode_with(JpegDecoder::new(Cursor::new(bytes)).map_err(failed)?, format, options)
        }
    })
}

fn decode_with(mut decoder: impl ImageDecoder, format: RasterFormat, options: &ReadOptions) -> Result<Decoded> {
    let (width, height) = decoder.dimensions();
    options.limits.check_size(width, height)?;
    options.limits.check_decoded(decoder.total_bytes())?;
    let turn = Turn::from_exif(decoder.orientation().map_err(failed)?.to_exif());
    decoder.set_limits(bounds(&options.limits)).map_err(failed)?;

    let mut notes = Vec::new();
    let grey = match DynamicImage::from_decoder(decoder).map_err(failed)? {
        DynamicImage::ImageLuma8(image) => colour::to_grey(image.as_raw(), 1, &mut notes),
        DynamicImage::ImageLumaA8(image) => colour::to_grey(image.as_raw(), 2, &mut notes),
        DynamicImage::ImageRgb8(image) => colour::to_grey(image.as_raw(), 3, &mut notes),
        DynamicImage::ImageRgba8(image) => colour::to_grey(image.as_raw(), 4, &mut notes),
        DynamicImage::ImageLuma16(image) => colour::to_grey(image.as_raw(), 1, &mut notes),
        DynamicImage::ImageLumaA16(image) => colour::to_grey(image.as_raw(), 2, &mut notes),
        DynamicImage::ImageRgb16(image) => colour::to_grey(image.as_raw(), 3, &mut notes),
        DynamicImage::ImageRgba16(image) => colour::to_grey(image.as_raw(), 4, &mut notes),
        other => Err(Error::Input(format!("{format:?} with {:?} samples cannot be read", other.color()))),
    }?;
    if !turn.is_identity() {
        notes.push(Note::OrientationApplied);
    }
    let pixels =
        Array2::from_shape_vec((height as usize, width as usize), grey).map_err(|e| Error::Internal(format!("image shape: {e}")))?;
    Ok(Decoded { turn, notes, ..Decoded::plain(pixels, Source::Raster { format }) })
}

fn bounds(limits: &Limits) -> image::Limits {
    let mut bounds = image::Limits::default();
    bounds.max_image_width = Some(limits.max_side);
    bounds.max_image_height = Some(limits.max_side);
    bounds.max_alloc = Some(limits.max_decoded_bytes);
    bounds
}

fn failed(error: ImageError) -> Error {
    match error {
        ImageError::Limits(limit) => Error::LimitsExceeded(format!("the image is too large: {limit}")),
        ImageError::Unsupported(what) => Error::Input(format!("the image cannot be read: {what}")),
        other => Error::Input(format!("the image is damaged or truncated: {other}")),
    }
}
