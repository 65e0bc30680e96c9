//! The C interface: what `include/covmap.h` declares.
//!
//! A C or C++ caller loads a pipeline once, analyses many radiographs with it, and reads each result until it frees it
//! (`examples/c/analyze.c` is a whole program). Rules that hold everywhere:
//!
//! - A call that can fail returns a [`Status`]; [`covmap_last_error`] has the text. No panic reaches the caller.
//! - What a call puts in `*out`, and `covmap_options_new` returns, `covmap_X_free` takes back; everything else is borrowed.
//! - A pipeline may be used by many threads at once. Options belong to one thread at a time. Results do not change, and
//!   may be read by many threads at once.
//! - Threads are the pipeline's own, as many as "threads" says, or the caller's (covmap_options_set_runner).
//! - A callback returns as C functions do: no C++ exception and no longjmp may leave it.
//! - Options are pairs of strings, so that new ones never change the ABI.
//!
//! # Safety
//! Every function trusts its caller as C does: a pointer is NULL, or what the header says it points to, alive for the call.
#![allow(unsafe_code, clippy::missing_safety_doc)]

// The header has this order; rustfmt would sort what no empty line parts.
mod status;

mod log;

mod options;

mod cancel;
mod runner;

mod pipeline;

mod analyze;

mod analysis;

mod bytes;

mod pointer;
#[cfg(test)]
mod tests;

pub use analysis::*;
pub use analyze::*;
pub use bytes::*;
pub use cancel::*;
pub use log::*;
pub use options::*;
pub use pipeline::*;
pub use runner::*;
pub use status::*;

use std::ffi::c_char;

/// Version of the loaded library, as "0.1.0"; COVMAP_VERSION_MAJOR and its like are those of this header. Never NULL.
#[unsafe(no_mangle)]
pub extern "C" fn covmap_version() -> *const c_char {
    const { concat!(env!("CARGO_PKG_VERSION"), "\0") }.as_ptr().cast()
}
