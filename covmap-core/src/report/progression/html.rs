//! A comparison as one page for people: map of change, table, trend. No script.

use std::fmt::Write;

use serde_json::Value;

use super::super::page::{NOTICE, REGION_NAMES, document, escaped, facts, flags, percent, rgb_source, text, unknown};
use super::{compare_to_json, trend_to_svg};
use crate::progression::{Comparison, Progression, REGIONS};
use crate::render::{self, OverlayOptions};
use crate::{Error, Result};

/// One self-contained HTML page that shows what the [JSON](compare_to_json) holds.
///
/// # Errors
/// `Parameter` if a study's analysis belongs to a radiograph of another size.
pub fn compare_to_html(progression: &Progression, overlay: &OverlayOptions) -> Result<String> {
    let json = compare_to_json(progression);
    let title = format!("Comparison of {} studies", progression.studies.len());
    let mut body = format!("<h1>{title}</h1>\n{NOTICE}");
    body.push_str("<section class=\"card\">\n<h2>Course</h2>\n");
    let _ = write!(body, "<div class=\"course\">{}</div>", trend_to_svg(progression));
    let _ = writeln!(
        body,
        "<p class=\"faint\">Infected share of the lungs. Bars: 1.96 standard deviations of the software's own variation.</p>\n</section>"
    );
    studies(&mut body, progression, &json, overlay)?;
    for (comparison, json) in progression.comparisons.iter().zip(json["comparisons"].as_array().into_iter().flatten()) {
        self::comparison(&mut body, progression, comparison, json)?;
    }
    let method = text(&json["variation"]["method"]);
    facts(&mut body, "Method", &[("Intervals", method), ("Map of change", MAP.to_owned())]);
    Ok(document(&title, "data:", "", "", &body))
}

const MAP: &str = "The earlier study's lungs are laid over the later one's by an affine map (one lung: a similarity) fitted from the \
lung masks. Pixels that are lung in both studies are compared; what is thinner than 2 % of the lungs' height is taken for the rim of \
an alignment that is not perfect. Shares before and after are measured in each study's own lungs and need no alignment.";

/// A picture of each study.
fn studies(body: &mut String, progression: &Progression, json: &Value, overlay: &OverlayOptions) -> Result<()> {
    body.push_str("<section class=\"card\">\n<h2>Studies</h2>\n<div class=\"pair\">\n");
    for (i, (study, json)) in progression.studies.iter().zip(json["studies"].as_array().into_iter().flatten()).enumerate() {
        let picture = rgb_source(&render::analysis_overlay(&study.radiograph, &study.analysis, overlay)?)?;
        let _ = writeln!(
            body,
            "<figure><img src=\"{picture}\" alt=\"Study {n}: the radiograph with its opacity map\"><figcaption><span class=\"strong\">\
             {n}. {}</span> {}<br>{} of the lungs, view {}, doubts: {}</figcaption></figure>",
            text(&json["date"]).replace("not known", "no date"),
            json["input"]["file"].as_str().map_or(String::new(), escaped),
            percent(&json["regions"]["both"]["share"]),
            text(&json["input"]["view"]),
            flags(&json["quality"]["flags"]),
            n = i + 1,
        );
    }
    body.push_str("</div>\n</section>\n");
    Ok(())
}

/// One comparison: what changed, in words, map and numbers.
fn comparison(body: &mut String, progression: &Progression, c: &Comparison, json: &Value) -> Result<()> {
    let [from, to] = c.studies;
    let later = progression.studies.get(to).ok_or_else(|| Error::Parameter("a comparison names a study that is not there".into()))?;
    let picture = rgb_source(&render::change_overlay(&later.radiograph, &later.analysis, c.map.as_ref())?)?;
    let days = c.days.map_or(String::new(), |d| format!(", {d:.1} days").replace(".0 days", " days"));
    let _ = writeln!(
        body,
        "<section class=\"card\">\n<h2>Study {} to study {}{days}</h2>\n<p class=\"big\">{}</p>\n<div class=\"side wide\">\n<figure><img src=\"{picture}\" \
         alt=\"Map of change over the later radiograph: orange where opacity grew, blue where it cleared, outlined in white where both studies \
         show it\"><figcaption>{}</figcaption></figure>\n<div>",
        from + 1,
        to + 1,
        verdict(&json["regions"]["both"]),
        alignment(json),
    );
    body.push_str(
        "<table>\n<caption>Infected share before and after, and the difference in percentage points with its interval. Grew, cleared: share of \
         the area compared.</caption>\n<thead><tr><th scope=\"col\">Region</th><th scope=\"col\" class=\"number\">Before</th><th scope=\"col\" \
         class=\"number\">After</th><th scope=\"col\" class=\"number\">Difference</th><th scope=\"col\" class=\"number\">Interval</th><th \
         scope=\"col\" class=\"number\">Grew</th><th scope=\"col\" class=\"number\">Cleared</th></tr></thead>\n<tbody>\n",
    );
    for (region, name) in REGIONS.iter().zip(REGION_NAMES) {
        row(body, name, &json["regions"][region], 100.0, " %");
    }
    row(body, "Brixia estimate, of 18", &json["brixia_estimate"], 1.0, "");
    let _ = writeln!(body, "</tbody>\n</table>\n<p>Doubts: {}</p>\n</div>\n</div>\n</section>", flags(&json["doubts"]));
    Ok(())
}

fn row(body: &mut String, name: &str, d: &Value, scale: f64, unit: &str) {
    let cell = |v: &Value| v.as_f64().map_or(unknown(), |v| format!("{:.1}{unit}", scale * v));
    let signed = |v: &Value| v.as_f64().map_or(unknown(), |v| format!("{:+.1}", scale * v));
    let interval = match d["interval"].as_array() {
        Some(i) => i.iter().map(signed).collect::<Vec<_>>().join(" to "),
        None => unknown(),
    };
    let strong = if d["beyond_variation"] == true { " strong" } else { "" };
    let part = |v: &Value| if v.is_null() { String::new() } else { cell(v) };
    let _ = writeln!(
        body,
        "<tr><th scope=\"row\">{name}</th><td class=\"number\">{}</td><td class=\"number\">{}</td><td class=\"number{strong}\">{}</td><td \
         class=\"number{strong}\">{interval}</td><td class=\"number\">{}</td><td class=\"number\">{}</td></tr>",
        cell(&d["before"]),
        cell(&d["after"]),
        signed(&d["difference"]),
        part(&d["grew"]),
        part(&d["cleared"]),
    );
}

/// The change of both lungs in words.
fn verdict(both: &Value) -> String {
    let Some(difference) = both["difference"].as_f64() else {
        return "No statement: the lungs were not found in both studies.".to_owned();
    };
    let points = format!("{:.1} percentage points of the lungs", 100.0 * difference.abs());
    match both["beyond_variation"].as_bool() {
        Some(true) if difference > 0.0 => format!("More opacity: {points}"),
        Some(true) => format!("Less opacity: {points}"),
        Some(false) => format!("No change beyond the software's own variation ({points})"),
        None => format!("{points}, of unknown certainty"),
    }
}

fn alignment(json: &Value) -> String {
    let a = &json["alignment"];
    match (a["overlap"].as_f64(), json["compared_share"].as_f64()) {
        (Some(overlap), Some(compared)) => format!(
            "In the frame of the later study. Aligned by {}; lungs overlap with Dice {overlap:.2}; {:.0} % of the later lungs are compared.",
            text(&a["kind"]),
            100.0 * compared
        ),
        _ => "No map: no lung was found in both studies.".to_owned(),
    }
}
