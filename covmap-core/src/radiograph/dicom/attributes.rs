//! What a DICOM image declares of itself (PS3.3 C.7.6.3), checked before any pixel is touched.

use super::data_set::DataSet;
use super::header::Header;
use super::tags::*;
use crate::radiograph::{DicomSource, Note, ReadOptions, Turn, View};
use crate::{Error, Result};

/// How many samples a pixel has, and what they mean.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Colour {
    /// MONOCHROME1 (dense is dark) or MONOCHROME2.
    Grey {
        monochrome1: bool,
    },
    Rgb,
    YbrFull,
    /// The chroma of two neighbouring pixels is shared; only encapsulated streams are read.
    YbrFull422,
    /// A transform of the codec's own (YBR_RCT and YBR_ICT of JPEG 2000, XYB of JPEG XL), which decoding undoes.
    OfCodec,
}

impl Colour {
    pub fn samples(self) -> usize {
        if matches!(self, Colour::Grey { .. }) { 1 } else { 3 }
    }
}

/// The Image Pixel Module, every value in its legal range.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Attributes {
    pub rows: usize,
    pub columns: usize,
    /// Frames of the object, at least 1, and the one to read.
    pub frames: u32,
    pub frame: u32,
    pub colour: Colour,
    /// Colours one after the other by plane instead of by pixel; native data only.
    pub planar: bool,
    /// 8 or 16.
    pub bits_allocated: u16,
    /// 1 to `bits_allocated`.
    pub bits_stored: u16,
    /// Position of the lowest stored bit.
    pub shift: u16,
    pub signed: bool,
}

impl Attributes {
    /// Bytes of one frame in native form; cannot overflow, since rows and columns are 16-bit numbers.
    pub fn frame_bytes(&self) -> u64 {
        self.samples() as u64 * u64::from(self.bits_allocated / 8)
    }

    /// Samples of one frame.
    pub fn samples(&self) -> usize {
        self.rows * self.columns * self.colour.samples()
    }

    /// Reads and checks the attributes.
    ///
    /// # Errors
    /// `Input` for what is missing, contradictory or unsupported; `LimitsExceeded`; `Parameter` for a frame that is not there.
    pub fn read(data: &DataSet<'_>, options: &ReadOptions) -> Result<Self> {
        let rows = data.required(ROWS, "Rows")?;
        let columns = data.required(COLUMNS, "Columns")?;
        options.limits.check_size(u32::from(columns), u32::from(rows))?;
        let frames = match data.integer(NUMBER_OF_FRAMES)?.unwrap_or(1) {
            frames @ 1..=0x7fff_ffff => frames as u32,
            other => return Err(Error::Input(format!("Number of Frames {NUMBER_OF_FRAMES} is {other}"))),
        };
        if frames > options.limits.max_frames {
            return Err(Error::LimitsExceeded(format!("the object has {frames} frames; the limit is {}", options.limits.max_frames)));
        }
        if options.frame >= frames {
            return Err(Error::Parameter(format!("frame {} was asked for; the object has {frames} (0 to {})", options.frame, frames - 1)));
        }

        let bits_allocated = data.required(BITS_ALLOCATED, "Bits Allocated")?;
        if bits_allocated != 8 && bits_allocated != 16 {
            return Err(Error::Input(format!("Bits Allocated is {bits_allocated}; radiographs of 8 and 16 are read")));
        }
        let bits_stored = data.required(BITS_STORED, "Bits Stored")?;
        if bits_stored == 0 || bits_stored > bits_allocated {
            return Err(Error::Input(format!("Bits Stored is {bits_stored} of {bits_allocated} allocated")));
        }
        let high_bit = data.integer(HIGH_BIT)?.unwrap_or(i64::from(bits_stored) - 1);
        if high_bit < i64::from(bits_stored) - 1 || high_bit >= i64::from(bits_allocated) {
            return Err(Error::Input(format!("High Bit is {high_bit} with {bits_stored} of {bits_allocated} bits stored")));
        }
        let attributes = Attributes {
            rows: usize::from(rows),
            columns: usize::from(columns),
            frames,
            frame: options.frame,
            colour: colour(data, bits_allocated)?,
            planar: data.integer(PLANAR_CONFIGURATION)?.unwrap_or(0) == 1,
            bits_allocated,
            bits_stored,
            shift: high_bit as u16 + 1 - bits_stored,
            signed: data.integer(PIXEL_REPRESENTATION)?.unwrap_or(0) == 1,
        };
        options.limits.check_decoded(attributes.frame_bytes())?;
        Ok(attributes)
    }
}

