//! Pixel by pixel: where opacity grew and where it cleared, in the frame of the later radiograph.

use ndarray::{Array2, Axis};

use super::align::Alignment;
use super::variation::REGIONS;
use crate::Analysis;
use crate::lung::{LEFT, LungMask, RIGHT};

/// Areas thinner than this share of the lungs' height are the rim of an alignment that is not perfect, and no change.
const RIM: f64 = 0.02;

/// A pixel of a [`ChangeMap`] outside the lungs, or where one study shows no lung.
pub const NOT_COMPARED: u8 = 0;
/// No opacity in either study.
pub const CLEAR: u8 = 1;
/// Opacity in both studies, or in one of them within the tolerance of the alignment.
pub const UNCHANGED: u8 = 2;
/// Opacity that the earlier study does not show.
pub const GREW: u8 = 3;
/// Opacity that the later study no longer shows.
pub const CLEARED: u8 = 4;

/// What became of every pixel of the later radiograph.
#[derive(Debug, Clone, PartialEq)]
pub struct ChangeMap {
    labels: Array2<u8>,
    regions: [RegionChange; 9],
}

/// Pixels of one region of the later study.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct RegionChange {
    /// Lung of the later study.
    pub area: u64,
    /// Lung in both studies.
    pub compared: u64,
    pub grew: u64,
    pub cleared: u64,
}

impl RegionChange {
    /// Share of the compared area where opacity grew, 0..1; `None` where nothing could be compared.
    pub fn grew_share(&self) -> Option<f64> {
        self.share(self.grew)
    }

    /// Share of the compared area where opacity cleared, 0..1; `None` where nothing could be compared.
    pub fn cleared_share(&self) -> Option<f64> {
        self.share(self.cleared)
    }

    fn share(&self, pixels: u64) -> Option<f64> {
        (self.compared > 0).then(|| pixels as f64 / self.compared as f64)
    }
}

impl ChangeMap {
    /// Compares two maps; `None` where a study has no lungs at all.
    pub(super) fn new(earlier: &Analysis, later: &Analysis, alignment: &Alignment) -> Option<Self> {
        let (before, after) = (earlier.lungs.as_ref()?, later.lungs.as_ref()?);
        let (rows, columns) = after.labels().dim();
        // What is opacity in one study alone; 1 is what grew, 2 what cleared.
        let mut labels = Array2::zeros((rows, columns));
        let (mut grew, mut cleared) = (Array2::from_elem((rows, columns), false), Array2::from_elem((rows, columns), false));
        for ((y, x), label) in labels.indexed_iter_mut() {
            let side = after.labels()[[y, x]];
            if side == 0 {
                continue;
            }
            let [u, v] = alignment.apply([x as f64, y as f64]);
            if nearest(before.labels(), u, v) != side {
                continue;
            }
            let was = bilinear(earlier.infection.bytes(), u, v) >= 127.5;
            let is = later.infection.bytes()[[y, x]] >= 128;
            *label = if was || is { UNCHANGED } else { CLEAR };
            (grew[[y, x]], cleared[[y, x]]) = (is && !was, was && !is);
        }
        let height = [RIGHT, LEFT].into_iter().filter_map(|side| after.extent(side)).map(|e| e.bottom - e.top).max().unwrap_or(0);
        let reach = (RIM * height as f64 / 2.0).round() as usize;
        for (mask, value) in [(grew, GREW), (cleared, CLEARED)] {
            let mask = opened(mask, reach);
            labels.zip_mut_with(&mask, |label, changed| {
                if *changed {
                    *label = value;
                }
            });
        }
        let regions = count(&labels, after);
        Some(ChangeMap { labels, regions })
    }

    /// [`NOT_COMPARED`], [`CLEAR`], [`UNCHANGED`], [`GREW`] or [`CLEARED`]; rows x columns of the later radiograph.
    pub fn labels(&self) -> &Array2<u8> {
        &self.labels
    }

