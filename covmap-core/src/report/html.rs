//! The result as one page for people: no network, images within.

use std::fmt::Write;

use ndarray::Array2;
use serde_json::{Value, json};

use super::page::*;
use super::{Patient, to_json};
use crate::engine::Training;
use crate::lung::{LEFT, RIGHT};
use crate::progression::REGIONS;
use crate::render::{self, Colormap, OverlayOptions};
use crate::severity::ZONES;
use crate::{Analysis, Error, Radiograph, Result};

const VIEWER: &str = include_str!("assets/viewer.html");
const STYLE: &str = include_str!("assets/viewer.css");
const SCRIPT: &str = include_str!("assets/viewer.js");

/// How to make the page.
#[derive(Debug, Clone, Default, PartialEq)]
#[non_exhaustive]
pub struct HtmlOptions {
    /// The input's name as the page shows it. Default behavior: no name.
    pub file: Option<String>,
    /// How the overlay is painted at first.
    pub overlay: OverlayOptions,
    /// Who the patient is, if the page shall say so. Default behavior: it does not.
    pub patient: Option<Patient>,
    /// What each model says of its training ([`ModelSpec::training`](crate::ModelSpec::training)).
    pub training: Vec<Training>,
}

/// One self-contained HTML page: the radiograph under its map (opacity, threshold, contour, zones and colours can be changed),
/// extent per lung and zone, severity, detection, quality, models and terms.
///
/// It shows what the [JSON](to_json) holds, and nothing of a patient's identity unless told to. Its content security policy lets it load
/// nothing, and run its own script alone.
///
/// # Errors
/// `Parameter` if the analysis belongs to a radiograph of another size.
pub fn to_html(radiograph: &Radiograph, analysis: &Analysis, options: &HtmlOptions) -> Result<String> {
    if radiograph.pixels().dim() != (analysis.height, analysis.width) {
        return Err(Error::Parameter("the analysis belongs to a radiograph of another size".into()));
    }
    let json = to_json(analysis, options.file.as_deref());
    let title = options.file.as_deref().unwrap_or("Chest radiograph");
    let mut body = format!("<h1>{}</h1>\n{NOTICE}<div class=\"side\">\n<div>\n", escaped(title));
    body.push_str(&picture(radiograph, analysis, &json, &options.overlay)?);
    body.push_str("</div>\n<div>\n");
    severity(&mut body, &json);
    detection(&mut body, &json);
    extent(&mut body, &json);
    body.push_str("</div>\n</div>\n");
    if let Some(p) = &options.patient {
        let value = |v: &Option<String>| v.as_deref().map_or(unknown(), escaped);
        let rows = [("Name", value(&p.name)), ("ID", value(&p.id)), ("Birth date", value(&p.birth_date)), ("Sex", value(&p.sex))];
        facts(&mut body, "Patient", &rows);
    }
    facts(&mut body, "Quality of the radiograph", &quality(&json));
    models(&mut body, &json, &options.training);
    body.push_str(&data(&viewer_data(analysis)));
    Ok(document(&format!("{title}: opacity map"), "data:", STYLE, SCRIPT, &body))
}

/// The picture and its controls.
fn picture(radiograph: &Radiograph, analysis: &Analysis, json: &Value, overlay: &OverlayOptions) -> Result<String> {
    let step = step(analysis.height, analysis.width);
    let film = grey_source(&reduced(&render::display_window(radiograph.pixels()), step))?;
    let map = grey_source(&reduced(analysis.infection.bytes(), step))?;
    // Labels have no means: the pixel in the middle of each block.
    let (rows, columns) = (analysis.height.div_ceil(step), analysis.width.div_ceil(step));
    let middle = |i: usize, end: usize| (i * step + step / 2).min(end - 1);
    let label =
        |y: usize, x: usize| analysis.lungs.as_ref().map_or(0, |l| l.labels()[[middle(y, analysis.height), middle(x, analysis.width)]]);
    let lungs = grey_source(&Array2::from_shape_fn((rows, columns), |(y, x)| label(y, x)))?;
    let chosen = |colormap: Colormap| if colormap == overlay.colormap { " selected" } else { "" };
    let label = format!(
        "The radiograph with the opacity map and the outlines of both lungs. Opacity covers {} of the lungs.",
        percent(&json["infection"]["share"])
    );
    let values = [
        ("{film}", film.as_str()),
        ("{map}", &map),
        ("{lungs}", &lungs),
        ("{label}", &label),
        ("{opacity}", &format!("{:.0}", 100.0 * overlay.opacity)),
        ("{jet}", chosen(Colormap::Jet)),
        ("{cividis}", chosen(Colormap::Cividis)),
    ];
    Ok(values.iter().fold(VIEWER.to_owned(), |html, (place, value)| html.replace(place, value)))
}

