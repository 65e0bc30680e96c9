//! A convolution as phases of terms: taps, strides, groups, joined inputs, folded enlargements and transposition all end
//! up as "for these output pixels, add these input channels times these weights".

use std::collections::BTreeMap;

use crate::engine::graph::{Conv, Shape};
use crate::engine::kernels::BLOCK;
use crate::engine::kernels::conv::{Phase, Term, groups};
use crate::engine::kernels::plane::View;

/// One of the values that a convolution reads as if they were joined.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Source {
    pub node: usize,
    pub shape: Shape,
    /// It is read as if every pixel were repeated this often in both directions.
    pub factor: usize,
    /// Its first channel among all input channels.
    pub first: usize,
}

/// A tap as a phase sees it: input offset in rows and columns, and the kernel positions that fall on it.
pub(super) type Taps = BTreeMap<(isize, isize), Vec<(usize, usize)>>;

/// Output pixels `y % step == a, x % step == b`.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Parity {
    pub a: usize,
    pub b: usize,
    pub step: [usize; 2],
}

/// Phases of a convolution over `sources`: one, or one for each position within an enlarged (or transposed) pixel.
pub(crate) fn parities(conv: &Conv, sources: &[Source]) -> Vec<Parity> {
    let factor = sources.iter().map(|s| s.factor).max().unwrap_or(1);
    let step = if conv.transposed { conv.stride } else { [factor; 2] };
    (0..step[0]).flat_map(|a| (0..step[1]).map(move |b| Parity { a, b, step })).collect()
}

/// Taps of one source and how far apart its pixels are for neighbouring output pixels of the phase.
pub(super) fn taps(conv: &Conv, parity: Parity, factor: usize) -> (Taps, [usize; 2]) {
    let mut taps = Taps::new();
    let offset = |axis: usize, k: usize, a: usize| {
        let (a, k, d, pad) = (a as isize, k as isize, conv.dilation[axis] as isize, conv.pad[axis] as isize);
        if conv.transposed {
            let (at, s) = (a + pad - k * d, conv.stride[axis] as isize);
            (at.rem_euclid(s) == 0).then(|| at.div_euclid(s))
        } else if factor > 1 {
            Some((a + k - pad).div_euclid(factor as isize))
        } else {
            Some(a * conv.stride[axis] as isize + k * d - pad)
        }
    };
    for ky in 0..conv.kernel[0] {
        for kx in 0..conv.kernel[1] {
            if let (Some(dy), Some(dx)) = (offset(0, ky, parity.a), offset(1, kx, parity.b)) {
                taps.entry((dy, dx)).or_default().push((ky, kx));
            }
        }
    }
    let advance = |axis: usize| {
        if conv.transposed || factor > 1 { 1 } else { parity.step[axis] * conv.stride[axis] }
    };
    (taps, [advance(0), advance(1)])
}

/// Output rows and columns of a phase.
pub(super) fn extent(parity: Parity, out: Shape) -> [usize; 2] {
    let n = |size: usize, first: usize, step: usize| (size + step - 1).saturating_sub(first) / step;
    [n(out.h, parity.a, parity.step[0]), n(out.w, parity.b, parity.step[1])]
}

/// Zeros that a convolution reads around a source.
pub(crate) fn halo(conv: &Conv, source: &Source, sources: &[Source], out: Shape) -> usize {
    let mut most = 0;
    for parity in parities(conv, sources) {
        let [rows, cols] = extent(parity, out);
        let (taps, [sy, sx]) = taps(conv, parity, source.factor);
        for (dy, dx) in taps.keys() {
            let after = |d: isize, n: usize, step: usize, size: usize| d + (n.max(1) - 1) as isize * step as isize - (size as isize - 1);
            most = most.max(-dy).max(-dx).max(after(*dy, rows, sy, source.shape.h)).max(after(*dx, cols, sx, source.shape.w));
        }
    }
    most.max(0) as usize
}

