//! Region kernels: area, infected area and sum of an infection map per region; bounding box of a label.
#![allow(unsafe_code)]

use super::bits::equal_bits;
use super::{Level, kernel};

/// What one region holds of an infection map.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct RegionCount {
    /// Pixels of the region.
    pub area: u64,
    /// Those of them that are infected: byte >= 128.
    pub infected: u64,
    /// Sum of the region's bytes.
    pub sum: u64,
}

/// Pixels looked at together: a multiple of every vector width.
const BLOCK: usize = 64;

kernel! {
    /// Adds every pixel of the infection map `bytes` to the count of its region; ids from `counts.len()` on are ignored.
    /// Fast where ids come in long runs, as in rows of zones.
    pub fn count_regions, count_regions_at(region: &[u8], bytes: &[u8], counts: &mut [RegionCount]) {
        assert_eq!(region.len(), bytes.len(), "count_regions: region and map differ in length");
        let (region_blocks, region_rest) = region.as_chunks::<BLOCK>();
        let (byte_blocks, byte_rest) = bytes.as_chunks::<BLOCK>();
        for (ids, values) in region_blocks.iter().zip(byte_blocks) {
            let id = ids[0];
            if ids.iter().fold(0, |differences, &other| differences | (other ^ id)) == 0 {
                if let Some(count) = counts.get_mut(usize::from(id)) {
                    count.add(values);
                }
            } else {
                count_runs(ids, values, counts);
            }
        }
        count_runs(region_rest, byte_rest, counts);
    }
}

/// Run by run, for blocks in which the id changes.
#[inline(always)]
fn count_runs(mut ids: &[u8], mut values: &[u8], counts: &mut [RegionCount]) {
    while let Some(&id) = ids.first() {
        let length = ids.iter().position(|&other| other != id).unwrap_or(ids.len());
        if let Some(count) = counts.get_mut(usize::from(id)) {
            count.add(&values[..length]);
        }
        (ids, values) = (&ids[length..], &values[length..]);
    }
}

impl RegionCount {
    /// At most a block of pixels, so that 32 bits hold the sums.
    #[inline(always)]
    fn add(&mut self, values: &[u8]) {
        self.area += values.len() as u64;
        self.infected += u64::from(values.iter().map(|&value| u32::from(value >> 7)).sum::<u32>());
        self.sum += u64::from(values.iter().map(|&value| u32::from(value)).sum::<u32>());
    }
}

kernel! {
    /// How many of `values` equal `wanted`.
    pub fn count, count_at(values: &[u8], wanted: u8) -> u64 {
        // So many at a time that a byte holds their number.
        values.chunks(255).map(|some| u64::from(some.iter().map(|&value| u8::from(value == wanted)).sum::<u8>())).sum()
    }
}

/// Bounding box `(x0, y0, x1, y1)` of the pixels of `labels` (`w * h`, row by row) that equal `label`; `x1` and `y1` are
/// exclusive. `None` where there are none.
pub fn bounding_box(labels: &[u8], w: usize, h: usize, label: u8) -> Option<(usize, usize, usize, usize)> {
    bounding_box_at(Level::detect(), labels, w, h, label)
}

#[doc(hidden)]
pub fn bounding_box_at(level: Level, labels: &[u8], w: usize, h: usize, label: u8) -> Option<(usize, usize, usize, usize)> {
    assert_eq!(labels.len(), w * h, "bounding_box: the labels do not have width * height pixels");
    let mut bits = vec![0u64; w.div_ceil(64)];
    // All rows laid over each other give the columns.
    let mut columns = vec![0u64; bits.len()];
    let mut rows = None;
    for (y, row) in labels.chunks_exact(w.max(1)).enumerate() {
        equal_bits(level, row, label, &mut bits);
        let mut any = 0;
        for (column, &word) in columns.iter_mut().zip(&bits) {
            *column |= word;
            any |= word;
        }
        if any != 0 {
            let (y0, _) = rows.unwrap_or((y, y));
            rows = Some((y0, y + 1));
        }
    }
    let (y0, y1) = rows?;
    let first = columns.iter().position(|&word| word != 0)?;
    let last = columns.iter().rposition(|&word| word != 0)?;
    let x0 = first * 64 + columns[first].trailing_zeros() as usize;
    let x1 = last * 64 + 64 - columns[last].leading_zeros() as usize;
    Some((x0, y0, x1, y1))
}

