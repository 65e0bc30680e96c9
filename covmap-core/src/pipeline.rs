//! The stages in order, and their joint result.

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::sync::mpsc::{Receiver, SyncSender, sync_channel};
use std::sync::{Arc, Condvar, Mutex};
use std::thread::JoinHandle;

use crate::detection::Detection;
use crate::engine::{Calibration, Model, ModelIdentity, ModelOptions, Training};
use crate::fusion::{Fusion, InfectionMap};
use crate::infection::InfectionProbability;
use crate::lung::{LungMask, LungProbability};
use crate::preprocess::{Geometry, Preprocess};
use crate::quality::Quality;
use crate::radiograph::View;
use crate::run::{Stage, Views};
use crate::severity::Severity;
use crate::threads::Threads;
use crate::{Error, Radiograph, ReadOptions, Result, RunOptions};

/// Radiograph to [`Analysis`]. Loads once, runs many: immutable, cheap to clone, shared freely between threads.
///
/// ```
/// use covmap_core::phantom::{Phantom, PhantomOptions};
/// use covmap_core::Pipeline;
/// let radiograph = Phantom::new(&PhantomOptions::default())?.radiograph()?;
/// let analysis = Pipeline::bundled()?.analyze(&radiograph)?;
/// println!("infected share of the lungs: {:?}", analysis.severity.as_ref().and_then(|s| s.total().share()));
/// # Ok::<(), covmap_core::Error>(())
/// ```
#[derive(Debug, Clone)]
pub struct Pipeline {
    parts: Arc<Parts>,
    /// Of one analysis. Inside a batch, where images are what runs in parallel, it is one.
    threads: Threads,
}

#[derive(Debug)]
struct Parts {
    models: Vec<Model>,
    fusion: Fusion,
    /// Images at a time in a batch.
    at_once: usize,
}

/// How to build a [`Pipeline`].
#[derive(Debug, Clone)]
#[non_exhaustive]
pub struct PipelineOptions {
    /// Model files; several make an ensemble. Default behavior: the bundled model.
    pub models: Vec<PathBuf>,
    /// Default behavior: mean.
    pub fusion: Fusion,
    /// Threads for one analysis, and images at once in [`Pipeline::analyze_many`]. Default behavior: all processors.
    pub threads: usize,
    /// How models are loaded; their own `threads` are never used.
    pub model: ModelOptions,
}

impl Default for PipelineOptions {
    fn default() -> Self {
        let threads = std::thread::available_parallelism().map_or(1, usize::from);
        PipelineOptions { models: Vec::new(), fusion: Fusion::default(), threads, model: ModelOptions::default() }
    }
}

/// What the pipeline found in one radiograph.
#[derive(Debug, Clone, PartialEq)]
#[non_exhaustive]
pub struct Analysis {
    /// Columns of the radiograph.
    pub width: usize,
    /// Rows of the radiograph.
    pub height: usize,
    /// Row and column distance of pixel centres in mm, where known.
    pub spacing_mm: Option<[f64; 2]>,
    pub view: View,
    /// SHA-256 of the input file, where there was one.
    pub input_sha256: Option<String>,
    pub quality: Quality,
    /// `None` where no model of the pipeline segments lungs.
    pub lungs: Option<LungMask>,
    pub infection: InfectionMap,
    /// `None` where no model of the pipeline segments lungs.
    pub severity: Option<Severity>,
    pub detection: Detection,
    pub models: Vec<ModelIdentity>,
}

impl Pipeline {
    /// With the bundled model and default options.
    ///
    /// # Errors
    /// `Parameter` in a build without bundled weights.
    pub fn bundled() -> Result<Self> {
        Self::new(&PipelineOptions::default())
    }

    /// Loads the models of `options`.
    ///
    /// # Errors
    /// As [`Model::open`]; `Parameter` if no member finds opacity.
    pub fn new(options: &PipelineOptions) -> Result<Self> {
        let mut model = options.model.clone();
        model.threads = 1;
        let models = match options.models.as_slice() {
            [] => vec![Model::bundled(&model)?],
            paths => paths.iter().map(|p| Model::open(p, &model)).collect::<Result<_>>()?,
        };
        Self::of(models, options.fusion, options.threads)
    }

