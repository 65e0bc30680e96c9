//! Every input that fuzzing ever found something with, and every seed, on the target it belongs to.

use std::time::Instant;

use covmap_tests::fuzz::{TARGETS, seeds, strict};
use covmap_tests::root;

#[test]
fn what_was_found_stays_fixed() {
    strict();
    for (target, run) in TARGETS {
        let start = Instant::now();
        let folder = root().join("fuzz/regressions").join(target);
        let mut files: Vec<_> = std::fs::read_dir(&folder).into_iter().flatten().map(|entry| entry.unwrap().path()).collect();
        files.sort();
        for file in &files {
            eprintln!("{}", file.display());
            run(&std::fs::read(file).unwrap());
        }
        let seeds = seeds::of(target);
        assert!(!seeds.is_empty(), "{target}");
        for (name, bytes) in &seeds {
            eprintln!("{target}, {name}");
            run(bytes);
        }
        println!("{target}: {} findings and {} seeds in {:.1} s", files.len(), seeds.len(), start.elapsed().as_secs_f64());
    }
}
