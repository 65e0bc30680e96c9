//! A region of a network compiled into steps over one arena: fused operators, packed weights, planned memory.

mod arena;
mod fuse;
mod terms;

use std::sync::Mutex;

use rayon::prelude::*;

use crate::engine::graph::{Act, Conv, Graph, Pool, Shape};
use crate::engine::kernels::conv::{ConvStep, Residual, conv_rows, group_blocks};
use crate::engine::kernels::depthwise::{DepthwiseStep, depthwise_rows};
use crate::engine::kernels::plane::{PlaneOp, PlaneStep, View, pack, plane_rows, unpack};
use crate::engine::kernels::{BLOCK, widest_group};
use crate::simd::Level;
use arena::{Arena, Lifetime};
use fuse::{Fused, Node, NodeOp};
use terms::{Placed, Source};

/// A compiled region. Immutable; arenas are lent to runs and kept for the next.
#[derive(Debug)]
pub(crate) struct Plan {
    level: Level,
    steps: Vec<Step>,
    inputs: Vec<Port>,
    outputs: Vec<Port>,
    floats: usize,
    idle: Mutex<Vec<Arena>>,
}

/// One step and the halos that have to be cleared before it.
#[derive(Debug)]
pub(crate) struct Step {
    pub name: String,
    pub macs: usize,
    pub covers: usize,
    kind: Kind,
    clear: Vec<Frame>,
}

#[derive(Debug)]
enum Kind {
    Conv(ConvStep),
    Depthwise(DepthwiseStep),
    Plane(PlaneStep),
}

/// Where an input goes or an output comes from.
#[derive(Debug)]
struct Port {
    view: View,
    shape: Shape,
    planar: bool,
    clear: Option<Frame>,
}

/// A value's place with its halo.
#[derive(Debug, Clone, Copy)]
struct Frame {
    at: usize,
    planes: usize,
    h: usize,
    w: usize,
    halo: usize,
    /// Floats a pixel.
    pixel: usize,
}

impl Frame {
    fn new(shape: Shape, halo: usize, planar: bool) -> Self {
        let (planes, pixel) = if planar { (shape.c, 1) } else { (shape.c.div_ceil(BLOCK), BLOCK) };
        Frame { at: 0, planes, h: shape.h, w: shape.w, halo, pixel }
    }

    fn row(&self) -> usize {
        (self.w + 2 * self.halo) * self.pixel
    }

    fn plane(&self) -> usize {
        (self.h + 2 * self.halo) * self.row()
    }

    fn floats(&self) -> usize {
        self.planes * self.plane()
    }

    fn view(&self) -> View {
        View { at: self.at + self.halo * self.row() + self.halo * self.pixel, plane: self.plane(), row: self.row() }
    }

    fn clear(&self, arena: &mut [f32]) {
        let edge = self.halo * self.pixel;
        for plane in arena[self.at..self.at + self.floats()].chunks_exact_mut(self.plane()) {
            let (top, rest) = plane.split_at_mut(self.halo * self.row());
            let (middle, bottom) = rest.split_at_mut(self.h * self.row());
            top.fill(0.0);
            bottom.fill(0.0);
            for row in middle.chunks_exact_mut(self.row()) {
                row[..edge].fill(0.0);
                row[edge + self.w * self.pixel..].fill(0.0);
            }
        }
    }
}

/// How a node's value is held.
#[derive(Debug, Clone, Copy, Default)]
struct Need {
    /// Some step reads it as a value of its own.
    stands: bool,
    halo: usize,
    /// Read by something else than a dense convolution.
    blocked: bool,
    last: usize,
}

