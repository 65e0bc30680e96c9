//! PNG and JPEG: (file, expected pixels).

use super::{jpeg, pixels, png, words};
use crate::radiograph::{Note, Radiograph, RasterFormat, ReadOptions, Source};
use crate::{ErrorKind, Limits};
use image::ExtendedColorType::{L8, L16, La8, La16, Rgb8, Rgb16, Rgba8, Rgba16};

#[test]
fn png_of_every_sample_type() {
    assert_eq!(pixels(&png(&[0, 1, 128, 255], 2, 2, L8)), [0, 257, 128 * 257, 65535]);
    assert_eq!(pixels(&png(&words(&[0, 1, 40_000, 65535]), 2, 2, L16)), [0, 1, 40_000, 65535]);
    assert_eq!(pixels(&png(&[10, 255, 200, 128, 200, 0, 255, 255], 2, 2, La8)), [2570, 25801, 0, 65535]);
    assert_eq!(pixels(&png(&words(&[1000, 65535, 50_000, 0]), 2, 1, La16)), [1000, 0]);
    assert_eq!(pixels(&png(&[7, 7, 7, 255, 255, 255], 2, 1, Rgb8)), [7 * 257, 65535]);
    assert_eq!(pixels(&png(&words(&[700, 700, 700, 9, 9, 9]), 2, 1, Rgb16)), [700, 9]);
    assert_eq!(pixels(&png(&[7, 7, 7, 255, 255, 255, 255, 51], 2, 1, Rgba8)), [7 * 257, 51 * 257]);
    assert_eq!(pixels(&png(&words(&[700, 700, 700, 65535, 9, 9, 9, 0]), 2, 1, Rgba16)), [700, 0]);
}

/// A PNG file from its header's last five bytes, a chunk before the data and raw rows.
fn raw_png(width: u32, height: u32, tail: [u8; 5], chunk: &[u8], rows: &[u8]) -> Vec<u8> {
    use std::io::Write;
    let mut crc_of = Vec::new();
    let mut bytes = b"\x89PNG\r\n\x1a\n".to_vec();
    let mut put = |name: &[u8; 4], data: &[u8]| {
        crc_of = [&name[..], data].concat();
        bytes.extend_from_slice(&(data.len() as u32).to_be_bytes());
        bytes.extend_from_slice(&crc_of);
        let mut crc = flate2::Crc::new();
        crc.update(&crc_of);
        bytes.extend_from_slice(&crc.sum().to_be_bytes());
    };
    put(b"IHDR", &[&width.to_be_bytes()[..], &height.to_be_bytes(), &tail].concat());
    if !chunk.is_empty() {
        put(chunk[..4].try_into().unwrap(), &chunk[4..]);
    }
    let mut zlib = flate2::write::ZlibEncoder::new(Vec::new(), flate2::Compression::fast());
    zlib.write_all(rows).unwrap();
    put(b"IDAT", &zlib.finish().unwrap());
    put(b"IEND", &[]);
    bytes
}

#[test]
fn palettes_and_few_bits_are_expanded() {
    // Rows start with the filter type, 0.
    assert_eq!(pixels(&raw_png(3, 1, [1, 0, 0, 0, 0], b"", &[0, 0b1010_0000])), [65535, 0, 65535]);
    assert_eq!(pixels(&raw_png(3, 1, [2, 0, 0, 0, 0], b"", &[0, 0b0001_1000])), [0, 85 * 257, 170 * 257]);
    assert_eq!(pixels(&raw_png(2, 1, [4, 0, 0, 0, 0], b"", &[0, 0x3f])), [51 * 257, 65535]);
    let palette = [&b"PLTE"[..], &[9, 9, 9, 200, 200, 200]].concat();
    assert_eq!(pixels(&raw_png(2, 1, [8, 3, 0, 0, 0], &palette, &[0, 1, 0])), [200 * 257, 9 * 257]);
}

#[test]
fn a_declared_size_is_checked_before_decoding() {
    for (width, height) in [(60_000, 60_000), (16_385, 1), (16_000, 16_000)] {
        let error = Radiograph::from_bytes(&raw_png(width, height, [8, 0, 0, 0, 0], b"", &[0])).unwrap_err();
        assert_eq!(error.kind(), ErrorKind::LimitsExceeded, "{error}");
    }
    let limits = Limits { max_decoded_bytes: 5, ..Limits::default() };
    let bytes = png(&[0; 6], 3, 2, L8);
    let error = Radiograph::from_bytes_with(&bytes, &ReadOptions::default().limits(limits)).unwrap_err();
    assert_eq!(error.kind(), ErrorKind::LimitsExceeded, "{error}");
    let mut huge = jpeg(&[0; 64], 8, 8, L8);
    let at = huge.windows(2).position(|pair| pair == [0xff, 0xc0]).unwrap();
    huge[at + 5..at + 9].fill(0xff);
    assert_eq!(Radiograph::from_bytes(&huge).unwrap_err().kind(), ErrorKind::LimitsExceeded);
}

