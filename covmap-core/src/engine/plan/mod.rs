//! A region of a network compiled into steps over one arena: fused operators, packed weights, planned memory.

mod arena;
mod frame;
mod fuse;
mod rounded;
mod select;
pub(crate) mod step;
mod team;
mod terms;
#[cfg(test)]
mod tests;
mod winograd;

use std::sync::Mutex;

use crate::engine::graph::{Graph, Shape};
use crate::engine::kernels::plane::{View, pack, unpack};
use crate::simd::{self, Level};
use arena::{Arena, Lifetime};
use frame::Frame;
use fuse::NodeOp;
use step::{Kind, Shared, Step, Task};
use team::Team;

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

/// Where an input goes or an output comes from.
#[derive(Debug)]
struct Port {
    view: View,
    shape: Shape,
    planar: bool,
    clear: Option<Frame>,
}

impl Plan {
    /// With `bf16`, convolutions may multiply brain floats; the processor must have them (`simd::has_bf16`).
    pub(crate) fn new(graph: Graph, level: Level, bf16: bool) -> Result<Self, String> {
        if bf16 && !(level == Level::Avx512 && simd::has_bf16()) {
            return Err("this processor has no brain floats".into());
        }
        let fused = fuse::fuse(graph);
        let needs = select::needs(&fused);
        let frames = select::frames(&fused, &needs);
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
        let frames: Vec<Frame> = frames.into_iter().zip(at).map(|(f, at)| f.moved(at)).collect();
        let port = |node: &usize, clear: bool| {
            let (f, shape) = (frames[*node], fused.nodes[*node].shape);
            Port { view: f.view(), shape, planar: f.pixel == 1, clear: (clear && f.halo > 0).then_some(f) }
        };
        let mut steps = Vec::new();
        for (i, node) in fused.nodes.iter().enumerate() {
            if !needs[i].stands || matches!(node.op, NodeOp::Input) {
                continue;
            }
            let kinds = select::lower(&fused, &frames, i, level, bf16)?;
            let macs = kinds.iter().map(Kind::macs).sum();
            for (k, kind) in kinds.into_iter().enumerate() {
                let first = k == 0;
                steps.push(Step {
                    name: node.name.clone(),
                    macs: if first { macs } else { 0 },
                    covers: if first { node.covers } else { 0 },
                    kind,
                    clear: (first && frames[i].halo > 0).then_some(frames[i]),
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

    /// Bytes of the arena, and of what each thread keeps for transformed tiles.
    pub(crate) fn kept_bytes(&self, threads: usize) -> usize {
        let scratch = self.steps.iter().map(|s| s.kind.scratch_bytes()).max().unwrap_or(0);
        self.arena_bytes() + threads * scratch
    }

    /// One image: values channels first, in the order of the graph's inputs and outputs; those of outputs are appended. `between`
    /// is asked before each step and may stop the run.
    pub(crate) fn run<E>(
        &self,
        inputs: &[&[f32]],
        outputs: &mut [Vec<f32>],
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
        self.run_steps(floats, threads, between)?;
        for (port, to) in self.outputs.iter().zip(outputs) {
            unpack(floats, port.view, [port.shape.c, port.shape.h, port.shape.w], port.planar, to);
        }
        self.idle.lock().unwrap_or_else(|e| e.into_inner()).push(arena);
        Ok(())
    }

    fn run_steps<E>(&self, floats: &mut [f32], threads: usize, between: &mut dyn FnMut(usize) -> Result<(), E>) -> Result<(), E> {
        let tasks: Vec<Vec<Task>> = self.steps.iter().map(|s| s.kind.tasks(self.level, threads)).collect();
        let arena = Shared::new(floats);
        // SAFETY: `check` has bounded every access; a step begins when the one before it is done.
        #[allow(unsafe_code)]
        let work = |step: usize, task: usize| unsafe { self.steps[step].kind.run(arena, self.level, tasks[step][task]) };
        let mut begin = |step: usize| {
            between(step)?;
            // SAFETY: nothing else touches the arena between steps.
            #[allow(unsafe_code)]
            self.steps[step].clear.iter().for_each(|f| f.clear(unsafe { arena.whole(self.floats) }));
            Ok(())
        };
        if threads > 1 {
            let counts: Vec<usize> = tasks.iter().map(Vec::len).collect();
            return Team::new(&counts, threads).run(&mut begin, &work);
        }
        for (step, tasks) in tasks.iter().enumerate() {
            begin(step)?;
            (0..tasks.len()).for_each(|task| work(step, task));
        }
        Ok(())
    }
}
