//! Lung probabilities to a mask that names the patient's right and left lung, heart included (retrocardiac lung counts).

use ndarray::Array2;

use crate::plane::{mirrored, slice, slice_mut};
use crate::preprocess::Geometry;
use crate::quality::Flag;
use crate::simd::{self, Connectivity};

/// Value of the patient's right lung (image left) in a [`LungMask`].
pub const RIGHT: u8 = 1;
/// Value of the patient's left lung in a [`LungMask`].
pub const LEFT: u8 = 2;

/// Fragments below this share of a lung's largest part are dropped.
const MIN_FRAGMENT: f64 = 0.1;
/// A lung smaller than this share of the image is none.
const MIN_LUNG: f64 = 0.005;

/// Probability of lung per pixel, 0..1, in the network's pixels; the higher side is the pixel's.
#[derive(Debug, Clone, PartialEq)]
pub struct LungProbability {
    right: Array2<f32>,
    left: Array2<f32>,
    sided: bool,
}

/// 0 background, 1 the patient's right lung, 2 the left, at native resolution.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LungMask {
    labels: Array2<u8>,
    boxes: [Option<Extent>; 2],
    areas: [u64; 2],
}

/// Rows and columns a region spans, ends exclusive.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Extent {
    pub left: usize,
    pub top: usize,
    pub right: usize,
    pub bottom: usize,
}

impl Extent {
    /// Which equal third of its height the row lies in, 0 the uppermost; `None` outside.
    pub(crate) fn third(&self, row: usize) -> Option<usize> {
        (self.top..self.bottom).contains(&row).then(|| (row - self.top) * 3 / (self.bottom - self.top))
    }
}

impl LungProbability {
    /// From a network that tells right from left.
    pub fn sided(right: Array2<f32>, left: Array2<f32>) -> Self {
        let standard = |a: Array2<f32>| a.as_standard_layout().into_owned();
        LungProbability { right: standard(right), left: standard(left), sided: true }
    }

    /// From a network that does not: sides are found by position when the mask is made.
    pub fn both(map: Array2<f32>) -> Self {
        let map = map.as_standard_layout().into_owned();
        LungProbability { right: map.clone(), left: map, sided: false }
    }

    /// Probability of the right lung (of either, where sides are not told apart).
    pub fn right(&self) -> &Array2<f32> {
        &self.right
    }

    /// Probability of the left lung (of either, where sides are not told apart).
    pub fn left(&self) -> &Array2<f32> {
        &self.left
    }

    /// Whether the network told right from left.
    pub fn is_sided(&self) -> bool {
        self.sided
    }

    /// The answer to a mirrored view brought back: mirrored, sides swapped.
    pub fn mirrored(&self) -> Self {
        LungProbability { right: mirrored(&self.left), left: mirrored(&self.right), sided: self.sided }
    }

    /// Gives every pixel a side by position where the network did not.
    pub(crate) fn with_sides(self, threshold: f32) -> Self {
        if self.sided {
            return self;
        }
        let (h, w) = self.right.dim();
        let side = sides_by_position(slice(&self.right), w, h, threshold);
        // The other side stays just below, so that interpolation between touching lungs does not cut a gap.
        let lowered = |keep: u8| {
            let values = self.right.iter().zip(&side).map(|(p, s)| if *s == keep { *p } else { (p - 1e-3).max(0.0) });
            Array2::from_shape_vec((h, w), values.collect()).expect("same size")
        };
        LungProbability { right: lowered(RIGHT), left: lowered(LEFT), sided: true }
    }
}

/// Side of every pixel: its part's centre decides, and one wide part is split at its thinnest column near the middle.
fn sides_by_position(map: &[f32], w: usize, h: usize, threshold: f32) -> Vec<u8> {
    let mut mask = vec![0u8; map.len()];
    simd::threshold(map, threshold, &mut mask);
    let found = simd::components(&mask, w, h, Connectivity::Eight);
    let smallest = (MIN_LUNG * (w * h) as f64) as u64;
    let large: Vec<usize> = (0..found.parts.len()).filter(|i| found.parts[*i].area >= smallest).collect();
    let wide = large.iter().copied().find(|i| {
        let p = &found.parts[*i];
        p.x0 < w * 2 / 5 && p.x1 > w * 3 / 5
    });
    let split = match (wide, large.as_slice()) {
        (Some(i), _) => {
            let p = &found.parts[i];
            let (from, to) = (p.x0 + (p.x1 - p.x0) / 3, p.x1 - (p.x1 - p.x0) / 3);
            (from..to.max(from + 1)).min_by_key(|x| (0..h).filter(|y| mask[y * w + x] != 0).count()).unwrap_or(w / 2)
        }
        (None, [a, b, ..]) => {
            let centre = |i: usize| found.parts[i].sum_x as f64 / found.parts[i].area as f64;
            ((centre(*a) + centre(*b)) / 2.0) as usize
        }
        _ => w / 2,
    };
    let mut side: Vec<u8> = (0..map.len()).map(|i| if i % w < split { RIGHT } else { LEFT }).collect();
    if wide.is_none() {
        for (i, part) in found.parts.iter().enumerate() {
            let label = if (part.sum_x as f64 / part.area as f64) < split as f64 { RIGHT } else { LEFT };
            found.paint(i, &mut side, label);
        }
    }
    side
}

