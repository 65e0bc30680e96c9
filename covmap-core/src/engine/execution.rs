//! How a loaded network runs: what plans cover, what stays on tract, and how long each step takes.

use std::time::Instant;

use super::Model;
use super::region::Region;
use crate::run::Precision;
use crate::{Result, RunOptions};

/// Regions in the order in which they run, and the nodes outside them.
#[derive(Debug, Clone)]
pub struct Execution {
    pub regions: Vec<RegionSummary>,
    pub fallbacks: Vec<Fallback>,
}

/// A part of the network that one plan runs.
#[derive(Debug, Clone)]
pub struct RegionSummary {
    /// Peak memory of its values.
    pub arena_bytes: usize,
    pub steps: Vec<StepSummary>,
}

/// One step of a plan.
#[derive(Debug, Clone)]
pub struct StepSummary {
    /// The graph node that gave it its name.
    pub node: String,
    /// Nodes of the graph that it stands for.
    pub covers: usize,
    pub kernel: &'static str,
    /// Multiply-accumulates done, padding of channels included.
    pub macs: usize,
    pub weight_bytes: usize,
}

/// A node that no plan covers.
#[derive(Debug, Clone)]
pub struct Fallback {
    /// The node's name in the graph.
    pub node: String,
    /// tract's name of its operator.
    pub operator: String,
    /// Why no plan covers it.
    pub reason: String,
}

impl Execution {
    pub(crate) fn new(regions: &[Region], fallbacks: &[Fallback]) -> Self {
        let region = |r: &Region| RegionSummary {
            arena_bytes: r.plan.arena_bytes(),
            steps: r
                .plan
                .steps()
                .iter()
                .map(|s| StepSummary {
                    node: s.name.clone(),
                    covers: s.covers,
                    kernel: s.kernel(),
                    macs: s.macs,
                    weight_bytes: s.weight_bytes(),
                })
                .collect(),
        };
        Execution { regions: regions.iter().map(region).collect(), fallbacks: fallbacks.to_vec() }
    }
}

impl Model {
    /// What runs how.
    ///
    /// # Errors
    /// `Parameter` for a precision that is not available.
    pub fn execution(&self, precision: Precision) -> Result<Execution> {
        Ok(self.network(precision)?.execution())
    }

    /// Shortest time of each step over `runs` runs, in milliseconds, region by region. The last step of a region includes
    /// the way out of its layout.
    ///
    /// # Errors
    /// As [`Model::run_raw`].
    pub fn profile(&self, values: &[f32], runs: usize, options: &RunOptions, parallel: bool) -> Result<Vec<Vec<f64>>> {
        let mut best: Vec<Vec<f64>> =
            self.execution(options.precision)?.regions.iter().map(|r| vec![f64::INFINITY; r.steps.len()]).collect();
        for _ in 0..runs {
            let mut open: Option<(usize, usize, Instant)> = None;
            let mut close = |open: &mut Option<(usize, usize, Instant)>| {
                if let Some((region, step, since)) = open.take() {
                    let time = &mut best[region][step];
                    *time = time.min(since.elapsed().as_secs_f64() * 1e3);
                }
            };
            self.network(options.precision)?.observe(values, options, self.threads(parallel), &mut |region, step| {
                close(&mut open);
                open = Some((region, step, Instant::now()));
            })?;
            close(&mut open);
        }
        Ok(best)
    }
}
