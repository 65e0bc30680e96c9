//! JPEG XL (ISO/IEC 18181-1), also where it recompresses a JPEG stream.

use super::{Declared, damaged};
use crate::radiograph::dicom::attributes::Attributes;
use crate::{Error, Limits, Result};
use jxl_oxide::image::BitDepth;
use jxl_oxide::{AllocTracker, JxlImage};

const NAME: &str = "JPEG XL";

pub(super) fn decode(stream: &[u8], attributes: &Attributes, limits: &Limits) -> Result<Vec<u16>> {
    let memory = AllocTracker::with_limit(limits.max_decoded_bytes as usize);
    let image = JxlImage::builder().alloc_tracker(memory).read(stream).map_err(|e| damaged(NAME, e))?;
    let metadata = &image.image_header().metadata;
    let BitDepth::IntegerSample { bits_per_sample: precision } = metadata.bit_depth else {
        return Err(Error::Input("the JPEG XL stream holds real numbers, which no radiograph has".to_owned()));
    };
    let samples = if metadata.grayscale() { 1 } else { 3 } + metadata.ec_info.len() as u64;
    Declared { rows: image.height().into(), columns: image.width().into(), samples, precision }.check(NAME, attributes)?;
    if !image.is_loading_done() {
        return Err(Error::Input("the JPEG XL stream is truncated".to_owned()));
    }
    let frame = image.render_frame(0).map_err(|e| damaged(NAME, e))?.image_all_channels();
    if (frame.height(), frame.width()) != (attributes.rows, attributes.columns) {
        return Err(damaged(NAME, "its frame has another size"));
    }
    // Integers come as fractions of the highest value; 16 bits survive that exactly.
    let most = ((1u32 << precision) - 1) as f32;
    Ok(frame.buf().iter().map(|&sample| (sample * most + 0.5).clamp(0.0, most) as u16).collect())
}
