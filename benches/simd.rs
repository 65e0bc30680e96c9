//! The pixel kernels at 512 x 512 and 3000 x 3000, at every level of this machine, on one thread.
//!
//! `cargo bench --bench simd -- KERNEL` runs one of them; the names are KERNEL/SIDE/LEVEL.

use std::hint::black_box;
use std::time::Duration;

use covmap_core::render::{Colormap, coefficients};
use covmap_core::simd::*;
use criterion::{BenchmarkId, Criterion, Throughput, criterion_group, criterion_main};

/// Side of the network's square output.
const MODEL_SIDE: usize = 256;

/// A radiograph-like scene: two ellipses as lungs, one infected spot, six zones.
struct Scene {
    side: usize,
    grey16: Vec<u16>,
    grey: Vec<u8>,
    floats: Vec<f32>,
    lungs: Vec<u8>,
    zones: Vec<u8>,
    map: Vec<u8>,
}

impl Scene {
    fn new(side: usize) -> Self {
        let at = |index: usize| ((index % side) as f32 / side as f32, (index / side) as f32 / side as f32);
        let all = || 0..side * side;
        let ellipse = |x: f32, y: f32, cx: f32| ((x - cx) / 0.18).powi(2) + ((y - 0.5) / 0.38).powi(2) < 1.0;
        let lung = |index| {
            let (x, y) = at(index);
            u8::from(ellipse(x, y, 0.28)) + 2 * u8::from(ellipse(x, y, 0.72))
        };
        let lungs: Vec<u8> = all().map(lung).collect();
        let zone = |index: usize| match lungs[index] {
            0 => 255,
            label => (label - 1) * 3 + (at(index).1 * 3.0) as u8,
        };
        let spot = |index: usize| {
            let (x, y) = at(index);
            if lungs[index] == 0 { 0 } else { (255.0 * (1.0 - 2.0 * ((x - 0.3).powi(2) + (y - 0.6).powi(2)).sqrt())) as u8 }
        };
        let grey16: Vec<u16> = all().map(|index| (index.wrapping_mul(2_654_435_761) >> 7) as u16).collect();
        Self {
            side,
            grey: grey16.iter().map(|&value| (value >> 8) as u8).collect(),
            floats: grey16.iter().map(|&value| f32::from(value) / 65536.0).collect(),
            zones: all().map(zone).collect(),
            map: all().map(spot).collect(),
            grey16,
            lungs,
        }
    }
}

fn kernels(criterion: &mut Criterion) {
    // Rayon's pool is used from about a million pixels on; one thread keeps the figures comparable between machines.
    rayon::ThreadPoolBuilder::new().num_threads(1).build_global().expect("the pool is not yet in use");
    for side in [512, 3000] {
        scene_kernels(criterion, &Scene::new(side));
    }
}

fn scene_kernels(criterion: &mut Criterion, scene: &Scene) {
    let (side, count) = (scene.side, scene.side * scene.side);
    let (size, model_size) = ((side, side), (MODEL_SIDE, MODEL_SIDE));
    let model_out = Scene::new(MODEL_SIDE);
    let right: Vec<f32> = model_out.map.iter().map(|&byte| f32::from(byte) / 255.0).collect();
    let left: Vec<f32> = right.iter().rev().copied().collect();
    let lut: Vec<u16> = (0..=u16::MAX).rev().collect();
    let coefficients = coefficients(Colormap::Jet, 0.6).expect("an opacity within 0..1");
    let (mut words, mut bytes, mut rgb) = (vec![0u16; count], vec![0u8; count], vec![0u8; 3 * count]);
    let (mut floats, mut mask) = (scene.floats.clone(), scene.lungs.clone());

    let mut bench = |name: &str, work: &mut dyn FnMut(Level)| {
        let mut group = criterion.benchmark_group(format!("{name}/{side}"));
        group.throughput(Throughput::Elements(count as u64));
        group.sample_size(10).warm_up_time(Duration::from_millis(200)).measurement_time(Duration::from_millis(600));
        for level in Level::available() {
            group.bench_function(BenchmarkId::from_parameter(format!("{level:?}")), |bencher| bencher.iter(|| work(level)));
        }
        group.finish();
    };

    bench("window_u16", &mut |level| window_u16_at(level, black_box(&scene.grey16), &mut words, 5000.0, 50000.0));
    bench("lut_u16", &mut |level| lut_u16_at(level, black_box(&scene.grey16), &lut, &mut words));
    bench("invert_u16", &mut |level| invert_u16_at(level, black_box(&mut words)));
    bench("mean_std", &mut |level| {
        black_box(mean_std_at(level, black_box(&scene.floats)));
    });
    bench("standardise", &mut |level| standardise_at(level, black_box(&mut floats)));
    bench("sigmoid", &mut |level| sigmoid_at(level, black_box(&mut floats)));
    bench("remap_threshold", &mut |level| remap_threshold_at(level, black_box(&mut floats), 0.4));
    bench("quantise", &mut |level| quantise_at(level, black_box(&scene.floats), &mut bytes));
    bench("threshold", &mut |level| threshold_at(level, black_box(&scene.floats), 0.4, &mut bytes));
    bench("upsample", &mut |level| upsample_at(level, black_box(&right), model_size, &mut floats, size));
    bench("upsample_bytes", &mut |level| {
        upsample_bytes_at(level, black_box(&right), model_size, Some(&scene.lungs), &mut bytes, size);
    });
    bench("upsample_lungs", &mut |level| {
        upsample_lungs_at(level, black_box(&right), &left, model_size, 0.5, &mut bytes, size);
    });
    bench("components", &mut |level| {
        black_box(components_at(level, black_box(&scene.lungs), side, side, Connectivity::Eight));
    });
    bench("fill_holes", &mut |level| fill_holes_at(level, black_box(&mut mask), side, side));
    bench("count_regions", &mut |level| {
        count_regions_at(level, black_box(&scene.zones), &scene.map, &mut [RegionCount::default(); 6]);
    });
    bench("bounding_box", &mut |level| {
        black_box(bounding_box_at(level, black_box(&scene.lungs), side, side, 2));
    });
    bench("overlay", &mut |level| overlay_at(level, black_box(&scene.grey), &scene.map, &coefficients, &mut rgb));
}

criterion_group!(benches, kernels);
criterion_main!(benches);
