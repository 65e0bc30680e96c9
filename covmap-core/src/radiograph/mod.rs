//! Input: PNG, JPEG, TIFF, DICOM and raw buffers become a [`Radiograph`], which everything after it may trust.

mod buffer;
mod colour;
mod dicom;
mod jpeg;
mod open;
mod raster;
mod scale;
mod tiff;
mod turn;

#[cfg(test)]
mod tests;

pub use buffer::{BufferOptions, Photometric, Sample};
pub use open::{ReadOptions, looks_readable};
pub use turn::Turn;

pub(crate) use dicom::{HEADER, Header};

use ndarray::{Array2, ArrayView2};

/// A chest radiograph, normalised: upright, MONOCHROME2 (bright is dense), 16 bits over the full range.
///
/// Whatever the input was, the pixels are `u16` in standard (row-major) layout: an 8-bit value `v` becomes `v * 257`,
/// so that 0 stays 0 and 255 becomes 65,535. Never empty, never larger than the [`Limits`](crate::Limits) it was read under.
#[derive(Debug, Clone, PartialEq)]
pub struct Radiograph {
    pixels: Array2<u16>,
    spacing_mm: Option<[f64; 2]>,
    pixel_aspect_ratio: f64,
    view: View,
    turn: Turn,
    notes: Vec<Note>,
    source: Source,
    sha256: Option<String>,
}

impl Radiograph {
    /// Pixels, shape (rows, columns), 0..=65,535, bright is dense, the head up and the patient's right at the image's left
    /// as far as the input says which way round it is.
    pub fn pixels(&self) -> ArrayView2<'_, u16> {
        self.pixels.view()
    }

    /// Width in pixels (columns), at least 1.
    pub fn width(&self) -> usize {
        self.pixels.ncols()
    }

    /// Height in pixels (rows), at least 1.
    pub fn height(&self) -> usize {
        self.pixels.nrows()
    }

    /// Distance between pixel centres in millimetres, `[between rows, between columns]`, both finite and above 0.
    ///
    /// DICOM: Pixel Spacing, else Imager Pixel Spacing ([`Note::SpacingAtDetector`]), else Nominal Scanned Pixel Spacing
    /// (PS3.3 10.7.1). Pixels that are not square are not resampled, since the network's square stretches every image anyway.
    pub fn spacing_mm(&self) -> Option<[f64; 2]> {
        self.spacing_mm
    }

    /// Height of a pixel divided by its width: from the spacing, else from DICOM Pixel Aspect Ratio (PS3.3 C.7.6.3.1.7), else 1.
    pub fn pixel_aspect_ratio(&self) -> f64 {
        self.pixel_aspect_ratio
    }

    /// Projection, as far as the input says it.
    pub fn view(&self) -> View {
        self.view
    }

    /// How the stored image was turned to be upright; its [`inverse`](Turn::inverse) leads back to the stored image.
    pub fn turn(&self) -> Turn {
        self.turn
    }

    /// What reading had to do beyond decoding, each note once, in the order in which it was done.
    pub fn notes(&self) -> &[Note] {
        &self.notes
    }

    /// What the pixels were read from.
    pub fn source(&self) -> &Source {
        &self.source
    }

    /// SHA-256 of the input's bytes as 64 lower-case hexadecimal digits; `None` for buffers.
    pub fn sha256(&self) -> Option<&str> {
        self.sha256.as_deref()
    }
}

/// Projection, as far as the input says it (DICOM View Position, PS3.3 C.8.11.7.1.1).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default, serde::Serialize, serde::Deserialize)]
#[serde(rename_all = "lowercase")]
#[non_exhaustive]
pub enum View {
    /// Posterior to anterior, the usual standing chest radiograph.
    Pa,
    /// Anterior to posterior, usually at the bedside.
    Ap,
    /// From the side; lungs and infection cannot be told apart there.
    Lateral,
    /// Anything else: oblique, decubitus, lordotic.
    Other,
    /// The input does not say.
    #[default]
    Unknown,
}

impl View {
    /// Stable lower-case name for reports.
    pub fn as_str(self) -> &'static str {
        match self {
            View::Pa => "pa",
            View::Ap => "ap",
            View::Lateral => "lateral",
            View::Other => "other",
            View::Unknown => "unknown",
        }
    }
}

