//! Everything that is not a convolution: element-wise operators, pooling, enlargement, and the way into and out of the layout.

use super::lane::Lane;
use super::{BLOCK, act, level_dispatch};
use crate::engine::graph::{Act, Pool, PoolKind};

/// Where a value lies in the arena: its first pixel, and floats between blocks and rows. Pixels are 16 apart.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct View {
    pub at: usize,
    pub plane: usize,
    pub row: usize,
}

impl View {
    #[inline(always)]
    fn pixel(self, block: usize, y: usize, x: usize) -> usize {
        self.at + block * self.plane + y * self.row + x * BLOCK
    }
}

#[derive(Debug, Clone)]
pub(crate) enum PlaneOp {
    Copy,
    Act(Act),
    /// Per channel, then the activation.
    Affine {
        scale: Vec<f32>,
        shift: Vec<f32>,
        act: Option<Act>,
    },
    Add(Option<Act>),
    Mul,
    MulChannel,
    Pool(Pool),
    GlobalSum,
    Nearest(usize),
    Bilinear(usize),
}

/// One such operator ready to run; `inputs` has one or two values.
#[derive(Debug, Clone)]
pub(crate) struct PlaneStep {
    pub op: PlaneOp,
    pub inputs: Vec<View>,
    /// Rows and columns of the first input.
    pub from: [usize; 2],
    pub out: View,
    pub blocks: usize,
    pub rows: usize,
    pub cols: usize,
}

level_dispatch! {
    /// Output rows `rows` of one block.
    ///
    /// # Safety
    /// Inputs and output lie inside the arena (checked when the plan is made).
    pub(crate) unsafe fn plane_rows(arena: *mut f32, step: &PlaneStep, block: usize, rows: (usize, usize))
    with plane_body
}

#[inline(always)]
unsafe fn plane_body<V: Lane>(arena: *mut f32, step: &PlaneStep, block: usize, rows: (usize, usize)) {
    let input = step.inputs[0];
    // SAFETY: the caller vouches for every pixel of inputs and output.
    let read = |view: View, y: usize, x: usize| unsafe { V::load(arena.add(view.pixel(block, y, x))) };
    unsafe {
        // The operator is chosen once; its loop over the pixels is the macro.
        macro_rules! pixels {
            (|$y:ident, $x:ident| $value:expr) => {
                for $y in rows.0..rows.1 {
                    for $x in 0..step.cols {
                        let v: V = $value;
                        v.store(arena.add(step.out.pixel(block, $y, $x)));
                    }
                }
            };
        }
        match &step.op {
            PlaneOp::Copy => pixels!(|y, x| read(input, y, x)),
            PlaneOp::Act(a) => pixels!(|y, x| act(read(input, y, x), Some(*a))),
            PlaneOp::Affine { scale, shift, act: a } => {
                let (scale, shift) = (V::load(scale.as_ptr().add(block * BLOCK)), V::load(shift.as_ptr().add(block * BLOCK)));
                match a {
                    // By far the most frequent one, without the choice inside the loop.
                    Some(Act::Clamp(low, high)) => {
                        let (low, high) = (V::splat(*low), V::splat(*high));
                        pixels!(|y, x| read(input, y, x).fma(scale, shift).max(low).min(high));
                    }
                    a => pixels!(|y, x| act(read(input, y, x).fma(scale, shift), *a)),
                }
            }
            PlaneOp::Add(a) => pixels!(|y, x| act(read(input, y, x).add(read(step.inputs[1], y, x)), *a)),
            PlaneOp::Mul => pixels!(|y, x| read(input, y, x).mul(read(step.inputs[1], y, x))),
            PlaneOp::MulChannel => {
                let factor = read(step.inputs[1], 0, 0);
                pixels!(|y, x| read(input, y, x).mul(factor));
            }
            PlaneOp::Nearest(factor) => pixels!(|y, x| read(input, y / factor, x / factor)),
            PlaneOp::Bilinear(factor) => pixels!(|y, x| {
                let ((y0, y1, fy), (x0, x1, fx)) = (between(y, *factor, step.from[0]), between(x, *factor, step.from[1]));
                let (gx, fx) = (V::splat(1.0 - fx), V::splat(fx));
                let top = read(input, y0, x0).mul(gx).add(read(input, y0, x1).mul(fx));
                let bottom = read(input, y1, x0).mul(gx).add(read(input, y1, x1).mul(fx));
                top.mul(V::splat(1.0 - fy)).add(bottom.mul(V::splat(fy)))
            }),
            PlaneOp::GlobalSum => {
                let mut sum = V::splat(0.0);
                for y in 0..step.from[0] {
                    for x in 0..step.from[1] {
                        sum = sum.add(read(input, y, x));
                    }
                }
                sum.store(arena.add(step.out.pixel(block, 0, 0)));
            }
            PlaneOp::Pool(pool) => pixels!(|y, x| {
                let ((y0, y1), (x0, x1)) = (window(y, 0, pool, step.from[0]), window(x, 1, pool, step.from[1]));
                let max = pool.kind == PoolKind::Max;
                let mut v = V::splat(if max { f32::NEG_INFINITY } else { 0.0 });
                for iy in y0..y1 {
                    for ix in x0..x1 {
                        let p = read(input, iy, ix);
                        v = if max { v.max(p) } else { v.add(p) };
                    }
                }
                match pool.kind {
                    PoolKind::Max => v,
                    PoolKind::Average => v.mul(V::splat(1.0 / ((y1 - y0) * (x1 - x0)).max(1) as f32)),
                    PoolKind::AverageWithPadding => v.mul(V::splat(1.0 / (pool.kernel[0] * pool.kernel[1]) as f32)),
                }
            }),
        }
    }
}

