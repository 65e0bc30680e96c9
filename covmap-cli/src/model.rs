//! `covmap model`: look into a model, take it out, or time it.

use std::path::{Path, PathBuf};
use std::time::Instant;

use covmap_core::engine::{Engine, Execution};
use covmap_core::{Error, Model, ModelOptions, Precision, Result, RunOptions};
use serde_json::json;

use crate::args::{ModelArguments, ModelCommand};
use crate::{OK, output, usage, wrong_argument};

pub(crate) fn run(a: &ModelArguments) -> Result<u8> {
    match &a.command {
        ModelCommand::Inspect { file, plan: true } => plan(&open(file.as_deref(), 1, Engine::Auto)?)?,
        ModelCommand::Inspect { file, plan: false } => inspect(&open(file.as_deref(), 1, Engine::Auto)?),
        ModelCommand::Extract { out, file } => output::write(out, &open(file.as_deref(), 1, Engine::Auto)?.extract()?)?,
        ModelCommand::Bench { file, threads, runs, precision, input, output, engine, steps, json } => {
            let model = open(file.as_deref(), (*threads).into(), *engine)?;
            let b = Bench {
                threads: (*threads).into(),
                runs: *runs,
                input: input.clone(),
                output: output.clone(),
                precision: *precision,
                steps: *steps,
                json: *json,
            };
            bench(&model, &b)?;
        }
    }
    Ok(OK)
}

fn open(file: Option<&Path>, threads: usize, engine: Engine) -> Result<Model> {
    let mut options = ModelOptions::default();
    options.threads = threads;
    options.engine = engine;
    let model = match file {
        Some(path) => Model::open(path, &options),
        None => Model::bundled(&options),
    };
    model.map_err(wrong_argument)
}

fn inspect(model: &Model) {
    let s = model.spec();
    let place = model.path().map_or("bundled".to_owned(), |p| p.display().to_string());
    say!("{} ({place})", s.name);
    say!("  sha256      {}", model.sha256());
    say!("  stored      {:.2} MB", model.stored_bytes() as f64 / 1e6);
    say!("  input       {} x {} x {}, {}, {:?}", s.input.channels, s.input.size[0], s.input.size[1], s.input.layout, s.input.normalisation);
    for o in &s.outputs {
        let channels: Vec<&str> = o.channels.iter().map(|c| c.as_str()).collect();
        say!("  output      {}: {} ({})", o.tensor, channels.join(", "), o.activation);
    }
    say!("  thresholds  infection {}, lungs {}", s.thresholds.infection, s.thresholds.lungs);
    match &s.calibration {
        Some(c) => {
            let knots: Vec<String> = c.brixia.knots.iter().map(|[x, y]| format!("{x:.3} -> {y:.2}")).collect();
            let points = c.brixia.ramp.map_or(String::new(), |r| format!(", and points of the network's own, in full {r} above the first"));
            say!("  brixia      zone score from the zone's {}: {}{points}", c.brixia.feature, knots.join(", "));
            let d = &c.detection;
            say!("  detection   sensitivity95 at {:.4}, specificity95 at {:.4}", d.sensitivity95, d.specificity95);
        }
        None => say!("  calibration none: no Brixia estimate; detection by the paper's rule (any pixel)"),
    }
    if let Some(t) = &s.training {
        say!("  training    {}", t.note);
        say!("  saw         {} patient groups of folds {:?}", t.groups.len(), t.folds);
        say!("  licence     {}", t.license);
        for (key, value) in &t.record {
            say!("  {key:<11} {value}");
        }
    }
}

