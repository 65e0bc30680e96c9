//! 3 x 3 convolution by Winograd's F(4 x 4, 3 x 3) (Lavin and Gray, 2016): 36 multiplications for sixteen output pixels of a
//! channel pair instead of 144. Input tiles of 6 x 6 are transformed, multiplied position by position, and transformed back.

use super::conv::{ConvStep, Finish, conv_body};
use super::lane::Lane;
use super::plane::View;
use super::{BLOCK, act, level_dispatch};

/// Output rows and columns of a tile.
pub(crate) const TILE: usize = 4;

/// Input rows and columns of a tile.
pub(crate) const PATCH: usize = 6;

/// Such a convolution ready to run.
#[derive(Debug, Clone)]
pub(crate) struct WinogradStep {
    pub sources: Vec<TileSource>,
    /// The products, as a convolution over the scratch memory with one phase for each of the 36 positions.
    pub products: ConvStep,
    /// Output blocks that are made at once, as `groups` gives them: first and count.
    pub groups: Vec<(usize, usize)>,
    /// Floats of scratch memory that a strip needs; in it, floats between the transformed inputs of two positions, where
    /// the products begin, and floats between those of two positions.
    pub scratch: usize,
    pub position: usize,
    pub products_at: usize,
    pub product: usize,
    pub out: View,
    pub blocks: usize,
    /// Tiles in a row of the image, row of tiles in it, and tiles that are worked on together, row by row.
    pub tiles: usize,
    pub tile_rows: usize,
    pub strip: usize,
    pub finish: Finish,
}

/// A value that is read, each pixel as if repeated `factor` times in both directions.
#[derive(Debug, Clone, Copy)]
pub(crate) struct TileSource {
    pub view: View,
    pub blocks: usize,
    pub factor: usize,
}

impl WinogradStep {
    /// Strips in the image.
    pub(crate) fn strips(&self) -> usize {
        self.tiles * self.tile_rows / self.strip
    }
}

level_dispatch! {
    /// One strip of tiles; output blocks `blocks` (first and count), which begin and end with a group.
    ///
    /// # Safety
    /// Sources (with a halo of one) and output lie inside the arena; `scratch` has `step.scratch` floats (checked when the
    /// plan is made).
    pub(crate) unsafe fn winograd_strip(arena: *mut f32, step: &WinogradStep, scratch: *mut f32, strip: usize, blocks: (usize, usize))
    with strip_body
}

#[inline(always)]
unsafe fn strip_body<V: Lane>(arena: *mut f32, step: &WinogradStep, scratch: *mut f32, strip: usize, blocks: (usize, usize)) {
    let blocks = blocks.0..blocks.0 + blocks.1;
    let (count, position) = (step.strip, step.position);
    let pixel = |tile: usize| ((strip * count + tile) / step.tiles * TILE, (strip * count + tile) % step.tiles * TILE);
    // SAFETY: as the caller vouches.
    unsafe {
        let mut block_at = 0;
        for source in &step.sources {
            for block in 0..source.blocks {
                for tile in 0..count {
                    let (y, x) = pixel(tile);
                    let from = arena.cast_const().add(source.view.at + block * source.view.plane);
                    let to = scratch.add(block_at + tile * BLOCK);
                    match source.factor {
                        1 => patch::<V>(
                            from.sub(source.view.row + BLOCK).add(y * source.view.row + x * BLOCK),
                            source.view.row,
                            to,
                            position,
                        ),
                        f => enlarged_patch::<V>(from, source.view.row, f, (y, x), to, position),
                    }
                }
                block_at += count * BLOCK;
            }
        }
        for (p, phase) in step.products.phases.iter().enumerate() {
            debug_assert!(p < PATCH * PATCH);
            let depth = phase.weights.len() / phase.blocks;
            for (first, n) in step.groups.iter().filter(|g| blocks.contains(&g.0)) {
                conv_body::<V>(scratch, &step.products, phase, phase.weights.as_ptr().add(depth * first), *first, *n, (0, 1));
            }
        }
        for block in blocks {
            let bias = V::load(step.finish.bias.as_ptr().add(block * BLOCK));
            for tile in 0..count {
                let (y, x) = pixel(tile);
                let from = scratch.cast_const().add(step.products_at + block * step.products.plane + tile * BLOCK);
                let pixels = inverse::<V>(from, step.product);
                for (i, row) in pixels.into_iter().enumerate() {
                    for (j, v) in row.into_iter().enumerate() {
                        let mut v = v.add(bias);
                        if let Some(r) = &step.finish.residual {
                            v = v.add(V::load(arena.add(r.at + block * r.plane + (y + i) * r.row + (x + j) * BLOCK)));
                        }
                        act::<V>(v, step.finish.act)
                            .store(arena.add(step.out.at + block * step.out.plane + (y + i) * step.out.row + (x + j) * BLOCK));
                    }
                }
            }
        }
    }
}

