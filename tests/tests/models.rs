//! Models of others: layouts, channels, output forms and weights that the bundled model does not have, computed by hand.

use covmap_core::engine::{Activation, Channel, InputSpec, Layout, Normalisation, OutputSpec, ZoneFeature};
use covmap_core::radiograph::BufferOptions;
use covmap_core::{ErrorKind, Fusion, Model, ModelInput, ModelOptions, ModelSpec, Pipeline, Preprocess, Radiograph, RunOptions};
use covmap_tests::models::{little_model, little_with_points};
use covmap_tests::onnx::Onnx;
use ndarray::Array2;

fn input(size: [usize; 2], layout: Layout, channels: usize, normalisation: Normalisation) -> InputSpec {
    InputSpec { size, layout, channels, normalisation }
}

fn output(tensor: &str, channels: &[Channel], activation: Activation) -> OutputSpec {
    OutputSpec { tensor: tensor.into(), channels: channels.to_vec(), activation }
}

fn spec(input: InputSpec, outputs: Vec<OutputSpec>) -> ModelSpec {
    ModelSpec {
        format: 1,
        name: "own".into(),
        input,
        outputs,
        thresholds: Default::default(),
        calibration: None,
        bf16: None,
        training: None,
    }
}

fn load(onnx: &Onnx, spec: ModelSpec) -> covmap_core::Result<Model> {
    let mut options = ModelOptions::default();
    options.spec = Some(spec);
    Model::from_bytes(onnx.bytes(), &options)
}

/// A radiograph of the network's own size, so that nothing is resampled, and its grey values 0..1.
fn exact(height: usize, width: usize) -> (Radiograph, Array2<f32>) {
    let pixels = Array2::from_shape_fn((height, width), |(y, x)| ((y * 977 + x * 3301) % 60_000) as u16 + 2000);
    let grey = pixels.mapv(|v| f32::from(v) / 65535.0);
    (Radiograph::from_view(pixels.view(), &BufferOptions::default()).unwrap(), grey)
}

fn prepared(model: &Model, radiograph: &Radiograph) -> ModelInput {
    Preprocess::new(&model.spec().input).apply(radiograph).unwrap().0
}

fn sigmoid(x: f32) -> f32 {
    1.0 / (1.0 + (-x).exp())
}

#[track_caller]
fn assert_close(found: &Array2<f32>, expected: &Array2<f32>) {
    assert_eq!(found.dim(), expected.dim());
    let worst = found.iter().zip(expected).map(|(a, b)| (a - b).abs()).fold(0.0, f32::max);
    assert!(worst < 1e-4, "largest difference {worst}");
}

/// Two outputs of logits, NCHW, one channel, standardised: a convolution of one weight is a product.
#[test]
fn two_outputs_of_logits() {
    let (shape, two) = ([1, 1, 64, 64], [1, 2, 64, 64]);
    let onnx = Onnx::new()
        .input("x", &shape)
        .weights("w", &[1, 1, 1, 1], &[2.0])
        .weights("b", &[1], &[0.25])
        .weights("v", &[2, 1, 1, 1], &[-1.0, 3.0])
        .node("Conv", &["x", "w", "b"], "opacity", &[])
        .node("Conv", &["x", "v"], "sides", &[])
        .output("opacity", &shape)
        .output("sides", &two);
    let outputs = vec![
        output("opacity", &[Channel::Infection], Activation::Logit),
        output("sides", &[Channel::LungRight, Channel::LungLeft], Activation::Logit),
    ];
    let model = load(&onnx, spec(input([64, 64], Layout::Nchw, 1, Normalisation::Standardise), outputs)).unwrap();
    let (radiograph, grey) = exact(64, 64);
    let seen = model.run(&prepared(&model, &radiograph), &RunOptions::default(), false).unwrap();
    let mean = grey.mean().unwrap();
    let deviation = grey.mapv(|g| (g - mean).powi(2)).mean().unwrap().sqrt();
    let x = grey.mapv(|g| (g - mean) / deviation);
    assert_close(seen.infection.unwrap().map(), &x.mapv(|x| sigmoid(2.0 * x + 0.25)));
    let lungs = seen.lungs.unwrap();
    assert!(lungs.is_sided());
    assert_close(lungs.right(), &x.mapv(|x| sigmoid(-x)));
    assert_close(lungs.left(), &x.mapv(|x| sigmoid(3.0 * x)));
}