fn plan(model: &Model) -> Result<()> {
    let execution = model.execution(Precision::Auto)?;
    say!("arithmetic: {}", model.precision(Precision::Auto)?);
    for (i, r) in execution.regions.iter().enumerate() {
        let nodes: usize = r.steps.iter().map(|s| s.covers).sum();
        let macs: usize = r.steps.iter().map(|s| s.macs).sum();
        say!(
            "region {i}: {nodes} nodes in {} steps, {:.1} MMAC, {:.1} MB of values in blocks of 16 channels",
            r.steps.len(),
            macs as f64 / 1e6,
            r.arena_bytes as f64 / 1e6
        );
        for s in &r.steps {
            say!(
                "  {:<40} {:<22} {:>2} nodes {:>8.2} MMAC {:>9} weight bytes",
                s.node,
                s.kernel,
                s.covers,
                s.macs as f64 / 1e6,
                s.weight_bytes
            );
        }
    }
    match execution.fallbacks.as_slice() {
        [] => say!("nothing stays on tract"),
        left => {
            say!("{} nodes stay on tract:", left.len());
            left.iter().for_each(|f| say!("  {:<40} {:<22} {}", f.node, f.operator, f.reason));
        }
    }
    Ok(())
}

struct Bench {
    threads: usize,
    runs: u32,
    input: Option<PathBuf>,
    output: Option<PathBuf>,
    precision: Precision,
    steps: bool,
    json: bool,
}

/// Runs of the network before timing starts.
const WARM_UP: u32 = 3;

fn bench(model: &Model, b: &Bench) -> Result<()> {
    let spec = &model.spec().input;
    let count = spec.size[0] * spec.size[1] * spec.channels;
    let values = match &b.input {
        Some(path) => read_floats(path)?,
        None => (0..count).map(|i| ((i * 7919 % 1009) as f32 / 504.5) - 1.0).collect(),
    };
    let mut options = RunOptions::default();
    options.precision = b.precision;
    let precision = model.precision(b.precision)?;
    let mut times = Vec::new();
    let mut outputs = Vec::new();
    for i in 0..WARM_UP + b.runs {
        let start = Instant::now();
        outputs = model.run_raw(&values, &options, b.threads > 1)?;
        if i >= WARM_UP {
            times.push(start.elapsed().as_secs_f64() * 1e3);
        }
    }
    times.sort_by(f64::total_cmp);
    let median = times[times.len() / 2];
    if let Some(path) = &b.output {
        let bytes: Vec<u8> = outputs.iter().flatten().flat_map(|v| v.to_le_bytes()).collect();
        output::write(path, &bytes)?;
    }
    if b.json {
        say!(
            "{}",
            json!({ "model": model.spec().name, "sha256": model.sha256(), "threads": b.threads, "runs": b.runs, "precision": precision,
                "median_ms": median, "min_ms": times[0], "max_ms": times[times.len() - 1] })
        );
    } else {
        say!(
            "{}: median {median:.1} ms of {} runs ({:.1} to {:.1}), {} thread(s), {precision}",
            model.spec().name,
            b.runs,
            times[0],
            times[times.len() - 1],
            b.threads
        );
    }
    if b.steps {
        let times = model.profile(&values, b.runs as usize, &options, b.threads > 1)?;
        steps(&model.execution(b.precision)?, &times);
    }
    Ok(())
}

fn steps(execution: &Execution, times: &[Vec<f64>]) {
    for (region, times) in execution.regions.iter().zip(times) {
        for (s, ms) in region.steps.iter().zip(times) {
            say!(
                "  {:<40} {:<22} {ms:>8.3} ms {:>8.2} MMAC {:>7.1} GFLOP/s",
                s.node,
                s.kernel,
                s.macs as f64 / 1e6,
                s.macs as f64 / ms / 5e5
            );
        }
        say!("  {:<63} {:>8.3} ms", "together", times.iter().sum::<f64>());
    }
}

fn read_floats(path: &Path) -> Result<Vec<f32>> {
    let bytes = std::fs::read(path).map_err(|e| wrong_argument(Error::io(path, e)))?;
    if bytes.len() % 4 != 0 {
        return Err(usage(format!("{}: {} bytes are no whole number of 32-bit floats", path.display(), bytes.len())));
    }
    Ok(bytes.chunks_exact(4).map(|b| f32::from_le_bytes([b[0], b[1], b[2], b[3]])).collect())
}
