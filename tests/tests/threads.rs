//! A pipeline keeps to its threads. Alone in its file: the tests of one file share a process, whose threads are counted.
#![cfg(target_os = "linux")]

use covmap_core::radiograph::BufferOptions;
use covmap_core::render::{self, OverlayOptions};
use covmap_core::{Fusion, Pipeline, PipelineOptions, Radiograph, RunOptions};
use covmap_tests::models::little_model;

fn threads_of_this_process() -> usize {
    std::fs::read_dir("/proc/self/task").unwrap().count()
}

/// Large enough for the pixel kernels to share out; not a phantom, which all processors draw.
fn large() -> Radiograph {
    let pixels: Vec<u16> = (0..1200 * 1100).map(|i| ((i % 1200) * 40 + i / 1200) as u16).collect();
    Radiograph::from_u16(&pixels, 1200, 1100, 1200, &BufferOptions::default()).unwrap()
}

#[test]
fn a_pipeline_keeps_to_its_threads() {
    let (radiograph, before) = (large(), threads_of_this_process());
    let of = |threads| {
        let mut options = PipelineOptions::default();
        options.threads = threads;
        Pipeline::new(&options).unwrap()
    };
    let alone = of(1).analyze(&radiograph).unwrap();
    assert_eq!(threads_of_this_process(), before, "one thread is the caller's");

    // In a batch an image has one thread, also for what the caller does with its analysis.
    let pair = vec![large(), large()];
    let counts = Pipeline::of(vec![little_model(1.0)], Fusion::Mean, 1).unwrap().map_many(pair, |pipeline, radiograph| {
        let analysis = pipeline.analyze_with(&radiograph, &RunOptions::default())?;
        render::analysis_overlay(&radiograph, &analysis, &OverlayOptions::default())?;
        Ok(threads_of_this_process())
    });
    assert!(counts.map(Result::unwrap).all(|n| n == before + 1), "a batch of one at a time has one thread");

    // The members of an ensemble, and the kernels after them, share one pool.
    let members = vec![little_model(1.0), little_model(2.0)];
    let ensemble = Pipeline::of(members, Fusion::Mean, 2).unwrap();
    ensemble.analyze(&radiograph).unwrap();
    assert_eq!(threads_of_this_process(), before + 2, "two threads are two");
    let three = of(3);
    assert!(three.analyze(&radiograph).unwrap() == alone);
    assert_eq!(threads_of_this_process(), before + 2 + 3, "and three are three");
}
