//! When a convolution is worth transforming, and its weights in transformed form.

use super::terms::{Placed, Source};
use crate::engine::graph::{Conv, Shape};
use crate::engine::kernels::BLOCK;
use crate::engine::kernels::conv::{ConvStep, Finish, Phase, Term, groups};
use crate::engine::kernels::plane::View;
use crate::engine::kernels::winograd::{PATCH, TILE, TileSource, WinogradStep, transformed_filter};

/// Most tiles in a strip: enough for each weight to be used often while it is near, few enough for the transformed tiles to
/// stay near as well (measured).
const TILES: usize = 16;

/// Vector operations that transforming a tile of one input block, and of one output block, costs (measured).
const FORWARD: usize = 200;
const INVERSE: usize = 360;

/// Vector operations that a convolution of the form for it takes this way.
pub(super) fn cost(conv: &Conv, sources: &[Source], out: Shape) -> Option<usize> {
    fits(conv, sources, out).then(|| {
        let channels: usize = sources.iter().map(|s| s.shape.c).sum();
        let blocks_in: usize = sources.iter().map(|s| s.shape.c.div_ceil(BLOCK)).sum();
        let blocks = out.c.div_ceil(BLOCK);
        let tile = PATCH * PATCH * channels * blocks + FORWARD * blocks_in + INVERSE * blocks;
        out.h / TILE * (out.w / TILE) * tile
    })
}

fn fits(conv: &Conv, sources: &[Source], out: Shape) -> bool {
    conv.kernel == [3, 3]
        && conv.stride == [1, 1]
        && conv.dilation == [1, 1]
        && conv.pad == [1, 1]
        && conv.groups == 1
        && !conv.transposed
        && sources.iter().all(|s| s.shape.h * s.factor == out.h && s.shape.w * s.factor == out.w)
        && out.h.is_multiple_of(TILE)
        && out.w.is_multiple_of(TILE)
}

pub(super) fn step(conv: &Conv, sources: &[(Source, Placed)], shape: Shape, out: View, finish: Finish, widest: usize) -> WinogradStep {
    let blocks = shape.c.div_ceil(BLOCK);
    let (tile_rows, tiles) = (shape.h / TILE, shape.w / TILE);
    // A strip is a whole fraction of the image.
    let count = (1..=TILES).rev().find(|n| (tiles * tile_rows).is_multiple_of(*n)).unwrap_or(1);
    let read: Vec<TileSource> =
        sources.iter().map(|(s, p)| TileSource { view: p.view, blocks: s.shape.c.div_ceil(BLOCK), factor: s.factor }).collect();
    // A vector more, so that positions do not all fall on the same lines of the cache.
    let position = (read.iter().map(|s| s.blocks).sum::<usize>() * count + 1) * BLOCK;
    let product = (blocks * count + 1) * BLOCK;
    // Blocks of all sources, one after the other: place in the scratch memory, first channel of the filter, channels.
    let mut parts = Vec::new();
    for (source, _) in sources {
        for first in (0..source.shape.c).step_by(BLOCK) {
            parts.push((parts.len() * count * BLOCK, source.first + first, (source.shape.c - first).min(BLOCK)));
        }
    }
    let groups: Vec<(usize, usize)> = groups(blocks, widest).collect();
    let weights = transform(conv, shape.c, &parts, &groups);
    let products_at = PATCH * PATCH * position;
    let phases = weights
        .into_iter()
        .enumerate()
        .map(|(p, weights)| Phase {
            terms: parts.iter().map(|(at, _, n)| Term { at: p * position + at, row: 0, px: BLOCK, channels: *n }).collect(),
            weights,
            first: 0,
            blocks,
            rows: 1,
            cols: count,
            at: p * product,
            row: 0,
            px: BLOCK,
        })
        .collect();
    let plane = count * BLOCK;
    let plain = Finish { bias: vec![0.0; blocks * BLOCK], residual: None, act: None };
    let products = ConvStep { phases, out: products_at, plane, finish: plain };
    let scratch = products_at + PATCH * PATCH * product;
    WinogradStep {
        sources: read,
        products,
        groups,
        scratch,
        position,
        products_at,
        product,
        out,
        blocks,
        tile_rows,
        strip: count,
        tiles,
        finish,
    }
}

/// Per position: groups of output blocks x input channels x lanes.
fn transform(conv: &Conv, channels_out: usize, parts: &[(usize, usize, usize)], groups: &[(usize, usize)]) -> Vec<Vec<f32>> {
    let channels_in = conv.weights.len() / (channels_out * 9);
    let blocks: usize = groups.iter().map(|g| g.1).sum();
    // Fresh zeros each: copies of a first one would touch all memory twice.
    let mut weights: Vec<Vec<f32>> = (0..PATCH * PATCH).map(|_| vec![0.0; channels_in * blocks * BLOCK]).collect();
    let mut at = 0;
    for (first, n) in groups {
        for channel in parts.iter().flat_map(|(_, first, n)| *first..first + n) {
            for lane in 0..n * BLOCK {
                let filter = first * BLOCK + lane;
                if filter < channels_out {
                    let g = &conv.weights[(filter * channels_in + channel) * 9..][..9];
                    let u = transformed_filter([[g[0], g[1], g[2]], [g[3], g[4], g[5]], [g[6], g[7], g[8]]]);
                    weights.iter_mut().zip(u.as_flattened()).for_each(|(w, u)| w[at + lane] = *u);
                }
            }
            at += n * BLOCK;
        }
    }
    weights
}