    /// From models already loaded.
    ///
    /// # Errors
    /// `Parameter` if no member finds opacity, or `threads` is 0.
    pub fn of(models: Vec<Model>, fusion: Fusion, threads: usize) -> Result<Self> {
        if !models.iter().any(|m| m.spec().has(crate::engine::Channel::Infection)) {
            return Err(Error::Parameter("no model of the pipeline has an infection output".into()));
        }
        let parts = Arc::new(Parts { models, fusion, at_once: threads });
        Ok(Pipeline { parts, threads: Threads::new(threads)? })
    }

    /// The models, in the order given.
    pub fn models(&self) -> &[Model] {
        &self.parts.models
    }

    /// What the models say of their training, those that say anything.
    pub fn training(&self) -> impl Iterator<Item = &Training> {
        self.parts.models.iter().filter_map(|m| m.spec().training.as_ref())
    }

    /// What of the pipeline and `options` decides an analysis beside the models, for
    /// [`DicomOptions::options`](crate::report::DicomOptions::options): the same wherever it was made, so that UIDs are too.
    pub fn choices(&self, options: &RunOptions) -> String {
        format!("{} {}", self.parts.fusion, options.views)
    }

    /// Analyses one radiograph with default options.
    ///
    /// # Errors
    /// `Model` if a network cannot be run or its output is not finite; `Internal`.
    pub fn analyze(&self, radiograph: &Radiograph) -> Result<Analysis> {
        self.analyze_with(radiograph, &RunOptions::default())
    }

    /// Analyses one radiograph.
    ///
    /// # Errors
    /// As [`Pipeline::analyze`]; `Cancelled`; `LimitsExceeded` where it would need more memory than it may
    /// ([`Pipeline::peak_memory`]); `Parameter` for a precision that this build does not have.
    pub fn analyze_with(&self, radiograph: &Radiograph, options: &RunOptions) -> Result<Analysis> {
        options.precision.require_available()?;
        let options = &options.started();
        options.limits.check_memory(self.peak_memory(radiograph.width(), radiograph.height(), options)?)?;
        options.enter(Stage::Quality)?;
        let mut quality = Quality::assess(radiograph);
        let (infections, lungs, geometry) = self.predict(radiograph, options)?;
        options.enter(Stage::Lung)?;
        let lungs = match lungs.as_slice() {
            [] => None,
            members => {
                // Vote would leave too few levels to interpolate; sides are fused by their mean.
                let threshold = self.lung_threshold();
                let fused = Fusion::Mean.lungs(members, threshold)?;
                Some(self.threads.run(|| LungMask::new(&fused, threshold, &geometry)))
            }
        };
        options.enter(Stage::Fusion)?;
        let fused = self.parts.fusion.infection(&infections)?;
        let fused_geometry = Geometry { model: fused.map().dim().into(), ..geometry };
        let infection = self.threads.run(|| InfectionMap::new(fused, lungs.as_ref(), &fused_geometry))?;
        let (severity, detection) = self.read_out(&infection, lungs.as_ref(), options)?;
        if let Some(l) = &lungs {
            quality.flags.extend(l.doubts());
        }
        let (height, width) = radiograph.pixels().dim();
        let models = self.parts.models.iter().map(Model::identity).collect();
        Ok(Analysis {
            width,
            height,
            spacing_mm: radiograph.spacing_mm(),
            view: radiograph.view(),
            input_sha256: radiograph.sha256().map(str::to_owned),
            quality,
            lungs,
            infection,
            severity,
            detection,
            models,
        })
    }

    /// Severity and detection from lungs and map, points included.
    fn read_out(&self, infection: &InfectionMap, lungs: Option<&LungMask>, options: &RunOptions) -> Result<(Option<Severity>, Detection)> {
        let calibration = self.calibration();
        options.enter(Stage::Severity)?;
        let severity = lungs.map(|l| Severity::new(infection, l, calibration.map(|c| &c.brixia))).transpose()?;
        options.enter(Stage::Detection)?;
        let detection = match &severity {
            Some(s) => Detection::new(infection, s, calibration.map(|c| &c.detection), options.operating_point),
            None => Detection::any_pixel(infection),
        };
        Ok((severity, detection))
    }

