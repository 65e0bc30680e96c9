//! A colour bar under the picture, lettered by a font of its own.

use ndarray::{Array3, Axis, Slice};

use super::{OverlayOptions, coefficients};
use crate::{Error, Result};

/// Height of the strip and smallest width, in pixels of the font.
const STRIP: usize = 38;
const SMALLEST: usize = 144;
/// Where the parts of the strip begin, from its top.
const TITLE: usize = 4;
const BAR: usize = 14;
const TICKS: usize = 28;
const MARGIN: usize = 10;
/// Side of a coloured square.
const KEY: usize = 14;

/// The picture (H x W x 3) with a legend under it: a colour bar from 0 over 0.5 to 1, `probability of opacity`.
///
/// The bar shows the colours as `options` paint them on white film. Its lettering grows with the width; a picture too
/// narrow for it is widened with black to the right.
///
/// # Errors
/// [`Error::Parameter`] if a side is zero, there are not three channels, or `options.opacity` is outside 0..=1.
pub fn with_legend(picture: &Array3<u8>, options: &OverlayOptions) -> Result<Array3<u8>> {
    let (height, width, channels) = picture.dim();
    if height == 0 || width == 0 || channels != 3 {
        return Err(Error::Parameter(format!("a legend needs a picture of H x W x 3, not {:?}", picture.shape())));
    }
    let colours = coefficients(options.colormap, options.opacity)?;
    let (mut page, scale, full) = extended(picture);
    let mut strip = Strip { page: &mut page, top: height, scale };

    let units = full / scale;
    strip.text(units / 2, TITLE, "probability of opacity");
    let (left, bar) = (MARGIN * scale, (units - 2 * MARGIN) * scale);
    for x in 0..bar {
        let byte = if bar > 1 { (x * 255 + (bar - 1) / 2) / (bar - 1) } else { 0 };
        let rgb = colours[byte].map(|coefficient| (255.0 * coefficient + 0.5) as u8);
        strip.fill(left + x, BAR * scale, 1, 9 * scale, rgb);
    }
    for (at, label) in [(0, "0"), (1, "0.5"), (2, "1")] {
        let x = MARGIN + at * (units - 2 * MARGIN - 1) / 2;
        strip.fill(x * scale, (BAR + 9) * scale, scale, 3 * scale, [255; 3]);
        strip.text(x, TICKS, label);
    }
    Ok(page)
}

/// The picture (H x W x 3) with a key under it: a square of each colour and its name, of small letters.
pub(super) fn with_keys(picture: &Array3<u8>, keys: &[(&str, [u8; 3])]) -> Array3<u8> {
    let height = picture.dim().0;
    let (mut page, scale, full) = extended(picture);
    let mut strip = Strip { page: &mut page, top: height, scale };
    let place = full / scale / keys.len().max(1);
    for (i, (name, rgb)) in keys.iter().enumerate() {
        let middle = i * place + place / 2;
        strip.fill((middle - KEY / 2) * scale, TITLE * scale, KEY * scale, KEY * scale, *rgb);
        strip.text(middle, TITLE + KEY + 5, name);
    }
    page
}

/// The picture over an empty strip, the pixels a pixel of the font takes, and the width of the page.
fn extended(picture: &Array3<u8>) -> (Array3<u8>, usize, usize) {
    let (height, width, _) = picture.dim();
    let scale = (width / 400).max(1);
    let full = width.max(SMALLEST * scale);
    let mut page = Array3::zeros((height + STRIP * scale, full, 3));
    let mut rows = page.slice_axis_mut(Axis(0), Slice::from(..height));
    rows.slice_axis_mut(Axis(1), Slice::from(..width)).assign(picture);
    (page, scale, full)
}

/// The strip under the picture.
struct Strip<'a> {
    page: &'a mut Array3<u8>,
    top: usize,
    scale: usize,
}

impl Strip<'_> {
    /// Writes a line centred on column `x`, both in pixels of the font.
    fn text(&mut self, x: usize, y: usize, line: &str) {
        let left = x.saturating_sub((6 * line.len() - 1) / 2);
        for (i, letter) in line.chars().enumerate() {
            for (row, bits) in glyph(letter).into_iter().enumerate() {
                for column in (0..5).filter(|column| bits >> (4 - column) & 1 == 1) {
                    let (x, y) = ((left + 6 * i + column) * self.scale, (y + row) * self.scale);
                    self.fill(x, y, self.scale, self.scale, [255; 3]);
                }
            }
        }
    }

    /// Fills a rectangle, in pixels of the picture from the strip's top left; what lies outside is left out.
    fn fill(&mut self, x: usize, y: usize, width: usize, height: usize, rgb: [u8; 3]) {
        let (rows, columns, _) = self.page.dim();
        for row in self.top + y..(self.top + y + height).min(rows) {
            for column in x..(x + width).min(columns) {
                for (channel, level) in rgb.into_iter().enumerate() {
                    self.page[[row, column, channel]] = level;
                }
            }
        }
    }
}

