//! Stored values to presentation: modality LUT, VOI LUT, inversion (PS3.3 C.11.1, C.11.2; PS3.4 N.2).

use super::attributes::{Attributes, Colour};
use super::border;
use super::data_set::DataSet;
use super::structure::Encoding;
use super::tags::*;
use crate::radiograph::{Note, scale};
use crate::{Error, Result, simd};
use ndarray::ArrayView2;

/// The grey scale transform of an image. dicom-rs inverts MONOCHROME1 on one of its output paths only and before the VOI
/// transform, so the whole chain is done here, on a table with an entry for every stored value.
///
/// 1. Modality LUT: the Modality LUT Sequence, else Rescale Slope and Intercept, else identity.
/// 2. VOI LUT: the first item of the VOI LUT Sequence, else the first window, else the minimum to the maximum of this image
///    inside the borders that collimation left, if any ([`border`]).
/// 3. Inversion, once, where the image is MONOCHROME1 or its Presentation LUT Shape is INVERSE.
/// 4. Pixels of the Pixel Padding Value become black; they do not count for minimum and maximum.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Grayscale {
    modality: Modality,
    voi: Voi,
    inverse: bool,
    /// Lowest and highest padding value, as stored values.
    padding: Option<(i32, i32)>,
}

#[derive(Debug, Clone, PartialEq)]
enum Modality {
    Rescale { slope: f64, intercept: f64 },
    Lut(Lut),
}

#[derive(Debug, Clone, PartialEq)]
enum Voi {
    Range,
    Window { function: Function, center: f64, width: f64 },
    Lut(Lut),
}

/// VOI LUT Function (PS3.3 C.11.2.1.2 and C.11.2.1.3).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Function {
    Linear,
    LinearExact,
    Sigmoid,
}

/// A look-up table: `entries[0]` is for `first` and everything below, the last entry for everything above.
#[derive(Debug, Clone, PartialEq)]
struct Lut {
    first: i32,
    entries: Vec<u16>,
    /// The highest value that the entries' bits allow.
    most: u16,
}

impl Lut {
    fn at(&self, value: f64) -> u16 {
        let index = (value.round() - f64::from(self.first)).clamp(0.0, (self.entries.len() - 1) as f64);
        self.entries[index as usize]
    }
}

impl Grayscale {
    /// Reads the attributes of the transform.
    ///
    /// # Errors
    /// `Input` where a look-up table contradicts its descriptor or the rescale maps everything to one value.
    pub fn read(data: &DataSet<'_>, attributes: &Attributes, notes: &mut Vec<Note>) -> Result<Self> {
        let modality = match lut(data, MODALITY_LUT_SEQUENCE, attributes.signed)? {
            Some(lut) => Modality::Lut(lut),
            None => {
                let slope = data.decimals(RESCALE_SLOPE)?.first().copied().unwrap_or(1.0);
                let intercept = data.decimals(RESCALE_INTERCEPT)?.first().copied().unwrap_or(0.0);
                if !slope.is_finite() || slope == 0.0 || !intercept.is_finite() {
                    return Err(Error::Input(format!("Rescale Slope {slope} and Intercept {intercept} leave no image")));
                }
                Modality::Rescale { slope, intercept }
            }
        };
        let lowest = if attributes.signed { -(1 << (attributes.bits_stored - 1)) } else { 0 };
        let highest = lowest + (1 << attributes.bits_stored) - 1;
        let signed = match &modality {
            Modality::Rescale { .. } => modality.apply(lowest).min(modality.apply(highest)) < 0.0,
            Modality::Lut(_) => false,
        };
        let voi = match lut(data, VOI_LUT_SEQUENCE, signed)? {
            Some(lut) => Voi::Lut(lut),
            None => window(data, notes)?,
        };
        let monochrome1 = attributes.colour == Colour::Grey { monochrome1: true };
        // In an image both say the same (PS3.3 C.8.11.3.1.2), so one of them is enough and both do not cancel out.
        let inverse = monochrome1 || data.text(PRESENTATION_LUT_SHAPE)?.as_deref() == Some("INVERSE");
        if inverse {
            notes.push(Note::Inverted);
        }
        Ok(Grayscale { modality, voi, inverse, padding: padding(data, attributes)? })
    }

    /// Allocated words to 16-bit grey.
    pub fn apply(&self, words: &[u16], attributes: &Attributes, notes: &mut Vec<Note>) -> Result<Vec<u16>> {
        let mask = u16::MAX >> (16 - attributes.bits_stored);
        let code = |word: u16| word >> attributes.shift & mask;
        let mut present = vec![false; usize::from(mask) + 1];
        words.iter().for_each(|&word| present[usize::from(code(word))] = true);

        let unused = 32 - u32::from(attributes.bits_stored);
        let stored = |code: usize| if attributes.signed { (code as i32) << unused >> unused } else { code as i32 };
        let is_padding = |value: i32| self.padding.is_some_and(|(low, high)| (low..=high).contains(&value));
        let range = |present: &[bool]| {
            let values = (0..present.len()).filter(|&c| present[c]).map(stored).filter(|&v| !is_padding(v));
            values.map(|value| self.modality.apply(value)).fold((f64::INFINITY, f64::NEG_INFINITY), |(l, h), x| (l.min(x), h.max(x)))
        };
        let (mut low, mut high) = range(&present);
        if self.voi == Voi::Range {
            let codes: Vec<u16> = words.iter().map(|&word| code(word)).collect();
            let image = ArrayView2::from_shape((attributes.rows, attributes.columns), &codes)
                .map_err(|e| Error::Internal(format!("frame shape: {e}")))?;
            let mut inside = vec![false; present.len()];
            border::inside(image).iter().for_each(|&code| inside[usize::from(code)] = true);
            let within = range(&inside);
            if within != (low, high) && within.0 <= within.1 {
                (low, high) = within;
                notes.push(Note::BorderIgnored);
            }
        }
        let grey = |value: i32| match is_padding(value) {
            true => 0,
            false => {
                let grey = self.voi.apply(self.modality.apply(value), low, high);
                if self.inverse { u16::MAX - grey } else { grey }
            }
        };
        let table: Vec<u16> = (0..present.len()).map(|c| if present[c] { grey(stored(c)) } else { 0 }).collect();
        let by_word: Vec<u16> = (0..=u16::MAX).map(|word| table[usize::from(code(word))]).collect();
        let mut shown = vec![0; words.len()];
        simd::lut_u16(words, &by_word, &mut shown);
        Ok(shown)
    }
}

