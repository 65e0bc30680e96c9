//! Where the elements of a DICOM file lie (PS3.5 chapter 7, PS3.10 chapter 7), found without reading their values.
//!
//! dicom-rs allocates what a header claims and recurses into sequences, so that a small hostile file can exhaust memory or the
//! stack. This walk does neither; dicom-rs then sees single elements whose length is known to be true.

use super::tags::{PIXEL_DATA, TRANSFER_SYNTAX_UID};
use crate::{Error, Result};
use dicom_core::Tag;
use std::collections::BTreeMap;
use std::ops::Range;

/// Sequences nested deeper than this are refused; real objects stay below ten.
const MAX_DEPTH: usize = 32;
/// Fragments of encapsulated pixel data.
const MAX_FRAGMENTS: usize = 1 << 16;
const UNDEFINED: u32 = u32::MAX;

/// How a data set is written.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Encoding {
    ImplicitLittle,
    ExplicitLittle,
    ExplicitBig,
}

/// An element: its header and value as ranges of the data set's bytes.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Element {
    pub tag: Tag,
    /// Value representation; `None` in implicit encoding.
    pub vr: Option<[u8; 2]>,
    pub header: Range<usize>,
    pub value: Range<usize>,
    /// Whether the length was undefined, as of sequences and encapsulated pixel data.
    pub undefined: bool,
}

/// The elements of a data set up to its pixel data; the first of each tag.
pub(super) type Elements = BTreeMap<Tag, Element>;

/// Transfer Syntax UID of the file meta information, where it has one, and the start of the data set after it.
pub(super) fn file_meta(bytes: &[u8]) -> Result<(Option<String>, usize)> {
    let mut at = match bytes {
        _ if bytes.get(128..132) == Some(b"DICM") => 132,
        _ if bytes.starts_with(b"DICM") => 4,
        _ => 0,
    };
    let mut transfer_syntax = None;
    // The group is walked, since some writers give a wrong group length (0002,0000). It is always explicit little endian.
    while bytes.get(at..at + 2) == Some(&[2, 0]) {
        let element = element_at(bytes, at, Encoding::ExplicitLittle)?;
        if element.tag == TRANSFER_SYNTAX_UID {
            transfer_syntax = Some(String::from_utf8_lossy(&bytes[element.value.clone()]).trim_matches([' ', '\0']).to_owned());
        }
        at = element.value.end;
    }
    Ok((transfer_syntax, at))
}

/// Walks a data set up to and including its pixel data, keeping the elements that `keep` asks for.
///
/// # Errors
/// `Input` where an element is longer than what is left of the data set, or nested too deep.
pub(super) fn elements(bytes: &[u8], encoding: Encoding, keep: impl Fn(Tag) -> bool) -> Result<Elements> {
    let mut elements = Elements::new();
    let mut at = 0;
    while at < bytes.len() {
        let element = element_at(bytes, at, encoding)?;
        at = element.value.end;
        let last = element.tag == PIXEL_DATA;
        if last || keep(element.tag) {
            elements.entry(element.tag).or_insert(element);
        }
        if last {
            break;
        }
    }
    Ok(elements)
}

/// The content of each item of a sequence, at most `most` of them.
pub(super) fn items(bytes: &[u8], sequence: &Element, encoding: Encoding, most: usize) -> Result<Vec<Range<usize>>> {
    let mut items = Vec::new();
    let mut at = sequence.value.start;
    while at < sequence.value.end && items.len() < most {
        let (tag, length) = item_header(bytes, at, encoding)?;
        if tag == SEQUENCE_DELIMITER {
            break;
        }
        let end = skip_item(bytes, at, tag, length, encoding, 0)?;
        items.push(at + 8..if length == UNDEFINED { end - 8 } else { end });
        at = end;
    }
    Ok(items)
}

/// Basic offset table and fragments of encapsulated pixel data (PS3.5 A.4).
pub(super) fn fragments(bytes: &[u8], pixel_data: &Element) -> Result<(Vec<u32>, Vec<Range<usize>>)> {
    let (mut table, mut fragments) = (None, Vec::new());
    let mut at = pixel_data.value.start;
    while at < pixel_data.value.end {
        // A missing sequence delimiter at the very end loses nothing.
        let (tag, length) = item_header(bytes, at, Encoding::ExplicitLittle)?;
        if tag == SEQUENCE_DELIMITER {
            break;
        }
        let end = at.saturating_add(8).saturating_add(length as usize);
        if tag != ITEM || end > bytes.len() {
            return Err(Error::Input("the encapsulated pixel data is truncated or malformed".to_owned()));
        }
        if table.is_none() {
            table = Some(bytes[at + 8..end].chunks_exact(4).map(|b| u32::from_le_bytes([b[0], b[1], b[2], b[3]])).collect());
        } else if fragments.len() == MAX_FRAGMENTS {
            return Err(Error::LimitsExceeded(format!("the pixel data holds more than {MAX_FRAGMENTS} fragments")));
        } else {
            fragments.push(at + 8..end);
        }
        at = end;
    }
    Ok((table.unwrap_or_default(), fragments))
}

const ITEM: Tag = Tag(0xfffe, 0xe000);
const ITEM_DELIMITER: Tag = Tag(0xfffe, 0xe00d);
const SEQUENCE_DELIMITER: Tag = Tag(0xfffe, 0xe0dd);

