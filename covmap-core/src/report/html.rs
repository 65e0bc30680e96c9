//! The result as one page for people: no script, no network, images within.

use std::fmt::Write;

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use ndarray::{Array2, Array3, s};
use serde_json::Value;
use sha2::{Digest, Sha256};

use super::to_json;
use crate::render::{self, OverlayOptions};
use crate::severity::ZONES;
use crate::{Analysis, Radiograph, Result};

const STYLE: &str = include_str!("html.css");
/// Pictures on the page are at most about this many pixels a side; full size is what the PNG files are for.
const SIDE: usize = 1200;

/// How to make the page.
#[derive(Debug, Clone, Default, PartialEq)]
#[non_exhaustive]
pub struct HtmlOptions {
    /// The input's name as the page shows it. Default behavior: no name.
    pub file: Option<String>,
    /// How the overlay is painted.
    pub overlay: OverlayOptions,
    /// Terms of use of the models ([`Training::license`](crate::engine::Training::license)), a paragraph each.
    pub terms: Vec<String>,
}

/// One self-contained HTML page: overlay, extent per lung and zone, severity, detection, quality, models and terms.
///
/// It shows what the [JSON](to_json) holds, and nothing of a patient's identity. Its content security policy lets it load
/// and run nothing at all.
///
/// # Errors
/// `Parameter` if the analysis belongs to a radiograph of another size.
pub fn to_html(radiograph: &Radiograph, analysis: &Analysis, options: &HtmlOptions) -> Result<String> {
    let json = to_json(analysis, options.file.as_deref());
    let overlay = render::analysis_overlay(radiograph, analysis, &options.overlay)?;
    let film = render::display_window(radiograph.pixels());
    let step = analysis.width.max(analysis.height).div_ceil(SIDE).max(1);
    let film = STANDARD.encode(render::encode_grey(&reduced(&film, step))?);
    let overlay = STANDARD.encode(render::encode_rgb(&reduced_rgb(&overlay, step))?);
    let title = options.file.as_deref().map_or("Chest radiograph".to_owned(), escaped);
    let policy = format!("default-src 'none'; img-src data:; style-src 'sha256-{}'", STANDARD.encode(Sha256::digest(STYLE)));
    let mut page = format!(
        "<!DOCTYPE html>\n<html lang=\"en\">\n<head>\n<meta charset=\"utf-8\">\n<meta http-equiv=\"Content-Security-Policy\" \
         content=\"{policy}\">\n<meta name=\"viewport\" content=\"width=device-width\">\n<title>{title}: opacity map</title>\n\
         <style>{STYLE}</style>\n</head>\n<body>\n<main>\n<h1>{title}</h1>\n<p class=\"notice\">Opacity consistent with COVID-19 \
         pneumonia. Decision support for research, <strong>not a diagnosis</strong>: the map cannot tell causes of opacity \
         apart.</p>\n<input class=\"screen\" type=\"checkbox\" id=\"show\" checked> <label class=\"screen\" for=\"show\">Show the \
         map over the radiograph</label>\n<div class=\"picture\">\n<img alt=\"Chest radiograph\" \
         src=\"data:image/png;base64,{film}\">\n<img class=\"overlay\" alt=\"The radiograph with the opacity map and the outlines \
         of both lungs\" src=\"data:image/png;base64,{overlay}\">\n</div>\n"
    );
    extent(&mut page, &json);
    facts(&mut page, "Severity", &severity(&json));
    facts(&mut page, "Detection", &detection(&json));
    facts(&mut page, "Quality of the radiograph", &quality(&json));
    facts(&mut page, "Models", &models(&json));
    for terms in &options.terms {
        let _ = writeln!(page, "<p>Terms of the weights: {}</p>", escaped(terms));
    }
    let _ = writeln!(page, "<p>Made by covmap {}.</p>\n</main>\n</body>\n</html>", env!("CARGO_PKG_VERSION"));
    Ok(page)
}

