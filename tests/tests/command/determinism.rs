//! The same input on the same machine: identical bytes, whatever the threads, the order and the company. Every instruction set:
//! the same answer within rounding.

use covmap_core::Precision;
use covmap_core::phantom::Opacities;
use covmap_tests::{bundled, phantom, picture};
use serde_json::json;

use crate::Place;

/// Inputs of several sizes and kinds, one of them large enough for the pixel kernels to share out, one of them broken.
fn inputs(place: &Place) -> Vec<String> {
    let sizes = [(160, 200), (200, 160), (250, 320), (1300, 1100), (97, 131), (300, 300)];
    let mut names = Vec::new();
    for (seed, (width, height)) in sizes.into_iter().enumerate() {
        let drawn = phantom(seed as u64, Opacities::Moderate, width, height);
        let (name, bytes) = match seed % 2 {
            0 => (format!("{seed}.png"), drawn.to_png().unwrap()),
            _ => (format!("{seed}.dcm"), drawn.to_dicom().unwrap()),
        };
        place.write(&name, &bytes);
        names.push(name);
    }
    place.write("broken.png", b"\x89PNG\r\n\x1a\nnothing");
    names.push("broken.png".into());
    names
}

/// All results but the record, which tells times, and the index, which has the order of the inputs.
fn results(place: &Place, out: &str, arguments: &[&str]) -> Vec<(String, Vec<u8>)> {
    let run = place.run(&[&["analyze", "--out", out, "--html", "--contour"], arguments].concat());
    assert_eq!(run.status, 1, "{}", run.err);
    place.files(out).into_iter().filter(|(name, _)| name != "run.json" && name != "index.html").collect()
}

fn same(what: &str, one: &[(String, Vec<u8>)], other: &[(String, Vec<u8>)]) {
    let names = |files: &[(String, Vec<u8>)]| files.iter().map(|(name, _)| name.clone()).collect::<Vec<_>>();
    assert_eq!(names(one), names(other), "{what}");
    for ((name, a), (_, b)) in one.iter().zip(other) {
        assert!(a == b, "{what}: {name} differs");
    }
}

const THREADS: [&str; 4] = ["1", "2", "4", "1"];

/// With COVMAP_RECORD the figures go into tests/reliability/threads.json.
#[test]
fn threads_and_order_change_no_byte() {
    let place = Place::new();
    let mut compared = 0;
    let names = inputs(&place);
    let mut order: Vec<&str> = names.iter().map(String::as_str).collect();
    for model in [&[][..], &["--model", "little.onnx", "--views", "flip"]] {
        let mut first = None;
        for (run, threads) in THREADS.into_iter().enumerate() {
            let out = format!("out-{}-{run}", model.len());
            let found = results(&place, &out, &[&order[..], model, &["--threads", threads]].concat());
            assert!(found.len() > 5 * (names.len() - 1), "{} results", found.len());
            same(&format!("{threads} threads, {order:?}"), first.get_or_insert_with(|| found.clone()), &found);
            compared += found.len();
            order.rotate_left(3);
            order.swap(0, 4);
        }
    }
    if std::env::var_os("COVMAP_RECORD").is_some() {
        covmap_tests::record("threads", &json!({ "threads": THREADS, "inputs": names.len(), "files_compared": compared }));
    }
    // DICOM results, of DICOM inputs alone: each on its own as in a batch.
    let objects: Vec<&str> = names.iter().map(String::as_str).filter(|name| name.ends_with("dcm")).collect();
    let mut first = None;
    for (run, batch) in [vec![objects.clone()], objects.iter().map(|one| vec![*one]).collect()].into_iter().enumerate() {
        let out = format!("objects-{run}");
        for inputs in batch {
            let ran = place.run(&[&["analyze", "--out", &out, "--dicom", "seg,map,sr,sc", "--model", "little.onnx"], &inputs[..]].concat());
            assert_eq!(ran.status, 0, "{}", ran.err);
        }
        let found: Vec<_> = place.files(&out).into_iter().filter(|(name, _)| name != "run.json").collect();
        same("one by one", first.get_or_insert_with(|| found.clone()), &found);
    }
}

/// With COVMAP_RECORD the figures go into tests/reliability/instruction-sets.json.
#[test]
fn instruction_sets_agree() {
    let place = Place::new();
    let names: Vec<String> = inputs(&place).into_iter().filter(|name| name != "broken.png").collect();
    let names: Vec<&str> = names.iter().map(String::as_str).collect();
    let spec = bundled().models()[0].spec();
    let drawn = phantom(3, Opacities::Severe, spec.input.size[1], spec.input.size[0]).pixels;
    let values: Vec<u8> = drawn.iter().flat_map(|v| (f32::from(*v) / 16384.0 - 2.0).to_le_bytes()).collect();
    place.write("x.f32", &values);
    let levels: Vec<String> = covmap_core::simd::Level::available().iter().map(|level| format!("{level:?}").to_lowercase()).collect();
    let precision = Precision::F32.to_string();
    let seen: Vec<_> = levels
        .iter()
        .map(|level| {
            let run = |arguments: &[&str]| {
                let done = place.command(arguments).env("COVMAP_SIMD", level).output().unwrap();
                assert!(done.status.success(), "{level}: {}", String::from_utf8_lossy(&done.stderr));
            };
            run(&[&["analyze", "--out", level, "--precision", &precision], &names[..]].concat());
            run(&["model", "bench", "--runs", "1", "--precision", &precision, "--input", "x.f32", "--output", &format!("{level}.f32")]);
            let logits = place.read(&format!("{level}.f32"));
            logits.as_chunks::<4>().0.iter().map(|b| 1.0 / (1.0 + (-f32::from_le_bytes(*b)).exp())).collect::<Vec<f32>>()
        })
        .collect();
    let mut figures = Vec::new();
    for (level, probabilities) in levels.iter().zip(&seen).skip(1) {
        assert!(probabilities.len() == seen[0].len() && probabilities.iter().any(|p| *p > 0.5));
        let worst = probabilities.iter().zip(&seen[0]).fold(0f32, |worst, (a, b)| worst.max((a - b).abs()));
        assert!(worst <= 1e-4, "{level}: a probability differs by {worst}");
        let (mut pixels, mut differ) = (0, 0);
        for name in &names {
            let stem = name.split('.').next().unwrap();
            for (kind, from) in [("infection", 128), ("lung", 1), ("lung", 2)] {
                let mask = |level: &str| picture(&place.path(&format!("{level}/{stem}.{kind}.png"))).mapv(|v| v >= from);
                let (ours, theirs) = (mask(level), mask(&levels[0]));
                pixels += ours.len();
                differ += ours.iter().zip(&theirs).filter(|(a, b)| a != b).count();
            }
        }
        println!("{level} and {}: probabilities within {worst:.1e}, {differ} of {pixels} mask pixels differ", levels[0]);
        figures.push(json!({
            "levels": [level, levels[0]], "largest_difference_of_a_probability": worst, "mask_pixels": pixels, "mask_pixels_differ": differ,
        }));
        assert!(differ as f64 <= 1e-4 * pixels as f64, "{level}: {differ} of {pixels} mask pixels differ");
    }
    if std::env::var_os("COVMAP_RECORD").is_some() {
        covmap_tests::record("instruction-sets", &json!({ "inputs": names.len(), "pairs": figures }));
    }
    assert!(levels.len() > 1 || cfg!(not(target_arch = "x86_64")), "SKIPPED: one instruction set");
}
