//! Networks at work in the background: proposals for every case, those that a reader waits for first.

use std::collections::VecDeque;
use std::path::PathBuf;
use std::sync::Mutex;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use covmap_core::{Pipeline, PipelineOptions};
use ndarray::Array2;
use serde::Serialize;

use crate::cases::Cases;
use crate::mask::Layer;
use crate::workspace::Workspace;
use crate::{Result, held};

/// How far the networks are.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Progress {
    pub done: usize,
    pub total: usize,
    pub failed: usize,
}

/// A network that proposes.
#[derive(Debug)]
pub struct Proposer {
    pipeline: Pipeline,
    /// First eight digits of its SHA-256.
    pub model: String,
    pub name: String,
}

/// Which cases wait for which networks.
#[derive(Debug)]
pub struct Queue {
    proposers: Vec<Proposer>,
    waiting: Mutex<VecDeque<String>>,
    stop: AtomicBool,
    total: usize,
    done: AtomicUsize,
    failed: AtomicUsize,
}

/// cases.csv is written at most this often while networks run.
const SAVE_EVERY: Duration = Duration::from_secs(3);

impl Proposer {
    /// A model file, or the bundled model.
    pub fn open(file: Option<PathBuf>, threads: usize) -> Result<Self> {
        let mut options = PipelineOptions::default();
        options.models = file.into_iter().collect();
        options.threads = threads;
        let pipeline = Pipeline::new(&options)?;
        let identity = pipeline.models()[0].identity();
        Ok(Proposer { pipeline, model: identity.sha256[..8].to_owned(), name: identity.name })
    }

    /// Masks of a radiograph as `training.propose` leaves them: infection 0 and 1; lungs 0, 100 and 200, where any were found.
    fn propose(&self, radiograph: &covmap_core::Radiograph) -> Result<(Array2<u8>, Option<Array2<u8>>)> {
        let analysis = self.pipeline.analyze(radiograph)?;
        let infection = analysis.infection.bytes().mapv(|b| u8::from(b >= 128));
        let lungs = analysis.lungs.filter(|l| l.area() > 0).map(|l| l.labels().mapv(|v| 100 * v));
        Ok((infection, lungs))
    }
}

impl Queue {
    pub fn new(proposers: Vec<Proposer>, cases: &Cases) -> Self {
        let waiting: VecDeque<String> = cases.ids().cloned().collect();
        Queue {
            proposers,
            total: waiting.len(),
            waiting: Mutex::new(waiting),
            stop: AtomicBool::new(false),
            done: AtomicUsize::new(0),
            failed: AtomicUsize::new(0),
        }
    }

    pub fn proposers(&self) -> &[Proposer] {
        &self.proposers
    }

    pub fn progress(&self) -> Progress {
        let (done, failed) = (self.done.load(Ordering::Relaxed), self.failed.load(Ordering::Relaxed));
        Progress { done, total: self.total, failed }
    }

    /// A reader waits for this case: it comes next.
    pub fn hurry(&self, id: &str) {
        let mut waiting = held(&self.waiting);
        if let Some(i) = waiting.iter().position(|w| w == id) {
            waiting.remove(i);
            waiting.push_front(id.to_owned());
        }
    }

    /// Ends [`run`](Self::run) after the case at hand.
    pub fn stop(&self) {
        self.stop.store(true, Ordering::Relaxed);
    }

    /// Works until all is proposed. What cannot be read is counted, and the others go on.
    pub fn run(&self, cases: &Cases, workspace: &Workspace) {
        let mut saved = Instant::now();
        while !self.stop.load(Ordering::Relaxed) {
            let next = held(&self.waiting).pop_front();
            let Some(id) = next else { break };
            if self.work(&id, cases, workspace).is_err() {
                self.failed.fetch_add(1, Ordering::Relaxed);
            }
            self.done.fetch_add(1, Ordering::Relaxed);
            if saved.elapsed() > SAVE_EVERY {
                let _ = cases.save(workspace);
                saved = Instant::now();
            }
        }
        let _ = cases.save(workspace);
    }

    fn work(&self, id: &str, cases: &Cases, workspace: &Workspace) -> Result<()> {
        let missing: Vec<&Proposer> =
            self.proposers.iter().filter(|p| !workspace.proposal_path(id, &p.model, Layer::Infection).exists()).collect();
        let known = cases.row(id);
        if missing.is_empty() && known.as_ref().is_some_and(|r| r.disagreement.is_some() || self.proposers.len() < 2) {
            return Ok(());
        }
        let (radiograph, _) = cases.radiograph(id, workspace)?;
        for proposer in missing {
            let (infection, lungs) = proposer.propose(&radiograph)?;
            // The opacity last: with it the proposal is there.
            if let Some(lungs) = lungs {
                workspace.save_proposal(id, &proposer.model, Layer::Lung, &lungs)?;
            }
            workspace.save_proposal(id, &proposer.model, Layer::Infection, &infection)?;
        }
        if self.proposers.is_empty() { Ok(()) } else { cases.proposed(id, workspace) }
    }
}