/// Transforms the 6 x 6 pixels at `from`; position p goes to `to + p * position`.
#[inline(always)]
unsafe fn patch<V: Lane>(from: *const f32, row: usize, to: *mut f32, position: usize) {
    unsafe { forward::<V>(|i, j| V::load(from.add(i * row + j * BLOCK)), to, position) }
}

/// The same of an enlarged value, whose tile begins at row `y`, column `x` of the enlarged image.
#[inline(always)]
unsafe fn enlarged_patch<V: Lane>(from: *const f32, row: usize, factor: usize, (y, x): (usize, usize), to: *mut f32, position: usize) {
    // Row y - 1 of the enlarged image; the halo makes -1 a legal place.
    let line = |i: usize, at: usize| (at + i).div_ceil(factor);
    unsafe {
        let from = from.sub(row + BLOCK);
        forward::<V>(|i, j| V::load(from.add(line(i, y) * row + line(j, x) * BLOCK)), to, position);
    }
}

/// B^T d B.
#[inline(always)]
unsafe fn forward<V: Lane>(d: impl Fn(usize, usize) -> V, to: *mut f32, position: usize) {
    unsafe {
        let mut half = [[V::splat(0.0); PATCH]; PATCH];
        #[allow(clippy::needless_range_loop)] // by columns
        for j in 0..PATCH {
            let column = forward_line([d(0, j), d(1, j), d(2, j), d(3, j), d(4, j), d(5, j)]);
            for i in 0..PATCH {
                half[i][j] = column[i];
            }
        }
        for (i, row) in half.into_iter().enumerate() {
            for (j, v) in forward_line(row).into_iter().enumerate() {
                v.store(to.add((i * PATCH + j) * position));
            }
        }
    }
}

#[inline(always)]
unsafe fn forward_line<V: Lane>(d: [V; PATCH]) -> [V; PATCH] {
    unsafe {
        let (two, four, five) = (V::splat(2.0), V::splat(-4.0), V::splat(-5.0));
        let (even, odd) = (d[2].fma(four, d[4]), d[1].fma(four, d[3]));
        let (even2, odd2) = (d[4].sub(d[2]), d[3].sub(d[1]).mul(two));
        [
            d[0].mul(V::splat(4.0)).add(d[2].fma(five, d[4])),
            even.add(odd),
            even.sub(odd),
            even2.add(odd2),
            even2.sub(odd2),
            d[1].mul(V::splat(4.0)).add(d[3].fma(five, d[5])),
        ]
    }
}

/// A^T m A.
#[inline(always)]
unsafe fn inverse<V: Lane>(from: *const f32, position: usize) -> [[V; TILE]; TILE] {
    unsafe {
        let m = |i: usize, j: usize| V::load(from.add((i * PATCH + j) * position));
        let mut half = [[V::splat(0.0); PATCH]; TILE];
        #[allow(clippy::needless_range_loop)] // by columns
        for j in 0..PATCH {
            let column = inverse_line([m(0, j), m(1, j), m(2, j), m(3, j), m(4, j), m(5, j)]);
            for i in 0..TILE {
                half[i][j] = column[i];
            }
        }
        [inverse_line(half[0]), inverse_line(half[1]), inverse_line(half[2]), inverse_line(half[3])]
    }
}

#[inline(always)]
unsafe fn inverse_line<V: Lane>(m: [V; PATCH]) -> [V; TILE] {
    unsafe {
        let (sum1, difference1) = (m[1].add(m[2]), m[1].sub(m[2]));
        let (sum2, difference2) = (m[3].add(m[4]), m[3].sub(m[4]));
        [
            m[0].add(sum1).add(sum2),
            difference2.fma(V::splat(2.0), difference1),
            sum2.fma(V::splat(4.0), sum1),
            difference2.fma(V::splat(8.0), difference1).add(m[5]),
        ]
    }
}

/// G g G^T of a 3 x 3 filter.
pub(crate) fn transformed_filter(g: [[f32; 3]; 3]) -> [[f32; PATCH]; PATCH] {
    let line = |g: [f32; 3]| {
        let (ends, middle) = (g[0] + g[2], g[1]);
        let (far, near) = (g[0] / 24.0 + g[2] / 6.0, g[1] / 12.0);
        [g[0] / 4.0, -(ends + middle) / 6.0, (middle - ends) / 6.0, far + near, far - near, g[2]]
    };
    let mut half = [[0.0; 3]; PATCH];
    for j in 0..3 {
        let column = line([g[0][j], g[1][j], g[2][j]]);
        for i in 0..PATCH {
            half[i][j] = column[i];
        }
    }
    half.map(line)
}
