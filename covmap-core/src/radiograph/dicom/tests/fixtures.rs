//! Files of independent writers (pydicom, DCMTK, Pillow; see tests/fixtures/make_dicom.py) against what pydicom reads in them.

use crate::ErrorKind;
use crate::radiograph::{Radiograph, ReadOptions, Source, View};
use std::path::PathBuf;

pub(super) fn folder() -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("tests/fixtures/dicom")
}

/// Every fixture as (name, bytes).
pub(super) fn all() -> Vec<(String, Vec<u8>)> {
    let mut files: Vec<_> = std::fs::read_dir(folder())
        .unwrap()
        .map(|entry| entry.unwrap().path())
        .filter(|path| path.extension().is_some_and(|e| e == "dcm"))
        .map(|path| (path.file_stem().unwrap().to_string_lossy().into_owned(), std::fs::read(&path).unwrap()))
        .collect();
    files.sort();
    assert!(files.len() >= 39, "the fixtures are missing");
    files
}

#[test]
fn every_supported_transfer_syntax_decodes_as_in_pydicom() {
    for (name, bytes) in all().into_iter().filter(|(name, _)| !name.starts_with("unsupported")) {
        let raw = std::fs::read(folder().join(format!("{name}.raw"))).unwrap();
        let expected: Vec<u16> = raw.chunks_exact(2).map(|b| u16::from_le_bytes([b[0], b[1]])).collect();
        let frames = if name.contains("frames") { 3 } else { 1 };
        assert_eq!(expected.len(), frames * 24 * 32);
        // Decoders of lossy streams may round differently, by one step; rgb and ybr fixtures are 8 bits times 257.
        let tolerance = match name.as_str() {
            "jpeg-baseline-ybr-8" => 2 * 257,
            "jpeg-baseline-8" | "jpeg-baseline-frames-8" | "jpeg-extended-8" | "jpeg-extended-12" => 1,
            "jpeg-2000-lossy-8" | "htj2k-lossy-8" => 1,
            _ => 0,
        };
        for (frame, expected) in expected.chunks_exact(24 * 32).enumerate() {
            let radiograph =
                Radiograph::from_bytes_with(&bytes, &ReadOptions::default().frame(frame as u32)).unwrap_or_else(|e| panic!("{name}: {e}"));
            let worst = radiograph.pixels().iter().zip(expected).map(|(&a, &b)| a.abs_diff(b)).max().unwrap();
            println!("{name} frame {frame}: largest difference {worst}");
            assert!(worst <= tolerance, "{name} frame {frame}: {worst}");
            assert_eq!((radiograph.height(), radiograph.width()), (24, 32));
            assert_eq!((radiograph.spacing_mm(), radiograph.view()), (Some([0.2, 0.1]), View::Pa), "{name}");
            let Source::Dicom(source) = radiograph.source() else { panic!("{name}") };
            assert_eq!((source.sop_instance_uid.as_deref(), source.modality.as_deref()), (Some("2.25.1"), Some("DX")));
            assert_eq!((source.frame, source.frames), (frame as u32, frames as u32));
        }
        let error = Radiograph::from_bytes_with(&bytes, &ReadOptions::default().frame(frames as u32)).unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Parameter, "{error}");
        assert!(error.to_string().contains(&format!("the object has {frames} (0 to {})", frames - 1)), "{error}");
    }
}

#[test]
fn unsupported_transfer_syntaxes_are_named() {
    let error = Radiograph::open(folder().join("unsupported-mpeg-2.dcm")).unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Input);
    let wanted = "transfer syntax MPEG2 Main Profile / Main Level (1.2.840.10008.1.2.4.100) is not supported";
    assert!(error.to_string().ends_with(wanted), "{error}");
}