/// NHWC with three channels, normalised per channel; one output of probabilities, no lungs.
#[test]
fn channels_last_and_infection_only() {
    let (shape, one) = ([1, 64, 64, 3], [1, 64, 64, 1]);
    let onnx = Onnx::new()
        .input("x", &shape)
        .weights("w", &[1, 3, 1, 1], &[0.5, 0.25, -0.125])
        .weights("scale", &[1], &[0.1])
        .weights("shift", &[1], &[0.3])
        .node("Transpose", &["x"], "planes", &[("perm", &[0, 3, 1, 2])])
        .node("Conv", &["planes", "w"], "sum", &[])
        .node("Transpose", &["sum"], "last", &[("perm", &[0, 2, 3, 1])])
        .node("Mul", &["last", "scale"], "scaled", &[])
        .node("Add", &["scaled", "shift"], "y", &[])
        .output("y", &one);
    let normalisation = Normalisation::Affine { mean: vec![0.5, 0.25, 0.125], std: vec![0.25, 0.5, 1.0] };
    let outputs = vec![output("y", &[Channel::Infection], Activation::Probability)];
    let model = load(&onnx, spec(input([64, 64], Layout::Nhwc, 3, normalisation), outputs)).unwrap();
    let (radiograph, grey) = exact(64, 64);
    let expected = grey.mapv(|g| 0.3 + 0.1 * (0.5 * (g - 0.5) / 0.25 + 0.25 * (g - 0.25) / 0.5 - 0.125 * (g - 0.125)));
    let prepared = prepared(&model, &radiograph);
    let seen = model.run(&prepared, &RunOptions::default(), false).unwrap();
    assert!(seen.lungs.is_none());
    assert_close(seen.infection.unwrap().map(), &expected);
    // The mirrored view of this layout keeps channels in place.
    let seen = model.run(&prepared.mirrored(), &RunOptions::default(), false).unwrap();
    assert_close(seen.infection.unwrap().mirrored().map(), &expected);

    // Without lungs nothing is gated, and detection follows the paper's rule.
    let analysis = Pipeline::of(vec![model], Fusion::Mean, 1).unwrap().analyze(&radiograph).unwrap();
    assert!(analysis.lungs.is_none() && analysis.severity.is_none());
    assert!(analysis.infection.bytes().iter().zip(&expected).all(|(b, p)| (f32::from(*b) - 255.0 * p).abs() < 0.6));
    let highest = f64::from(*analysis.infection.bytes().iter().max().unwrap()) / 255.0;
    assert_eq!((analysis.detection.probability, analysis.detection.operating_point), (Some(highest), None));
}

/// One tensor holds both answers, with a channel between them that is not used; lungs in one map are split by position.
#[test]
fn one_tensor_of_several_channels() {
    let (shape, three) = ([1, 1, 64, 64], [1, 3, 64, 64]);
    let onnx = Onnx::new()
        .input("x", &shape)
        .weights("w", &[3, 1, 1, 1], &[1.0, 100.0, -4.0])
        .weights("b", &[3], &[0.0, 0.0, 2.0])
        .node("Conv", &["x", "w", "b"], "y", &[])
        .output("y", &three);
    let outputs = vec![output("y", &[Channel::Infection, Channel::Ignore, Channel::Lungs], Activation::Logit)];
    let model = load(&onnx, spec(input([64, 64], Layout::Nchw, 1, Normalisation::Unit), outputs)).unwrap();
    let (radiograph, grey) = exact(64, 64);
    let seen = model.run(&prepared(&model, &radiograph), &RunOptions::default(), false).unwrap();
    assert_close(seen.infection.unwrap().map(), &grey.mapv(sigmoid));
    let lungs = seen.lungs.unwrap();
    assert!(!lungs.is_sided());
    assert_close(lungs.right(), &grey.mapv(|g| sigmoid(2.0 - 4.0 * g)));

    // Two dark fields in a bright image are two lungs.
    let pixels = Array2::from_shape_fn((128, 192), |(y, x)| match (y, x) {
        (20..110, 20..80) | (20..110, 110..170) => 2000u16,
        _ => 60_000,
    });
    let chest = Radiograph::from_view(pixels.view(), &BufferOptions::default()).unwrap();
    let analysis = Pipeline::of(vec![model], Fusion::Mean, 1).unwrap().analyze(&chest).unwrap();
    let mask = analysis.lungs.unwrap();
    for (label, area) in [(1, mask.right_area()), (2, mask.left_area())] {
        assert!((area as f64 / (90.0 * 60.0) - 1.0).abs() < 0.1, "lung {label} has {area} pixels");
    }
    assert_eq!((mask.labels()[[60, 50]], mask.labels()[[60, 140]], mask.labels()[[60, 95]]), (1, 2, 0));
}

