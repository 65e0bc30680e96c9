//! Bounds on what reading an input or loading a model may cost.

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
        }
    }
}

impl Limits {
    /// Checks the size an image declares, before anything of that size is allocated.
    pub fn check_size(&self, width: u32, height: u32) -> crate::Result<()> {
        if width == 0 || height == 0 {
            return Err(crate::Error::Input(format!("the image is empty ({width} x {height} pixels)")));
        }
        if width > self.max_side || height > self.max_side || u64::from(width) * u64::from(height) > self.max_pixels {
            return Err(crate::Error::LimitsExceeded(format!(
                "the image is {width} x {height} pixels; the limits are {} a side and {} in all",
                self.max_side, self.max_pixels
            )));
        }
        Ok(())
    }

    /// Checks the bytes that decoding would produce, before they are allocated.
    pub(crate) fn check_decoded(&self, bytes: u64) -> crate::Result<()> {
        if bytes > self.max_decoded_bytes {
            return Err(crate::Error::LimitsExceeded(format!("decoding needs {bytes} bytes; the limit is {}", self.max_decoded_bytes)));
        }
        Ok(())
    }
}