/// Rows (axis 0) or columns (axis 1) of the input under a window.
#[inline(always)]
fn window(i: usize, axis: usize, pool: &Pool, n: usize) -> (usize, usize) {
    let first = (i * pool.stride[axis]) as isize - pool.pad[axis] as isize;
    let end = (first + pool.kernel[axis] as isize).clamp(0, n as isize) as usize;
    ((first.max(0) as usize).min(end), end)
}

/// The two neighbours of an enlarged pixel's centre and the second one's weight.
#[inline(always)]
fn between(i: usize, factor: usize, n: usize) -> (usize, usize, f32) {
    let at = ((i as f32 + 0.5) / factor as f32 - 0.5).clamp(0.0, (n - 1) as f32);
    let low = at as usize;
    (low, (low + 1).min(n - 1), at - low as f32)
}

/// Copies channel-first values into the arena: in blocks, or, for a first convolution of few channels, one plane a channel.
pub(crate) fn pack(arena: &mut [f32], from: &[f32], to: View, [c, h, w]: [usize; 3], planar: bool) {
    for (channel, plane) in from.chunks_exact(h * w).enumerate().take(c) {
        for (y, line) in plane.chunks_exact(w).enumerate() {
            if planar {
                let at = to.at + channel * to.plane + y * to.row;
                arena[at..at + w].copy_from_slice(line);
            } else {
                let at = to.at + channel / BLOCK * to.plane + y * to.row + channel % BLOCK;
                for (x, v) in line.iter().enumerate() {
                    arena[at + x * BLOCK] = *v;
                    // What fills the last block is multiplied by zero somewhere: it must be a number.
                    if channel + 1 == c {
                        arena[at + x * BLOCK + 1..at + x * BLOCK + BLOCK - channel % BLOCK].fill(0.0);
                    }
                }
            }
        }
    }
}

/// Copies a value out of the arena, channels first.
pub(crate) fn unpack(arena: &[f32], from: View, [c, h, w]: [usize; 3], planar: bool, to: &mut Vec<f32>) {
    for channel in 0..c {
        for y in 0..h {
            if planar {
                let at = from.at + channel * from.plane + y * from.row;
                to.extend_from_slice(&arena[at..at + w]);
            } else {
                let at = from.at + channel / BLOCK * from.plane + y * from.row + channel % BLOCK;
                to.extend((0..w).map(|x| arena[at + x * BLOCK]));
            }
        }
    }
}
