//! A program that has covmap inside, in a process of its own so that its memory can be measured. Prints one line of JSON.
//!
//! `soak N`: N analyses of mixed files, 1 in 100 damaged. `load THREADS N`: N analyses by as many threads that share a
//! pipeline. `memory WIDTH HEIGHT THREADS KIND`: predicted and measured peak of one analysis.

use std::error::Error;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use covmap_core::phantom::Opacities;
use covmap_core::radiograph::BufferOptions;
use covmap_core::run::Engine;
use covmap_core::{Analysis, Fusion, Limits, Model, ModelOptions, Pipeline, Precision, Radiograph, RunOptions, Views};
use covmap_tests::models::little_model;
use covmap_tests::reliability::Random;
use covmap_tests::{bundled, phantom, process, radiograph};
use serde_json::{Value, json};

type Outcome<T> = Result<T, Box<dyn Error>>;

fn main() -> Outcome<()> {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let number = |i: usize| -> Outcome<usize> { Ok(arguments.get(i).ok_or("a number is missing")?.parse()?) };
    let figures = match arguments.first().map(String::as_str) {
        Some("soak") => soak(number(1)?)?,
        Some("load") => load(number(1)?, number(2)?)?,
        Some("memory") => memory(number(1)?, number(2)?, number(3)?, arguments.get(4).map_or("", String::as_str))?,
        _ => return Err("soak, load or memory?".into()),
    };
    println!("{figures}");
    Ok(())
}

/// What tells results apart, without keeping them.
fn mark(a: &Analysis) -> (u64, u64) {
    let severity = a.severity.as_ref().map_or(0, |s| s.total().sum);
    (severity, a.detection.probability.unwrap_or(-1.0).to_bits())
}

/// Files of many sizes and formats, and damaged ones.
fn files(folder: &Path) -> Outcome<(Vec<PathBuf>, Vec<PathBuf>)> {
    let mut random = Random(1);
    let (mut whole, mut damaged) = (Vec::new(), Vec::new());
    for i in 0..40u64 {
        let [width, height] = [0, 1].map(|_| 64 + random.below(1100) as usize);
        let image = phantom(i, Opacities::Moderate, width, height);
        let (name, bytes) = match i % 3 {
            0 => (format!("{i}.dcm"), image.to_dicom()?),
            1 => (format!("{i}.png"), image.to_png()?),
            _ => {
                let grey = image.pixels.iter().map(|v| (v >> 8) as u8).collect();
                let picture = image::GrayImage::from_raw(width as u32, height as u32, grey).ok_or("pixels of another number")?;
                let mut bytes = std::io::Cursor::new(Vec::new());
                picture.write_to(&mut bytes, image::ImageFormat::Jpeg)?;
                (format!("{i}.jpg"), bytes.into_inner())
            }
        };
        let path = folder.join(&name);
        std::fs::write(&path, &bytes)?;
        whole.push(path);
        // Cut short somewhere: no decoder may take it for a whole one. (JPEG's may: half a JPEG is a picture to it.)
        if !name.ends_with("jpg") {
            let path = folder.join(format!("damaged-{name}"));
            std::fs::write(&path, &bytes[..random.below(bytes.len() as u64 * 3 / 4) as usize])?;
            damaged.push(path);
        }
    }
    Ok((whole, damaged))
}

fn soak(count: usize) -> Outcome<Value> {
    let folder = tempfile::tempdir()?;
    let (whole, damaged) = files(folder.path())?;
    let expected: Vec<_> = whole.iter().map(|path| Ok(mark(&bundled().analyze(&Radiograph::open(path)?)?))).collect::<Outcome<_>>()?;
    let (threads, handles, began) = (process::threads(), process::handles(), Instant::now());
    let mut random = Random(2);
    let plan: Vec<(bool, usize)> = (0..count)
        .map(|i| match i % 100 {
            57 => (true, random.below(damaged.len() as u64) as usize),
            _ => (false, random.below(whole.len() as u64) as usize),
        })
        .collect();
    let broken = plan.iter().filter(|(damaged, _)| *damaged).count();
    let paths: Vec<PathBuf> = plan.iter().map(|(d, i)| if *d { damaged[*i].clone() } else { whole[*i].clone() }).collect();
    let results = bundled().map_many(paths, |pipeline, path: PathBuf| {
        let start = process::processor_time();
        let found = Radiograph::open(&path).and_then(|r| pipeline.analyze_with(&r, &RunOptions::default()));
        Ok((found.map(|a| mark(&a)), process::processor_time() - start))
    });
    let (mut refused, mut wrong) = (0, 0);
    let (mut times, mut memory) = (Vec::with_capacity(count), Vec::new());
    for ((damaged, i), result) in plan.iter().zip(results) {
        let (found, time) = result?;
        match found {
            Ok(found) if !damaged => wrong += usize::from(found != expected[*i]),
            Ok(_) => wrong += 1,
            Err(_) if *damaged => refused += 1,
            Err(e) => return Err(e.into()),
        }
        times.push(time as f64 / 1e6);
        if times.len() % (count / 100).max(1) == 0 {
            memory.push((times.len() as f64, process::resident() as f64));
        }
    }
    let part = (count / 20).max(1);
    let settled = &memory[memory.len() / 10..];
    Ok(json!({
        "analyses": times.len(), "damaged": broken, "refused": refused, "wrong": wrong, "seconds": began.elapsed().as_secs(),
        "memory_mib_first": mib(settled[0].1), "memory_mib_last": mib(settled[settled.len() - 1].1),
        "memory_slope_kib_per_thousand": (slope(settled) * 1000.0 / 1024.0 * 10.0).round() / 10.0,
        "threads_before": threads, "threads_after": process::threads(),
        "handles_before": handles, "handles_after": process::handles(),
        "mean_ms_of_first": mean(&times[..part]), "mean_ms_of_last": mean(&times[count - part..]), "averaged_over": part,
    }))
}

