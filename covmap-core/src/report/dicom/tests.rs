//! Objects against the analysis they hold and the source they belong to; other readers check them in tests/dicom.

use dicom_core::value::PrimitiveValue;
use dicom_core::{DataElement, Tag, VR};
use dicom_dictionary_std::tags;
use dicom_object::DefaultDicomObject;
use ndarray::Array2;

use super::dataset::{decimal, plain};
use super::{DicomObject, DicomOptions, to_dicom};
use crate::fusion::InfectionMap;
use crate::infection::InfectionProbability;
use crate::lung::LungMask;
use crate::phantom::{Phantom, PhantomOptions};
use crate::preprocess::Geometry;
use crate::run::OperatingPoint;
use crate::severity::Severity;
use crate::{Analysis, Detection, Error, Quality, Radiograph};

/// Masks of no symmetry at all, so that no turn goes unseen.
fn analysis(radiograph: &Radiograph) -> Analysis {
    let (height, width) = radiograph.pixels().dim();
    let lungs = LungMask::from_labels(Array2::from_shape_fn((height, width), |(y, x)| match (4 * y / height, 5 * x / width) {
        (0..=2, 0..=1) => 1,
        (1..=2, 3) => 2,
        _ => 0,
    }));
    let probability = InfectionProbability::new(Array2::from_shape_fn((height, width), |(y, x)| if x < y { 0.9 } else { 0.1 }));
    let geometry = Geometry { native: [height, width], model: [height, width] };
    let infection = InfectionMap::new(probability, Some(&lungs), &geometry).unwrap();
    let severity = Severity::new(&infection, &lungs, None).unwrap();
    let mut detection = Detection::any_pixel(&infection);
    detection.operating_point = Some(OperatingPoint::Specificity95);
    Analysis {
        width,
        height,
        spacing_mm: radiograph.spacing_mm(),
        view: radiograph.view(),
        input_sha256: None,
        quality: Quality::default(),
        lungs: Some(lungs),
        infection,
        severity: Some(severity),
        detection,
        models: vec![crate::engine::ModelIdentity { name: "lit\\tle \u{e9}".into(), sha256: "ab".repeat(32) }],
    }
}

fn phantom(mirrored: bool) -> Vec<u8> {
    let options = PhantomOptions { width: 101, height: 67, mirrored, ..Default::default() };
    Phantom::new(&options).unwrap().to_dicom().unwrap()
}

fn parse(bytes: &[u8]) -> DefaultDicomObject {
    dicom_object::from_reader(bytes).unwrap()
}

/// The phantom with some elements changed, or without them.
fn changed(change: impl FnOnce(&mut DefaultDicomObject)) -> Vec<u8> {
    let mut object = parse(&phantom(false));
    change(&mut object);
    let mut bytes = Vec::new();
    object.write_all(&mut bytes).unwrap();
    bytes
}

fn object_of(source: &[u8], kind: DicomObject) -> Result<DefaultDicomObject, Error> {
    let radiograph = Radiograph::from_bytes(source).unwrap();
    to_dicom(&radiograph, &analysis(&radiograph), kind, &DicomOptions::default()).map(|bytes| parse(&bytes))
}

fn text(object: &DefaultDicomObject, tag: Tag) -> String {
    object.element(tag).unwrap().to_str().unwrap().trim_end_matches(['\0', ' ']).to_owned()
}