/// Height and width differ: each pixel stays where it is.
#[test]
fn inputs_need_not_be_square() {
    let shape = [1, 1, 48, 64];
    let onnx = Onnx::new().input("x", &shape).node("Identity", &["x"], "y", &[]).output("y", &shape);
    let outputs = vec![output("y", &[Channel::Infection], Activation::Probability)];
    let model = load(&onnx, spec(input([48, 64], Layout::Nchw, 1, Normalisation::Unit), outputs)).unwrap();
    let (radiograph, grey) = exact(48, 64);
    let prepared = prepared(&model, &radiograph);
    let seen = model.run(&prepared, &RunOptions::default(), false).unwrap();
    assert_close(seen.infection.unwrap().map(), &grey);
    let mirrored = model.run(&prepared.mirrored(), &RunOptions::default(), false).unwrap();
    assert_close(mirrored.infection.unwrap().mirrored().map(), &grey);
}

/// Weights in half precision behind a Cast, as the bundled model has them: widened exactly.
#[test]
fn half_precision_weights_are_widened() {
    let shape = [1, 1, 64, 64];
    // -0.1 is no half: what counts is the half that is nearest.
    let graph = |onnx: Onnx| onnx.node("Mul", &["x", "w"], "y", &[]).output("y", &shape);
    let packed = graph(Onnx::new().input("x", &shape).half_weights("w", &[1], &[-0.1]));
    let nearest = half::f16::from_f32(-0.1);
    let bits = i32::from(nearest.to_bits());
    let integers = |bits: &[i32]| graph(Onnx::new().input("x", &shape).half_weights_as_integers("w", &[1], bits));
    let outputs = vec![output("y", &[Channel::Infection], Activation::Probability)];
    let described = spec(input([64, 64], Layout::Nchw, 1, Normalisation::Unit), outputs);
    let (radiograph, grey) = exact(64, 64);
    for halves in [packed, integers(&[bits])] {
        let model = load(&halves, described.clone()).unwrap();
        let input = prepared(&model, &radiograph);
        let raw = model.run_raw(input.values(), &RunOptions::default(), false).unwrap();
        assert!(raw[0].iter().zip(&grey).all(|(y, g)| *y == g * nearest.to_f32()));

        // Extracted it is a plain graph of floats with the same answer.
        let extracted = model.extract().unwrap();
        assert!(!extracted.windows(4).any(|w| w == b"Cast"));
        let mut options = ModelOptions::default();
        options.spec = Some(described.clone());
        let plain = Model::from_bytes(extracted, &options).unwrap();
        assert_eq!(plain.run_raw(input.values(), &RunOptions::default(), false).unwrap(), raw);
    }
    for wrong in [&[][..], &[bits, bits], &[bits | 0x1_0000], &[-1]] {
        let error = load(&integers(wrong), described.clone()).unwrap_err();
        assert!(error.kind() == ErrorKind::Model && error.to_string().contains("weights w"), "{wrong:?}: {error}");
    }
}

/// Half-precision weights that some node takes as they are must not be widened away under it.
#[test]
fn weights_of_two_uses_stay() {
    let shape = [1, 1, 64, 64];
    let onnx = Onnx::new()
        .input("x", &shape)
        .half_weights("w", &[1], &[0.5])
        .node("Cast", &["w_half"], "again", &[("to", &[1])])
        .node("Mul", &["x", "w"], "a", &[])
        .node("Mul", &["a", "again"], "y", &[])
        .output("y", &shape);
    let outputs = vec![output("y", &[Channel::Infection], Activation::Probability)];
    let model = load(&onnx, spec(input([64, 64], Layout::Nchw, 1, Normalisation::Unit), outputs)).unwrap();
    let (radiograph, grey) = exact(64, 64);
    let seen = model.run(&prepared(&model, &radiograph), &RunOptions::default(), false).unwrap();
    assert_close(seen.infection.unwrap().map(), &grey.mapv(|g| g * 0.25));
}