fn load(threads: usize, count: usize) -> Outcome<Value> {
    let inputs: Vec<Radiograph> = (0..8).map(|seed| radiograph(seed, 200 + 50 * seed as usize, 300)).collect();
    let start = Instant::now();
    let expected = inputs.iter().map(|r| bundled().analyze(r)).collect::<Result<Vec<_>, _>>()?;
    let alone = start.elapsed().as_secs_f64() / inputs.len() as f64;
    let (before, handles, began) = (process::threads(), process::handles(), Instant::now());
    let (next, wrong) = (AtomicUsize::new(0), AtomicUsize::new(0));
    let mut times = std::thread::scope(|scope| {
        let work = || {
            let mut times = Vec::new();
            loop {
                let i = next.fetch_add(1, Ordering::Relaxed);
                if i >= count {
                    return times;
                }
                let start = Instant::now();
                let same = bundled().analyze(&inputs[i % 8]).is_ok_and(|a| a == expected[i % 8]);
                wrong.fetch_add(usize::from(!same), Ordering::Relaxed);
                times.push(start.elapsed());
            }
        };
        let workers: Vec<_> = (0..threads).map(|_| scope.spawn(work)).collect();
        workers.into_iter().flat_map(|w| w.join().expect("no panic")).collect::<Vec<Duration>>()
    });
    let seconds = began.elapsed().as_secs_f64();
    times.sort_unstable();
    let ms = |at: usize| (times[at].as_secs_f64() * 1e4).round() / 10.0;
    Ok(json!({
        "threads": threads, "analyses": times.len(), "wrong": wrong.into_inner(), "per_second": (count as f64 / seconds).round(),
        "per_second_alone": (1.0 / alone).round(), "median_ms": ms(times.len() / 2), "longest_ms": ms(times.len() - 1),
        "memory_mib_peak": mib(process::peak() as f64), "memory_mib_after": mib(process::resident() as f64),
        "threads_before": before, "threads_after": process::threads(), "handles_before": handles, "handles_after": process::handles(),
    }))
}

fn memory(width: usize, height: usize, threads: usize, kind: &str) -> Outcome<Value> {
    let mut run = RunOptions::default();
    run.limits.max_memory_bytes = u64::MAX;
    let mut model = ModelOptions::default();
    let mut models = Vec::new();
    match kind {
        "flip" => run.views = Views::Flip,
        "f32" => run.precision = Precision::F32,
        "ensemble" => models.extend([little_model(1.0), Model::bundled(&model)?]),
        "reference" => model.engine = Engine::Reference,
        "little" => models.push(little_model(1.0)),
        _ => (),
    }
    models.push(Model::bundled(&model)?);
    if kind == "little" {
        models.truncate(1);
    }
    let pipeline = Pipeline::of(models, Fusion::default(), threads)?;
    let mut limits = Limits::default();
    (limits.max_side, limits.max_pixels) = (u32::MAX, u64::MAX);
    let radiograph = {
        let small = phantom(1, Opacities::Moderate, 512, 512).pixels;
        let mut large: Vec<u8> =
            (0..width * height).map(|i| (small[[i / width * 512 / height, i % width * 512 / width]] >> 8) as u8).collect();
        if kind == "margins" {
            let dark = |at: usize, n: usize| at < n / 6 || at >= n - n / 6;
            large.iter_mut().enumerate().filter(|(i, _)| dark(i / width, height) || dark(i % width, width)).for_each(|(_, v)| *v = 0);
        }
        Radiograph::from_u8(&large, width, height, width, &BufferOptions::default().limits(limits))?
    };
    // Makes the network where this precision needs another.
    let predicted = pipeline.peak_memory(width, height, &run)?;
    process::forget_peak();
    let before = process::resident();
    let analysis = pipeline.analyze_with(&radiograph, &run)?;
    let measured = process::peak() - before;
    Ok(json!({ "width": width, "height": height, "threads": threads, "kind": kind,
        "predicted": predicted, "measured": measured, "infected": analysis.severity.map(|s| s.total().infected) }))
}

fn mib(bytes: f64) -> f64 {
    (bytes / 1024.0 / 1024.0 * 10.0).round() / 10.0
}

fn mean(values: &[f64]) -> f64 {
    (values.iter().sum::<f64>() / values.len() as f64 * 100.0).round() / 100.0
}

/// Of the straight line that fits best.
fn slope(points: &[(f64, f64)]) -> f64 {
    let n = points.len() as f64;
    let (mx, my) = (points.iter().map(|p| p.0).sum::<f64>() / n, points.iter().map(|p| p.1).sum::<f64>() / n);
    let over: f64 = points.iter().map(|p| (p.0 - mx) * (p.1 - my)).sum();
    over / points.iter().map(|p| (p.0 - mx).powi(2)).sum::<f64>().max(1.0)
}
