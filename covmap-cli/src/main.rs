//! The `covmap` binary.

use std::process::ExitCode;

/// In huge pages, as a checkout's .cargo/config.toml asks for: touching fresh memory page by page is a third of a short run otherwise.
#[cfg(all(target_os = "linux", feature = "jemalloc"))]
#[global_allocator]
static ALLOCATOR: tikv_jemallocator::Jemalloc = tikv_jemallocator::Jemalloc;

fn main() -> ExitCode {
    ExitCode::from(covmap_cli::run(std::env::args_os()))
}
