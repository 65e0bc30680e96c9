//! The result as JSON: `schema: "covmap/1"`, the one JSON writer of every front end.

use serde_json::{Map, Value, json};

use crate::pipeline::Analysis;
use crate::severity::{Region, Severity, ZONES};

/// Name and version of the schema (`covmap-1.schema.json`).
pub const SCHEMA: &str = "covmap/1";

/// The result of one analysis; `file` is the input's name as the caller wants it shown. Shares are fractions 0..1 of the
/// lung's (or zone's) area; what needs a lung is null where none was found.
pub fn to_json(analysis: &Analysis, file: Option<&str>) -> Value {
    let a = analysis;
    let s = a.severity.as_ref();
    let pixel_mm2 = a.spacing_mm.map(|[r, c]| r * c);
    let zones = |f: &dyn Fn(&Severity, usize) -> Option<f64>| -> Value {
        ZONES.iter().enumerate().map(|(i, z)| ((*z).to_owned(), json!(s.and_then(|s| f(s, i))))).collect::<Map<_, _>>().into()
    };
    let mm2 = |px: u64| pixel_mm2.map(|m| m * px as f64);
    let share = |f: fn(&Severity) -> Region| s.and_then(|s| f(s).share());
    let infected = s.map_or_else(|| a.infection.bytes().iter().filter(|b| **b >= 128).count() as u64, |s| s.total().infected);
    json!({
        "schema": SCHEMA,
        "input": {
            "file": file,
            "sha256": a.input_sha256,
            "width": a.width,
            "height": a.height,
            "spacing_mm": a.spacing_mm,
            "view": a.view.as_str(),
        },
        "quality": { "good": a.quality.is_good(), "flags": a.quality.flags },
        "lung": {
            "area_px": a.lungs.as_ref().map(|l| l.area()),
            "right_px": a.lungs.as_ref().map(|l| l.right_area()),
            "left_px": a.lungs.as_ref().map(|l| l.left_area()),
            "area_mm2": a.lungs.as_ref().and_then(|l| mm2(l.area())),
        },
        "infection": {
            "area_px": infected,
            "area_mm2": mm2(infected),
            "share": share(Severity::total),
            "right_share": share(Severity::right),
            "left_share": share(Severity::left),
            "zones": zones(&|s, i| s.zones[i].share()),
        },
        "severity": {
            "brixia_estimate": s.and_then(|s| s.brixia_estimate),
            "zones": zones(&|s, i| s.zone_scores[i]),
            "grade": s.and_then(|s| s.grade),
        },
        "detection": {
            "probability": a.detection.probability,
            "operating_point": a.detection.operating_point,
            "threshold": a.detection.threshold,
            "positive": a.detection.positive,
        },
        "model": a.models,
    })
}