#[test]
fn segments_lie_in_the_grid_of_the_stored_source() {
    for mirrored in [false, true] {
        let source = phantom(mirrored);
        let radiograph = Radiograph::from_bytes(&source).unwrap();
        assert_eq!(radiograph.turn().is_mirroring(), mirrored);
        let object = object_of(&source, DicomObject::Segmentation).unwrap();
        let bytes = object.element(tags::PIXEL_DATA).unwrap().to_bytes().unwrap().into_owned();
        let a = analysis(&radiograph);
        let labels = a.lungs.as_ref().unwrap().labels();
        let (height, width) = labels.dim();
        assert_eq!(bytes.len(), (3 * height * width).div_ceil(8).next_multiple_of(2));
        let mut bit = (0..3 * height * width).map(|i| bytes[i / 8] >> (i % 8) & 1 == 1);
        for segment in 0..3 {
            for y in 0..height {
                for x in 0..width {
                    let at = [y, if mirrored { width - 1 - x } else { x }];
                    let wanted = if segment < 2 { labels[at] == segment + 1 } else { a.infection.bytes()[at] >= 128 };
                    assert_eq!(bit.next(), Some(wanted), "segment {segment} at {at:?}");
                }
            }
        }
        let map = object_of(&source, DicomObject::ProbabilityMap).unwrap();
        let bytes = map.element(tags::PIXEL_DATA).unwrap().to_bytes().unwrap().into_owned();
        let stored = radiograph.turn().inverse().apply(a.infection.bytes().clone());
        assert!(bytes.iter().take(height * width).eq(stored.iter()));
        let orientation = if mirrored { "R\\F" } else { "L\\F" };
        assert_eq!(text(&object, tags::PATIENT_ORIENTATION), orientation);
        assert_eq!(text(&object_of(&source, DicomObject::SecondaryCapture).unwrap(), tags::PATIENT_ORIENTATION), "L\\F");
    }
}

#[test]
fn a_second_run_makes_the_same_object_and_another_choice_another_one() {
    let source = phantom(false);
    let radiograph = Radiograph::from_bytes(&source).unwrap();
    let a = analysis(&radiograph);
    let make = |a: &Analysis, kind, options: &DicomOptions| to_dicom(&radiograph, a, kind, options).unwrap();
    let instance = |bytes: &[u8]| text(&parse(bytes), tags::SOP_INSTANCE_UID);
    let plain = DicomOptions::default();
    let mut uids = Vec::new();
    for kind in DicomObject::ALL {
        let first = make(&a, *kind, &plain);
        assert!(first == make(&a, *kind, &plain), "{kind} differs from run to run");
        uids.push(instance(&first));
        let flipped = DicomOptions { options: "flip".into(), ..Default::default() };
        uids.push(instance(&make(&a, *kind, &flipped)));
        let mut other = a.clone();
        other.models[0].sha256 = "cd".repeat(32);
        uids.push(instance(&make(&other, *kind, &plain)));
    }
    let mut painted = DicomOptions::default();
    painted.overlay.opacity = 0.5;
    uids.push(instance(&make(&a, DicomObject::SecondaryCapture, &painted)));
    assert!(uids.iter().all(|uid| uid.len() <= 64 && uid.starts_with("2.25.")), "{uids:?}");
    let count = uids.len();
    uids.sort();
    uids.dedup();
    assert_eq!(uids.len(), count);
}

#[test]
fn patient_and_study_are_copied_as_they_are_worded_and_nothing_is_invented() {
    // Yamada Tarou in ISO 2022 IR 87, as PS3.5 H.3 writes it: its bytes hold no legal ASCII.
    let name = b"Yamada^Tarou=\x1b$B;3ED\x1b(B^\x1b$BB@O:\x1b(B";
    let source = changed(|object| {
        object.put(DataElement::new(tags::SPECIFIC_CHARACTER_SET, VR::CS, PrimitiveValue::from("\\ISO 2022 IR 87")));
        object.put(DataElement::new(tags::PATIENT_NAME, VR::PN, PrimitiveValue::U8(name[..].into())));
        object.put(DataElement::new(tags::PATIENT_AGE, VR::AS, PrimitiveValue::from("061Y")));
        object.remove_element(tags::PATIENT_ID);
        object.remove_element(tags::STUDY_TIME);
    });
    for kind in DicomObject::ALL {
        let radiograph = Radiograph::from_bytes(&source).unwrap();
        let bytes = to_dicom(&radiograph, &analysis(&radiograph), *kind, &DicomOptions::default()).unwrap();
        assert!(bytes.windows(name.len()).any(|window| window == name), "{kind} words the name otherwise");
        let (object, origin) = (parse(&bytes), parse(&source));
        for tag in [tags::STUDY_INSTANCE_UID, tags::STUDY_DATE, tags::STUDY_ID, tags::PATIENT_SEX, tags::PATIENT_AGE, tags::CONTENT_DATE] {
            assert_eq!(text(&object, tag), text(&origin, tag), "{kind} {tag}");
        }
        for tag in [tags::PATIENT_ID, tags::PATIENT_BIRTH_DATE, tags::STUDY_TIME, tags::ACCESSION_NUMBER] {
            assert!(object.element(tag).unwrap().value().to_bytes().is_ok_and(|b| b.is_empty()), "{kind} {tag}");
        }
        assert!(object.element(tags::PATIENT_WEIGHT).is_err());
        assert_ne!(text(&object, tags::SERIES_INSTANCE_UID), text(&origin, tags::SERIES_INSTANCE_UID));
    }
}