/// What the script needs beside the images: counts of map bytes in each lung, zones in pixels of the picture, colours.
fn viewer_data(analysis: &Analysis) -> Value {
    let step = step(analysis.height, analysis.width);
    let mut histograms = [[0u64; 256]; 2];
    let mut zones = Vec::new();
    if let Some(lungs) = &analysis.lungs {
        for (label, byte) in lungs.labels().iter().zip(analysis.infection.bytes()) {
            if let RIGHT | LEFT = *label {
                histograms[usize::from(*label - RIGHT)][usize::from(*byte)] += 1;
            }
        }
        let extents = [RIGHT, LEFT].into_iter().flat_map(|side| [lungs.extent(side); 3]);
        for (i, (zone, extent)) in ZONES.iter().zip(extents).enumerate() {
            let Some(e) = extent else { continue };
            let third = |n: usize| (e.top + n * (e.bottom - e.top) / 3) / step;
            zones.push(
                json!({ "name": zone, "left": e.left / step, "right": e.right / step, "top": third(i % 3), "bottom": third(i % 3 + 1) }),
            );
        }
    }
    // At opacity 1; the script mixes them with the film by the opacity chosen.
    let table = |colormap: Colormap| -> String {
        let table = render::coefficients(colormap, 1.0).unwrap_or([[1.0; 3]; 256]);
        table.iter().flatten().map(|c| format!("{:02x}", (255.0 * c).round() as u8)).collect()
    };
    json!({
        "threshold": 128,
        "histograms": histograms.map(|h| h.to_vec()),
        "zones": zones,
        "colours": { "jet": table(Colormap::Jet), "cividis": table(Colormap::Cividis) },
    })
}

/// The shares and scores as a table with bars.
fn extent(page: &mut String, json: &Value) {
    let (infection, scores) = (&json["infection"], &json["severity"]["zones"]);
    page.push_str(
        "<section class=\"card\">\n<h2>Extent</h2>\n<table>\n<caption>Share of the area with opacity, and Brixia estimate (0 to 3 a \
         zone)</caption>\n<thead><tr><th scope=\"col\">Region</th><th scope=\"col\" class=\"number\">Share</th><td></td><th scope=\"col\" class=\"number\">Brixia</th></tr></thead>\n<tbody>\n",
    );
    let mut row = |name: &str, share: &Value, score: &Value| {
        let meter =
            share.as_f64().map_or(String::new(), |x| format!("<meter min=\"0\" max=\"1\" value=\"{x}\" aria-hidden=\"true\"></meter>"));
        let score = score.as_f64().map_or(String::new(), |x| format!("{x:.1}"));
        let _ = writeln!(
            page,
            "<tr><th scope=\"row\">{name}</th><td class=\"number\">{}</td><td>{meter}</td><td class=\"number\">{score}</td></tr>",
            percent(share)
        );
    };
    let null = Value::Null;
    for (region, name) in REGIONS.iter().zip(REGION_NAMES) {
        let (share, score) = match *region {
            "both" => (&infection["share"], &json["severity"]["brixia_estimate"]),
            "right" => (&infection["right_share"], &null),
            "left" => (&infection["left_share"], &null),
            zone => (&infection["zones"][zone], &scores[zone]),
        };
        row(name, share, score);
    }
    page.push_str("</tbody>\n</table>\n</section>\n");
}

/// Grade and estimate, with the estimate on its scale and the bands of the grades.
fn severity(page: &mut String, json: &Value) {
    let severity = &json["severity"];
    let estimate = severity["brixia_estimate"].as_f64();
    let _ = writeln!(
        page,
        "<section class=\"card\">\n<h2>Severity</h2>\n<p class=\"big\">{}</p>\n<p>Brixia estimate {}</p>",
        text(&severity["grade"]),
        estimate.map_or(unknown(), |x| format!("{x:.1} of 18")),
    );
    if let Some(x) = estimate {
        let bands = [(0.0, ""), (1.0, "mild"), (7.5, "moderate"), (11.5, "severe")];
        page.push_str(&scale(x / 18.0, &bands.map(|(at, name)| (at / 18.0, name)), "Brixia estimate on its scale from 0 to 18"));
    }
    page.push_str("</section>\n");
}

