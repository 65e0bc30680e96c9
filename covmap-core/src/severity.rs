//! How much of the lungs: infected shares, a Brixia estimate and a grade, from map and lungs, the estimate also from
//! the points that come with the map.

use std::fmt;
use std::str::FromStr;

use ndarray::Array2;
use serde::{Deserialize, Serialize};

use crate::engine::{BrixiaCalibration, ZoneFeature};
use crate::fusion::InfectionMap;
use crate::lung::{LEFT, LungMask, RIGHT};
use crate::plane::slice;
use crate::run::named;
use crate::simd::{self, RegionCount};
use crate::{Error, Result};

/// Names of the Brixia zones: A, B, C are the right upper, middle and lower zone, D, E, F the left ones.
pub const ZONES: [&str; 6] = ["A", "B", "C", "D", "E", "F"];

named! {
    /// Severity in words: bands of the Brixia estimate 0..18. Moderate begins at 7.5, since from 8 points on death in hospital was
    /// more frequent (Borghesi et al. 2020, doi 10.1016/j.ijid.2020.05.021), severe at 11.5, since 12 was the median of those who
    /// died (Maroldi et al. 2021, doi 10.1007/s00330-020-07504-2). A grade describes a radiograph, not a patient's prospects.
    Grade: "grade" {
        /// Below 1.
        None = "none",
        /// 1 to 7.5.
        Mild = "mild",
        /// 7.5 to 11.5.
        Moderate = "moderate",
        /// 11.5 and more.
        Severe = "severe",
    } default None
}

/// One region's counts.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct Region {
    /// Pixels.
    pub area: u64,
    /// Pixels whose byte is at least 128.
    pub infected: u64,
    /// Sum of the bytes.
    pub sum: u64,
}

impl Region {
    /// Infected share of the area, 0..1; `None` for an empty region.
    pub fn share(&self) -> Option<f64> {
        (self.area > 0).then(|| self.infected as f64 / self.area as f64)
    }

    /// Mean of the map over the region, 0..1; `None` for an empty region.
    pub fn mean(&self) -> Option<f64> {
        (self.area > 0).then(|| self.sum as f64 / 255.0 / self.area as f64)
    }

    fn add(&mut self, other: &RegionCount) {
        self.area += other.area;
        self.infected += other.infected;
        self.sum += other.sum;
    }

    fn and(self, other: Region) -> Region {
        Region { area: self.area + other.area, infected: self.infected + other.infected, sum: self.sum + other.sum }
    }
}

/// Extent of opacity in the lungs. What needs a lung is `None` where it was not found.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Severity {
    /// Counts per zone, A to F.
    pub zones: [Region; 6],
    /// Brixia estimate per zone, 0..3; `None` without calibration or lung, or without the points that the calibration counts on.
    pub zone_scores: [Option<f64>; 6],
    /// Sum over the zones that were found, 0..18.
    pub brixia_estimate: Option<f64>,
    pub grade: Option<Grade>,
}

