//! COCO object detection JSON: polygons, runs as lists, and runs as pycocotools compresses them.

use std::collections::HashMap;

use ndarray::Array2;
use serde_json::{Value, json};

use super::{Area, Outlines, size};
use crate::mask::Layer;
use crate::{Refusal, Result};

/// Categories that this crate writes: name, layer, value.
const CATEGORIES: [(&str, Layer, u8); 5] = [
    ("right lung", Layer::Lung, 100),
    ("left lung", Layer::Lung, 200),
    ("lung", Layer::Lung, 255),
    ("ground-glass opacity", Layer::Infection, 1),
    ("consolidation", Layer::Infection, 2),
];

pub(super) fn read(json: &Value) -> Result<Vec<Outlines>> {
    let list = |key: &str| json[key].as_array().map_or(&[][..], Vec::as_slice);
    let names: HashMap<u64, &str> = list("categories").iter().filter_map(|c| Some((c["id"].as_u64()?, c["name"].as_str()?))).collect();
    let mut all = Vec::new();
    let mut places = HashMap::new();
    for image in list("images") {
        let id = image["id"].as_u64().ok_or_else(|| Refusal::wrong("an image without a number for its id"))?;
        let name = image["covmap_case"].as_str().or(image["file_name"].as_str()).unwrap_or_default();
        let mut outlines = Outlines::new(name.to_owned(), size(&image["width"], &image["height"])?);
        outlines.layers = image["covmap_layers"].as_array().into_iter().flatten().filter_map(|l| Layer::parse(l.as_str()?)).collect();
        places.insert(id, all.len());
        all.push(outlines);
    }
    for annotation in list("annotations") {
        let outlines: Option<&mut Outlines> = annotation["image_id"].as_u64().and_then(|i| places.get(&i)).and_then(|i| all.get_mut(*i));
        let Some(outlines) = outlines else { return Err(Refusal::wrong("an annotation of an image that is not there")) };
        let label = annotation["category_id"].as_u64().and_then(|c| names.get(&c)).copied().unwrap_or_default();
        let segmentation = &annotation["segmentation"];
        if let Some(polygons) = segmentation.as_array() {
            // Every polygon for itself: they add up.
            for polygon in polygons {
                let numbers: Vec<f64> = polygon.as_array().into_iter().flatten().filter_map(Value::as_f64).collect();
                outlines.add(label, Area::Paths(vec![numbers.as_chunks::<2>().0.to_vec()]));
            }
        } else {
            let [h, w] = [&segmentation["size"][0], &segmentation["size"][1]];
            let size = size(w, h)?.ok_or_else(|| Refusal::wrong("runs without a size"))?;
            let counts = match &segmentation["counts"] {
                Value::Array(list) => list.iter().map(Value::as_u64).collect::<Option<Vec<u64>>>(),
                Value::String(text) => decompress(text.as_bytes()),
                _ => None,
            };
            let counts = counts.ok_or_else(|| Refusal::wrong("runs that are neither a list nor compressed text"))?;
            outlines.add(label, Area::Pixels(pixels(&counts, size)?));
        }
    }
    Ok(all)
}

/// Down the columns, starting with what is not marked.
fn pixels(counts: &[u64], [w, h]: [usize; 2]) -> Result<Array2<bool>> {
    let total = counts.iter().try_fold(0u64, |sum, n| sum.checked_add(*n));
    if total != Some((w * h) as u64) {
        return Err(Refusal::Wrong(format!("runs that do not fill {w} x {h} pixels")));
    }
    let values = counts.iter().enumerate().flat_map(|(i, n)| std::iter::repeat_n(i % 2 == 1, *n as usize)).collect();
    let turned = Array2::from_shape_vec((w, h), values).map_err(|e| Refusal::Failed(e.to_string()))?;
    Ok(turned.reversed_axes())
}

/// Five bits a character, differences to the run before the last (pycocotools' rleFrString).
fn decompress(text: &[u8]) -> Option<Vec<u64>> {
    let mut counts: Vec<i64> = Vec::new();
    let mut bytes = text.iter();
    while let Some(mut byte) = bytes.next() {
        let (mut value, mut shift) = (0i64, 0);
        loop {
            let c = i64::from(byte.checked_sub(48)?);
            value |= (c & 0x1f) << shift;
            shift += 5;
            if c & 0x20 == 0 {
                if c & 0x10 != 0 {
                    value |= -1 << shift;
                }
                break;
            }
            if shift > 50 {
                return None;
            }
            byte = bytes.next()?;
        }
        if counts.len() > 2 {
            value = value.checked_add(counts[counts.len() - 2])?;
        }
        counts.push(value);
    }
    counts.into_iter().map(|n| u64::try_from(n).ok()).collect()
}

