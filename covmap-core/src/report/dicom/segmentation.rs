//! Segmentation Storage (PS3.3 A.51, C.8.20): right lung, left lung and opacity as one bit a pixel, or the infection map as one
//! byte a pixel.

use dicom_core::VR;
use dicom_dictionary_std::{tags, uids};
use ndarray::Array2;

use super::dataset::{Code, DataSet, plain};
use super::header::{Origin, STATEMENT};
use super::outline::{Outline, OutlineOrigin};
use crate::lung::{LEFT, RIGHT};
use crate::{Analysis, Error, Radiograph, Result};

/// Of the binary and of the fractional object, and of a reader's.
const SERIES_NUMBERS: [u16; 3] = [9001, 9004, 9005];

/// Who segmented.
#[derive(Clone, Copy)]
enum Maker<'a> {
    Network,
    Reader(&'a Outline),
}

/// A segment: what it is, and where.
struct Segment<T> {
    label: &'static str,
    category: Code,
    property: Code,
    modifier: Option<Code>,
    plane: Array2<T>,
}

impl<T: Clone> Segment<T> {
    /// In the pixel grid of the stored source, which viewers lay segments over.
    fn stored(self, radiograph: &Radiograph) -> Self {
        Segment { plane: radiograph.turn().inverse().apply(self.plane), ..self }
    }
}

/// Masks as bits.
pub(super) fn encode_binary(origin: &Origin<'_>, radiograph: &Radiograph, analysis: &Analysis) -> Result<Vec<u8>> {
    let segments: Vec<Segment<bool>> = segments(analysis).into_iter().map(|s| s.stored(radiograph)).collect();
    let data = object(origin, "seg", SERIES_NUMBERS[0], "covmap: lungs and opacity", &segments, Maker::Network)?;
    binary(data, origin, "seg", &segments)
}

/// A reader's masks as bits: lungs, ground glass, consolidation.
pub(super) fn encode_outline(origin: &Origin<'_>, radiograph: &Radiograph, outline: &Outline) -> Result<Vec<u8>> {
    let kind = |label, value: u8| Segment { label, ..opacity(outline.opacity.mapv(|v| v == value)) };
    let lungs = outline.lungs.iter().flat_map(lungs);
    let segments = lungs.chain([kind("Ground-glass opacity", 1), kind("Consolidation", 2)]);
    let segments: Vec<Segment<bool>> = segments.map(|s| s.stored(radiograph)).collect();
    let data = object(origin, "outline", SERIES_NUMBERS[2], "Outlined by a reader", &segments, Maker::Reader(outline))?.text(
        tags::DEVICE_SERIAL_NUMBER,
        VR::LO,
        "none",
    );
    binary(data, origin, "outline", &segments)
}

fn binary(data: DataSet, origin: &Origin<'_>, kind: &str, segments: &[Segment<bool>]) -> Result<Vec<u8>> {
    data.number(tags::BITS_ALLOCATED, 1)
        .number(tags::BITS_STORED, 1)
        .number(tags::HIGH_BIT, 0)
        .text(tags::SEGMENTATION_TYPE, VR::CS, "BINARY")
        .text(tags::SEGMENTS_OVERLAP, VR::CS, if segments.len() > 1 { "YES" } else { "NO" })
        .pixels(pack(segments.iter().map(|s| &s.plane)))
        .into_file(uids::SEGMENTATION_STORAGE, &origin.uid(kind))
}

/// The infection map as probabilities: 255 is 1, and 128 and more is what the binary object's segment holds.
pub(super) fn encode_fractional(origin: &Origin<'_>, radiograph: &Radiograph, analysis: &Analysis) -> Result<Vec<u8>> {
    let segment = opacity(analysis.infection.bytes().clone()).stored(radiograph);
    let bytes = segment.plane.iter().copied().collect();
    object(origin, "map", SERIES_NUMBERS[1], "covmap: probability of opacity", &[segment], Maker::Network)?
        .number(tags::BITS_ALLOCATED, 8)
        .number(tags::BITS_STORED, 8)
        .number(tags::HIGH_BIT, 7)
        .text(tags::SEGMENTATION_TYPE, VR::CS, "FRACTIONAL")
        .text(tags::SEGMENTATION_FRACTIONAL_TYPE, VR::CS, "PROBABILITY")
        .number(tags::MAXIMUM_FRACTIONAL_VALUE, 255)
        .text(tags::SEGMENTS_OVERLAP, VR::CS, "NO")
        .pixels(bytes)
        .into_file(uids::SEGMENTATION_STORAGE, &origin.uid("map"))
}

