//! Stored values to presentation: (attributes, stored values, expected pixels).

use super::*;
use crate::radiograph::Note;
use dicom_core::value::DataSetSequence;

fn sixteen(words: &[u16], bits_stored: u16, signed: bool) -> InMemDicomObject {
    let mut object = object(words, 1);
    number(&mut object, BITS_STORED, bits_stored);
    number(&mut object, HIGH_BIT, bits_stored - 1);
    number(&mut object, PIXEL_REPRESENTATION, u16::from(signed));
    object
}

fn windowed(words: &[u16], function: Option<&str>, center: &str, width: &str) -> InMemDicomObject {
    let mut object = sixteen(words, 12, false);
    text(&mut object, WINDOW_CENTER, VR::DS, center);
    text(&mut object, WINDOW_WIDTH, VR::DS, width);
    if let Some(function) = function {
        text(&mut object, VOI_LUT_FUNCTION, VR::CS, function);
    }
    object
}

fn with_lut(object: &mut InMemDicomObject, sequence: Tag, vr: VR, descriptor: [u16; 3], data: &[u16]) {
    let descriptor = match vr {
        VR::SS => PrimitiveValue::I16(descriptor.iter().map(|&v| v as i16).collect()),
        _ => PrimitiveValue::U16(descriptor.iter().copied().collect()),
    };
    let item = InMemDicomObject::from_element_iter([
        DataElement::new(LUT_DESCRIPTOR, vr, descriptor),
        DataElement::new(LUT_DATA, VR::OW, PrimitiveValue::U16(data.iter().copied().collect())),
    ]);
    object.put(DataElement::new(sequence, VR::SQ, DataSetSequence::from(vec![item])));
}

#[test]
fn without_a_window_the_range_of_the_image_is_spread() {
    assert_eq!(pixels(&sixteen(&[100, 200, 300], 12, false)), [0, 32768, 65535]);
    assert_eq!(pixels(&sixteen(&[7, 7], 12, false)), [0, 0]);
    // -2048, -1, 0 and 2047 in 12 bits, whatever stands above them.
    assert_eq!(pixels(&sixteen(&[0x0800, 0xffff, 0x3000, 0xf7ff], 12, true)), [0, 32759, 32776, 65535]);
    assert_eq!(pixels(&sixteen(&[0x8000, 0xffff, 0x7fff], 16, true)), [0, 32767, 65535]);
    assert_eq!(pixels(&sixteen(&[0, 1, 1023], 10, false)), [0, 64, 65535]);
}

#[test]
fn the_high_bit_says_where_values_lie() {
    let mut object = sixteen(&[0x1230, 0x456f, 0x7890], 12, false);
    number(&mut object, HIGH_BIT, 15);
    // 0x123, 0x456, 0x789.
    assert_eq!(pixels(&object), [0, 32768, 65535]);
}

#[test]
fn eight_bits_allocated() {
    let mut object = sixteen(&[0x0000], 8, false);
    number(&mut object, BITS_ALLOCATED, 8);
    number(&mut object, COLUMNS, 3);
    object.put(DataElement::new(PIXEL_DATA, VR::OB, PrimitiveValue::from([10u8, 20, 30, 0])));
    assert_eq!(pixels(&object), [0, 32768, 65535]);
    number(&mut object, PIXEL_REPRESENTATION, 1);
    object.put(DataElement::new(PIXEL_DATA, VR::OB, PrimitiveValue::from([0x80u8, 0xff, 0x7f, 0])));
    assert_eq!(pixels(&object), [0, 32639, 65535]);
}

#[test]
fn linear_windows_follow_the_standard() {
    // PS3.3 C.11.2.1.2.1, the example of center 2048 and width 4096 on 0 to 4095.
    assert_eq!(pixels(&windowed(&[0, 2047, 2048, 4095], None, "2048", "4096")), [0, 32759, 32776, 65535]);
    assert_eq!(pixels(&windowed(&[0, 100, 101, 102, 4095], Some("LINEAR"), "101", "3")), [0, 16384, 49151, 65535, 65535]);
    // Width 1 is a threshold.
    assert_eq!(pixels(&windowed(&[99, 100, 101], None, "100", "1")), [0, 65535, 65535]);
    assert_eq!(pixels(&windowed(&[0, 50, 100, 150, 200], Some("LINEAR_EXACT"), "100", "100")), [0, 0, 32768, 65535, 65535]);
    // The first of several windows counts.
    assert_eq!(pixels(&windowed(&[0, 100, 200], Some("LINEAR_EXACT"), "100\\7", "200\\9")), [0, 32768, 65535]);
}