/// Multiplications of sixteen output channels that the phases take.
pub(crate) fn vector_macs(conv: &Conv, sources: &[Source], out: Shape) -> usize {
    let phase = |parity: Parity| {
        let [rows, cols] = extent(parity, out);
        let depth: usize = sources.iter().map(|s| taps(conv, parity, s.factor).0.len() * s.shape.c).sum();
        rows * cols * depth / conv.groups * out.c.div_ceil(BLOCK)
    };
    parities(conv, sources).into_iter().map(phase).sum()
}

/// Where a source lies and how: blocks of sixteen channels, or one plane a channel.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Placed {
    pub view: View,
    pub planar: bool,
}

/// The phases, weights packed for groups of at most `widest` output blocks.
pub(crate) fn phases(conv: &Conv, sources: &[(Source, Placed)], out: Shape, to: View, widest: usize) -> Vec<Phase> {
    let plain: Vec<Source> = sources.iter().map(|s| s.0).collect();
    let (per_group_out, per_group_in) = (out.c / conv.groups, conv.weights.len() / (out.c * conv.kernel[0] * conv.kernel[1]));
    let mut phases = Vec::new();
    for group in 0..conv.groups {
        for parity in parities(conv, &plain) {
            let [rows, cols] = extent(parity, out);
            let mut terms = Vec::new();
            let mut picks: Vec<(usize, Vec<(usize, usize)>)> = Vec::new(); // first weight channel, kernel positions
            for (source, placed) in sources {
                let (taps, [sy, sx]) = taps(conv, parity, source.factor);
                let wanted = (group * per_group_in).max(source.first)..((group + 1) * per_group_in).min(source.first + source.shape.c);
                for ((dy, dx), positions) in &taps {
                    let mut channel = wanted.start;
                    while channel < wanted.end {
                        let local = channel - source.first;
                        let (size, pixel) = if placed.planar { (1, 1) } else { (BLOCK, BLOCK) };
                        let n = (size - local % size).min(wanted.end - channel);
                        let start = placed.view.at + local / size * placed.view.plane + local % size;
                        let at = start as isize + dy * placed.view.row as isize + dx * pixel as isize;
                        terms.push(Term { at: at as usize, row: sy * placed.view.row, px: sx * pixel, channels: n });
                        picks.push((channel - group * per_group_in, positions.clone()));
                        channel += n;
                    }
                }
            }
            let first = group * per_group_out / BLOCK;
            let blocks = per_group_out.div_ceil(BLOCK);
            let weights = pack(conv, group, per_group_in, per_group_out, &terms, &picks, blocks, widest);
            phases.push(Phase {
                terms,
                weights,
                first,
                blocks,
                rows,
                cols,
                at: parity.a * to.row + parity.b * BLOCK,
                row: parity.step[0] * to.row,
                px: parity.step[1] * BLOCK,
            });
        }
    }
    phases
}

#[allow(clippy::too_many_arguments)]
fn pack(
    conv: &Conv,
    group: usize,
    per_group_in: usize,
    per_group_out: usize,
    terms: &[Term],
    picks: &[(usize, Vec<(usize, usize)>)],
    blocks: usize,
    widest: usize,
) -> Vec<f32> {
    let [kh, kw] = conv.kernel;
    let depth: usize = terms.iter().map(|t| t.channels).sum();
    let mut packed = Vec::with_capacity(depth * blocks * BLOCK);
    for (block, n) in groups(blocks, widest) {
        for (term, (first, positions)) in terms.iter().zip(picks) {
            for channel in *first..first + term.channels {
                let at = packed.len();
                packed.resize(at + n * BLOCK, 0.0);
                let filters = &conv.weights[(group * per_group_out * per_group_in + channel) * kh * kw..];
                let lanes = (block * BLOCK..per_group_out).map(|lane| lane * per_group_in * kh * kw);
                for (to, filter) in packed[at..].iter_mut().zip(lanes) {
                    *to = match positions.as_slice() {
                        [(ky, kx)] => filters[filter + ky * kw + kx],
                        several => several.iter().map(|(ky, kx)| filters[filter + ky * kw + kx]).sum(),
                    };
                }
            }
        }
    }
    packed
}