fn element_at(bytes: &[u8], at: usize, encoding: Encoding) -> Result<Element> {
    element_at_depth(bytes, at, encoding, 0)
}

fn element_at_depth(bytes: &[u8], at: usize, encoding: Encoding, depth: usize) -> Result<Element> {
    let tag = tag_at(bytes, at, encoding)?;
    let (vr, length, start) = if encoding == Encoding::ImplicitLittle {
        (None, u32_at(bytes, at + 4, encoding)?, at + 8)
    } else {
        let vr: [u8; 2] = bytes.get(at + 4..at + 6).and_then(|b| b.try_into().ok()).ok_or_else(|| cut_off(at))?;
        if has_short_length(vr) {
            (Some(vr), u32::from(u16_at(bytes, at + 6, encoding)?), at + 8)
        } else {
            (Some(vr), u32_at(bytes, at + 8, encoding)?, at + 12)
        }
    };
    let undefined = length == UNDEFINED;
    let end = if undefined && tag == PIXEL_DATA {
        bytes.len()
    } else if undefined {
        // A sequence of unknown value representation is written in implicit encoding (PS3.5 6.2.2 note 4).
        let inner = if vr == Some(*b"UN") { Encoding::ImplicitLittle } else { encoding };
        skip_sequence(bytes, start, inner, depth)?
    } else {
        start.saturating_add(length as usize)
    };
    // Short pixel data is reported with the size it should have.
    let end = if tag == PIXEL_DATA { end.min(bytes.len()) } else { end };
    if end > bytes.len() {
        return Err(Error::Input(format!("the data set is truncated or malformed: element {tag} of {length} bytes goes beyond its end")));
    }
    Ok(Element { tag, vr, header: at..start, value: start..end, undefined })
}

/// The end of a sequence of undefined length, behind its delimiter.
fn skip_sequence(bytes: &[u8], mut at: usize, encoding: Encoding, depth: usize) -> Result<usize> {
    if depth >= MAX_DEPTH {
        return Err(Error::Input(format!("sequences are nested deeper than {MAX_DEPTH}")));
    }
    loop {
        let (tag, length) = item_header(bytes, at, encoding)?;
        if tag == SEQUENCE_DELIMITER {
            return Ok(at + 8);
        }
        at = skip_item(bytes, at, tag, length, encoding, depth)?;
    }
}

/// The end of an item, behind its delimiter where its length is undefined.
fn skip_item(bytes: &[u8], at: usize, tag: Tag, length: u32, encoding: Encoding, depth: usize) -> Result<usize> {
    if tag != ITEM {
        return Err(Error::Input(format!("the data set is malformed: {tag} where an item should start (byte {at})")));
    }
    if length != UNDEFINED {
        let end = at.saturating_add(8).saturating_add(length as usize);
        return if end <= bytes.len() { Ok(end) } else { Err(cut_off(at)) };
    }
    let mut at = at + 8;
    while tag_at(bytes, at, encoding)? != ITEM_DELIMITER {
        at = element_at_depth(bytes, at, encoding, depth + 1)?.value.end;
    }
    if bytes.len() < at + 8 { Err(cut_off(at)) } else { Ok(at + 8) }
}

fn item_header(bytes: &[u8], at: usize, encoding: Encoding) -> Result<(Tag, u32)> {
    Ok((tag_at(bytes, at, encoding)?, u32_at(bytes, at + 4, encoding)?))
}

/// Value representations whose length takes 16 bits (PS3.5 7.1.2); all others, future ones included, take 32.
pub(super) fn has_short_length(vr: [u8; 2]) -> bool {
    const SHORT: [&[u8; 2]; 21] = [
        b"AE", b"AS", b"AT", b"CS", b"DA", b"DS", b"DT", b"FL", b"FD", b"IS", b"LO", b"LT", b"PN", b"SH", b"SL", b"SS", b"ST", b"TM",
        b"UI", b"UL", b"US",
    ];
    SHORT.contains(&&vr)
}

fn tag_at(bytes: &[u8], at: usize, encoding: Encoding) -> Result<Tag> {
    Ok(Tag(u16_at(bytes, at, encoding)?, u16_at(bytes, at + 2, encoding)?))
}

fn u16_at(bytes: &[u8], at: usize, encoding: Encoding) -> Result<u16> {
    let pair = bytes.get(at..at.saturating_add(2)).and_then(|b| b.try_into().ok()).ok_or_else(|| cut_off(at))?;
    Ok(if encoding == Encoding::ExplicitBig { u16::from_be_bytes(pair) } else { u16::from_le_bytes(pair) })
}

fn u32_at(bytes: &[u8], at: usize, encoding: Encoding) -> Result<u32> {
    let quad = bytes.get(at..at.saturating_add(4)).and_then(|b| b.try_into().ok()).ok_or_else(|| cut_off(at))?;
    Ok(if encoding == Encoding::ExplicitBig { u32::from_be_bytes(quad) } else { u32::from_le_bytes(quad) })
}

fn cut_off(at: usize) -> Error {
    Error::Input(format!("the data set is truncated or malformed: it ends within an element (byte {at})"))
}
