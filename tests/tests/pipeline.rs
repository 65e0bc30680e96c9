//! The pipeline: its stages one by one and in order, batches, threads, ensembles, views, cancellation.

use std::sync::Arc;
use std::sync::Mutex;
use std::time::{Duration, Instant};

use covmap_core::lung::{LEFT, RIGHT};
use covmap_core::run::Stage;
use covmap_core::{
    Analysis, CancelToken, Detection, Error, ErrorKind, Fusion, InfectionMap, LungMask, Pipeline, Precision, Preprocess, Quality,
    Radiograph, RunOptions, Severity, Views,
};
use covmap_tests::models::little_model;
use covmap_tests::{bundled, radiograph};

fn little(gains: &[f32], fusion: Fusion, threads: usize) -> Pipeline {
    Pipeline::of(gains.iter().map(|g| little_model(*g)).collect(), fusion, threads).unwrap()
}

fn watching(f: impl Fn(Stage) + Send + Sync + 'static) -> RunOptions {
    let mut options = RunOptions::default();
    options.on_progress = Some(Arc::new(f));
    options
}

#[test]
fn a_pipeline_is_shared_between_threads() {
    fn shared<T: Send + Sync + Clone + 'static>() {}
    fn sent<T: Send + 'static>() {}
    shared::<Pipeline>();
    shared::<RunOptions>();
    shared::<Analysis>();
    sent::<Error>();
    sent::<covmap_core::pipeline::AnalyzeMany>();

    let inputs: Vec<Radiograph> = (0..2).map(|seed| radiograph(seed, 200, 240)).collect();
    let alone: Vec<Analysis> = inputs.iter().map(|r| bundled().analyze(r).unwrap()).collect();
    assert_ne!(alone[0], alone[1]);
    std::thread::scope(|scope| {
        for thread in 0..8 {
            let (inputs, alone) = (&inputs, &alone);
            scope.spawn(move || assert!(bundled().analyze(&inputs[thread % 2]).unwrap() == alone[thread % 2], "thread {thread}"));
        }
    });
}

/// Every stage called by hand gives what the pipeline gives.
#[test]
fn stages_can_be_called_one_by_one() {
    for pipeline in [bundled(), &little(&[1.0], Fusion::Mean, 1)] {
        let radiograph = radiograph(1, 300, 260);
        let options = RunOptions::default();
        let whole = pipeline.analyze(&radiograph).unwrap();
        let (model, spec) = (&pipeline.models()[0], pipeline.models()[0].spec());

        let mut quality = Quality::assess(&radiograph);
        let (input, geometry) = Preprocess::new(&spec.input).apply(&radiograph).unwrap();
        let seen = model.run(&input, &options, false).unwrap();
        let lungs = LungMask::new(&seen.lungs.unwrap(), spec.thresholds.lungs, &geometry);
        let probability = seen.infection.unwrap().with_threshold_at_half(spec.thresholds.infection);
        let infection = InfectionMap::new(probability, Some(&lungs), &geometry).unwrap();
        let calibration = spec.calibration.as_ref();
        let severity = Severity::new(&infection, &lungs, calibration.map(|c| &c.brixia)).unwrap();
        let detection = Detection::new(&infection, &severity, calibration.map(|c| &c.detection), options.operating_point);
        quality.flags.extend(lungs.doubts());

        assert_eq!(whole.quality, quality);
        assert!(whole.lungs.as_ref() == Some(&lungs) && whole.infection == infection);
        assert_eq!(whole.severity, Some(severity));
        assert_eq!(whole.detection, detection);
        assert_eq!((whole.height, whole.width), (260, 300));
    }
}

#[test]
fn batches_come_in_order_with_an_error_an_item() {
    let pipeline = little(&[1.0], Fusion::Mean, 3);
    let sizes: Vec<usize> = (0..24).map(|i| 128 + (i * 37) % 50).collect();
    let item = |i: usize| match i % 5 {
        3 => Err(Error::Input(format!("item {i}"))),
        // Some take longer, so that results would come out of order by themselves.
        _ => Ok(radiograph(i as u64, sizes[i], if i.is_multiple_of(4) { 900 } else { 140 })),
    };
    let inputs: Vec<_> = (0..24).map(item).collect();
    let results: Vec<_> = pipeline.analyze_many(inputs, &RunOptions::default()).collect();
    assert_eq!(results.len(), 24);
    for (i, result) in results.into_iter().enumerate() {
        match result {
            Ok(analysis) => assert_eq!((i % 5 == 3, analysis.width), (false, sizes[i]), "item {i}"),
            Err(e) => assert_eq!((i % 5, e.to_string()), (3, format!("item {i}"))),
        }
    }
}

