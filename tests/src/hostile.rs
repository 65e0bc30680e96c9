//! A corpus of damaged files: every kind that is read, mutated repeatably.

use crate::fuzz::seeds::{self, Random, Seed};

/// `count` files with names, the same for the same `seed`: PNG, JPEG, TIFF, DICOM and ONNX in turn.
pub fn corpus(count: usize, seed: u64) -> impl Iterator<Item = Seed> {
    let pictures = seeds::pictures(160, 192);
    let of = |ending: &str| pictures.iter().filter(|(name, _)| name.ends_with(ending)).cloned().collect::<Vec<_>>();
    let kinds = [of(".png"), of(".jpg"), of(".tif"), seeds::objects(160, 192), seeds::graphs()];
    (0..count).map(move |index| {
        let kind = &kinds[index % kinds.len()];
        let mut random = Random::new(seed ^ (index as u64) << 20);
        let (name, original) = &kind[random.below(kind.len())];
        let mut bytes = original.clone();
        // Half of the files keep their lengths, so that what lies behind the fault is read too.
        let faults = if random.below(2) == 0 { SAME_LENGTH } else { SAME_LENGTH + 4 };
        for _ in 0..1 + random.below(3) {
            mutate(&mut bytes, random.below(faults), &kind[random.below(kind.len())].1, &mut random);
        }
        if name.ends_with(".png") && random.below(3) > 0 {
            checksum(&mut bytes);
        }
        (format!("{index:05}-{name}"), bytes)
    })
}

/// Values at which sums and sizes go wrong.
const EDGES: [u32; 10] = [0, 1, 0x7f, 0x80, 0xff, 0x7fff, 0xffff, 0x7fff_ffff, 0xffff_fffe, 0xffff_ffff];

/// Faults that change no length.
const SAME_LENGTH: usize = 6;

/// One fault of those below.
fn mutate(bytes: &mut Vec<u8>, fault: usize, other: &[u8], random: &mut Random) {
    if bytes.is_empty() {
        return;
    }
    // Headers are short and matter most.
    let reach = if random.below(2) == 0 { bytes.len().min(600) } else { bytes.len() };
    let at = random.below(reach);
    let longest = 1 << random.below(12);
    let length = 1 + random.below((bytes.len() - at).min(longest));
    match fault {
        0 => {
            for _ in 0..1 + random.below(16) {
                let at = random.below(reach);
                bytes[at] ^= 1 << random.below(8);
            }
        }
        1 => bytes[at] = random.next() as u8,
        2 | 3 => {
            let edge = EDGES[random.below(EDGES.len())];
            let width = (1 << random.below(3)).min(bytes.len() - at);
            let value = if random.below(2) == 0 { edge.to_le_bytes() } else { (edge << (32 - 8 * width)).to_be_bytes() };
            bytes[at..at + width].copy_from_slice(&value[..width]);
        }
        4 => (at..at + length).for_each(|i| bytes[i] = random.next() as u8),
        5 => bytes[at..at + length].fill(if random.below(2) == 0 { 0 } else { 0xff }),
        SAME_LENGTH => bytes.truncate(at),
        7 => drop(bytes.drain(at..at + length)),
        8 => {
            let span = bytes[at..at + length].to_vec();
            let to = random.below(bytes.len());
            drop(bytes.splice(to..to, span));
        }
        _ => {
            bytes.truncate(at);
            bytes.extend_from_slice(&other[random.below(other.len())..]);
        }
    }
}

/// Makes the checksums of a PNG file right again: without that hardly a fault is seen by what is behind them.
fn checksum(png: &mut [u8]) {
    let mut at = 8;
    while let Some(length) = png.get(at..at + 4).map(|b| u32::from_be_bytes([b[0], b[1], b[2], b[3]]) as usize) {
        let (Some(end), mut crc) = (at.checked_add(8 + length), flate2::Crc::new()) else { return };
        let Some(chunk) = png.get(at + 4..end) else { return };
        crc.update(chunk);
        let sum = crc.sum().to_be_bytes();
        let Some(stored) = png.get_mut(end..end + 4) else { return };
        stored.copy_from_slice(&sum);
        at = end + 4;
    }
}
