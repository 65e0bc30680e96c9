//! What `covmap analyze` writes, where, and that it is the same every time.

use covmap_core::phantom::Opacities;
use covmap_tests::{json, phantom, picture, root, schema};
use serde_json::Value;

use crate::{Place, results_of};

#[test]
fn four_files_and_a_record() {
    let place = Place::new();
    place.phantom("chest.png", 1);
    let run = place.analyze(&["chest.png"]);
    assert_eq!((run.status, run.err.as_str()), (0, ""), "{}", run.out);
    assert!(run.out.contains("chest.png: opacity") && run.out.contains("1 analysed, 0 failed"), "{}", run.out);
    assert_eq!(place.names("out"), results_of(&["chest"]));

    let result = json(&place.path("out/chest.json"));
    let wanted = json(&root().join("covmap-core/schema/covmap-1.schema.json"));
    assert_eq!(schema::faults(&wanted, &result), Vec::<String>::new());
    assert_eq!(
        (&result["input"]["file"], &result["input"]["width"], &result["input"]["height"]),
        (&"chest.png".into(), &160.into(), &200.into())
    );
    let (infection, lungs) = (picture(&place.path("out/chest.infection.png")), picture(&place.path("out/chest.lung.png")));
    assert_eq!((infection.dim(), lungs.dim()), ((200, 160), (200, 160)));
    let overlay = image::open(place.path("out/chest.overlay.png")).unwrap();
    assert_eq!((overlay.width(), overlay.height(), overlay.color()), (160, 200, image::ColorType::Rgb8));

    // The figures are those of the pictures.
    let count = |label: u8| lungs.iter().filter(|l| **l == label).count();
    assert_eq!((&result["lung"]["right_px"], &result["lung"]["left_px"]), (&count(1).into(), &count(2).into()));
    assert!(count(1) > 1000 && count(2) > 1000, "the little model sees both lungs");
    let infected = infection.iter().filter(|b| **b >= 128).count();
    assert_eq!(result["infection"]["area_px"], infected);
    assert!(infection.iter().zip(&lungs).all(|(b, l)| *b == 0 || *l != 0), "the map is gated by the lungs");

    let record = place.record();
    assert_eq!(record["schema"], "covmap-run/1");
    assert_eq!(record["models"], result["model"]);
    let entry = place.entry("chest.png");
    assert_eq!((&entry["status"], &entry["sha256"]), (&"ok".into(), &result["input"]["sha256"]));
    assert!(entry["outputs"].as_array().unwrap().iter().all(|o| place.path(o.as_str().unwrap()).exists()), "{entry}");
    assert_eq!(entry["outputs"].as_array().unwrap().len(), 4);
}

/// Every input kind at once, with the bundled model: from run to run, on one thread and on two, byte for byte.
#[test]
fn results_are_the_same_every_time() {
    let place = Place::new();
    place.phantom("a.png", 1);
    let p = phantom(2, Opacities::Severe, 300, 260);
    place.write("b.dcm", &p.to_dicom().unwrap());
    place.phantom("c.png", 3);
    for (out, threads) in [("one", "1"), ("again", "1"), ("two", "2")] {
        let run = place.run(&["analyze", "a.png", "b.dcm", "c.png", "--out", out, "--threads", threads, "--quiet"]);
        assert_eq!((run.status, run.out.as_str(), run.err.as_str()), (0, "", ""));
    }
    let results = |out: &str| place.files(out).into_iter().filter(|(name, _)| name != "run.json").collect::<Vec<_>>();
    assert_eq!(results("one").len(), 12);
    assert!(results("one") == results("again"), "a second run gave other bytes");
    assert!(results("one") == results("two"), "two threads gave other bytes");
}

