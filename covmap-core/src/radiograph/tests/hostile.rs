//! Damaged and foreign files: a typed error or the same image, no panic, in bounded time.

use super::{jpeg, png, tiff};
use crate::Error;
use crate::radiograph::Radiograph;
use image::ExtendedColorType::{L8, L16, Rgb8, Rgba8};
use std::time::{Duration, Instant};

fn check(what: &str, bytes: &[u8]) -> Option<Radiograph> {
    let start = Instant::now();
    let result = Radiograph::from_bytes(bytes);
    assert!(start.elapsed() < Duration::from_secs(2), "{what} took {:?}", start.elapsed());
    match result {
        Ok(radiograph) => Some(radiograph),
        Err(Error::Input(_) | Error::LimitsExceeded(_)) => None,
        Err(other) => panic!("{what}: {other:?}"),
    }
}

/// Pictures with enough texture that a lost part shows.
fn samples() -> Vec<(&'static str, Vec<u8>)> {
    let texture: Vec<u8> = (0..40 * 30 * 4u32).map(|i| (i.wrapping_mul(2_654_435_761) >> 26) as u8 + 100).collect();
    let grey: Vec<u8> = texture.iter().step_by(4).copied().collect();
    let rgb: Vec<u8> = grey.iter().flat_map(|&v| [v, v, v]).collect();
    let mut bytes = std::io::Cursor::new(Vec::new());
    let mut encoder = ::tiff::encoder::TiffEncoder::new(&mut bytes).unwrap().with_compression(::tiff::encoder::Compression::Lzw);
    encoder.write_image::<::tiff::encoder::colortype::Gray8>(40, 30, &grey).unwrap();
    vec![
        ("png L8", png(&grey, 40, 30, L8)),
        ("png L16", png(&texture[..2400], 40, 30, L16)),
        ("png Rgb8", png(&rgb, 40, 30, Rgb8)),
        ("png Rgba8", png(&texture, 40, 30, Rgba8)),
        ("jpeg L8", jpeg(&grey, 40, 30, L8)),
        ("jpeg Rgb8", jpeg(&rgb, 40, 30, Rgb8)),
        ("tiff", tiff(40, 30, &[(258, 8), (262, 1)], &grey)),
        ("tiff lzw", bytes.into_inner()),
    ]
}

#[test]
fn truncated_files_are_never_half_an_image() {
    for (name, bytes) in samples() {
        let whole = check(name, &bytes);
        assert!(whole.is_some() || name == "png Rgba8", "{name}");
        for end in (0..20).map(|n| bytes.len() * n / 20).chain(bytes.len() - 40..bytes.len()) {
            if let Some(part) = check(&format!("{name} cut at {end}"), &bytes[..end]) {
                assert_eq!(Some(part.pixels()), whole.as_ref().map(|w| w.pixels()), "{name} cut at {end} of {}", bytes.len());
            }
        }
    }
}

#[test]
fn every_byte_may_be_wrong() {
    for (name, bytes) in samples() {
        for at in (0..bytes.len()).filter(|at| *at < 700 || *at > bytes.len() - 150) {
            for value in [0, 0xff, bytes[at] ^ 0x80, bytes[at].wrapping_add(1)] {
                let mut damaged = bytes.clone();
                damaged[at] = value;
                check(&format!("{name} byte {at} = {value}"), &damaged);
            }
        }
    }
}

#[test]
fn foreign_files_are_named() {
    let foreign: [(&[u8], &str); 8] = [
        (b"", "the file is empty"),
        (b"a", "not a PNG, JPEG, TIFF or DICOM file"),
        (b"PK\x03\x04\x14\0\0\0", "not a PNG, JPEG, TIFF or DICOM file but a ZIP archive"),
        (b"\x7fELF\x02\x01\x01\0\0\0", "not a PNG, JPEG, TIFF or DICOM file but a program"),
        (b"Patient: none\nFinding: none\n", "not a PNG, JPEG, TIFF or DICOM file"),
        (b"%PDF-1.7", "not a PNG, JPEG, TIFF or DICOM file but a PDF document"),
        (b"GIF89a", "not a PNG, JPEG, TIFF or DICOM file but a GIF image"),
        (&[0; 4096], "not a PNG, JPEG, TIFF or DICOM file"),
    ];
    for (bytes, text) in foreign {
        assert_eq!(Radiograph::from_bytes(bytes).unwrap_err().to_string(), text);
    }
    // The right beginning and nothing behind it.
    for magic in
        [&b"\x89PNG\r\n\x1a\n"[..], b"\xff\xd8\xff", b"II\x2a\0", b"MM\0\x2b", b"DICM", b"\x02\0\0\0UL\x04\0", b"\x08\0\x05\0CS\x04\0"]
    {
        assert!(check("magic", magic).is_none());
        assert!(check("magic and zeros", &[magic, &[0; 300]].concat()).is_none());
        assert!(check("magic and ones", &[magic, &[0xff; 300]].concat()).is_none());
    }
}

#[test]
fn tiff_directories_cannot_run_in_circles_or_claim_memory() {
    let mut circle = tiff(2, 1, &[(258, 8), (262, 1)], &[1, 2]);
    let directory = circle[4..8].to_vec();
    let end = circle.len();
    circle[end - 4..].copy_from_slice(&directory);
    check("a directory that follows itself", &circle);
    let options = crate::radiograph::ReadOptions::default().frame(3);
    assert!(Radiograph::from_bytes_with(&circle, &options).is_err());
    // A strip per row of a thousand rows, all of them claimed in one entry of four billion values.
    let mut claim = tiff(2, 1, &[(258, 8), (262, 1)], &[1, 2]);
    let at = claim.windows(4).position(|w| w == [0x11, 1, 4, 0]).unwrap();
    claim[at + 4..at + 8].fill(0xff);
    assert!(check("four billion strips", &claim).is_none());
    for (tag, value) in [(278, 1), (322, 0xffff_fff0), (323, 16), (277, 60_000), (259, 5), (259, 8), (317, 3)] {
        check("odd entries", &tiff(2, 1, &[(258, 8), (262, 1), (tag, value)], &[1, 2]));
    }
}
