//! ONNX files to runnable networks. tract loads and simplifies the graph and is the reference; whatever part of it compiled
//! plans cover is several times faster, and must agree with it.
//!
//! `onnx` reads the file, `tract` makes a graph of it, `region` cuts out what `lower` has a counterpart for in `graph`, and `plan`
//! compiles that: `fuse` merges operators, `select` decides what stands in memory and which kernel computes it, `terms` and
//! `winograd` pack weights, `arena` places values, `step` runs `kernels` over them.

mod bundled;
mod execution;
#[cfg(all(test, unix))]
#[allow(unsafe_code)]
mod fence;
mod graph;
mod kernels;
mod lower;
mod onnx;
mod plan;
#[cfg(test)]
mod reference;
mod region;
mod spec;
mod tract;

use std::path::{Path, PathBuf};
use std::sync::OnceLock;

use bytes::Bytes;
use ndarray::Array2;
use tract_onnx::pb::ModelProto;

pub use execution::{Execution, Fallback, RegionSummary, StepSummary};
pub use spec::{
    Activation, BrixiaCalibration, Calibration, Channel, DetectionCalibration, Deviation, InputSpec, Layout, ModelSpec, Normalisation,
    OutputSpec, Thresholds, Training, ZoneFeature,
};

use crate::infection::InfectionProbability;
use crate::limits::reserve;
use crate::lung::LungProbability;
use crate::preprocess::ModelInput;
pub use crate::run::Engine;
use crate::run::Precision;
use crate::threads::Threads;
use crate::{Error, Limits, Result, RunOptions, digest, simd};

/// Bytes that loading takes beside several times the file: graphs, and what is compiled of them.
const LOADING: u64 = 64 << 20;

/// How far a probability may lie outside 0..1 by rounding; further out the description is wrong.
const ROUNDING: f32 = 1e-3;

/// A graph that runs: flat input in the model's layout, one flat tensor per described output.
pub(crate) trait Network: Send + Sync + std::fmt::Debug {
    fn run(&self, input: &[f32], options: &RunOptions, threads: &Threads) -> Result<Vec<Vec<f32>>> {
        self.observe(input, options, threads, &mut |_, _| ())
    }

    fn execution(&self) -> Execution;

    /// Bytes that one run on as many threads needs: kept for the next run, and until its end.
    fn run_bytes(&self, threads: usize) -> [usize; 2];

    /// As `run`; `seen` hears of each step (region, step) before it runs.
    fn observe(
        &self,
        input: &[f32],
        options: &RunOptions,
        threads: &Threads,
        seen: &mut (dyn FnMut(usize, usize) + Send),
    ) -> Result<Vec<Vec<f32>>>;
}

/// A model: one ONNX file, its description and the network made of it. Immutable, shared freely between threads.
#[derive(Debug)]
pub struct Model {
    spec: ModelSpec,
    sha256: String,
    path: Option<PathBuf>,
    file: Bytes,
    engine: Engine,
    /// With f32 and with bf16 arithmetic, each made when it is first needed.
    networks: [OnceLock<Box<dyn Network>>; 2],
    threads: Threads,
}

/// Name and hash of a model that took part.
#[derive(Debug, Clone, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
pub struct ModelIdentity {
    pub name: String,
    pub sha256: String,
}

/// How to load a model.
#[derive(Debug, Clone)]
#[non_exhaustive]
pub struct ModelOptions {
    /// Description of a model that carries none. Default behavior: the file's `covmap.*` metadata, else `FILE.json`.
    pub spec: Option<ModelSpec>,
    /// SHA-256 that the file must have, in hexadecimal. Default behavior: the one that `FILE.sha256` (as `sha256sum` writes it)
    /// begins with; where there is none, any file is taken.
    pub sha256: Option<String>,
    /// Threads that one run may use. Default behavior: one.
    pub threads: usize,
    pub engine: Engine,
    pub limits: Limits,
}

impl Default for ModelOptions {
    fn default() -> Self {
        ModelOptions { spec: None, sha256: None, threads: 1, engine: Engine::default(), limits: Limits::default() }
    }
}

/// What a network says of one radiograph, in the network's pixels: probabilities in what it was shown, 0 in dark margins around it
/// ([`Geometry::model`](crate::Geometry)). A part that the network does not have is `None`.
#[derive(Debug, Clone, PartialEq)]
pub struct Prediction {
    pub infection: Option<InfectionProbability>,
    pub lungs: Option<LungProbability>,
}

