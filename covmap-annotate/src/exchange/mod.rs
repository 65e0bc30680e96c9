//! Outlines of other tools in, masks with provenance out.

mod coco;
mod darwin;
mod export;
mod labelme;
mod polygon;

use ndarray::Array2;
use serde_json::Value;

pub use export::{Contents, collect, tar};

use crate::mask::Layer;
use crate::{Refusal, Result};

/// Outlines of one image, as a file of another tool has them.
#[derive(Debug, Clone, PartialEq)]
pub struct Outlines {
    /// Name of the image, or id of the case.
    pub image: String,
    /// Width and height that the coordinates are of; those of the radiograph where the file does not say.
    pub size: Option<[usize; 2]>,
    pub shapes: Vec<Shape>,
    /// Layers that the file says to be complete, if only to say that nothing is there.
    pub layers: Vec<Layer>,
    /// Labels that are neither lung nor opacity.
    pub ignored: Vec<String>,
}

/// One outlined thing.
#[derive(Debug, Clone, PartialEq)]
pub struct Shape {
    pub layer: Layer,
    /// Value in the mask.
    pub value: u8,
    pub area: Area,
}

/// Where it lies.
#[derive(Debug, Clone, PartialEq)]
pub enum Area {
    /// Paths in pixels, (0, 0) the image's corner; a pixel belongs to what an odd number of them surround.
    Paths(Vec<Vec<[f64; 2]>>),
    /// Pixels of the image's size.
    Pixels(Array2<bool>),
    /// Pixels of a part of it, from this column and row on.
    Part([usize; 2], Array2<bool>),
}

/// Reads COCO, LabelMe or Darwin JSON, told apart by what it holds.
///
/// # Errors
/// `Wrong` where it is none of them, or damaged.
pub fn read(bytes: &[u8]) -> Result<Vec<Outlines>> {
    let json: Value = serde_json::from_slice(bytes).map_err(|e| Refusal::Wrong(format!("not JSON: {e}")))?;
    if json["images"].is_array() && json["annotations"].is_array() {
        coco::read(&json)
    } else if json["shapes"].is_array() {
        labelme::read(&json).map(|o| vec![o])
    } else if json["annotations"].is_array() && (json["item"].is_object() || json["image"].is_object()) {
        darwin::read(&json).map(|o| vec![o])
    } else {
        Err(Refusal::wrong("neither COCO (images, annotations), LabelMe (shapes) nor Darwin (annotations of an item or image)"))
    }
}

/// What a label of another tool means here: the words that public sets of this field use.
fn meaning(label: &str) -> Option<(Layer, u8)> {
    let label = label.to_lowercase();
    let says = |words: &[&str]| words.iter().any(|w| label.contains(w));
    if says(&["consolid"]) {
        Some((Layer::Infection, 2))
    } else if says(&["ground", "ggo", "opacit", "infect", "covid", "pneumonia", "infiltrat", "lesion"]) {
        Some((Layer::Infection, 1))
    } else if says(&["lung"]) {
        Some((
            Layer::Lung,
            if says(&["right"]) {
                100
            } else if says(&["left"]) {
                200
            } else {
                255
            },
        ))
    } else {
        None
    }
}

impl Outlines {
    fn new(image: String, size: Option<[usize; 2]>) -> Self {
        Outlines { image, size, shapes: Vec::new(), layers: Vec::new(), ignored: Vec::new() }
    }

    fn add(&mut self, label: &str, area: Area) {
        match meaning(label) {
            Some((layer, value)) => self.shapes.push(Shape { layer, value, area }),
            None => self.ignored.push(label.to_owned()),
        }
    }

    /// The mask of a layer for a radiograph of (rows, columns); none where the file says nothing of it. Paths are scaled where
    /// they were drawn at another size.
    ///
    /// # Errors
    /// `Wrong` where pixels were drawn at another size.
    pub fn mask(&self, layer: Layer, (rows, columns): (usize, usize)) -> Result<Option<Array2<u8>>> {
        let mut shapes: Vec<&Shape> = self.shapes.iter().filter(|s| s.layer == layer).collect();
        if shapes.is_empty() && !self.layers.contains(&layer) {
            return Ok(None);
        }
        // Consolidation lies over ground glass, named sides over unnamed ones.
        shapes.sort_by_key(|s| if s.value == 255 { 0 } else { s.value });
        let mut mask = Array2::zeros((rows, columns));
        for shape in shapes {
            match &shape.area {
                Area::Paths(paths) => {
                    let [w, h] = self.size.unwrap_or([columns, rows]);
                    let scale = [columns as f64 / w.max(1) as f64, rows as f64 / h.max(1) as f64];
                    polygon::fill(&mut mask, paths, scale, shape.value);
                }
                Area::Pixels(pixels) if pixels.dim() == (rows, columns) => {
                    ndarray::Zip::from(&mut mask).and(pixels).for_each(|m, p| {
                        if *p {
                            *m = shape.value;
                        }
                    });
                }
                Area::Part([x, y], pixels) if y + pixels.nrows() <= rows && x + pixels.ncols() <= columns => {
                    for ((row, column), _) in pixels.indexed_iter().filter(|(_, p)| **p) {
                        mask[[y + row, x + column]] = shape.value;
                    }
                }
                Area::Pixels(pixels) | Area::Part(_, pixels) => {
                    let (h, w) = pixels.dim();
                    return Err(Refusal::Wrong(format!(
                        "{}: a mask of {w} x {h} pixels for a radiograph of {columns} x {rows}",
                        self.image
                    )));
                }
            }
        }
        Ok(Some(mask))
    }
}