impl Severity {
    /// Counts the map over the six zones: equal vertical thirds of each lung's own bounding box.
    ///
    /// # Errors
    /// `Parameter` if map and lungs differ in size.
    pub fn new(map: &InfectionMap, lungs: &LungMask, calibration: Option<&BrixiaCalibration>) -> Result<Self> {
        let (rows, columns) = map.bytes().dim();
        if lungs.labels().dim() != (rows, columns) {
            return Err(Error::Parameter("infection map and lung mask differ in size".into()));
        }
        let mut zones = [Region::default(); 6];
        let (labels, bytes) = (slice(lungs.labels()), slice(map.bytes()));
        let extents = [lungs.extent(RIGHT), lungs.extent(LEFT)];
        for y in 0..rows {
            let mut counts = [RegionCount::default(); 3];
            let row = y * columns..(y + 1) * columns;
            simd::count_regions(&labels[row.clone()], &bytes[row], &mut counts);
            for (side, extent) in extents.iter().enumerate() {
                if let Some(third) = extent.and_then(|e| e.third(y)) {
                    zones[side * 3 + third].add(&counts[side + 1]);
                }
            }
        }
        let points = map.probability().points().map(|points| zone_points(points, lungs));
        let score = |zone: usize| {
            let (c, z) = (calibration?, &zones[zone]);
            let x = match c.feature {
                ZoneFeature::Share => z.share()?,
                ZoneFeature::Mean => z.mean()?,
            };
            let known = interpolate(&c.knots, x);
            let Some(ramp) = c.ramp else { return Some(known) };
            let counts = ((x - f64::from(c.knots[0][0])) / f64::from(ramp)).clamp(0.0, 1.0);
            Some((known + counts * points?[zone]).clamp(0.0, 3.0))
        };
        let zone_scores = std::array::from_fn(score);
        let found: Vec<f64> = zone_scores.iter().flatten().copied().collect();
        let brixia_estimate = (!found.is_empty()).then(|| found.iter().sum());
        let grade = brixia_estimate.map(|b| match b {
            b if b < 1.0 => Grade::None,
            b if b < 7.5 => Grade::Mild,
            b if b < 11.5 => Grade::Moderate,
            _ => Grade::Severe,
        });
        Ok(Severity { zones, zone_scores, brixia_estimate, grade })
    }

    /// The right lung.
    pub fn right(&self) -> Region {
        self.zones[..3].iter().fold(Region::default(), |a, z| a.and(*z))
    }

    /// The left lung.
    pub fn left(&self) -> Region {
        self.zones[3..].iter().fold(Region::default(), |a, z| a.and(*z))
    }

    /// Both lungs.
    pub fn total(&self) -> Region {
        self.right().and(self.left())
    }
}

/// Mean points of each zone: what is found at the centres of the points' pixels. 0 for a zone that none of them hits.
fn zone_points(points: &Array2<f32>, lungs: &LungMask) -> [f64; 6] {
    let ((h, w), (rows, columns)) = (points.dim(), lungs.labels().dim());
    let native = |i: usize, n: usize, m: usize| (2 * i + 1) * n / (2 * m);
    let across: Vec<usize> = (0..w).map(|x| native(x, columns, w)).collect();
    let extents = [lungs.extent(RIGHT), lungs.extent(LEFT)];
    let mut found = [(0.0, 0u32); 6];
    for (i, row) in points.outer_iter().enumerate() {
        let y = native(i, rows, h);
        let thirds = extents.map(|e| e.and_then(|e| e.third(y)));
        let labels = lungs.labels().row(y);
        for (p, x) in row.iter().zip(&across) {
            let side = match labels[*x] {
                RIGHT => 0,
                LEFT => 1,
                _ => continue,
            };
            if let Some(third) = thirds[side] {
                let (sum, n) = &mut found[side * 3 + third];
                (*sum, *n) = (*sum + f64::from(*p), *n + 1);
            }
        }
    }
    found.map(|(sum, n)| sum / f64::from(n.max(1)))
}