    /// The same network answer read within other lungs, given as a mask of the radiograph's size: a corrected mask, or the
    /// mask of the unaltered image in an occlusion test.
    ///
    /// # Errors
    /// `Parameter` if the mask has another size.
    pub fn within(&self, analysis: &Analysis, lungs: LungMask, options: &RunOptions) -> Result<Analysis> {
        let probability = analysis.infection.probability().clone();
        let geometry = Geometry { native: [analysis.height, analysis.width], model: probability.map().dim().into() };
        let infection = self.threads.run(|| InfectionMap::new(probability, Some(&lungs), &geometry))?;
        let (severity, detection) = self.read_out(&infection, Some(&lungs), options)?;
        Ok(Analysis { infection, severity, detection, lungs: Some(lungs), ..analysis.clone() })
    }

    /// Every member on every view; infection probabilities have their threshold at 0.5.
    #[allow(clippy::type_complexity)]
    fn predict(
        &self,
        radiograph: &Radiograph,
        options: &RunOptions,
    ) -> Result<(Vec<InfectionProbability>, Vec<LungProbability>, Geometry)> {
        let (mut infections, mut lungs, mut first) = (Vec::new(), Vec::new(), None);
        for model in &self.parts.models {
            options.enter(Stage::Preprocess)?;
            let (input, geometry) = Preprocess::new(&model.spec().input).apply(radiograph)?;
            let threshold = model.spec().thresholds.infection;
            first.get_or_insert(geometry);
            options.enter(Stage::Network)?;
            let seen = model.run_on(&self.threads, &input, options)?;
            infections.extend(seen.infection.map(|p| p.with_threshold_at_half(threshold)));
            lungs.extend(seen.lungs);
            if options.views == Views::Flip {
                let seen = model.run_on(&self.threads, &input.mirrored(), options)?;
                infections.extend(seen.infection.map(|p| p.mirrored().with_threshold_at_half(threshold)));
                lungs.extend(seen.lungs.map(|l| l.mirrored()));
            }
        }
        let geometry = first.ok_or_else(|| Error::Internal("a pipeline without models".into()))?;
        Ok((infections, lungs, geometry))
    }

    pub(crate) fn threads(&self) -> &Threads {
        &self.threads
    }

    fn lung_threshold(&self) -> f32 {
        self.parts.models.first().map_or(0.5, |m| m.spec().thresholds.lungs)
    }

    /// The first calibrated member speaks for an ensemble.
    fn calibration(&self) -> Option<&Calibration> {
        self.parts.models.iter().find_map(|m| m.spec().calibration.as_ref())
    }

    /// Analyses many inputs, several at a time, one thread each. Results come in input order while later ones are still
    /// being worked on; memory stays bounded, and an input that fails is one `Err`, never the end of the batch.
    pub fn analyze_many<I>(&self, inputs: I, options: &RunOptions) -> AnalyzeMany
    where
        I: IntoIterator,
        I::IntoIter: Send + 'static,
        I::Item: IntoRadiograph + Send,
    {
        let options = options.clone();
        self.map_many(inputs, move |pipeline, input: I::Item| pipeline.analyze_with(&input.into_radiograph()?, &options))
    }

    /// Work of the caller's own (reading, rendering, writing) beside the analysis, several inputs at a time, in order as
    /// [`Pipeline::analyze_many`]. The pipeline handed to `work` analyses on the calling thread alone, but for a batch of one,
    /// which has all threads.
    pub fn map_many<I, T, F>(&self, inputs: I, work: F) -> Many<T>
    where
        I: IntoIterator,
        I::IntoIter: Send + 'static,
        I::Item: Send,
        T: Send + 'static,
        F: Fn(&Pipeline, I::Item) -> Result<T> + Send + Sync + 'static,
    {
        let inputs = inputs.into_iter();
        let single = inputs.size_hint() == (1, Some(1));
        let (threads, at_once) = if single { (self.threads.clone(), 1) } else { (Threads::ONE, self.parts.at_once) };
        let pipeline = Pipeline { parts: self.parts.clone(), threads };
        Many::start(inputs, move |input| pipeline.threads.run(|| work(&pipeline, input)), at_once)
    }
}

/// What [`Pipeline::analyze_many`] takes: a radiograph, or where to read one.
pub trait IntoRadiograph {
    /// Reads it if need be, on the worker's thread.
    ///
    /// # Errors
    /// As [`Radiograph::open`].
    fn into_radiograph(self) -> Result<Radiograph>;
}

