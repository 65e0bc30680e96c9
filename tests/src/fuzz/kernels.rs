//! Pixel kernels: every instruction set against the portable one, and that against the plain meaning.

use arbitrary::Unstructured;
use covmap_core::simd::{self, Connectivity, Level, RegionCount};

/// One kernel on some pixels.
pub fn run(bytes: &[u8]) {
    let mut input = Unstructured::new(bytes);
    let _ = pick(&mut input);
}

fn pick(input: &mut Unstructured<'_>) -> arbitrary::Result<()> {
    let kernel = input.int_in_range(0..=9)?;
    let (w, h) = (input.int_in_range(1..=150usize)?, input.int_in_range(1..=20usize)?);
    let (to_w, to_h) = (input.int_in_range(1..=200usize)?, input.int_in_range(1..=30usize)?);
    let t = f32::from(input.int_in_range(1..=254u8)?) / 255.0;
    let [low, high]: [f32; 2] = input.arbitrary()?;
    let bytes: Vec<u8> = filled(input, w * h);
    let other: Vec<u8> = bytes.iter().rev().map(|byte| byte.rotate_left(3)).collect();
    let few: Vec<u8> = bytes.iter().map(|byte| byte >> 6).collect();
    let words: Vec<u16> = bytes.iter().zip(&other).map(|(a, b)| u16::from_le_bytes([*a, *b])).collect();
    // Of any exponent, NaN and infinities among them, or a probability.
    let wild = words.iter().map(|word| f32::from_bits(u32::from(*word) << 16));
    let unit = words.iter().map(|word| f32::from(*word) / 65535.0);
    let floats: Vec<f32> = if low > 0.0 { unit.collect() } else { wild.collect() };
    match kernel {
        0 => levels(|level| {
            let found = simd::components_at(level, &few, w, h, Connectivity::Eight);
            assert_eq!(found.parts.iter().map(|part| part.area).sum::<u64>(), few.iter().filter(|value| **value != 0).count() as u64);
            assert_eq!(found.parts.len(), flooded(&few, w, h, true));
            assert_eq!(simd::components_at(level, &few, w, h, Connectivity::Four).parts.len(), flooded(&few, w, h, false));
            format!("{found:?}")
        }),
        1 => levels(|level| {
            let mut filled = few.clone();
            simd::fill_holes_at(level, &mut filled, w, h);
            assert!(few.iter().zip(&filled).all(|(before, after)| before == after || (*before, *after) == (0, 1)));
            filled
        }),
        2 => levels(|level| {
            let mut counts = [RegionCount::default(); 3];
            simd::count_regions_at(level, &few, &bytes, &mut counts);
            for (id, count) in counts.iter().enumerate() {
                let values = few.iter().zip(&bytes).filter(|(region, _)| usize::from(**region) == id).map(|(_, value)| *value);
                let infected = values.clone().filter(|value| *value >= 128).count() as u64;
                assert_eq!((count.area, count.infected), (values.clone().count() as u64, infected));
                assert_eq!(count.sum, values.map(u64::from).sum::<u64>());
            }
            counts
        }),
        3 => levels(|level| {
            let found = simd::bounding_box_at(level, &few, w, h, 1);
            let places = || (0..w * h).filter(|i| few[*i] == 1);
            let columns = places().map(|i| i % w);
            let edges = columns.clone().min().zip(columns.max()).zip(places().next().zip(places().next_back()));
            assert_eq!(found, edges.map(|((x0, x1), (first, last))| (x0, first / w, x1 + 1, last / w + 1)));
            found
        }),
        4 => levels(|level| {
            let mut out = vec![0; w * h];
            simd::quantise_at(level, &floats, &mut out);
            for (p, byte) in floats.iter().zip(&out) {
                assert!(!(0.0..=1.0).contains(p) || (255.0 * p - f32::from(*byte)).abs() <= 0.5001, "{p} became {byte}");
            }
            let mut mask = vec![0; w * h];
            simd::threshold_at(level, &floats, t, &mut mask);
            assert!(floats.iter().zip(&mask).all(|(p, m)| (*p >= t) == (*m == 1)));
            (out, mask)
        }),
        5 => levels(|level| {
            let mut values = floats.clone();
            simd::remap_threshold_at(level, &mut values, t);
            let mut logits = floats.clone();
            simd::sigmoid_at(level, &mut logits);
            for (p, (moved, unit)) in floats.iter().zip(values.iter().zip(&logits)) {
                assert!(!(0.0..=1.0).contains(p) || ((*p >= t) == (*moved >= 0.5) && (0.0..=1.0).contains(moved)), "{p} became {moved}");
                assert!(p.is_nan() || (0.0..=1.0).contains(unit), "sigmoid of {p} is {unit}");
            }
            (bits(&values), bits(&logits))
        }),
        6 => levels(|level| {
            let mut out = vec![0.0; to_w * to_h];
            simd::upsample_at(level, &floats, (w, h), &mut out, (to_w, to_h));
            if low > 0.0 {
                let range = floats.iter().fold((1f32, 0f32), |(a, b), p| (a.min(*p), b.max(*p)));
                assert!(out.iter().all(|p| (range.0 - 1e-6..=range.1 + 1e-6).contains(p)), "between its neighbours");
            }
            let mut map = vec![0; to_w * to_h];
            simd::upsample_bytes_at(level, &floats, (w, h), None, &mut map, (to_w, to_h));
            let mut expected = map.clone();
            simd::quantise_at(level, &out, &mut expected);
            assert_eq!(map, expected);
            (bits(&out), map)
        }),
        7 => levels(|level| {
            let left: Vec<f32> = floats.iter().rev().copied().collect();
            let mut out = vec![9; to_w * to_h];
            simd::upsample_lungs_at(level, &floats, &left, (w, h), t, &mut out, (to_w, to_h));
            assert!(out.iter().all(|label| *label <= 2));
            out
        }),
        8 => levels(|level| {
            let mut out = vec![0; w * h];
            simd::window_u16_at(level, &words, &mut out, low, high);
            let rising = words.iter().zip(&out).max_by_key(|(word, _)| **word).map(|(_, out)| *out);
            assert!(out.iter().max() <= rising.as_ref(), "a window keeps the order");
            let mut inverted = words.clone();
            simd::invert_u16_at(level, &mut inverted);
            assert!(words.iter().zip(&inverted).all(|(a, b)| a ^ b == 0xffff));
            (out, inverted)
        }),
        _ => levels(|level| {
            let coefficients = std::array::from_fn(|i| [low * i as f32, high, floats[i % floats.len()]]);
            let mut out = vec![0; 3 * w * h];
            simd::overlay_at(level, &bytes, &other, &coefficients, &mut out);
            assert!(out.chunks(3).zip(&bytes).zip(&other).all(|((rgb, grey), map)| *map != 0 || rgb == [*grey; 3]));
            let (mut standard, finite) = (words.iter().map(|word| f32::from(*word)).collect::<Vec<_>>(), !words.is_empty());
            simd::standardise_at(level, &mut standard);
            assert!(finite && standard.iter().all(|x| x.is_finite()));
            (out, bits(&standard))
        }),
    }
    Ok(())
}

