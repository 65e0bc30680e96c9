//! `covmap selftest`: does this installation give what it should?

use covmap_core::selftest::{self, Check};
use covmap_core::{Model, ModelOptions, Result};
use serde_json::json;

use crate::args::Selftest;
use crate::{OK, SOME_FAILED};

pub(crate) fn run(a: &Selftest) -> Result<u8> {
    let model = Model::bundled(&ModelOptions::default())?.identity();
    let checks = selftest::run()?;
    let passed = checks.iter().all(Check::passed);
    if a.json {
        let version = env!("CARGO_PKG_VERSION");
        say!("{}", json!({ "schema": "covmap-selftest/1", "covmap": version, "model": model, "passed": passed, "checks": checks }));
    } else {
        say!("covmap {}, model {} ({})", env!("CARGO_PKG_VERSION"), model.name, model.sha256);
        checks.iter().for_each(|check| say!("{}", line(check)));
        say!("{}", if passed { "passed" } else { "FAILED: use no result of this installation" });
    }
    Ok(if passed { OK } else { SOME_FAILED })
}

/// One line for people.
fn line(check: &Check) -> String {
    let name = format!("{:<8} {:<4}", check.level, check.precision.as_str());
    match &check.found {
        None => format!("{name}  not on this processor"),
        Some(f) if f.faults.is_empty() => {
            let (probability, pixels, ms) = (f.probability, f.pixels, f.milliseconds);
            format!("{name}  passed: probabilities within {probability:.1e}, areas within {pixels} pixels, {ms:.0} ms")
        }
        Some(f) => format!("{name}  FAILED: {}", f.faults.join("; ")),
    }
}