impl LungMask {
    /// Cleans (fragments dropped, holes filled) in the network's pixels and brings the mask to native resolution.
    ///
    /// `threshold` in 0..1: probability from which a pixel is lung.
    pub fn new(probability: &LungProbability, threshold: f32, geometry: &Geometry) -> Self {
        let probability = probability.clone().with_sides(threshold);
        let (mut right, mut left) = (probability.right, probability.left);
        let (h, w) = right.dim();
        let own = |a: &Array2<f32>, b: &Array2<f32>, ties: bool| -> Vec<u8> {
            a.iter().zip(b).map(|(a, b)| u8::from(*a >= threshold && (a > b || (ties && a == b)))).collect()
        };
        let cleaned = [own(&right, &left, true), own(&left, &right, false)].map(|mask| clean(&mask, w, h));
        let (right_values, left_values) = (slice_mut(&mut right), slice_mut(&mut left));
        // Of both sides before any hole is filled: a fragment of one lung may lie in a hole of the other.
        for (_, dropped) in &cleaned {
            for ((r, l), _) in right_values.iter_mut().zip(&mut *left_values).zip(dropped).filter(|(_, dropped)| **dropped != 0) {
                (*r, *l) = (r.min(threshold * 0.5), l.min(threshold * 0.5));
            }
        }
        let [(kept_right, _), (kept_left, _)] = &cleaned;
        for (((r, l), in_right), in_left) in right_values.iter_mut().zip(left_values).zip(kept_right).zip(kept_left) {
            // A filled hole belongs to the lung around it, certain enough to stay filled between its neighbours; one in both
            // lungs to both.
            if *r < threshold && *l < threshold {
                *r = if *in_right == 0 { *r } else { 1.0 };
                *l = if *in_left == 0 { *l } else { 1.0 };
            }
        }
        let [rows, columns] = geometry.native;
        let mut labels = Array2::zeros((rows, columns));
        simd::upsample_lungs(slice(&right), slice(&left), (w, h), threshold, slice_mut(&mut labels), (columns, rows));
        Self::from_labels(labels)
    }

    /// Takes a mask of 0, 1 and 2 as it is.
    pub fn from_labels(labels: Array2<u8>) -> Self {
        let labels = labels.as_standard_layout().into_owned();
        let (h, w) = labels.dim();
        let boxes = [RIGHT, LEFT].map(|side| {
            simd::bounding_box(slice(&labels), w, h, side).map(|(x0, y0, x1, y1)| Extent { left: x0, top: y0, right: x1, bottom: y1 })
        });
        let areas = [RIGHT, LEFT].map(|side| simd::count(slice(&labels), side));
        LungMask { labels, boxes, areas }
    }

    /// Rows x columns of the radiograph.
    pub fn labels(&self) -> &Array2<u8> {
        &self.labels
    }

    /// Area of the patient's right lung in pixels.
    pub fn right_area(&self) -> u64 {
        self.areas[0]
    }

    /// Area of the patient's left lung in pixels.
    pub fn left_area(&self) -> u64 {
        self.areas[1]
    }

    /// Area of both lungs in pixels.
    pub fn area(&self) -> u64 {
        self.areas[0] + self.areas[1]
    }

    /// Bounding box of the right ([`RIGHT`]) or left ([`LEFT`]) lung.
    pub fn extent(&self, side: u8) -> Option<Extent> {
        self.boxes.get(usize::from(side).checked_sub(1)?).copied().flatten()
    }

