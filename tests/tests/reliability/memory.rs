//! Peak memory of an analysis: predicted, measured, refused.

use covmap_core::{ErrorKind, RunOptions};
use covmap_tests::reliability::{full, record};
use covmap_tests::{bundled, radiograph};
use serde_json::{Value, json};

use crate::host_with as host;

/// The prediction is a bound, and no idle one: at most half as much again and a little, of which 7 MiB and more (an ensemble's) are
/// for dark margins that a radiograph may have.
#[test]
fn peak_memory_is_as_predicted() {
    let mut cases = vec![(64, 64, 2, ""), (1000, 700, 1, "flip"), (2000, 2000, 2, ""), (900, 900, 1, "f32"), (900, 900, 2, "ensemble")];
    cases.extend([(700, 900, 1, "reference"), (4000, 4000, 1, "little"), (500, 600, 2, "margins")]);
    if full() {
        let sides = [128, 256, 512, 1000, 2000, 3000, 4000, 6000, 8000, 10_000, 12_000];
        cases.extend(sides.map(|n| (n, n, 2, "")));
        cases.extend([(12_000, 3000, 1, "flip"), (3000, 12_000, 4, "ensemble"), (12_000, 12_000, 1, "reference")]);
    }
    let measured: Vec<Value> = cases
        .iter()
        .map(|(width, height, threads, kind)| {
            let arguments = ["memory", &width.to_string(), &height.to_string(), &threads.to_string(), kind];
            // With glibc's defaults, where memory that loading gave back is used again, and with every large block by itself.
            let runs =
                [host(&arguments, &[]), host(&arguments, &[("MALLOC_MMAP_THRESHOLD_", "65536"), ("MALLOC_TRIM_THRESHOLD_", "65536")])];
            runs.into_iter().max_by_key(|m| m["measured"].as_u64()).unwrap()
        })
        .collect();
    for m in &measured {
        let [predicted, found] = ["predicted", "measured"].map(|k| m[k].as_f64().unwrap());
        assert!(found <= predicted, "more than predicted: {m}");
        assert!(predicted <= 1.5 * found + f64::from(24 << 20), "far less than predicted: {m}");
    }
    let mib = |v: &Value| (v.as_f64().unwrap() / f64::from(1 << 20) * 10.0).round() / 10.0;
    let rows: Vec<Value> = measured
        .iter()
        .map(|m| {
            let size = format!("{} x {}", m["width"], m["height"]);
            let kind = m["kind"].as_str().filter(|k| !k.is_empty()).unwrap_or("bundled");
            json!({ "pixels": size, "kind": kind, "threads": m["threads"], "predicted_mib": mib(&m["predicted"]), "measured_mib": mib(&m["measured"]) })
        })
        .collect();
    record("memory", json!({ "analyses": rows.len(), "beyond_prediction": 0, "sizes": rows }));
}

#[test]
fn more_than_the_limit_is_refused_before_it_starts() {
    let radiograph = radiograph(1, 600, 500);
    let mut options = RunOptions::default();
    let needed = bundled().peak_memory(600, 500, &options).unwrap();
    assert!(bundled().peak_memory(6000, 5000, &options).unwrap() > 2 * 30_000_000 + needed / 2);
    options.limits.max_memory_bytes = needed;
    assert!(bundled().analyze_with(&radiograph, &options).is_ok());
    options.limits.max_memory_bytes = needed - 1;
    options.on_progress = Some(std::sync::Arc::new(|stage| panic!("{stage} was reached")));
    let error = bundled().analyze_with(&radiograph, &options).unwrap_err();
    assert_eq!(error.kind(), ErrorKind::LimitsExceeded);
    assert_eq!(error.to_string(), format!("the analysis needs {needed} bytes of memory; the limit is {}", needed - 1));
    // No overflow, whatever is asked.
    assert!(bundled().peak_memory(usize::MAX, usize::MAX, &RunOptions::default()).unwrap() > 1 << 60);
}
