//! Each stage of the pipeline at 512 x 512 and 3000 x 3000, on the phantom and with the bundled model.

use std::hint::black_box;
use std::time::Duration;

use covmap_core::phantom::{Phantom, PhantomOptions};
use covmap_core::{
    Detection, InfectionMap, LungMask, Model, ModelOptions, OperatingPoint, Pipeline, Preprocess, Quality, Radiograph, RunOptions,
    Severity, render,
};
use criterion::{Criterion, criterion_group, criterion_main};

fn stages(criterion: &mut Criterion) {
    let model = Model::bundled(&ModelOptions::default()).expect("the bundled model loads");
    let pipeline = Pipeline::bundled().expect("the bundled model loads");
    criterion.bench_function("load", |b| b.iter(|| Model::bundled(&ModelOptions::default()).expect("the bundled model loads")));
    for side in [512, 3000] {
        at(criterion, side, &model, &pipeline);
    }
}

fn at(criterion: &mut Criterion, side: usize, model: &Model, pipeline: &Pipeline) {
    let mut options = PhantomOptions::default();
    (options.width, options.height) = (side, side);
    let phantom = Phantom::new(&options).expect("a legal size");
    let (png, dicom) = (phantom.to_png().expect("PNG"), phantom.to_dicom().expect("DICOM"));
    let radiograph = phantom.radiograph().expect("a legal phantom");
    let run = RunOptions::default();
    let spec = model.spec();
    let preprocess = Preprocess::new(&spec.input);
    let (input, geometry) = preprocess.apply(&radiograph).expect("preprocess");
    let seen = model.run(&input, &run, false).expect("network");
    let lung_probability = seen.lungs.expect("lungs");
    let infection_probability = seen.infection.expect("infection").with_threshold_at_half(spec.thresholds.infection);
    let lungs = LungMask::new(&lung_probability, spec.thresholds.lungs, &geometry);
    let map = InfectionMap::new(infection_probability.clone(), Some(&lungs), &geometry).expect("map");
    let calibration = spec.calibration.as_ref().expect("the bundled model is calibrated");
    let severity = Severity::new(&map, &lungs, Some(&calibration.brixia)).expect("severity");
    let grey = render::display_window(radiograph.pixels());
    let picture = render::overlay(&grey, map.bytes(), &render::OverlayOptions::default()).expect("overlay");

    let mut group = criterion.benchmark_group(side.to_string());
    group.sample_size(10).warm_up_time(Duration::from_millis(300)).measurement_time(Duration::from_secs(2));
    group.bench_function("decode_png", |b| b.iter(|| Radiograph::from_bytes(black_box(&png)).expect("PNG")));
    group.bench_function("decode_dicom", |b| b.iter(|| Radiograph::from_bytes(black_box(&dicom)).expect("DICOM")));
    group.bench_function("quality", |b| b.iter(|| Quality::assess(black_box(&radiograph))));
    group.bench_function("preprocess", |b| b.iter(|| preprocess.apply(black_box(&radiograph)).expect("preprocess")));
    group.bench_function("network", |b| b.iter(|| model.run(black_box(&input), &run, false).expect("network")));
    group.bench_function("lungs", |b| b.iter(|| LungMask::new(black_box(&lung_probability), spec.thresholds.lungs, &geometry)));
    group.bench_function("fusion", |b| {
        b.iter(|| InfectionMap::new(infection_probability.clone(), Some(black_box(&lungs)), &geometry).expect("map"));
    });
    group.bench_function("severity", |b| b.iter(|| Severity::new(black_box(&map), &lungs, Some(&calibration.brixia)).expect("severity")));
    group.bench_function("detection", |b| {
        b.iter(|| Detection::new(black_box(&map), &severity, Some(&calibration.detection), OperatingPoint::default()));
    });
    group.bench_function("overlay", |b| {
        b.iter(|| render::overlay(black_box(&grey), map.bytes(), &render::OverlayOptions::default()).expect("overlay"));
    });
    group.bench_function("encode_png", |b| b.iter(|| render::encode_rgb(black_box(&picture)).expect("PNG")));
    group.bench_function("analyze", |b| b.iter(|| pipeline.analyze(black_box(&radiograph)).expect("analysis")));
    group.finish();
}

criterion_group!(benches, stages);
criterion_main!(benches);
