//! Colour: grey stored as RGB is grey, a few coloured marks are forgiven, a colour picture is refused.

use super::{Note, Sample};
use crate::{Error, Result};

/// A pixel is coloured where its largest and smallest channel differ by more than this (of 65,535; 32 of 255). The chroma
/// planes of grey JPEG files stay well below.
const COLOURED: u16 = 32 * 257;
/// Up to this share of coloured pixels is compression noise.
const NOISE_SHARE: f64 = 0.0005;
/// Up to this share is a mark: a coloured letter, arrow or logo.
const MARKS_SHARE: f64 = 0.02;

/// Interleaved samples (1 grey, 2 grey and alpha, 3 RGB, 4 RGBA per pixel) to 16-bit grey.
///
/// 1. Alpha is laid over black.
/// 2. The share of coloured pixels decides between grey, grey with marks, and refusal.
/// 3. Colour becomes its luminance (ITU-R BT.601, as in JPEG), which leaves grey as it is.
///
/// # Errors
/// `Input` where more than 2 % of the pixels are coloured.
pub(super) fn to_grey<S: Sample>(samples: &[S], channels: usize, notes: &mut Vec<Note>) -> Result<Vec<u16>> {
    if channels == 1 {
        return Ok(samples.iter().map(|sample| sample.to_u16()).collect());
    }
    let (mut coloured, mut transparent) = (0usize, false);
    let mut grey = Vec::with_capacity(samples.len() / channels);
    for pixel in samples.chunks_exact(channels) {
        let alpha = if channels.is_multiple_of(2) { pixel[channels - 1].to_u16() } else { u16::MAX };
        transparent |= alpha < u16::MAX;
        let over_black = |sample: S| (u32::from(sample.to_u16()) * u32::from(alpha) + 32767) / 65535;
        if channels == 2 {
            grey.push(over_black(pixel[0]) as u16);
            continue;
        }
        let (r, g, b) = (over_black(pixel[0]), over_black(pixel[1]), over_black(pixel[2]));
        coloured += usize::from(r.max(g).max(b) - r.min(g).min(b) > u32::from(COLOURED));
        grey.push(((299 * r + 587 * g + 114 * b + 500) / 1000) as u16);
    }
    if transparent {
        notes.push(Note::TransparencyFlattened);
    }
    let share = coloured as f64 / grey.len().max(1) as f64;
    if share > MARKS_SHARE {
        return Err(Error::Input(format!(
            "truly coloured picture ({:.1} % of the pixels have colour), a radiograph is grey",
            share * 100.0
        )));
    }
    if share > NOISE_SHARE {
        notes.push(Note::ColouredMarks);
    }
    Ok(grey)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn rgb(coloured: usize) -> Result<(Vec<u16>, Vec<Note>)> {
        let mut samples = vec![90u8; 3 * 10_000];
        samples.chunks_exact_mut(3).take(coloured).for_each(|p| p.copy_from_slice(&[200, 90, 90]));
        let mut notes = Vec::new();
        to_grey(&samples, 3, &mut notes).map(|grey| (grey, notes))
    }

    #[test]
    fn the_share_of_coloured_pixels_decides() {
        let (grey, notes) = rgb(5).unwrap();
        assert_eq!((grey[0], grey[9999]), (31583, 90 * 257));
        assert!(notes.is_empty());
        assert_eq!(rgb(6).unwrap().1, [Note::ColouredMarks]);
        assert_eq!(rgb(200).unwrap().1, [Note::ColouredMarks]);
        assert_eq!(rgb(201).unwrap_err().to_string(), "truly coloured picture (2.0 % of the pixels have colour), a radiograph is grey");
    }

    #[test]
    fn grey_stays_as_it_is() {
        let samples: Vec<u8> = (0..=255).flat_map(|v| [v, v, v]).collect();
        let grey = to_grey(&samples, 3, &mut Vec::new()).unwrap();
        assert!(grey.iter().zip(0u16..).all(|(&g, v)| g == v * 257));
        let samples: Vec<u16> = (0..=65535).flat_map(|v| [v, v, v, 65535]).collect();
        let grey = to_grey(&samples, 4, &mut Vec::new()).unwrap();
        assert!(grey.iter().zip(0u16..=65535).all(|(&g, v)| g == v));
    }

    #[test]
    fn alpha_is_laid_over_black() {
        let mut notes = Vec::new();
        assert_eq!(to_grey(&[255u8, 128, 255, 0, 100, 255], 2, &mut notes).unwrap(), [128 * 257, 0, 100 * 257]);
        assert_eq!(notes, [Note::TransparencyFlattened]);
        // What is coloured but fully transparent has no colour.
        assert_eq!(to_grey(&[255u8, 0, 0, 0, 9, 9, 9, 255], 4, &mut notes).unwrap(), [0, 9 * 257]);
    }
}
