//! The lungs of one study laid over those of another, by an affine map fitted from the two lung masks.

use ndarray::Array2;

use crate::lung::{LEFT, LungMask, RIGHT};

/// Bands of equal area from a lung's apex to its base; each gives a landmark at its medial and at its lateral side.
const BANDS: usize = 12;
/// Where across a band its landmarks lie: quantiles, which no ragged edge moves far.
const ACROSS: [f64; 2] = [0.1, 0.9];
/// Landmarks that fit worst are left out: opacity that hides a part of one lung must not drag the rest along.
const TRIMMED: f64 = 0.2;
/// Rotation moves the bands, so that the fit is repeated on the aligned mask.
const ROUNDS: usize = 5;
/// Masks are compared on a grid of at most this many points a side.
const GRID: usize = 384;

/// What an alignment may do.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum AlignmentKind {
    /// Moves, turns and scales: where only one lung was found in both studies.
    Similarity,
    /// Also stretches and shears, as breathing in and another posture do: both lungs were found in both studies.
    Affine,
}

impl AlignmentKind {
    /// Stable lower-case name for reports.
    pub fn as_str(self) -> &'static str {
        match self {
            AlignmentKind::Similarity => "similarity",
            AlignmentKind::Affine => "affine",
        }
    }
}

/// Where a pixel of the later radiograph lies in the earlier one.
#[derive(Debug, Clone, PartialEq)]
pub struct Alignment {
    pub kind: AlignmentKind,
    /// Rows of the map from (x, y, 1) of the later radiograph to x and y of the earlier one, in pixels, 0 at the centre of the
    /// first.
    pub later_to_earlier: [[f64; 3]; 2],
    /// Dice of the aligned lungs, each with its own side, 0..1, over the lungs that were found in both studies.
    pub overlap: f64,
}

/// A lung mask with the shape of its pixels.
pub(super) struct Lungs<'a> {
    pub mask: &'a LungMask,
    /// Height of a pixel divided by its width.
    pub aspect: f64,
}

type Point = [f64; 2];
type Affine = [[f64; 3]; 2];

impl Alignment {
    /// The alignment of `earlier` to `later`; `None` where no lung was found in both.
    pub(super) fn new(earlier: &Lungs<'_>, later: &Lungs<'_>) -> Option<Self> {
        let found = |lungs: &Lungs<'_>, side: u8| lungs.mask.extent(side).is_some();
        let sides: Vec<u8> = [RIGHT, LEFT].into_iter().filter(|side| found(earlier, *side) && found(later, *side)).collect();
        let kind = match sides.len() {
            0 => return None,
            1 => AlignmentKind::Similarity,
            _ => AlignmentKind::Affine,
        };
        let grid = Grid::of(later.mask.labels().dim());
        let target: Vec<Point> = landmarks(&grid.sampled(later.mask.labels(), &IDENTITY), &sides, &grid)?;
        let own = Grid::of(earlier.mask.labels().dim());
        let mut source = landmarks(&own.sampled(earlier.mask.labels(), &IDENTITY), &sides, &own)?;
        let mut best: Option<Alignment> = None;
        for _ in 0..ROUNDS {
            let map = fit(kind, &target, &source, later.aspect, earlier.aspect)?;
            let aligned = grid.sampled(earlier.mask.labels(), &map);
            let overlap = overlap(&grid.sampled(later.mask.labels(), &IDENTITY), &aligned, &sides);
            if best.as_ref().is_none_or(|b| overlap > b.overlap) {
                best = Some(Alignment { kind, later_to_earlier: map, overlap });
            }
            let Some(seen) = landmarks(&aligned, &sides, &grid) else { break };
            source = seen.into_iter().map(|p| apply(&map, p)).collect();
        }
        best
    }

    /// A point (x, y) of the later radiograph in the earlier one.
    pub fn apply(&self, point: [f64; 2]) -> [f64; 2] {
        apply(&self.later_to_earlier, point)
    }
}

const IDENTITY: Affine = [[1.0, 0.0, 0.0], [0.0, 1.0, 0.0]];

fn apply(map: &Affine, [x, y]: Point) -> Point {
    map.map(|[a, b, c]| a * x + b * y + c)
}

/// Every `step`-th pixel of an image.
struct Grid {
    step: usize,
    rows: usize,
    columns: usize,
}

impl Grid {
    fn of((rows, columns): (usize, usize)) -> Self {
        let step = rows.max(columns).div_ceil(GRID).max(1);
        Grid { step, rows: rows.div_ceil(step), columns: columns.div_ceil(step) }
    }

    /// Labels where `map` leads from the points of the grid; 0 outside.
    fn sampled(&self, labels: &Array2<u8>, map: &Affine) -> Array2<u8> {
        Array2::from_shape_fn((self.rows, self.columns), |(y, x)| {
            let [x, y] = apply(map, [(x * self.step) as f64, (y * self.step) as f64]).map(f64::round);
            let inside = x >= 0.0 && y >= 0.0;
            if inside { labels.get([y as usize, x as usize]).copied().unwrap_or(0) } else { 0 }
        })
    }
}