impl Plan {
    pub(crate) fn new(graph: &Graph, level: Level) -> Result<Self, String> {
        let fused = fuse::fuse(graph);
        let needs = needs(&fused);
        let frames = frames(&fused, &needs);
        let (at, floats) = arena::place(
            &frames
                .iter()
                .zip(&needs)
                .enumerate()
                .map(|(i, (f, n))| Lifetime {
                    floats: f.floats(),
                    first: if matches!(fused.nodes[i].op, NodeOp::Input) { 0 } else { i },
                    last: n.last,
                })
                .collect::<Vec<_>>(),
        );
        let frames: Vec<Frame> = frames.into_iter().zip(at).map(|(f, at)| Frame { at, ..f }).collect();
        let port = |node: &usize, clear: bool| {
            let (f, shape) = (frames[*node], fused.nodes[*node].shape);
            Port { view: f.view(), shape, planar: f.pixel == 1, clear: (clear && f.halo > 0).then_some(f) }
        };
        let mut steps = Vec::new();
        for (i, node) in fused.nodes.iter().enumerate() {
            if !needs[i].stands || matches!(node.op, NodeOp::Input) {
                continue;
            }
            let kinds = lower(&fused, &frames, i, level)?;
            let macs = kinds.iter().map(Kind::macs).sum();
            for (k, kind) in kinds.into_iter().enumerate() {
                let first = k == 0;
                steps.push(Step {
                    name: node.name.clone(),
                    macs: if first { macs } else { 0 },
                    covers: if first { node.covers } else { 0 },
                    kind,
                    clear: (first && frames[i].halo > 0).then_some(frames[i]).into_iter().collect(),
                });
            }
        }
        let plan = Plan {
            level,
            steps,
            inputs: fused.inputs.iter().map(|n| port(n, true)).collect(),
            outputs: fused.outputs.iter().map(|n| port(n, false)).collect(),
            floats,
            idle: Mutex::default(),
        };
        plan.check()?;
        Ok(plan)
    }

    /// Every float that a kernel will touch lies in the arena: what makes running them sound.
    fn check(&self) -> Result<(), String> {
        for step in &self.steps {
            if step.kind.reach() > self.floats {
                return Err(format!("step {} would leave the arena ({} > {})", step.name, step.kind.reach(), self.floats));
            }
        }
        Ok(())
    }

    pub(crate) fn steps(&self) -> &[Step] {
        &self.steps
    }

    /// Bytes of the arena.
    pub(crate) fn arena_bytes(&self) -> usize {
        self.floats * size_of::<f32>()
    }

    /// One image: values channels first, in the order of the graph's inputs and outputs. `between` is asked before each
    /// step and may stop the run.
    pub(crate) fn run<E>(
        &self,
        inputs: &[&[f32]],
        outputs: &mut [&mut [f32]],
        threads: usize,
        between: &mut dyn FnMut(usize) -> Result<(), E>,
    ) -> Result<(), E> {
        let lent = self.idle.lock().unwrap_or_else(|e| e.into_inner()).pop();
        let mut arena = lent.unwrap_or_else(|| Arena::new(self.floats));
        let floats = arena.floats();
        for (port, from) in self.inputs.iter().zip(inputs) {
            port.clear.iter().for_each(|f| f.clear(floats));
            assert_eq!(from.len(), port.shape.len(), "an input of another size than planned");
            pack(floats, from, port.view, [port.shape.c, port.shape.h, port.shape.w], port.planar);
        }
        for (i, step) in self.steps.iter().enumerate() {
            between(i)?;
            step.clear.iter().for_each(|f| f.clear(floats));
            step.kind.run(floats, self.level, threads);
        }
        for (port, to) in self.outputs.iter().zip(outputs) {
            assert_eq!(to.len(), port.shape.len(), "an output of another size than planned");
            unpack(floats, port.view, [port.shape.c, port.shape.h, port.shape.w], to);
        }
        self.idle.lock().unwrap_or_else(|e| e.into_inner()).push(arena);
        Ok(())
    }
}

/// A pointer that tasks share: each writes rows and blocks of its own.
#[derive(Clone, Copy)]
struct Shared(*mut f32);

#[allow(unsafe_code)]
// SAFETY: tasks of one step write disjoint pixels and read only what earlier steps wrote.
unsafe impl Send for Shared {}
#[allow(unsafe_code)]
// SAFETY: as above.
unsafe impl Sync for Shared {}

impl Shared {
    fn get(self) -> *mut f32 {
        self.0
    }
}

