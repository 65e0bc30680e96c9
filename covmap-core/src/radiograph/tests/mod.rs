//! Raster files written here or by hand, and what reading makes of them.

mod files;
mod hostile;
mod png_jpeg;
mod tiff;

use crate::radiograph::Radiograph;
use image::{ExtendedColorType, ImageEncoder};

/// A PNG file of native-endian samples.
pub(super) fn png(samples: &[u8], width: u32, height: u32, colour: ExtendedColorType) -> Vec<u8> {
    let mut bytes = Vec::new();
    image::codecs::png::PngEncoder::new(&mut bytes).write_image(samples, width, height, colour).unwrap();
    bytes
}

/// A JPEG file of 8-bit samples.
pub(super) fn jpeg(samples: &[u8], width: u32, height: u32, colour: ExtendedColorType) -> Vec<u8> {
    let mut bytes = Vec::new();
    image::codecs::jpeg::JpegEncoder::new_with_quality(&mut bytes, 95).write_image(samples, width, height, colour).unwrap();
    bytes
}

/// A single-strip TIFF file; `entries` are (tag, value) of 16-bit entries beside width, height and the strip.
pub(super) fn tiff(width: u32, height: u32, entries: &[(u16, u32)], strip: &[u8]) -> Vec<u8> {
    let mut all = vec![(256, width), (257, height), (273, 8), (278, height), (279, strip.len() as u32)];
    all.extend_from_slice(entries);
    all.sort();
    let directory = (8 + strip.len()).next_multiple_of(2);
    let mut bytes = [&b"II\x2a\0"[..], &(directory as u32).to_le_bytes(), strip].concat();
    bytes.resize(directory, 0);
    bytes.extend_from_slice(&(all.len() as u16).to_le_bytes());
    for (tag, value) in all {
        // Type 4 (LONG), one value.
        bytes.extend_from_slice(&[tag.to_le_bytes(), [4, 0]].concat());
        bytes.extend_from_slice(&[1u32.to_le_bytes(), value.to_le_bytes()].concat());
    }
    bytes.extend_from_slice(&[0; 4]);
    bytes
}

pub(super) fn pixels(bytes: &[u8]) -> Vec<u16> {
    Radiograph::from_bytes(bytes).unwrap().pixels().iter().copied().collect()
}

pub(super) fn words(samples: &[u16]) -> Vec<u8> {
    samples.iter().flat_map(|v| v.to_ne_bytes()).collect()
}
