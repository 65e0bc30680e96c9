//! The same chest in a larger image or with a border round it gives the same answer: with a model that returns its input as
//! probability this holds but for rounding. What the real network makes of it is told, not asserted.

use covmap_core::radiograph::BufferOptions;
use covmap_core::{Analysis, Fusion, Model, ModelOptions, Pipeline, Radiograph, RunOptions, Views};
use covmap_tests::fuzz::seeds::Random;
use covmap_tests::onnx::Onnx;
use covmap_tests::{bundled, phantom};
use ndarray::{Array2, s};
use serde_json::{Value, json};

/// Side of the echo's square.
const SIDE: usize = 96;

/// A model whose answer is its input: lung from 0.4, opacity from 0.7.
fn echo() -> Pipeline {
    let shape = [1, 1, SIDE, SIDE];
    let file = Onnx::new()
        .input("x", &shape)
        .weights("one", &[1], &[1.0])
        .node("Mul", &["x", "one"], "infection", &[])
        .node("Mul", &["x", "one"], "lungs", &[])
        .output("infection", &shape)
        .output("lungs", &shape)
        .described(&json!({
            "format": 1, "name": "echo",
            "input": { "size": [SIDE, SIDE], "normalisation": "unit" },
            "outputs": [
                { "tensor": "infection", "channels": ["infection"], "activation": "probability" },
                { "tensor": "lungs", "channels": ["lungs"], "activation": "probability" },
            ],
            "thresholds": { "infection": 0.7, "lungs": 0.4 },
        }))
        .bytes();
    let model = Model::from_bytes(file, &ModelOptions::default()).unwrap();
    Pipeline::of(vec![model], Fusion::Mean, 1).unwrap()
}

/// Two smooth hills, each as high as opacity in its middle.
fn hills(seed: u64, height: usize, width: usize) -> Array2<u16> {
    let mut random = Random::new(seed);
    let mut about = |middle: f32, by: f32| middle + by * (random.below(1000) as f32 / 500.0 - 1.0);
    let centres = [0.28, 0.72].map(|x| (about(x, 0.03), about(0.5, 0.08), about(0.16, 0.03), about(0.3, 0.05)));
    Array2::from_shape_fn((height, width), |(row, column)| {
        let (y, x) = ((row as f32 + 0.5) / height as f32, (column as f32 + 0.5) / width as f32);
        let hill = |(cx, cy, rx, ry): (f32, f32, f32, f32)| (-((x - cx) / rx).powi(2) - ((y - cy) / ry).powi(2)).exp();
        (centres.iter().map(|c| hill(*c)).fold(0f32, f32::max) * 60000.0) as u16
    })
}

fn enlarged(pixels: &Array2<u16>, factor: usize) -> Array2<u16> {
    let (h, w) = pixels.dim();
    Array2::from_shape_fn((h * factor, w * factor), |(y, x)| pixels[[y / factor, x / factor]])
}

fn padded(pixels: &Array2<u16>, margin: usize) -> Array2<u16> {
    let (h, w) = pixels.dim();
    let mut padded = Array2::zeros((h + 2 * margin, w + 2 * margin));
    padded.slice_mut(s![margin..margin + h, margin..margin + w]).assign(pixels);
    padded
}

fn analysed(pipeline: &Pipeline, pixels: &Array2<u16>) -> Analysis {
    pipeline.analyze(&Radiograph::from_view(pixels.view(), &BufferOptions::default()).unwrap()).unwrap()
}

/// Lungs (0, 1, 2) and opacity (+ 4) of each pixel.
fn answer(analysis: &Analysis) -> Array2<u8> {
    analysis.lungs.as_ref().unwrap().labels() + &(analysis.infection.mask() * 4)
}

fn share(analysis: &Analysis) -> f64 {
    analysis.severity.as_ref().unwrap().total().share().unwrap_or(0.0)
}

/// Part of the pixels in which two answers differ.
fn difference(a: &Array2<u8>, b: &Array2<u8>) -> f64 {
    a.iter().zip(b).filter(|(a, b)| a != b).count() as f64 / a.len() as f64
}

