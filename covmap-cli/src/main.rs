//! The `covmap` binary.

use std::process::ExitCode;

/// Larger than any of the bundled model's weights.
const REUSED: usize = 2 << 20;

fn main() -> ExitCode {
    // The GNU C library maps blocks larger than any freed before anew each time, page by page; one freed block, never
    // touched, lets what loading a model frees be used again: a quarter of its time.
    drop(std::hint::black_box(Vec::<u8>::with_capacity(REUSED)));
    ExitCode::from(covmap_cli::run(std::env::args_os()))
}
