//! Bounds on what reading an input, loading a model or an analysis may cost.

use std::time::Duration;

use crate::{Error, Result};

/// Bounds that hold before memory is allocated. Exceeding one is [`Error::LimitsExceeded`](crate::Error::LimitsExceeded).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub struct Limits {
    /// Width or height of a radiograph in pixels. Default behavior: 16,384.
    pub max_side: u32,
    /// Width times height of a radiograph. Default behavior: 100 million (a 10,000 x 10,000 image).
    pub max_pixels: u64,
    /// Bytes of an input file or buffer. Default behavior: 1 GiB.
    pub max_file_bytes: u64,
    /// Bytes that decoding one frame may take, the decoder's own included. Default behavior: 512 MiB, which is 32 megapixels
    /// of the greediest codecs (docs/dicom.md).
    pub max_decoded_bytes: u64,
    /// Frames that a multi-frame object may declare. Default behavior: 4,096.
    pub max_frames: u32,
    /// Bytes of a model file. Default behavior: 1 GiB.
    pub max_model_bytes: u64,
    /// Bytes that one analysis may hold at its peak beside pipeline and radiograph, as
    /// [`Pipeline::peak_memory`](crate::Pipeline::peak_memory) predicts them. Default behavior: 2 GiB.
    pub max_memory_bytes: u64,
    /// Wall time of one analysis, which ends with [`Error::Cancelled`](crate::Error::Cancelled) soon after. Default behavior:
    /// ten minutes.
    pub max_time: Duration,
}

impl Default for Limits {
    fn default() -> Self {
        Limits {
            max_side: 16_384,
            max_pixels: 100_000_000,
            max_file_bytes: 1 << 30,
            max_decoded_bytes: 512 << 20,
            max_frames: 4_096,
            max_model_bytes: 1 << 30,
            max_memory_bytes: 2 << 30,
            max_time: Duration::from_secs(600),
        }
    }
}

impl Limits {
    /// Checks the size an image declares, before anything of that size is allocated.
    pub fn check_size(&self, width: u32, height: u32) -> Result<()> {
        if width == 0 || height == 0 {
            return Err(Error::Input(format!("the image is empty ({width} x {height} pixels)")));
        }
        if width > self.max_side || height > self.max_side || u64::from(width) * u64::from(height) > self.max_pixels {
            return Err(Error::LimitsExceeded(format!(
                "the image is {width} x {height} pixels; the limits are {} a side and {} in all",
                self.max_side, self.max_pixels
            )));
        }
        Ok(())
    }

    /// Checks the bytes that decoding would produce, before they are allocated.
    pub(crate) fn check_decoded(&self, bytes: u64) -> Result<()> {
        if bytes > self.max_decoded_bytes {
            return Err(Error::LimitsExceeded(format!("decoding needs {bytes} bytes; the limit is {}", self.max_decoded_bytes)));
        }
        reserve(bytes, "decoding")
    }

    /// Checks the memory that an analysis is predicted to need, before it starts.
    pub(crate) fn check_memory(&self, bytes: u64) -> Result<()> {
        if bytes > self.max_memory_bytes {
            return Err(Error::LimitsExceeded(format!(
                "the analysis needs {bytes} bytes of memory; the limit is {}",
                self.max_memory_bytes
            )));
        }
        reserve(bytes, "the analysis")
    }
}

/// At least this is asked for: room for what is small beside. And where the allocator is glibc's, which learns from a freed block of up to 32 MiB to keep
/// blocks of that size, learns nothing from it.
const ROOM: u64 = 33 << 20;

/// Asks the allocator for that much at once and gives it back untouched. Where memory is bounded (`ulimit -v`, no overcommit)
/// a refusal is an error here, and not the end of the process at some allocation on the way.
pub(crate) fn reserve(bytes: u64, what: &str) -> Result<()> {
    let mut room = Vec::<u8>::new();
    let given = usize::try_from(bytes.max(ROOM)).is_ok_and(|bytes| room.try_reserve_exact(bytes).is_ok());
    // An allocation that nothing looks at would be compiled away.
    std::hint::black_box(&room);
    match given {
        true => Ok(()),
        false => Err(Error::LimitsExceeded(format!("{what} needs {bytes} bytes of memory, more than the system gives"))),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_bound_that_is_exceeded_is_named_with_the_need() {
        let limits = Limits { max_memory_bytes: 1000, max_decoded_bytes: 100, ..Limits::default() };
        let text = |r: Result<()>| r.unwrap_err().to_string();
        assert_eq!(text(limits.check_memory(1001)), "the analysis needs 1001 bytes of memory; the limit is 1000");
        assert_eq!(text(limits.check_decoded(101)), "decoding needs 101 bytes; the limit is 100");
        assert!(limits.check_memory(1000).is_ok() && limits.check_decoded(100).is_ok());
    }

    #[test]
    fn what_no_system_gives_is_an_error() {
        assert!(reserve(1 << 20, "this").is_ok());
        let e = reserve(u64::MAX, "this").unwrap_err();
        assert!(matches!(e, Error::LimitsExceeded(_)) && e.to_string().starts_with("this needs 18446744073709551615 bytes"), "{e}");
    }
}