#[test]
fn jpeg_grey_and_grey_as_rgb() {
    let grey: Vec<u8> = (0..48 * 32u32).map(|i| (i % 48 * 5) as u8).collect();
    let rgb: Vec<u8> = grey.iter().flat_map(|&v| [v, v, v]).collect();
    for bytes in [jpeg(&grey, 48, 32, L8), jpeg(&rgb, 48, 32, Rgb8)] {
        let radiograph = Radiograph::from_bytes(&bytes).unwrap();
        let worst = radiograph.pixels().iter().zip(&grey).map(|(&a, &b)| (a / 257).abs_diff(b.into())).max();
        assert!(worst <= Some(6), "{worst:?}");
        assert_eq!((radiograph.notes(), radiograph.source()), (&[][..], &Source::Raster { format: RasterFormat::Jpeg }));
    }
}

#[test]
fn colour_photographs_are_refused() {
    let photograph: Vec<u8> = (0..64 * 64u32).flat_map(|i| [(i % 64 * 4) as u8, (i / 64 * 4) as u8, 90]).collect();
    for bytes in [png(&photograph, 64, 64, Rgb8), jpeg(&photograph, 64, 64, Rgb8)] {
        let error = Radiograph::from_bytes(&bytes).unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Input);
        assert!(error.to_string().contains("of the pixels have colour), a radiograph is grey"), "{error}");
    }
    // A red letter of 6 x 6 pixels in 64 x 64.
    let mut marked = vec![60u8; 64 * 64 * 3];
    for (y, x) in (0..36).map(|i| (i / 6, i % 6)) {
        marked[(y * 64 + x) * 3] = 255;
    }
    let radiograph = Radiograph::from_bytes(&png(&marked, 64, 64, Rgb8)).unwrap();
    assert_eq!(radiograph.notes(), [Note::ColouredMarks]);
}

/// An EXIF block in front of the first segment of a JPEG file.
fn with_orientation(mut bytes: Vec<u8>, orientation: u8) -> Vec<u8> {
    let mut exif = vec![0xff, 0xe1, 0, 34];
    exif.extend_from_slice(b"Exif\0\0MM\0\x2a\0\0\0\x08\0\x01\x01\x12\0\x03\0\0\0\x01\0");
    exif.extend_from_slice(&[orientation, 0, 0, 0, 0, 0, 0]);
    assert_eq!(exif.len(), 36);
    bytes.splice(2..2, exif);
    bytes
}

#[test]
fn exif_orientation_is_applied() {
    // Four flat quarters, of which JPEG keeps the grey: upright they read 0, 80 above 160, 240.
    let quarters = |values: [u8; 4], width: u32, height: u32| -> Vec<u8> {
        let pixel = |x: u32, y: u32| values[(y * 2 / height * 2 + x * 2 / width) as usize];
        jpeg(&(0..width * height).map(|i| pixel(i % width, i / width)).collect::<Vec<_>>(), width, height, L8)
    };
    let stored = [
        (1, [0, 80, 160, 240], 32, 16),
        (2, [80, 0, 240, 160], 32, 16),
        (3, [240, 160, 80, 0], 32, 16),
        (4, [160, 240, 0, 80], 32, 16),
        (5, [0, 160, 80, 240], 16, 32),
        (6, [80, 240, 0, 160], 16, 32),
        (7, [240, 80, 160, 0], 16, 32),
        (8, [160, 0, 240, 80], 16, 32),
    ];
    for (orientation, values, width, height) in stored {
        let radiograph = Radiograph::from_bytes(&with_orientation(quarters(values, width, height), orientation)).unwrap();
        assert_eq!((radiograph.width(), radiograph.height()), (32, 16), "orientation {orientation}");
        let corner = |row, column| (f64::from(radiograph.pixels()[[row, column]]) / 257.0).round();
        assert_eq!([corner(0, 0), corner(0, 31), corner(15, 0), corner(15, 31)], [0.0, 80.0, 160.0, 240.0], "{orientation}");
        assert_eq!(radiograph.notes().contains(&Note::OrientationApplied), orientation != 1);
    }
}

#[test]
fn a_raster_image_has_one_frame() {
    let error = Radiograph::from_bytes_with(&png(&[0], 1, 1, L8), &ReadOptions::default().frame(1)).unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Parameter);
}

#[test]
fn the_hash_is_that_of_the_bytes() {
    let radiograph = Radiograph::from_bytes(&png(&[0], 1, 1, L8)).unwrap();
    assert_eq!(radiograph.sha256().map(str::len), Some(64));
}