impl Model {
    /// Loads `path`; a description (`model.onnx.json`) and a checksum (`model.onnx.sha256`) may lie beside it.
    ///
    /// # Errors
    /// `Io`; `Model` where file, description and graph do not fit together; `LimitsExceeded`.
    pub fn open(path: impl AsRef<Path>, options: &ModelOptions) -> Result<Self> {
        let path = path.as_ref();
        let size = std::fs::metadata(path).map_err(|e| Error::io(path, e))?.len();
        if size > options.limits.max_model_bytes {
            return Err(Error::LimitsExceeded(format!("{size} bytes; the limit is {}", options.limits.max_model_bytes)).in_file(path));
        }
        let bytes = std::fs::read(path).map_err(|e| Error::io(path, e))?;
        let mut options = options.clone();
        if options.spec.is_none() {
            let beside = PathBuf::from(format!("{}.json", path.display()));
            if beside.exists() {
                let json = std::fs::read_to_string(&beside).map_err(|e| Error::io(&beside, e))?;
                options.spec = Some(ModelSpec::from_json(&json).map_err(|e| e.in_file(&beside))?);
            }
        }
        if options.sha256.is_none() {
            let beside = PathBuf::from(format!("{}.sha256", path.display()));
            if beside.exists() {
                let text = std::fs::read_to_string(&beside).map_err(|e| Error::io(&beside, e))?;
                options.sha256 = Some(text.split_whitespace().next().unwrap_or_default().to_owned());
            }
        }
        let mut model = Self::load(bytes.into(), &options).map_err(|e| e.in_file(path))?;
        model.path = Some(path.to_owned());
        Ok(model)
    }

    /// Loads a model from memory.
    ///
    /// # Errors
    /// As [`Model::open`].
    pub fn from_bytes(bytes: Vec<u8>, options: &ModelOptions) -> Result<Self> {
        if bytes.len() as u64 > options.limits.max_model_bytes {
            return Err(Error::LimitsExceeded(format!("the model has {} bytes", bytes.len())));
        }
        Self::load(bytes.into(), options)
    }

    fn load(file: Bytes, options: &ModelOptions) -> Result<Self> {
        let sha256 = digest::sha256(&file);
        if let Some(expected) = options.sha256.as_ref().filter(|expected| !expected.eq_ignore_ascii_case(&sha256)) {
            return Err(Error::Model(format!("its SHA-256 is {sha256}; {expected} is expected")));
        }
        reserve(LOADING + 8 * file.len() as u64, "loading the model")?;
        let proto = onnx::parse(&file)?;
        let metadata = proto.metadata_props.iter().map(|e| (e.key.as_str(), e.value.as_str()));
        let spec = match (&options.spec, ModelSpec::from_metadata(metadata)?) {
            (Some(given), _) => {
                given.check()?;
                given.clone()
            }
            (None, Some(own)) => own,
            (None, None) => {
                return Err(Error::Model(
                    "the file carries no covmap.* metadata; describe it with a ModelSpec in code or in FILE.onnx.json".into(),
                ));
            }
        };
        let threads = Threads::new(options.threads)?;
        let model = Model { spec, sha256, path: None, file, engine: options.engine, networks: Default::default(), threads };
        let bf16 = model.precision(Precision::Auto)? == Precision::Bf16;
        let _ = model.networks[usize::from(bf16)].set(model.build(proto, bf16)?);
        Ok(model)
    }

    fn build(&self, mut proto: ModelProto, bf16: bool) -> Result<Box<dyn Network>> {
        onnx::widen(&mut proto)?;
        // tract panics on some malformed graphs; a model file is input like any other.
        let load = || tract::TractNetwork::load(proto, &self.spec, self.engine, bf16);
        let loaded = std::panic::catch_unwind(std::panic::AssertUnwindSafe(load));
        Ok(Box::new(loaded.map_err(|_| Error::Model("the graph is malformed (the loader gave up on it)".into()))??))
    }

    /// The arithmetic that a run with precision `asked` uses: f32 or bf16. `Auto` is bf16 where the processor has it and the
    /// model's metadata records that its results stay the same ([`Deviation::is_negligible`]).
    ///
    /// # Errors
    /// `Parameter` for what this processor, or this version, does not have.
    pub fn precision(&self, asked: Precision) -> Result<Precision> {
        asked.require_available()?;
        let same = self.spec.bf16.as_ref().is_some_and(Deviation::is_negligible);
        let bf16 = match asked {
            Precision::Auto => same && simd::has_bf16(),
            asked => asked == Precision::Bf16,
        };
        Ok(if bf16 && self.engine == Engine::Auto { Precision::Bf16 } else { Precision::F32 })
    }

    fn network(&self, asked: Precision) -> Result<&dyn Network> {
        let bf16 = self.precision(asked)? == Precision::Bf16;
        let slot = &self.networks[usize::from(bf16)];
        if slot.get().is_none() {
            // Whoever comes second throws an equal network away.
            let _ = slot.set(self.build(onnx::parse(&self.file)?, bf16)?);
        }
        slot.get().map(AsRef::as_ref).ok_or_else(|| Error::Internal("a network that was made is gone".into()))
    }

    /// The description in force.
    pub fn spec(&self) -> &ModelSpec {
        &self.spec
    }

