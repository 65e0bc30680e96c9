//! Disks that fill up, folders that cannot be written, files that vanish.

use std::io::Write;
use std::process::{Command, Output, Stdio};
use std::time::{Duration, Instant};

use covmap_tests::json;
use covmap_tests::reliability::record;
use serde_json::{Value, json};

use crate::{Batch, exists, text};

fn shell(script: &str) -> bool {
    Command::new("bash").args(["-c", script]).status().unwrap().success()
}

/// Ended in an error that says what the system said.
fn failed(output: &Output, says: &str) {
    let said = text(&output.stderr);
    assert_eq!(output.status.code(), Some(1), "{said}");
    assert!(said.contains(says), "{said}");
}

/// Files may grow to some size and no further, as on a disk that fills up in the midst of each.
#[test]
fn a_file_that_cannot_be_finished_is_absent() {
    let batch = Batch::new(4);
    assert!(batch.analyze("whole", &["--html"]).status.success());
    for limit in [0, 1, 2, 4, 8, 16, 32] {
        let out = format!("out-{limit}");
        // The signal would end the process; ignored, the write fails.
        let output = batch.shell(&format!("trap '' XFSZ; ulimit -f {limit}; exec \"$@\""), &out, &["--html"]);
        failed(&output, "File too large");
        batch.check_results(&out, "whole");
        assert!(!batch.names(&out).iter().any(|n| n.starts_with(".covmap-")), "{:?}", batch.names(&out));
        let entries: Vec<Value> = match batch.path(&out).join("run.json").exists() {
            true => json(&batch.path(&out).join("run.json"))["files"].as_array().unwrap().clone(),
            false => Vec::new(),
        };
        assert!(entries.iter().all(|e| e["status"] == "ok" || e["kind"] == "Io"), "{entries:?}");
        // With room the same folder becomes whole.
        assert!(batch.analyze(&out, &["--html", "--resume"]).status.success());
        assert_eq!(batch.names(&out), batch.names("whole"));
        batch.check_results(&out, "whole");
    }
    record("file-size", json!({ "limits_tried": 7, "torn_files": 0, "completed_by_resume": 7 }));
}

/// A file system of its own that is full after a few files.
#[test]
fn a_full_disk_is_an_error() {
    if !exists("unshare") || !shell("unshare --user --map-root-user --mount mount -t tmpfs tmpfs /mnt 2>/dev/null") {
        eprintln!("SKIPPED: this machine lets no process mount a file system of its own");
        return;
    }
    let batch = Batch::new(6);
    assert!(batch.analyze("whole", &[]).status.success());
    let mut kept = Vec::new();
    for kib in [16, 64, 160] {
        for folder in ["out", "kept"] {
            let _ = std::fs::remove_dir_all(batch.path(folder));
            std::fs::create_dir(batch.path(folder)).unwrap();
        }
        let script = format!(
            "unshare --user --map-root-user --mount bash -c 'mount -t tmpfs -o size={kib}k tmpfs out && \"$@\"; s=$?; cp -a out/. kept/; exit $s' bash \"$@\""
        );
        let output = batch.shell(&script, "out", &["--threads", "1"]);
        failed(&output, "No space left on device");
        std::fs::remove_dir_all(batch.path("out")).unwrap();
        std::fs::rename(batch.path("kept"), batch.path("out")).unwrap();
        kept.push(batch.check_results("out", "whole"));
        assert!(!batch.names("out").iter().any(|n| n.starts_with(".covmap-")));
    }
    assert!(kept.is_sorted() && kept[2] > 0, "{kept:?} files fitted");
    record("full-disk", json!({ "sizes_tried": 3, "torn_files": 0, "whole_files_kept": kept }));
}

#[test]
fn a_folder_that_cannot_be_written_is_an_error() {
    let batch = Batch::new(2);
    std::fs::create_dir(batch.path("out")).unwrap();
    // Root writes everywhere, but for what the kernel itself keeps.
    failed(&batch.analyze("/proc/covmap", &[]), "/proc/covmap");
    assert!(shell(&format!("chmod -R a+rX '{0}' && chmod a-w '{0}/out'", batch.folder.path().display())));
    let script = "if [ $(id -u) = 0 ]; then exec setpriv --reuid 65534 --regid 65534 --clear-groups \"$@\"; else exec \"$@\"; fi";
    let output = batch.shell(script, "out", &[]);
    failed(&output, "Permission denied");
    assert_eq!(batch.names("out"), Vec::<String>::new());
    // Not even begun below a folder that is a file.
    failed(&batch.analyze("00.png/out", &[]), "00.png");
}

/// The first input is a pipe: while the command waits for it the test takes the second one away, and cuts the first short.
#[test]
fn files_that_vanish_or_end_early_fail_alone() {
    let mut batch = Batch::new(3);
    let bytes = std::fs::read(batch.path("00.png")).unwrap();
    for (round, part) in [0, 1, 40, bytes.len() / 2, bytes.len() - 20, bytes.len()].into_iter().enumerate() {
        let (pipe, gone, out) = (format!("pipe-{round}.png"), format!("gone-{round}.png"), format!("out-{round}"));
        assert!(Command::new("mkfifo").arg(batch.path(&pipe)).status().unwrap().success());
        std::fs::write(batch.path(&gone), &bytes).unwrap();
        batch.inputs = vec![pipe.clone(), gone.clone(), "02.png".into()];
        let mut command = Command::new(env!("CARGO_BIN_EXE_covmap-under-test"));
        command.current_dir(batch.folder.path()).args(batch.arguments(&out, &["--threads", "1"])).stderr(Stdio::piped());
        let running = command.spawn().unwrap();
        let mut writer = std::fs::OpenOptions::new().write(true).open(batch.path(&pipe)).unwrap();
        std::fs::remove_file(batch.path(&gone)).unwrap();
        writer.write_all(&bytes[..part]).unwrap();
        drop(writer);
        let output = running.wait_with_output().unwrap();
        assert_eq!(output.status.code(), Some(1), "{}", text(&output.stderr));
        let record = json(&batch.path(&out).join("run.json"));
        let told = |i: usize| (record["files"][i]["status"].as_str(), record["files"][i]["kind"].as_str());
        let first = if part == bytes.len() { (Some("ok"), None) } else { (Some("failed"), Some("Input")) };
        assert_eq!([told(0), told(1), told(2)], [first, (Some("failed"), Some("Io")), (Some("ok"), None)], "{part} bytes: {record:#}");
    }
    record("vanishing-files", json!({ "pipes_cut_short": 5, "files_removed": 6, "others_analysed": 6 }));
}

/// To open a pipe waits for its writer, who may never come.
#[test]
fn a_folder_with_a_pipe_in_it_is_no_trap() {
    let batch = Batch::new(0);
    std::fs::create_dir(batch.path("in")).unwrap();
    std::fs::write(batch.path("in/a.png"), std::fs::read(Batch::new(1).path("00.png")).unwrap()).unwrap();
    for name in ["in/pipe.png", "in/pipe"] {
        assert!(Command::new("mkfifo").arg(batch.path(name)).status().unwrap().success());
    }
    let start = Instant::now();
    let output = batch.shell("exec timeout 20 \"$@\"", "out", &["in"]);
    assert!(output.status.success() && start.elapsed() < Duration::from_secs(20), "{}", text(&output.stderr));
    assert_eq!(json(&batch.path("out/run.json"))["files"].as_array().unwrap().len(), 1);
}
