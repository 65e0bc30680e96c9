//! How far the figures of one radiograph move when the picture is mirrored, moved, turned, scaled or printed otherwise.

use ndarray::Array2;

use crate::plane::{slice, stretch};
use crate::radiograph::BufferOptions;
use crate::severity::{Severity, ZONES};
use crate::{Error, Pipeline, Radiograph, Result, RunOptions};

/// Regions that are compared: both lungs, each lung, each zone.
pub const REGIONS: [&str; 9] = ["both", "right", "left", ZONES[0], ZONES[1], ZONES[2], ZONES[3], ZONES[4], ZONES[5]];

/// Side of the picture that is varied: twice what networks of this kind look at.
const SIDE: usize = 512;

/// Shares and Brixia estimate of one look at a radiograph; `None` where a lung was not found.
#[derive(Debug, Clone, Copy, PartialEq, Default)]
pub struct Figures {
    /// Infected share of each of [`REGIONS`], 0..1.
    pub shares: [Option<f64>; 9],
    /// 0..18.
    pub brixia_estimate: Option<f64>,
}

impl Figures {
    /// The figures of a severity; a look at a mirrored picture names the sides the other way round.
    pub(super) fn of(severity: Option<&Severity>, mirrored: bool) -> Self {
        let Some(s) = severity else { return Self::default() };
        let (right, left) = if mirrored { (s.left(), s.right()) } else { (s.right(), s.left()) };
        let zone = |i: usize| s.zones[if mirrored { (i + 3) % 6 } else { i }];
        let regions = [s.total(), right, left, zone(0), zone(1), zone(2), zone(3), zone(4), zone(5)];
        Figures { shares: regions.map(|r| r.share()), brixia_estimate: s.brixia_estimate }
    }
}

/// One change to the picture that changes nothing about the patient.
#[derive(Debug, Clone, Copy)]
struct Change {
    mirrored: bool,
    /// Of the picture's width and height.
    shift: [f64; 2],
    scale: f64,
    degrees: f64,
    gamma: f64,
}

const NONE: Change = Change { mirrored: false, shift: [0.0; 2], scale: 1.0, degrees: 0.0, gamma: 1.0 };

/// Each way in both directions, every second one mirrored.
const CHANGES: [Change; 9] = [
    Change { mirrored: true, ..NONE },
    Change { shift: [0.03, 0.02], ..NONE },
    Change { shift: [-0.03, -0.02], mirrored: true, ..NONE },
    Change { scale: 0.94, ..NONE },
    Change { scale: 1.06, mirrored: true, ..NONE },
    Change { degrees: 3.0, ..NONE },
    Change { degrees: -3.0, mirrored: true, ..NONE },
    Change { gamma: 0.85, ..NONE },
    Change { gamma: 1.18, mirrored: true, ..NONE },
];

/// How many looks a [`Variation`] takes beside the ordinary one.
pub const LOOKS: usize = CHANGES.len();

/// What [`Variation`] covers and what it does not, for reports.
pub const METHOD: &str = "Root mean square distance from the ordinary analysis over 9 analyses of the same radiograph: mirrored, \
moved by 3 % and 2 %, scaled by 6 %, turned by 3 degrees, brightened and darkened (gamma 0.85, 1.18), every second one mirrored \
too. Intervals are the difference plus and minus 1.96 times the root of the sum of both squares. They cover how the software \
answers to position and print of the same picture; not exposure, projection, breathing, or how readers differ.";

/// Standard deviations of [`Figures`] around the ordinary analysis.
#[derive(Debug, Clone, Copy, PartialEq, Default)]
pub struct Variation {
    /// Of each of [`REGIONS`]; `None` where the region was not found, or in less than half of the looks.
    pub shares: [Option<f64>; 9],
    pub brixia_estimate: Option<f64>,
}

impl Variation {
    /// Looks at the changed radiograph through the same pipeline.
    pub(super) fn new(pipeline: &Pipeline, radiograph: &Radiograph, ordinary: &Figures, options: &RunOptions) -> Result<Self> {
        let (rows, columns) = radiograph.pixels().dim();
        let pixels = radiograph.pixels().as_standard_layout().into_owned();
        let small = stretch(slice(&pixels), (rows, columns), (SIDE, SIDE))?;
        let small = Array2::from_shape_vec((SIDE, SIDE), small).map_err(|e| Error::Internal(format!("variation: {e}")))?;
        let aspect = radiograph.pixel_aspect_ratio() * rows as f64 / columns as f64;
        let looks = CHANGES.iter().map(|change| {
            let changed = Radiograph::from_view(change.apply(&small, aspect).view(), &BufferOptions::default())?;
            let analysis = pipeline.analyze_with(&changed, options)?;
            Ok(Figures::of(analysis.severity.as_ref(), change.mirrored))
        });
        let looks = looks.collect::<Result<Vec<Figures>>>()?;
        let share = |i: usize| spread(ordinary.shares[i], looks.iter().map(|l| l.shares[i]));
        Ok(Variation {
            shares: std::array::from_fn(share),
            brixia_estimate: spread(ordinary.brixia_estimate, looks.iter().map(|l| l.brixia_estimate)),
        })
    }
}

