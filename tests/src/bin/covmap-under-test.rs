//! The command as a process of its own, so that tests see its exit status and both of its streams.

use std::process::ExitCode;

/// The command's.
#[cfg(target_os = "linux")]
#[global_allocator]
static ALLOCATOR: tikv_jemallocator::Jemalloc = tikv_jemallocator::Jemalloc;

fn main() -> ExitCode {
    ExitCode::from(covmap_cli::run(std::env::args_os()))
}
