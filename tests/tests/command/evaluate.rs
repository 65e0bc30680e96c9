//! `covmap evaluate` on a labelled folder made of phantoms.

use covmap_core::phantom::Opacities;
use covmap_core::render;
use covmap_tests::models::SIDE;
use covmap_tests::onnx::Onnx;
use covmap_tests::{json, phantom};
use serde_json::json;

use crate::Place;

const HEADER: &str = "id,group,fold,finding,lung_mask,infection_mask,brixia_S_Global\n";

/// Four phantoms in two folds: two with COVID-19, outlined and scored, and two normals.
fn labelled(place: &Place) {
    let mut catalog = HEADER.to_owned();
    for (i, (finding, opacities)) in
        [("covid", Opacities::Severe), ("covid", Opacities::Moderate), ("normal", Opacities::None), ("normal", Opacities::None)]
            .into_iter()
            .enumerate()
    {
        let p = phantom(i as u64, opacities, 160 + 20 * i, 200);
        place.write(&format!("data/images/p{i}.png"), &p.to_png().unwrap());
        place.write(&format!("data/lung/p{i}.png"), &render::encode_grey(&p.lungs.mapv(|l| l * 100)).unwrap());
        let outlined = finding == "covid";
        if outlined {
            place.write(&format!("data/infection/p{i}.png"), &render::encode_grey(&p.opacity).unwrap());
        }
        let (mask, score) = if outlined { ("drawn", (12 - i).to_string()) } else { ("", String::new()) };
        catalog += &format!("p{i},g{i},{},{finding},lungs_with_retrocardiac; 100 right 200 left,{mask},{score}\n", i % 2);
    }
    place.write("data/catalog.csv", catalog.as_bytes());
}

/// A model with training groups on record.
fn trained_on(groups: &[&str]) -> Vec<u8> {
    let shape = [1, 1, SIDE, SIDE];
    Onnx::new()
        .input("x", &shape)
        .node("Sigmoid", &["x"], "y", &[])
        .output("y", &shape)
        .described(&json!({ "format": 1, "name": "trained", "input": { "size": [SIDE, SIDE] },
            "outputs": [{ "tensor": "y", "channels": ["infection"], "activation": "probability" }],
            "training": { "note": "none", "license": "none", "folds": [1], "groups": groups } }))
        .bytes()
}

/// The figures are those of the files that `--out` writes.
#[test]
fn figures_are_those_of_the_predictions() {
    let place = Place::new();
    labelled(&place);
    let run =
        place.run(&["evaluate", "--data", "data", "--model", "little.onnx", "--out", "predicted", "--json", "figures.json", "--quiet"]);
    assert_eq!(run.status, 0, "{}", run.err);
    let report = json(&place.path("figures.json"));
    assert_eq!((&report["images"], &report["failed"], &report["in_sample"]), (&4.into(), &0.into(), &0.into()));
    let figure = |name: &str| {
        let f = &report["figures"][name];
        (f["value"].as_f64().unwrap_or_else(|| panic!("{name} in {report:#}")), f["n"].as_u64().unwrap())
    };
    let read = |name: String| covmap_tests::picture(&place.path(&name));
    let dice = |a: &dyn Fn(u8) -> bool, b: &dyn Fn(u8) -> bool, truth: &ndarray::Array2<u8>, answer: &ndarray::Array2<u8>| {
        let (mut both, mut sum) = (0, 0);
        for (t, p) in truth.iter().zip(answer) {
            both += u32::from(a(*t) && b(*p));
            sum += u32::from(a(*t)) + u32::from(b(*p));
        }
        f64::from(2 * both) / f64::from(sum)
    };
    let (mut lungs, mut right, mut share, mut counts) = (0.0, 0.0, 0.0, [0.0; 3]);
    for i in 0..4 {
        let (truth, answer) = (read(format!("data/lung/p{i}.png")), read(format!("predicted/p{i}.lung.png")));
        lungs += dice(&|t| t > 50, &|p| p > 0, &truth, &answer) / 4.0;
        right += dice(&|t| t == 100, &|p| p == 1, &truth, &answer) / 4.0;
        let map = read(format!("predicted/p{i}.infection.png"));
        let all = map.len() as f64;
        if i < 2 {
            for (t, p) in read(format!("data/infection/p{i}.png")).iter().zip(&map) {
                let (t, p) = (*t > 0, *p >= 128);
                counts[0] += f64::from(u8::from(t && p)) / all;
                counts[1] += f64::from(u8::from(t != p)) / all;
            }
        } else {
            share += map.iter().filter(|b| **b >= 128).count() as f64 / all / 2.0;
        }
    }
    let close = |name: &str, value: f64, n: u64| {
        let (found, images) = figure(name);
        assert!((found - value).abs() < 1e-9, "{name}: {found}, by hand {value}");
        assert_eq!(images, n, "{name}");
        assert!(run.out.contains(name), "{name} in {}", run.out);
    };
    close("lung.dice.mean.lungs_with_retrocardiac", lungs, 4);
    close("lung.dice.right", right, 4);
    close("infection.pixel.f1", 2.0 * counts[0] / (2.0 * counts[0] + counts[1]), 2);
    close("infection.false_share.on_normals", share, 2);
    assert!(lungs > 0.5 && right > 0.5 && share > 0.0, "the little model sees something");
    let estimate = |i: usize| json(&place.path(&format!("predicted/p{i}.json")))["severity"]["brixia_estimate"].as_f64().unwrap();
    close("brixia.global.mae", ((estimate(0) - 12.0).abs() + (estimate(1) - 11.0).abs()) / 2.0, 2);
    let sign = (estimate(0) - estimate(1)).signum();
    close("brixia.global.r", sign, 2);
}

