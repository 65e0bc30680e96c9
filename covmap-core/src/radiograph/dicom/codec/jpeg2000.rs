//! JPEG 2000 (ISO/IEC 15444-1) and its High-Throughput block coding (15444-15): bare codestreams (PS3.5 A.4.4).

use super::{Declared, damaged, widen};
use crate::radiograph::dicom::attributes::Attributes;
use crate::{Error, Result};
use dicom_toolkit_jpeg2000::{DecodeSettings, Image};

const NAME: &str = "JPEG 2000";
/// Tiles of an image; their index has 16 bits (15444-1 A.4.2).
const MAX_TILES: u64 = 65_535;

pub(super) fn decode(stream: &[u8], attributes: &Attributes) -> Result<Vec<u16>> {
    let size = Size::read(stream)?;
    size.check(attributes)?;
    let image = rust_j2k::decode(stream).map_err(|e| damaged(NAME, e))?;
    let components = &image.components;
    if components.iter().any(|c| c.samples.len() != attributes.rows * attributes.columns) {
        return Err(Error::Input("components of the JPEG 2000 stream differ in size".to_owned()));
    }
    if let [grey] = components.as_slice() {
        return Ok(grey.samples.iter().map(|&sample| sample as u16).collect());
    }
    Ok((0..attributes.rows * attributes.columns).flat_map(|at| components.iter().map(move |c| c.samples[at] as u16)).collect())
}

pub(super) fn decode_high_throughput(stream: &[u8], attributes: &Attributes) -> Result<Vec<u16>> {
    let size = Size::read(stream)?;
    size.check(attributes)?;
    let settings = DecodeSettings { strict: true, ..DecodeSettings::default() };
    let bitmap = Image::new(stream, &settings).and_then(|image| image.decode_native()).map_err(|e| damaged(NAME, e))?;
    let mut samples = widen(&bitmap.data, usize::from(bitmap.bytes_per_sample));
    if size.signed {
        // The decoder lifts signed samples by half the range, as if they were unsigned.
        let half = 1u16 << (size.precision - 1);
        samples.iter_mut().for_each(|sample| *sample = sample.wrapping_sub(half));
    }
    Ok(samples)
}

/// Image and tile size (SIZ, 15444-1 A.5.1).
struct Size {
    rows: u64,
    columns: u64,
    components: u64,
    precision: u32,
    signed: bool,
}

impl Size {
    /// Reads the marker segment, which is always the first.
    fn read(stream: &[u8]) -> Result<Self> {
        let malformed = |what: &str| Error::Input(format!("the JPEG 2000 stream is malformed: {what}"));
        if !stream.starts_with(&[0xff, 0x4f, 0xff, 0x51]) {
            return Err(malformed("it does not start with a codestream header"));
        }
        // One zero may pad the fragment to an even length. Decoders make do with half a stream; half an image is no image.
        if !stream.strip_suffix(&[0]).unwrap_or(stream).ends_with(&[0xff, 0xd9]) {
            return Err(Error::Input("the JPEG 2000 stream is truncated".to_owned()));
        }
        let number = |at: usize| -> Result<u64> {
            let bytes = stream.get(at..at + 4).and_then(|b| b.try_into().ok()).ok_or_else(|| malformed("a short header"))?;
            Ok(u64::from(u32::from_be_bytes(bytes)))
        };
        let [right, bottom, left, top, tile_width, tile_height, tile_left, tile_top] =
            [number(8)?, number(12)?, number(16)?, number(20)?, number(24)?, number(28)?, number(32)?, number(36)?];
        if left >= right || top >= bottom || tile_width == 0 || tile_height == 0 || tile_left > left || tile_top > top {
            return Err(malformed("an empty image or tile"));
        }
        let tiles = (right - tile_left).div_ceil(tile_width).saturating_mul((bottom - tile_top).div_ceil(tile_height));
        if tiles > MAX_TILES {
            return Err(malformed(&format!("{tiles} tiles")));
        }
        let components = number(38)? & 0xffff;
        let parameters = stream.get(42..42 + 3 * components as usize).ok_or_else(|| malformed("a short header"))?;
        let Some(&[depth, 1, 1]) = parameters.get(..3) else {
            return Err(malformed("no component of full size"));
        };
        if parameters.chunks_exact(3).any(|component| component != [depth, 1, 1]) {
            return Err(Error::Input("components of the JPEG 2000 stream differ in size or depth".to_owned()));
        }
        Ok(Size {
            rows: bottom - top,
            columns: right - left,
            components,
            precision: u32::from(depth & 0x7f) + 1,
            signed: depth & 0x80 != 0,
        })
    }

    fn check(&self, attributes: &Attributes) -> Result<()> {
        Declared { rows: self.rows, columns: self.columns, samples: self.components, precision: self.precision }.check(NAME, attributes)
    }
}