#[cfg(test)]
mod tests {
    use super::super::tests::{SIZES, noise, noise_bytes};
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn counts_like_a_loop() {
        for n in [0, 1, 254, 255, 256, 1000] {
            for values in [noise_bytes(n, 3), vec![2; n]] {
                let expected = values.iter().filter(|v| **v == 2).count() as u64;
                for level in Level::available() {
                    assert_eq!(count_at(level, &values, 2), expected);
                }
            }
        }
    }

    fn check_counts(region: &[u8], bytes: &[u8], regions: usize) {
        let mut expected = vec![RegionCount { area: 3, infected: 2, sum: 1 }; regions];
        for (&id, &byte) in region.iter().zip(bytes) {
            if (id as usize) < regions {
                expected[id as usize].area += 1;
                expected[id as usize].infected += if byte >= 128 { 1 } else { 0 };
                expected[id as usize].sum += byte as u64;
            }
        }
        for level in Level::available() {
            let mut counts = vec![RegionCount { area: 3, infected: 2, sum: 1 }; regions];
            count_regions_at(level, region, bytes, &mut counts);
            assert_eq!(counts, expected, "{level:?}, {} pixels", region.len());
        }
    }

    fn check_box(labels: &[u8], w: usize, h: usize, label: u8) {
        let mut expected: Option<(usize, usize, usize, usize)> = None;
        for at in (0..w * h).filter(|&at| labels[at] == label) {
            let (x, y) = (at % w, at / w);
            let (x0, y0, x1, y1) = expected.unwrap_or((x, y, x + 1, y + 1));
            expected = Some((x0.min(x), y0.min(y), x1.max(x + 1), y1.max(y + 1)));
        }
        for level in Level::available() {
            assert_eq!(bounding_box_at(level, labels, w, h, label), expected, "{level:?}, {w}x{h}");
        }
    }

    /// Ids 0..8 in runs of up to `longest` pixels.
    fn runs(count: usize, longest: u64, seed: u64) -> Vec<u8> {
        noise(seed).flat_map(|bits| vec![(bits & 7) as u8; ((bits >> 8) % longest + 1) as usize]).take(count).collect()
    }

    #[test]
    fn all_sizes_unaligned() {
        let bytes = noise_bytes(1100, 6);
        for size in SIZES {
            for longest in [1, 5, 300] {
                let region = runs(size + 1, longest, 7);
                check_counts(&region[1..], &bytes[3..][..size], 6);
                check_counts(&region[1..], &bytes[3..][..size], 0);
            }
            for (h, label) in [(0, 0), (1, 1), (3, 0), (3, 9)] {
                let labels: Vec<u8> = noise_bytes(size * h + 1, 8).iter().map(|&byte| byte / 100).collect();
                check_box(&labels[1..], size, h, label);
            }
        }
    }

    #[test]
    fn a_saturated_block_overflows_nothing() {
        check_counts(&[1; 64 * 300], &[255; 64 * 300], 2);
    }

    #[test]
    #[should_panic(expected = "differ in length")]
    fn lengths_must_agree() {
        count_regions(&[1], &[], &mut []);
    }

    proptest! {
        #[test]
        fn random_regions(size in 0usize..700, longest in 1u64..200, seed in any::<u64>(), regions in 0usize..9) {
            check_counts(&runs(size, longest, seed), &noise_bytes(size, seed ^ 1), regions);
        }

        #[test]
        fn random_boxes(w in 1usize..200, h in 1usize..20, places in prop::collection::vec((0usize..200, 0usize..20), 0..4)) {
            let mut labels = vec![0; w * h];
            for (x, y) in places {
                labels[(y % h) * w + x % w] = 2;
            }
            check_box(&labels, w, h, 2);
        }
    }
}