/// A piece of a step: an index (phase and group, or block), and rows.
type Task = (usize, usize, usize, (usize, usize));

impl Step {
    /// Kind of kernel, for people.
    pub(crate) fn kernel(&self) -> &'static str {
        match &self.kind {
            Kind::Conv(c) if c.phases.len() > 1 => "convolution by phases",
            Kind::Conv(_) => "convolution",
            Kind::Depthwise(_) => "depthwise",
            Kind::Plane(_) => "plane",
        }
    }

    pub(crate) fn weight_bytes(&self) -> usize {
        size_of::<f32>()
            * match &self.kind {
                Kind::Conv(c) => c.phases.iter().map(|p| p.weights.len()).sum(),
                Kind::Depthwise(d) => d.weights.len(),
                Kind::Plane(_) => 0,
            }
    }
}

impl Kind {
    fn macs(&self) -> usize {
        match self {
            Kind::Conv(c) => c.phases.iter().map(|p| p.weights.len() * p.rows * p.cols).sum(),
            Kind::Depthwise(d) => d.weights.len() * d.rows * d.cols,
            Kind::Plane(_) => 0,
        }
    }

    /// The end of what it reads and writes.
    fn reach(&self) -> usize {
        let last = |n: usize| n.saturating_sub(1);
        match self {
            Kind::Conv(c) => {
                let phases = c.phases.iter().filter(|p| p.rows > 0 && p.cols > 0).flat_map(|p| {
                    let (rows, cols) = (last(p.rows), last(p.cols));
                    let out = c.out + p.at + rows * p.row + cols * p.px + last(p.first + p.blocks) * c.plane + BLOCK;
                    let residual =
                        c.residual.map_or(0, |r| r.at + last(p.first + p.blocks) * r.plane + rows * r.row + cols * BLOCK + BLOCK);
                    p.terms.iter().map(move |t| t.at + rows * t.row + cols * t.px + t.channels).chain([out, residual])
                });
                phases.max().unwrap_or(0)
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

    fn tasks(&self, level: Level, threads: usize) -> Vec<Task> {
        let widest = widest_group(level);
        let units: Vec<(usize, usize, usize, usize)> = match self {
            Kind::Conv(c) => c
                .phases
                .iter()
                .enumerate()
                .flat_map(|(i, p)| {
                    let mut block = 0;
                    std::iter::from_fn(move || {
                        let n = (block < p.blocks).then(|| group_blocks(p.blocks, block, widest))?;
                        block += n;
                        Some((i, block - n, n, p.rows))
                    })
                })
                .collect(),
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

    fn run(&self, arena: &mut [f32], level: Level, threads: usize) {
        let tasks = self.tasks(level, threads);
        let arena = Shared(arena.as_mut_ptr());
        let work = |(phase, block, n, rows): Task| {
            // SAFETY: `Plan::check` has bounded every access; tasks differ in what they write.
            #[allow(unsafe_code)]
            unsafe {
                match self {
                    Kind::Conv(c) => {
                        let p = &c.phases[phase];
                        let depth = p.weights.len() / p.blocks;
                        conv_rows(level, arena.get(), c, p, p.weights[depth * block..].as_ptr(), p.first + block, n, rows);
                    }
                    Kind::Depthwise(d) => depthwise_rows(level, arena.get(), d, block, rows),
                    Kind::Plane(p) => plane_rows(level, arena.get(), p, block, rows),
                }
            }
        };
        if threads > 1 {
            tasks.into_par_iter().with_max_len(1).for_each(work);
        } else {
            tasks.into_iter().for_each(work);
        }
    }
}

/// What a dense convolution reads: joined and enlarged values are looked through where that costs nothing.
fn sources(fused: &Fused, node: &Node) -> Option<Vec<Source>> {
    let NodeOp::Conv { conv, .. } = &node.op else { return None };
    if depthwise(conv, node.shape.c) {
        return None;
    }
    let mut found = Vec::new();
    collect(fused, conv, node, node.inputs[0], 0, &mut found);
    Some(found)
}

fn collect(fused: &Fused, conv: &Conv, reader: &Node, at: usize, first: usize, found: &mut Vec<Source>) {
    let node = &fused.nodes[at];
    match &node.op {
        NodeOp::Concat => {
            let mut first = first;
            for input in &node.inputs {
                collect(fused, conv, reader, *input, first, found);
                first += fused.nodes[*input].shape.c;
            }
        }
        NodeOp::Nearest(factor)
            if !conv.transposed
                && conv.stride == [1, 1]
                && conv.dilation == [1, 1]
                && conv.kernel[0] > 1
                && conv.kernel[1] > 1
                && (reader.shape.h, reader.shape.w) == (node.shape.h, node.shape.w)
                && !matches!(reader.op, NodeOp::Conv { residual: true, .. })
                && found.iter().all(|s: &Source| s.factor == 1 || s.factor == *factor) =>
        {
            found.push(Source { node: node.inputs[0], shape: fused.nodes[node.inputs[0]].shape, factor: *factor, first });
        }
        _ => found.push(Source { node: at, shape: node.shape, factor: 1, first }),
    }
}

fn depthwise(conv: &Conv, channels: usize) -> bool {
    conv.groups == channels && conv.groups > 1 && !conv.transposed && conv.weights.len() == channels * conv.kernel[0] * conv.kernel[1]
}

/// Which nodes stand as values of their own, the halos that their readers ask for, and how long they live.
fn needs(fused: &Fused) -> Vec<Need> {
    let mut needs = vec![Need::default(); fused.nodes.len()];
    let end = fused.nodes.len();
    for o in &fused.outputs {
        needs[*o] = Need { stands: true, blocked: true, last: end, ..needs[*o] };
    }
    for i in &fused.inputs {
        needs[*i].stands = true;
    }
    for (i, node) in fused.nodes.iter().enumerate().rev() {
        if !needs[i].stands {
            continue;
        }
        needs[i].last = needs[i].last.max(i);
        let mut read = |at: usize, halo: usize, blocked: bool| {
            let n = &mut needs[at];
            *n = Need { stands: true, halo: n.halo.max(halo), blocked: n.blocked || blocked, last: n.last.max(i) };
        };
        match (&node.op, sources(fused, node)) {
            (NodeOp::Conv { conv, .. }, Some(sources)) => {
                sources.iter().for_each(|s| read(s.node, terms::halo(conv, s, &sources, node.shape), false));
                node.inputs[1..].iter().for_each(|r| read(*r, 0, true));
            }
            (NodeOp::Conv { conv, .. }, None) => {
                let whole = Source { node: node.inputs[0], shape: fused.nodes[node.inputs[0]].shape, factor: 1, first: 0 };
                read(node.inputs[0], terms::halo(conv, &whole, &[whole], node.shape), true);
                node.inputs[1..].iter().for_each(|r| read(*r, 0, true));
            }
            _ => node.inputs.iter().for_each(|at| read(*at, 0, true)),
        }
    }
    needs
}

fn frames(fused: &Fused, needs: &[Need]) -> Vec<Frame> {
    fused
        .nodes
        .iter()
        .zip(needs)
        .map(|(node, need)| {
            let planar = matches!(node.op, NodeOp::Input) && !need.blocked && node.shape.c < BLOCK;
            let shape = if need.stands { node.shape } else { Shape { c: 0, ..node.shape } };
            Frame::new(shape, need.halo, planar)
        })
        .collect()
}

/// The steps of one node.
fn lower(fused: &Fused, frames: &[Frame], i: usize, level: Level) -> Result<Vec<Kind>, String> {
    let node = &fused.nodes[i];
    let (out, shape) = (frames[i].view(), node.shape);
    let blocks = shape.c.div_ceil(BLOCK);
    let plane = |op: PlaneOp, inputs: Vec<View>| {
        let first = fused.nodes[node.inputs[0]].shape;
        Kind::Plane(PlaneStep { op, inputs, from: [first.h, first.w], out, blocks, rows: shape.h, cols: shape.w })
    };
    let input = |k: usize| frames[node.inputs[k]].view();
    Ok(match &node.op {
        NodeOp::Input => Vec::new(),
        NodeOp::Conv { conv, residual, act } => vec![match sources(fused, node) {
            Some(sources) => {
                let placed: Vec<(Source, Placed)> =
                    sources.into_iter().map(|s| (s, Placed { view: frames[s.node].view(), planar: frames[s.node].pixel == 1 })).collect();
                Kind::Conv(ConvStep {
                    phases: terms::phases(conv, &placed, shape, out, widest_group(level)),
                    bias: padded(&conv.bias),
                    out: out.at,
                    plane: out.plane,
                    residual: residual.then(|| {
                        let r = input(1);
                        Residual { at: r.at, plane: r.plane, row: r.row }
                    }),
                    act: *act,
                })
            }
            None => depthwise_step(conv, *act, *residual, input(0), out, shape)?,
        }],
        NodeOp::Affine { scale, shift, act } => {
            vec![plane(PlaneOp::Affine { scale: padded(scale), shift: padded(shift), act: *act }, vec![input(0)])]
        }
        NodeOp::Act(a) => vec![plane(PlaneOp::Act(*a), vec![input(0)])],
        NodeOp::Add(a) => vec![plane(PlaneOp::Add(*a), vec![input(0), input(1)])],
        NodeOp::Mul => vec![plane(PlaneOp::Mul, vec![input(0), input(1)])],
        NodeOp::MulChannel => vec![plane(PlaneOp::MulChannel, vec![input(0), input(1)])],
        NodeOp::Pool(p) => vec![plane(PlaneOp::Pool(Pool::clone(p)), vec![input(0)])],
        NodeOp::GlobalSum => vec![plane(PlaneOp::GlobalSum, vec![input(0)])],
        NodeOp::Nearest(f) => vec![plane(PlaneOp::Nearest(*f), vec![input(0)])],
        NodeOp::Bilinear(f) => vec![plane(PlaneOp::Bilinear(*f), vec![input(0)])],
        NodeOp::Concat => {
            let mut first = 0;
            let mut copies = Vec::new();
            for at in &node.inputs {
                let part = fused.nodes[*at].shape;
                if first % BLOCK != 0 {
                    return Err(format!("{}: a join of {first} channels and more inside a block", node.name));
                }
                copies.push(Kind::Plane(PlaneStep {
                    op: PlaneOp::Copy,
                    inputs: vec![frames[*at].view()],
                    from: [part.h, part.w],
                    out: View { at: out.at + first / BLOCK * out.plane, ..out },
                    blocks: part.c.div_ceil(BLOCK),
                    rows: shape.h,
                    cols: shape.w,
                }));
                first += part.c;
            }
            copies
        }
    })
}

fn padded(values: &[f32]) -> Vec<f32> {
    let mut padded = values.to_vec();
    padded.resize(values.len().next_multiple_of(BLOCK), 0.0);
    padded
}

fn depthwise_step(conv: &Conv, act: Option<Act>, residual: bool, from: View, out: View, shape: Shape) -> Result<Kind, String> {
    if residual {
        return Err("a sum fused into a depthwise convolution".into());
    }
    let blocks = shape.c.div_ceil(BLOCK);
    let taps = conv.kernel[0] * conv.kernel[1];
    let mut weights = vec![0.0; blocks * taps * BLOCK];
    for c in 0..shape.c {
        for t in 0..taps {
            weights[(c / BLOCK * taps + t) * BLOCK + c % BLOCK] = conv.weights[c * taps + t];
        }
    }
    Ok(Kind::Depthwise(DepthwiseStep {
        weights,
        bias: padded(&conv.bias),
        blocks,
        kernel: conv.kernel,
        dilation: conv.dilation,
        rows: shape.h,
        cols: shape.w,
        from: from.at - conv.pad[0] * from.row - conv.pad[1] * BLOCK,
        from_plane: from.plane,
        from_line: conv.dilation[0] * from.row,
        from_row: conv.stride[0] * from.row,
        from_px: conv.stride[1] * BLOCK,
        out: out.at,
        out_plane: out.plane,
        out_row: out.row,
        act,
    }))
}
