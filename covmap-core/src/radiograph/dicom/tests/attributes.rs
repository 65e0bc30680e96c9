//! What objects declare: syntaxes, modality, orientation, spacing, colour, contradictions.

use super::*;
use crate::radiograph::{Note, ReadOptions, Source, View};
use crate::{ErrorKind, Limits};

#[test]
fn native_syntaxes_agree() {
    let object = object(&[1, 500, 65535, 0x1234, 7, 8], 2);
    let expected = pixels(&object);
    for syntax in ["1.2.840.10008.1.2", EXPLICIT, "1.2.840.10008.1.2.2"] {
        let bytes = file(&object, syntax);
        let radiograph = Radiograph::from_bytes(&bytes).unwrap();
        assert_eq!(radiograph.pixels().as_slice(), Some(&expected[..]), "{syntax}");
        let Source::Dicom(source) = radiograph.source() else { panic!() };
        assert_eq!(source.transfer_syntax_uid, syntax);
        // Without preamble, with and without the prefix.
        for start in [128, 132] {
            assert_eq!(Radiograph::from_bytes(&bytes[start..]).unwrap().pixels(), radiograph.pixels());
        }
    }
}

#[test]
fn bare_data_sets_are_read() {
    let object = object(&[1, 2, 3], 1);
    for syntax in ["1.2.840.10008.1.2", EXPLICIT] {
        let bytes = file(&object, syntax);
        let (_, start) = super::super::structure::file_meta(&bytes).unwrap();
        let radiograph = Radiograph::from_bytes(&bytes[start..]).unwrap();
        let Source::Dicom(source) = radiograph.source() else { panic!() };
        assert_eq!(source.transfer_syntax_uid, syntax);
    }
}

#[test]
fn only_projection_radiographs_are_read() {
    for modality in ["CR", "DX", "RG"] {
        let mut object = object(&[0, 1], 1);
        text(&mut object, MODALITY, VR::CS, modality);
        assert_eq!(read(&object).unwrap().notes(), []);
    }
    for modality in ["OT", ""] {
        let mut object = object(&[0, 1], 1);
        text(&mut object, MODALITY, VR::CS, modality);
        assert_eq!(read(&object).unwrap().notes(), [Note::ModalityUnknown]);
        object.remove_element(MODALITY);
        assert_eq!(read(&object).unwrap().notes(), [Note::ModalityUnknown]);
    }
    for modality in ["CT", "MR", "US", "SEG", "SR", "PT", "NM", "MG", "XA", "RF", "IO"] {
        let mut object = object(&[0, 1], 1);
        text(&mut object, MODALITY, VR::CS, modality);
        assert_eq!(error(&object), format!("modality {modality} is not a chest radiograph (CR, DX and RG are)"));
        // Without pixel data the modality is still what is wrong.
        object.remove_element(PIXEL_DATA);
        assert!(error(&object).contains(modality));
    }
}

#[test]
fn patient_orientation_turns_pixels_and_spacing() {
    let read_as = |orientation: &str| {
        let mut object = object(&[0, 1, 2, 3, 4, 5], 2);
        text(&mut object, PATIENT_ORIENTATION, VR::CS, orientation);
        text(&mut object, PIXEL_SPACING, VR::DS, "0.2\\0.1");
        text(&mut object, WINDOW_CENTER, VR::DS, "32767.5");
        text(&mut object, WINDOW_WIDTH, VR::DS, "65535");
        text(&mut object, VOI_LUT_FUNCTION, VR::CS, "LINEAR_EXACT");
        let radiograph = read(&object).unwrap();
        let rows: Vec<Vec<u16>> = radiograph.pixels().rows().into_iter().map(|row| row.to_vec()).collect();
        (rows, radiograph.notes().to_vec(), radiograph.spacing_mm().unwrap())
    };
    let (tall, flat) = ([0.1, 0.2], [0.2, 0.1]);
    assert_eq!(read_as("L\\F"), (vec![vec![0, 1, 2], vec![3, 4, 5]], vec![], flat));
    assert_eq!(read_as("R\\F"), (vec![vec![2, 1, 0], vec![5, 4, 3]], vec![Note::MirroredTurned], flat));
    assert_eq!(read_as("R\\H"), (vec![vec![5, 4, 3], vec![2, 1, 0]], vec![Note::RotatedTurned], flat));
    assert_eq!(read_as("L\\H"), (vec![vec![3, 4, 5], vec![0, 1, 2]], vec![Note::MirroredTurned], flat));
    assert_eq!(read_as("F\\R"), (vec![vec![3, 0], vec![4, 1], vec![5, 2]], vec![Note::RotatedTurned], tall));
    assert_eq!(read_as("H\\L"), (vec![vec![2, 5], vec![1, 4], vec![0, 3]], vec![Note::RotatedTurned], tall));
    assert_eq!(read_as("F\\L"), (vec![vec![0, 3], vec![1, 4], vec![2, 5]], vec![Note::MirroredTurned], tall));
    for left_alone in ["L\\L", "X", ""] {
        assert_eq!(read_as(left_alone), (vec![vec![0, 1, 2], vec![3, 4, 5]], vec![], flat), "{left_alone}");
    }
}

