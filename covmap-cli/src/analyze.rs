//! `covmap analyze`: radiographs to result files.

use std::collections::BTreeMap;
use std::io::IsTerminal;
use std::path::{Path, PathBuf};
use std::sync::Mutex;
use std::thread::JoinHandle;
use std::time::{Duration, Instant, SystemTime};

use covmap_core::{Error, Model, Pipeline, Radiograph, ReadOptions, Result};
use indicatif::{ProgressBar, ProgressStyle};
use serde_json::{Value, json};
use sha2::{Digest, Sha256};

use crate::args::Analyze;
use crate::index;
use crate::inputs::{self, Input};
use crate::output;
use crate::results::Results;
use crate::{OK, SOME_FAILED, usage};

pub(crate) fn run(a: &Analyze) -> Result<u8> {
    if !(0.0..=1.0).contains(&a.opacity) {
        return Err(usage(format!("--opacity {}: 0 to 1 is possible", a.opacity)));
    }
    let began = Instant::now();
    let started = SystemTime::now();
    std::fs::create_dir_all(&a.out).map_err(|e| Error::io(&a.out, e))?;
    let mut results_of = a.results();
    let inputs = inputs::collect(&a.inputs, &a.out, a.recursive, &results_of.endings())?;
    results_of.thumbnail &= inputs.len() > 1;
    let (listed, all) = (results_of.thumbnail, inputs.clone());
    let read_options = ReadOptions::default().frame(a.frame);
    let early = Early::start(inputs.first().filter(|_| a.pipeline.parallel() && !a.resume), &read_options);
    let pipeline = a.pipeline.build()?;
    let run_options = a.pipeline.run_options();
    (results_of.options, results_of.training) = (pipeline.choices(&run_options), pipeline.training().cloned().collect());
    let mut log = Log::new(a, &pipeline, results_of.endings(), started);
    if a.resume {
        let root = a.out.join("run");
        output::sweep(inputs.iter().map(|i| i.stem.as_path()).chain([root.as_path()]));
    }
    let finished = if a.resume { log.finished_before(&a.out) } else { BTreeMap::new() };
    let (done, todo): (Vec<Input>, Vec<Input>) =
        inputs.into_iter().partition(|i| finished.get(&key(&i.path)).is_some_and(|before| complete(i, &results_of, before)));
    log.files.extend(done.iter().filter_map(|i| finished.get(&key(&i.path)).cloned()));
    let bar = progress(todo.len(), a.quiet || a.json);
    let strict = a.strict;
    let (mut failed, mut stopped) = (0, false);
    let results = pipeline.map_many(todo.clone(), move |pipeline, input: Input| {
        let start = Instant::now();
        let radiograph = early.take(&input.path).unwrap_or_else(|| Radiograph::open_with(&input.path, &read_options))?;
        let analysis = pipeline.analyze_with(&radiograph, &run_options)?;
        if strict {
            analysis.quality.require_good()?;
        }
        let json = results_of.write(&radiograph, &analysis, input.name().as_deref(), &input.stem)?;
        Ok(Finished { json, sha256: analysis.input_sha256, milliseconds: start.elapsed().as_millis() })
    });
    for (input, result) in todo.iter().zip(results) {
        match result {
            Ok(finished) => {
                if a.json {
                    say!("{}", finished.json);
                } else {
                    report_line(&bar, a.quiet, &format!("{}: {}", input.path.display(), summary(&finished.json)));
                }
                log.succeeded(input, &finished);
            }
            Err(e) => {
                failed += 1;
                let text = e.to_string();
                // Every message names its file; not every error knows it.
                let text = if text.contains(&*input.path.to_string_lossy()) { text } else { format!("{}: {text}", input.path.display()) };
                bar.suspend(|| eprintln!("covmap: {text}"));
                log.failed(input, &e, &text);
                stopped = a.fail_fast;
            }
        }
        bar.inc(1);
        log.save_at_times(&a.out, began)?;
        if stopped {
            break;
        }
    }
    bar.finish_and_clear();
    log.save(&a.out, began)?;
    if listed {
        index::write(&a.out, &log.files, &all)?;
    }
    if !a.quiet && !a.json {
        let skipped = if done.is_empty() { String::new() } else { format!(", {} finished earlier", done.len()) };
        say!("{} analysed, {failed} failed{skipped}; results in {}", log.analysed, a.out.display());
    }
    Ok(if failed == 0 { OK } else { SOME_FAILED })
}

/// The first radiograph, read while the model loads.
struct Early(Mutex<Option<(PathBuf, JoinHandle<Result<Radiograph>>)>>);

impl Early {
    fn start(first: Option<&Input>, options: &ReadOptions) -> Self {
        let first = first.map(|input| {
            let (path, options) = (input.path.clone(), *options);
            (path.clone(), std::thread::spawn(move || Radiograph::open_with(path, &options)))
        });
        Early(Mutex::new(first))
    }

    /// `None` for all but the first, and where reading it panicked.
    fn take(&self, path: &Path) -> Option<Result<Radiograph>> {
        let mut early = self.0.lock().ok()?;
        let (_, reading) = early.take_if(|(first, _)| first == path)?;
        drop(early);
        reading.join().ok()
    }
}

/// What is kept of a finished input.
struct Finished {
    json: Value,
    sha256: Option<String>,
    milliseconds: u128,
}

