//! The command killed at random points: a result is whole or absent, and `--resume` does the rest.

use std::os::unix::process::ExitStatusExt;
use std::process::{Child, Command, Stdio};
use std::time::Duration;

use covmap_tests::json;
use covmap_tests::reliability::{Random, length, record};
use serde_json::{Value, json};

use crate::{Batch, done, text};

const RESULTS: [&str; 4] = ["--html", "--resume", "--threads", "2"];

fn start(batch: &Batch, out: &str) -> Child {
    let mut command = Command::new(env!("CARGO_BIN_EXE_covmap-under-test"));
    command.current_dir(batch.folder.path()).args(batch.arguments(out, &RESULTS));
    command.stdout(Stdio::null()).stderr(Stdio::null()).spawn().unwrap()
}

#[test]
fn a_killed_run_leaves_whole_files_and_is_resumed() {
    let batch = Batch::new(10);
    let whole = batch.analyze("whole", &RESULTS);
    assert!(whole.status.success(), "{}", text(&whole.stderr));
    let wanted = batch.names("whole");
    let took = json(&batch.path("whole/run.json"))["ms"].as_u64().unwrap();
    let mut random = Random(7);
    let (mut killed, mut seen, mut leftovers, mut resumed) = (0, 0, 0, 0);
    let runs = length(15, 300);
    for run in 0.. {
        if killed == runs {
            break;
        }
        assert!(run < 4 * runs + 100, "of {run} runs only {killed} were killed in time");
        let mut child = start(&batch, "out");
        // Half of them in the first files, the others anywhere.
        let latest = if run % 2 == 0 { took / 3 + 40 } else { took + 60 };
        std::thread::sleep(Duration::from_micros(random.below(latest * 1000)));
        child.kill().unwrap();
        let status = child.wait().unwrap();
        killed += usize::from(status.signal() == Some(9));
        leftovers += batch.names("out").iter().filter(|n| n.starts_with(".covmap-")).count();
        seen += batch.check_results("out", "whole");
        // Some runs go on where the last one was killed, and some are finished.
        if status.success() || random.below(3) == 0 {
            let recorded = if batch.path("out/run.json").exists() { done(&json(&batch.path("out/run.json"))).len() } else { 0 };
            resumed += usize::from(recorded > 0);
            let rest = batch.analyze("out", &RESULTS);
            assert!(rest.status.success(), "{}", text(&rest.stderr));
            assert_eq!(batch.names("out"), wanted, "all results, and nothing unfinished");
            batch.check_results("out", "whole");
            assert_eq!(done(&json(&batch.path("out/run.json"))).len(), 10);
            std::fs::remove_dir_all(batch.path("out")).unwrap();
        }
    }
    assert!(seen > 0 && resumed > 0, "{seen} files were seen, {resumed} runs resumed");
    record(
        "kill",
        json!({ "runs_killed": killed, "result_files_seen": seen, "torn_files": 0, "unfinished_files_swept": leftovers, "runs_resumed": resumed }),
    );
}

/// Ctrl-C: what is done stays, the record is whole, and the rest is done later.
#[test]
fn an_interrupted_run_is_resumed() {
    let batch = Batch::new(60);
    // The bundled model, so that there is time to interrupt.
    let arguments: Vec<&str> =
        batch.arguments("out", &["--resume", "--threads", "1"]).into_iter().filter(|a| !["--model", "little.onnx"].contains(a)).collect();
    let command = |out: &str| {
        // What a shell started in the background ignores the signal otherwise.
        let mut command = Command::new("env");
        command.args(["--default-signal=INT", env!("CARGO_BIN_EXE_covmap-under-test")]);
        command.current_dir(batch.folder.path()).args(arguments.iter().map(|a| if *a == "out" { out } else { a }));
        command
    };
    assert!(command("whole").status().unwrap().success());
    let mut child = command("out").spawn().unwrap();
    for _ in 0..60_000 {
        if batch.path("out/run.json").exists() {
            break;
        }
        std::thread::sleep(Duration::from_millis(1));
    }
    assert!(Command::new("kill").args(["-INT", &child.id().to_string()]).status().unwrap().success());
    assert_eq!(child.wait().unwrap().signal(), Some(2));
    batch.check_results("out", "whole");
    let before: Vec<Value> = done(&json(&batch.path("out/run.json"))).into_iter().cloned().collect();
    assert!((1..60).contains(&before.len()), "{} of 60 were recorded", before.len());
    let rest = command("out").output().unwrap();
    assert!(rest.status.success(), "{}", text(&rest.stderr));
    assert_eq!(batch.names("out"), batch.names("whole"));
    batch.check_results("out", "whole");
    let after = json(&batch.path("out/run.json"));
    assert!(before.iter().all(|e| done(&after).contains(&e)), "what was done is not done again");
}
