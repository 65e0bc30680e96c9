//! Five faults for every element of valid files, whatever their transfer syntax: the file ends there, the value representation or
//! the length is wrong, the element is missing, or it is there twice.

use super::hostile::check;
use super::*;
use crate::radiograph::dicom::structure::{self, Encoding};
use dicom_core::value::DataSetSequence;
use std::ops::Range;

const VRS: [&[u8; 2]; 16] =
    [b"SQ", b"UN", b"OB", b"OW", b"FD", b"AT", b"UI", b"DA", b"SL", b"SS", b"PN", b"UT", b"US", b"DS", b"IS", b"??"];
const LENGTHS: [u32; 12] = [0, 1, 2, 3, 7, 255, 0xfffe, 0xffff, 0x1_0000, 0x7fff_ffff, u32::MAX - 1, u32::MAX];

/// An element's place in its file.
struct Place {
    name: String,
    header: Range<usize>,
    value: Range<usize>,
    /// Whether a value representation is written.
    explicit: bool,
    big: bool,
}

/// Every element of a file: file meta information, data set, and the items of its look-up tables.
fn places(bytes: &[u8], encoding: Encoding) -> Vec<Place> {
    let (_, start) = structure::file_meta(bytes).unwrap();
    let mut places = Vec::new();
    let mut add = |from: Range<usize>, encoding: Encoding| {
        for (tag, element) in structure::elements(&bytes[from.clone()], encoding, |_| true).unwrap() {
            let at = |range: &Range<usize>| range.start + from.start..range.end + from.start;
            places.push(Place {
                name: tag.to_string(),
                header: at(&element.header),
                value: at(&element.value),
                explicit: encoding != Encoding::ImplicitLittle,
                big: encoding == Encoding::ExplicitBig,
            });
        }
    };
    add(132..start, Encoding::ExplicitLittle);
    add(start..bytes.len(), encoding);
    let elements = structure::elements(&bytes[start..], encoding, |_| true).unwrap();
    for sequence in [VOI_LUT_SEQUENCE, MODALITY_LUT_SEQUENCE].iter().filter_map(|tag| elements.get(tag)) {
        for item in structure::items(&bytes[start..], sequence, encoding, 9).unwrap() {
            add(item.start + start..item.end + start, encoding);
        }
    }
    places
}

/// The file with `range` replaced.
fn replaced(bytes: &[u8], range: Range<usize>, by: &[u8]) -> Vec<u8> {
    [&bytes[..range.start], by, &bytes[range.end..]].concat()
}

fn try_every_fault(file: &str, bytes: &[u8], encoding: Encoding) {
    let whole = check(file, bytes).unwrap();
    for place in places(bytes, encoding) {
        let Place { name, header, value, explicit, big } = place;
        let what = |fault: &str| format!("{file}: {name} {fault}");
        let element = header.start..value.end;
        for end in [header.start, header.start + 3, header.end - 1, header.end, (value.start + value.end) / 2, value.end] {
            if let Some(part) = check(&what("cut off"), &bytes[..end]) {
                assert_eq!(part.pixels(), whole.pixels(), "{file}: half an image, cut in {name} at {end} of {}", bytes.len());
            }
        }
        check(&what("missing"), &replaced(bytes, element.clone(), &[]));
        let copy = &bytes[element.clone()];
        check(&what("doubled"), &replaced(bytes, element.end..element.end, copy));
        // Again, with another value, before and after.
        let other: Vec<u8> = copy.iter().enumerate().map(|(at, byte)| if at < header.len() { *byte } else { byte ^ 1 }).collect();
        check(&what("doubled and changed"), &replaced(bytes, element.end..element.end, &other));
        check(&what("doubled and changed"), &replaced(bytes, element.start..element.start, &other));
        if explicit {
            for vr in VRS {
                check(&what("of another representation"), &replaced(bytes, header.start + 4..header.start + 6, vr));
            }
        }
        // The length ends the header; short explicit headers have 16 bits for it.
        let width = if explicit && header.len() == 8 { 2 } else { 4 };
        for length in LENGTHS {
            let field = match (width, big) {
                (2, false) => (length as u16).to_le_bytes().to_vec(),
                (2, true) => (length as u16).to_be_bytes().to_vec(),
                (_, false) => length.to_le_bytes().to_vec(),
                (_, true) => length.to_be_bytes().to_vec(),
            };
            check(&what("of another length"), &replaced(bytes, header.end - width..header.end, &field));
        }
    }
}

#[test]
fn native_objects() {
    let mut object = object(&[5, 6, 7, 8, 9, 10], 2);
    for (tag, vr, value) in [
        (WINDOW_CENTER, VR::DS, "10\\20"),
        (WINDOW_WIDTH, VR::DS, "20\\30"),
        (VOI_LUT_FUNCTION, VR::CS, "SIGMOID"),
        (RESCALE_SLOPE, VR::DS, "2"),
        (RESCALE_INTERCEPT, VR::DS, "-3"),
        (PIXEL_SPACING, VR::DS, "1\\1"),
        (IMAGER_PIXEL_SPACING, VR::DS, "1\\1"),
        (PIXEL_ASPECT_RATIO, VR::IS, "1\\1"),
        (PATIENT_ORIENTATION, VR::CS, "R\\F"),
        (PRESENTATION_LUT_SHAPE, VR::CS, "INVERSE"),
        (PRESENTATION_INTENT_TYPE, VR::CS, "FOR PRESENTATION"),
        (VIEW_POSITION, VR::CS, "PA"),
        (NUMBER_OF_FRAMES, VR::IS, "1"),
    ] {
        text(&mut object, tag, vr, value);
    }
    number(&mut object, PIXEL_PADDING_VALUE, 5);
    number(&mut object, PIXEL_PADDING_RANGE_LIMIT, 6);
    let mut table = InMemDicomObject::new_empty();
    table.put(DataElement::new(LUT_DESCRIPTOR, VR::US, PrimitiveValue::U16(vec![3, 5, 12].into())));
    table.put(DataElement::new(LUT_DATA, VR::OW, PrimitiveValue::U16(vec![1, 2, 3, 4].into())));
    for sequence in [VOI_LUT_SEQUENCE, MODALITY_LUT_SEQUENCE] {
        object.put(DataElement::new(sequence, VR::SQ, DataSetSequence::from(vec![table.clone()])));
    }
    let syntaxes = [
        ("1.2.840.10008.1.2", Encoding::ImplicitLittle),
        (EXPLICIT, Encoding::ExplicitLittle),
        ("1.2.840.10008.1.2.2", Encoding::ExplicitBig),
    ];
    for (syntax, encoding) in syntaxes {
        try_every_fault(syntax, &file(&object, syntax), encoding);
    }
}

#[test]
fn compressed_objects() {
    let names =
        ["rle-16", "jpeg-baseline-8", "jpeg-extended-12", "jpeg-lossless-sv1-16", "jpeg-ls-16", "jpeg-2000-16", "htj2k-16", "jpeg-xl-16"];
    for (name, bytes) in fixtures::all().into_iter().filter(|(name, _)| names.contains(&name.as_str())) {
        try_every_fault(&name, &bytes, Encoding::ExplicitLittle);
    }
}
