//! The eight ways in which an image can lie: EXIF orientation and DICOM Patient Orientation.

use ndarray::{Array2, Axis};

/// A turn of an image by quarter turns and mirrorings: first rows and columns are exchanged, then rows and columns are reversed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default)]
pub struct Turn {
    transpose: bool,
    reverse_rows: bool,
    reverse_columns: bool,
}

impl Turn {
    /// The turn that makes an image with this EXIF or TIFF orientation (1 to 8) upright; anything else is taken as upright.
    pub(super) fn from_exif(orientation: u8) -> Self {
        let (transpose, reverse_rows, reverse_columns) = match orientation {
            2 => (false, false, true),
            3 => (false, true, true),
            4 => (false, true, false),
            5 => (true, false, false),
            6 => (true, false, true),
            7 => (true, true, true),
            8 => (true, true, false),
            _ => (false, false, false),
        };
        Turn { transpose, reverse_rows, reverse_columns }
    }

    /// The turn that brings DICOM Patient Orientation (PS3.3 C.7.6.1.1.1) to the standard display.
    ///
    /// `along_row` and `along_column` are the patient's directions towards the image's right and bottom; the first letter of
    /// each counts. Frontal images end as `L\F`. Side views end head up, by rotation alone. `None`: the pair makes no sense.
    pub(super) fn from_patient_orientation(along_row: &str, along_column: &str) -> Option<Self> {
        let first = |direction: &str| direction.trim().chars().next();
        let (mut right, mut down) = (first(along_row)?, first(along_column)?);
        let transpose = matches!(right, 'H' | 'F');
        if transpose {
            std::mem::swap(&mut right, &mut down);
        }
        let reverse_rows = match down {
            'F' => false,
            'H' => true,
            _ => return None,
        };
        let reverse_columns = match right {
            'L' => false,
            'R' => true,
            // No side is standard here, so choose the one that needs no mirroring.
            'A' | 'P' => transpose != reverse_rows,
            _ => return None,
        };
        Some(Turn { transpose, reverse_rows, reverse_columns })
    }

    /// Whether the turn leaves every image as it is.
    pub fn is_identity(self) -> bool {
        self == Turn::default()
    }

    /// Whether the turn mirrors, as no rotation can.
    pub fn is_mirroring(self) -> bool {
        self.transpose ^ self.reverse_rows ^ self.reverse_columns
    }

    /// Whether width and height change places.
    pub fn swaps_sides(self) -> bool {
        self.transpose
    }

    /// The turn that undoes this one.
    pub fn inverse(self) -> Self {
        if self.transpose { Turn { transpose: true, reverse_rows: self.reverse_columns, reverse_columns: self.reverse_rows } } else { self }
    }

    /// Patient Orientation, the directions towards right and bottom, of the turned image.
    pub(crate) fn apply_to_orientation(self, [mut right, mut down]: [&str; 2]) -> [String; 2] {
        let opposite = |direction: &str| -> String {
            let other = |c| match c {
                'L' => 'R',
                'R' => 'L',
                'A' => 'P',
                'P' => 'A',
                'H' => 'F',
                'F' => 'H',
                c => c,
            };
            direction.chars().map(other).collect()
        };
        if self.transpose {
            std::mem::swap(&mut right, &mut down);
        }
        [
            if self.reverse_columns { opposite(right) } else { right.to_owned() },
            if self.reverse_rows { opposite(down) } else { down.to_owned() },
        ]
    }

    /// The turned image, in standard layout.
    pub fn apply<T: Clone>(self, image: Array2<T>) -> Array2<T> {
        if self.is_identity() && image.is_standard_layout() {
            return image;
        }
        let mut view = image.view();
        if self.transpose {
            view.swap_axes(0, 1);
        }
        if self.reverse_rows {
            view.invert_axis(Axis(0));
        }
        if self.reverse_columns {
            view.invert_axis(Axis(1));
        }
        view.as_standard_layout().into_owned()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use ndarray::array;

    #[test]
    fn exif_orientations_follow_the_standard() {
        // How each orientation stores the upright image [[1, 2, 3], [4, 5, 6]] (row 0 of the table in EXIF 4.6.4).
        let stored = [
            (1, array![[1, 2, 3], [4, 5, 6]]),
            (2, array![[3, 2, 1], [6, 5, 4]]),
            (3, array![[6, 5, 4], [3, 2, 1]]),
            (4, array![[4, 5, 6], [1, 2, 3]]),
            (5, array![[1, 4], [2, 5], [3, 6]]),
            (6, array![[3, 6], [2, 5], [1, 4]]),
            (7, array![[6, 3], [5, 2], [4, 1]]),
            (8, array![[4, 1], [5, 2], [6, 3]]),
        ];
        for (orientation, image) in stored {
            let turn = Turn::from_exif(orientation);
            let upright = turn.apply(image.clone());
            assert_eq!(upright, array![[1, 2, 3], [4, 5, 6]], "orientation {orientation}");
            assert!(upright.is_standard_layout());
            assert_eq!(turn.inverse().apply(upright), image, "inverse of {orientation}");
            assert_eq!(turn.is_mirroring(), [2, 4, 5, 7].contains(&orientation));
        }
    }

    #[test]
    fn frontal_orientations_end_with_the_right_side_at_the_left_and_the_head_up() {
        // The patient's right lung is 1 above 3, the left one 2 above 4.
        let upright = array![[1, 2], [3, 4]];
        let stored = [
            ("L", "F", array![[1, 2], [3, 4]]),
            ("R", "F", array![[2, 1], [4, 3]]),
            ("L", "H", array![[3, 4], [1, 2]]),
            ("R", "H", array![[4, 3], [2, 1]]),
            ("F", "L", array![[1, 3], [2, 4]]),
            ("F", "R", array![[2, 4], [1, 3]]),
            ("H", "L", array![[3, 1], [4, 2]]),
            ("HR", "RA", array![[4, 2], [3, 1]]),
        ];
        for (row, column, image) in stored {
            let turn = Turn::from_patient_orientation(row, column).unwrap();
            assert_eq!(turn.apply(image), upright, "{row}\\{column}");
        }
    }

    #[test]
    fn side_views_are_rotated_but_never_mirrored() {
        for (row, column) in [("A", "F"), ("P", "F"), ("A", "H"), ("P", "H"), ("F", "A"), ("H", "A"), ("F", "P"), ("H", "P")] {
            let turn = Turn::from_patient_orientation(row, column).unwrap();
            assert!(!turn.is_mirroring(), "{row}\\{column}");
        }
        for (row, column) in [("L", "P"), ("L", "L"), ("", "F"), ("X", "F"), ("H", "F")] {
            assert_eq!(Turn::from_patient_orientation(row, column), None);
        }
    }
}
