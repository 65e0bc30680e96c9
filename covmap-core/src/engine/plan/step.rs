//! One step of a plan: what it computes, how it is cut into tasks, and how far it reaches.

use std::cell::RefCell;

use super::arena::Arena;
use super::frame::Frame;
use crate::engine::kernels::bf16::{RoundedStep, rounded_strip};
use crate::engine::kernels::conv::{ConvStep, conv_rows, groups};
use crate::engine::kernels::depthwise::{DepthwiseStep, depthwise_rows};
use crate::engine::kernels::head::{HeadStep, head_rows};
use crate::engine::kernels::plane::{PlaneOp, PlaneStep, View, plane_rows};
use crate::engine::kernels::winograd::{TILE, WinogradStep, winograd_strip};
use crate::engine::kernels::{BLOCK, widest_group};
use crate::simd::Level;

/// One step and the halos that have to be cleared before it.
#[derive(Debug)]
pub(crate) struct Step {
    pub name: String,
    pub macs: usize,
    pub covers: usize,
    pub(super) kind: Kind,
    pub(super) clear: Option<Frame>,
}

#[derive(Debug)]
pub(super) enum Kind {
    Conv(ConvStep),
    Winograd(WinogradStep),
    Rounded(RoundedStep),
    Head(HeadStep),
    Depthwise(DepthwiseStep),
    Plane(PlaneStep),
}

/// The arena as tasks share it: each writes rows and blocks of its own.
#[derive(Clone, Copy)]
pub(super) struct Shared(*mut f32);

#[allow(unsafe_code)]
// SAFETY: tasks of one step write disjoint pixels and read only what earlier steps wrote.
unsafe impl Send for Shared {}
#[allow(unsafe_code)]
// SAFETY: as above.
unsafe impl Sync for Shared {}

impl Shared {
    pub(super) fn new(arena: &mut [f32]) -> Self {
        Shared(arena.as_mut_ptr())
    }

    /// All of it, `floats` long.
    ///
    /// # Safety
    /// It is that long, and nobody else reads or writes it meanwhile.
    #[allow(unsafe_code)]
    pub(super) unsafe fn whole<'a>(self, floats: usize) -> &'a mut [f32] {
        // SAFETY: the caller's promise.
        unsafe { std::slice::from_raw_parts_mut(self.0, floats) }
    }

    fn get(self) -> *mut f32 {
        self.0
    }
}

/// A piece of a step: phase, first block, blocks, and rows (strips for Winograd).
pub(super) type Task = (usize, usize, usize, (usize, usize));

thread_local! {
    /// Memory for transformed tiles, kept by each thread that has worked on some.
    static SCRATCH: RefCell<Arena> = RefCell::new(Arena::new(0));
}

impl Step {
    /// Kind of kernel, for people.
    pub(crate) fn kernel(&self) -> &'static str {
        match &self.kind {
            Kind::Conv(c) if c.phases.len() > 1 => "convolution by phases",
            Kind::Conv(_) => "convolution",
            Kind::Winograd(_) => "convolution by Winograd",
            Kind::Rounded(r) if r.phases.len() > 1 => "bf16 by phases",
            Kind::Rounded(_) => "bf16",
            Kind::Head(_) => "pointwise to planes",
            Kind::Depthwise(_) => "depthwise",
            Kind::Plane(_) => "plane",
        }
    }

    pub(crate) fn weight_bytes(&self) -> usize {
        size_of::<f32>()
            * match &self.kind {
                Kind::Rounded(r) => r.phases.iter().map(|p| p.weights.len()).sum::<usize>() / 2,
                Kind::Conv(c) => c.phases.iter().map(|p| p.weights.len()).sum(),
                Kind::Winograd(w) => w.products.phases.iter().map(|p| p.weights.len()).sum(),
                Kind::Head(h) => h.weights.as_flattened().len(),
                Kind::Depthwise(d) => d.weights.len(),
                Kind::Plane(_) => 0,
            }
    }
}

impl Kind {
    pub(super) fn macs(&self) -> usize {
        match self {
            Kind::Conv(c) => c.phases.iter().map(|p| p.weights.len() * p.rows * p.cols).sum(),
            Kind::Winograd(w) => w.products.phases.iter().map(|p| p.weights.len() * p.cols).sum::<usize>() * w.strips(),
            Kind::Rounded(r) => r.phases.iter().map(|p| p.weights.len() * p.rows * p.cols).sum(),
            Kind::Head(h) => h.weights.len() * h.channels * h.rows * h.cols,
            Kind::Depthwise(d) => d.weights.len() * d.rows * d.cols,
            Kind::Plane(_) => 0,
        }
    }

