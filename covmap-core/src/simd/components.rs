//! Connected components of a mask, by runs of pixels and union-find; hole filling.

use super::Level;
use super::bits::equal_bits;

/// Which neighbours of a pixel belong to the same part.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Connectivity {
    /// Those that share an edge.
    Four,
    /// Those that share an edge or a corner.
    Eight,
}

/// A maximal horizontal run of foreground pixels: row `y`, columns `x0..x1`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Run {
    pub y: u32,
    pub x0: u32,
    pub x1: u32,
}

/// One connected part: its area in pixels, its bounding box (`x1`, `y1` exclusive) and the sums of its pixels' coordinates
/// (divide by `area` for the centroid).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Part {
    pub area: u64,
    pub x0: usize,
    pub y0: usize,
    pub x1: usize,
    pub y1: usize,
    pub sum_x: u64,
    pub sum_y: u64,
}

/// The connected parts of a mask.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Components {
    pub width: usize,
    pub height: usize,
    /// All runs, in raster order.
    pub runs: Vec<Run>,
    /// The part that each run belongs to, an index into `parts`.
    pub labels: Vec<u32>,
    /// The parts, in the raster order of their first pixels.
    pub parts: Vec<Part>,
}

impl Components {
    /// Writes `value` to every pixel of one part; `dst` has `width * height` pixels, the others keep their values.
    pub fn paint(&self, part: usize, dst: &mut [u8], value: u8) {
        assert_eq!(dst.len(), self.width * self.height, "paint: the destination has another size than the mask");
        for (run, _) in self.runs.iter().zip(&self.labels).filter(|&(_, &label)| label as usize == part) {
            let row = run.y as usize * self.width;
            dst[row + run.x0 as usize..row + run.x1 as usize].fill(value);
        }
    }
}

/// Connected components of the nonzero pixels of `mask`, `w * h` pixels row by row.
pub fn components(mask: &[u8], w: usize, h: usize, connectivity: Connectivity) -> Components {
    components_at(Level::detect(), mask, w, h, connectivity)
}

#[doc(hidden)]
pub fn components_at(level: Level, mask: &[u8], w: usize, h: usize, connectivity: Connectivity) -> Components {
    label_runs(extract_runs(level, mask, w, h, true), w, h, connectivity)
}

/// Sets to 1 the zero pixels that no 4-connected path of zeros joins to the border of the image.
pub fn fill_holes(mask: &mut [u8], w: usize, h: usize) {
    fill_holes_at(Level::detect(), mask, w, h);
}

#[doc(hidden)]
pub fn fill_holes_at(level: Level, mask: &mut [u8], w: usize, h: usize) {
    let background = label_runs(extract_runs(level, mask, w, h, false), w, h, Connectivity::Four);
    for (run, &label) in background.runs.iter().zip(&background.labels) {
        let part = &background.parts[label as usize];
        if part.x0 > 0 && part.y0 > 0 && part.x1 < w && part.y1 < h {
            let row = run.y as usize * w;
            mask[row + run.x0 as usize..row + run.x1 as usize].fill(1);
        }
    }
}

/// The runs of nonzero pixels, or of zero ones, in raster order.
fn extract_runs(level: Level, mask: &[u8], w: usize, h: usize, nonzero: bool) -> Vec<Run> {
    assert_eq!(mask.len(), w * h, "components: the mask does not have width * height pixels");
    // Labels and coordinates are 32 bits wide; there are never more runs than pixels.
    assert!(u32::try_from(mask.len()).is_ok(), "components: the mask has more than 2^32 pixels");
    let mut runs = Vec::new();
    let mut bits = vec![0; w.div_ceil(64)];
    for (y, row) in mask.chunks_exact(w.max(1)).enumerate() {
        equal_bits(level, row, 0, &mut bits);
        if nonzero {
            invert_row(&mut bits, w);
        }
        let mut carry = 0;
        let mut start = None;
        for (index, &word) in bits.iter().enumerate() {
            // A set bit marks a pixel that differs from its left neighbour: runs begin and end there in turn.
            let mut edges = word ^ (word << 1 | carry);
            carry = word >> 63;
            while edges != 0 {
                let x = index as u32 * 64 + edges.trailing_zeros();
                match start.take() {
                    Some(x0) => runs.push(Run { y: y as u32, x0, x1: x }),
                    None => start = Some(x),
                }
                edges &= edges - 1;
            }
        }
        if let Some(x0) = start {
            runs.push(Run { y: y as u32, x0, x1: w as u32 });
        }
    }
    runs
}