#[test]
fn odd_attributes_are_left_out_or_empty() {
    let source = changed(|object| {
        object.put(DataElement::new(tags::PATIENT_NAME, VR::LT, PrimitiveValue::from("x".repeat(60_000))));
        object.put(DataElement::new(tags::STUDY_DATE, VR::OB, PrimitiveValue::U8([1, 2, 3, 4][..].into())));
        object.put(DataElement::new(tags::CONTENT_DATE, VR::DA, PrimitiveValue::from("yesterday")));
        object.put(DataElement::new(tags::ACQUISITION_DATE, VR::DA, PrimitiveValue::from("2020.1.1")));
        object.put(DataElement::new(tags::SERIES_DATE, VR::DA, PrimitiveValue::Empty));
        object.put(DataElement::new(tags::PATIENT_ORIENTATION, VR::CS, PrimitiveValue::from("UP")));
        object.put(DataElement::new(tags::PATIENT_WEIGHT, VR::DS, PrimitiveValue::from("70 kg\u{7}")));
    });
    for kind in DicomObject::ALL {
        let object = object_of(&source, *kind).unwrap();
        for tag in [tags::PATIENT_NAME, tags::STUDY_DATE] {
            assert!(object.element(tag).unwrap().value().to_bytes().is_ok_and(|b| b.is_empty()), "{kind} {tag}");
        }
        assert_eq!(text(&object, tags::CONTENT_DATE), "19000101");
        assert!(object.element(tags::PATIENT_WEIGHT).is_err());
    }
}

#[test]
fn what_is_no_image_of_a_study_is_refused() {
    let refusal = |source: &[u8]| match object_of(source, DicomObject::Segmentation) {
        Err(Error::Input(text)) => text,
        other => panic!("{other:?}"),
    };
    let png = Phantom::new(&PhantomOptions { width: 80, height: 80, ..Default::default() }).unwrap().to_png().unwrap();
    assert!(refusal(&png).contains("belong to the study of a DICOM image"));
    let nameless = changed(|object| {
        object.remove_element(tags::STUDY_INSTANCE_UID);
    });
    assert!(refusal(&nameless).ends_with("it has no Study Instance UID"));
    let wrong = changed(|object| {
        object.put(DataElement::new(tags::SERIES_INSTANCE_UID, VR::UI, PrimitiveValue::from("1.2.x")));
    });
    assert!(refusal(&wrong).ends_with("its Series Instance UID is no UID"));
}

#[test]
fn text_and_numbers_fit_their_values() {
    assert_eq!(plain("a\\b\u{e9}\n c ", 5), "a?b??");
    for value in [0.0, 1.0, 0.5, 1.0 / 3.0, 2.0 / 3.0 * 1e-5, 18.0, 123_456.789_012_345_67, 1e300, 9.999_999_999_999_999] {
        let text = decimal(value);
        assert!(text.len() <= 16, "{text}");
        assert!((text.parse::<f64>().unwrap() - value).abs() <= 1e-8 * value, "{text} for {value}");
    }
}
