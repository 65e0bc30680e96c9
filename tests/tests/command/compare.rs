//! What `covmap compare` writes and says.

use covmap_core::phantom::Opacities;
use covmap_tests::{json, phantom, root, schema};

use crate::Place;

fn place() -> Place {
    let place = Place::new();
    place.write("first.dcm", &phantom(1, Opacities::Mild, 160, 200).to_dicom().unwrap());
    place.write("second.dcm", &phantom(1, Opacities::Severe, 200, 180).to_dicom().unwrap());
    place.phantom("third.png", 1);
    place
}

fn compare(place: &Place, arguments: &[&str]) -> crate::Run {
    place.run(&[&["compare", "--model", "little.onnx"], arguments].concat())
}

#[test]
fn comparisons_are_written_and_the_same_every_time() {
    let place = place();
    let files = ["first.dcm", "second.dcm", "third.png"];
    for out in ["out", "again"] {
        let run = compare(&place, &[&files[..], &["--out", out, "--dates", "2020-04-01,2020-04-09T08:30,2020-04-05"]].concat());
        assert_eq!((run.status, run.err.as_str()), (0, ""), "{}", run.out);
        assert!(run.out.contains("study 1 to 2: opacity "), "{}", run.out);
    }
    let pairs = ["change-1-2", "change-1-3", "change-2-3"];
    let mut names: Vec<String> = pairs.iter().flat_map(|p| [format!("{p}.labels.png"), format!("{p}.png")]).collect();
    names.extend(["compare.html", "compare.json", "trend.svg"].map(str::to_owned));
    assert_eq!(place.names("out"), names);
    assert!(place.files("out") == place.files("again"));
    let result = json(&place.path("out/compare.json"));
    let wanted = json(&root().join("covmap-core/schema/covmap-compare-1.schema.json"));
    assert_eq!(schema::faults(&wanted, &result), Vec::<String>::new());
    let order: Vec<&str> = result["studies"].as_array().unwrap().iter().map(|s| s["input"]["file"].as_str().unwrap()).collect();
    assert_eq!(order, ["first.dcm", "third.png", "second.dcm"], "by date");
    assert_eq!(result["comparisons"][0]["days"], 4.0);
    let labels = image::open(place.path("out/change-1-3.labels.png")).unwrap();
    assert_eq!((labels.width(), labels.height()), (200, 180), "in the frame of the later study");
}

#[test]
fn wrong_use_is_told() {
    let place = place();
    for (arguments, words) in [
        (&["first.dcm", "--out", "out"][..], "<STUDY> <STUDY>"),
        (&["first.dcm", "second.dcm", "--out", "out", "--dates", "2020-04-01"], "1 dates for 2 studies"),
        (&["first.dcm", "second.dcm", "--out", "out", "--dates", "today,tomorrow"], "write it as 2020-04-01"),
    ] {
        let run = compare(&place, arguments);
        assert_eq!(run.status, 2, "{}", run.err);
        assert!(run.err.contains(words), "{}", run.err);
    }
    place.phantom("in/change-1-2.png", 1);
    let run = compare(&place, &["in/change-1-2.png", "third.png", "--out", "in"]);
    assert_eq!(run.status, 2, "{}", run.err);
    assert!(run.err.contains("change-1-2.png: a result would overwrite this input"), "{}", run.err);
    let run = compare(&place, &["first.dcm", "nothing.png", "--out", "out"]);
    assert_eq!(run.status, 1, "{}", run.err);
    assert!(run.err.contains("nothing.png"), "{}", run.err);
    place.write("other.dcm", &phantom(2, Opacities::Mild, 160, 200).to_dicom().unwrap());
    let run = compare(&place, &["first.dcm", "other.dcm", "--out", "out"]);
    assert_eq!(run.status, 1, "{}", run.err);
    assert!(run.err.contains("name different patients") && !run.err.contains("PHANTOM"), "{}", run.err);
    assert!(!place.path("out").exists(), "nothing is written where nothing could be compared");
}
