//! Transfer syntaxes (PS3.5 annex A): how the data set is written, and what decodes its pixel data.

use super::codec::Codec;
use super::structure::{self, Encoding};
use crate::{Error, Limits, Result};
use dicom_transfer_syntax_registry::{TransferSyntaxIndex, TransferSyntaxRegistry};
use flate2::read::DeflateDecoder;
use std::borrow::Cow;
use std::io::Read;

/// A data set, ready to be walked.
pub(super) struct Opened<'a> {
    pub bytes: Cow<'a, [u8]>,
    pub encoding: Encoding,
    /// What compressed the pixel data; `None` where it is native.
    pub codec: Option<Codec>,
    pub uid: String,
}

pub(super) const IMPLICIT_LITTLE: &str = "1.2.840.10008.1.2";
pub(super) const EXPLICIT_LITTLE: &str = "1.2.840.10008.1.2.1";
pub(super) const DEFLATED: &str = "1.2.840.10008.1.2.1.99";
pub(super) const EXPLICIT_BIG: &str = "1.2.840.10008.1.2.2";

/// Finds the data set behind the file meta information and inflates it where it is deflated.
///
/// # Errors
/// `Input` naming a transfer syntax that is not supported; `LimitsExceeded` where inflating produces more than
/// `max_decoded_bytes`.
pub(super) fn open<'a>(file: &'a [u8], limits: &Limits) -> Result<Opened<'a>> {
    let (uid, start) = structure::file_meta(file)?;
    let bytes = &file[start..];
    // Without file meta information the first element shows whether value representations are written.
    let uid = uid.filter(|uid| !uid.is_empty()).unwrap_or_else(|| {
        let explicit = bytes.get(4..6).is_some_and(|vr| vr.iter().all(u8::is_ascii_uppercase));
        if explicit { EXPLICIT_LITTLE } else { IMPLICIT_LITTLE }.to_owned()
    });
    let (encoding, codec) = match uid.as_str() {
        IMPLICIT_LITTLE => (Encoding::ImplicitLittle, None),
        EXPLICIT_LITTLE | DEFLATED => (Encoding::ExplicitLittle, None),
        EXPLICIT_BIG => (Encoding::ExplicitBig, None),
        _ => (Encoding::ExplicitLittle, Some(codec(&uid)?)),
    };
    let bytes = if uid == DEFLATED { Cow::Owned(inflate(bytes, limits)?) } else { Cow::Borrowed(bytes) };
    Ok(Opened { bytes, encoding, codec, uid })
}

/// What compressed the pixel data. Data sets around compressed pixel data are explicit little endian, all of them (PS3.5 A.4).
fn codec(uid: &str) -> Result<Codec> {
    let suffix = uid.strip_prefix("1.2.840.10008.1.2.").unwrap_or_default();
    Ok(match suffix {
        "5" => Codec::Rle,
        // Baseline; extended; lossless (process 14); lossless, first-order prediction (process 14, selection value 1).
        "4.50" | "4.51" | "4.57" | "4.70" => Codec::Jpeg,
        // Lossless; near-lossless.
        "4.80" | "4.81" => Codec::JpegLs,
        // Lossless only; either.
        "4.90" | "4.91" => Codec::Jpeg2000,
        // Lossless; JPEG recompression; either.
        "4.110" | "4.111" | "4.112" => Codec::JpegXl,
        // Lossless; lossless, in order of resolution; either.
        "4.201" | "4.202" | "4.203" => Codec::HtJpeg2000,
        _ => {
            let name = TransferSyntaxRegistry.get(uid).map_or("of an unknown name", |syntax| syntax.name());
            return Err(Error::Input(format!("transfer syntax {name} ({uid}) is not supported")));
        }
    })
}

fn inflate(deflated: &[u8], limits: &Limits) -> Result<Vec<u8>> {
    let mut bytes = Vec::new();
    let most = limits.max_decoded_bytes;
    DeflateDecoder::new(deflated)
        .take(most.saturating_add(1))
        .read_to_end(&mut bytes)
        .map_err(|e| Error::Input(format!("the deflated data set is damaged or truncated: {e}")))?;
    if bytes.len() as u64 > most {
        return Err(Error::LimitsExceeded(format!("the data set inflates to more than {most} bytes")));
    }
    Ok(bytes)
}
