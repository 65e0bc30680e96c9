//! Damaged and malicious objects: a typed error or the same image, no panic, in bounded time.

use super::*;
use crate::radiograph::ReadOptions;
use crate::radiograph::dicom::syntax;
use crate::{Error, ErrorKind, Limits};
use std::time::{Duration, Instant};

/// Reading must end soon with an image or with the input's fault.
pub(super) fn check(what: &str, bytes: &[u8]) -> Option<Radiograph> {
    let start = Instant::now();
    let result = Radiograph::from_bytes(bytes);
    assert!(start.elapsed() < Duration::from_secs(2), "{what} took {:?}", start.elapsed());
    match result {
        Ok(radiograph) => Some(radiograph),
        Err(Error::Input(_) | Error::LimitsExceeded(_)) => None,
        Err(other) => panic!("{what}: {other:?}"),
    }
}

#[test]
fn truncated_objects_are_never_half_an_image() {
    for (name, bytes) in fixtures::all() {
        let whole = check(&name, &bytes);
        let cuts = (0..20).map(|n| bytes.len() * n / 20).chain(bytes.len().saturating_sub(24)..bytes.len());
        for end in cuts {
            if let Some(part) = check(&format!("{name} cut at {end}"), &bytes[..end]) {
                assert_eq!(Some(part.pixels()), whole.as_ref().map(|w| w.pixels()), "{name} cut at {end} of {}", bytes.len());
            }
        }
    }
}

#[test]
fn every_byte_may_be_wrong() {
    for (name, bytes) in fixtures::all() {
        for at in (0..bytes.len()).filter(|at| *at < 132 || at % 7 == 0 || *at > bytes.len() - 64) {
            for value in [0, 0xff, bytes[at] ^ 0x80, bytes[at].wrapping_add(1)] {
                let mut damaged = bytes.clone();
                damaged[at] = value;
                check(&format!("{name} byte {at} = {value}"), &damaged);
            }
        }
    }
}

/// A little endian element in explicit encoding with a 32-bit length.
fn long(tag: Tag, vr: &[u8; 2], length: u32) -> Vec<u8> {
    let mut bytes = [tag.group().to_le_bytes(), tag.element().to_le_bytes(), *vr, [0, 0]].concat();
    bytes.extend_from_slice(&length.to_le_bytes());
    bytes
}

fn item(length: u32) -> Vec<u8> {
    [&[0xfe, 0xff, 0x00, 0xe0][..], &length.to_le_bytes()].concat()
}

/// The object's file with bytes put in front of its data set.
fn with_prefix(object: &InMemDicomObject, prefix: &[u8]) -> Vec<u8> {
    let mut bytes = file(object, EXPLICIT);
    let (_, start) = super::super::structure::file_meta(&bytes).unwrap();
    bytes.splice(start..start, prefix.iter().copied());
    bytes
}

#[test]
fn nested_sequences_do_not_exhaust_the_stack() {
    let object = object(&[0, 1], 1);
    let level = [long(Tag(0x0008, 0x1140), b"SQ", u32::MAX), item(u32::MAX)].concat();
    let error = Radiograph::from_bytes(&with_prefix(&object, &level.repeat(200_000))).unwrap_err();
    assert!(error.to_string().contains("nested deeper"), "{error}");
    // Nested with defined lengths, inside elements that are decoded.
    for tag in [VOI_LUT_SEQUENCE, ROWS] {
        let mut nested = Vec::new();
        for _ in 0..3_000 {
            nested = [long(tag, b"SQ", nested.len() as u32 + 8), item(nested.len() as u32), nested].concat();
        }
        check("nested", &with_prefix(&object, &nested));
    }
}

#[test]
fn claimed_lengths_are_not_believed() {
    let object = object(&[0, 1], 1);
    for tag in [Tag(0x0008, 0x1140), ROWS, VOI_LUT_SEQUENCE, Tag(0x0009, 0x0001)] {
        for vr in [b"OB", b"SQ", b"UN", b"UT", b"OW"] {
            for length in [u32::MAX - 1, 0x7fff_ffff, u32::MAX] {
                let bytes = with_prefix(&object, &long(tag, vr, length));
                assert_eq!(Radiograph::from_bytes(&bytes).unwrap_err().kind(), ErrorKind::Input, "{tag} {length}");
            }
        }
    }
    let mut meta = vec![0; 128];
    meta.extend_from_slice(b"DICM");
    meta.extend_from_slice(&long(Tag(2, 1), b"OB", u32::MAX - 1));
    assert_eq!(Radiograph::from_bytes(&meta).unwrap_err().kind(), ErrorKind::Input);
}