/// The answer, and the probability beside the threshold of its operating point.
fn detection(page: &mut String, json: &Value) {
    let d = &json["detection"];
    let answer = match d["positive"].as_bool() {
        Some(true) => "positive for opacity consistent with COVID-19",
        Some(false) => "negative",
        None => "not known",
    };
    let point = match d["operating_point"].as_str() {
        Some("sensitivity95") => "sensitivity95: 95 % of the COVID-19 radiographs of the calibration set are positive",
        Some("specificity95") => "specificity95: 95 % of the normal radiographs of the calibration set are negative",
        Some(_) | None => "any infected pixel (the model is not calibrated)",
    };
    let number = |v: &Value| v.as_f64().map_or(unknown(), |x| format!("{x:.3}"));
    let _ = writeln!(
        page,
        "<section class=\"card\">\n<h2>Detection</h2>\n<p class=\"big\">{answer}</p>\n<p>Probability {}, positive from {}</p>",
        number(&d["probability"]),
        number(&d["threshold"]),
    );
    if let (Some(p), Some(t)) = (d["probability"].as_f64(), d["threshold"].as_f64()) {
        page.push_str(&scale(p, &[(t, "positive from here")], "Probability from 0 to 1 and the threshold"));
    }
    let _ = writeln!(page, "<p class=\"faint\">Operating point {}</p>\n</section>", escaped(point));
}

/// A bar of a length 0..1 over a track with marks.
fn scale(length: f64, marks: &[(f64, &str)], label: &str) -> String {
    let x = |at: f64| 2.0 + 396.0 * at.clamp(0.0, 1.0);
    let mut svg = format!(
        "<svg viewBox=\"0 0 400 40\" role=\"img\" aria-label=\"{label}\"><rect class=\"track\" x=\"2\" y=\"4\" width=\"396\" height=\"12\" \
         rx=\"3\"/><rect class=\"bar\" x=\"2\" y=\"4\" width=\"{:.1}\" height=\"12\" rx=\"3\"/>",
        x(length) - 2.0
    );
    for (at, name) in marks.iter().filter(|(_, name)| !name.is_empty()) {
        // About seven units a letter: a label that would leave the picture stands before its mark.
        let fits = x(*at) + 7.2 * name.len() as f64 <= 398.0;
        let (anchor, dx) = if fits { ("start", 3.0) } else { ("end", -3.0) };
        let _ = write!(
            svg,
            "<line class=\"tick\" x1=\"{x:.1}\" x2=\"{x:.1}\" y1=\"1\" y2=\"24\"/><text class=\"faint\" x=\"{:.1}\" y=\"34\" \
             text-anchor=\"{anchor}\">{name}</text>",
            x(*at) + dx,
            x = x(*at)
        );
    }
    svg.push_str("</svg>\n");
    svg
}

fn quality(json: &Value) -> Vec<(&'static str, String)> {
    let input = &json["input"];
    let spacing = input["spacing_mm"].as_array().map_or(unknown(), |s| {
        let numbers: Vec<String> = s.iter().filter_map(Value::as_f64).map(|x| format!("{x:.4}")).collect();
        format!("{} mm", numbers.join(" x "))
    });
    vec![
        ("Doubts", flags(&json["quality"]["flags"])),
        ("View", text(&input["view"])),
        ("Size", format!("{} x {} pixels", input["width"], input["height"])),
        ("Pixel spacing", spacing),
        ("SHA-256 of the input", input["sha256"].as_str().map_or(unknown(), |hash| format!("<code>{}</code>", escaped(hash)))),
    ]
}

/// Which networks these numbers come from, what they were trained on, and how far they reach.
fn models(page: &mut String, json: &Value, training: &[Training]) {
    let mut rows: Vec<(&str, String)> = Vec::new();
    for m in json["model"].as_array().into_iter().flatten() {
        rows.push(("Model", format!("{}<br><code>SHA-256 {}</code>", text(&m["name"]), text(&m["sha256"]))));
    }
    for t in training {
        rows.push(("Training", escaped(&t.note)));
        rows.push(("Terms of the weights", escaped(&t.license)));
    }
    rows.push(("Limits of use", LIMITS.to_owned()));
    facts(page, "Models", &rows);
}

const LIMITS: &str = "Not a medical device. Frontal radiographs of adults only. Opacity of other causes (bacterial pneumonia, tuberculosis, \
    oedema, effusion) lights up as well. Detection can reflect where an image comes from. The model card (MODEL_CARD.md) has the figures.";