    /// Bytes that one run on as many threads needs: kept for the next run, and until its end. Makes the network where `options`
    /// ask for one that was not needed before.
    pub(crate) fn run_bytes(&self, options: &RunOptions, threads: usize) -> Result<[usize; 2]> {
        Ok(self.network(options.precision)?.run_bytes(threads))
    }

    /// SHA-256 of the model file, in hexadecimal.
    pub fn sha256(&self) -> &str {
        &self.sha256
    }

    /// Name and hash, as results carry them.
    pub fn identity(&self) -> ModelIdentity {
        ModelIdentity { name: self.spec.name.clone(), sha256: self.sha256.clone() }
    }

    /// Where it was loaded from; `None` for the bundled model and models from memory.
    pub fn path(&self) -> Option<&Path> {
        self.path.as_deref()
    }

    /// Size of the file as stored, in bytes.
    pub fn stored_bytes(&self) -> usize {
        self.file.len()
    }

    /// The model as an ONNX file with f32 weights, which other engines run at their best.
    ///
    /// # Errors
    /// `Model` if the weights do not match their shapes.
    pub fn extract(&self) -> Result<Vec<u8>> {
        onnx::extract(&self.file)
    }

    /// Runs the network on one input. With `parallel` it may use the threads it was loaded with.
    ///
    /// # Errors
    /// `Cancelled`; `Parameter` where the input was prepared for another model; `Model` where the graph cannot be run.
    pub fn run(&self, input: &ModelInput, options: &RunOptions, parallel: bool) -> Result<Prediction> {
        self.run_on(self.threads(parallel), input, options)
    }

    /// [`Model::run`] on threads that are not its own.
    pub(crate) fn run_on(&self, threads: &Threads, input: &ModelInput, options: &RunOptions) -> Result<Prediction> {
        let tensors = self.raw(threads, input.values(), options)?;
        let [h, w] = self.spec.input.size;
        let mut found: Vec<(Channel, Array2<f32>)> = Vec::new();
        for (output, values) in self.spec.outputs.iter().zip(tensors) {
            let n = output.channels.len();
            for (i, channel) in output.channels.iter().enumerate().filter(|(_, c)| **c != Channel::Ignore) {
                let mut plane: Vec<f32> = match self.spec.input.layout {
                    Layout::Nhwc => values.iter().skip(i).step_by(n).copied().collect(),
                    _ => values[i * h * w..(i + 1) * h * w].to_vec(),
                };
                if output.activation == Activation::Logit {
                    simd::sigmoid(&mut plane);
                }
                if plane.iter().any(|p| !p.is_finite()) {
                    return Err(Error::Model(format!("output {} of {} is not finite", output.tensor, self.spec.name)));
                }
                if output.activation != Activation::Linear {
                    if let Some(p) = plane.iter().find(|p| !(-ROUNDING..=1.0 + ROUNDING).contains(*p)) {
                        let (tensor, name) = (&output.tensor, &self.spec.name);
                        return Err(Error::Model(format!("output {tensor} of {name} is described as probability, but has the value {p}")));
                    }
                    plane.iter_mut().for_each(|p| *p = p.clamp(0.0, 1.0));
                }
                let answer = Array2::from_shape_vec((h, w), plane).map_err(|e| Error::Internal(e.to_string()))?;
                found.push((*channel, input.margins().around(answer)));
            }
        }
        let mut take = |c: Channel| found.iter().position(|(k, _)| *k == c).map(|i| found.swap_remove(i).1);
        let points = take(Channel::Points);
        let infection = take(Channel::Infection).map(|map| InfectionProbability::new(map).with_points(points));
        let lungs = match (take(Channel::LungRight), take(Channel::LungLeft), take(Channel::Lungs)) {
            (Some(right), Some(left), _) => Some(LungProbability::sided(right, left)),
            (_, _, Some(both)) => Some(LungProbability::both(both)),
            _ => None,
        };
        Ok(Prediction { infection, lungs })
    }

    /// The output tensors as the graph gives them, for comparison with other engines.
    ///
    /// # Errors
    /// As [`Model::run`].
    pub fn run_raw(&self, values: &[f32], options: &RunOptions, parallel: bool) -> Result<Vec<Vec<f32>>> {
        self.raw(self.threads(parallel), values, options)
    }

    fn threads(&self, parallel: bool) -> &Threads {
        if parallel { &self.threads } else { &Threads::ONE }
    }

    fn raw(&self, threads: &Threads, values: &[f32], options: &RunOptions) -> Result<Vec<Vec<f32>>> {
        let expected = self.spec.input.size.iter().product::<usize>() * self.spec.input.channels;
        if values.len() != expected {
            return Err(Error::Parameter(format!("{} input values; {} takes {expected}", values.len(), self.spec.name)));
        }
        self.network(options.precision)?.run(values, options, threads)
    }
}
