//! Outlines drawn into an RGB picture: each lung, and the area that counts as opacity.

use ndarray::{Array2, Array3, CowArray, Ix2, s};

use crate::{Error, Result};

/// The patient's right lung: cyan.
pub const RIGHT_LUNG_COLOUR: [u8; 3] = [86, 220, 255];
/// The patient's left lung: light green.
pub const LEFT_LUNG_COLOUR: [u8; 3] = [150, 240, 130];
/// Opacity: white, which no colour map contains.
pub const OPACITY_COLOUR: [u8; 3] = [255, 255, 255];

/// Outlines both lungs of a mask (0, 1 the patient's right, 2 left; H x W) in place on an H x W x 3 picture.
///
/// # Errors
/// [`Error::Parameter`] if the shapes differ.
pub fn outline_lungs(picture: &mut Array3<u8>, lungs: &Array2<u8>) -> Result<()> {
    outline(picture, lungs, |label| label == 1, RIGHT_LUNG_COLOUR)?;
    outline(picture, lungs, |label| label == 2, LEFT_LUNG_COLOUR)
}

/// Outlines the area of an infection map (H x W) that counts as opacity, byte >= 128, in place on an H x W x 3 picture.
///
/// # Errors
/// [`Error::Parameter`] if the shapes differ.
pub fn outline_opacity(picture: &mut Array3<u8>, map: &Array2<u8>) -> Result<()> {
    outline(picture, map, |byte| byte >= 128, OPACITY_COLOUR)
}

/// Draws the inner edge of an area, as wide as 1/400 of the long side and at least one pixel.
pub(super) fn outline(picture: &mut Array3<u8>, plane: &Array2<u8>, inside: impl Fn(u8) -> bool, colour: [u8; 3]) -> Result<()> {
    let (height, width) = plane.dim();
    if picture.dim() != (height, width, 3) {
        return Err(Error::Parameter(format!("outlines of {width} x {height} pixels do not fit a picture of shape {:?}", picture.shape())));
    }
    let line = ((height.max(width) + 200) / 400).max(1);
    let pen = pen(line);
    let plane = plane.as_standard_layout();
    for (y, x) in uneven(&plane) {
        if !inside(plane[[y, x]]) {
            continue;
        }
        // The picture's own border is no edge: an area may run on beyond it.
        let edge = (y > 0 && !inside(plane[[y - 1, x]]))
            || (x > 0 && !inside(plane[[y, x - 1]]))
            || (y + 1 < height && !inside(plane[[y + 1, x]]))
            || (x + 1 < width && !inside(plane[[y, x + 1]]));
        if !edge {
            continue;
        }
        for &(dy, dx) in &pen {
            let (Some(row), Some(column)) = (y.checked_add_signed(dy), x.checked_add_signed(dx)) else { continue };
            if row < height && column < width {
                for (channel, &level) in colour.iter().enumerate() {
                    picture[[row, column, channel]] = level;
                }
            }
        }
    }
    Ok(())
}

/// Pixels at a time that are looked at as one.
const SPAN: usize = 128;

/// All pixels but those in stretches of a row that equal their surroundings, where no edge can be.
fn uneven(plane: &CowArray<'_, u8, Ix2>) -> impl Iterator<Item = (usize, usize)> {
    let (height, width) = plane.dim();
    let row = move |y: usize| plane.slice(s![y, ..]).to_slice().unwrap_or_default();
    (0..height)
        .flat_map(move |y| {
            let (above, own, below) = (row(y.saturating_sub(1)), row(y), row((y + 1).min(height - 1)));
            (0..width).step_by(SPAN).filter_map(move |from| {
                let to = (from + SPAN).min(width);
                let (left, right) = (from.saturating_sub(1), (to + 1).min(width));
                let even = own[left..to - 1] == own[left + 1..to]
                    && own[from..right - 1] == own[from + 1..right]
                    && own[from..to] == above[from..to]
                    && own[from..to] == below[from..to];
                (!even).then_some((y, from..to))
            })
        })
        .flat_map(|(y, span)| span.map(move |x| (y, x)))
}

/// Offsets of a round pen `line` pixels across.
fn pen(line: usize) -> Vec<(isize, isize)> {
    let line = line as isize;
    let first = -(line - 1) / 2;
    // Twice the distance from the pen's middle, so that even widths stay in whole numbers.
    let middle = 2 * first + line - 1;
    let covers = |d: isize, e: isize| (2 * d - middle).pow(2) + (2 * e - middle).pow(2) <= line * line;
    let span = first..first + line;
    span.clone().flat_map(|dy| span.clone().map(move |dx| (dy, dx))).filter(|&(dy, dx)| covers(dy, dx)).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_thin_line_follows_the_inner_edge() {
        let square = 2..7;
        let plane = Array2::from_shape_fn((9, 9), |(y, x)| if square.contains(&y) && square.contains(&x) { 128 } else { 127 });
        let mut picture = Array3::<u8>::zeros((9, 9, 3));
        outline_opacity(&mut picture, &plane).unwrap();
        for ((y, x), &byte) in plane.indexed_iter() {
            let inner = (3..6).contains(&y) && (3..6).contains(&x);
            assert_eq!(picture[[y, x, 0]] == 255, byte >= 128 && !inner, "{y} {x}");
        }
    }

    #[test]
    fn each_lung_has_its_colour() {
        let plane = Array2::from_shape_fn((20, 40), |(y, x)| match (y, x) {
            (5..15, 5..15) => 1,
            (5..15, 25..35) => 2,
            _ => 0,
        });
        let mut picture = Array3::<u8>::zeros((20, 40, 3));
        outline_lungs(&mut picture, &plane).unwrap();
        let at = |y, x| [0, 1, 2].map(|channel| picture[[y, x, channel]]);
        assert_eq!((at(5, 5), at(5, 25), at(10, 10)), (RIGHT_LUNG_COLOUR, LEFT_LUNG_COLOUR, [0; 3]));
    }

    #[test]
    fn lines_stay_in_bounds_and_grow_with_the_picture() {
        for (height, width) in [(1, 1), (1, 50), (2, 2), (801, 3), (1600, 1200)] {
            // A checkerboard of blocks has edges everywhere, the picture's corners among them.
            let plane = Array2::from_shape_fn((height, width), |(y, x)| if (y / 7 + x / 7) % 2 == 0 { 255 } else { 0 });
            let mut picture = Array3::<u8>::zeros((height, width, 3));
            outline_opacity(&mut picture, &plane).unwrap();
        }
        assert_eq!([1, 2, 3, 8].map(|line| pen(line).len()), [1, 4, 9, 52]);
    }

    #[test]
    fn refuses_a_picture_of_another_shape() {
        let plane = Array2::<u8>::zeros((4, 5));
        for shape in [(5, 4, 3), (4, 5, 4), (0, 0, 3)] {
            let result = outline_lungs(&mut Array3::zeros(shape), &plane);
            assert!(matches!(result, Err(Error::Parameter(_))));
        }
    }
}