#[test]
fn a_split_takes_its_fold_only() {
    let place = Place::new();
    labelled(&place);
    let images = |split: &str| {
        let run =
            place.run(&["evaluate", "--data", "data", "--model", "little.onnx", "--split", split, "--json", "figures.json", "--quiet"]);
        (run.status, run.status == 0 && json(&place.path("figures.json"))["images"] == 2)
    };
    assert_eq!(images("fold=0"), (0, true));
    assert_eq!(images("fold=7").0, 2);
    assert_eq!(images("half").0, 2);
}

/// Figures on patients that the model was trained on are marked and not taken for granted.
#[test]
fn in_sample_figures_are_marked() {
    let place = Place::new();
    labelled(&place);
    place.write("seen.onnx", &trained_on(&["g1", "g9"]));
    let arguments = ["evaluate", "--data", "data", "--model", "seen.onnx", "--json", "figures.json", "--quiet"];
    let run = place.run(&arguments);
    assert_eq!(run.status, 2, "{}", run.err);
    assert!(run.out.contains("IN-SAMPLE") && run.err.contains("1 of these images"), "{}{}", run.out, run.err);
    assert_eq!(json(&place.path("figures.json"))["in_sample"], 1);
    assert_eq!(place.run(&[&arguments[..], &["--allow-in-sample"]].concat()).status, 0);
    let other_fold = place.run(&[&arguments[..], &["--split", "fold=0"]].concat());
    assert_eq!(other_fold.status, 0, "{}", other_fold.err);
    assert!(!other_fold.out.contains("IN-SAMPLE"), "{}", other_fold.out);
}

/// An image that is missing fails the run, not the figures of the others.
#[test]
fn a_missing_image_is_reported() {
    let place = Place::new();
    labelled(&place);
    std::fs::remove_file(place.path("data/images/p2.png")).unwrap();
    let run = place.run(&["evaluate", "--data", "data", "--model", "little.onnx", "--json", "figures.json", "--quiet"]);
    assert_eq!(run.status, 1, "{}", run.err);
    assert!(run.err.contains("p2"), "{}", run.err);
    let report = json(&place.path("figures.json"));
    assert_eq!((&report["failed"], &report["figures"]["lung.dice.right"]["n"]), (&1.into(), &3.into()));
}

/// Hiding the lungs changes what is detected, within the lungs of the original.
#[test]
fn occlusion_hides_the_lungs() {
    let place = Place::new();
    labelled(&place);
    let figures = |arguments: &[&str]| {
        let run = place
            .run(&[&["evaluate", "--data", "data", "--model", "little.onnx", "--json", "figures.json", "--quiet"], arguments].concat());
        assert_eq!(run.status, 0, "{}", run.err);
        json(&place.path("figures.json"))["figures"].clone()
    };
    let (plain, hidden) = (figures(&[]), figures(&["--occlude", "lungs"]));
    assert!(hidden["infection.pixel.f1"].is_null(), "a figure of the hidden part");
    let mean = |f: &serde_json::Value| f["infection.mean_in_lungs.covid"]["value"].as_f64().unwrap();
    assert_ne!(mean(&plain), mean(&hidden));
}