    /// Of the memory for transformed tiles that a thread needs.
    pub(super) fn scratch_bytes(&self) -> usize {
        match self {
            Kind::Winograd(w) => w.scratch * size_of::<f32>(),
            Kind::Rounded(r) => r.scratch * size_of::<u16>(),
            _ => 0,
        }
    }

    /// The end of what it reads and writes.
    pub(super) fn reach(&self) -> usize {
        match self {
            Kind::Conv(c) => conv_reach(c),
            Kind::Winograd(w) => {
                if conv_reach(&w.products) > w.scratch || w.sources.iter().any(|s| s.view.at < s.view.row + BLOCK) {
                    return usize::MAX;
                }
                let [rows, cols] = [w.tile_rows * TILE, w.tiles * TILE];
                // Sources are read with one row and column of their halo.
                let from = w
                    .sources
                    .iter()
                    .map(|s| s.view.at + last(s.blocks) * s.view.plane + rows / s.factor * s.view.row + cols / s.factor * BLOCK);
                let out = w.out.at + last(w.blocks) * w.out.plane + last(rows) * w.out.row + last(cols) * BLOCK;
                let residual = w.finish.residual.map_or(0, |r| r.at + last(w.blocks) * r.plane + last(rows) * r.row + last(cols) * BLOCK);
                from.chain([out, residual]).max().unwrap_or(0) + BLOCK
            }
            Kind::Rounded(r) => rounded_reach(r),
            Kind::Head(h) => {
                let from = h
                    .sources
                    .iter()
                    .map(|(v, blocks)| v.at + last(*blocks) * v.plane + last(h.rows) * v.row + last(h.cols) * BLOCK + BLOCK);
                from.max().unwrap_or(0).max(h.out.at + last(h.channels) * h.out.plane + last(h.rows) * h.out.row + h.cols)
            }
            Kind::Depthwise(d) => {
                let from = d.from
                    + last(d.blocks) * d.from_plane
                    + last(d.rows) * d.from_row
                    + last(d.cols) * d.from_px
                    + last(d.kernel[0]) * d.from_line
                    + last(d.kernel[1]) * d.dilation[1] * BLOCK;
                let out = d.out + last(d.blocks) * d.out_plane + last(d.rows) * d.out_row + last(d.cols) * BLOCK;
                from.max(out) + BLOCK
            }
            Kind::Plane(p) => {
                let end =
                    |v: &View, rows: usize, cols: usize| v.at + last(p.blocks) * v.plane + last(rows) * v.row + last(cols) * BLOCK + BLOCK;
                let from = p.inputs.iter().take(1).map(|v| end(v, p.from[0], p.from[1]));
                let second = p
                    .inputs
                    .iter()
                    .skip(1)
                    .map(|v| if matches!(p.op, PlaneOp::MulChannel) { end(v, 1, 1) } else { end(v, p.rows, p.cols) });
                from.chain(second).max().unwrap_or(0).max(end(&p.out, p.rows, p.cols))
            }
        }
    }

    pub(super) fn tasks(&self, level: Level, threads: usize) -> Vec<Task> {
        let widest = widest_group(level);
        let units: Vec<(usize, usize, usize, usize)> = match self {
            Kind::Conv(c) => c
                .phases
                .iter()
                .enumerate()
                .flat_map(|(i, p)| groups(p.blocks, widest).map(move |(block, n)| (i, block, n, p.rows)))
                .collect(),
            // Where there are fewer strips than threads, each makes some of the output blocks, from tiles that it transforms
            // itself.
            Kind::Winograd(w) if w.strips() < threads => {
                w.groups.chunks(w.groups.len().div_ceil(threads)).map(|g| (0, g[0].0, g.iter().map(|g| g.1).sum(), w.strips())).collect()
            }
            Kind::Winograd(w) => vec![(0, 0, w.blocks, w.strips())],
            Kind::Rounded(r) => vec![(0, 0, r.blocks, r.rows.div_ceil(r.strip))],
            Kind::Head(h) => vec![(0, 0, 1, h.rows)],
            Kind::Depthwise(d) => (0..d.blocks).map(|b| (0, b, 1, d.rows)).collect(),
            Kind::Plane(p) => (0..p.blocks).map(|b| (0, b, 1, p.rows)).collect(),
        };
        // About four pieces a thread, so that none waits long for the last.
        let pieces = if threads > 1 { (4 * threads).div_ceil(units.len().max(1)) } else { 1 };
        units
            .into_iter()
            .flat_map(|(phase, block, n, rows)| {
                let size = rows.div_ceil(pieces).max(1);
                (0..rows).step_by(size).map(move |y| (phase, block, n, (y, (y + size).min(rows))))
            })
            .collect()
    }

