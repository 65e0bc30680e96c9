//! Content items of a structured report (PS3.3 C.17.3).

use dicom_core::VR;
use dicom_dictionary_std::tags;

use super::dataset::{Code, DataSet, decimal};

pub(super) const CONTAINS: &str = "CONTAINS";
pub(super) const HAS_OBS_CONTEXT: &str = "HAS OBS CONTEXT";
pub(super) const HAS_CONCEPT_MOD: &str = "HAS CONCEPT MOD";
pub(super) const HAS_ACQ_CONTEXT: &str = "HAS ACQ CONTEXT";

/// A heading with its content.
pub(super) fn container(name: Code, content: Vec<DataSet>) -> DataSet {
    as_container(item(CONTAINS, "CONTAINER", name), content)
}

/// The heading at the root of a document by this template, which is the document's data set itself.
pub(super) fn root(data: DataSet, name: Code, template: &str, content: Vec<DataSet>) -> DataSet {
    let data = data.text(tags::VALUE_TYPE, VR::CS, "CONTAINER").code(tags::CONCEPT_NAME_CODE_SEQUENCE, name);
    let template = DataSet::new().text(tags::MAPPING_RESOURCE, VR::CS, "DCMR").text(tags::TEMPLATE_IDENTIFIER, VR::CS, template);
    as_container(data, content).sequence(tags::CONTENT_TEMPLATE_SEQUENCE, [template])
}

pub(super) fn code(relationship: &str, name: Code, value: Code) -> DataSet {
    item(relationship, "CODE", name).code(tags::CONCEPT_CODE_SEQUENCE, value)
}

pub(super) fn text(relationship: &str, name: Code, value: &str) -> DataSet {
    item(relationship, "TEXT", name).text(tags::TEXT_VALUE, VR::UT, value)
}

pub(super) fn uidref(relationship: &str, name: Code, value: &str) -> DataSet {
    item(relationship, "UIDREF", name).text(tags::UID, VR::UI, value)
}

/// A number of a unit, exact beside its decimal string where that had to be shortened.
pub(super) fn num(name: Code, value: f64, unit: Code) -> DataSet {
    let shown = decimal(value);
    let exact = shown.parse() == Ok(value);
    let measured = DataSet::new()
        .text(tags::NUMERIC_VALUE, VR::DS, &shown)
        .with((!exact).then_some(value), |data, value| data.double(tags::FLOATING_POINT_VALUE, value))
        .code(tags::MEASUREMENT_UNITS_CODE_SEQUENCE, unit);
    item(CONTAINS, "NUM", name).sequence(tags::MEASURED_VALUE_SEQUENCE, [measured])
}

/// A reference to an image.
pub(super) fn image(name: Code, reference: DataSet) -> DataSet {
    item(CONTAINS, "IMAGE", name).sequence(tags::REFERENCED_SOP_SEQUENCE, [reference])
}

/// An item with what qualifies it.
pub(super) fn with(item: DataSet, content: Vec<DataSet>) -> DataSet {
    if content.is_empty() { item } else { item.sequence(tags::CONTENT_SEQUENCE, content) }
}

fn item(relationship: &str, value_type: &str, name: Code) -> DataSet {
    DataSet::new()
        .text(tags::RELATIONSHIP_TYPE, VR::CS, relationship)
        .text(tags::VALUE_TYPE, VR::CS, value_type)
        .code(tags::CONCEPT_NAME_CODE_SEQUENCE, name)
}

fn as_container(data: DataSet, content: Vec<DataSet>) -> DataSet {
    with(data.text(tags::CONTINUITY_OF_CONTENT, VR::CS, "SEPARATE"), content)
}