/// The same at every level.
fn levels<T: PartialEq + std::fmt::Debug>(work: impl Fn(Level) -> T) {
    let portable = work(Level::Portable);
    for level in Level::available() {
        assert_eq!(work(level), portable, "{level:?}");
    }
}

/// Bits, all NaNs as one.
fn bits(values: &[f32]) -> Vec<u32> {
    values.iter().map(|x| if x.is_nan() { f32::NAN } else { *x }.to_bits()).collect()
}

/// What is left of the input, repeated.
fn filled(input: &mut Unstructured<'_>, count: usize) -> Vec<u8> {
    let rest = input.bytes(input.len()).unwrap_or_default();
    if rest.is_empty() { vec![0; count] } else { rest.iter().copied().cycle().take(count).collect() }
}

/// Parts of a mask, pixel by pixel.
fn flooded(mask: &[u8], w: usize, h: usize, corners: bool) -> usize {
    let mut seen: Vec<bool> = mask.iter().map(|value| *value == 0).collect();
    let mut parts = 0;
    while let Some(first) = seen.iter().position(|seen| !seen) {
        parts += 1;
        seen[first] = true;
        let mut open = vec![first];
        while let Some(at) = open.pop() {
            let (x, y) = (at % w, at / w);
            for (j, i) in (y.saturating_sub(1)..h.min(y + 2)).flat_map(|j| (x.saturating_sub(1)..w.min(x + 2)).map(move |i| (j, i))) {
                if (corners || i == x || j == y) && !std::mem::replace(&mut seen[j * w + i], true) {
                    open.push(j * w + i);
                }
            }
        }
    }
    parts
}