/// A batch of any length: inputs are drawn as results are taken, and dropping it ends the work.
#[test]
fn batches_are_lazy_and_can_be_dropped() {
    let pipeline = little(&[1.0], Fusion::Mean, 2);
    let drawn = Arc::new(Mutex::new(0));
    let counter = drawn.clone();
    let endless = std::iter::repeat_with(move || {
        *counter.lock().unwrap() += 1;
        radiograph(1, 128, 128)
    });
    let mut results = pipeline.analyze_many(endless, &RunOptions::default());
    for _ in 0..10 {
        results.next().unwrap().unwrap();
    }
    drop(results);
    let drawn = *drawn.lock().unwrap();
    assert!((10..=20).contains(&drawn), "{drawn} inputs were drawn for 10 results");
}

/// A panic in the caller's own work is that item's error.
#[test]
fn a_panic_in_a_batch_stays_in_its_item() {
    let pipeline = little(&[1.0], Fusion::Mean, 2);
    let results: Vec<_> = pipeline
        .map_many(0..6, |_, i| {
            assert!(i != 2, "the caller's own panic");
            Ok(i)
        })
        .collect();
    assert_eq!(results.len(), 6);
    for (i, result) in results.into_iter().enumerate() {
        match result {
            Ok(value) => assert_eq!(value, i),
            Err(e) => assert_eq!((i, e.kind()), (2, ErrorKind::Internal)),
        }
    }
}

/// Cancelled on entering the network: the stages after it are never reached.
#[test]
fn a_run_is_cancelled_between_layers() {
    let token = CancelToken::new();
    let stages = Arc::new(Mutex::new(Vec::new()));
    let (cancel, log) = (token.clone(), stages.clone());
    let mut options = watching(move |stage| {
        log.lock().unwrap().push(stage);
        if stage == Stage::Network {
            cancel.cancel();
        }
    });
    options.cancel = Some(token);
    let start = Instant::now();
    let error = bundled().analyze_with(&radiograph(1, 256, 256), &options).unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Cancelled, "{error}");
    assert_eq!(*stages.lock().unwrap(), [Stage::Quality, Stage::Preprocess, Stage::Network]);
    // Far less than the network takes on any machine would be a race; this only catches a run that went on for long.
    assert!(start.elapsed() < Duration::from_secs(5));
}

/// Cancelled from another thread while the network runs.
#[test]
fn a_run_is_cancelled_from_another_thread() {
    let token = CancelToken::new();
    let mut options = RunOptions::default();
    options.cancel = Some(token.clone());
    let pipeline = bundled();
    let running = std::thread::spawn(move || {
        let input = radiograph(1, 128, 128);
        (0..10_000).find_map(|_| pipeline.analyze_with(&input, &options).err())
    });
    std::thread::sleep(Duration::from_millis(100));
    token.cancel();
    assert_eq!(running.join().unwrap().expect("it was cancelled").kind(), ErrorKind::Cancelled);
}

#[test]
fn a_deadline_ends_a_run() {
    let mut options = RunOptions::default();
    options.deadline = Some(Instant::now());
    let error = bundled().analyze_with(&radiograph(1, 128, 128), &options).unwrap_err();
    assert_eq!((error.kind(), error.to_string().contains("deadline")), (ErrorKind::Cancelled, true), "{error}");
    options.deadline = Some(Instant::now() + Duration::from_secs(3600));
    assert!(bundled().analyze_with(&radiograph(1, 128, 128), &options).is_ok());
    // In a batch every item says so.
    options.deadline = Some(Instant::now());
    let inputs = vec![radiograph(1, 128, 128), radiograph(2, 128, 128)];
    let kinds: Vec<_> = bundled().analyze_many(inputs, &options).map(|r| r.unwrap_err().kind()).collect();
    assert_eq!(kinds, [ErrorKind::Cancelled; 2]);
}

#[test]
fn every_stage_is_reported_in_order() {
    let stages = Arc::new(Mutex::new(Vec::new()));
    let log = stages.clone();
    let options = watching(move |stage| log.lock().unwrap().push(stage));
    little(&[1.0], Fusion::Mean, 1).analyze_with(&radiograph(1, 128, 128), &options).unwrap();
    assert_eq!(*stages.lock().unwrap(), Stage::ALL);
}

