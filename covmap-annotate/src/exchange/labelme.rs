//! LabelMe JSON: polygons, rectangles, circles, masks.

use base64::Engine as _;
use serde_json::Value;

use super::{Area, Outlines, size};
use crate::{Refusal, Result, mask};

/// Sides of the polygon that stands for a circle.
const CIRCLE: usize = 180;

pub(super) fn read(json: &Value) -> Result<Outlines> {
    let image = json["imagePath"].as_str().unwrap_or_default();
    let mut outlines = Outlines::new(image.to_owned(), size(&json["imageWidth"], &json["imageHeight"])?);
    for shape in json["shapes"].as_array().into_iter().flatten() {
        let label = shape["label"].as_str().unwrap_or_default();
        let point = |p: &Value| Some([p[0].as_f64()?, p[1].as_f64()?]);
        let points = shape["points"].as_array().into_iter().flatten().map(point).collect::<Option<Vec<_>>>();
        let points = points.ok_or_else(|| Refusal::wrong("a point without two numbers"))?;
        match (shape["shape_type"].as_str().unwrap_or("polygon"), points.as_slice()) {
            ("polygon", _) => outlines.add(label, Area::Paths(vec![points])),
            ("rectangle", [[ax, ay], [bx, by]]) => {
                outlines.add(label, Area::Paths(vec![vec![[*ax, *ay], [*bx, *ay], [*bx, *by], [*ax, *by]]]));
            }
            ("circle", [[x, y], [bx, by]]) => {
                let radius = (bx - x).hypot(by - y);
                let turn = |i: usize| (i as f64 / CIRCLE as f64 * std::f64::consts::TAU).sin_cos();
                let path = (0..CIRCLE).map(turn).map(|(s, c)| [x + radius * c, y + radius * s]).collect();
                outlines.add(label, Area::Paths(vec![path]));
            }
            ("mask", [[x, y], ..]) if *x >= 0.0 && *y >= 0.0 => {
                let text = shape["mask"].as_str().unwrap_or_default();
                let bytes = base64::engine::general_purpose::STANDARD.decode(text).map_err(|e| Refusal::Wrong(e.to_string()))?;
                let picture = mask::decode(&bytes).map_err(|e| Refusal::Wrong(e.to_string()))?;
                outlines.add(label, Area::Part([*x as usize, *y as usize], picture.mapv(|v| v > 0)));
            }
            _ => outlines.ignored.push(label.to_owned()),
        }
    }
    Ok(outlines)
}