/// What reading had to do beyond decoding; shown as quality flags.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Note {
    /// A few coloured marks were turned to their luminance.
    ColouredMarks,
    /// Transparent pixels were laid over black.
    TransparencyFlattened,
    /// The EXIF or TIFF orientation was applied.
    OrientationApplied,
    /// Patient Orientation said that the image was mirrored; it was turned.
    MirroredTurned,
    /// Patient Orientation said that the image was rotated; it was turned.
    RotatedTurned,
    /// Dense was stored dark (MONOCHROME1, WhiteIsZero); it was inverted.
    Inverted,
    /// One frame of several was read.
    OneFrameOfSeveral,
    /// The window was unusable (no width, not a number); the image's own range was used.
    WindowIgnored,
    /// Without a window the image's own range was used; borders of one value, as collimation leaves them, did not count for it.
    BorderIgnored,
    /// The object does not say that it is a radiograph (modality absent or OT).
    ModalityUnknown,
    /// The object holds detector values for processing, not for display (Presentation Intent Type).
    ForProcessing,
    /// The spacing is that of the detector: the patient is magnified by a factor that the object does not give.
    SpacingAtDetector,
    /// The spacing or aspect ratio was unusable (not two numbers above 0) and left out.
    SpacingIgnored,
}

impl Note {
    /// Stable kebab-case name for reports.
    pub fn as_str(self) -> &'static str {
        match self {
            Note::ColouredMarks => "coloured-marks",
            Note::TransparencyFlattened => "transparency-flattened",
            Note::OrientationApplied => "orientation-applied",
            Note::MirroredTurned => "mirrored-turned",
            Note::RotatedTurned => "rotated-turned",
            Note::Inverted => "inverted",
            Note::OneFrameOfSeveral => "one-frame-of-several",
            Note::WindowIgnored => "window-ignored",
            Note::BorderIgnored => "border-ignored",
            Note::ModalityUnknown => "modality-unknown",
            Note::ForProcessing => "for-processing",
            Note::SpacingAtDetector => "spacing-at-detector",
            Note::SpacingIgnored => "spacing-ignored",
        }
    }
}

/// What a [`Radiograph`] was read from.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub enum Source {
    /// A raster image file.
    Raster { format: RasterFormat },
    /// A DICOM object.
    Dicom(Box<DicomSource>),
    /// A buffer of the caller.
    Buffer,
}

/// A raster image format.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum RasterFormat {
    Png,
    Jpeg,
    Tiff,
}

/// The identity of the DICOM object an image came from; empty values are `None`.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
#[non_exhaustive]
pub struct DicomSource {
    /// SOP Class UID (0008,0016).
    pub sop_class_uid: Option<String>,
    /// SOP Instance UID (0008,0018).
    pub sop_instance_uid: Option<String>,
    /// Study Instance UID (0020,000D).
    pub study_instance_uid: Option<String>,
    /// Series Instance UID (0020,000E).
    pub series_instance_uid: Option<String>,
    /// Transfer Syntax UID (0002,0010), or the one assumed where the file has no file meta information.
    pub transfer_syntax_uid: String,
    /// Modality (0008,0060).
    pub modality: Option<String>,
    /// Patient, study and equipment, for results in DICOM form.
    pub(crate) header: Header,
    /// The frame that was read, counted from 0.
    pub frame: u32,
    /// Number of Frames (0028,0008), 1 where absent.
    pub frames: u32,
}

/// What a decoder hands over, before the image is turned upright.
struct Decoded {
    pixels: Array2<u16>,
    spacing_mm: Option<[f64; 2]>,
    pixel_aspect_ratio: f64,
    view: View,
    turn: Turn,
    notes: Vec<Note>,
    source: Source,
}

impl Decoded {
    /// An image of which nothing is known beyond its pixels.
    fn plain(pixels: Array2<u16>, source: Source) -> Self {
        Decoded { pixels, spacing_mm: None, pixel_aspect_ratio: 1.0, view: View::Unknown, turn: Turn::default(), notes: Vec::new(), source }
    }

    /// Turns pixels and spacing together.
    fn upright(self, sha256: Option<String>) -> Radiograph {
        let swapped = self.turn.swaps_sides();
        let aspect = match self.spacing_mm {
            Some([row, column]) => row / column,
            None => self.pixel_aspect_ratio,
        };
        Radiograph {
            pixels: self.turn.apply(self.pixels),
            spacing_mm: self.spacing_mm.map(|[row, column]| if swapped { [column, row] } else { [row, column] }),
            pixel_aspect_ratio: if swapped { 1.0 / aspect } else { aspect },
            view: self.view,
            turn: self.turn,
            notes: self.notes,
            source: self.source,
            sha256,
        }
    }
}