/// Two members: the map is what the rule makes of the members' own maps.
#[test]
fn ensembles_follow_their_rule() {
    let radiograph = radiograph(1, 220, 200);
    let alone = [0.5, 2.0].map(|gain| little(&[gain], Fusion::Mean, 1).analyze(&radiograph).unwrap());
    let logit = |p: f32| (p / (1.0 - p)).ln();
    for rule in Fusion::ALL {
        let together = little(&[0.5, 2.0], *rule, 2).analyze(&radiograph).unwrap();
        let [a, b] = [0, 1].map(|i| alone[i].infection.probability().map());
        for ((fused, a), b) in together.infection.probability().map().iter().zip(a).zip(b) {
            let expected = match rule {
                Fusion::Mean => (a + b) / 2.0,
                Fusion::LogitMean => 1.0 / (1.0 + (-(logit(*a) + logit(*b)) / 2.0).exp()),
                Fusion::Max => a.max(*b),
                Fusion::Vote => (f32::from(u8::from(*a >= 0.5)) + f32::from(u8::from(*b >= 0.5))) / 2.0,
                other => panic!("{other} has no test"),
            };
            assert!((fused - expected).abs() < 1e-5, "{rule}: {a} and {b} make {fused}, not {expected}");
        }
        assert_eq!(together.models.len(), 2);
        assert_ne!(together.models[0].sha256, together.models[1].sha256);
        // Both see the same lungs.
        assert!(together.lungs == alone[0].lungs, "{rule}");
    }
}

/// The mirrored view is the network's answer to the mirrored radiograph, brought back and fused with the plain one.
#[test]
fn the_flipped_view_is_the_mirrored_radiograph() {
    let plain = radiograph(1, 256, 256);
    let reversed = plain.pixels().slice(ndarray::s![.., ..;-1]).to_owned();
    let mirrored = Radiograph::from_view(reversed.view(), &Default::default()).unwrap();
    let mut options = RunOptions::default();
    options.views = Views::Flip;
    let flipped = bundled().analyze_with(&plain, &options).unwrap();
    let [one, other] = [&plain, &mirrored].map(|r| bundled().analyze(r).unwrap());
    assert!(one.infection.probability() != flipped.infection.probability(), "the view changes the result");
    let back = other.infection.probability().mirrored();
    for ((fused, a), b) in flipped.infection.probability().map().iter().zip(one.infection.probability().map()).zip(back.map()) {
        assert!((fused - (a + b) / 2.0).abs() < 1e-4, "{a} and {b} make {fused}");
    }
    // Right stays right: a swap that was not undone would leave nothing of either lung.
    let lungs = flipped.lungs.unwrap();
    let plain_lungs = one.lungs.unwrap();
    for side in [RIGHT, LEFT] {
        let count =
            |f: &dyn Fn(u8, u8) -> bool| lungs.labels().iter().zip(plain_lungs.labels()).filter(|(a, b)| f(**a, **b)).count() as f64;
        let dice = 2.0 * count(&|a, b| a == side && b == side) / (count(&|a, _| a == side) + count(&|_, b| b == side));
        assert!(dice > 0.9, "side {side}: Dice {dice:.3}");
    }
}

/// Any orientation of any size: the map has the radiograph's size and the statistics do not depend on threads.
#[test]
fn threads_change_nothing() {
    for (width, height) in [(64, 64), (501, 333), (333, 501), (1200, 900)] {
        let radiograph = radiograph(3, width, height);
        let [one, three] = [1, 3].map(|threads| little(&[1.0], Fusion::Mean, threads).analyze(&radiograph).unwrap());
        assert!(one == three, "{width} x {height}");
        assert_eq!(one.infection.bytes().dim(), (height, width));
    }
}

#[test]
fn what_a_pipeline_cannot_do_is_a_parameter_error() {
    let kind = |r: Result<Pipeline, Error>| r.unwrap_err().kind();
    assert_eq!(kind(Pipeline::of(vec![], Fusion::Mean, 1)), ErrorKind::Parameter);
    assert_eq!(kind(Pipeline::of(vec![little_model(1.0)], Fusion::Mean, 0)), ErrorKind::Parameter);
    let mut options = RunOptions::default();
    options.precision = Precision::Int8;
    let error = little(&[1.0], Fusion::Mean, 1).analyze_with(&radiograph(1, 128, 128), &options).unwrap_err();
    assert!(error.kind() == ErrorKind::Parameter && error.to_string().contains("int8"), "{error}");
    let input = Preprocess::new(&little_model(1.0).spec().input).apply(&radiograph(1, 128, 128)).unwrap().0;
    assert_eq!(bundled().models()[0].run(&input, &RunOptions::default(), false).unwrap_err().kind(), ErrorKind::Parameter);
}
