//! Convolutions in bf16: when, their weights, and what a strip of them reads.

use super::terms::{self, Placed, Source, Taps};
use crate::engine::graph::{Act, Conv, Shape};
use crate::engine::kernels::BLOCK;
use crate::engine::kernels::bf16::{RoundedPhase, RoundedSource, RoundedStep, RoundedTerm, rounded};
use crate::engine::kernels::conv::groups;
use crate::engine::kernels::plane::View;

/// Bytes of rounded input that a strip should not exceed, to stay near.
const STRIP: usize = 128 << 10;

/// Vector operations that rounding a pixel of an input block costs.
const ROUNDING: usize = 2;

/// Whether a convolution has the form for it, and two channels a multiplication save more than a quarter of the `other` vector
/// operations that f32 takes at best, `direct` or not: less is not worth the digits.
pub(super) fn pays(conv: &Conv, sources: &[(Source, Placed)], direct: usize, other: usize) -> bool {
    let pixels = |s: &Source| s.shape.h * s.shape.w * s.shape.c.div_ceil(BLOCK);
    let rounding = sources.iter().map(|(s, _)| pixels(s)).sum::<usize>() * ROUNDING;
    conv.groups == 1 && !conv.transposed && sources.iter().all(|(_, p)| !p.planar) && 4 * (direct / 2 + rounding) < 3 * other
}

/// How far around a source's pixel the taps of all phases reach.
struct Reach {
    up: usize,
    down: usize,
    left: usize,
    right: usize,
    advance: [usize; 2],
}

fn reach(taps: &[(Taps, [usize; 2])], source: &Source, cols: usize) -> Reach {
    let all = || taps.iter().flat_map(|(t, _)| t.keys());
    let advance = taps[0].1;
    let beyond = all().map(|(_, dx)| dx + ((cols - 1) * advance[1]) as isize - (source.shape.w as isize - 1)).max();
    Reach {
        up: all().map(|(dy, _)| -dy).max().unwrap_or(0).max(0) as usize,
        down: all().map(|(dy, _)| *dy).max().unwrap_or(0).max(0) as usize,
        left: all().map(|(_, dx)| -dx).max().unwrap_or(0).max(0) as usize,
        right: beyond.unwrap_or(0).max(0) as usize,
        advance,
    }
}