#[test]
fn options_reach_the_results() {
    let place = Place::new();
    place.phantom("a.png", 1);
    place.write("other.onnx", &covmap_tests::models::little(3.0));
    let results = |arguments: &[&str]| {
        let run = place.analyze(&[&["a.png"], arguments].concat());
        assert_eq!(run.status, 0, "{}", run.err);
        (json(&place.path("out/a.json")), place.read("out/a.infection.png"), place.read("out/a.overlay.png"))
    };
    let plain = results(&[]);
    assert_eq!(plain.0["detection"]["operating_point"], "specificity95");
    assert_eq!(results(&["--operating-point", "sensitivity95"]).0["detection"]["operating_point"], "sensitivity95");
    let painted = results(&["--colormap", "cividis"]);
    assert!(painted.2 != plain.2 && painted.1 == plain.1);
    assert!(results(&["--opacity", "0"]).2 != plain.2);
    let both = results(&["--model", "other.onnx", "--fusion", "max"]);
    assert_eq!(both.0["model"].as_array().unwrap().len(), 2);
    assert!(both.1 != plain.1);
    assert_eq!(place.record()["options"]["fusion"], "max");
}

#[test]
fn json_is_one_line_an_input_in_order() {
    let place = Place::new();
    let names = ["d.png", "a.png", "c.png", "b.png"];
    names.iter().zip(1..).for_each(|(name, seed)| place.phantom(name, seed));
    let run = place.analyze(&[&names[..], &["--json", "--threads", "2"]].concat());
    assert_eq!(run.status, 0, "{}", run.err);
    let lines: Vec<Value> = run.out.lines().map(|l| serde_json::from_str(l).unwrap()).collect();
    assert!(lines.iter().map(|l| l["input"]["file"].as_str().unwrap()).eq(names), "{}", run.out);
    assert_eq!(lines[1], json(&place.path("out/a.json")));
}

/// Same stem from two folders, with two endings or in another case; a UID as name; the name of the record.
#[test]
fn colliding_names_are_kept_apart() {
    let place = Place::new();
    for (seed, name) in ["x/a.png", "y/A.PNG", "b.png", "1.2.840.7", "run.png"].iter().enumerate() {
        place.phantom(name, seed as u64);
    }
    place.write("b.dcm", &phantom(9, Opacities::Mild, 160, 200).to_dicom().unwrap());
    let run = place.analyze(&["x/a.png", "y/A.PNG", "b.png", "b.dcm", "1.2.840.7", "run.png"]);
    assert_eq!(run.status, 0, "{}", run.err);
    assert_eq!(place.names("out"), results_of(&["a.png", "A.PNG.2", "b.png", "b.dcm", "1.2.840.7", "run.png"]));
    let hash = |file: &str| json(&place.path(&format!("out/{file}.json")))["input"]["sha256"].clone();
    assert_eq!(hash("A.PNG.2"), place.entry("y/A.PNG")["sha256"]);
    assert_ne!(hash("a.png"), hash("A.PNG.2"));
    assert_eq!(json(&place.path("out/b.dcm.json"))["input"]["view"], "pa");
    assert_eq!(place.record()["files"].as_array().unwrap().len(), 6);
}

#[test]
fn folders_are_mirrored_and_results_within_are_no_inputs() {
    let place = Place::new();
    place.phantom("study/a.png", 1);
    place.phantom("study/deep/b.png", 2);
    place.write("study/deep/c", &phantom(3, Opacities::Mild, 160, 200).to_dicom().unwrap());
    place.write("study/notes.txt", b"no radiograph");
    let arguments = ["analyze", "--model", "little.onnx", "study", "--out", "study/out", "--recursive"];
    for _ in 0..2 {
        let run = place.run(&arguments);
        assert_eq!(run.status, 0, "{}", run.err);
        assert_eq!(place.names("study/out"), results_of(&["a", "deep/b", "deep/c"]));
    }
    let run = place.analyze(&["study"]);
    assert_eq!(run.status, 0, "{}", run.err);
    assert_eq!(place.names("out"), results_of(&["a"]));
}

/// Results never replace a file that is read, as a mask beside a phantom would be.
#[test]
fn inputs_are_never_overwritten() {
    let place = Place::new();
    let run = place.run(&["phantom", "--out", "here/a.png", "--size", "128"]);
    assert_eq!(run.status, 0, "{}", run.err);
    let before = place.files("here");
    assert_eq!(before.len(), 3);
    let run = place.run(&["analyze", "--model", "little.onnx", "here", "--out", "here"]);
    let after = place.files("here");
    assert!(before.iter().all(|file| after.contains(file)), "an input was overwritten: {}", run.err);
    assert_eq!(run.status, 2, "{}", run.err);
    assert!(run.err.contains("a.infection.png: a result would overwrite this input"), "{}", run.err);
}