/// A size that a file claims; refused before memory is taken for it.
fn size(width: &Value, height: &Value) -> Result<Option<[usize; 2]>> {
    let (Some(width), Some(height)) = (width.as_u64(), height.as_u64()) else { return Ok(None) };
    let bounded = |side: u64| u32::try_from(side).unwrap_or(u32::MAX);
    covmap_core::Limits::default().check_size(bounded(width), bounded(height)).map_err(|e| Refusal::Wrong(e.to_string()))?;
    Ok(Some([width as usize, height as usize]))
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn labels_of_public_sets() {
        for (label, meant) in [
            ("Lung", (Layer::Lung, 255)),
            ("right_lung", (Layer::Lung, 100)),
            ("Lung Opacity", (Layer::Infection, 1)),
            ("GGO", (Layer::Infection, 1)),
            ("Consolidation", (Layer::Infection, 2)),
        ] {
            assert_eq!(meaning(label), Some(meant), "{label}");
        }
        assert_eq!(meaning("pacemaker"), None);
    }

    #[test]
    fn labelme_polygons_rectangles_and_circles() {
        let file = json!({ "imagePath": "a.png", "imageWidth": 8, "imageHeight": 6, "shapes": [
            { "label": "left lung", "shape_type": "polygon", "points": [[1, 1], [4, 1], [4, 5], [1, 5]] },
            { "label": "consolidation", "shape_type": "rectangle", "points": [[2.2, 2.2], [0.4, 0.4]] },
            { "label": "tube", "shape_type": "line", "points": [[0, 0], [1, 1]] },
        ]});
        let read = read(file.to_string().as_bytes()).unwrap().remove(0);
        let lung = read.mask(Layer::Lung, (6, 8)).unwrap().unwrap();
        assert_eq!(lung.iter().filter(|v| **v == 200).count(), 12);
        assert_eq!(read.mask(Layer::Infection, (6, 8)).unwrap().unwrap().iter().filter(|v| **v == 2).count(), 4);
        assert_eq!(read.ignored, ["tube"]);
        // Drawn at another size.
        assert_eq!(read.mask(Layer::Lung, (12, 16)).unwrap().unwrap().iter().filter(|v| **v == 200).count(), 48);
    }

    #[test]
    fn darwin_1_and_2() {
        let square = json!([{ "x": 1, "y": 1 }, { "x": 5, "y": 1 }, { "x": 5, "y": 5 }, { "x": 1, "y": 5 }]);
        let hole = json!([{ "x": 2, "y": 2 }, { "x": 4, "y": 2 }, { "x": 4, "y": 4 }, { "x": 2, "y": 4 }]);
        let first = json!({ "image": { "filename": "a.jpg", "width": 6, "height": 6 }, "annotations": [
            { "name": "Lung", "polygon": { "path": square, "additional_paths": [hole] } } ]});
        let second = json!({ "version": "2.0", "item": { "name": "a.jpg", "slots": [{ "width": 6, "height": 6 }] }, "annotations": [
            { "id": "m", "name": "Opacity", "mask": {} },
            { "name": "Lung", "polygon": { "paths": [square, hole] } },
            { "name": "__raster_layer__", "raster_layer": { "dense_rle": [0, 30, 1, 6], "mask_annotation_ids_mapping": { "m": 1 } } } ]});
        for file in [&first, &second] {
            let read = read(file.to_string().as_bytes()).unwrap().remove(0);
            assert_eq!(read.mask(Layer::Lung, (6, 6)).unwrap().unwrap().iter().filter(|v| **v == 255).count(), 12);
        }
        let opacity = read(second.to_string().as_bytes()).unwrap().remove(0).mask(Layer::Infection, (6, 6)).unwrap().unwrap();
        assert_eq!((opacity.sum(), opacity.row(5).sum()), (6, 6));
    }

    #[test]
    fn nonsense_is_refused() {
        let huge =
            json!({ "images": [{ "id": 1, "file_name": "a", "width": 4_000_000_000u64, "height": 4_000_000_000u64 }], "annotations": [] });
        for wrong in [json!({}), json!([]), json!({ "images": 1, "annotations": [] }), huge] {
            assert!(read(wrong.to_string().as_bytes()).is_err(), "{wrong}");
        }
        assert!(read(b"{").is_err());
    }
}
