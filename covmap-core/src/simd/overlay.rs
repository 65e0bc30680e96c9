//! The HSV overlay: hue and saturation from the infection map, value from the radiograph, mixed in by opacity.
#![allow(unsafe_code)]

use rayon::prelude::*;

use super::{BAND_PIXELS, Level, in_parallel};

/// By map byte, what red, green and blue are multiplied with; the fourth value pads the entry to a vector.
type Factors = [[f32; 4]; 256];

/// Colours a grey image by an infection map of the same size: `dst` (RGB interleaved, three bytes a pixel) becomes
/// `grey * coefficients[map]`, rounded half up, and the grey itself where the map is 0. Coefficients are clamped to 0..1.
///
/// HSV to RGB is linear in the value, so hue, saturation and opacity of every map byte fit into such a table.
pub fn overlay(grey: &[u8], map: &[u8], coefficients: &[[f32; 3]; 256], dst: &mut [u8]) {
    overlay_at(Level::detect(), grey, map, coefficients, dst);
}

#[doc(hidden)]
pub fn overlay_at(level: Level, grey: &[u8], map: &[u8], coefficients: &[[f32; 3]; 256], dst: &mut [u8]) {
    assert_eq!(grey.len(), map.len(), "overlay: grey image and map differ in length");
    assert_eq!(dst.len(), 3 * grey.len(), "overlay: the destination does not have three bytes a pixel");
    let factors = factors(coefficients);
    if !in_parallel(grey.len()) {
        return band(level, grey, map, &factors, dst);
    }
    let sources = grey.par_chunks(BAND_PIXELS).zip(map.par_chunks(BAND_PIXELS));
    let bands = dst.par_chunks_mut(3 * BAND_PIXELS).zip(sources);
    bands.for_each(|(dst, (grey, map))| band(level, grey, map, &factors, dst));
}

fn factors(coefficients: &[[f32; 3]; 256]) -> Factors {
    let mut factors = coefficients.map(|[r, g, b]| [r, g, b, 0.0].map(unit));
    factors[0] = [1.0; 4];
    factors
}

/// Clamped to 0..1; NaN becomes 0.
fn unit(value: f32) -> f32 {
    if value > 0.0 { value.min(1.0) } else { 0.0 }
}

fn band(level: Level, grey: &[u8], map: &[u8], factors: &Factors, dst: &mut [u8]) {
    match level.supported() {
        // SAFETY: both levels include AVX2, and `supported` returns a level only where the machine has every feature of it.
        #[cfg(target_arch = "x86_64")]
        Level::Avx2 | Level::Avx512 => unsafe { x86::band(grey, map, factors, dst) },
        _ => pixels(grey, map, factors, dst),
    }
}

fn pixels(grey: &[u8], map: &[u8], factors: &Factors, dst: &mut [u8]) {
    for ((rgb, &grey), &map) in dst.as_chunks_mut::<3>().0.iter_mut().zip(grey).zip(map) {
        let factor = &factors[usize::from(map)];
        *rgb = std::array::from_fn(|channel| (f32::from(grey) * factor[channel] + 0.5) as u8);
    }
}

#[cfg(target_arch = "x86_64")]
mod x86 {
    use super::{Factors, pixels};
    use std::arch::x86_64::*;

    /// 16 pixels at a time; wider vectors would gain nothing, since the factors are loaded pixel by pixel anyway.
    #[target_feature(enable = "avx2")]
    pub(super) fn band(grey: &[u8], map: &[u8], factors: &Factors, dst: &mut [u8]) {
        let (grey_blocks, grey_rest) = grey.as_chunks::<16>();
        let (map_blocks, map_rest) = map.as_chunks::<16>();
        let (dst_blocks, dst_rest) = dst.as_chunks_mut::<48>();
        for ((out, grey), map) in dst_blocks.iter_mut().zip(grey_blocks).zip(map_blocks) {
            // SAFETY: a block is 16 bytes; the load needs no alignment.
            let values = unsafe { _mm_loadu_si128(grey.as_ptr().cast()) };
            let rgb = if u128::from_ne_bytes(*map) == 0 { triple(values) } else { coloured(values, map, factors) };
            for (third, vector) in rgb.into_iter().enumerate() {
                // SAFETY: three times 16 bytes fill the 48 of the block; the store needs no alignment.
                unsafe { _mm_storeu_si128(out.as_mut_ptr().add(16 * third).cast(), vector) };
            }
        }
        pixels(grey_rest, map_rest, factors, dst_rest);
    }

