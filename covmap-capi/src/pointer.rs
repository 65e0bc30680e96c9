//! Pointers of the caller become references, or a `Parameter` error that names them.

#[cfg(unix)]
use std::ffi::OsStr;
use std::ffi::{CStr, c_char};
use std::path::PathBuf;

use covmap_core::{Error, Result};

fn null(name: &str) -> Error {
    Error::Parameter(format!("{name} is NULL"))
}

/// # Safety
/// `pointer` is NULL or points to a `T` that outlives `'a` and that nobody writes meanwhile.
pub(crate) unsafe fn shared<'a, T>(pointer: *const T, name: &str) -> Result<&'a T> {
    // SAFETY: the caller's promise.
    unsafe { pointer.as_ref() }.ok_or_else(|| null(name))
}

/// # Safety
/// `pointer` is NULL or points to a `T` that outlives `'a` and that nobody else uses meanwhile.
pub(crate) unsafe fn exclusive<'a, T>(pointer: *mut T, name: &str) -> Result<&'a mut T> {
    // SAFETY: the caller's promise.
    unsafe { pointer.as_mut() }.ok_or_else(|| null(name))
}

/// Where a result goes; it is NULL from now on until there is one.
///
/// # Safety
/// `out` is NULL or may be written.
pub(crate) unsafe fn result<'a, T>(out: *mut *mut T, name: &str) -> Result<&'a mut *mut T> {
    if out.is_null() {
        return Err(null(name));
    }
    // SAFETY: not NULL, and the caller's promise. Written before it becomes a reference: C may leave it uninitialised.
    unsafe {
        out.write(std::ptr::null_mut());
        Ok(&mut *out)
    }
}

/// Writes the (rows, columns) of a map.
///
/// # Safety
/// Both pointers are NULL or may be written.
pub(crate) unsafe fn size(width: *mut usize, height: *mut usize, (rows, columns): (usize, usize)) -> Result<()> {
    if width.is_null() || height.is_null() {
        return Err(Error::Parameter("width or height is NULL".into()));
    }
    // SAFETY: not NULL, and the caller's promise.
    unsafe {
        width.write(columns);
        height.write(rows);
    }
    Ok(())
}

/// # Safety
/// `text` is NULL or a string that ends with a NUL and outlives `'a`.
pub(crate) unsafe fn c_str<'a>(text: *const c_char, name: &str) -> Result<&'a CStr> {
    if text.is_null() {
        return Err(null(name));
    }
    // SAFETY: the caller's promise.
    Ok(unsafe { CStr::from_ptr(text) })
}

pub(crate) fn utf8<'a>(text: &'a CStr, name: &str) -> Result<&'a str> {
    text.to_str().map_err(|_| Error::Parameter(format!("{name} is not UTF-8")))
}

/// Bytes as the file system has them on Unix, UTF-8 elsewhere.
pub(crate) fn path(text: &CStr) -> Result<PathBuf> {
    #[cfg(unix)]
    return Ok(PathBuf::from(<OsStr as std::os::unix::ffi::OsStrExt>::from_bytes(text.to_bytes())));
    #[cfg(not(unix))]
    return utf8(text, "path").map(PathBuf::from);
}

/// `len` elements; where `len` is 0 the pointer may be NULL.
///
/// # Safety
/// `pointer` is NULL or points to `len` elements that outlive `'a` and that nobody writes meanwhile.
pub(crate) unsafe fn slice<'a, T>(pointer: *const T, len: usize, name: &str) -> Result<&'a [T]> {
    if len == 0 {
        return Ok(&[]);
    }
    if pointer.is_null() {
        return Err(null(name));
    }
    if !pointer.is_aligned() {
        return Err(Error::Parameter(format!("{name} is not aligned to its elements of {} bytes", size_of::<T>())));
    }
    if len.checked_mul(size_of::<T>()).is_none_or(|bytes| isize::try_from(bytes).is_err()) {
        return Err(Error::Parameter(format!("{name} has {len} elements, more than memory can hold")));
    }
    // SAFETY: not NULL, aligned, of a length that can exist, and the caller's promise.
    Ok(unsafe { std::slice::from_raw_parts(pointer, len) })
}
