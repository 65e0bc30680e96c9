//! Convolutions in bf16: when, their weights, and what a strip of them reads.

use super::terms::{self, Placed, Source, Taps};
use crate::engine::graph::{Conv, Shape};
use crate::engine::kernels::BLOCK;
use crate::engine::kernels::bf16::{RoundedPhase, RoundedSource, RoundedStep, RoundedTerm, rounded};
use crate::engine::kernels::conv::{Finish, groups};
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

pub(super) fn step(conv: &Conv, sources: &[(Source, Placed)], shape: Shape, out: View, finish: Finish, widest: usize) -> RoundedStep {
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
    RoundedStep { sources: read, phases, groups, out, blocks, rows, strip, scratch, finish }
}

/// A term, its first input channel, how many it has, and the kernel positions that fall on it.
type Found<'a> = (RoundedTerm, usize, usize, &'a [(usize, usize)]);

/// Weights in the order in which the kernel reads them. What rounding takes from one weight of a filter is given to its next:
/// what is read has mostly come from a ReLU and is of one sign, so that errors which add up to nothing nearly cancel.
fn pack(conv: &Conv, filters: usize, groups: &[(usize, usize)], terms: &[Found<'_>]) -> Vec<u16> {
    let [kh, kw] = conv.kernel;
    let channels_in = conv.weights.len() / (filters * kh * kw);
    let lanes: usize = terms.iter().map(|(term, ..)| 2 * term.pairs).sum();
    let mut weights = Vec::with_capacity(lanes * groups.iter().map(|(_, n)| n * BLOCK).sum::<usize>());
    for (first, n) in groups {
        let all = first * BLOCK..(first + n) * BLOCK;
        let real = all.start..all.end.min(filters);
        // The filters of a group side by side, as each waits for its last rounding. Those that only fill a block stay zero.
        let (mut exact, mut owed) = (vec![0.0; all.len()], vec![0.0; all.len()]);
        for (term, channel, channels, positions) in terms {
            for pair in 0..term.pairs {
                let at = weights.len();
                weights.resize(at + 2 * all.len(), 0);
                // A lane beyond the source's channels has no weight.
                for lane in (2 * pair..2 * pair + 2).filter(|lane| lane < channels) {
                    exact.copy_from_slice(&owed);
                    for (ky, kx) in *positions {
                        let of = &conv.weights[(real.start * channels_in + channel + lane) * kh * kw + ky * kw + kx..];
                        exact[..real.len()].iter_mut().zip(of.iter().step_by(channels_in * kh * kw)).for_each(|(sum, w)| *sum += w);
                    }
                    let lanes = weights[at..].as_chunks_mut::<2>().0;
                    for ((both, exact), owed) in lanes.iter_mut().zip(&exact).zip(&mut owed) {
                        let bits = rounded(*exact);
                        both[lane % 2] = bits;
                        *owed = exact - f32::from_bits(u32::from(bits) << 16);
                    }
                }
            }
        }
    }
    weights
}
