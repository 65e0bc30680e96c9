//! The borders that collimation burns into an image: outer rows and columns of a single value.

use ndarray::{ArrayView2, Axis, Slice};

/// What lies inside the borders; the whole image where it has none. Rows and columns may come back in reverse order.
///
/// A border is at least two pixels and a hundredth of its side thick, so that no lone line of a picture passes for one.
pub(super) fn inside(whole: ArrayView2<'_, u16>) -> ArrayView2<'_, u16> {
    let mut image = whole;
    loop {
        let before = image.dim();
        for (axis, side) in [(Axis(0), whole.nrows()), (Axis(1), whole.ncols())] {
            for _end in 0..2 {
                image.invert_axis(axis);
                let value = image[[0, 0]];
                let thickness = image.axis_iter(axis).take_while(|lane| lane.iter().all(|&v| v == value)).count();
                if thickness == image.len_of(axis) {
                    return whole;
                }
                if thickness >= 2 && thickness * 100 >= side {
                    image.slice_axis_inplace(axis, Slice::from(thickness..));
                }
            }
        }
        if image.dim() == before {
            return image;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use ndarray::{Array2, s};

    fn size(image: &Array2<u16>) -> (usize, usize) {
        inside(image.view()).dim()
    }

    #[test]
    fn borders_of_several_values_are_peeled() {
        let picture = Array2::from_shape_fn((40, 30), |(r, c)| (r * 30 + c) as u16 + 10);
        assert_eq!(size(&picture), (40, 30));
        let mut image = picture.clone();
        image.slice_mut(s![..5, ..]).fill(0);
        image.slice_mut(s![.., 27..]).fill(4095);
        assert_eq!(size(&image), (35, 27));
        // A frame around a frame.
        image.slice_mut(s![.., ..2]).fill(7);
        image.slice_mut(s![38.., ..]).fill(7);
        assert_eq!(size(&image), (33, 25));
        // One line alone is none.
        let mut line = picture;
        line.row_mut(0).fill(0);
        assert_eq!(size(&line), (40, 30));
    }

    #[test]
    fn blank_images_and_stripes_have_none() {
        assert_eq!(size(&Array2::zeros((8, 8))), (8, 8));
        assert_eq!(size(&Array2::from_shape_fn((9, 9), |(r, _)| (r / 3) as u16)), (9, 9));
        assert_eq!(size(&Array2::from_shape_fn((1, 9), |(_, c)| c as u16)), (1, 9));
    }
}
