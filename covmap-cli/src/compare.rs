//! `covmap compare`: studies of one patient, what grew and what cleared.

use covmap_core::render::{self, OverlayOptions};
use covmap_core::{Error, Progression, Radiograph, ReadOptions, Result, Study, report};

use crate::args::Compare;
use crate::{OK, inputs, output, usage};

pub(crate) fn run(a: &Compare) -> Result<u8> {
    if !a.dates.is_empty() && a.dates.len() != a.inputs.len() {
        return Err(usage(format!("--dates: {} dates for {} studies", a.dates.len(), a.inputs.len())));
    }
    inputs::refuse_to_overwrite(&a.inputs, names(a.inputs.len()).map(|name| a.out.join(name)))?;
    let pipeline = a.pipeline.build()?;
    let options = a.pipeline.run_options();
    let mut studies = Vec::with_capacity(a.inputs.len());
    for (i, path) in a.inputs.iter().enumerate() {
        let radiograph = Radiograph::open_with(path, &ReadOptions::default().frame(a.frame))?;
        let mut study = Study::new(&pipeline, radiograph, &options).map_err(|e| e.in_file(path))?;
        study.name = path.file_name().map(|n| n.to_string_lossy().into_owned());
        if let Some(date) = a.dates.get(i) {
            study.date = Some(*date);
        }
        studies.push(study);
    }
    let progression = Progression::new(studies)?;
    let mut overlay = OverlayOptions::default();
    overlay.colormap = a.colormap;
    let json = report::compare_to_json(&progression);
    for c in &progression.comparisons {
        let later = progression.studies.get(c.studies[1]).ok_or_else(|| Error::Internal("a comparison without its study".into()))?;
        let stem = a.out.join(change(c.studies));
        let picture = render::change_overlay(&later.radiograph, &later.analysis, c.map.as_ref())?;
        output::write(&output::with_ending(&stem, "png"), &render::encode_rgb(&picture)?)?;
        if let Some(map) = &c.map {
            output::write(&output::with_ending(&stem, "labels.png"), &render::encode_grey(map.labels())?)?;
        }
    }
    let files = [
        format!("{json:#}\n").into_bytes(),
        report::compare_to_html(&progression, &overlay)?.into_bytes(),
        report::trend_to_svg(&progression).into_bytes(),
    ];
    for (name, bytes) in FILES.iter().zip(&files) {
        output::write(&a.out.join(name), bytes)?;
    }
    if a.json {
        say!("{json}");
    } else if !a.quiet {
        for c in json["comparisons"].as_array().into_iter().flatten() {
            say!("{}", summary(c));
        }
        say!("results in {}", a.out.display());
    }
    Ok(OK)
}

const FILES: [&str; 3] = ["compare.json", "compare.html", "trend.svg"];

/// Name of the pictures of a comparison, without their endings.
fn change([from, to]: [usize; 2]) -> String {
    format!("change-{}-{}", from + 1, to + 1)
}

/// All results of a comparison of `n` studies.
fn names(n: usize) -> impl Iterator<Item = String> {
    let pairs = (1..n).map(|to| [to - 1, to]).chain([[0, n - 1]]);
    FILES
        .map(str::to_owned)
        .into_iter()
        .chain(pairs.flat_map(|pair| ["png", "labels.png"].map(|ending| format!("{}.{ending}", change(pair)))))
}

/// One line for people.
fn summary(c: &serde_json::Value) -> String {
    let both = &c["regions"]["both"];
    let number = |v: &serde_json::Value| v.as_u64().map_or(0, |n| n + 1);
    let mut line = format!("study {} to {}: ", number(&c["from"]), number(&c["to"]));
    line += &match (both["difference"].as_f64(), both["interval"][0].as_f64(), both["interval"][1].as_f64()) {
        (Some(d), Some(low), Some(high)) => {
            format!("opacity {:+.1} points of the lungs [{:+.1}, {:+.1}]", 100.0 * d, 100.0 * low, 100.0 * high)
        }
        (Some(d), ..) => format!("opacity {:+.1} points of the lungs, of unknown certainty", 100.0 * d),
        _ => "no lungs to compare".to_owned(),
    };
    for doubt in c["doubts"].as_array().into_iter().flatten().filter_map(serde_json::Value::as_str) {
        line += &format!(" [{doubt}]");
    }
    line
}
