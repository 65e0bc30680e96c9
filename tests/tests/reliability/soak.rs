//! Many analyses in one process, and many threads on one pipeline.

use covmap_tests::reliability::{full, length, record};

use crate::host;

#[test]
fn thousands_of_analyses_leave_nothing_behind() {
    let count = length(300, 20_000);
    let found = host(&["soak", &count.to_string()]);
    let number = |key: &str| found[key].as_f64().unwrap_or_else(|| panic!("{key} in {found}"));
    assert_eq!((number("analyses"), number("wrong")), (count as f64, 0.0), "{found}");
    assert_eq!(number("damaged"), number("refused"), "{found}");
    assert!(number("damaged") >= (count / 100) as f64, "{found}");
    assert_eq!(number("threads_before"), number("threads_after"), "{found}");
    assert_eq!(number("handles_before"), number("handles_after"), "{found}");
    assert!(number("memory_mib_last") - number("memory_mib_first") < 24.0, "{found}");
    // Time on the processor: the other work of the machine makes it longer too, by what it does to caches and clock.
    assert!(number("mean_ms_of_last") < 1.5 * number("mean_ms_of_first") + 2.0, "{found}");
    if full() {
        assert!(number("memory_slope_kib_per_thousand") < 128.0, "{found}");
    }
    record("soak", found);
}

#[test]
fn sixty_four_threads_share_a_pipeline() {
    let count = length(256, 1600);
    let found = host(&["load", "64", &count.to_string()]);
    let number = |key: &str| found[key].as_f64().unwrap_or_else(|| panic!("{key} in {found}"));
    assert_eq!((number("analyses"), number("wrong")), (count as f64, 0.0), "{found}");
    assert_eq!(number("threads_before"), number("threads_after"), "{found}");
    assert_eq!(number("handles_before"), number("handles_after"), "{found}");
    record("load", found);
}
