//! What all pages share: one file, no network, nothing that a name could inject, and a policy that holds browsers to it.

use std::fmt::Write;

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use ndarray::{Array2, Array3, s};
use serde_json::Value;
use sha2::{Digest, Sha256};

use crate::Result;
use crate::render;

const STYLE: &str = include_str!("assets/page.css");
/// Pictures on a page are at most about this many pixels a side; full size is what the PNG files are for.
const SIDE: usize = 1200;

/// What every page says first.
pub(super) const NOTICE: &str = "<p class=\"notice\">Opacity consistent with COVID-19 pneumonia. Decision support for research, \
    <strong>not a diagnosis</strong>: the map cannot tell causes of opacity apart.</p>\n";

/// A whole page. `style` comes after the shared one; `images` are the sources of pictures that the policy allows.
pub(super) fn document(title: &str, images: &str, style: &str, script: &str, body: &str) -> String {
    let style = format!("{STYLE}{style}");
    let hash = |text: &str| STANDARD.encode(Sha256::digest(text));
    let mut policy = format!("default-src 'none'; img-src {images}; style-src 'sha256-{}'", hash(&style));
    let mut script_element = String::new();
    if !script.is_empty() {
        let _ = write!(policy, "; script-src 'sha256-{}'", hash(script));
        script_element = format!("<script>{script}</script>\n");
    }
    format!(
        "<!DOCTYPE html>\n<html lang=\"en\">\n<head>\n<meta charset=\"utf-8\">\n<meta http-equiv=\"Content-Security-Policy\" \
         content=\"{policy}\">\n<meta name=\"viewport\" content=\"width=device-width, initial-scale=1\">\n<title>{}</title>\n\
         <style>{style}</style>\n</head>\n<body>\n<main>\n{body}<p class=\"faint\">Made by covmap {}.</p>\n</main>\n\
         {script_element}</body>\n</html>\n",
        escaped(title),
        env!("CARGO_PKG_VERSION"),
    )
}

/// Data for a page's script, in an element that no text in it can close.
pub(super) fn data(value: &Value) -> String {
    let text = value.to_string().replace('<', "\\u003c");
    format!("<script type=\"application/json\" id=\"data\">{text}</script>\n")
}

/// A heading over a table of names and values, which are HTML.
pub(super) fn facts(page: &mut String, heading: &str, facts: &[(&str, String)]) {
    let _ = writeln!(page, "<section class=\"card\">\n<h2>{heading}</h2>\n<table class=\"facts\">\n<tbody>");
    for (name, value) in facts {
        let _ = writeln!(page, "<tr><th scope=\"row\">{name}</th><td>{value}</td></tr>");
    }
    page.push_str("</tbody>\n</table>\n</section>\n");
}

/// Names of regions as pages show them, in the order of [`REGIONS`](crate::progression::REGIONS).
pub(super) const REGION_NAMES: [&str; 9] = [
    "Both lungs",
    "Right lung",
    "Left lung",
    "Zone A, right upper",
    "Zone B, right middle",
    "Zone C, right lower",
    "Zone D, left upper",
    "Zone E, left middle",
    "Zone F, left lower",
];

/// Flags as labels, or that there are none.
pub(super) fn flags(values: &Value) -> String {
    let flags: Vec<&str> = values.as_array().into_iter().flatten().filter_map(Value::as_str).collect();
    match flags.as_slice() {
        [] => "none".to_owned(),
        flags => flags.iter().map(|f| format!("<span class=\"flag\">{}</span>", escaped(f))).collect(),
    }
}

pub(super) fn percent(share: &Value) -> String {
    share.as_f64().map_or(unknown(), |x| format!("{:.1} %", 100.0 * x))
}

pub(super) fn text(value: &Value) -> String {
    value.as_str().map_or(unknown(), escaped)
}

pub(super) fn unknown() -> String {
    "not known".to_owned()
}

/// Text that HTML shows as it is, in content and in quoted attributes.
pub(super) fn escaped(text: &str) -> String {
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

/// How many pixels of an image of this size one pixel on a page stands for, each way.
pub(super) fn step(rows: usize, columns: usize) -> usize {
    rows.max(columns).div_ceil(SIDE).max(1)
}

/// A grey picture as the source of an image.
pub(super) fn grey_source(plane: &Array2<u8>) -> Result<String> {
    Ok(format!("data:image/png;base64,{}", STANDARD.encode(render::encode_grey(plane)?)))
}

/// A colour picture, made as small as pages show it, as the source of an image.
pub(super) fn rgb_source(picture: &Array3<u8>) -> Result<String> {
    let (rows, columns, _) = picture.dim();
    let picture = reduced_rgb(picture, step(rows, columns));
    Ok(format!("data:image/png;base64,{}", STANDARD.encode(render::encode_rgb(&picture)?)))
}

/// Means of blocks of `step` x `step` pixels, fewer at the right and bottom edge.
pub(super) fn reduced(plane: &Array2<u8>, step: usize) -> Array2<u8> {
    let (height, width) = plane.dim();
    Array2::from_shape_fn((height.div_ceil(step), width.div_ceil(step)), |(y, x)| {
        let block = plane.slice(s![y * step..((y + 1) * step).min(height), x * step..((x + 1) * step).min(width)]);
        let (sum, count) = (block.iter().map(|b| u32::from(*b)).sum::<u32>(), block.len() as u32);
        ((sum + count / 2) / count) as u8
    })
}

pub(super) fn reduced_rgb(picture: &Array3<u8>, step: usize) -> Array3<u8> {
    let channels = [0, 1, 2].map(|channel| reduced(&picture.slice(s![.., .., channel]).to_owned(), step));
    let (height, width) = channels[0].dim();
    Array3::from_shape_fn((height, width, 3), |(y, x, channel)| channels[channel][[y, x]])
}

#[cfg(test)]
mod tests {
    use super::*;
    use ndarray::array;
    use serde_json::json;

    #[test]
    fn nothing_in_a_name_becomes_markup() {
        let safe = escaped("<script>\"a\"&'b'\u{7}</script>.png");
        assert_eq!(safe, "&lt;script&gt;&quot;a&quot;&amp;&#39;b&#39;\u{fffd}&lt;/script&gt;.png");
        let data = data(&json!({ "file": "</script><b>" }));
        assert_eq!(data.matches("</script>").count(), 1);
        assert!(data.contains(r"\u003c/script>\u003cb>"), "{data}");
    }

    #[test]
    fn pictures_shrink_by_means_of_blocks() {
        let plane = array![[0, 10, 4], [20, 30, 5], [1, 2, 9]];
        assert_eq!(reduced(&plane, 1), plane);
        assert_eq!(reduced(&plane, 2), array![[15, 5], [2, 9]]);
    }
}