/// Landmarks of these lungs in pixels of the image, in an order that is the same for every mask.
fn landmarks(labels: &Array2<u8>, sides: &[u8], grid: &Grid) -> Option<Vec<Point>> {
    let mut points = Vec::with_capacity(sides.len() * BANDS * ACROSS.len());
    for side in sides {
        let pixels: Vec<(usize, usize)> = labels.indexed_iter().filter(|(_, l)| *l == side).map(|(at, _)| at).collect();
        if pixels.len() < 2 * BANDS {
            return None;
        }
        // Pixels come row by row: equal parts of the list are bands of equal area.
        for band in 0..BANDS {
            let band = &pixels[band * pixels.len() / BANDS..(band + 1) * pixels.len() / BANDS];
            let y = band.iter().map(|(y, _)| *y as f64).sum::<f64>() / band.len() as f64;
            let mut columns: Vec<usize> = band.iter().map(|(_, x)| *x).collect();
            columns.sort_unstable();
            for quantile in ACROSS {
                let x = columns[(quantile * (columns.len() - 1) as f64).round() as usize] as f64;
                points.push([x * grid.step as f64, y * grid.step as f64]);
            }
        }
    }
    Some(points)
}

/// The map that leads from `from` to `to` with the least squares, fitted again without the landmarks that it misses most.
fn fit(kind: AlignmentKind, from: &[Point], to: &[Point], from_aspect: f64, to_aspect: f64) -> Option<Affine> {
    let square = |points: &[Point], aspect: f64| -> Vec<Point> { points.iter().map(|[x, y]| [*x, y * aspect]).collect() };
    let pairs: Vec<(Point, Point)> = square(from, from_aspect).into_iter().zip(square(to, to_aspect)).collect();
    let solve = |pairs: &[(Point, Point)]| match kind {
        AlignmentKind::Similarity => similarity(pairs),
        AlignmentKind::Affine => affine(pairs),
    };
    let first = solve(&pairs)?;
    let miss = |(p, q): &(Point, Point)| {
        let [x, y] = apply(&first, *p);
        (x - q[0]).powi(2) + (y - q[1]).powi(2)
    };
    let mut kept = pairs.clone();
    kept.sort_by(|a, b| miss(a).total_cmp(&miss(b)));
    kept.truncate(((1.0 - TRIMMED) * pairs.len() as f64).ceil() as usize);
    let [[a, b, c], [d, e, f]] = solve(&kept)?;
    // Back from square pixels to those of the images.
    let map = [[a, b * from_aspect, c], [d / to_aspect, e * from_aspect / to_aspect, f / to_aspect]];
    map.iter().flatten().all(|v| v.is_finite()).then_some(map)
}

fn centre(points: impl Iterator<Item = Point> + Clone) -> Point {
    let n = points.clone().count() as f64;
    let [x, y] = points.fold([0.0, 0.0], |[x, y], p| [x + p[0], y + p[1]]);
    [x / n, y / n]
}

/// Translation, rotation and one scale.
fn similarity(pairs: &[(Point, Point)]) -> Option<Affine> {
    let (p0, q0) = (centre(pairs.iter().map(|p| p.0)), centre(pairs.iter().map(|p| p.1)));
    let (mut along, mut across, mut size) = (0.0, 0.0, 0.0);
    for (p, q) in pairs {
        let ([x, y], [u, v]) = ([p[0] - p0[0], p[1] - p0[1]], [q[0] - q0[0], q[1] - q0[1]]);
        along += x * u + y * v;
        across += x * v - y * u;
        size += x * x + y * y;
    }
    let (a, b) = (along / size, across / size);
    let map = [[a, -b, q0[0] - a * p0[0] + b * p0[1]], [b, a, q0[1] - b * p0[0] - a * p0[1]]];
    (size > 0.0).then_some(map)
}

/// Six free numbers: two normal equations around the centres.
fn affine(pairs: &[(Point, Point)]) -> Option<Affine> {
    let (p0, q0) = (centre(pairs.iter().map(|p| p.0)), centre(pairs.iter().map(|p| p.1)));
    let (mut xx, mut xy, mut yy, mut right) = (0.0, 0.0, 0.0, [[0.0; 2]; 2]);
    for (p, q) in pairs {
        let [x, y] = [p[0] - p0[0], p[1] - p0[1]];
        xx += x * x;
        xy += x * y;
        yy += y * y;
        for (sums, value) in right.iter_mut().zip([q[0] - q0[0], q[1] - q0[1]]) {
            sums[0] += x * value;
            sums[1] += y * value;
        }
    }
    let determinant = xx * yy - xy * xy;
    let row = |[u, v]: [f64; 2], q: f64| {
        let (a, b) = ((u * yy - v * xy) / determinant, (v * xx - u * xy) / determinant);
        [a, b, q - a * p0[0] - b * p0[1]]
    };
    (determinant > 1e-9 * xx * yy).then(|| [row(right[0], q0[0]), row(right[1], q0[1])])
}