/// Complements the first `w` bits; those beyond stay clear.
fn invert_row(bits: &mut [u64], w: usize) {
    bits.iter_mut().for_each(|word| *word = !*word);
    if let (Some(last), 1..) = (bits.last_mut(), w % 64) {
        *last &= (1 << (w % 64)) - 1;
    }
}

fn label_runs(runs: Vec<Run>, width: usize, height: usize, connectivity: Connectivity) -> Components {
    let reach = match connectivity {
        Connectivity::Four => 0,
        Connectivity::Eight => 1,
    };
    // First pass: join each run with those that it touches in the row above. A parent never comes after its child.
    let mut parents: Vec<u32> = (0..runs.len() as u32).collect();
    let mut above = 0;
    for (index, run) in runs.iter().enumerate() {
        let passed = |other: &Run| other.y + 1 < run.y || other.y + 1 == run.y && other.x1 + reach <= run.x0;
        while passed(&runs[above]) {
            above += 1;
        }
        let touching = runs[above..].iter().take_while(|other| other.y + 1 == run.y && other.x0 < run.x1 + reach);
        for other in above..above + touching.count() {
            join(&mut parents, index as u32, other as u32);
        }
    }
    // Second pass: number the roots in raster order and add up the parts.
    let mut parts: Vec<Part> = Vec::new();
    let mut labels = vec![0; runs.len()];
    for (index, run) in runs.iter().enumerate() {
        let parent = parents[index] as usize;
        if parent == index {
            labels[index] = parts.len() as u32;
            parts.push(Part { area: 0, x0: usize::MAX, y0: run.y as usize, x1: 0, y1: 0, sum_x: 0, sum_y: 0 });
        } else {
            labels[index] = labels[parent];
        }
        parts[labels[index] as usize].add(run);
    }
    Components { width, height, runs, labels, parts }
}

impl Part {
    fn add(&mut self, run: &Run) {
        let (y, x0, x1) = (run.y as usize, run.x0 as usize, run.x1 as usize);
        let length = (x1 - x0) as u64;
        self.area += length;
        self.x0 = self.x0.min(x0);
        self.x1 = self.x1.max(x1);
        self.y1 = y + 1;
        self.sum_x += (x0 + x1 - 1) as u64 * length / 2;
        self.sum_y += y as u64 * length;
    }
}

fn join(parents: &mut [u32], a: u32, b: u32) {
    let (a, b) = (root(parents, a), root(parents, b));
    parents[a.max(b) as usize] = a.min(b);
}

/// The root of a run's tree; halves the path on the way.
fn root(parents: &mut [u32], mut index: u32) -> u32 {
    while parents[index as usize] != index {
        let grandparent = parents[parents[index as usize] as usize];
        parents[index as usize] = grandparent;
        index = grandparent;
    }
    index
}

#[cfg(test)]
mod tests {
    use super::super::tests::{SIZES, noise_bytes};
    use super::*;
    use proptest::prelude::*;

