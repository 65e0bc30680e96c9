//! A result as a block of bytes.

use crate::pointer;
use crate::status::{free, guard};

/// Bytes that the library made: a text, a picture, a DICOM file.
#[derive(Debug)]
pub struct Bytes {
    /// With a NUL behind what was asked for, so that a text is a C string.
    inner: Vec<u8>,
}

impl Bytes {
    pub(crate) fn boxed(mut bytes: Vec<u8>) -> *mut Self {
        bytes.push(0);
        Box::into_raw(Box::new(Bytes { inner: bytes }))
    }
}

/// The bytes, and behind them a NUL that does not count, so that a text is a C string. Valid until covmap_bytes_free. NULL
/// only where bytes is NULL.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn covmap_bytes_data(bytes: *const Bytes) -> *const u8 {
    // SAFETY: the header asks for bytes of this library.
    guard(|| Ok(unsafe { pointer::shared(bytes, "bytes") }?.inner.as_ptr())).unwrap_or(std::ptr::null())
}

/// How many they are. 0 where bytes is NULL.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn covmap_bytes_size(bytes: *const Bytes) -> usize {
    // SAFETY: the header asks for bytes of this library.
    guard(|| Ok(unsafe { pointer::shared(bytes, "bytes") }?.inner.len() - 1)).unwrap_or(0)
}

/// Frees bytes; NULL is allowed.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn covmap_bytes_free(bytes: *mut Bytes) {
    // SAFETY: the header asks for bytes of this library that nobody uses any more.
    unsafe { free(bytes) }
}
