//! What fuzzing and the hostile corpus start from: phantoms, synthetic DICOM files and little graphs; never a radiograph.

use std::io::Cursor;

use arbitrary::Unstructured;
use covmap_core::phantom::Opacities;
use covmap_core::render;
use image::codecs::jpeg::JpegEncoder;
use ndarray::Array3;
use serde_json::json;
use tiff::encoder::{Compression, TiffEncoder, colortype};
use tiff::tags::Tag;

use super::plans;
use crate::models::little;
use crate::{phantom, root};

/// A file by name.
pub type Seed = (String, Vec<u8>);

/// Inputs to start `target` from.
pub fn of(target: &str) -> Vec<Seed> {
    match target {
        "image" => pictures(96, 80),
        "dicom" => objects(96, 80),
        "onnx" => graphs().into_iter().map(|(name, file)| (name, [&[0], file.as_slice()].concat())).chain(described()).collect(),
        "spec" => descriptions(),
        // Their input is read number by number: anything is a start.
        _ => (0..24).map(|i| (format!("noise-{i}"), noise(i, 40 << (i % 5)))).collect(),
    }
}

/// PNG, JPEG and TIFF files of a phantom, of the kinds that are read.
pub fn pictures(width: usize, height: usize) -> Vec<Seed> {
    let drawn = phantom(1, Opacities::Moderate, width, height).pixels;
    let grey = drawn.mapv(|v| (v >> 8) as u8);
    let rgb = Array3::from_shape_fn((height, width, 3), |(y, x, _)| grey[[y, x]]);
    let (w, h) = (width as u32, height as u32);
    let jpeg = |pixels: &[u8], colour| {
        let mut file = Vec::new();
        JpegEncoder::new_with_quality(&mut file, 90).encode(pixels, w, h, colour).expect("a JPEG file");
        file
    };
    let (flat, flat_rgb) = (grey.as_slice().expect("standard layout"), rgb.as_slice().expect("standard layout"));
    let mut files = vec![
        ("grey16.png".to_owned(), render::encode_grey16(&drawn).expect("a picture")),
        ("grey8.png".to_owned(), render::encode_grey(&grey).expect("a picture")),
        ("rgb8.png".to_owned(), render::encode_rgb(&rgb).expect("a picture")),
        ("grey.jpg".to_owned(), jpeg(flat, image::ExtendedColorType::L8)),
        ("rgb.jpg".to_owned(), jpeg(flat_rgb, image::ExtendedColorType::Rgb8)),
    ];
    for (name, compression) in [
        ("plain", Compression::Uncompressed),
        ("lzw", Compression::Lzw),
        ("deflate", Compression::Deflate(tiff::encoder::DeflateLevel::Fast)),
        ("packbits", Compression::Packbits),
    ] {
        let mut file = Cursor::new(Vec::new());
        let mut encoder = TiffEncoder::new(&mut file).expect("a TIFF file").with_compression(compression);
        let mut image = encoder.new_image::<colortype::Gray16>(w, h).expect("a page");
        image.encoder().write_tag(Tag::Orientation, 3u16).expect("a tag");
        image.write_data(drawn.as_slice().expect("standard layout")).expect("a page");
        files.push((format!("grey16-{name}.tif"), file.into_inner()));
    }
    let mut file = Cursor::new(Vec::new());
    let mut encoder = TiffEncoder::new(&mut file).expect("a TIFF file");
    encoder.write_image::<colortype::RGB8>(w, h, flat_rgb).expect("a page");
    encoder.write_image::<colortype::Gray8>(w, h, flat).expect("a page");
    files.push(("pages.tif".to_owned(), file.into_inner()));
    files
}