fn colour(data: &DataSet<'_>, bits_allocated: u16) -> Result<Colour> {
    let samples = data.integer(SAMPLES_PER_PIXEL)?.unwrap_or(1);
    let name = data.text(PHOTOMETRIC_INTERPRETATION)?.unwrap_or_default();
    let colour = match name.as_str() {
        "MONOCHROME1" => Colour::Grey { monochrome1: true },
        "MONOCHROME2" => Colour::Grey { monochrome1: false },
        "RGB" => Colour::Rgb,
        "YBR_FULL" => Colour::YbrFull,
        "YBR_FULL_422" => Colour::YbrFull422,
        "YBR_RCT" | "YBR_ICT" | "XYB" => Colour::OfCodec,
        "" => return Err(Error::Input(format!("the object has no Photometric Interpretation {PHOTOMETRIC_INTERPRETATION}"))),
        _ => return Err(Error::Input(format!("Photometric Interpretation {name} is not that of a radiograph"))),
    };
    if samples != colour.samples() as i64 {
        return Err(Error::Input(format!("Samples per Pixel is {samples}, Photometric Interpretation {name} needs {}", colour.samples())));
    }
    if colour.samples() == 3 && bits_allocated != 8 {
        return Err(Error::Input(format!("colour with {bits_allocated} bits allocated cannot be read")));
    }
    Ok(colour)
}

/// Refuses what is no projection radiograph. CR, DX and RG (digitised film) are; OT (secondary captures) and objects that do
/// not say are read and noted.
pub(super) fn check_modality(modality: Option<&str>, notes: &mut Vec<Note>) -> Result<()> {
    match modality {
        Some("CR" | "DX" | "RG") => Ok(()),
        None | Some("OT") => {
            notes.push(Note::ModalityUnknown);
            Ok(())
        }
        Some(other) => Err(Error::Input(format!("modality {other} is not a chest radiograph (CR, DX and RG are)"))),
    }
}

/// Which object this is.
pub(super) fn source(data: &DataSet<'_>, transfer_syntax_uid: &str) -> Result<DicomSource> {
    Ok(DicomSource {
        sop_class_uid: data.text(SOP_CLASS_UID)?,
        sop_instance_uid: data.text(SOP_INSTANCE_UID)?,
        study_instance_uid: data.text(STUDY_INSTANCE_UID)?,
        series_instance_uid: data.text(SERIES_INSTANCE_UID)?,
        transfer_syntax_uid: transfer_syntax_uid.to_owned(),
        modality: data.text(MODALITY)?,
        header: Header::read(data),
        frame: 0,
        frames: 1,
    })
}

/// View Position (PS3.3 C.8.11.7.1.1 and the terms that CR objects use).
pub(super) fn view(data: &DataSet<'_>) -> Result<View> {
    Ok(match data.text(VIEW_POSITION)?.as_deref() {
        None => View::Unknown,
        Some("PA") => View::Pa,
        Some("AP") => View::Ap,
        Some("LL" | "RL" | "LAT" | "LATERAL") => View::Lateral,
        Some(_) => View::Other,
    })
}

/// How to turn the image upright; absent or senseless orientations leave it as it is.
pub(super) fn turn(data: &DataSet<'_>, notes: &mut Vec<Note>) -> Result<Turn> {
    let turn = match data.texts(PATIENT_ORIENTATION)?.as_slice() {
        [along_row, along_column] => Turn::from_patient_orientation(along_row, along_column).unwrap_or_default(),
        _ => Turn::default(),
    };
    if turn.is_mirroring() {
        notes.push(Note::MirroredTurned);
    } else if !turn.is_identity() {
        notes.push(Note::RotatedTurned);
    }
    Ok(turn)
}

/// Spacing in millimetres `[between rows, between columns]` and the pixel's height by its width.
pub(super) fn spacing(data: &DataSet<'_>, notes: &mut Vec<Note>) -> Result<(Option<[f64; 2]>, f64)> {
    let mut ignored = false;
    let mut pair = |tag| -> Result<Option<[f64; 2]>> {
        Ok(match data.decimals(tag)?.as_slice() {
            &[row, column] if [row, column].iter().all(|v| v.is_finite() && *v > 0.0) => Some([row, column]),
            _ => {
                ignored |= data.raw(tag).is_some_and(|value| !value.is_empty());
                None
            }
        })
    };
    let mut spacing = None;
    for tag in [PIXEL_SPACING, IMAGER_PIXEL_SPACING, NOMINAL_SCANNED_PIXEL_SPACING] {
        spacing = pair(tag)?;
        if spacing.is_some() {
            if tag == IMAGER_PIXEL_SPACING {
                notes.push(Note::SpacingAtDetector);
            }
            break;
        }
    }
    let aspect = match spacing {
        Some([row, column]) => row / column,
        None => pair(PIXEL_ASPECT_RATIO)?.map_or(1.0, |[height, width]| height / width),
    };
    if ignored {
        notes.push(Note::SpacingIgnored);
    }
    Ok((spacing, aspect))
}
