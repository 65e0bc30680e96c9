//! Outcome of a call: a status for the program, a text for people, and no panic for anybody.

use std::cell::RefCell;
use std::ffi::{CString, c_char};
use std::panic::{AssertUnwindSafe, catch_unwind};

use covmap_core::{Error, ErrorKind, Result};

/// What came of a call, by who is at fault.
#[repr(C)]
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Status {
    /// Done.
    Ok = 0,
    /// The operating system refused to read or write a file.
    Io = 1,
    /// This file or buffer is not a radiograph that can be read.
    Input = 2,
    /// This model file does not fit.
    Model = 3,
    /// The caller's mistake: NULL, an unknown option, a buffer too short.
    Parameter = 4,
    /// A documented bound on sizes was exceeded.
    LimitsExceeded = 5,
    /// The caller cancelled the run, or its deadline passed.
    Cancelled = 6,
    /// A defect of covmap itself.
    Internal = 7,
}

impl From<ErrorKind> for Status {
    fn from(kind: ErrorKind) -> Self {
        match kind {
            ErrorKind::Io => Status::Io,
            ErrorKind::Input => Status::Input,
            ErrorKind::Model => Status::Model,
            ErrorKind::Parameter => Status::Parameter,
            ErrorKind::LimitsExceeded => Status::LimitsExceeded,
            ErrorKind::Cancelled => Status::Cancelled,
            _ => Status::Internal,
        }
    }
}

thread_local! {
    static LAST_ERROR: RefCell<Option<CString>> = const { RefCell::new(None) };
}

/// Why the last call on this thread failed, in UTF-8; "" where it did not. Never NULL; valid until the next call of covmap
/// on this thread. The covmap_..._free functions leave the text alone, so that it can be read after cleaning up.
#[unsafe(no_mangle)]
pub extern "C" fn covmap_last_error() -> *const c_char {
    // A thread that is ending may have lost its text already.
    let text = LAST_ERROR.try_with(|last| last.try_borrow().ok().and_then(|text| text.as_ref().map(|t| t.as_ptr())));
    text.ok().flatten().unwrap_or(c"".as_ptr())
}

/// A text as C has it.
pub(crate) fn text_of(text: &str) -> CString {
    CString::new(text.replace('\0', " ")).unwrap_or_default()
}

fn set_last_error(text: Option<&str>) {
    let text = text.map(text_of);
    let _ = LAST_ERROR.try_with(|last| {
        if let Ok(mut last) = last.try_borrow_mut() {
            *last = text;
        }
    });
}

/// Runs the body of an exported function: an error becomes its status and text, a panic `Internal`.
pub(crate) fn guard<T>(body: impl FnOnce() -> Result<T>) -> Result<T, Status> {
    set_last_error(None);
    let error = match contain(body) {
        Ok(Ok(value)) => return Ok(value),
        Ok(Err(error)) => error,
        Err(panic) => Error::Internal(format!("a panic: {panic}")),
    };
    set_last_error(Some(&error.to_string()));
    Err(error.kind().into())
}

/// [`guard`] for functions that return a status.
pub(crate) fn guard_status(body: impl FnOnce() -> Result<()>) -> Status {
    guard(body).err().unwrap_or(Status::Ok)
}

/// Frees what a constructor handed out; the text of the last error stays.
///
/// # Safety
/// `object` is NULL or came from `Box::into_raw`, and nobody uses it any more.
pub(crate) unsafe fn free<T>(object: *mut T) {
    if !object.is_null() {
        // SAFETY: the caller's promise. A panic while dropping has no one to be told to.
        let _ = contain(|| drop(unsafe { Box::from_raw(object) }));
    }
}

/// A panic as its message.
pub(crate) fn contain<T>(body: impl FnOnce() -> T) -> Result<T, String> {
    catch_unwind(AssertUnwindSafe(|| {
        #[cfg(test)]
        crate::tests::panic_if_asked();
        body()
    }))
    .map_err(|payload| {
        let text = payload.downcast_ref::<&str>().copied().or(payload.downcast_ref::<String>().map(String::as_str));
        let text = text.unwrap_or("without a message").to_owned();
        // Dropping a payload may panic once more, now outside the guard.
        std::mem::forget(payload);
        text
    })
}
