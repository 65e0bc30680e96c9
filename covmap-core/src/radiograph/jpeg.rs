//! The marker segments of a JPEG or JPEG-LS stream (ISO/IEC 10918-1 annex B, 14495-1 annex C): what it declares, and whether it
//! is whole.

use crate::{Error, Result};

/// Scans that a stream may hold; progressive files of real encoders hold about ten. Every scan visits the whole image, so that
/// a small file of very many scans could keep a decoder busy for hours.
const MAX_SCANS: usize = 100;

/// What the frame header declares.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Header {
    /// Bits of a sample.
    pub precision: u8,
    pub rows: u16,
    pub columns: u16,
    pub components: u8,
    /// Whether the process is lossless (SOF3): every sample is coded by itself.
    pub lossless: bool,
}

/// Reads the frame header and walks to the end of the image.
///
/// # Errors
/// `Input` where the stream is not a JPEG image or ends before its end marker: decoders fill the missing rest with grey, and
/// half an image must not pass for a whole one. `LimitsExceeded` where it holds too many scans.
pub(super) fn inspect(bytes: &[u8]) -> Result<Header> {
    let truncated = || Error::Input("the JPEG stream is truncated".to_owned());
    let malformed = |what: &str| Error::Input(format!("the JPEG stream is malformed: {what}"));
    if !bytes.starts_with(&[0xff, 0xd8]) {
        return Err(malformed("no start of image"));
    }
    let mut header = None;
    let mut scans = 0;
    let mut at = 2;
    loop {
        // Anything up to the next marker is coded data of a scan or stray bytes, which decoders skip too.
        let marker = loop {
            let pair = bytes.get(at..at + 2).ok_or_else(truncated)?;
            match pair {
                // Below 80 JPEG has no marker worth reading, and JPEG-LS stuffs a single bit into its coded data.
                [0xff, 0x00..=0x7f | 0xd0..=0xd8] => at += 2,
                [0xff, 0xff] => at += 1,
                [0xff, marker] => break *marker,
                _ => at += 1 + bytes[at + 1..].iter().position(|&b| b == 0xff).ok_or_else(truncated)?,
            }
        };
        at += 2;
        if marker == 0xd9 {
            return header.ok_or_else(|| malformed("no frame header"));
        }
        let length = bytes.get(at..at + 2).map(|b| usize::from(u16::from_be_bytes([b[0], b[1]]))).ok_or_else(truncated)?;
        let segment = bytes.get(at..at + length).ok_or_else(truncated)?;
        match marker {
            0xc0..=0xcf | 0xf7 if ![0xc4, 0xc8, 0xcc].contains(&marker) => {
                let [_, _, precision, r1, r0, c1, c0, components, ..] = *segment else {
                    return Err(malformed("a short frame header"));
                };
                if header.is_some() {
                    return Err(malformed("two frame headers"));
                }
                header = Some(Header {
                    precision,
                    rows: u16::from_be_bytes([r1, r0]),
                    columns: u16::from_be_bytes([c1, c0]),
                    components,
                    lossless: marker == 0xc3,
                });
            }
            0xda => {
                scans += 1;
                if scans > MAX_SCANS {
                    return Err(Error::LimitsExceeded(format!("the JPEG stream holds more than {MAX_SCANS} scans")));
                }
            }
            _ => {}
        }
        at += length.max(2);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::ErrorKind;

    const FRAME: [u8; 13] = [0xff, 0xc0, 0, 11, 8, 0, 2, 0, 3, 1, 1, 0x11, 0];
    const SCAN: [u8; 14] = [0xff, 0xda, 0, 8, 1, 1, 0, 0, 63, 0, 0xff, 0x00, 7, 9];

    fn stream(parts: &[&[u8]]) -> Vec<u8> {
        [&[0xff, 0xd8][..], &parts.concat(), &[0xff, 0xd9]].concat()
    }

    #[test]
    fn reads_the_frame_header_and_skips_thumbnails() {
        // The application segment holds an end marker, as the thumbnail of a camera does.
        let bytes = stream(&[&[0xff, 0xe1, 0, 6, 0xff, 0xd8, 0xff, 0xd9], &FRAME, &SCAN]);
        let header = inspect(&bytes).unwrap();
        assert_eq!(header, Header { precision: 8, rows: 2, columns: 3, components: 1, lossless: false });
        for end in 0..bytes.len() {
            assert_eq!(inspect(&bytes[..end]).unwrap_err().kind(), ErrorKind::Input, "{end} bytes");
        }
    }

    #[test]
    fn refuses_streams_of_endless_scans() {
        let bytes = stream(&[&FRAME, &SCAN.repeat(MAX_SCANS + 1)]);
        assert_eq!(inspect(&bytes).unwrap_err().kind(), ErrorKind::LimitsExceeded);
    }
}