#[test]
fn a_deflated_bomb_is_stopped() {
    use std::io::Write;
    let native = file(&object(&[0, 1], 1), EXPLICIT);
    let (_, start) = super::super::structure::file_meta(&native).unwrap();
    let mut header = native[..132].to_vec();
    header.extend_from_slice(&[2, 0, 0x10, 0, b'U', b'I', syntax::DEFLATED.len() as u8, 0]);
    header.extend_from_slice(syntax::DEFLATED.as_bytes());
    let mut encoder = flate2::write::DeflateEncoder::new(header.clone(), flate2::Compression::fast());
    encoder.write_all(&native[start..]).unwrap();
    Radiograph::from_bytes(&encoder.finish().unwrap()).unwrap();

    let mut encoder = flate2::write::DeflateEncoder::new(header, flate2::Compression::fast());
    (0..64).for_each(|_| encoder.write_all(&[0; 1 << 20]).unwrap());
    let bomb = encoder.finish().unwrap();
    let limits = Limits { max_decoded_bytes: 1 << 20, ..Limits::default() };
    let error = Radiograph::from_bytes_with(&bomb, &ReadOptions::default().limits(limits)).unwrap_err();
    assert_eq!(error.kind(), ErrorKind::LimitsExceeded);
}

#[test]
fn encapsulated_streams_must_fit_what_is_declared() {
    // Where rows and components stand behind the start of the frame header or of the image and tile size.
    let headers: [(&str, &[u8], usize, usize); 4] = [
        ("jpeg-baseline-8", b"\xff\xc0", 5, 9),
        ("jpeg-extended-12", b"\xff\xc1", 5, 9),
        ("jpeg-ls-16", b"\xff\xf7", 5, 9),
        ("jpeg-2000-16", b"\xff\x51", 12, 39),
    ];
    let fixtures = fixtures::all();
    for (name, marker, rows, components) in headers {
        let bytes = &fixtures.iter().find(|(fixture, _)| fixture == name).unwrap().1;
        let at = bytes.windows(2).position(|pair| pair == marker).unwrap();
        // At least 65,280 rows in the stream, 24 in the object.
        let mut tall = bytes.clone();
        tall[at + rows] = 0xff;
        let error = Radiograph::from_bytes(&tall).unwrap_err().to_string();
        assert!(error.contains("x 32 pixels of 1 samples, the object declares 24 x 32 of 1"), "{name}: {error}");
        let mut colour = bytes.clone();
        colour[at + components] = 3;
        assert!(Radiograph::from_bytes(&colour).is_err(), "{name}");
    }
    // Bits: 12 in the stream, 8 allocated by the object.
    let deep = &fixtures.iter().find(|(fixture, _)| fixture == "jpeg-extended-12").unwrap().1;
    let at = deep.windows(8).position(|element| element == b"\x28\0\0\x01US\x02\0").unwrap();
    let mut shallow = deep.clone();
    shallow[at + 8] = 8;
    let stored = at + 10 + 8;
    shallow[stored] = 8;
    shallow[stored + 10] = 7;
    let error = Radiograph::from_bytes(&shallow).unwrap_err().to_string();
    assert!(error.contains("the JPEG stream has 12 bits a sample, Bits Allocated is 8"), "{error}");
}

#[test]
fn decoders_stay_within_the_limits() {
    for (name, bytes) in fixtures::all().into_iter().filter(|(name, _)| name.starts_with('j') || name.starts_with('h')) {
        let limits = Limits { max_decoded_bytes: 24 * 32 * 2 - 1, ..Limits::default() };
        let error = Radiograph::from_bytes_with(&bytes, &ReadOptions::default().limits(limits)).unwrap_err();
        assert_eq!(error.kind(), ErrorKind::LimitsExceeded, "{name}");
    }
}
