//! What is fuzzed: a function a target, which panics where a property does not hold. `fuzz/` drives them with libFuzzer;
//! `tests/fuzz.rs` runs them over every input that ever found something.

pub mod buffer;
pub mod kernels;
pub mod maps;
pub mod onnx;
pub mod plans;
pub mod reading;
pub mod seeds;
pub mod spec;

use std::io::Write;

use covmap_core::{ErrorKind, Result};

/// Gives input to one target.
pub type Target = fn(&[u8]);

/// Every target by name.
pub const TARGETS: [(&str, Target); 8] = [
    ("image", reading::image),
    ("dicom", reading::dicom),
    ("onnx", onnx::run),
    ("spec", spec::run),
    ("buffer", buffer::run),
    ("kernels", kernels::run),
    ("plans", plans::run),
    ("maps", maps::run),
];

/// From now on a panic in covmap's own code or in a target ends the process, even where covmap would contain it. Panics of
/// decoders and of tract on malformed data are what covmap contains them for.
pub fn strict() {
    std::panic::set_hook(Box::new(|panic| {
        let ours = |file: &str| ["covmap-core", "covmap-capi", "tests/src", "tests/tests"].iter().any(|part| file.contains(part));
        if panic.location().is_none_or(|at| ours(at.file())) {
            // Past a test's captured output.
            let _ = writeln!(std::io::stderr(), "{panic}\n{}", std::backtrace::Backtrace::force_capture());
            std::process::abort();
        }
    }));
}

/// A refusal has a text, and is not a defect of covmap's own.
fn sound<T>(result: Result<T>) -> Option<T> {
    match result {
        Ok(value) => Some(value),
        Err(error) => {
            assert!(error.kind() != ErrorKind::Internal && !error.to_string().is_empty(), "{error:?}");
            None
        }
    }
}