impl IntoRadiograph for Radiograph {
    fn into_radiograph(self) -> Result<Radiograph> {
        Ok(self)
    }
}

impl IntoRadiograph for PathBuf {
    fn into_radiograph(self) -> Result<Radiograph> {
        Radiograph::open(self)
    }
}

impl IntoRadiograph for (PathBuf, ReadOptions) {
    fn into_radiograph(self) -> Result<Radiograph> {
        Radiograph::open_with(self.0, &self.1)
    }
}

impl<R: IntoRadiograph> IntoRadiograph for Result<R> {
    fn into_radiograph(self) -> Result<Radiograph> {
        self.and_then(R::into_radiograph)
    }
}

/// Results of a batch, in input order.
pub type AnalyzeMany = Many<Analysis>;

/// Iterator over the results of work done on several threads, in input order. Dropping it stops the work.
#[derive(Debug)]
pub struct Many<T> {
    results: Option<Receiver<(usize, Result<T>)>>,
    early: BTreeMap<usize, Result<T>>,
    next: usize,
    window: Arc<Window>,
    workers: Vec<JoinHandle<()>>,
}

/// How far workers may run ahead of the reader: bounds what waits in memory.
#[derive(Debug)]
struct Window {
    taken: Mutex<usize>,
    moved: Condvar,
    ahead: usize,
}

impl<T: Send + 'static> Many<T> {
    fn start<I, W>(inputs: I, work: W, threads: usize) -> Self
    where
        I: Iterator + Send + 'static,
        W: Fn(I::Item) -> Result<T> + Send + Sync + 'static,
    {
        let (send, results) = sync_channel(2 * threads);
        let window = Arc::new(Window { taken: Mutex::new(0), moved: Condvar::new(), ahead: 2 * threads });
        let source = Arc::new(Mutex::new(inputs.enumerate()));
        let work = Arc::new(work);
        let mut early = BTreeMap::new();
        let mut workers = Vec::with_capacity(threads);
        for _ in 0..threads {
            let (send, source, work, window) = (send.clone(), source.clone(), work.clone(), window.clone());
            match std::thread::Builder::new().spawn(move || worker(&source, &*work, &window, &send)) {
                Ok(worker) => workers.push(worker),
                // Fewer threads do the same work; without any there is none.
                Err(e) if workers.is_empty() => {
                    early.insert(0, Err(Error::Internal(format!("no thread for a batch: {e}"))));
                    break;
                }
                Err(_) => break,
            }
        }
        Many { results: Some(results), early, next: 0, window, workers }
    }
}

fn worker<I: Iterator, T>(
    source: &Mutex<std::iter::Enumerate<I>>,
    work: &(impl Fn(I::Item) -> Result<T> + ?Sized),
    window: &Window,
    send: &SyncSender<(usize, Result<T>)>,
) {
    loop {
        // A caller's iterator that panicked has poisoned the lock: its batch ends there.
        let Some((index, item)) = source.lock().ok().and_then(|mut s| s.next()) else { return };
        {
            let Ok(taken) = window.taken.lock() else { return };
            let Ok(taken) = window.moved.wait_while(taken, |taken| index >= taken.saturating_add(window.ahead)) else { return };
            if *taken == usize::MAX {
                return;
            }
        }
        let result = std::panic::catch_unwind(std::panic::AssertUnwindSafe(|| work(item)))
            .unwrap_or_else(|_| Err(Error::Internal("a panic while analysing; the rest of the batch goes on".into())));
        if send.send((index, result)).is_err() {
            return;
        }
    }
}

impl<T> Iterator for Many<T> {
    type Item = Result<T>;

    fn next(&mut self) -> Option<Self::Item> {
        loop {
            if let Some(result) = self.early.remove(&self.next) {
                self.next += 1;
                if let Ok(mut taken) = self.window.taken.lock() {
                    *taken = self.next;
                }
                self.window.moved.notify_all();
                return Some(result);
            }
            let (index, result) = self.results.as_ref()?.recv().ok()?;
            self.early.insert(index, result);
        }
    }
}

impl<T> Drop for Many<T> {
    fn drop(&mut self) {
        self.results = None;
        if let Ok(mut taken) = self.window.taken.lock() {
            *taken = usize::MAX;
        }
        self.window.moved.notify_all();
        for worker in self.workers.drain(..) {
            let _ = worker.join();
        }
    }
}
