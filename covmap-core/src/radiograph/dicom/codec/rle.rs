//! RLE Lossless (PS3.5 annex G). The decoder of dicom-rs panics on segments that are too short.

use super::widen;
use crate::radiograph::dicom::attributes::Attributes;
use crate::{Error, Result};

pub(super) fn decode(stream: &[u8], attributes: &Attributes) -> Result<Vec<u16>> {
    let bytes = usize::from(attributes.bits_allocated / 8);
    Ok(widen(&unpack_planes(stream, attributes.rows * attributes.columns, attributes.colour.samples(), bytes)?, bytes))
}

/// Decodes a frame to interleaved little-endian samples: `pixels` x `samples` x `bytes` bytes.
///
/// # Errors
/// `Input` where the segments do not hold exactly that many bytes or go beyond the stream.
fn unpack_planes(stream: &[u8], pixels: usize, samples: usize, bytes: usize) -> Result<Vec<u8>> {
    let damaged = |what: &str| Error::Input(format!("the RLE stream is truncated or malformed: {what}"));
    let header: Vec<usize> = stream
        .get(..64)
        .ok_or_else(|| damaged("no header"))?
        .chunks_exact(4)
        .map(|b| u32::from_le_bytes([b[0], b[1], b[2], b[3]]) as usize)
        .collect();
    let count = samples * bytes;
    if header[0] != count {
        return Err(damaged(&format!("{} segments instead of {count}", header[0])));
    }
    let mut decoded = vec![0; pixels * count];
    for segment in 0..count {
        // Segments are byte planes, the most significant byte of each sample first (G.2).
        let place = segment / bytes * bytes + (bytes - 1 - segment % bytes);
        let start = header[1 + segment];
        let end = if segment + 1 < count { header[2 + segment] } else { stream.len() };
        let packed = stream.get(start..end).ok_or_else(|| damaged("a segment lies beyond its end"))?;
        let mut plane = decoded.iter_mut().skip(place).step_by(count);
        if !unpack(packed, &mut plane, pixels) {
            return Err(damaged("a segment is too short"));
        }
    }
    Ok(decoded)
}

/// Unpacks PackBits runs (G.3.2) into `most` bytes; whether that many were there. What is left over is padding.
fn unpack<'a>(mut packed: &[u8], out: &mut impl Iterator<Item = &'a mut u8>, most: usize) -> bool {
    let mut left = most;
    while left > 0 {
        let Some((&control, rest)) = packed.split_first() else { return false };
        packed = rest;
        let taken = match control {
            // Literal bytes.
            0..=127 => {
                let length = usize::from(control) + 1;
                let Some(literal) = packed.get(..length) else { return false };
                // The literal first: `zip` would take one byte too many from the other side.
                literal.iter().take(left).zip(out.by_ref()).for_each(|(&from, to)| *to = from);
                packed = &packed[length..];
                length
            }
            128 => 0,
            // One byte repeated.
            129.. => {
                let length = 257 - usize::from(control);
                let Some((&byte, rest)) = packed.split_first() else { return false };
                out.take(length.min(left)).for_each(|to| *to = byte);
                packed = rest;
                length
            }
        };
        left = left.saturating_sub(taken);
    }
    true
}

#[cfg(test)]
mod tests {
    use super::*;

    fn stream(segments: &[&[u8]]) -> Vec<u8> {
        let mut offset = 64u32;
        let mut header = vec![segments.len() as u32];
        for segment in segments {
            header.push(offset);
            offset += segment.len() as u32;
        }
        header.resize(16, 0);
        [header.iter().flat_map(|v| v.to_le_bytes()).collect::<Vec<_>>(), segments.concat()].concat()
    }

    #[test]
    fn unpacks_literals_and_runs() {
        let packed = [0xfe, 0xaa, 0x80, 0x02, 1, 2, 3, 0xff, 7, 0];
        assert_eq!(unpack_planes(&stream(&[&packed]), 8, 1, 1).unwrap(), [0xaa, 0xaa, 0xaa, 1, 2, 3, 7, 7]);
        assert!(unpack_planes(&stream(&[&packed[..6]]), 8, 1, 1).is_err());
    }

    #[test]
    fn byte_planes_are_joined_most_significant_first() {
        let bytes = unpack_planes(&stream(&[&[1, 0x12, 0x56], &[1, 0x34, 0x78]]), 2, 1, 2).unwrap();
        assert_eq!(bytes, [0x34, 0x12, 0x78, 0x56]);
        let colours = unpack_planes(&stream(&[&[0xff, 1], &[0xff, 2], &[0xff, 3]]), 2, 3, 1).unwrap();
        assert_eq!(colours, [1, 2, 3, 1, 2, 3]);
    }

    #[test]
    fn malformed_headers_are_refused() {
        let good = stream(&[&[1, 5, 6]]);
        for end in 0..good.len() {
            assert!(unpack_planes(&good[..end], 2, 1, 1).is_err(), "{end} bytes");
        }
        assert!(unpack_planes(&good, 2, 1, 2).is_err());
        let mut beyond = good;
        beyond[4] = 200;
        assert!(unpack_planes(&beyond, 2, 1, 1).is_err());
    }
}
