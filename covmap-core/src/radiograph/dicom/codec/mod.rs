//! Compressed frames (PS3.5 annex A.4). Every header is checked against the object before a pixel is decoded or allocated.

mod jpeg;
mod jpeg2000;
mod jpeg_ls;
mod jpeg_xl;
mod rle;

use super::attributes::{Attributes, Colour};
use crate::{Error, Limits, Result};

/// What compressed the frames of a transfer syntax.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Codec {
    Rle,
    /// Baseline, extended and lossless (ISO/IEC 10918-1).
    Jpeg,
    JpegLs,
    Jpeg2000,
    /// High-Throughput JPEG 2000 (ISO/IEC 15444-15).
    HtJpeg2000,
    JpegXl,
}

/// Decodes one frame: `rows` x `columns` x samples, interleaved; signed samples in two's complement of 16 bits.
///
/// Colour comes back as red, green, blue, save from RLE, which keeps it as the object declares it.
///
/// # Errors
/// `Input` where the stream is damaged, truncated, unsupported or contradicts the object; `LimitsExceeded` where decoding would
/// take more memory than `max_decoded_bytes`.
pub(super) fn decode(codec: Codec, stream: &[u8], attributes: &Attributes, limits: &Limits) -> Result<Vec<u16>> {
    // What decoder and result hold at their peak, in bytes a sample, as measured on 6 megapixels of texture.
    let working = match codec {
        Codec::Rle => 4,
        Codec::Jpeg | Codec::JpegLs => 8,
        Codec::Jpeg2000 | Codec::HtJpeg2000 | Codec::JpegXl => 16,
    };
    limits.check_decoded(attributes.samples() as u64 * working)?;
    let samples = match codec {
        Codec::Rle => rle::decode(stream, attributes),
        Codec::Jpeg => jpeg::decode(stream, attributes),
        Codec::JpegLs => jpeg_ls::decode(stream, attributes),
        Codec::Jpeg2000 => jpeg2000::decode(stream, attributes),
        Codec::HtJpeg2000 => jpeg2000::decode_high_throughput(stream, attributes),
        Codec::JpegXl => jpeg_xl::decode(stream, attributes, limits),
    }?;
    if samples.len() != attributes.samples() {
        return Err(Error::Input("the encapsulated pixel data does not decode to the declared size".to_owned()));
    }
    Ok(samples)
}

/// What the header of a stream declares.
struct Declared {
    rows: u64,
    columns: u64,
    samples: u64,
    precision: u32,
}

impl Declared {
    /// Compares the header with the object.
    fn check(&self, name: &str, attributes: &Attributes) -> Result<()> {
        let object = (attributes.rows as u64, attributes.columns as u64, attributes.colour.samples() as u64);
        if (self.rows, self.columns, self.samples) != object {
            return Err(Error::Input(format!(
                "the {name} stream holds {} x {} pixels of {} samples, the object declares {} x {} of {}",
                self.rows, self.columns, self.samples, object.0, object.1, object.2
            )));
        }
        if self.precision == 0 || self.precision > u32::from(attributes.bits_allocated) {
            return Err(Error::Input(format!(
                "the {name} stream has {} bits a sample, Bits Allocated is {}",
                self.precision, attributes.bits_allocated
            )));
        }
        Ok(())
    }
}

/// An error of a decoder.
fn damaged(name: &str, error: impl std::fmt::Display) -> Error {
    Error::Input(format!("the {name} stream cannot be decoded: {error}"))
}

/// Bytes, or pairs of bytes, the lower first, as samples.
fn widen(bytes: &[u8], sample_bytes: usize) -> Vec<u16> {
    match sample_bytes {
        1 => bytes.iter().copied().map(u16::from).collect(),
        _ => bytes.chunks_exact(2).map(|b| u16::from_le_bytes([b[0], b[1]])).collect(),
    }
}

/// Refuses colour that a codec is not read in.
fn require_grey(name: &str, attributes: &Attributes) -> Result<()> {
    match attributes.colour {
        Colour::Grey { .. } => Ok(()),
        _ => Err(Error::Input(format!("colour in {name} cannot be read, grey can"))),
    }
}
