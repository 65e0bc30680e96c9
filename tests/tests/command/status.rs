//! Exit status: 0 all analysed, 1 some failed, 2 wrong usage; one bad input is never the end of a batch.

use std::time::SystemTime;

use covmap_core::phantom::Opacities;
use covmap_tests::phantom;
use serde_json::Value;

use crate::{Place, results_of};

#[test]
fn help_and_version_are_answers() {
    let place = Place::new();
    for arguments in [&["--help"][..], &["--version"], &["analyze", "--help"], &["evaluate", "--help"], &["model", "bench", "--help"]] {
        let run = place.run(arguments);
        assert_eq!((run.status, run.err.as_str()), (0, ""), "{arguments:?}");
        assert!(run.out.contains("covmap"), "{arguments:?}: {}", run.out);
    }
}

#[test]
fn wrong_usage_is_2_and_writes_nothing() {
    let place = Place::new();
    place.phantom("a.png", 1);
    std::fs::create_dir(place.path("empty")).unwrap();
    let wrong: [(&[&str], &str); 19] = [
        (&[], "Usage"),
        (&["analyse", "a.png"], "unrecognized subcommand"),
        (&["analyze", "a.png"], "--out"),
        (&["analyze", "--out", "out"], "INPUT"),
        (&["analyze", "a.png", "--out", "out", "--fast"], "--fast"),
        (&["analyze", "a.png", "--out", "out", "--opacity", "1.5"], "--opacity 1.5"),
        (&["analyze", "a.png", "--out", "out", "--opacity", "NaN"], "--opacity NaN"),
        (&["analyze", "a.png", "--out", "out", "--threads", "0"], "--threads"),
        (&["analyze", "a.png", "--out", "out", "--timeout", "nan"], "a number of seconds"),
        (&["analyze", "a.png", "--out", "out", "--max-memory", "much"], "--max-memory"),
        (&["analyze", "a.png", "--out", "out", "--fusion", "median"], "mean, logit-mean, max, vote"),
        (&["analyze", "a.png", "--out", "out", "--dicom", "seg,rt"], "seg, map, sr, sc"),
        (&["analyze", "a.png", "--out", "out", "--views", "all"], "none, flip"),
        (&["analyze", "empty", "--out", "out"], "no image in this folder"),
        (&["analyze", "a.png", "--out", "out", "--model", "missing.onnx"], "missing.onnx"),
        (&["model", "inspect", "missing.onnx"], "missing.onnx"),
        (&["model", "extract", "missing.onnx", "--out", "out/plain.onnx"], "missing.onnx"),
        (&["model", "bench", "missing.onnx"], "missing.onnx"),
        (&["model", "bench", "little.onnx", "--input", "missing.f32"], "missing.f32"),
    ];
    for (arguments, says) in wrong {
        let run = place.run(arguments);
        assert_eq!(run.status, 2, "{arguments:?}: {}", run.err);
        assert!(run.err.contains(says), "{arguments:?}: {}", run.err);
        for result in ["run.json", "a.json", "plain.onnx"] {
            assert!(!place.path("out").join(result).exists(), "{arguments:?} wrote {result}");
        }
    }
}

#[test]
fn the_rest_of_a_batch_is_done() {
    let place = Place::new();
    for (name, seed) in [("a.png", 1), ("c.png", 2), ("e.png", 3)] {
        place.phantom(name, seed);
    }
    place.write("b.png", b"not a picture");
    let run = place.analyze(&["a.png", "b.png", "c.png", "d.png", "e.png"]);
    assert_eq!(run.status, 1);
    assert!(run.out.contains("3 analysed, 2 failed"), "{}", run.out);
    assert!(run.err.contains("b.png") && run.err.contains("d.png"), "{}", run.err);
    assert_eq!(place.names("out"), results_of(&["a", "c", "e"]));
    let record = place.record();
    let files = record["files"].as_array().unwrap();
    let states: Vec<(&str, &str)> = files.iter().map(|f| (f["input"].as_str().unwrap(), f["status"].as_str().unwrap())).collect();
    assert_eq!(states, [("a.png", "ok"), ("b.png", "failed"), ("c.png", "ok"), ("d.png", "failed"), ("e.png", "ok")]);
    assert_eq!((&place.entry("b.png")["kind"], &place.entry("d.png")["kind"]), (&"Input".into(), &"Io".into()));
}

#[test]
fn fail_fast_stops_at_the_first_failure() {
    let place = Place::new();
    let names: Vec<String> = (0..40).map(|i| format!("{i:02}.png")).collect();
    names.iter().zip(1..).for_each(|(name, seed)| place.phantom(name, seed));
    place.write("01.png", b"");
    let arguments: Vec<&str> = names.iter().map(String::as_str).chain(["--fail-fast", "--threads", "1"]).collect();
    let run = place.analyze(&arguments);
    assert_eq!(run.status, 1);
    let files = place.record()["files"].as_array().unwrap().len();
    assert_eq!(files, 2, "the record ends with the failure");
    let analysed = place.names("out").iter().filter(|n| n.ends_with(".lung.png")).count();
    assert!(analysed < 10, "{analysed} of 39 were analysed after the failure");
}

