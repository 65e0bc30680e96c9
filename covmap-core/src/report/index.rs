//! A batch as one page that lists its radiographs; reports and thumbnails lie beside it.

use image::codecs::jpeg::JpegEncoder;
use serde_json::{Value, json};

use super::page::{NOTICE, data, document, reduced_rgb};
use crate::render::{self, OverlayOptions};
use crate::{Analysis, Error, Radiograph, Result};

const LIST: &str = include_str!("assets/index.html");
const STYLE: &str = include_str!("assets/index.css");
const SCRIPT: &str = include_str!("assets/index.js");
/// Long side of a thumbnail in pixels, at most; about 4 kB.
const THUMBNAIL: usize = 144;

/// A radiograph of the batch.
#[derive(Debug, Clone, PartialEq)]
pub struct IndexEntry {
    /// As the list shows it.
    pub file: String,
    /// Its report and its thumbnail, by their paths from the index, with `/` between folders. `None` where there is none.
    pub report: Option<String>,
    pub thumbnail: Option<String>,
    /// The result ([`to_json`](super::to_json)), or why there is none.
    pub result: std::result::Result<Value, String>,
}

/// One HTML page that lists, sorts and filters a batch of any size. It loads thumbnails from beside it as they come into sight.
pub fn to_index(entries: &[IndexEntry]) -> String {
    let rows: Vec<Value> = entries.iter().map(row).collect();
    let failed = entries.iter().filter(|e| e.result.is_err()).count();
    let failures = if failed == 0 { String::new() } else { format!(", {failed} failed") };
    let title = format!("{} radiographs{failures}", entries.len());
    let body = format!("<h1>{title}</h1>\n{NOTICE}{LIST}{}", data(&json!({ "rows": rows })));
    document(&title, "'self'", STYLE, SCRIPT, &body)
}

fn row(entry: &IndexEntry) -> Value {
    let null = Value::Null;
    let (result, error) = match &entry.result {
        Ok(result) => (result, None),
        Err(error) => (&null, Some(error)),
    };
    json!({
        "file": entry.file,
        "report": entry.report.as_deref().map(link),
        "thumbnail": entry.thumbnail.as_deref().map(link),
        "share": result["infection"]["share"],
        "brixia": result["severity"]["brixia_estimate"],
        "grade": result["severity"]["grade"],
        "probability": result["detection"]["probability"],
        "positive": result["detection"]["positive"],
        "flags": result["quality"]["flags"].as_array().cloned().unwrap_or_default(),
        "error": error,
    })
}

/// A relative path as a reference: what is not plain in it is written in per cent, so that no name becomes a scheme or a query.
fn link(path: &str) -> String {
    let plain = |b: u8| b.is_ascii_alphanumeric() || b"-._~/".contains(&b);
    let encoded = path.bytes().map(|b| if plain(b) { char::from(b).to_string() } else { format!("%{b:02X}") });
    format!("./{}", encoded.collect::<String>())
}

/// The overlay as a small JPEG file.
///
/// # Errors
/// `Parameter` if the analysis belongs to a radiograph of another size.
pub fn thumbnail(radiograph: &Radiograph, analysis: &Analysis, overlay: &OverlayOptions) -> Result<Vec<u8>> {
    let picture = render::analysis_overlay(radiograph, analysis, overlay)?;
    let small = reduced_rgb(&picture, analysis.width.max(analysis.height).div_ceil(THUMBNAIL).max(1));
    let (height, width, _) = small.dim();
    let internal = |e: &dyn std::fmt::Display| Error::Internal(format!("writing a thumbnail: {e}"));
    let pixels: Vec<u8> = small.into_iter().collect();
    let mut file = Vec::new();
    let mut encoder = JpegEncoder::new_with_quality(&mut file, 78);
    encoder.encode(&pixels, width as u32, height as u32, image::ExtendedColorType::Rgb8).map_err(|e| internal(&e))?;
    Ok(file)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn links_are_paths_whatever_the_name() {
        assert_eq!(link("a b/c#1?.html"), "./a%20b/c%231%3F.html");
        assert_eq!(link("javascript:alert(1)"), "./javascript%3Aalert%281%29");
        assert_eq!(link("Müller.html"), "./M%C3%BCller.html");
    }

    #[test]
    fn failures_are_rows_and_names_stay_text() {
        let failed = IndexEntry { file: "</script><b>.png".into(), report: None, thumbnail: None, result: Err("damaged".into()) };
        let page = to_index(&[failed]);
        assert!(page.contains("1 radiographs, 1 failed") && !page.contains("</script><b>"));
    }
}