    /// Each of 16 bytes three times.
    #[target_feature(enable = "avx2")]
    fn triple(grey: __m128i) -> [__m128i; 3] {
        [
            _mm_shuffle_epi8(grey, _mm_setr_epi8(0, 0, 0, 1, 1, 1, 2, 2, 2, 3, 3, 3, 4, 4, 4, 5)),
            _mm_shuffle_epi8(grey, _mm_setr_epi8(5, 5, 6, 6, 6, 7, 7, 7, 8, 8, 8, 9, 9, 9, 10, 10)),
            _mm_shuffle_epi8(grey, _mm_setr_epi8(10, 11, 11, 11, 12, 12, 12, 13, 13, 13, 14, 14, 14, 15, 15, 15)),
        ]
    }

    /// 16 pixels times their factors, as 48 bytes.
    #[target_feature(enable = "avx2")]
    fn coloured(grey: __m128i, map: &[u8; 16], factors: &Factors) -> [__m128i; 3] {
        let quads = [
            quad(grey, [map[0], map[1], map[2], map[3]], factors),
            quad(_mm_srli_si128::<4>(grey), [map[4], map[5], map[6], map[7]], factors),
            quad(_mm_srli_si128::<8>(grey), [map[8], map[9], map[10], map[11]], factors),
            quad(_mm_srli_si128::<12>(grey), [map[12], map[13], map[14], map[15]], factors),
        ];
        // Four times 12 bytes, moved together.
        [
            _mm_or_si128(quads[0], _mm_slli_si128::<12>(quads[1])),
            _mm_or_si128(_mm_srli_si128::<4>(quads[1]), _mm_slli_si128::<8>(quads[2])),
            _mm_or_si128(_mm_srli_si128::<8>(quads[2]), _mm_slli_si128::<4>(quads[3])),
        ]
    }

    /// The first four pixels of `grey`, as 12 bytes; the upper four are 0.
    #[target_feature(enable = "avx2")]
    fn quad(grey: __m128i, map: [u8; 4], factors: &Factors) -> __m128i {
        let values = _mm_cvtepi32_ps(_mm_cvtepu8_epi32(grey));
        let scaled = |value: __m128, map: u8| {
            // SAFETY: an entry of the table is four floats; the load needs no alignment.
            let factor = unsafe { _mm_loadu_ps(factors[usize::from(map)].as_ptr()) };
            // No fused multiplication: the portable path rounds twice as well.
            _mm_cvttps_epi32(_mm_add_ps(_mm_mul_ps(value, factor), _mm_set1_ps(0.5)))
        };
        let first = _mm_packs_epi32(
            scaled(_mm_permute_ps::<0b00_00_00_00>(values), map[0]),
            scaled(_mm_permute_ps::<0b01_01_01_01>(values), map[1]),
        );
        let second = _mm_packs_epi32(
            scaled(_mm_permute_ps::<0b10_10_10_10>(values), map[2]),
            scaled(_mm_permute_ps::<0b11_11_11_11>(values), map[3]),
        );
        let drop_fourth = _mm_setr_epi8(0, 1, 2, 4, 5, 6, 8, 9, 10, 12, 13, 14, -1, -1, -1, -1);
        _mm_shuffle_epi8(_mm_packus_epi16(first, second), drop_fourth)
    }
}

#[cfg(test)]
mod tests {
    use super::super::PARALLEL_PIXELS;
    use super::super::tests::{SIZES, in_pools, noise_bytes, noise_probabilities};
    use super::*;
    use proptest::prelude::*;