#[test]
fn sigmoid_windows_follow_the_standard() {
    // 65535 / (1 + exp(-4 (x - 100) / 50)) for x = 0, 75, 100, 125, 4095.
    let object = windowed(&[0, 75, 100, 125, 4095], Some("SIGMOID"), "100", "50");
    assert_eq!(pixels(&object), [22, 7812, 32768, 57723, 65535]);
}

#[test]
fn unusable_windows_are_ignored_and_noted() {
    for (center, width) in [("100", "0"), ("100", "0.5"), ("100", "-5"), ("100", ""), ("", "100"), ("1e999", "10")] {
        let radiograph = read(&windowed(&[100, 200, 300], None, center, width)).unwrap();
        assert_eq!(radiograph.pixels().as_slice(), Some(&[0, 32768, 65535][..]), "{center} {width}");
        assert_eq!(radiograph.notes(), [Note::WindowIgnored]);
    }
    assert_eq!(pixels(&windowed(&[100, 200, 300], Some("LINEAR_EXACT"), "200", "0.5")), [0, 32768, 65535]);
}

#[test]
fn the_rescale_comes_before_the_window() {
    let mut object = windowed(&[0, 1024, 2048], Some("LINEAR_EXACT"), "1000", "2000");
    text(&mut object, RESCALE_SLOPE, VR::DS, "2");
    text(&mut object, RESCALE_INTERCEPT, VR::DS, "-1048");
    // -1048, 1000, 3048.
    assert_eq!(pixels(&object), [0, 32768, 65535]);
    let mut falling = sixteen(&[0, 50, 100], 12, false);
    text(&mut falling, RESCALE_SLOPE, VR::DS, "-1");
    assert_eq!(pixels(&falling), [65535, 32768, 0]);
    text(&mut falling, RESCALE_SLOPE, VR::DS, "0");
    assert!(error(&falling).contains("leave no image"));
}

#[test]
fn monochrome1_is_inverted_once_and_after_the_window() {
    for (photometric, shape) in [("MONOCHROME1", None), ("MONOCHROME1", Some("INVERSE")), ("MONOCHROME2", Some("INVERSE"))] {
        let mut object = windowed(&[0, 50, 100, 125, 150, 4095], Some("LINEAR_EXACT"), "100", "100");
        text(&mut object, PHOTOMETRIC_INTERPRETATION, VR::CS, photometric);
        if let Some(shape) = shape {
            text(&mut object, PRESENTATION_LUT_SHAPE, VR::CS, shape);
        }
        let radiograph = read(&object).unwrap();
        assert_eq!(radiograph.pixels().as_slice(), Some(&[65535, 65535, 32767, 16384, 0, 0][..]), "{photometric} {shape:?}");
        assert_eq!(radiograph.notes(), [Note::Inverted]);
    }
    let mut identity = sixteen(&[0, 1], 12, false);
    text(&mut identity, PRESENTATION_LUT_SHAPE, VR::CS, "IDENTITY");
    assert_eq!(pixels(&identity), [0, 65535]);
}

#[test]
fn padding_is_black_and_does_not_count() {
    let mut object = sixteen(&[100, 4000, 200, 300], 12, false);
    number(&mut object, PIXEL_PADDING_VALUE, 4000);
    assert_eq!(pixels(&object), [0, 0, 32768, 65535]);
    text(&mut object, PHOTOMETRIC_INTERPRETATION, VR::CS, "MONOCHROME1");
    assert_eq!(pixels(&object), [65535, 0, 32767, 0]);
    // A range of padding values, from the value to the limit.
    text(&mut object, PHOTOMETRIC_INTERPRETATION, VR::CS, "MONOCHROME2");
    number(&mut object, PIXEL_PADDING_RANGE_LIMIT, 250);
    assert_eq!(pixels(&object), [0, 0, 65535, 0]);
    // -2000 written unsigned, beside signed pixels.
    let mut signed = sixteen(&[(-2000i16) as u16, (-10i16) as u16, 0, 10], 16, true);
    number(&mut signed, PIXEL_PADDING_VALUE, (-2000i16) as u16);
    assert_eq!(pixels(&signed), [0, 0, 32768, 65535]);
    signed.put(DataElement::new(PIXEL_PADDING_VALUE, VR::SS, PrimitiveValue::from(-2000i16)));
    assert_eq!(pixels(&signed), [0, 0, 32768, 65535]);
    let mut all = sixteen(&[5, 5], 12, false);
    number(&mut all, PIXEL_PADDING_VALUE, 5);
    assert_eq!(pixels(&all), [0, 0]);
}