/// Dice of two label planes over these sides.
fn overlap(a: &Array2<u8>, b: &Array2<u8>, sides: &[u8]) -> f64 {
    let (mut shared, mut all) = (0u64, 0u64);
    for (a, b) in a.iter().zip(b) {
        let counted = |l: &u8| sides.contains(l);
        shared += u64::from(counted(a) && a == b);
        all += u64::from(counted(a)) + u64::from(counted(b));
    }
    if all == 0 { 0.0 } else { 2.0 * shared as f64 / all as f64 }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Two lungs of unlike shape, as seen through an affine map of the plane.
    fn lungs(size: (usize, usize), seen: &Affine, sides: &[u8]) -> LungMask {
        LungMask::from_labels(Array2::from_shape_fn(size, |(y, x)| {
            let [x, y] = apply(seen, [x as f64, y as f64]);
            let inside = |cx: f64, rx: f64| {
                let v: f64 = (y - 110.0) / 70.0;
                // Narrow at the apex, cut flat at the base.
                v.abs() < 1.0 && v < 0.8 && (x - cx).abs() < rx * (1.0 - v * v).sqrt() * (1.0 + 0.3 * v)
            };
            match (sides.contains(&RIGHT) && inside(70.0, 36.0), sides.contains(&LEFT) && inside(165.0, 30.0)) {
                (true, _) => RIGHT,
                (_, true) => LEFT,
                _ => 0,
            }
        }))
    }

    fn align(earlier: &LungMask, later: &LungMask, aspects: [f64; 2]) -> Option<Alignment> {
        Alignment::new(&Lungs { mask: earlier, aspect: aspects[0] }, &Lungs { mask: later, aspect: aspects[1] })
    }

    /// Distance between where a point is led and where it lies, over the lungs.
    fn worst(found: &Alignment, truth: &Affine) -> f64 {
        let corners = [[40.0, 50.0], [190.0, 50.0], [40.0, 170.0], [190.0, 170.0]];
        let miss = |p: &Point| {
            let ([x, y], [u, v]) = (found.apply(*p), apply(truth, *p));
            (x - u).hypot(y - v)
        };
        corners.iter().map(miss).fold(0.0, f64::max)
    }

    #[test]
    fn known_maps_are_found() {
        let still = lungs((240, 240), &IDENTITY, &[RIGHT, LEFT]);
        let (sin, cos) = 5f64.to_radians().sin_cos();
        for truth in [
            IDENTITY,
            [[1.0, 0.0, 12.0], [0.0, 1.0, -9.0]],
            [[0.9, 0.0, 5.0], [0.0, 1.1, -6.0]],
            [[cos, -sin, 14.0], [sin, cos, -8.0]],
            [[1.02, 0.05, -4.0], [-0.03, 0.93, 9.0]],
        ] {
            let moved = lungs((240, 240), &truth, &[RIGHT, LEFT]);
            let found = align(&still, &moved, [1.0; 2]).unwrap();
            assert_eq!(found.kind, AlignmentKind::Affine);
            assert!(worst(&found, &truth) < 3.5, "{truth:?}: {found:?} misses by {}", worst(&found, &truth));
            assert!(found.overlap > 0.97, "{found:?}");
        }
    }

    #[test]
    fn one_lung_gives_a_similarity_and_none_nothing() {
        let both = lungs((240, 240), &IDENTITY, &[RIGHT, LEFT]);
        let truth = [[1.05, 0.0, 6.0], [0.0, 1.05, -3.0]];
        let one = lungs((240, 240), &truth, &[RIGHT]);
        let found = align(&both, &one, [1.0; 2]).unwrap();
        assert_eq!(found.kind, AlignmentKind::Similarity);
        assert!(found.overlap > 0.96, "{found:?}");
        let [[a, b, _], [d, e, _]] = found.later_to_earlier;
        assert!((a - e).abs() < 1e-9 && (b + d).abs() < 1e-9);
        let other = lungs((240, 240), &IDENTITY, &[LEFT]);
        assert_eq!(align(&one, &other, [1.0; 2]), None);
        assert_eq!(align(&both, &LungMask::from_labels(Array2::zeros((9, 9))), [1.0; 2]), None);
    }

    #[test]
    fn pixels_that_are_not_square_keep_a_similarity_in_shape() {
        // The same lung on pixels twice as high as wide.
        let square = lungs((240, 240), &IDENTITY, &[RIGHT]);
        let flat = lungs((120, 240), &[[1.0, 0.0, 0.0], [0.0, 2.0, 0.5]], &[RIGHT]);
        let found = align(&square, &flat, [1.0, 2.0]).unwrap();
        assert!(found.overlap > 0.97, "{found:?}");
        assert!(align(&square, &flat, [1.0, 1.0]).unwrap().overlap < found.overlap);
    }
}