    /// Parts by flood fill from each pixel in raster order: label + 1 of every pixel, and the parts.
    fn flood(mask: &[u8], w: usize, h: usize, connectivity: Connectivity) -> (Vec<usize>, Vec<Part>) {
        let mut labels = vec![0; mask.len()];
        let mut parts = Vec::new();
        for seed in 0..mask.len() {
            if mask[seed] == 0 || labels[seed] != 0 {
                continue;
            }
            let mut part = Part { area: 0, x0: w, y0: h, x1: 0, y1: 0, sum_x: 0, sum_y: 0 };
            labels[seed] = parts.len() + 1;
            let mut open = vec![seed];
            while let Some(at) = open.pop() {
                let (x, y) = (at % w, at / w);
                part.area += 1;
                (part.x0, part.y0) = (part.x0.min(x), part.y0.min(y));
                (part.x1, part.y1) = (part.x1.max(x + 1), part.y1.max(y + 1));
                (part.sum_x, part.sum_y) = (part.sum_x + x as u64, part.sum_y + y as u64);
                for (dx, dy) in [(0, 1), (0, -1), (1, 0), (-1, 0), (1, 1), (1, -1), (-1, 1), (-1, -1)] {
                    let (nx, ny) = (x as isize + dx, y as isize + dy);
                    let neighbour = dx == 0 || dy == 0 || connectivity == Connectivity::Eight;
                    if !neighbour || nx < 0 || ny < 0 || nx >= w as isize || ny >= h as isize {
                        continue;
                    }
                    let next = ny as usize * w + nx as usize;
                    if mask[next] != 0 && labels[next] == 0 {
                        labels[next] = parts.len() + 1;
                        open.push(next);
                    }
                }
            }
            parts.push(part);
        }
        (labels, parts)
    }

    fn check(mask: &[u8], w: usize, h: usize) {
        let holes: Vec<u8> = mask.iter().map(|&value| u8::from(value == 0)).collect();
        let (hole_labels, hole_parts) = flood(&holes, w, h, Connectivity::Four);
        for level in Level::available() {
            for connectivity in [Connectivity::Four, Connectivity::Eight] {
                let (labels, parts) = flood(mask, w, h, connectivity);
                let found = components_at(level, mask, w, h, connectivity);
                assert_eq!(found.parts, parts, "{level:?}, {w}x{h}, {connectivity:?}");
                let mut painted = vec![0; mask.len()];
                for part in 0..parts.len() {
                    found.paint(part, &mut painted, (part % 255 + 1) as u8);
                }
                let expected = labels.iter().map(|&label| if label == 0 { 0 } else { ((label - 1) % 255 + 1) as u8 });
                assert!(expected.eq(painted), "{level:?}, {w}x{h}, {connectivity:?}");
            }
            let mut filled = mask.to_vec();
            fill_holes_at(level, &mut filled, w, h);
            for at in 0..mask.len() {
                let enclosed = hole_labels[at] > 0 && {
                    let part = &hole_parts[hole_labels[at] - 1];
                    part.x0 > 0 && part.y0 > 0 && part.x1 < w && part.y1 < h
                };
                assert_eq!(filled[at], if enclosed { 1 } else { mask[at] }, "{level:?}, {w}x{h} at {at}");
            }
        }
    }

    #[test]
    fn all_widths_unaligned() {
        let pixels = noise_bytes(1100 * 5, 5);
        for w in SIZES {
            for h in [0, 1, 5] {
                let mask: Vec<u8> = pixels[1..][..w * h].iter().map(|&byte| if byte < 120 { byte } else { 0 }).collect();
                check(&mask, w, h);
                check(&vec![0; w * h], w, h);
                check(&vec![255; w * h], w, h);
            }
        }
    }

    #[test]
    fn spirals_and_combs_join_late() {
        // A comb joins only in its last row; a spiral leads each row back to an earlier part.
        let comb: Vec<u8> = (0..9 * 131).map(|at| u8::from(at / 131 == 8 || at % 131 % 2 == 0)).collect();
        check(&comb, 131, 9);
        let spiral = ["#######", "......#", "#####.#", "#...#.#", "#.###.#", "#.....#", "#######"];
        let spiral: Vec<u8> = spiral.concat().bytes().map(|pixel| u8::from(pixel == b'#')).collect();
        check(&spiral, 7, 7);
        assert_eq!(components(&spiral, 7, 7, Connectivity::Four).parts.len(), 1);
    }

    #[test]
    #[should_panic(expected = "width * height")]
    fn the_mask_must_fit() {
        components(&[1, 1], 1, 1, Connectivity::Eight);
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(64))]
        #[test]
        fn random_masks(w in 1usize..90, h in 1usize..24, seed in any::<u64>(), density in 20u8..235) {
            let mask: Vec<u8> = noise_bytes(w * h, seed).iter().map(|&byte| u8::from(byte < density)).collect();
            check(&mask, w, h);
        }
    }
}