    /// Counts for each of [`REGIONS`], by the lungs of the later study.
    pub fn regions(&self) -> &[RegionChange; 9] {
        &self.regions
    }
}

fn nearest(plane: &Array2<u8>, x: f64, y: f64) -> u8 {
    let (x, y) = (x.round(), y.round());
    if x < 0.0 || y < 0.0 { 0 } else { plane.get([y as usize, x as usize]).copied().unwrap_or(0) }
}

/// The value between pixels; 0 beyond the plane.
fn bilinear(plane: &Array2<u8>, x: f64, y: f64) -> f64 {
    let (x0, y0) = (x.floor(), y.floor());
    let (u, v) = (x - x0, y - y0);
    let at = |dx: f64, dy: f64| f64::from(nearest(plane, x0 + dx, y0 + dy));
    (1.0 - v) * ((1.0 - u) * at(0.0, 0.0) + u * at(1.0, 0.0)) + v * ((1.0 - u) * at(0.0, 1.0) + u * at(1.0, 1.0))
}

/// Morphological opening by a square of 2 `reach` + 1 pixels: what is thinner goes, the rest stays as it is.
fn opened(mut mask: Array2<bool>, reach: usize) -> Array2<bool> {
    for wanted in [false, true] {
        // Erosion spreads what is not set, dilation what is.
        for axis in [Axis(1), Axis(0)] {
            for mut line in mask.lanes_mut(axis) {
                let old = line.to_vec();
                let mut near: Option<usize> = None;
                // The last pixel of the wanted kind at most `reach` ahead decides.
                for i in 0..old.len() + reach {
                    if i < old.len() && old[i] == wanted {
                        near = Some(i);
                    }
                    let Some(at) = i.checked_sub(reach) else { continue };
                    if near.is_some_and(|n| n + reach >= at) {
                        line[at] = wanted;
                    }
                }
            }
        }
    }
    mask
}

/// Zones as [`Severity`](crate::Severity) draws them: equal thirds of each lung's own bounding box.
fn count(labels: &Array2<u8>, lungs: &LungMask) -> [RegionChange; 9] {
    let mut zones = [RegionChange::default(); 6];
    for ((y, x), side) in lungs.labels().indexed_iter() {
        let Some(extent) = lungs.extent(*side) else { continue };
        let third = (y - extent.top) * 3 / (extent.bottom - extent.top);
        let zone = &mut zones[3 * usize::from(*side - RIGHT) + third];
        let label = labels[[y, x]];
        zone.area += 1;
        zone.compared += u64::from(label != NOT_COMPARED);
        zone.grew += u64::from(label == GREW);
        zone.cleared += u64::from(label == CLEARED);
    }
    let sum = |zones: &[RegionChange]| {
        zones.iter().fold(RegionChange::default(), |a, z| RegionChange {
            area: a.area + z.area,
            compared: a.compared + z.compared,
            grew: a.grew + z.grew,
            cleared: a.cleared + z.cleared,
        })
    };
    let mut regions = [RegionChange::default(); REGIONS.len()];
    regions[..3].copy_from_slice(&[sum(&zones), sum(&zones[..3]), sum(&zones[3..])]);
    regions[3..].copy_from_slice(&zones);
    regions
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn opening_removes_thin_rims_and_keeps_the_rest_as_it_is() {
        let square = |(y, x): (usize, usize)| (5..14).contains(&y) && (4..15).contains(&x);
        let rim = |(y, x): (usize, usize)| x == 18 || y == 18;
        let mask = Array2::from_shape_fn((20, 20), |at| square(at) || rim(at));
        assert_eq!(opened(mask.clone(), 1), Array2::from_shape_fn((20, 20), square));
        assert_eq!(opened(mask.clone(), 0), mask);
        // Longer than the picture: nothing is as thick as that, save a picture without any edge.
        assert!(!opened(mask, 40).iter().any(|m| *m));
        assert!(opened(Array2::from_elem((3, 4), true), 9).iter().all(|m| *m));
    }
}
