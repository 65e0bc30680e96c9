//! V7 Darwin JSON, versions 1 and 2: polygons with holes, raster layers.

use ndarray::Array2;
use serde_json::Value;

use super::{Area, Outlines, size};
use crate::{Refusal, Result, mask};

pub(super) fn read(json: &Value) -> Result<Outlines> {
    let (image, slot) = (&json["image"], &json["item"]["slots"][0]);
    let name = json["item"]["name"].as_str().or(image["original_filename"].as_str()).or(image["filename"].as_str()).unwrap_or_default();
    let size = size(&image["width"], &image["height"])?.or(size(&slot["width"], &slot["height"])?);
    let mut outlines = Outlines::new(name.to_owned(), size);
    let annotations = json["annotations"].as_array().map_or(&[][..], Vec::as_slice);
    for annotation in annotations {
        let label = annotation["name"].as_str().unwrap_or_default();
        if annotation["polygon"].is_object() {
            outlines.add(label, Area::Paths(paths(&annotation["polygon"])?));
        } else if annotation["raster_layer"].is_object() {
            raster(&annotation["raster_layer"], annotations, &mut outlines)?;
        } else if !annotation["mask"].is_object() {
            // A mask's pixels stand in the raster layer; boxes, tags and lines outline nothing.
            outlines.ignored.push(label.to_owned());
        }
    }
    Ok(outlines)
}

fn paths(polygon: &Value) -> Result<Vec<Vec<[f64; 2]>>> {
    let all = |key: &str| polygon[key].as_array().into_iter().flatten();
    let single = polygon["path"].is_array().then_some(&polygon["path"]);
    let point = |p: &Value| Some([p["x"].as_f64()?, p["y"].as_f64()?]);
    let path = |path: &Value| path.as_array()?.iter().map(point).collect::<Option<Vec<_>>>();
    let paths = single.into_iter().chain(all("additional_paths")).chain(all("paths")).map(path).collect::<Option<Vec<_>>>();
    paths.ok_or_else(|| Refusal::wrong("a path of something else than points"))
}

/// Value and length, row by row; values belong to the mask annotations that the mapping names.
fn raster(layer: &Value, annotations: &[Value], outlines: &mut Outlines) -> Result<()> {
    let [w, h] = outlines.size.ok_or_else(|| Refusal::wrong("a raster layer in a file without the image's size"))?;
    let number = |v: &Value| v.as_u64().and_then(|n| u32::try_from(n).ok());
    let runs = layer["dense_rle"].as_array().into_iter().flatten().map(number).collect::<Option<Vec<_>>>();
    let values = mask::from_runs(&runs.ok_or_else(|| Refusal::wrong("a raster layer of something else than numbers"))?, w * h)?;
    for (id, value) in layer["mask_annotation_ids_mapping"].as_object().into_iter().flatten() {
        let label = annotations.iter().find(|a| a["id"].as_str() == Some(id)).and_then(|a| a["name"].as_str()).unwrap_or_default();
        let own = values.iter().map(|v| Some(u64::from(*v)) == value.as_u64()).collect();
        outlines.add(label, Area::Pixels(Array2::from_shape_vec((h, w), own).map_err(|e| Refusal::Failed(e.to_string()))?));
    }
    Ok(())
}