    /// What is doubtful about these lungs for a frontal radiograph.
    pub fn doubts(&self) -> Vec<Flag> {
        let (h, w) = self.labels.dim();
        let total = (w * h) as f64;
        match self.boxes {
            [None, None] => vec![Flag::NoLungs],
            [None, _] | [_, None] => vec![Flag::OneLung],
            [Some(r), Some(l)] => {
                let share = self.area() as f64 / total;
                let (a, b) = (self.areas[0] as f64, self.areas[1] as f64);
                let crossed = r.left + r.right > l.left + l.right;
                if !(0.08..0.8).contains(&share) || a.min(b) / a.max(b) < 0.25 || crossed { vec![Flag::ImplausibleLungs] } else { vec![] }
            }
        }
    }
}

/// One lung's mask without small fragments and without holes, and what was dropped.
fn clean(mask: &[u8], w: usize, h: usize) -> (Vec<u8>, Vec<u8>) {
    let found = simd::components(mask, w, h, Connectivity::Eight);
    let largest = found.parts.iter().map(|p| p.area).max().unwrap_or(0);
    let (mut kept, mut dropped) = (vec![0; mask.len()], vec![0; mask.len()]);
    for (i, part) in found.parts.iter().enumerate() {
        let keep = part.area as f64 >= MIN_FRAGMENT * largest as f64 && largest as f64 >= MIN_LUNG * mask.len() as f64;
        found.paint(i, if keep { &mut kept } else { &mut dropped }, 1);
    }
    simd::fill_holes(&mut kept, w, h);
    dropped.iter_mut().zip(&kept).for_each(|(d, k)| *d &= 1 - k);
    (kept, dropped)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn geometry(n: usize) -> Geometry {
        Geometry { native: [2 * n, 3 * n], model: [n, n] }
    }

    fn blocks(n: usize, parts: &[(std::ops::Range<usize>, std::ops::Range<usize>)]) -> Array2<f32> {
        let mut a = Array2::from_elem((n, n), 0.02);
        for (rows, columns) in parts {
            a.slice_mut(ndarray::s![rows.clone(), columns.clone()]).fill(0.95);
        }
        a
    }

    #[test]
    fn one_channel_lungs_are_split_by_position() {
        let map = blocks(64, &[(10..50, 8..26), (10..50, 38..58)]);
        let mask = LungMask::new(&LungProbability::both(map), 0.5, &geometry(64));
        assert!(mask.right_area() > 0 && mask.left_area() > mask.right_area());
        let (r, l) = (mask.extent(RIGHT).unwrap(), mask.extent(LEFT).unwrap());
        assert!(r.right <= l.left, "{r:?} {l:?}");
        assert!(mask.doubts().is_empty());
    }

    #[test]
    fn touching_lungs_are_split_without_a_gap() {
        let map = blocks(64, &[(10..50, 8..30), (10..50, 34..58), (40..44, 28..36)]);
        let mask = LungMask::new(&LungProbability::both(map.clone()), 0.5, &geometry(64));
        let joined: u64 = LungMask::new(&LungProbability::sided(map.clone(), Array2::zeros((64, 64))), 0.5, &geometry(64)).area();
        assert!(mask.right_area() > 0 && mask.left_area() > 0);
        assert_eq!(mask.area(), joined);
    }

    #[test]
    fn holes_are_filled_and_specks_dropped() {
        let mut right = blocks(64, &[(10..50, 8..26)]);
        right.slice_mut(ndarray::s![20..26, 12..18]).fill(0.01);
        right.slice_mut(ndarray::s![60..62, 60..62]).fill(0.9);
        let left = blocks(64, &[(10..50, 38..58)]);
        let mask = LungMask::new(&LungProbability::sided(right, left), 0.5, &geometry(64));
        assert_eq!(mask.extent(RIGHT).unwrap().right, 26 * 3);
        // Interpolation rounds the four corners.
        assert_eq!(mask.right_area(), (40 * 2) * (18 * 3) - 4);
    }

    #[test]
    fn a_mirrored_view_swaps_sides_back() {
        let p = LungProbability::sided(blocks(32, &[(4..28, 2..12)]), blocks(32, &[(4..28, 20..30)]));
        assert_eq!(p.mirrored().mirrored(), p);
        assert_eq!(p.mirrored().right(), &mirrored(p.left()));
    }

    #[test]
    fn no_lungs_and_one_lung_are_legal() {
        let none = LungProbability::both(Array2::zeros((16, 16)));
        let mask = LungMask::new(&none, 0.5, &geometry(16));
        assert_eq!((mask.area(), mask.doubts()), (0, vec![Flag::NoLungs]));
        let one = LungProbability::both(blocks(32, &[(4..28, 2..12)]));
        assert_eq!(LungMask::new(&one, 0.5, &geometry(32)).doubts(), vec![Flag::OneLung]);
    }
}
