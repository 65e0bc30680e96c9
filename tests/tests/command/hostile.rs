//! Inputs that are no radiograph, damaged, or too large: refused by name, with the fault, and without a trace in the results.

use std::path::Path;

use covmap_core::phantom::Opacities;
use covmap_core::render;
use covmap_tests::{json, phantom};
use ndarray::{Array2, Array3};

use crate::{Place, results_of};

/// A PNG file of a header alone.
fn png_header(width: u32, height: u32) -> Vec<u8> {
    let mut file = b"\x89PNG\r\n\x1a\n".to_vec();
    let ihdr = [&width.to_be_bytes()[..], &height.to_be_bytes(), &[8, 0, 0, 0, 0]].concat();
    for (name, data) in [(b"IHDR", &ihdr[..]), (b"IDAT", &[0x78, 0x9c]), (b"IEND", &[])] {
        let body = [&name[..], data].concat();
        let mut checksum = flate2::Crc::new();
        checksum.update(&body);
        file.extend([&(data.len() as u32).to_be_bytes()[..], &body, &checksum.sum().to_be_bytes()].concat());
    }
    file
}

/// A picture with the colours of a sunset.
fn colour_photograph() -> Vec<u8> {
    let picture = Array3::from_shape_fn((200, 300, 3), |(y, x, channel)| match channel {
        0 => 255 - (y / 2) as u8,
        1 => (x / 3) as u8,
        _ => (y / 2) as u8,
    });
    render::encode_rgb(&picture).unwrap()
}

fn cut(bytes: &[u8], percent: usize) -> Vec<u8> {
    bytes[..bytes.len() * percent / 100].to_vec()
}

/// Replaces the only place where `from` stands.
fn patched(mut bytes: Vec<u8>, from: &[u8], to: &[u8]) -> Vec<u8> {
    let places: Vec<usize> = bytes.windows(from.len()).enumerate().filter(|(_, w)| *w == from).map(|(i, _)| i).collect();
    assert_eq!((places.len(), from.len()), (1, to.len()));
    bytes[places[0]..][..to.len()].copy_from_slice(to);
    bytes
}

#[test]
fn hostile_inputs_are_refused_by_name() {
    let place = Place::new();
    let good = phantom(1, Opacities::Moderate, 160, 200);
    let (png, dicom) = (good.to_png().unwrap(), good.to_dicom().unwrap());
    let inputs: [(&str, Vec<u8>, &str, &str); 11] = [
        ("empty.png", vec![], "Input", "the file is empty"),
        ("truncated.png", cut(&png, 60), "Input", "truncated"),
        ("header.png", png[..20].to_vec(), "Input", "truncated"),
        ("truncated.dcm", cut(&dicom, 60), "Input", ""),
        ("text.dcm", b"Findings: bilateral opacities.\n".to_vec(), "Input", "not a PNG, JPEG, TIFF or DICOM file"),
        ("archive.png", b"PK\x03\x04 and so on".to_vec(), "Input", "ZIP archive"),
        ("zeros.jpg", vec![0; 4096], "Input", "not a PNG, JPEG, TIFF or DICOM file"),
        ("photograph.png", colour_photograph(), "Input", "truly coloured"),
        ("huge.png", png_header(60_000, 60_000), "LimitsExceeded", "60000 x 60000"),
        ("hollow.png", png_header(300, 300), "Input", "damaged or truncated"),
        // Modality CT: the tag, its VR and length, then the value.
        ("ct.dcm", patched(dicom, b"\x08\0\x60\0CS\x02\0CR", b"\x08\0\x60\0CS\x02\0CT"), "Input", "CT"),
    ];
    place.phantom("z.png", 2);
    let mut arguments: Vec<&str> = inputs.iter().map(|(name, ..)| *name).collect();
    inputs.iter().for_each(|(name, bytes, ..)| place.write(name, bytes));
    arguments.push("z.png");
    let run = place.analyze(&arguments);
    assert_eq!(run.status, 1, "{}", run.err);
    assert!(!run.err.contains("panicked"), "{}", run.err);
    for (name, _, kind, says) in &inputs {
        let entry = place.entry(name);
        assert_eq!((&entry["status"], &entry["kind"]), (&"failed".into(), &(*kind).into()), "{entry}");
        let error = entry["error"].as_str().unwrap();
        assert!(error.starts_with(name) && error.contains(says) && error.len() > name.len() + 8, "{name}: {error}");
        assert!(run.err.contains(&format!("covmap: {error}\n")), "{name}: {}", run.err);
    }
    assert_eq!(place.names("out"), results_of(&["z"]), "a refused input leaves nothing behind");
}

