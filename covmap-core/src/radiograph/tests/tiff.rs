//! TIFF: (file, expected pixels). Tags: 258 bits, 262 photometric, 274 orientation, 277 samples, 284 planes, 338 alpha, 339 format.

use super::{pixels, tiff};
use crate::radiograph::{Note, Radiograph, RasterFormat, ReadOptions, Source};
use crate::{ErrorKind, Limits};

fn le16(samples: &[u16]) -> Vec<u8> {
    samples.iter().flat_map(|v| v.to_le_bytes()).collect()
}

fn le32(samples: &[f32]) -> Vec<u8> {
    samples.iter().flat_map(|v| v.to_le_bytes()).collect()
}

#[test]
fn unsigned_grey_keeps_its_range() {
    assert_eq!(pixels(&tiff(2, 2, &[(258, 8), (262, 1)], &[0, 1, 128, 255])), [0, 257, 128 * 257, 65535]);
    assert_eq!(pixels(&tiff(3, 1, &[(258, 16), (262, 1)], &le16(&[0, 700, 65535]))), [0, 700, 65535]);
    assert_eq!(pixels(&tiff(3, 2, &[(258, 1), (262, 1)], &[0b1010_0000, 0b0110_0000])), [65535, 0, 65535, 0, 65535, 65535]);
    assert_eq!(pixels(&tiff(3, 1, &[(258, 4), (262, 1)], &[0x0f, 0x30])), [0, 65535, 51 * 257]);
}

#[test]
fn white_is_zero_is_inverted() {
    let radiograph = Radiograph::from_bytes(&tiff(3, 1, &[(258, 8), (262, 0)], &[0, 55, 255])).unwrap();
    assert_eq!(radiograph.pixels().as_slice(), Some(&[65535, 200 * 257, 0][..]));
    assert_eq!(radiograph.notes(), [Note::Inverted]);
    assert_eq!(pixels(&tiff(2, 1, &[(258, 16), (262, 0)], &le16(&[0, 65534]))), [65535, 1]);
    assert_eq!(pixels(&tiff(3, 1, &[(258, 1), (262, 0)], &[0b1010_0000])), [0, 65535, 0]);
    assert_eq!(pixels(&tiff(2, 1, &[(258, 32), (262, 0), (339, 3)], &le32(&[-5.0, 5.0]))), [65535, 0]);
}

#[test]
fn signed_and_real_samples_are_spread() {
    assert_eq!(pixels(&tiff(3, 1, &[(258, 32), (262, 1), (339, 3)], &le32(&[-1.0, 0.0, 3.0]))), [0, 16384, 65535]);
    assert_eq!(pixels(&tiff(3, 1, &[(258, 16), (262, 1), (339, 2)], &le16(&[0xffff, 0, 1]))), [0, 32768, 65535]);
    let error = Radiograph::from_bytes(&tiff(2, 1, &[(258, 32), (262, 1), (339, 3)], &le32(&[0.0, f32::NAN]))).unwrap_err();
    assert_eq!((error.kind(), error.to_string().as_str()), (ErrorKind::Input, "pixel (row 0, column 1) is not a number"));
}

#[test]
fn orientation_is_applied() {
    let radiograph = Radiograph::from_bytes(&tiff(3, 1, &[(258, 8), (262, 1), (274, 6)], &[1, 2, 3])).unwrap();
    assert_eq!((radiograph.width(), radiograph.height()), (1, 3));
    assert_eq!(radiograph.notes(), [Note::OrientationApplied]);
    assert_eq!(radiograph.source(), &Source::Raster { format: RasterFormat::Tiff });
}

/// Written by the `tiff` crate: pages of 2 x 1 pixels, RGB and grey with alpha.
fn pages(count: u8) -> Vec<u8> {
    let mut bytes = std::io::Cursor::new(Vec::new());
    let mut encoder = ::tiff::encoder::TiffEncoder::new(&mut bytes).unwrap();
    for page in 0..count {
        encoder.write_image::<::tiff::encoder::colortype::RGB8>(2, 1, &[page, page, page, 255, 255, 255]).unwrap();
    }
    bytes.into_inner()
}

#[test]
fn pages_are_frames() {
    let bytes = pages(3);
    for page in 0..3 {
        let radiograph = Radiograph::from_bytes_with(&bytes, &ReadOptions::default().frame(page)).unwrap();
        assert_eq!(radiograph.pixels().as_slice(), Some(&[page as u16 * 257, 65535][..]));
        assert_eq!(radiograph.notes(), [Note::OneFrameOfSeveral]);
    }
    let error = Radiograph::from_bytes_with(&bytes, &ReadOptions::default().frame(3)).unwrap_err();
    assert_eq!(error.to_string(), "frame 3 was asked for; the TIFF file has 3 (0 to 2)");
    assert_eq!(Radiograph::from_bytes(&pages(1)).unwrap().notes(), []);
}

#[test]
fn what_a_page_declares_is_bounded() {
    let kind = |bytes: &[u8]| Radiograph::from_bytes(bytes).unwrap_err().kind();
    assert_eq!(kind(&tiff(60_000, 60_000, &[(258, 8), (262, 1)], &[0; 4])), ErrorKind::LimitsExceeded);
    // A palette and CMYK are colour.
    assert_eq!(kind(&tiff(2, 1, &[(258, 8), (262, 3)], &[0; 2])), ErrorKind::Input);
    assert_eq!(kind(&tiff(2, 1, &[(258, 8), (262, 5), (277, 4)], &[0; 8])), ErrorKind::Input);
    // Fewer bytes than 4 x 4 pixels need.
    assert_eq!(kind(&tiff(4, 4, &[(258, 8), (262, 1)], &[0; 4])), ErrorKind::Input);
    let limits = Limits { max_decoded_bytes: 3, ..Limits::default() };
    let bytes = tiff(2, 2, &[(258, 8), (262, 1)], &[0; 4]);
    let error = Radiograph::from_bytes_with(&bytes, &ReadOptions::default().limits(limits)).unwrap_err();
    assert_eq!(error.kind(), ErrorKind::LimitsExceeded);
}
