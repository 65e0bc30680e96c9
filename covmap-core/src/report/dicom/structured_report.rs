//! Comprehensive SR (PS3.3 A.35.3) by TID 1500, Measurement Report (PS3.16): the numbers of the JSON, coded.

use dicom_core::VR;
use dicom_dictionary_std::{tags, uids};

use super::content::*;
use super::dataset::{Code, DataSet};
use super::header::{MANUFACTURER, Origin, STATEMENT, VERSION};
use crate::severity::{Grade, Region};
use crate::{Analysis, Result};

const SERIES_NUMBER: u16 = 9002;

const RIGHT: Code = Code("24028007", "SCT", "Right");
const LEFT: Code = Code("7771000", "SCT", "Left");
const LUNG: Code = Code("39607008", "SCT", "Lung");
const RATIO: Code = Code("{ratio}", "UCUM", "ratio");
const SCORE: Code = Code("{score}", "UCUM", "score");
const SQUARE_MILLIMETRE: Code = Code("mm2", "UCUM", "square millimeter");

/// What no public scheme names, in a scheme of our own.
const SHARE: Code = Code("share", OWN_SCHEME, "Share of area with opacity");
const BRIXIA: Code = Code("brixia", OWN_SCHEME, "Brixia score estimate");
const GRADE: Code = Code("grade", OWN_SCHEME, "Grade of the Brixia score estimate");
const DETECTION: Code = Code("detection", OWN_SCHEME, "Detection of opacity consistent with COVID-19");
const OPERATING_POINT: Code = Code("operating-point", OWN_SCHEME, "Operating point");
const QUALITY: Code = Code("quality", OWN_SCHEME, "Doubt about the quality of the image");
const OWN_SCHEME: &str = "99COVMAP";

pub(super) fn encode(origin: &Origin<'_>, analysis: &Analysis) -> Result<Vec<u8>> {
    let class = uids::COMPREHENSIVE_SR_STORAGE;
    let evidence = DataSet::new().text(tags::STUDY_INSTANCE_UID, VR::UI, origin.study).sequence(
        tags::REFERENCED_SERIES_SEQUENCE,
        [DataSet::new()
            .sequence(
                tags::REFERENCED_SOP_SEQUENCE,
                [DataSet::new().text(tags::REFERENCED_SOP_CLASS_UID, VR::UI, origin.class).text(
                    tags::REFERENCED_SOP_INSTANCE_UID,
                    VR::UI,
                    origin.instance,
                )],
            )
            .text(tags::SERIES_INSTANCE_UID, VR::UI, origin.series)],
    );
    let own_scheme = DataSet::new()
        .text(tags::CODING_SCHEME_DESIGNATOR, VR::SH, OWN_SCHEME)
        .text(tags::CODING_SCHEME_NAME, VR::ST, "covmap")
        .text(tags::CODING_SCHEME_RESPONSIBLE_ORGANIZATION, VR::ST, "The covmap developers");
    let data = origin
        .data_set(class, "sr", "SR", SERIES_NUMBER, "covmap: measurements of opacity")
        .text(tags::COMPLETION_FLAG, VR::CS, "COMPLETE")
        .text(tags::VERIFICATION_FLAG, VR::CS, "UNVERIFIED")
        .text(tags::PRELIMINARY_FLAG, VR::CS, "PRELIMINARY")
        .sequence(tags::REFERENCED_PERFORMED_PROCEDURE_STEP_SEQUENCE, [])
        .sequence(tags::PERFORMED_PROCEDURE_CODE_SEQUENCE, [])
        .sequence(tags::CURRENT_REQUESTED_PROCEDURE_EVIDENCE_SEQUENCE, [evidence])
        .sequence(tags::CODING_SCHEME_IDENTIFICATION_SEQUENCE, [own_scheme]);
    let mut content = context(origin);
    content.push(library(origin));
    content.push(container(Code("126010", "DCM", "Imaging Measurements"), measurements(origin, analysis)));
    content.push(container(Code("C0034375", "UMLS", "Qualitative Evaluations"), evaluations(analysis)));
    root(data, Code("126000", "DCM", "Imaging Measurement Report"), "1500", content).into_file(class, &origin.uid("sr"))
}

/// Language (TID 1204), the device that observed (TID 1001) and the procedure.
fn context(origin: &Origin<'_>) -> Vec<DataSet> {
    vec![
        code(HAS_CONCEPT_MOD, Code("121049", "DCM", "Language of Content Item and Descendants"), Code("en", "RFC5646", "English")),
        code(HAS_OBS_CONTEXT, Code("121005", "DCM", "Observer Type"), Code("121007", "DCM", "Device")),
        uidref(HAS_OBS_CONTEXT, Code("121012", "DCM", "Device Observer UID"), &origin.device_uid()),
        text(HAS_OBS_CONTEXT, Code("121013", "DCM", "Device Observer Name"), "covmap"),
        text(HAS_OBS_CONTEXT, Code("121014", "DCM", "Device Observer Manufacturer"), MANUFACTURER),
        text(HAS_OBS_CONTEXT, Code("121015", "DCM", "Device Observer Model Name"), &origin.model_name(64)),
        text(HAS_OBS_CONTEXT, Code("121016", "DCM", "Device Observer Serial Number"), &origin.serial_number()),
        code(HAS_CONCEPT_MOD, Code("121058", "DCM", "Procedure reported"), Code("399208008", "SCT", "Plain X-ray of chest")),
    ]
}