#[test]
fn strict_refuses_what_is_flagged() {
    let place = Place::new();
    place.phantom("good.png", 1);
    place.write("wide.png", &phantom(1, Opacities::Mild, 500, 200).to_png().unwrap());
    let flags = |name: &str| covmap_tests::json(&place.path(name))["quality"]["flags"].clone();
    let run = place.analyze(&["good.png", "wide.png"]);
    assert_eq!(run.status, 0, "{}", run.err);
    assert_eq!(flags("out/good.json"), Value::Array(vec![]));
    assert!(flags("out/wide.json").as_array().unwrap().contains(&"cropped".into()));
    assert!(run.out.contains("[cropped]"), "{}", run.out);

    std::fs::remove_dir_all(place.path("out")).unwrap();
    let run = place.analyze(&["good.png", "wide.png", "--strict"]);
    assert_eq!(run.status, 1);
    assert!(run.err.contains("wide.png: refused in strict mode: cropped"), "{}", run.err);
    assert_eq!(place.names("out"), results_of(&["good"]));
}

/// Too slow, or too large: that input has failed, and says why.
#[test]
fn time_and_memory_are_bounded() {
    let place = Place::new();
    place.phantom("a.png", 1);
    let run = place.analyze(&["a.png", "--timeout", "0"]);
    assert_eq!((run.status, &place.entry("a.png")["kind"]), (1, &"Cancelled".into()), "{}", run.err);
    let run = place.analyze(&["a.png", "--max-memory", "1"]);
    assert_eq!((run.status, &place.entry("a.png")["kind"]), (1, &"LimitsExceeded".into()), "{}", run.err);
    assert!(run.err.contains("a.png: the analysis needs ") && run.err.contains("; the limit is 1048576"), "{}", run.err);
    assert_eq!(place.names("out"), ["run.json"]);
}

/// Every level of this machine gives what was recorded; what it lacks is said.
#[test]
fn the_selftest_passes() {
    let place = Place::new();
    let run = place.run(&["selftest"]);
    assert_eq!((run.status, run.err.as_str()), (0, ""), "{}", run.out);
    let lines: Vec<&str> = run.out.lines().collect();
    assert_eq!((lines.len(), lines[5]), (6, "passed"), "{}", run.out);
    assert!(lines[1].starts_with("portable f32   passed: probabilities within "), "{}", run.out);
    assert!(lines[2..5].iter().all(|l| l.contains("passed: ") || l.ends_with("not on this processor")), "{}", run.out);
    // Whatever level the environment asks for.
    let output = place.command(&["selftest", "--json"]).env("COVMAP_SIMD", "portable").output().unwrap();
    let report: Value = serde_json::from_slice(&output.stdout).unwrap();
    assert_eq!((&report["schema"], &report["passed"]), (&"covmap-selftest/1".into(), &true.into()));
    let checks = report["checks"].as_array().unwrap();
    let names: Vec<_> = checks.iter().map(|c| (c["level"].as_str().unwrap(), c["precision"].as_str().unwrap())).collect();
    assert_eq!(names, [("portable", "f32"), ("avx2", "f32"), ("avx512", "f32"), ("avx512", "bf16")]);
    assert!(lines[1..5].iter().zip(checks).all(|(l, c)| l.contains("not on this processor") == c["found"].is_null()));
    assert!(checks[0]["found"]["probability"].as_f64().unwrap() <= 1e-4);
}

/// The clock appears in the record only.
#[test]
fn the_record_says_when() {
    let place = Place::new();
    place.phantom("a.png", 1);
    let now = || SystemTime::now().duration_since(SystemTime::UNIX_EPOCH).unwrap().as_secs();
    let before = now();
    place.analyze(&["a.png"]);
    let started = place.record()["started_unix"].as_u64().unwrap();
    assert!((before..=now()).contains(&started));
}

#[test]
#[cfg(unix)]
fn a_reader_who_leaves_early_is_no_error() {
    let mut child = std::process::Command::new(env!("CARGO_BIN_EXE_covmap-under-test"))
        .args(["model", "inspect", "--plan"])
        .stdout(std::process::Stdio::piped())
        .stderr(std::process::Stdio::piped())
        .spawn()
        .unwrap();
    drop(child.stdout.take());
    let output = child.wait_with_output().unwrap();
    assert_eq!((output.status.code(), String::from_utf8_lossy(&output.stderr).as_ref()), (Some(0), ""));
}