#[test]
fn spacing_comes_from_the_image_then_from_the_detector() {
    let mut object = object(&[0, 1], 1);
    let spacing = |object: &InMemDicomObject| {
        let radiograph = read(object).unwrap();
        (radiograph.spacing_mm(), radiograph.pixel_aspect_ratio(), radiograph.notes().to_vec())
    };
    assert_eq!(spacing(&object), (None, 1.0, vec![]));
    text(&mut object, PIXEL_ASPECT_RATIO, VR::IS, "3\\2");
    assert_eq!(spacing(&object), (None, 1.5, vec![]));
    text(&mut object, NOMINAL_SCANNED_PIXEL_SPACING, VR::DS, "0.5\\0.5");
    assert_eq!(spacing(&object), (Some([0.5, 0.5]), 1.0, vec![]));
    text(&mut object, IMAGER_PIXEL_SPACING, VR::DS, "0.3\\0.15");
    assert_eq!(spacing(&object), (Some([0.3, 0.15]), 2.0, vec![Note::SpacingAtDetector]));
    text(&mut object, PIXEL_SPACING, VR::DS, "0.2\\0.2");
    assert_eq!(spacing(&object), (Some([0.2, 0.2]), 1.0, vec![]));
    for unusable in ["0\\0", "0.2", "-1\\1", "a\\b"] {
        text(&mut object, PIXEL_SPACING, VR::DS, unusable);
        assert_eq!(spacing(&object), (Some([0.3, 0.15]), 2.0, vec![Note::SpacingAtDetector, Note::SpacingIgnored]), "{unusable}");
    }
}

#[test]
fn views_and_intent() {
    for (value, view) in [("PA", View::Pa), ("AP", View::Ap), ("LL", View::Lateral), ("RLO", View::Other), ("", View::Unknown)] {
        let mut object = object(&[0, 1], 1);
        text(&mut object, VIEW_POSITION, VR::CS, value);
        text(&mut object, PRESENTATION_INTENT_TYPE, VR::CS, "FOR PROCESSING");
        let radiograph = read(&object).unwrap();
        assert_eq!((radiograph.view(), radiograph.notes()), (view, &[Note::ForProcessing][..]));
    }
}

#[test]
fn grey_in_colour_is_grey() {
    let mut object = object(&[0; 6], 1);
    number(&mut object, COLUMNS, 4);
    number(&mut object, SAMPLES_PER_PIXEL, 3);
    number(&mut object, BITS_ALLOCATED, 8);
    number(&mut object, BITS_STORED, 8);
    number(&mut object, HIGH_BIT, 7);
    let grey = [9, 80, 200, 255u8];
    let mut with = |photometric: &str, planar: u16, bytes: Vec<u8>| {
        text(&mut object, PHOTOMETRIC_INTERPRETATION, VR::CS, photometric);
        number(&mut object, PLANAR_CONFIGURATION, planar);
        object.put(DataElement::new(PIXEL_DATA, VR::OB, PrimitiveValue::from(bytes)));
        read(&object).map(|r| r.pixels().iter().map(|v| v / 257).collect::<Vec<_>>()).map_err(|e| e.to_string())
    };
    let expected = Ok(vec![9, 80, 200, 255]);
    assert_eq!(with("RGB", 0, grey.iter().flat_map(|&v| [v, v, v]).collect()), expected);
    assert_eq!(with("RGB", 1, grey.repeat(3)), expected);
    assert_eq!(with("YBR_FULL", 0, grey.iter().flat_map(|&v| [v, 128, 128]).collect()), expected);
    let coloured = with("RGB", 0, grey.iter().flat_map(|&v| [v, 255 - v, 100]).collect()).unwrap_err();
    assert!(coloured.starts_with("truly coloured picture (100.0 %"), "{coloured}");
    assert!(with("PALETTE COLOR", 0, vec![0; 12]).unwrap_err().contains("PALETTE COLOR is not that of a radiograph"));
    assert!(with("YBR_FULL_422", 0, vec![0; 12]).unwrap_err().contains("YBR_FULL_422"));
    assert!(with("MONOCHROME2", 0, vec![0; 12]).unwrap_err().contains("Samples per Pixel is 3"));
}