/// The shares and scores as a table.
fn extent(page: &mut String, json: &Value) {
    let (infection, scores) = (&json["infection"], &json["severity"]["zones"]);
    page.push_str(
        "<section>\n<h2>Extent</h2>\n<table>\n<caption>Share of the area with opacity, and Brixia estimate (0 to 3 a \
         zone)</caption>\n<thead><tr><th scope=\"col\">Region</th><th scope=\"col\">Share</th><th scope=\"col\"></th><th \
         scope=\"col\">Brixia</th></tr></thead>\n<tbody>\n",
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
    row("Both lungs", &infection["share"], &json["severity"]["brixia_estimate"]);
    row("Right lung", &infection["right_share"], &Value::Null);
    row("Left lung", &infection["left_share"], &Value::Null);
    let places = ["right upper", "right middle", "right lower", "left upper", "left middle", "left lower"];
    for (zone, place) in ZONES.iter().zip(places) {
        row(&format!("Zone {zone}, {place}"), &infection["zones"][zone], &scores[zone]);
    }
    page.push_str("</tbody>\n</table>\n</section>\n");
}

fn severity(json: &Value) -> Vec<(&'static str, String)> {
    let severity = &json["severity"];
    let estimate = severity["brixia_estimate"].as_f64().map_or(unknown(), |x| format!("{x:.1} of 18"));
    vec![("Brixia estimate", estimate), ("Grade", text(&severity["grade"]))]
}

fn detection(json: &Value) -> Vec<(&'static str, String)> {
    let d = &json["detection"];
    let number = |v: &Value| v.as_f64().map_or(unknown(), |x| format!("{x:.3}"));
    let answer = match d["positive"].as_bool() {
        Some(true) => "positive for opacity consistent with COVID-19".to_owned(),
        Some(false) => "negative".to_owned(),
        None => unknown(),
    };
    let point = d["operating_point"].as_str().unwrap_or("any infected pixel");
    vec![
        ("Result", answer),
        ("Probability", number(&d["probability"])),
        ("Positive from", number(&d["threshold"])),
        ("Operating point", escaped(point)),
    ]
}

fn quality(json: &Value) -> Vec<(&'static str, String)> {
    let flags: Vec<&str> = json["quality"]["flags"].as_array().into_iter().flatten().filter_map(Value::as_str).collect();
    let input = &json["input"];
    let spacing = input["spacing_mm"].as_array().map_or(unknown(), |s| {
        let numbers: Vec<String> = s.iter().filter_map(Value::as_f64).map(|x| format!("{x:.4}")).collect();
        format!("{} mm", numbers.join(" x "))
    });
    vec![
        ("Doubts", if flags.is_empty() { "none".to_owned() } else { escaped(&flags.join(", ")) }),
        ("View", text(&input["view"])),
        ("Size", format!("{} x {} pixels", input["width"], input["height"])),
        ("Pixel spacing", spacing),
        ("SHA-256 of the input", input["sha256"].as_str().map_or(unknown(), |hash| format!("<code>{}</code>", escaped(hash)))),
    ]
}

fn models(json: &Value) -> Vec<(&'static str, String)> {
    let models = json["model"].as_array().into_iter().flatten();
    models.map(|m| ("Model", format!("{}<br><code>SHA-256 {}</code>", text(&m["name"]), text(&m["sha256"])))).collect()
}

/// A heading over a table of names and values, which are HTML.
fn facts(page: &mut String, heading: &str, facts: &[(&str, String)]) {
    let _ = writeln!(page, "<section>\n<h2>{heading}</h2>\n<table>\n<tbody>");
    for (name, value) in facts {
        let _ = writeln!(page, "<tr><th scope=\"row\">{name}</th><td>{value}</td></tr>");
    }
    page.push_str("</tbody>\n</table>\n</section>\n");
}

fn percent(share: &Value) -> String {
    share.as_f64().map_or(unknown(), |x| format!("{:.1} %", 100.0 * x))
}

fn text(value: &Value) -> String {
    value.as_str().map_or(unknown(), escaped)
}

fn unknown() -> String {
    "not known".to_owned()
}

/// Text that HTML shows as it is, in content and in quoted attributes.
fn escaped(text: &str) -> String {
    let mut safe = String::with_capacity(text.len());
    for c in text.chars() {
        match c {
            '&' => safe.push_str("&amp;"),
            '<' => safe.push_str("&lt;"),
            '>' => safe.push_str("&gt;"),
            '"' => safe.push_str("&quot;"),
            '\'' => safe.push_str("&#39;"),
            // Control characters are no legal HTML.
            c if c.is_control() && c != '\n' => safe.push('\u{fffd}'),
            c => safe.push(c),
        }
    }
    safe
}

/// Means of blocks of `step` x `step` pixels, fewer at the right and bottom edge.
fn reduced(plane: &Array2<u8>, step: usize) -> Array2<u8> {
    let (height, width) = plane.dim();
    Array2::from_shape_fn((height.div_ceil(step), width.div_ceil(step)), |(y, x)| {
        let block = plane.slice(s![y * step..((y + 1) * step).min(height), x * step..((x + 1) * step).min(width)]);
        let (sum, count) = (block.iter().map(|b| u32::from(*b)).sum::<u32>(), block.len() as u32);
        ((sum + count / 2) / count) as u8
    })
}

fn reduced_rgb(picture: &Array3<u8>, step: usize) -> Array3<u8> {
    let channels = [0, 1, 2].map(|channel| reduced(&picture.slice(s![.., .., channel]).to_owned(), step));
    let (height, width) = channels[0].dim();
    Array3::from_shape_fn((height, width, 3), |(y, x, channel)| channels[channel][[y, x]])
}

#[cfg(test)]
mod tests {
    use super::*;
    use ndarray::array;

    #[test]
    fn nothing_in_a_name_becomes_markup() {
        let safe = escaped("<script>\"a\"&'b'\u{7}</script>.png");
        assert_eq!(safe, "&lt;script&gt;&quot;a&quot;&amp;&#39;b&#39;\u{fffd}&lt;/script&gt;.png");
    }

    #[test]
    fn pictures_shrink_by_means_of_blocks() {
        let plane = array![[0, 10, 4], [20, 30, 5], [1, 2, 9]];
        assert_eq!(reduced(&plane, 1), plane);
        assert_eq!(reduced(&plane, 2), array![[15, 5], [2, 9]]);
    }
}
