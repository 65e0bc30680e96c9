//! JPEG baseline, extended with 8 and 12 bits, lossless with any predictor (ISO/IEC 10918-1).

use super::{Declared, damaged, widen};
use crate::radiograph::dicom::attributes::{Attributes, Colour};
use crate::radiograph::jpeg;
use crate::{Error, Result};
use openreadout_codecs::{JpegColor, jpeg_decode_tiff_limited};

pub(super) fn decode(stream: &[u8], attributes: &Attributes) -> Result<Vec<u16>> {
    let header = jpeg::inspect(stream)?;
    let (rows, columns) = (u64::from(header.rows), u64::from(header.columns));
    Declared { rows, columns, samples: u64::from(header.components), precision: u32::from(header.precision) }.check("JPEG", attributes)?;
    // A code has at least one bit: one a sample where they are lossless, else two a block of 64 samples (its mean, and the end of
    // its other coefficients). Decoders fill what is missing, so a short stream of large size would be a large image of nothing.
    let least = if header.lossless { attributes.samples() } else { attributes.samples() / 32 };
    if stream.len().saturating_mul(8) < least {
        return Err(Error::Input("the JPEG stream is too short for the size that it declares".to_owned()));
    }
    // The object knows better than the stream's own markers whether its components are colours already.
    let colour = if attributes.colour == Colour::Rgb { JpegColor::AsCoded } else { JpegColor::ToRgb };
    let raster = jpeg_decode_tiff_limited(stream, None, colour, 2 * attributes.samples()).map_err(|e| damaged("JPEG", e))?;
    Ok(widen(&raster.data, raster.bits_per_sample as usize / 8))
}