#[test]
fn doubtful_inputs_are_flagged() {
    let place = Place::new();
    let good = phantom(1, Opacities::Moderate, 160, 200);
    // View Position LL: from the left side.
    place.write("lateral.dcm", &patched(good.to_dicom().unwrap(), b"\x18\0\x01\x51CS\x02\0PA", b"\x18\0\x01\x51CS\x02\0LL"));
    place.write("blank.png", &render::encode_grey(&Array2::from_elem((200, 160), 90)).unwrap());
    place.write("inverted.png", &render::encode_grey16(&good.pixels.mapv(|v| 65535 - v)).unwrap());
    place.write("small.png", &phantom(1, Opacities::Mild, 100, 100).to_png().unwrap());
    place.write("dot.png", &render::encode_grey(&Array2::from_elem((1, 1), 90)).unwrap());
    let inputs =
        [("lateral.dcm", "lateral"), ("blank.png", "blank"), ("inverted.png", "inverted"), ("small.png", "small"), ("dot.png", "small")];
    let names: Vec<&str> = inputs.iter().map(|(name, _)| *name).collect();
    let run = place.analyze(&names);
    assert_eq!(run.status, 0, "{}", run.err);
    for (name, flag) in inputs {
        let quality = json(&place.path("out").join(Path::new(name).with_extension("json")))["quality"].clone();
        assert_eq!(quality["good"], false, "{name}");
        assert!(quality["flags"].as_array().unwrap().contains(&flag.into()), "{name}: {quality}");
    }
    let run = place.analyze(&[&names[..], &["--strict"]].concat());
    assert_eq!(run.status, 1);
    for (name, flag) in inputs {
        let error = place.entry(name)["error"].as_str().unwrap().to_owned();
        assert!(error.starts_with(&format!("{name}: refused in strict mode: ")) && error.contains(flag), "{error}");
    }
}

/// Folders in the place of files, and files in the place of folders.
#[test]
fn folders_and_files_in_each_others_place() {
    let place = Place::new();
    place.phantom("a.png", 1);
    std::fs::create_dir(place.path("folder.png")).unwrap();
    let run = place.analyze(&["a.png", "folder.png"]);
    assert_eq!(run.status, 2, "{}", run.err);
    assert!(run.err.contains("folder.png: no image in this folder"), "{}", run.err);

    let run = place.run(&["analyze", "a.png", "--model", "little.onnx", "--out", "a.png"]);
    assert_eq!(run.status, 1, "{}", run.err);
    assert!(run.err.contains("a.png"), "{}", run.err);
    let run = place.run(&["analyze", "a.png", "--model", "folder.png", "--out", "out"]);
    assert_ne!(run.status, 0);
    assert!(run.err.contains("folder.png") && !run.err.contains("panicked"), "{}", run.err);
}

/// A frame that does not exist is the caller's mistake, but of one input of many.
#[test]
fn a_missing_frame_fails_that_input() {
    let place = Place::new();
    place.phantom("a.png", 1);
    let run = place.analyze(&["a.png", "--frame", "3"]);
    assert_eq!(run.status, 1, "{}", run.err);
    assert_eq!(place.entry("a.png")["kind"], "Parameter");
    assert!(place.entry("a.png")["error"].as_str().unwrap().starts_with("a.png: frame 3"));
}