/// All but the pixels and how they are stored.
fn object<T>(
    origin: &Origin<'_>,
    kind: &str,
    series_number: u16,
    description: &str,
    segments: &[Segment<T>],
    maker: Maker<'_>,
) -> Result<DataSet> {
    let (rows, columns) = segments.first().map_or((0, 0), |s| s.plane.dim());
    let side = |pixels: usize| u16::try_from(pixels).map_err(|_| Error::Parameter("a DICOM image has at most 65,535 pixels a side".into()));
    let organization = origin.uid(&format!("{kind} dimensions"));
    let data = origin.data_set(uids::SEGMENTATION_STORAGE, kind, "SEG", series_number, description);
    let data = origin.copied(data, tags::PATIENT_ORIENTATION, true);
    let data = origin
        .compression(data)
        .text(tags::IMAGE_TYPE, VR::CS, "DERIVED\\PRIMARY")
        .text(tags::CONTENT_LABEL, VR::CS, "OPACITY")
        .text(tags::CONTENT_DESCRIPTION, VR::LO, "Opacity consistent with; not a diagnosis")
        .text(
            tags::CONTENT_CREATOR_NAME,
            VR::PN,
            match maker {
                Maker::Network => "covmap",
                Maker::Reader(outline) => &outline.reader,
            },
        )
        .sequence(tags::REFERENCED_SERIES_SEQUENCE, [origin.referenced_series()])
        .number(tags::SAMPLES_PER_PIXEL, 1)
        .text(tags::PHOTOMETRIC_INTERPRETATION, VR::CS, "MONOCHROME2")
        .number(tags::ROWS, side(rows)?)
        .number(tags::COLUMNS, side(columns)?)
        .number(tags::PIXEL_REPRESENTATION, 0)
        .text(tags::NUMBER_OF_FRAMES, VR::IS, &segments.len().to_string())
        .sequence(tags::SEGMENT_SEQUENCE, segments.iter().zip(1..).map(|(s, number)| describe(origin, s, number, maker)))
        .sequence(tags::DIMENSION_ORGANIZATION_SEQUENCE, [DataSet::new().text(tags::DIMENSION_ORGANIZATION_UID, VR::UI, &organization)])
        .sequence(
            tags::DIMENSION_INDEX_SEQUENCE,
            [DataSet::new()
                .text(tags::DIMENSION_ORGANIZATION_UID, VR::UI, &organization)
                .pointer(tags::DIMENSION_INDEX_POINTER, tags::REFERENCED_SEGMENT_NUMBER)
                .pointer(tags::FUNCTIONAL_GROUP_POINTER, tags::SEGMENT_IDENTIFICATION_SEQUENCE)
                .text(tags::DIMENSION_DESCRIPTION_LABEL, VR::LO, "Referenced Segment Number")],
        )
        .sequence(tags::SHARED_FUNCTIONAL_GROUPS_SEQUENCE, [DataSet::new()])
        .sequence(tags::PER_FRAME_FUNCTIONAL_GROUPS_SEQUENCE, (1..).take(segments.len()).map(|number| frame(origin, number)));
    Ok(data)
}

/// Lungs only where a model of the pipeline finds them; every segment is there even if it is empty.
fn segments(analysis: &Analysis) -> Vec<Segment<bool>> {
    let opacity = opacity(analysis.infection.bytes().mapv(|byte| byte >= 128));
    analysis.lungs.iter().flat_map(|l| lungs(l.labels())).chain([opacity]).collect()
}

/// Of labels 1, the patient's right lung, and 2, left.
fn lungs(labels: &Array2<u8>) -> [Segment<bool>; 2] {
    const ORGAN: Code = Code("91723000", "SCT", "Anatomical Structure");
    const LUNG: Code = Code("39607008", "SCT", "Lung");
    let lung = |label, modifier, wanted: u8| Segment {
        label,
        category: ORGAN,
        property: LUNG,
        modifier: Some(modifier),
        plane: labels.mapv(|l| l == wanted),
    };
    let right = lung("Right lung", Code("24028007", "SCT", "Right"), RIGHT);
    [right, lung("Left lung", Code("7771000", "SCT", "Left"), LEFT)]
}