#[allow(clippy::too_many_arguments)]
pub(super) fn step(
    conv: &Conv,
    sources: &[(Source, Placed)],
    shape: Shape,
    out: View,
    bias: Vec<f32>,
    residual: Option<View>,
    act: Option<Act>,
    widest: usize,
) -> RoundedStep {
    let plain: Vec<Source> = sources.iter().map(|s| s.0).collect();
    let parities = terms::parities(conv, &plain);
    let extents: Vec<[usize; 2]> = parities.iter().map(|p| terms::extent(*p, shape)).collect();
    let [rows, cols] = extents[0];
    // Of each source, the taps of each phase.
    let taps: Vec<Vec<(Taps, [usize; 2])>> =
        plain.iter().map(|s| parities.iter().map(|p| terms::taps(conv, *p, s.factor)).collect()).collect();
    let reaches: Vec<Reach> = plain.iter().zip(&taps).map(|(s, taps)| reach(taps, s, cols)).collect();
    let row_bytes = |(s, r): (&Source, &Reach)| s.shape.c.div_ceil(BLOCK) * BLOCK * size_of::<u16>() * s.shape.w * r.advance[0];
    let row: usize = plain.iter().zip(&reaches).map(row_bytes).sum();
    // At least four strips, so that threads find work.
    let strip = (STRIP / row.max(1)).min(rows.div_ceil(4)).max(1);
    let mut scratch = 0;
    let read: Vec<RoundedSource> = sources
        .iter()
        .zip(&reaches)
        .map(|((s, p), r)| {
            let source = RoundedSource {
                view: View { at: p.view.at.wrapping_sub(r.up * p.view.row + r.left * BLOCK), ..p.view },
                blocks: s.shape.c.div_ceil(BLOCK),
                rows: (strip - 1) * r.advance[0] + r.up + r.down + 1,
                advance: r.advance[0],
                cols: r.left + s.shape.w + r.right,
                at: scratch,
            };
            scratch += source.blocks * source.rows * source.cols * BLOCK;
            source
        })
        .collect();
    let blocks = shape.c.div_ceil(BLOCK);
    let groups: Vec<(usize, usize)> = groups(blocks, widest).collect();
    let phases = parities
        .iter()
        .zip(&extents)
        .enumerate()
        .map(|(i, (parity, [rows, cols]))| {
            let mut found: Vec<Found<'_>> = Vec::new();
            for (((source, _), taps), (reach, read)) in sources.iter().zip(&taps).zip(reaches.iter().zip(&read)) {
                for ((dy, dx), positions) in &taps[i].0 {
                    for block in 0..read.blocks {
                        let line = block * read.rows + (dy + reach.up as isize) as usize;
                        let at = read.at + (line * read.cols + (dx + reach.left as isize) as usize) * BLOCK;
                        let channels = (source.shape.c - block * BLOCK).min(BLOCK);
                        let (row, px) = (reach.advance[0] * read.cols * BLOCK, reach.advance[1] * BLOCK);
                        let term = RoundedTerm { at, row, px, pairs: channels.div_ceil(2) };
                        found.push((term, source.first + block * BLOCK, channels, positions.as_slice()));
                    }
                }
            }
            RoundedPhase {
                weights: pack(conv, shape.c, &groups, &found),
                terms: found.into_iter().map(|f| f.0).collect(),
                rows: *rows,
                cols: *cols,
                at: parity.a * out.row + parity.b * BLOCK,
                row: parity.step[0] * out.row,
                px: parity.step[1] * BLOCK,
            }
        })
        .collect();
    RoundedStep { sources: read, phases, groups, bias, out, blocks, rows, strip, scratch, residual, act }
}

/// A term, its first input channel, how many it has, and the kernel positions that fall on it.
type Found<'a> = (RoundedTerm, usize, usize, &'a [(usize, usize)]);

fn pack(conv: &Conv, filters: usize, groups: &[(usize, usize)], terms: &[Found<'_>]) -> Vec<u16> {
    let of_filter: Vec<Vec<u16>> = (0..filters).map(|f| rounded_filter(conv, filters, f, terms)).collect();
    let mut weights = Vec::new();
    for (first, n) in groups {
        let mut at = 0;
        for (term, ..) in terms {
            for pair in 0..term.pairs {
                for filter in first * BLOCK..(first + n) * BLOCK {
                    // Filters that only fill a block are zero.
                    let both = of_filter.get(filter).map_or([0; 2], |w| [w[at + 2 * pair], w[at + 2 * pair + 1]]);
                    weights.extend(both);
                }
            }
            at += 2 * term.pairs;
        }
    }
    weights
}

/// The weights of one filter for all lanes of its terms. What rounding takes from one is given to the next: what is read has
/// mostly come from a ReLU and is of one sign, so that errors which add up to nothing nearly cancel.
fn rounded_filter(conv: &Conv, filters: usize, filter: usize, terms: &[Found<'_>]) -> Vec<u16> {
    let [kh, kw] = conv.kernel;
    let channels_in = conv.weights.len() / (filters * kh * kw);
    let (mut weights, mut owed) = (Vec::new(), 0.0);
    for (term, channel, channels, positions) in terms {
        for lane in 0..2 * term.pairs {
            // A lane beyond the source's channels has no weight.
            weights.push(if lane < *channels {
                let of = &conv.weights[(filter * channels_in + channel + lane) * kh * kw..];
                let exact = positions.iter().map(|(ky, kx)| of[ky * kw + kx]).sum::<f32>() + owed;
                let bits = rounded(exact);
                owed = exact - f32::from_bits(u32::from(bits) << 16);
                bits
            } else {
                0
            });
        }
    }
    weights
}