#[test]
fn voi_luts_come_before_windows() {
    let mut object = windowed(&[0, 10, 11, 12, 4095], None, "2048", "4096");
    with_lut(&mut object, VOI_LUT_SEQUENCE, VR::US, [3, 10, 12], &[0, 4095, 1024]);
    // Below the table its first entry, above it its last; 12-bit entries over the full range.
    assert_eq!(pixels(&object), [0, 0, 65535, 16388, 16388]);
    // A signed table: -1, 0, 1.
    let mut signed = sixteen(&[0xffff, 0, 1], 16, true);
    with_lut(&mut signed, VOI_LUT_SEQUENCE, VR::SS, [3, 0xffff, 16], &[1, 2, 3]);
    assert_eq!(pixels(&signed), [1, 2, 3]);
    // The same where the writer called it unsigned.
    with_lut(&mut signed, VOI_LUT_SEQUENCE, VR::US, [3, 0xffff, 16], &[1, 2, 3]);
    assert_eq!(pixels(&signed), [1, 2, 3]);
    // Eight-bit entries packed two to a word: 1, 2, 255.
    let mut packed = sixteen(&[0, 1, 2], 12, false);
    with_lut(&mut packed, VOI_LUT_SEQUENCE, VR::US, [3, 0, 8], &[0x0201, 0x00ff]);
    assert_eq!(pixels(&packed), [257, 514, 65535]);
    // In big endian words, too.
    let big = Radiograph::from_bytes(&file(&packed, "1.2.840.10008.1.2.2")).unwrap();
    assert_eq!(big.pixels().as_slice(), Some(&[257, 514, 65535][..]));
    let implicit = Radiograph::from_bytes(&file(&packed, "1.2.840.10008.1.2")).unwrap();
    assert_eq!(implicit.pixels().as_slice(), Some(&[257, 514, 65535][..]));
}

#[test]
fn a_table_of_65536_entries_is_written_as_0() {
    let mut object = sixteen(&[0, 1, 65535], 16, false);
    let falling: Vec<u16> = (0..=65535).rev().collect();
    with_lut(&mut object, VOI_LUT_SEQUENCE, VR::US, [0, 0, 16], &falling);
    assert_eq!(pixels(&object), [65535, 65534, 0]);
}

#[test]
fn modality_luts_replace_the_rescale() {
    let mut object = sixteen(&[0, 1, 2], 12, false);
    text(&mut object, RESCALE_SLOPE, VR::DS, "100");
    with_lut(&mut object, MODALITY_LUT_SEQUENCE, VR::US, [3, 0, 16], &[1000, 3000, 2000]);
    assert_eq!(pixels(&object), [0, 65535, 32768]);
}

#[test]
fn malformed_tables_are_refused() {
    for (descriptor, data) in [([3, 0, 0], &[1u16, 2, 3][..]), ([3, 0, 17], &[1, 2, 3]), ([3, 0, 12], &[1, 2]), ([0, 0, 8], &[1])] {
        let mut object = sixteen(&[0, 1], 12, false);
        with_lut(&mut object, VOI_LUT_SEQUENCE, VR::US, descriptor, data);
        assert!(error(&object).contains("malformed"), "{descriptor:?}");
    }
    let mut object = sixteen(&[0, 1], 12, false);
    let empty = InMemDicomObject::new_empty();
    object.put(DataElement::new(VOI_LUT_SEQUENCE, VR::SQ, DataSetSequence::from(vec![empty])));
    assert!(error(&object).contains("no LUT Descriptor"));
    object.put(DataElement::new(VOI_LUT_SEQUENCE, VR::SQ, DataSetSequence::from(Vec::<InMemDicomObject>::new())));
    assert_eq!(pixels(&object), [0, 65535]);
}

#[test]
fn collimation_borders_do_not_count_for_the_range() {
    // 0 and 4095 are borders around 100 to 109.
    let mut words = vec![0u16; 8 * 10];
    for row in 0..8 {
        for column in 0..10 {
            words[row * 10 + column] = match (row, column) {
                (_, 8..) => 4095,
                (..2, _) => 0,
                _ => 100 + (row + column) as u16 % 10,
            };
        }
    }
    let mut object = object(&words, 8);
    number(&mut object, BITS_STORED, 12);
    number(&mut object, HIGH_BIT, 11);
    let radiograph = read(&object).unwrap();
    assert_eq!(radiograph.notes(), [Note::BorderIgnored]);
    for (&pixel, word) in radiograph.pixels().iter().zip(&words) {
        let expected = ((f64::from(*word) - 100.0) / 9.0).clamp(0.0, 1.0) * 65535.0;
        assert_eq!(pixel, expected.round() as u16, "{word}");
    }
    // A window needs no range.
    text(&mut object, WINDOW_CENTER, VR::DS, "2048");
    text(&mut object, WINDOW_WIDTH, VR::DS, "4096");
    assert_eq!(read(&object).unwrap().notes(), []);
}