fn opacity<T>(plane: Array2<T>) -> Segment<T> {
    Segment {
        label: "Opacity",
        category: Code("49755003", "SCT", "Morphologically Abnormal Structure"),
        property: Code("112001", "DCM", "Opacity"),
        modifier: None,
        plane,
    }
}

/// An item of Segment Sequence.
fn describe<T>(origin: &Origin<'_>, segment: &Segment<T>, number: u16, maker: Maker<'_>) -> DataSet {
    let mut property = segment.property.item();
    if let Some(modifier) = segment.modifier {
        property = DataSet::new()
            .code(tags::SEGMENTED_PROPERTY_TYPE_MODIFIER_CODE_SEQUENCE, modifier)
            .text(tags::CODE_VALUE, VR::SH, segment.property.0)
            .text(tags::CODING_SCHEME_DESIGNATOR, VR::SH, segment.property.1)
            .text(tags::CODE_MEANING, VR::LO, segment.property.2);
    }
    let data = DataSet::new()
        .number(tags::SEGMENT_NUMBER, number)
        .text(tags::SEGMENT_LABEL, VR::LO, segment.label)
        .code(tags::SEGMENTED_PROPERTY_CATEGORY_CODE_SEQUENCE, segment.category)
        .sequence(tags::SEGMENTED_PROPERTY_TYPE_CODE_SEQUENCE, [property]);
    let data = match maker {
        Maker::Network => data
            .text(tags::SEGMENT_ALGORITHM_TYPE, VR::CS, "AUTOMATIC")
            .text(tags::SEGMENT_ALGORITHM_NAME, VR::LO, &origin.model_name(64))
            .sequence(tags::SEGMENTATION_ALGORITHM_IDENTIFICATION_SEQUENCE, [origin.algorithm()]),
        Maker::Reader(Outline { origin: OutlineOrigin::Hand, .. }) => data.text(tags::SEGMENT_ALGORITHM_TYPE, VR::CS, "MANUAL"),
        Maker::Reader(Outline { origin: OutlineOrigin::Model(model), .. }) => data
            .text(tags::SEGMENT_ALGORITHM_TYPE, VR::CS, "SEMIAUTOMATIC")
            .text(tags::SEGMENT_ALGORITHM_NAME, VR::LO, &plain(&format!("proposal of model {model}"), 64)),
    };
    data.text(tags::TRACKING_ID, VR::UT, segment.label).text(tags::TRACKING_UID, VR::UI, &origin.uid(segment.label))
}

/// An item of Per-frame Functional Groups Sequence. The source stands in every frame, where readers look for it.
fn frame(origin: &Origin<'_>, number: u16) -> DataSet {
    let derivation = DataSet::new()
        .text(tags::DERIVATION_DESCRIPTION, VR::ST, STATEMENT)
        .code(tags::DERIVATION_CODE_SEQUENCE, Code("113076", "DCM", "Segmentation"))
        .sequence(tags::SOURCE_IMAGE_SEQUENCE, [origin.source_reference(true)]);
    DataSet::new()
        .sequence(tags::DERIVATION_IMAGE_SEQUENCE, [derivation])
        .sequence(tags::FRAME_CONTENT_SEQUENCE, [DataSet::new().index(tags::DIMENSION_INDEX_VALUES, number.into())])
        .sequence(tags::SEGMENT_IDENTIFICATION_SEQUENCE, [DataSet::new().number(tags::REFERENCED_SEGMENT_NUMBER, number)])
}

/// Frames of one bit a pixel, one after the other without gap, the first pixel in the lowest bit (PS3.5 8.1.1, D).
fn pack<'a>(masks: impl Iterator<Item = &'a Array2<bool>>) -> Vec<u8> {
    let mut bytes = Vec::new();
    let (mut byte, mut bit) = (0, 0);
    for pixel in masks.flatten() {
        byte |= u8::from(*pixel) << bit;
        bit += 1;
        if bit == 8 {
            bytes.push(byte);
            (byte, bit) = (0, 0);
        }
    }
    if bit > 0 {
        bytes.push(byte);
    }
    bytes
}