/// Colours, contour and legend are those asked for; nothing else of the results changes.
#[test]
fn overlays_are_painted_as_asked() {
    let place = Place::new();
    place.write("a.png", &phantom(1, Opacities::Severe, 320, 260).to_png().unwrap());
    let painted = |out: &str, arguments: &[&str]| {
        let run = place.run(&[&["analyze", "a.png", "--out", out, "--quiet"], arguments].concat());
        assert_eq!((run.status, run.err.as_str()), (0, ""));
        let picture = image::open(place.path(&format!("{out}/a.overlay.png"))).unwrap().into_rgb8();
        (picture, [place.read(&format!("{out}/a.infection.png")), place.read(&format!("{out}/a.json"))])
    };
    let (jet, plain) = painted("jet", &[]);
    let (cividis, same) = painted("cividis", &["--colormap", "cividis", "--opacity", "1"]);
    assert!(plain == same);
    let map = picture(&place.path("jet/a.infection.png"));
    let strongest = map.indexed_iter().max_by_key(|(_, b)| **b).map(|((y, x), _)| (x as u32, y as u32)).unwrap();
    let ([r, g, b], [_, _, blue]) = (jet.get_pixel(strongest.0, strongest.1).0, cividis.get_pixel(strongest.0, strongest.1).0);
    assert!(r > g && r > b, "jet is red where probability is high: {r} {g} {b}");
    // Cividis ends in yellow.
    let [r, g, _] = cividis.get_pixel(strongest.0, strongest.1).0;
    assert!(r > blue && g > blue, "{r} {g} {blue}");
    let (contour, _) = painted("contour", &["--contour"]);
    let white = |p: &image::RgbImage| p.pixels().filter(|p| p.0 == [255; 3]).count();
    assert!(white(&contour) > white(&jet) + 50, "{} white pixels", white(&contour));
    let (legend, same) = painted("legend", &["--colormap", "cividis", "--opacity", "1", "--legend"]);
    assert!(plain == same && legend.width() == cividis.width() && legend.height() > cividis.height());
    assert!(cividis.rows().zip(legend.rows()).all(|(a, b)| a.eq(b)), "the picture above the legend is the overlay");
    let bar: Vec<[u8; 3]> = legend.rows().skip(cividis.height() as usize).flatten().map(|p| p.0).collect();
    let end = covmap_core::render::coefficients(covmap_core::render::Colormap::Cividis, 1.0).unwrap()[255].map(|c| (255.0 * c + 0.5) as u8);
    assert!(bar.contains(&end), "the bar ends in the map's last colour {end:?}");
}

/// What other software reads in them is checked in tests/dicom.
#[test]
fn dicom_objects_and_a_page_are_written_on_request() {
    let place = Place::new();
    place.write("a.dcm", &phantom(1, Opacities::Moderate, 160, 200).to_dicom().unwrap());
    place.phantom("b.png", 2);
    let arguments = ["a.dcm", "b.png", "--dicom", "seg,sc,sr,seg,map", "--html"];
    let run = place.analyze(&arguments);
    assert_eq!(run.status, 1, "{}", run.err);
    assert!(run.err.contains("b.png: DICOM results belong to the study of a DICOM image"), "{}", run.err);
    let mut wanted = results_of(&["a"]);
    wanted.extend(["a.seg.dcm", "a.sr.dcm", "a.sc.dcm", "a.map.dcm", "a.html", "a.thumb.jpg", "index.html"].map(str::to_owned));
    wanted.sort();
    assert_eq!(place.names("out"), wanted);
    assert_eq!(place.entry("a.dcm")["outputs"].as_array().unwrap().len(), 10);
    assert_eq!(place.entry("b.png")["kind"], "Input");

    std::fs::remove_file(place.path("out/a.sr.dcm")).unwrap();
    let resumed = place.analyze(&[&arguments[..], &["--resume"]].concat());
    assert!(resumed.out.contains("a.dcm: opacity"), "a missing object is no finished input: {}", resumed.out);
    assert_eq!(place.names("out"), wanted);
    let again = place.analyze(&[&arguments[..], &["--resume"]].concat());
    assert!(again.out.contains("1 finished earlier"), "{}", again.out);
}