/// The image measured (TID 1600).
fn library(origin: &Origin<'_>) -> DataSet {
    let modality = match origin.modality() {
        Some("CR") => Some(Code("CR", "DCM", "Computed Radiography")),
        Some("DX") => Some(Code("DX", "DCM", "Digital Radiography")),
        Some("RG") => Some(Code("RG", "DCM", "Radiographic imaging")),
        _ => None,
    };
    let modality = modality.map(|value| code(HAS_ACQ_CONTEXT, Code("121139", "DCM", "Modality"), value));
    let source = with(image(Code("260753009", "SCT", "Source"), origin.reference()), modality.into_iter().collect());
    let group = container(Code("126200", "DCM", "Image Library Group"), vec![source]);
    container(Code("111028", "DCM", "Image Library"), vec![group])
}

/// What made all measurements (TID 4019; the template is extensible), from the one image of the library.
fn algorithm(origin: &Origin<'_>) -> Vec<DataSet> {
    let mut content = vec![
        text(HAS_CONCEPT_MOD, Code("111001", "DCM", "Algorithm Name"), &origin.model_name(200)),
        text(HAS_CONCEPT_MOD, Code("111003", "DCM", "Algorithm Version"), VERSION),
    ];
    let parameters = origin.parameters();
    content.extend(parameters.iter().map(|p| text(HAS_CONCEPT_MOD, Code("111002", "DCM", "Algorithm Parameters"), p)));
    content
}

/// A measurement group (TID 1501) for both lungs, each lung, each zone and the detection.
fn measurements(origin: &Origin<'_>, analysis: &Analysis) -> Vec<DataSet> {
    let mut groups = algorithm(origin);
    let pixel_mm2 = analysis.spacing_mm.map(|[row, column]| row * column);
    if let Some(s) = &analysis.severity {
        let mut region = |label: &str, site: Code, side: Option<Code>, region: Region, score: Option<f64>| {
            // What was not found has no numbers.
            let Some(share) = region.share() else { return };
            let mut values = vec![num(SHARE, share, RATIO)];
            values.extend(pixel_mm2.map(|mm2| num(AREA, mm2 * region.infected as f64, SQUARE_MILLIMETRE)));
            values.extend(score.map(|score| num(BRIXIA, score, SCORE)));
            groups.push(group(origin, label, Some((site, side)), values));
        };
        let both = Code("51440002", "SCT", "Bilateral");
        region("Both lungs", LUNG, Some(both), s.total(), s.brixia_estimate);
        region("Right lung", LUNG, Some(RIGHT), s.right(), None);
        region("Left lung", LUNG, Some(LEFT), s.left(), None);
        const UPPER: Code = Code("281392002", "SCT", "Upper zone of lung");
        const MIDDLE: Code = Code("281393007", "SCT", "Middle zone of lung");
        const LOWER: Code = Code("281394001", "SCT", "Lower zone of lung");
        let zones = [
            ("Zone A, right upper", UPPER, RIGHT),
            ("Zone B, right middle", MIDDLE, RIGHT),
            ("Zone C, right lower", LOWER, RIGHT),
            ("Zone D, left upper", UPPER, LEFT),
            ("Zone E, left middle", MIDDLE, LEFT),
            ("Zone F, left lower", LOWER, LEFT),
        ];
        for (i, (label, site, side)) in zones.into_iter().enumerate() {
            region(label, site, Some(side), s.zones[i], s.zone_scores[i]);
        }
    }
    let d = &analysis.detection;
    if let (Some(probability), Some(positive)) = (d.probability, d.positive) {
        let answer = if positive { Code("10828004", "SCT", "Positive") } else { Code("260385009", "SCT", "Negative") };
        groups.push(group(
            origin,
            "Detection",
            None,
            vec![
                num(Code("122157", "DCM", "Probability"), probability, RATIO),
                num(Code("122411", "DCM", "Threshold Value"), d.threshold, RATIO),
                code(CONTAINS, DETECTION, answer),
                text(CONTAINS, OPERATING_POINT, d.operating_point.map_or("any infected pixel", |p| p.as_str())),
            ],
        ));
    }
    groups
}

const AREA: Code = Code("42798000", "SCT", "Area");

fn group(origin: &Origin<'_>, label: &str, site: Option<(Code, Option<Code>)>, values: Vec<DataSet>) -> DataSet {
    let mut content = vec![
        text(HAS_OBS_CONTEXT, Code("112039", "DCM", "Tracking Identifier"), label),
        uidref(HAS_OBS_CONTEXT, Code("112040", "DCM", "Tracking Unique Identifier"), &origin.uid(&format!("group {label}"))),
        code(CONTAINS, Code("121071", "DCM", "Finding"), Code("112001", "DCM", "Opacity")),
    ];
    if let Some((site, side)) = site {
        let side = side.map(|side| code(HAS_CONCEPT_MOD, Code("272741003", "SCT", "Laterality"), side));
        content.push(with(code(HAS_CONCEPT_MOD, Code("363698007", "SCT", "Finding Site"), site), side.into_iter().collect()));
    }
    content.extend(values);
    container(Code("125007", "DCM", "Measurement Group"), content)
}

/// The grade, what is doubtful about the image, and what all of it is not.
fn evaluations(analysis: &Analysis) -> Vec<DataSet> {
    let grade = analysis.severity.as_ref().and_then(|s| s.grade).map(|grade| match grade {
        Grade::None => Code("260413007", "SCT", "None"),
        Grade::Mild => Code("255604002", "SCT", "Mild"),
        Grade::Moderate => Code("6736007", "SCT", "Moderate"),
        Grade::Severe => Code("24484000", "SCT", "Severe"),
    });
    let grade = grade.map(|grade| code(CONTAINS, GRADE, grade));
    let doubts = analysis.quality.flags.iter().map(|flag| text(CONTAINS, QUALITY, flag.as_str()));
    grade.into_iter().chain(doubts).chain([text(CONTAINS, Code("121106", "DCM", "Comment"), STATEMENT)]).collect()
}