/// Root mean square distance from the ordinary value.
fn spread(ordinary: Option<f64>, looks: impl Iterator<Item = Option<f64>>) -> Option<f64> {
    let ordinary = ordinary?;
    let (mut squares, mut found, mut all) = (0.0, 0usize, 0usize);
    for look in looks {
        all += 1;
        if let Some(value) = look {
            squares += (value - ordinary).powi(2);
            found += 1;
        }
    }
    (2 * found >= all && found > 0).then(|| (squares / found as f64).sqrt())
}

impl Change {
    /// The changed picture: bilinear, with the border's values beyond it. `aspect` is the picture's true height by its width.
    fn apply(self, picture: &Array2<u16>, aspect: f64) -> Array2<u16> {
        let (rows, columns) = picture.dim();
        let (sin, cos) = self.degrees.to_radians().sin_cos();
        Array2::from_shape_fn((rows, columns), |(y, x)| {
            // From the middle, in widths of the picture.
            let u = (x as f64 + 0.5) / columns as f64 - 0.5 - self.shift[0];
            let v = ((y as f64 + 0.5) / rows as f64 - 0.5 - self.shift[1]) * aspect;
            let u = if self.mirrored { -u } else { u };
            let (u, v) = ((cos * u + sin * v) / self.scale, (cos * v - sin * u) / self.scale / aspect);
            let value = bilinear(picture, (u + 0.5) * columns as f64 - 0.5, (v + 0.5) * rows as f64 - 0.5);
            (65_535.0 * (value / 65_535.0).powf(self.gamma) + 0.5) as u16
        })
    }
}

/// The value at a point between pixels; the nearest one's outside.
fn bilinear(picture: &Array2<u16>, x: f64, y: f64) -> f64 {
    let (rows, columns) = picture.dim();
    let (x, y) = (x.clamp(0.0, (columns - 1) as f64), y.clamp(0.0, (rows - 1) as f64));
    let (x0, y0) = (x as usize, y as usize);
    let (x1, y1) = ((x0 + 1).min(columns - 1), (y0 + 1).min(rows - 1));
    let (u, v) = (x - x0 as f64, y - y0 as f64);
    let at = |y: usize, x: usize| f64::from(picture[[y, x]]);
    (1.0 - v) * ((1.0 - u) * at(y0, x0) + u * at(y0, x1)) + v * ((1.0 - u) * at(y1, x0) + u * at(y1, x1))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::severity::Region;

    #[test]
    fn pictures_move_as_they_are_told() {
        let picture = Array2::from_shape_fn((64, 64), |(y, x)| if (y, x) == (20, 40) { 60_000 } else { 0 });
        let brightest = |change: Change| {
            let changed = change.apply(&picture, 1.0);
            changed.indexed_iter().max_by_key(|(_, v)| **v).map(|(at, _)| at).unwrap()
        };
        assert_eq!(NONE.apply(&picture, 1.0), picture);
        assert_eq!(brightest(Change { mirrored: true, ..NONE }), (20, 23));
        assert_eq!(brightest(Change { shift: [0.125, -0.0625], ..NONE }), (16, 48));
        // Its middle comes to lie between two pixels.
        assert!(matches!(brightest(Change { scale: 2.0, ..NONE }), (8 | 9, 48 | 49)));
        // A quarter turn clockwise, as seen on the screen.
        assert_eq!(brightest(Change { degrees: 90.0, ..NONE }), (40, 43));
        let darker = Change { gamma: 1.18, ..NONE }.apply(&picture, 1.0);
        assert!(darker[[20, 40]] < 60_000 && darker[[20, 40]] > 50_000);
    }

    #[test]
    fn sides_are_named_from_the_patient_in_mirrored_looks() {
        let mut zones = [Region { area: 10, infected: 0, sum: 0 }; 6];
        zones[2].infected = 5;
        let severity = Severity { zones, zone_scores: [None; 6], brixia_estimate: None, grade: None };
        let straight = Figures::of(Some(&severity), false);
        let mirrored = Figures::of(Some(&severity), true);
        assert_eq!((straight.shares[1], straight.shares[5]), (Some(5.0 / 30.0), Some(0.5)));
        assert_eq!((mirrored.shares[2], mirrored.shares[8]), (Some(5.0 / 30.0), Some(0.5)));
        assert_eq!(straight.shares[0], mirrored.shares[0]);
        assert_eq!(Figures::of(None, false), Figures::default());
    }

    #[test]
    fn spread_is_around_the_ordinary_value_and_needs_half_of_the_looks() {
        assert_eq!(spread(Some(1.0), [Some(1.5), Some(0.5)].into_iter()), Some(0.5));
        assert_eq!(spread(Some(1.0), [Some(2.0), None].into_iter()), Some(1.0));
        assert_eq!(spread(Some(1.0), [Some(2.0), None, None].into_iter()), None);
        assert_eq!(spread(None, [Some(2.0)].into_iter()), None);
    }
}