fn runs(mask: &Array2<u8>, value: u8) -> Vec<u32> {
    let (mut counts, mut marked) = (vec![0], false);
    for pixel in mask.t() {
        if (*pixel == value) != marked {
            marked = !marked;
            counts.push(0);
        }
        *counts.last_mut().expect("never empty") += 1;
    }
    counts
}

/// A file under construction: masks as runs, so that they come back pixel for pixel.
#[derive(Debug, Default)]
pub(super) struct Writer {
    images: Vec<Value>,
    annotations: Vec<Value>,
}

impl Writer {
    pub(super) fn add(&mut self, case: &str, file: &str, masks: &[(Layer, Array2<u8>)]) {
        let Some((_, first)) = masks.first() else { return };
        let (h, w) = first.dim();
        let image = self.images.len() + 1;
        let layers: Vec<&str> = masks.iter().map(|(l, _)| l.as_str()).collect();
        self.images.push(json!({ "id": image, "file_name": file, "width": w, "height": h, "covmap_case": case, "covmap_layers": layers }));
        for (layer, mask) in masks {
            for (category, (_, _, value)) in CATEGORIES.iter().enumerate().filter(|(_, c)| c.1 == *layer) {
                let marked: Vec<(usize, usize)> = mask.indexed_iter().filter(|(_, v)| *v == value).map(|(at, _)| at).collect();
                let Some(x0) = marked.iter().map(|at| at.1).min() else { continue };
                let x1 = marked.iter().map(|at| at.1).max().unwrap_or(x0);
                let (y0, y1) = (marked[0].0, marked[marked.len() - 1].0);
                self.annotations.push(json!({
                    "id": self.annotations.len() + 1, "image_id": image, "category_id": category + 1, "iscrowd": 1, "area": marked.len(),
                    "bbox": [x0, y0, x1 - x0 + 1, y1 - y0 + 1],
                    "segmentation": { "size": [h, w], "counts": runs(mask, *value) },
                }));
            }
        }
    }

    pub(super) fn finish(self, reader: &str) -> String {
        let categories: Vec<Value> =
            CATEGORIES.iter().enumerate().map(|(i, c)| json!({ "id": i + 1, "name": c.0, "supercategory": c.1.as_str() })).collect();
        let info = json!({ "description": "Outlines on chest radiographs by covmap annotate", "contributor": reader });
        json!({ "info": info, "images": self.images, "annotations": self.annotations, "categories": categories }).to_string()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn masks_come_back_pixel_for_pixel() {
        let lung = Array2::from_shape_fn((7, 5), |(y, x)| [0, 100, 200, 255][(y * 3 + x * 5) % 4]);
        let infection = Array2::from_shape_fn((7, 5), |(y, x)| ((y * x) % 3) as u8);
        let mut writer = Writer::default();
        writer.add("a", "a.png", &[(Layer::Lung, lung.clone()), (Layer::Infection, infection.clone())]);
        writer.add("b", "b.png", &[(Layer::Infection, Array2::zeros((2, 2)))]);
        let read = super::super::read(writer.finish("anna").as_bytes()).unwrap();
        assert_eq!(read[0].mask(Layer::Lung, (7, 5)).unwrap().unwrap(), lung);
        assert_eq!(read[0].mask(Layer::Infection, (7, 5)).unwrap().unwrap(), infection);
        assert_eq!(read[1].mask(Layer::Infection, (2, 2)).unwrap(), Some(Array2::zeros((2, 2))));
        assert_eq!(read[1].mask(Layer::Lung, (2, 2)).unwrap(), None);
        assert!(read[0].mask(Layer::Lung, (8, 5)).is_err());
    }

    #[test]
    fn compressed_runs() {
        // What pycocotools.mask.encode makes of [[0, 1, 1, 0], [1, 1, 0, 0], [0, 0, 0, 1]], and of three long columns.
        assert_eq!(decompress(b"11110O30"), Some(vec![1, 1, 1, 2, 1, 1, 4, 1]));
        assert_eq!(decompress(b"jn1b^1\\k1XdNbdN"), Some(vec![2010, 1490, 1900, 90, 510]));
        for broken in [&b"\x10"[..], b"j", b"ooooooooooooooooooooo"] {
            assert_eq!(decompress(broken), None);
        }
    }
}