    /// HSV to RGB by the six sectors of the textbook.
    fn hsv_to_rgb(h: f64, s: f64, v: f64) -> [f64; 3] {
        let sector = (h * 6.0).floor();
        let rest = h * 6.0 - sector;
        let (p, q, t) = (v * (1.0 - s), v * (1.0 - s * rest), v * (1.0 - s * (1.0 - rest)));
        match sector as i32 % 6 {
            0 => [v, t, p],
            1 => [q, v, p],
            2 => [p, v, t],
            3 => [p, q, v],
            4 => [t, p, v],
            _ => [v, p, q],
        }
    }

    /// Hue and saturation of every map byte, mixed with the grey by `opacity`, as coefficients.
    fn coefficients(table: &[[f32; 2]; 256], opacity: f32) -> [[f32; 3]; 256] {
        let colour = |[h, s]: [f32; 2]| hsv_to_rgb(f64::from(h), f64::from(s), 1.0);
        table.map(|entry| colour(entry).map(|c| (1.0 + f64::from(opacity) * (c - 1.0)) as f32))
    }

    fn random_table(seed: u64) -> [[f32; 2]; 256] {
        let values = noise_probabilities(512, seed);
        std::array::from_fn(|byte| [values[2 * byte], values[2 * byte + 1]])
    }

    fn check(grey: &[u8], map: &[u8], table: &[[f32; 2]; 256], opacity: f32) {
        let mut first = None;
        for level in Level::available() {
            let mut dst = vec![9; 3 * grey.len()];
            overlay_at(level, grey, map, &coefficients(table, opacity), &mut dst);
            for (at, rgb) in dst.chunks(3).enumerate() {
                let [hue, saturation] = table[map[at] as usize].map(f64::from);
                let value = f64::from(grey[at]);
                for (&out, colour) in rgb.iter().zip(hsv_to_rgb(hue, saturation, value)) {
                    let mixed = value + f64::from(opacity) * (colour - value);
                    let expected = if map[at] == 0 { value } else { mixed };
                    assert!((f64::from(out) - expected).abs() < 0.501, "{level:?} at {at}: {out}, not {expected}");
                }
            }
            assert_eq!(first.get_or_insert_with(|| dst.clone()), &dst, "{level:?} differs");
        }
    }

    /// A map with zeros in blocks and alone.
    fn sparse_map(count: usize, seed: u64) -> Vec<u8> {
        let bytes = noise_bytes(count, seed);
        bytes.iter().enumerate().map(|(at, &byte)| if at / 48 % 2 == 0 || byte < 60 { 0 } else { byte }).collect()
    }

    #[test]
    fn all_sizes_unaligned() {
        let (grey, map) = (noise_bytes(1100, 9), sparse_map(1100, 10));
        for size in SIZES {
            check(&grey[1..][..size], &map[3..][..size], &random_table(11), 0.6);
        }
    }

    #[test]
    fn odd_coefficients_stay_in_range() {
        for level in Level::available() {
            let mut dst = vec![0; 3 * 32];
            overlay_at(level, &[200; 32], &[1; 32], &[[f32::NAN, -3.0, 7.0]; 256], &mut dst);
            assert_eq!(dst[..3], [0, 0, 200], "{level:?}");
        }
    }

    #[test]
    fn threads_change_nothing() {
        let count = PARALLEL_PIXELS + 12_345;
        let (grey, map, table) = (noise_bytes(count, 12), sparse_map(count, 13), random_table(14));
        let coefficients = coefficients(&table, 0.5);
        let mut expected = vec![0; 3 * count];
        pixels(&grey, &map, &factors(&coefficients), &mut expected);
        for level in Level::available() {
            let results = in_pools(|| {
                let mut dst = vec![0; 3 * count];
                overlay_at(level, &grey, &map, &coefficients, &mut dst);
                dst
            });
            assert!(results.iter().all(|result| *result == expected), "{level:?}");
        }
    }

    #[test]
    #[should_panic(expected = "three bytes a pixel")]
    fn lengths_must_agree() {
        overlay(&[1], &[1], &[[0.0; 3]; 256], &mut [0]);
    }

    proptest! {
        #[test]
        fn random_overlays(size in 0usize..300, seed in any::<u64>(), opacity in 0.0f32..=1.0) {
            check(&noise_bytes(size, seed), &sparse_map(size, seed ^ 1), &random_table(seed ^ 2), opacity);
        }
    }
}
