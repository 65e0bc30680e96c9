//! A comparison as JSON: `schema: "covmap-compare/1"`.

use serde_json::{Map, Value, json};

use super::super::json::to_json;
use crate::progression::{Comparison, Difference, LOOKS, METHOD, Progression, REGIONS, Study};

/// Name and version of the schema (`covmap-compare-1.schema.json`).
pub const COMPARE_SCHEMA: &str = "covmap-compare/1";

/// Studies in order, and the comparisons between them. Shares are fractions 0..1; what needs a lung is null where none was found.
pub fn compare_to_json(progression: &Progression) -> Value {
    json!({
        "schema": COMPARE_SCHEMA,
        "variation": { "method": METHOD, "analyses": LOOKS },
        "studies": progression.studies.iter().map(study).collect::<Vec<_>>(),
        "comparisons": progression.comparisons.iter().map(comparison).collect::<Vec<_>>(),
    })
}

/// What [`to_json`] says, as far as comparisons use it, and its variation.
fn study(study: &Study) -> Value {
    let mut result = to_json(&study.analysis, study.name.as_deref());
    let regions = REGIONS.iter().enumerate().map(|(i, region)| {
        let value = json!({ "share": study.figures.shares[i], "share_sd": study.variation.shares[i] });
        ((*region).to_owned(), value)
    });
    json!({
        "date": study.date.map(|d| d.to_string()),
        "input": result["input"].take(),
        "quality": result["quality"].take(),
        "regions": regions.collect::<Map<_, _>>(),
        "brixia_estimate": study.figures.brixia_estimate,
        "brixia_sd": study.variation.brixia_estimate,
        "model": result["model"].take(),
    })
}

fn comparison(c: &Comparison) -> Value {
    let regions = REGIONS.iter().enumerate().map(|(i, region)| {
        let mut value = difference(&c.shares[i]);
        let pixels = c.map.as_ref().map(|map| map.regions()[i]);
        value["grew"] = json!(pixels.and_then(|p| p.grew_share()));
        value["cleared"] = json!(pixels.and_then(|p| p.cleared_share()));
        ((*region).to_owned(), value)
    });
    let compared = c.map.as_ref().map(|map| map.regions()[0]).filter(|r| r.area > 0);
    json!({
        "from": c.studies[0],
        "to": c.studies[1],
        "days": c.days,
        "doubts": c.doubts,
        "alignment": c.alignment.as_ref().map(|a| json!({
            "kind": a.kind.as_str(), "later_to_earlier": a.later_to_earlier, "overlap": a.overlap,
        })),
        "compared_share": compared.map(|r| r.compared as f64 / r.area as f64),
        "regions": regions.collect::<Map<_, _>>(),
        "brixia_estimate": difference(&c.brixia_estimate),
    })
}

fn difference(d: &Difference) -> Value {
    json!({
        "before": d.before, "after": d.after, "difference": d.difference, "interval": d.interval,
        "beyond_variation": d.beyond_variation(),
    })
}