    /// # Safety
    /// `arena` reaches as far as this step does ([`reach`](Self::reach)), `task` is one of its [`tasks`](Self::tasks) for this
    /// level, and no other step runs meanwhile.
    #[allow(unsafe_code)]
    pub(super) unsafe fn run(&self, arena: Shared, level: Level, (phase, block, n, rows): Task) {
        // SAFETY: the caller's promise; tasks of one step differ in what they write.
        unsafe {
            match self {
                Kind::Conv(c) => {
                    let p = &c.phases[phase];
                    let depth = p.weights.len() / p.blocks;
                    conv_rows(level, arena.get(), c, p, p.weights[depth * block..].as_ptr(), p.first + block, n, rows);
                }
                Kind::Winograd(w) => SCRATCH.with_borrow_mut(|scratch| {
                    let scratch = scratch.at_least(w.scratch).as_mut_ptr();
                    (rows.0..rows.1).for_each(|strip| winograd_strip(level, arena.get(), w, scratch, strip, (block, n)));
                }),
                Kind::Rounded(r) => SCRATCH.with_borrow_mut(|scratch| {
                    let scratch = scratch.at_least(r.scratch.div_ceil(2)).as_mut_ptr().cast();
                    (rows.0..rows.1).for_each(|strip| rounded_strip(arena.get(), r, scratch, strip));
                }),
                Kind::Head(h) => head_rows(level, arena.get(), h, rows),
                Kind::Depthwise(d) => depthwise_rows(level, arena.get(), d, block, rows),
                Kind::Plane(p) => plane_rows(level, arena.get(), p, block, rows),
            }
        }
    }
}

fn conv_reach(c: &ConvStep) -> usize {
    let phases = c.phases.iter().filter(|p| p.rows > 0 && p.cols > 0).flat_map(|p| {
        let (rows, cols) = (last(p.rows), last(p.cols));
        let out = c.out + p.at + rows * p.row + cols * p.px + last(p.first + p.blocks) * c.plane + BLOCK;
        let residual = c.finish.residual.map_or(0, |r| r.at + last(p.first + p.blocks) * r.plane + rows * r.row + cols * BLOCK + BLOCK);
        p.terms.iter().map(move |t| t.at + rows * t.row + cols * t.px + t.channels).chain([out, residual])
    });
    phases.max().unwrap_or(0)
}

fn rounded_reach(r: &RoundedStep) -> usize {
    let terms = r.phases.iter().flat_map(|p| {
        let rows = last(r.strip.min(p.rows));
        p.terms.iter().map(move |t| t.at + rows * t.row + last(p.cols) * t.px + BLOCK)
    });
    // A source that begins before the arena has wrapped round.
    if terms.max().unwrap_or(0) > r.scratch || r.sources.iter().any(|s| s.view.at > usize::MAX / 2) {
        return usize::MAX;
    }
    let sources = r.sources.iter().map(|s| {
        let rows = s.rows + last(r.rows) * s.advance - last(r.strip) * s.advance;
        s.view.at + last(s.blocks) * s.view.plane + last(rows) * s.view.row + s.cols * BLOCK
    });
    let phases = r.phases.iter().flat_map(|p| {
        let (rows, cols) = (last(p.rows), last(p.cols));
        let out = r.out.at + p.at + last(r.blocks) * r.out.plane + rows * p.row + cols * p.px + BLOCK;
        let residual = r.finish.residual.map_or(0, |v| v.at + last(r.blocks) * v.plane + rows * v.row + cols * BLOCK + BLOCK);
        [out, residual]
    });
    sources.chain(phases).max().unwrap_or(0)
}

/// Index of the last of `n`.
fn last(n: usize) -> usize {
    n.saturating_sub(1)
}
