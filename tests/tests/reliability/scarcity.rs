//! Too little memory: a result, an error, or an abort that says so; never a wrong result.

use std::collections::BTreeMap;
use std::os::unix::process::ExitStatusExt;
use std::process::{Command, Output};

use covmap_tests::reliability::{full, record};
use serde_json::json;

use crate::{Batch, text};

/// How a process ended that had too little memory; whether it had begun its work.
///
/// # Panics
/// If it ended in a way that nobody promised.
fn ending(output: &Output, began: bool, what: &str) -> &'static str {
    let said = text(&output.stderr);
    match (output.status.code(), output.status.signal()) {
        (Some(0), _) => "result",
        // The dynamic loader's own word, before the program begins.
        (Some(127), _) if !began => "not started",
        // The kernel's, where not even the program fits.
        (None, Some(9 | 11)) if !began && said.is_empty() => "not started",
        (Some(1 | 2), _) if said.contains("covmap: ") => "error",
        // Rust's policy where an allocation fails.
        (_, Some(6)) if said.contains("memory allocation of") => "abort",
        (code, signal) => panic!("{what}: status {code:?}, signal {signal:?}: {said}"),
    }
}

/// `ulimit -v` from next to nothing to enough.
#[test]
fn little_address_space_is_no_wrong_result() {
    let batch = Batch::new(3);
    assert!(batch.analyze("whole", &["--threads", "1"]).status.success());
    let mut endings = BTreeMap::new();
    let (step, mut limit, mut enough) = (if full() { 1000 } else { 6000 }, 4000, 0);
    // Several results in a row: more memory changes nothing then.
    while enough < 4 {
        let out = format!("out-{limit}");
        let output = batch.shell(&format!("ulimit -v {limit}; exec \"$@\""), &out, &["--threads", "1"]);
        let ending = ending(&output, batch.path(&out).exists(), &out);
        *endings.entry(ending).or_insert(0) += 1;
        let results = batch.check_results(&out, "whole");
        enough = if ending == "result" { enough + 1 } else { 0 };
        assert!(ending != "result" || results == 12, "{results} of 12 results with {limit} KiB");
        assert!(limit < 4_000_000, "4 GB are not enough");
        limit += step;
    }
    assert!(endings.get("error").is_some_and(|n| *n > 0), "{endings:?}");
    record("address-space", json!({ "limits_tried": endings.values().sum::<i32>(), "wrong_results": 0, "ended_in": endings }));
}

/// An allocator that refuses one allocation: the first of some size, the second, and so on.
#[test]
fn a_failing_allocator_is_no_wrong_result() {
    let mut endings = BTreeMap::new();
    let step = if full() { 1 } else { 9 };
    for nth in (1..).step_by(step) {
        let output = Command::new(env!("CARGO_BIN_EXE_short-of-memory")).arg(nth.to_string()).output().unwrap();
        let ending = ending(&output, true, &format!("allocation {nth}"));
        *endings.entry(ending).or_insert(0) += 1;
        // The last one is beyond all allocations there are.
        if text(&output.stdout).contains("none refused") {
            break;
        }
        assert!(nth < 100_000, "no end of allocations");
    }
    assert!(endings["result"] >= 1 && endings.len() > 1, "{endings:?}");
    record(
        "failing-allocator",
        json!({ "allocations_refused": endings.values().sum::<i32>() - 1, "wrong_results": 0, "ended_in": endings }),
    );
}
