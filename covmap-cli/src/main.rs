//! The `covmap` binary.

use std::process::ExitCode;

fn main() -> ExitCode {
    ExitCode::from(covmap_cli::run(std::env::args_os()))
}