/// One line for people.
fn summary(json: &Value) -> String {
    let percent = |v: &Value| v.as_f64().map_or("no lungs".to_owned(), |x| format!("{:.1} % of the lungs", 100.0 * x));
    let mut line = format!("opacity {}", percent(&json["infection"]["share"]));
    if let Some(b) = json["severity"]["brixia_estimate"].as_f64() {
        line += &format!(", Brixia estimate {b:.1} of 18");
    }
    if let Some(p) = json["detection"]["probability"].as_f64() {
        let sign = if json["detection"]["positive"] == true { "positive" } else { "negative" };
        line += &format!(", {sign} ({p:.2})");
    }
    for flag in json["quality"]["flags"].as_array().into_iter().flatten().filter_map(Value::as_str) {
        line += &format!(" [{flag}]");
    }
    line
}

pub(crate) fn progress(n: usize, hidden: bool) -> ProgressBar {
    if hidden || n < 2 || !std::io::stderr().is_terminal() {
        return ProgressBar::hidden();
    }
    let style = ProgressStyle::with_template("{bar:30} {pos}/{len} {elapsed} (left {eta})").expect("a valid template");
    ProgressBar::new(n as u64).with_style(style)
}

/// One line a file where there is no progress bar.
fn report_line(bar: &ProgressBar, quiet: bool, line: &str) {
    if !quiet && bar.is_hidden() {
        say!("{line}");
    }
}

fn key(path: &Path) -> String {
    path.display().to_string()
}

/// Whether the results of `input` stand and were made of what it holds now.
fn complete(input: &Input, results: &Results, before: &Value) -> bool {
    let hash = || -> std::io::Result<String> {
        let mut hasher = Sha256::new();
        std::io::copy(&mut std::fs::File::open(&input.path)?, &mut hasher)?;
        Ok(format!("{:x}", hasher.finalize()))
    };
    results.all_exist(&input.stem) && hash().is_ok_and(|h| before["sha256"] == *h)
}

/// The record of the run, `run.json`: the one place for times, so that results stay identical from run to run.
struct Log {
    head: Value,
    /// Of the files that every finished input has.
    endings: Vec<String>,
    files: Vec<Value>,
    analysed: usize,
    /// When the record was last written, and how long that took.
    saved: Option<(Instant, Duration)>,
}

impl Log {
    fn new(a: &Analyze, pipeline: &Pipeline, endings: Vec<String>, started: SystemTime) -> Self {
        let models: Vec<_> = pipeline.models().iter().map(Model::identity).collect();
        let p = &a.pipeline;
        let seconds = started.duration_since(SystemTime::UNIX_EPOCH).map_or(0, |d| d.as_secs());
        let head = json!({
            "schema": "covmap-run/1",
            "covmap": env!("CARGO_PKG_VERSION"),
            "models": models,
            "options": {
                "fusion": p.fusion, "views": p.views, "precision": p.precision, "operating_point": p.operating_point,
                "colormap": a.colormap.to_string(), "opacity": a.opacity, "contour": a.contour, "legend": a.legend, "frame": a.frame, "strict": a.strict,
                "dicom": a.dicom, "html": a.html, "with_identifiers": a.with_identifiers,
            },
            "started_unix": seconds,
        });
        Log { head, endings, files: Vec::new(), analysed: 0, saved: None }
    }

    /// Entries that an earlier run of the same version, models and options finished in `out`, by input path.
    fn finished_before(&self, out: &Path) -> BTreeMap<String, Value> {
        let Ok(text) = std::fs::read_to_string(out.join("run.json")) else { return BTreeMap::new() };
        let Ok(before) = serde_json::from_str::<Value>(&text) else { return BTreeMap::new() };
        if ["covmap", "models", "options"].iter().any(|k| before[k] != self.head[k]) {
            return BTreeMap::new();
        }
        let entries = before["files"].as_array().cloned().unwrap_or_default();
        entries.into_iter().filter(|e| e["status"] == "ok").filter_map(|e| Some((e["input"].as_str()?.to_owned(), e))).collect()
    }

    fn succeeded(&mut self, input: &Input, finished: &Finished) {
        self.analysed += 1;
        let outputs: Vec<String> = self.endings.iter().map(|e| key(&output::with_ending(&input.stem, e))).collect();
        self.files.push(json!({
            "input": key(&input.path), "sha256": finished.sha256, "status": "ok", "outputs": outputs, "ms": finished.milliseconds,
        }));
    }

    fn failed(&mut self, input: &Input, error: &Error, text: &str) {
        self.files.push(json!({ "input": key(&input.path), "status": "failed", "kind": format!("{:?}", error.kind()), "error": text }));
    }

    /// Keeps the record current, so that a run that is killed can be resumed, at a cost that stays small in long runs.
    fn save_at_times(&mut self, out: &Path, began: Instant) -> Result<()> {
        let due = |(at, took): (Instant, Duration)| at.elapsed() >= (20 * took).max(Duration::from_secs(1));
        if self.saved.is_none_or(due) { self.save(out, began) } else { Ok(()) }
    }

    fn save(&mut self, out: &Path, began: Instant) -> Result<()> {
        let start = Instant::now();
        self.head["ms"] = json!(began.elapsed().as_millis());
        self.head["files"] = Value::Array(std::mem::take(&mut self.files));
        output::write(&out.join("run.json"), format!("{:#}\n", self.head).as_bytes())?;
        if let Value::Array(files) = self.head["files"].take() {
            self.files = files;
        }
        self.saved = Some((Instant::now(), start.elapsed()));
        Ok(())
    }
}