#[test]
fn graphs_that_do_not_fit_are_refused() {
    let shape = [1, 1, 64, 64];
    let described = |channels: &[Channel]| {
        spec(input([64, 64], Layout::Nchw, 1, Normalisation::Unit), vec![output("y", channels, Activation::Probability)])
    };
    let infection = &[Channel::Infection][..];
    let two_inputs = Onnx::new().input("x", &shape).input("age", &shape).node("Add", &["x", "age"], "y", &[]).output("y", &shape);
    let elsewhere = Onnx::new().input("x", &shape).external_weights("w", &[1], "../../etc/passwd");
    let elsewhere = elsewhere.node("Mul", &["x", "w"], "y", &[]).output("y", &shape);
    let copy = Onnx::new().input("x", &shape).node("Identity", &["x"], "y", &[]).output("y", &shape);
    let smaller = Onnx::new().input("x", &shape).node("Identity", &["x"], "half", &[]);
    let smaller = smaller.node("Transpose", &["half"], "y", &[("perm", &[0, 2, 3, 1])]).output("y", &[1, 64, 64, 1]);
    let unknown = Onnx::new().input("x", &shape).node("Diagnose", &["x"], "y", &[]).output("y", &shape);
    let loose = Onnx::new().input("x", &shape).node("Add", &["x", "nowhere"], "y", &[]).output("y", &shape);
    let mut rgb = described(infection);
    rgb.input.channels = 3;
    let mut last = described(infection);
    last.input.layout = Layout::Nhwc;
    let faults: [(Onnx, ModelSpec, &str); 8] = [
        (two_inputs, described(infection), "2 inputs"),
        (elsewhere, described(infection), "lie in another file"),
        (copy.clone(), described(&[Channel::Infection, Channel::Lungs]), "needs F32 [1, 2, 64, 64]"),
        (copy.clone(), rgb, "[1, 3, 64, 64]"),
        (copy, last, "[1, 64, 64, 1]"),
        (smaller, described(infection), "needs F32 [1, 1, 64, 64]"),
        (unknown, described(infection), "Diagnose"),
        (loose, described(infection), "nowhere"),
    ];
    for (onnx, spec, says) in faults {
        let error = load(&onnx, spec).unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Model, "{error}");
        assert!(error.to_string().contains(says), "{says:?} is not in: {error}");
    }
}

/// A network that answers NaN is at fault, not the radiograph.
#[test]
fn an_answer_that_is_no_number_is_refused() {
    let shape = [1, 1, 64, 64];
    let onnx = Onnx::new()
        .input("x", &shape)
        .weights("minus", &[1], &[-5.0])
        .node("Add", &["x", "minus"], "negative", &[])
        .node("Sqrt", &["negative"], "y", &[])
        .output("y", &shape);
    let outputs = vec![output("y", &[Channel::Infection], Activation::Probability)];
    let model = load(&onnx, spec(input([64, 64], Layout::Nchw, 1, Normalisation::Unit), outputs)).unwrap();
    let error = Pipeline::of(vec![model], Fusion::Mean, 1).unwrap().analyze(&exact(64, 64).0).unwrap_err();
    assert!(error.kind() == ErrorKind::Model && error.to_string().contains("not finite"), "{error}");
}

/// Points are an output of their own, in the description and in the calibration, and reach the severity of each lung's zones.
#[test]
fn points_move_the_estimate() {
    let estimate = |points: f32| {
        let model = Model::from_bytes(little_with_points(points), &ModelOptions::default()).unwrap();
        Pipeline::of(vec![model], Fusion::Mean, 1).unwrap().analyze(&exact(64, 64).0).unwrap().severity.unwrap()
    };
    let (without, with) = (estimate(0.0), estimate(0.5));
    assert_eq!(without.zones, with.zones);
    let more = with.zone_scores.iter().zip(&without.zone_scores).map(|(a, b)| a.unwrap() - b.unwrap());
    let counting = without.zones.map(|z| z.share().unwrap().min(0.01) / 0.01 * 0.5);
    for (more, counting) in more.zip(counting) {
        assert!((more - counting).abs() < 1e-6, "{more} is not {counting}");
    }
    assert!(counting.contains(&0.5), "no zone is infected: {counting:?}");

    let text = serde_json::to_string(Model::from_bytes(little_with_points(0.0), &ModelOptions::default()).unwrap().spec()).unwrap();
    for (right, wrong, says) in [
        (r#","ramp":0.01"#, "", "come together"),
        (r#""ramp":0.01"#, r#""ramp":0.0"#, "not above 0"),
        (r#""channels":["points"]"#, r#""channels":["ignore"]"#, "only linear one"),
        (r#""activation":"linear""#, r#""activation":"logit""#, "only linear one"),
    ] {
        assert!(text.contains(right), "{right} is not in {text}");
        let error = ModelSpec::from_json(&text.replacen(right, wrong, 1)).unwrap_err();
        assert!(error.to_string().contains(says), "{says:?} is not in: {error}");
    }
}

/// The description that a model carries is the one that comes back, and JSON carries all of it.
#[test]
fn descriptions_come_back_whole() {
    let model = little_model(1.0);
    let spec = model.spec();
    assert_eq!((spec.name.as_str(), spec.input.size), ("little-1", [64, 64]));
    assert_eq!(spec.calibration.as_ref().unwrap().brixia.feature, ZoneFeature::Share);
    let text = serde_json::to_string(spec).unwrap();
    assert_eq!(ModelSpec::from_json(&text).unwrap(), *spec);
    for wrong in [r#""format":7"#, r#""format":1,"colour":"red""#] {
        assert_eq!(ModelSpec::from_json(&text.replacen(r#""format":1"#, wrong, 1)).unwrap_err().kind(), ErrorKind::Model);
    }
}
