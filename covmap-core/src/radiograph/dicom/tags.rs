//! The attributes that reading an image needs (PS3.6).

use dicom_core::Tag;

pub(super) const TRANSFER_SYNTAX_UID: Tag = Tag(0x0002, 0x0010);
pub(super) const SOP_CLASS_UID: Tag = Tag(0x0008, 0x0016);
pub(super) const SOP_INSTANCE_UID: Tag = Tag(0x0008, 0x0018);
pub(super) const MODALITY: Tag = Tag(0x0008, 0x0060);
pub(super) const PRESENTATION_INTENT_TYPE: Tag = Tag(0x0008, 0x0068);
pub(super) const IMAGER_PIXEL_SPACING: Tag = Tag(0x0018, 0x1164);
pub(super) const NOMINAL_SCANNED_PIXEL_SPACING: Tag = Tag(0x0018, 0x2010);
pub(super) const VIEW_POSITION: Tag = Tag(0x0018, 0x5101);
pub(super) const STUDY_INSTANCE_UID: Tag = Tag(0x0020, 0x000d);
pub(super) const SERIES_INSTANCE_UID: Tag = Tag(0x0020, 0x000e);
pub(super) const PATIENT_ORIENTATION: Tag = Tag(0x0020, 0x0020);
pub(super) const SAMPLES_PER_PIXEL: Tag = Tag(0x0028, 0x0002);
pub(super) const PHOTOMETRIC_INTERPRETATION: Tag = Tag(0x0028, 0x0004);
pub(super) const PLANAR_CONFIGURATION: Tag = Tag(0x0028, 0x0006);
pub(super) const NUMBER_OF_FRAMES: Tag = Tag(0x0028, 0x0008);
pub(super) const ROWS: Tag = Tag(0x0028, 0x0010);
pub(super) const COLUMNS: Tag = Tag(0x0028, 0x0011);
pub(super) const PIXEL_SPACING: Tag = Tag(0x0028, 0x0030);
pub(super) const PIXEL_ASPECT_RATIO: Tag = Tag(0x0028, 0x0034);
pub(super) const BITS_ALLOCATED: Tag = Tag(0x0028, 0x0100);
pub(super) const BITS_STORED: Tag = Tag(0x0028, 0x0101);
pub(super) const HIGH_BIT: Tag = Tag(0x0028, 0x0102);
pub(super) const PIXEL_REPRESENTATION: Tag = Tag(0x0028, 0x0103);
pub(super) const PIXEL_PADDING_VALUE: Tag = Tag(0x0028, 0x0120);
pub(super) const PIXEL_PADDING_RANGE_LIMIT: Tag = Tag(0x0028, 0x0121);
pub(super) const WINDOW_CENTER: Tag = Tag(0x0028, 0x1050);
pub(super) const WINDOW_WIDTH: Tag = Tag(0x0028, 0x1051);
pub(super) const RESCALE_INTERCEPT: Tag = Tag(0x0028, 0x1052);
pub(super) const RESCALE_SLOPE: Tag = Tag(0x0028, 0x1053);
pub(super) const VOI_LUT_FUNCTION: Tag = Tag(0x0028, 0x1056);
pub(super) const MODALITY_LUT_SEQUENCE: Tag = Tag(0x0028, 0x3000);
pub(super) const LUT_DESCRIPTOR: Tag = Tag(0x0028, 0x3002);
pub(super) const LUT_DATA: Tag = Tag(0x0028, 0x3006);
pub(super) const VOI_LUT_SEQUENCE: Tag = Tag(0x0028, 0x3010);
pub(super) const PRESENTATION_LUT_SHAPE: Tag = Tag(0x2050, 0x0020);
pub(super) const FLOAT_PIXEL_DATA: Tag = Tag(0x7fe0, 0x0008);
pub(super) const DOUBLE_FLOAT_PIXEL_DATA: Tag = Tag(0x7fe0, 0x0009);
pub(super) const PIXEL_DATA: Tag = Tag(0x7fe0, 0x0010);

/// Every attribute above that may stand in the data set itself.
pub(super) fn is_needed(tag: Tag) -> bool {
    matches!(
        tag,
        SOP_CLASS_UID
            | SOP_INSTANCE_UID
            | MODALITY
            | PRESENTATION_INTENT_TYPE
            | IMAGER_PIXEL_SPACING
            | NOMINAL_SCANNED_PIXEL_SPACING
            | VIEW_POSITION
            | STUDY_INSTANCE_UID
            | SERIES_INSTANCE_UID
            | PATIENT_ORIENTATION
            | SAMPLES_PER_PIXEL
            | PHOTOMETRIC_INTERPRETATION
            | PLANAR_CONFIGURATION
            | NUMBER_OF_FRAMES
            | ROWS
            | COLUMNS
            | PIXEL_SPACING
            | PIXEL_ASPECT_RATIO
            | BITS_ALLOCATED
            | BITS_STORED
            | HIGH_BIT
            | PIXEL_REPRESENTATION
            | PIXEL_PADDING_VALUE
            | PIXEL_PADDING_RANGE_LIMIT
            | WINDOW_CENTER
            | WINDOW_WIDTH
            | RESCALE_INTERCEPT
            | RESCALE_SLOPE
            | VOI_LUT_FUNCTION
            | MODALITY_LUT_SEQUENCE
            | LUT_DESCRIPTOR
            | LUT_DATA
            | VOI_LUT_SEQUENCE
            | PRESENTATION_LUT_SHAPE
            | FLOAT_PIXEL_DATA
            | DOUBLE_FLOAT_PIXEL_DATA
    )
}
