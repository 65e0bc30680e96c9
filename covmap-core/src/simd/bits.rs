//! Rows of bytes to bit masks: the one primitive under run extraction and bounding boxes.
#![allow(unsafe_code)]

use super::Level;

/// Bit `i % 64` of `bits[i / 64]` is set where `row[i] == value`; bits beyond the row are clear. `bits` has
/// `row.len().div_ceil(64)` words.
pub(super) fn equal_bits(level: Level, row: &[u8], value: u8, bits: &mut [u64]) {
    assert_eq!(bits.len(), row.len().div_ceil(64), "equal_bits: one word of bits per 64 bytes");
    let (blocks, rest) = row.as_chunks::<64>();
    match level.supported() {
        // SAFETY: `supported` returns a level only where the machine has every feature of it.
        #[cfg(target_arch = "x86_64")]
        Level::Avx512 => unsafe { x86::blocks_avx512(blocks, value, bits) },
        // SAFETY: as above.
        #[cfg(target_arch = "x86_64")]
        Level::Avx2 => unsafe { x86::blocks_avx2(blocks, value, bits) },
        _ => blocks.iter().zip(&mut *bits).for_each(|(block, word)| *word = block_portable(block, value)),
    }
    if !rest.is_empty() {
        bits[blocks.len()] = rest.iter().enumerate().fold(0, |word, (i, &byte)| word | u64::from(byte == value) << i);
    }
}

fn block_portable(block: &[u8; 64], value: u8) -> u64 {
    const LOW_SEVEN: u64 = 0x7f7f_7f7f_7f7f_7f7f;
    let pattern = u64::from_ne_bytes([value; 8]);
    let eighths = block.as_chunks::<8>().0.iter().enumerate();
    eighths.fold(0, |word, (i, &bytes)| {
        let difference = u64::from_le_bytes(bytes) ^ pattern;
        // The top bit of each byte: set where the byte is zero. Adding 127 to the low seven bits carries over from no byte.
        let zero = !(((difference & LOW_SEVEN) + LOW_SEVEN) | difference | LOW_SEVEN);
        // The multiplication gathers the eight bits, one from each byte, into the top byte.
        word | ((zero >> 7).wrapping_mul(0x0102_0408_1020_4080) >> 56) << (8 * i)
    })
}

#[cfg(target_arch = "x86_64")]
mod x86 {
    use std::arch::x86_64::*;

    #[target_feature(enable = "avx512f,avx512bw")]
    pub(super) fn blocks_avx512(blocks: &[[u8; 64]], value: u8, bits: &mut [u64]) {
        let pattern = _mm512_set1_epi8(value as i8);
        for (block, word) in blocks.iter().zip(bits) {
            // SAFETY: a block is 64 bytes; the load needs no alignment.
            let bytes = unsafe { _mm512_loadu_si512(block.as_ptr().cast()) };
            *word = _mm512_cmpeq_epi8_mask(bytes, pattern);
        }
    }

    #[target_feature(enable = "avx2")]
    pub(super) fn blocks_avx2(blocks: &[[u8; 64]], value: u8, bits: &mut [u64]) {
        let pattern = _mm256_set1_epi8(value as i8);
        for (block, word) in blocks.iter().zip(bits) {
            let half = |offset: usize| {
                // SAFETY: offset is 0 or 32, and a block is 64 bytes; the load needs no alignment.
                let bytes = unsafe { _mm256_loadu_si256(block.as_ptr().add(offset).cast()) };
                _mm256_movemask_epi8(_mm256_cmpeq_epi8(bytes, pattern)) as u32
            };
            *word = u64::from(half(0)) | u64::from(half(32)) << 32;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::super::tests::{SIZES, noise_bytes};
    use super::*;

    #[test]
    fn every_bit_is_a_comparison() {
        // Few distinct values, among them those whose bits differ in the top or lowest place only.
        let values = [0, 1, 127, 128, 129, 255];
        let row: Vec<u8> = noise_bytes(1100, 4).iter().map(|&byte| values[byte as usize % values.len()]).collect();
        for level in Level::available() {
            for (size, value) in SIZES.into_iter().flat_map(|size| values.map(|value| (size, value))) {
                let row = &row[1..][..size];
                let mut bits = vec![!0; size.div_ceil(64)];
                equal_bits(level, row, value, &mut bits);
                for i in 0..bits.len() * 64 {
                    let expected = i < size && row[i] == value;
                    assert_eq!(bits[i / 64] >> (i % 64) & 1 == 1, expected, "{level:?}: {value} at {i} of {size}");
                }
            }
        }
    }
}