#[test]
fn contradictions_are_refused_with_their_reason() {
    let cases: [(Tag, u16, &str); 7] = [
        (ROWS, 0, "the image is empty"),
        (BITS_ALLOCATED, 32, "Bits Allocated is 32; radiographs of 8 and 16 are read"),
        (BITS_ALLOCATED, 1, "Bits Allocated is 1"),
        (BITS_STORED, 17, "Bits Stored is 17 of 16 allocated"),
        (BITS_STORED, 0, "Bits Stored is 0"),
        (HIGH_BIT, 16, "High Bit is 16"),
        (HIGH_BIT, 14, "High Bit is 14 with 16 of 16 bits stored"),
    ];
    for (tag, value, reason) in cases {
        let mut object = object(&[0, 1], 1);
        number(&mut object, tag, value);
        assert!(error(&object).contains(reason), "{}", error(&object));
    }
    for (tag, name) in [(ROWS, "Rows"), (COLUMNS, "Columns"), (BITS_ALLOCATED, "Bits Allocated"), (BITS_STORED, "Bits Stored")] {
        let mut object = object(&[0, 1], 1);
        object.remove_element(tag);
        assert_eq!(error(&object), format!("the object has no {name} {tag}"));
    }
    let mut object = object(&[0, 1], 1);
    object.remove_element(PIXEL_DATA);
    assert!(error(&object).contains("no pixel data"));
}

#[test]
fn declared_sizes_are_checked_before_the_pixels() {
    let mut object = object(&[0, 1, 2, 3], 2);
    number(&mut object, ROWS, 3);
    let short = error(&object);
    assert!(short.starts_with("pixel data is 8 bytes, Rows x Columns x BitsAllocated") && short.ends_with("need 12"), "{short}");
    number(&mut object, ROWS, 60_000);
    number(&mut object, COLUMNS, 60_000);
    assert_eq!(read(&object).unwrap_err().kind(), ErrorKind::LimitsExceeded);
    number(&mut object, ROWS, 2);
    number(&mut object, COLUMNS, 2);
    text(&mut object, NUMBER_OF_FRAMES, VR::IS, "3");
    assert!(error(&object).ends_with("need 24"));
    text(&mut object, NUMBER_OF_FRAMES, VR::IS, "2147483647");
    assert_eq!(read(&object).unwrap_err().kind(), ErrorKind::LimitsExceeded);
    text(&mut object, NUMBER_OF_FRAMES, VR::IS, "0");
    assert!(error(&object).contains("Number of Frames (0028,0008) is 0"));
    object.remove_element(NUMBER_OF_FRAMES);
    let limits = Limits { max_decoded_bytes: 7, ..Limits::default() };
    let bytes = file(&object, EXPLICIT);
    let error = Radiograph::from_bytes_with(&bytes, &ReadOptions::default().limits(limits)).unwrap_err();
    assert_eq!(error.kind(), ErrorKind::LimitsExceeded);
}

#[test]
fn values_of_unknown_representation_are_read() {
    // Rows as an archive that does not know the element would keep it: UN, little endian.
    let mut object = object(&[0; 600], 300);
    object.put(DataElement::new(ROWS, VR::UN, PrimitiveValue::from([44u8, 1])));
    assert_eq!(read(&object).unwrap().height(), 300);
}
