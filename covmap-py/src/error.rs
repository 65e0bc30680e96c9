//! Core errors become the exceptions of `covmap._errors`, kind for kind.

use std::panic::{AssertUnwindSafe, catch_unwind};

use covmap_core::{Error, ErrorKind, Result};
use pyo3::prelude::*;

/// Runs `work` with the interpreter released.
pub(crate) fn detached<T: Send>(py: Python<'_>, work: impl FnOnce() -> Result<T> + Send) -> PyResult<T> {
    py.detach(|| contained(work)).map_err(|e| exception(py, &e))
}

/// Runs `work` with the interpreter held, for what only it keeps from changing.
pub(crate) fn attached<T>(py: Python<'_>, work: impl FnOnce() -> Result<T>) -> PyResult<T> {
    contained(work).map_err(|e| exception(py, &e))
}

/// A mistake of the caller that the core cannot see.
pub(crate) fn parameter(py: Python<'_>, text: String) -> PyErr {
    exception(py, &Error::Parameter(text))
}

/// pyo3 would raise its PanicException, which is no `Exception`, so that nobody catches it.
fn contained<T>(work: impl FnOnce() -> Result<T>) -> Result<T> {
    catch_unwind(AssertUnwindSafe(work)).unwrap_or_else(|payload| {
        let text = payload.downcast_ref::<&str>().copied().or(payload.downcast_ref::<String>().map(String::as_str));
        Err(Error::Internal(format!("a panic: {}", text.unwrap_or("without a message"))))
    })
}

pub(crate) fn exception(py: Python<'_>, error: &Error) -> PyErr {
    // Where even the exception cannot be made, Python says why.
    instance(py, error).map_or_else(|e| e, PyErr::from_value)
}

fn instance<'py>(py: Python<'py>, error: &Error) -> PyResult<Bound<'py, PyAny>> {
    let name = match error.kind() {
        ErrorKind::Io => "IoError",
        ErrorKind::Input => "InputError",
        ErrorKind::Model => "ModelError",
        ErrorKind::Parameter => "ParameterError",
        ErrorKind::LimitsExceeded => "LimitsExceededError",
        ErrorKind::Cancelled => "CancelledError",
        _ => "InternalError",
    };
    let class = py.import("covmap._errors")?.getattr(name)?;
    match error {
        // As Python itself does it, so that errno and filename are set.
        Error::Io { path, source } if let Some(code) = source.raw_os_error() => {
            if cfg!(windows) {
                return class.call1((0, source.to_string(), path, code));
            }
            let text = py.import("os")?.call_method1("strerror", (code,))?;
            class.call1((code, text, path.as_os_str()))
        }
        _ => class.call1((error.to_string(),)),
    }
}
