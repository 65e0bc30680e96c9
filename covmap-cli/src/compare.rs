//! `covmap compare`: studies of one patient, what grew and what cleared.

use covmap_core::render::{self, OverlayOptions};
use covmap_core::{Error, Progression, Radiograph, ReadOptions, Result, Study, report};

use crate::args::Compare;
use crate::{OK, output, usage};

pub(crate) fn run(a: &Compare) -> Result<u8> {
    if !a.dates.is_empty() && a.dates.len() != a.inputs.len() {
        return Err(usage(format!("--dates: {} dates for {} studies", a.dates.len(), a.inputs.len())));
    }
    let results: Vec<_> = ["compare.json", "compare.html", "trend.svg"].iter().map(|name| a.out.join(name)).collect();
    let read = |path: &std::path::Path| a.inputs.iter().any(|i| i.canonicalize().is_ok_and(|i| path.canonicalize().is_ok_and(|p| p == i)));
    if let Some(path) = results.iter().find(|path| read(path)) {
        return Err(usage(format!("{}: a result would overwrite this input; choose another --out", path.display())));
    }
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
        let stem = a.out.join(format!("change-{}-{}", c.studies[0] + 1, c.studies[1] + 1));
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
    for (path, bytes) in results.iter().zip(&files) {
        output::write(path, bytes)?;
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
