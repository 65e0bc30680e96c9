//! JPEG-LS, lossless and near-lossless (ISO/IEC 14495-1).

use super::{Declared, damaged, require_grey, widen};
use crate::Result;
use crate::radiograph::dicom::attributes::Attributes;
use crate::radiograph::jpeg;
use std::borrow::Cow;

pub(super) fn decode(stream: &[u8], attributes: &Attributes) -> Result<Vec<u16>> {
    require_grey("JPEG-LS", attributes)?;
    let header = jpeg::inspect(stream)?;
    let (rows, columns) = (u64::from(header.rows), u64::from(header.columns));
    Declared { rows, columns, samples: u64::from(header.components), precision: u32::from(header.precision) }
        .check("JPEG-LS", attributes)?;
    let raster =
        openreadout_codecs::jpegls_decode_limited(&without_fill(stream), 2 * attributes.samples()).map_err(|e| damaged("JPEG-LS", e))?;
    Ok(widen(&raster.data, raster.bits_per_sample as usize / 8))
}

/// The stream without fill bytes before its end marker (10918-1 B.1.1.2): DCMTK writes one to make the length even, and the
/// decoder expects none.
fn without_fill(stream: &[u8]) -> Cow<'_, [u8]> {
    const END: [u8; 2] = [0xff, 0xd9];
    match stream.strip_suffix(&[0]).unwrap_or(stream).strip_suffix(&END) {
        Some(coded) if coded.ends_with(&[0xff]) => {
            let last = coded.iter().rposition(|&byte| byte != 0xff).map_or(0, |at| at + 1);
            Cow::Owned([&coded[..last], &END].concat())
        }
        _ => Cow::Borrowed(stream),
    }
}
