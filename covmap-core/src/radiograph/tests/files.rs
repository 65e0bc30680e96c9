//! Opening files: real radiographs, what is no file, what is too large.

use super::png;
use crate::radiograph::{Radiograph, ReadOptions, looks_readable};
use crate::{ErrorKind, Limits};
use std::path::{Path, PathBuf};

#[test]
fn all_full_resolution_radiographs_open() {
    let folder =
        std::env::var_os("COVMAP_DATA").map_or_else(|| Path::new(env!("CARGO_MANIFEST_DIR")).join("../../shared/data"), PathBuf::from);
    let Ok(entries) = std::fs::read_dir(folder.join("fullres")) else {
        eprintln!("SKIPPED: no full resolution radiographs at {}", folder.display());
        return;
    };
    let mut opened = 0;
    for entry in entries {
        let path = entry.unwrap().path();
        let radiograph = Radiograph::open(&path).unwrap();
        println!("{}: {} x {}, {:?}", path.display(), radiograph.width(), radiograph.height(), radiograph.notes());
        assert!(radiograph.width() > 500 && radiograph.height() > 500);
        opened += 1;
    }
    assert_eq!(opened, 10);
}

#[test]
fn what_is_no_file_is_an_io_error() {
    for path in ["/nonexistent/covmap.png", "/"] {
        let error = Radiograph::open(path).unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Io, "{error}");
        assert!(error.to_string().starts_with(path));
    }
}

#[test]
fn too_large_a_file_is_refused_before_reading() {
    let path = std::env::temp_dir().join(format!("covmap-large-{}.png", std::process::id()));
    std::fs::write(&path, png(&[0; 4], 2, 2, image::ExtendedColorType::L8)).unwrap();
    let limits = Limits { max_file_bytes: 20, ..Limits::default() };
    let error = Radiograph::open_with(&path, &ReadOptions::default().limits(limits)).unwrap_err();
    let opened = Radiograph::open(&path);
    std::fs::remove_file(&path).unwrap();
    assert_eq!(error.kind(), ErrorKind::LimitsExceeded);
    assert!(error.to_string().starts_with(&path.display().to_string()));
    assert_eq!(opened.unwrap().width(), 2);
}

#[test]
fn files_without_extension_are_told_by_their_first_bytes() {
    let fixtures = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/fixtures/dicom");
    assert!(looks_readable(&fixtures.join("rle-16.dcm")));
    assert!(!looks_readable(&fixtures.join("rle-16.raw")));
    assert!(!looks_readable(&fixtures) && !looks_readable(Path::new("/nonexistent")) && !looks_readable(Path::new("/dev/null")));
}
