//! Files: PNG, JPEG, TIFF and DICOM bytes.

use std::path::PathBuf;
use std::sync::OnceLock;

use covmap_core::{Limits, Radiograph, ReadOptions, Result, render};

use super::sound;

/// Bytes that start like a picture.
pub fn image(bytes: &[u8]) {
    if !is_dicom(bytes) {
        read(bytes, &options());
    }
}

/// Bytes that start like a DICOM file, and their second frame.
pub fn dicom(bytes: &[u8]) {
    if is_dicom(bytes) {
        read(bytes, &options());
        read(bytes, &options().frame(1));
    }
}

fn is_dicom(bytes: &[u8]) -> bool {
    bytes.get(128..132) == Some(b"DICM") || bytes.first().is_some_and(|first| *first < 0x10)
}

fn options() -> ReadOptions {
    let mut limits = Limits::default();
    (limits.max_side, limits.max_pixels, limits.max_decoded_bytes, limits.max_frames) = (4096, 1 << 20, 32 << 20, 64);
    ReadOptions::default().limits(limits)
}

fn read(bytes: &[u8], options: &ReadOptions) {
    let found = Radiograph::from_bytes_with(bytes, options);
    // It does not matter how the bytes arrive: from elsewhere in memory, or from a file.
    let shifted = [&[0], bytes].concat();
    same(&found, &Radiograph::from_bytes_with(&shifted[1..], options));
    std::fs::write(file(), bytes).expect("a file for the input");
    same(&found, &Radiograph::open_with(file(), options));

    let Some(radiograph) = sound(found) else { return };
    let (rows, columns) = radiograph.pixels().dim();
    assert!(rows > 0 && columns > 0 && rows.max(columns) <= 4096 && rows * columns <= 1 << 20, "{rows} x {columns}");
    let positive = |x: f64| x.is_finite() && x > 0.0;
    assert!(radiograph.spacing_mm().is_none_or(|mm| mm.into_iter().all(positive)), "{:?}", radiograph.spacing_mm());
    assert!(positive(radiograph.pixel_aspect_ratio()), "{}", radiograph.pixel_aspect_ratio());
    // What was read can be written, and reads the same.
    let png = render::encode_grey16(&radiograph.pixels().to_owned()).expect("a radiograph is a picture");
    let again = Radiograph::from_bytes_with(&png, &options.frame(0)).expect("a picture of ours");
    assert_eq!(radiograph.pixels(), again.pixels());
}

fn same(one: &Result<Radiograph>, other: &Result<Radiograph>) {
    match (one, other) {
        (Ok(one), Ok(other)) => assert!(one == other, "the same bytes read differently"),
        (Err(one), Err(other)) => assert_eq!(one.kind(), other.kind()),
        _ => panic!("{one:?} is not {other:?}"),
    }
}

/// A file of this process.
fn file() -> &'static PathBuf {
    static FILE: OnceLock<PathBuf> = OnceLock::new();
    FILE.get_or_init(|| std::env::temp_dir().join(format!("covmap-fuzz-{}", std::process::id())))
}
