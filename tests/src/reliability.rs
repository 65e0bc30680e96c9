//! Tests of reliability run short in `tests/run`, and at full length in `tests/full`, which keeps what they measured in
//! `tests/reliability/SUBJECT.json`.

use std::process::Command;

use serde_json::{Map, Value, json};

/// Whether to run at full length (`COVMAP_RELIABILITY=full`).
pub fn full() -> bool {
    std::env::var_os("COVMAP_RELIABILITY").is_some_and(|v| v == "full")
}

/// `short` in `tests/run`, `long` in `tests/full`.
pub fn length(short: usize, long: usize) -> usize {
    if full() { long } else { short }
}

/// Prints figures (an object), and keeps them where they are of a run at full length.
///
/// # Panics
/// If they are no object, or cannot be written.
pub fn record(subject: &str, figures: Value) {
    eprintln!("{subject}: {figures}");
    if !full() {
        return;
    }
    let told = |program: &str, arguments: &[&str]| {
        let output = Command::new(program).args(arguments).current_dir(crate::root()).output().expect("it runs");
        String::from_utf8(output.stdout).expect("text").trim().to_owned()
    };
    let (date, commit) = (told("date", &["-u", "+%F"]), told("git", &["rev-parse", "--short", "HEAD"]));
    let mut kept =
        Map::from_iter([("subject", json!(subject)), ("date", json!(date)), ("commit", json!(commit))].map(|(k, v)| (k.to_owned(), v)));
    kept.extend(figures.as_object().expect("figures are an object").clone());
    let folder = crate::root().join("tests/reliability");
    std::fs::create_dir_all(&folder).expect("the folder of reports");
    std::fs::write(folder.join(format!("{subject}.json")), format!("{:#}\n", Value::Object(kept))).expect("a report");
}

/// Pseudo-random numbers (SplitMix64), the same in every run.
#[derive(Debug, Clone)]
pub struct Random(pub u64);

impl Random {
    /// Uniform in `0..below`.
    pub fn below(&mut self, below: u64) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let z = (self.0 ^ (self.0 >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        let z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        (z ^ (z >> 31)) % below
    }
}