impl Modality {
    fn apply(&self, stored: i32) -> f64 {
        match self {
            Modality::Rescale { slope, intercept } => f64::from(stored) * slope + intercept,
            Modality::Lut(lut) => f64::from(lut.at(f64::from(stored))),
        }
    }
}

impl Voi {
    fn apply(&self, x: f64, low: f64, high: f64) -> u16 {
        match self {
            Voi::Range => scale::spread(x, low, high),
            Voi::Lut(lut) => scale::to_u16(f64::from(lut.at(x)) / f64::from(lut.most)),
            Voi::Window { function, center, width } => scale::to_u16(match function {
                Function::Linear if *width <= 1.0 => f64::from(u8::from(x > center - 0.5)),
                Function::Linear => (x - (center - 0.5)) / (width - 1.0) + 0.5,
                Function::LinearExact => (x - center) / width + 0.5,
                Function::Sigmoid => 1.0 / (1.0 + (-4.0 * (x - center) / width).exp()),
            }),
        }
    }
}

fn window(data: &DataSet<'_>, notes: &mut Vec<Note>) -> Result<Voi> {
    let function = match data.text(VOI_LUT_FUNCTION)?.as_deref() {
        Some("SIGMOID") => Function::Sigmoid,
        Some("LINEAR_EXACT") => Function::LinearExact,
        _ => Function::Linear,
    };
    let least = if function == Function::Linear { 1.0 } else { f64::MIN_POSITIVE };
    match (data.decimals(WINDOW_CENTER)?.first(), data.decimals(WINDOW_WIDTH)?.first()) {
        (Some(&center), Some(&width)) if center.is_finite() && width.is_finite() && width >= least => {
            Ok(Voi::Window { function, center, width })
        }
        _ => {
            let written = |tag| data.raw(tag).is_some_and(|value| !value.is_empty());
            if written(WINDOW_CENTER) || written(WINDOW_WIDTH) {
                notes.push(Note::WindowIgnored);
            }
            Ok(Voi::Range)
        }
    }
}

/// The look-up table of a sequence's first item (PS3.3 C.11.1.1.1 and C.11.2.1.1).
fn lut(data: &DataSet<'_>, sequence: dicom_core::Tag, signed: bool) -> Result<Option<Lut>> {
    let Some(item) = data.first_item(sequence)? else { return Ok(None) };
    let wrong = |what: String| Error::Input(format!("the look-up table of {sequence} is malformed: {what}"));
    let descriptor = item.words(LUT_DESCRIPTOR).unwrap_or_default();
    let &[count, first, bits] = descriptor.as_slice() else {
        return Err(wrong("no LUT Descriptor of three values".to_owned()));
    };
    // 65,536 entries do not fit the 16 bits of their number and are written as 0.
    let count = if count == 0 { 65_536 } else { usize::from(count) };
    let signed = signed || item.element(LUT_DESCRIPTOR).is_some_and(|e| e.vr == Some(*b"SS"));
    let first = if signed { i32::from(first as i16) } else { i32::from(first) };
    if !(1..=16).contains(&bits) {
        return Err(wrong(format!("{bits} bits an entry")));
    }
    let bytes = item.raw(LUT_DATA).unwrap_or_default();
    let entries = if bytes.len() >= 2 * count {
        let mut words = item.words(LUT_DATA).unwrap_or_default();
        words.truncate(count);
        words
    } else if bits <= 8 && bytes.len() >= count {
        // Two entries packed into a word of the data set's byte order.
        let swapped = usize::from(item.encoding() == Encoding::ExplicitBig);
        (0..count).map(|i| u16::from(bytes.get(i ^ swapped).copied().unwrap_or(0))).collect()
    } else {
        return Err(wrong(format!("{} bytes for {count} entries", bytes.len())));
    };
    Ok(Some(Lut { first, entries, most: u16::MAX >> (16 - bits) }))
}

/// Pixel Padding Value and Range Limit (PS3.3 C.7.5.1.1.2), written as US or SS according to the pixels' sign.
fn padding(data: &DataSet<'_>, attributes: &Attributes) -> Result<Option<(i32, i32)>> {
    let stored = |value: i64| if attributes.signed { i32::from(value as i16) } else { i32::from(value as u16) };
    let Some(value) = data.integer(PIXEL_PADDING_VALUE)?.map(stored) else { return Ok(None) };
    let limit = data.integer(PIXEL_PADDING_RANGE_LIMIT)?.map_or(value, stored);
    Ok(Some((value.min(limit), value.max(limit))))
}
