//! `--resume`: what is finished stays as it is, what is not or was made otherwise is done again.

use std::time::{Duration, Instant, SystemTime};

use covmap_tests::models::little;

use crate::{Place, results_of};

impl Place {
    fn written(&self, name: &str) -> SystemTime {
        std::fs::metadata(self.path(name)).unwrap().modified().unwrap()
    }
}

/// Three inputs analysed once; then `--resume` with some change. Says which of the three were done again.
fn done_again(change: impl FnOnce(&Place), arguments: &[&str]) -> [bool; 3] {
    let place = Place::new();
    let names = ["a.png", "b.png", "c.png"];
    names.iter().zip(1..).for_each(|(name, seed)| place.phantom(name, seed));
    assert_eq!(place.analyze(&names).status, 0);
    let before = ["a", "b", "c"].map(|s| place.written(&format!("out/{s}.json")));
    change(&place);
    // File times are coarse on some systems.
    std::thread::sleep(Duration::from_millis(20));
    let run = place.analyze(&[&names[..], &["--resume"], arguments].concat());
    assert_eq!(run.status, 0, "{}", run.err);
    assert_eq!(place.names("out"), results_of(&["a", "b", "c"]));
    let files = place.record()["files"].as_array().unwrap().clone();
    assert!(files.len() == 3 && files.iter().all(|f| f["status"] == "ok"), "the record tells of all inputs: {files:?}");
    let again = [0, 1, 2].map(|i| place.written(&format!("out/{}.json", ["a", "b", "c"][i])) != before[i]);
    let skipped = again.iter().filter(|a| !**a).count();
    assert_eq!(run.out.contains(&format!("{skipped} finished earlier")), skipped > 0, "{}", run.out);
    again
}

#[test]
fn what_is_finished_is_skipped() {
    assert_eq!(done_again(|_| (), &[]), [false; 3]);
    assert_eq!(done_again(|_| (), &["--threads", "2"]), [false; 3], "threads change no result");
}

#[test]
fn what_lacks_a_file_is_done_again() {
    let lose = |place: &Place| std::fs::remove_file(place.path("out/b.lung.png")).unwrap();
    assert_eq!(done_again(lose, &[]), [false, true, false]);
}

#[test]
fn another_model_or_option_does_all_again() {
    assert_eq!(done_again(|place| place.write("little.onnx", &little(2.0)), &[]), [true; 3]);
    assert_eq!(done_again(|_| (), &["--views", "flip"]), [true; 3]);
    assert_eq!(done_again(|_| (), &["--opacity", "0.5"]), [true; 3]);
    assert_eq!(done_again(|place| std::fs::remove_file(place.path("out/run.json")).unwrap(), &[]), [true; 3]);
    assert_eq!(done_again(|place| place.write("out/run.json", b"{ \"files\": ["), &[]), [true; 3]);
}

/// A file of the same name with other contents is another radiograph.
#[test]
fn a_changed_input_is_done_again() {
    assert_eq!(done_again(|place| place.phantom("c.png", 99), &[]), [false, false, true]);
}

#[test]
fn failures_are_tried_again() {
    let place = Place::new();
    place.phantom("a.png", 1);
    place.write("b.png", b"");
    assert_eq!(place.analyze(&["a.png", "b.png"]).status, 1);
    let before = place.written("out/a.json");
    place.phantom("b.png", 2);
    let run = place.analyze(&["a.png", "b.png", "--resume"]);
    assert_eq!(run.status, 0, "{}", run.err);
    assert_eq!(place.written("out/a.json"), before);
    assert_eq!(place.entry("b.png")["status"], "ok");
    // Without --resume everything is done again.
    std::thread::sleep(Duration::from_millis(20));
    assert_eq!(place.analyze(&["a.png", "b.png"]).status, 0);
    assert_ne!(place.written("out/a.json"), before);
}

/// The case that --resume is for: the run was killed.
#[test]
fn a_killed_run_is_resumed() {
    let place = Place::new();
    let names: Vec<String> = (0..30).map(|i| format!("{i:02}.png")).collect();
    names.iter().zip(1..).for_each(|(name, seed)| place.phantom(name, seed));
    let inputs: Vec<&str> = names.iter().map(String::as_str).collect();
    // The bundled model, so that thirty inputs take longer than the record's first appearance.
    let arguments = [&["analyze", "--out", "out", "--threads", "1", "--quiet", "--resume"], &inputs[..]].concat();
    let mut running = place.command(&arguments).spawn().unwrap();
    let patience = Instant::now() + Duration::from_secs(60);
    while !place.path("out/run.json").exists() && Instant::now() < patience {
        std::thread::sleep(Duration::from_millis(5));
    }
    running.kill().unwrap();
    running.wait().unwrap();
    let recorded: Vec<String> = place.record()["files"].as_array().unwrap().iter().map(|f| f["input"].as_str().unwrap().into()).collect();
    assert!(!recorded.is_empty() && recorded.len() < 30, "{} of 30 recorded when it was killed", recorded.len());
    let times: Vec<_> = recorded.iter().map(|name| place.written(&format!("out/{}", name.replace("png", "json")))).collect();

    let run = place.run(&arguments);
    assert_eq!(run.status, 0, "{}", run.err);
    let stems: Vec<&str> = inputs.iter().map(|n| n.trim_end_matches(".png")).collect();
    let names: Vec<String> = place.names("out").into_iter().filter(|n| !n.starts_with(".covmap-")).collect();
    assert_eq!(names, results_of(&stems));
    assert_eq!(place.record()["files"].as_array().unwrap().len(), 30);
    for (name, time) in recorded.iter().zip(times) {
        assert_eq!(place.written(&format!("out/{}", name.replace("png", "json"))), time, "{name} was done again");
    }
}
