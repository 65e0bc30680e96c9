//! `covmap evaluate`: figures on a labelled folder, with or without a part of every image hidden.

mod catalog;
mod figures;
mod occlusion;

use std::collections::BTreeSet;

use covmap_core::{Analysis, Pipeline, Radiograph, Result, RunOptions};
use serde_json::{Map, Value, json};

use crate::analyze::progress;
use crate::args::Evaluate;
use crate::inputs::Input;
use crate::results::Results;
use crate::{OK, SOME_FAILED, USAGE, output, usage};
use catalog::Row;
use figures::{Case, Figures};
use occlusion::Occlusion;

pub(crate) fn run(a: &Evaluate) -> Result<u8> {
    let rows: Vec<Row> = catalog::read(&a.data)?.into_iter().filter(|r| split(&a.split, r)).collect();
    if rows.is_empty() {
        return Err(usage(format!("--split {}: no image of {} is in it (fold=K or all)", a.split, a.data.display())));
    }
    let pipeline = a.pipeline.build()?;
    let seen = seen_groups(&pipeline);
    let in_sample = rows.iter().filter(|r| seen.contains(&r.group)).count();
    let occlusion = a.occlude.as_deref().map(Occlusion::named).transpose()?;
    let options = a.pipeline.run_options();
    let bar = progress(rows.len(), a.quiet);
    let (data, out) = (a.data.clone(), a.out.clone());
    let cases = pipeline.map_many(rows.clone(), move |pipeline, row: Row| {
        let radiograph = Radiograph::open(row.image(&data)?)?;
        let analysis = pipeline.analyze_with(&radiograph, &options)?;
        let analysis = match occlusion {
            Some(o) => hidden(pipeline, &radiograph, &analysis, o, &options)?,
            None => analysis,
        };
        if let Some(out) = &out {
            let input = Input { path: row.image(&data)?, stem: out.join(&row.id) };
            Results::default().write(&radiograph, &analysis, input.name().as_deref(), &input.stem)?;
        }
        Case::new(&row, &data, &analysis)
    });
    let (mut figures, mut failed) = (Figures::default(), 0);
    for (row, case) in rows.iter().zip(cases) {
        match case {
            Ok(case) => figures.add(case),
            Err(e) => {
                failed += 1;
                eprintln!("covmap: {}: {e}", row.id);
            }
        }
        bar.inc(1);
    }
    bar.finish_and_clear();
    let mark = if in_sample > 0 { "  IN-SAMPLE" } else { "" };
    say!(
        "{} images of {}, split {}{}",
        rows.len(),
        a.data.display(),
        a.split,
        a.occlude.as_ref().map_or(String::new(), |o| format!(", {o} hidden"))
    );
    let table = figures.table(occlusion.is_some());
    for (name, value, n) in &table {
        say!("{name:46} {:>8}  n={n}{mark}", value.map_or("-".into(), |v| format!("{v:.4}")));
    }
    if let Some(path) = &a.json {
        let figures: Map<String, Value> = table.into_iter().map(|(name, value, n)| (name, json!({ "value": value, "n": n }))).collect();
        let report = json!({
            "split": a.split, "occlude": a.occlude, "images": rows.len(), "failed": failed, "in_sample": in_sample, "figures": figures,
        });
        output::write(path, format!("{report:#}\n").as_bytes())?;
    }
    if in_sample > 0 {
        eprintln!("covmap: {in_sample} of these images belong to patients that the model was trained on");
        if !a.allow_in_sample {
            return Ok(USAGE);
        }
    }
    Ok(if failed == 0 { OK } else { SOME_FAILED })
}

fn split(split: &str, row: &Row) -> bool {
    split == "all" || split.strip_prefix("fold=").is_some_and(|k| k == row.fold)
}

fn seen_groups(pipeline: &Pipeline) -> BTreeSet<String> {
    pipeline.training().flat_map(|t| t.groups.iter().cloned()).collect()
}

/// The analysis of the image with a part hidden, read within the lungs of the original.
fn hidden(
    pipeline: &Pipeline,
    radiograph: &Radiograph,
    original: &Analysis,
    occlusion: Occlusion,
    options: &RunOptions,
) -> Result<Analysis> {
    let Some(lungs) = &original.lungs else { return Ok(original.clone()) };
    let occluded = occlusion.apply(radiograph, lungs)?;
    pipeline.within(&pipeline.analyze_with(&occluded, options)?, lungs.clone(), options)
}