/// Five columns by seven rows, the leftmost column in the highest bit; only what the legend spells.
fn glyph(letter: char) -> [u8; 7] {
    match letter {
        '0' => [0b01110, 0b10001, 0b10011, 0b10101, 0b11001, 0b10001, 0b01110],
        '1' => [0b00100, 0b01100, 0b00100, 0b00100, 0b00100, 0b00100, 0b01110],
        '5' => [0b11111, 0b10000, 0b11110, 0b00001, 0b00001, 0b10001, 0b01110],
        '.' => [0, 0, 0, 0, 0, 0b01100, 0b01100],
        'a' => [0, 0, 0b01110, 0b00001, 0b01111, 0b10001, 0b01111],
        'b' => [0b10000, 0b10000, 0b11110, 0b10001, 0b10001, 0b10001, 0b11110],
        'c' => [0, 0, 0b01110, 0b10000, 0b10000, 0b10001, 0b01110],
        'd' => [0b00001, 0b00001, 0b01101, 0b10011, 0b10001, 0b10001, 0b01111],
        'e' => [0, 0, 0b01110, 0b10001, 0b11111, 0b10000, 0b01110],
        'f' => [0b00110, 0b01001, 0b01000, 0b11100, 0b01000, 0b01000, 0b01000],
        'g' => [0, 0b01111, 0b10001, 0b10001, 0b01111, 0b00001, 0b01110],
        'h' => [0b10000, 0b10000, 0b10110, 0b11001, 0b10001, 0b10001, 0b10001],
        'i' => [0b00100, 0, 0b01100, 0b00100, 0b00100, 0b00100, 0b01110],
        'l' => [0b01100, 0b00100, 0b00100, 0b00100, 0b00100, 0b00100, 0b01110],
        'o' => [0, 0, 0b01110, 0b10001, 0b10001, 0b10001, 0b01110],
        'p' => [0, 0, 0b11110, 0b10001, 0b11110, 0b10000, 0b10000],
        'r' => [0, 0, 0b10110, 0b11001, 0b10000, 0b10000, 0b10000],
        't' => [0b01000, 0b01000, 0b11100, 0b01000, 0b01000, 0b01001, 0b00110],
        'w' => [0, 0, 0b10001, 0b10001, 0b10101, 0b10101, 0b01010],
        'y' => [0, 0, 0b10001, 0b10001, 0b01111, 0b00001, 0b01110],
        _ => [0; 7],
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_picture_stays_and_the_bar_spans_the_colours() {
        let picture = Array3::from_elem((50, 300, 3), 9);
        let options = OverlayOptions { opacity: 1.0, ..Default::default() };
        let page = with_legend(&picture, &options).unwrap();
        assert_eq!(page.dim(), (50 + STRIP, 300, 3));
        assert_eq!(page.slice_axis(Axis(0), Slice::from(..50)), picture);
        let at = |x: usize| [0, 1, 2].map(|channel| page[[50 + BAR + 4, x, channel]]);
        assert_eq!((at(MARGIN), at(300 - MARGIN - 1)), ([255; 3], [255, 0, 0]));
        assert_eq!(at(MARGIN - 1), [0; 3]);
    }

    #[test]
    fn small_and_large_pictures() {
        for (height, width) in [(1, 1), (64, 64), (257, 255), (100, 143), (100, 3001)] {
            let (rows, columns, _) = with_legend(&Array3::zeros((height, width, 3)), &Default::default()).unwrap().dim();
            assert!(rows >= height + STRIP && columns >= width.max(SMALLEST));
        }
    }

    #[test]
    fn every_letter_is_drawn() {
        for letter in "probabilityofopacity00.51grewclearedboth".chars() {
            assert_ne!(glyph(letter), [0; 7], "{letter}");
        }
    }

    #[test]
    fn refuses_what_is_no_picture() {
        for shape in [(0, 4, 3), (4, 0, 3), (4, 4, 1)] {
            assert!(matches!(with_legend(&Array3::zeros(shape), &Default::default()), Err(Error::Parameter(_))));
        }
    }
}