/// DICOM files: a phantom, and the synthetic gradients of every transfer syntax.
pub fn objects(width: usize, height: usize) -> Vec<Seed> {
    let mut files = vec![("phantom.dcm".to_owned(), phantom(1, Opacities::Mild, width, height).to_dicom().expect("a DICOM file"))];
    let folder = root().join("covmap-core/tests/fixtures/dicom");
    let mut paths: Vec<_> = std::fs::read_dir(folder).expect("the fixtures").map(|entry| entry.expect("a fixture").path()).collect();
    paths.retain(|path| path.extension().is_some_and(|extension| extension == "dcm"));
    paths.sort();
    for path in paths {
        let name = path.file_name().expect("a file").to_string_lossy().into_owned();
        files.push((name, std::fs::read(&path).expect("a fixture")));
    }
    files
}

/// ONNX files that carry their descriptions: the little model, and random graphs.
pub fn graphs() -> Vec<Seed> {
    let random =
        (0..12).map(|i| (format!("random-{i}.onnx"), plans::graph(&mut Unstructured::new(&noise(i, 300))).expect("enough numbers")));
    let mut files: Vec<Seed> = random.filter(|(_, file)| file.len() < 24 << 10).collect();
    files.push(("little.onnx".to_owned(), little(1.0)));
    files
}

/// Graphs with descriptions of their own before them.
fn described() -> impl Iterator<Item = Seed> {
    let description = |(i, (name, file)): (usize, Seed)| {
        let (_, json) = descriptions().swap_remove(i % 3);
        (format!("described-{name}"), [json.as_slice(), &[0], &file].concat())
    };
    graphs().into_iter().enumerate().map(description)
}

fn descriptions() -> Vec<Seed> {
    let bundled = serde_json::to_vec(crate::bundled().models()[0].spec()).expect("a description is JSON");
    let little = json!({
        "format": 1, "name": "little",
        "input": { "size": [64, 64], "layout": "nhwc", "channels": 3, "normalisation": { "affine": { "mean": [0.4, 0.5, 0.6], "std": [0.2, 0.2, 1e-3] } } },
        "outputs": [{ "tensor": "infection", "channels": ["infection"], "activation": "probability" }, { "tensor": "lungs", "channels": ["lungs", "ignore"] }],
        "thresholds": { "infection": 0.3, "lungs": 0.7 },
    });
    let plain = json!({
        "format": 1, "name": "plain", "input": { "size": [64, 64], "normalisation": "unit" },
        "outputs": [{ "tensor": "infection", "channels": ["infection"] }],
        "calibration": {
            "brixia": { "feature": "mean", "knots": [[0.0, 0.0], [0.5, 1.5], [1.0, 3.0]] },
            "detection": { "intercept": 1.0, "log_mean": 1.0, "log_worst_zone": 0.5, "sensitivity95": 0.2, "specificity95": 0.6 },
        },
        "bf16": { "infection_f1": 0.001, "lung_dice": 0.0, "brixia": 1e-3 },
        "training": { "note": "", "license": "", "folds": [0, 1], "groups": ["a"], "seed": 3 },
    });
    let text = |value: serde_json::Value| value.to_string().into_bytes();
    vec![("bundled.json".into(), bundled), ("little.json".into(), text(little)), ("plain.json".into(), text(plain))]
}

/// Repeatable bytes (SplitMix64).
pub fn noise(seed: u64, count: usize) -> Vec<u8> {
    let mut random = Random::new(seed);
    (0..count).map(|_| random.next() as u8).collect()
}

/// A repeatable sequence (SplitMix64).
#[derive(Debug)]
pub struct Random(u64);

impl Random {
    /// From a seed.
    pub fn new(seed: u64) -> Self {
        Random(seed)
    }

    /// Any 64 bits.
    #[allow(clippy::should_implement_trait)]
    pub fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let z = (self.0 ^ (self.0 >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        let z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        z ^ (z >> 31)
    }

    /// A number below `n`, which is above 0.
    pub fn below(&mut self, n: usize) -> usize {
        (self.next() % n as u64) as usize
    }
}