/// Piecewise linear through rising knots, constant beyond the ends.
fn interpolate(knots: &[[f32; 2]], x: f64) -> f64 {
    let at = |i: usize| knots[i].map(f64::from);
    let above = knots.iter().position(|k| f64::from(k[0]) > x);
    match above {
        Some(0) => at(0)[1],
        None => at(knots.len() - 1)[1],
        Some(i) => {
            let ([x0, y0], [x1, y1]) = (at(i - 1), at(i));
            y0 + (y1 - y0) * (x - x0) / (x1 - x0)
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::infection::InfectionProbability;
    use crate::preprocess::Geometry;

    #[test]
    fn zones_are_thirds_of_each_lungs_own_box() {
        // Right lung: rows 0..9 of columns 0..4. Left lung: rows 3..12 of columns 6..10. Infected: rows below 6.
        let labels = Array2::from_shape_fn((12, 10), |(y, x)| match (y, x) {
            (0..9, 0..4) => RIGHT,
            (3..12, 6..10) => LEFT,
            _ => 0,
        });
        let lungs = LungMask::from_labels(labels);
        let p = InfectionProbability::new(Array2::from_shape_fn((12, 10), |(y, _)| if y < 6 { 1.0 } else { 0.0 }));
        let map = InfectionMap::new(p, Some(&lungs), &Geometry { native: [12, 10], model: [12, 10] }).unwrap();
        let calibration = BrixiaCalibration { feature: ZoneFeature::Share, knots: vec![[0.0, 0.0], [1.0, 3.0]], ramp: None };
        let s = Severity::new(&map, &lungs, Some(&calibration)).unwrap();
        let shares: Vec<f64> = s.zones.iter().map(|z| z.share().unwrap()).collect();
        assert_eq!(shares, [1.0, 1.0, 0.0, 1.0, 0.0, 0.0]);
        assert_eq!(s.brixia_estimate, Some(9.0));
        assert_eq!(s.grade, Some(Grade::Moderate));
        assert_eq!(s.total().share(), Some(0.5));
    }

    #[test]
    fn a_lung_that_is_missing_has_no_share() {
        let lungs = LungMask::from_labels(Array2::zeros((4, 4)));
        let p = InfectionProbability::new(Array2::from_elem((4, 4), 0.9));
        let map = InfectionMap::new(p, Some(&lungs), &Geometry { native: [4, 4], model: [4, 4] }).unwrap();
        let s = Severity::new(&map, &lungs, None).unwrap();
        assert_eq!((s.total().share(), s.brixia_estimate, s.grade), (None, None, None));
    }

    #[test]
    fn points_count_where_the_map_has_something() {
        // Zone A: 0.2 at all its pixels; the others: nothing. Twelve rows of points over six of the radiograph.
        let labels = Array2::from_shape_fn((6, 8), |(_, x)| if x < 4 { RIGHT } else { LEFT });
        let lungs = LungMask::from_labels(labels);
        let p = Array2::from_shape_fn((6, 8), |(y, x)| if y < 2 && x < 4 { 51.0 / 255.0 } else { 0.0 });
        let scores = |points: Option<f32>, ramp: Option<f32>| {
            let points = points.map(|p| Array2::from_shape_fn((12, 8), |(y, _)| if y < 4 { p } else { 3.0 }));
            let p = InfectionProbability::new(p.clone()).with_points(points);
            let map = InfectionMap::new(p, Some(&lungs), &Geometry { native: [6, 8], model: [6, 8] }).unwrap();
            let calibration = BrixiaCalibration { feature: ZoneFeature::Mean, knots: vec![[0.1, 0.0], [0.3, 1.0]], ramp };
            Severity::new(&map, &lungs, Some(&calibration)).unwrap().zone_scores.map(|s| s.map(|s| (s * 1e6).round() / 1e6))
        };
        let first = |x: f64| [Some(x), Some(0.0), Some(0.0), Some(0.0), Some(0.0), Some(0.0)];
        assert_eq!(scores(Some(2.0), None), first(0.5));
        assert_eq!(scores(Some(2.0), Some(0.1)), first(2.5));
        assert_eq!(scores(Some(2.0), Some(0.2)), first(1.5));
        assert_eq!(scores(Some(9.0), Some(0.1)), first(3.0));
        assert_eq!(scores(Some(-9.0), Some(0.1)), first(0.0));
        assert_eq!(scores(None, Some(0.1)), [None; 6]);
    }

    #[test]
    fn interpolation_is_constant_beyond_the_ends() {
        let knots = [[0.1, 0.5], [0.3, 2.5]];
        assert_eq!(interpolate(&knots, 0.0), 0.5);
        assert!((interpolate(&knots, 0.2) - 1.5).abs() < 1e-6);
        assert_eq!(interpolate(&knots, 0.9), 2.5);
    }
}