/// An image, the same one enlarged, and the same one padded, each answered at the pixels of the first.
fn answers(pipeline: &Pipeline, pixels: &Array2<u16>, factor: usize, margin: usize) -> [(Array2<u8>, f64); 3] {
    let (h, w) = pixels.dim();
    let plain = analysed(pipeline, pixels);
    let larger = analysed(pipeline, &enlarged(pixels, factor));
    let bordered = analysed(pipeline, &padded(pixels, margin));
    let middle = answer(&larger).slice(s![factor / 2..;factor, factor / 2..;factor]).to_owned();
    let inner = answer(&bordered).slice(s![margin..margin + h, margin..margin + w]).to_owned();
    [(answer(&plain), share(&plain)), (middle, share(&larger)), (inner, share(&bordered))]
}

#[test]
fn an_echo_follows_size_and_border() {
    let echo = echo();
    for (seed, (height, width, factor, margin)) in
        [(192, 192, 3, 24), (300, 250, 3, 20), (97, 131, 5, 13), (480, 640, 3, 64), (1000, 800, 3, 100)].into_iter().enumerate()
    {
        let what = format!("{height} x {width}, {factor} times, {margin} round it");
        let [(plain, share), (larger, larger_share), (inner, inner_share)] =
            answers(&echo, &hills(seed as u64, height, width), factor, margin);
        assert!([0, 1, 2, 5, 6].iter().all(|kind| plain.iter().any(|p| p == kind)), "{what}: background, lungs, opacity in both");
        let (by_size, by_border) = (difference(&plain, &larger), difference(&plain, &inner));
        println!("{what}: {by_size:.4} and {by_border:.4} of the pixels differ; shares {share:.4}, {larger_share:.4}, {inner_share:.4}");
        // A pixel of the network's square is the resolution; what is left of a border makes it coarser.
        assert!(by_size < 0.005 && (share - larger_share).abs() < 0.005, "{what}");
        assert!(by_border < 0.02 && (share - inner_share).abs() < 0.02, "{what}");
    }
}

/// Margins of whole network pixels leave the network's input as it is, whatever its views.
#[test]
fn dark_margins_change_nothing() {
    let drawn = phantom(5, covmap_core::phantom::Opacities::Moderate, 320, 320).pixels;
    let mut within = Array2::from_elem((400, 400), 1000);
    let at = s![40..360, ..320];
    within.slice_mut(at).assign(&drawn);
    for views in [Views::None, Views::Flip] {
        let mut options = RunOptions::default();
        options.views = views;
        let [plain, framed] = [&drawn, &within].map(|pixels| {
            let radiograph = Radiograph::from_view(pixels.view(), &BufferOptions::default()).unwrap();
            bundled().analyze_with(&radiograph, &options).unwrap()
        });
        assert!(share(&plain) > 0.05 && answer(&plain) == answer(&framed).slice(at), "{views}");
        assert_eq!(plain.severity, framed.severity, "{views}");
        assert_eq!(plain.detection, framed.detection, "{views}");
    }
}

/// With COVMAP_RECORD the figures go into tests/reliability/equivariance.json.
#[test]
fn what_the_network_makes_of_size_and_border() {
    let cases: Vec<Value> = (0..4)
        .map(|seed| {
            let drawn = phantom(seed, covmap_core::phantom::Opacities::Moderate, 320, 320).pixels;
            let [(plain, share), (larger, larger_share), (inner, inner_share)] = answers(bundled(), &drawn, 3, 16);
            json!({
                "phantom": seed,
                "share": share, "share_enlarged_3": larger_share, "share_padded_5_percent": inner_share,
                "pixels_differ_enlarged_3": difference(&plain, &larger), "pixels_differ_padded_5_percent": difference(&plain, &inner),
            })
        })
        .collect();
    cases.iter().for_each(|case| println!("{case}"));
    if std::env::var_os("COVMAP_RECORD").is_some() {
        covmap_tests::record("equivariance", &json!({ "network": "bundled", "cases": cases }));
    }
}
