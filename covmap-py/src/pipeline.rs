//! `covmap.Pipeline` and `covmap.analyze`.

use std::path::PathBuf;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use covmap_core::{Error, Fusion, PipelineOptions, RunOptions};
use pyo3::prelude::*;

use crate::analysis::{Analysis, How};
use crate::batch;
use crate::error::{attached, detached, parameter};
use crate::input::{Input, InputOptions};
use crate::stages::LungMask;

/// Models, loaded once; analyses many radiographs, from many threads at once.
///
/// Pickles as the models' paths and hashes. A forked process works with it on its calling thread alone.
///
/// Loads the models.
///
/// Args:
///     model: An ONNX file, or several that make an ensemble; None is the bundled model.
///     threads: Of one analysis, and images at a time in `analyze_many`; None means all processors.
///     fusion: How the members of an ensemble become one.
///     precision: Arithmetic of the network; "auto" is the fastest that the model records as equivalent.
///     views: "flip" also shows the network the mirror image, in twice the time.
///     operating_point: Where detection says positive.
///
/// Raises:
///     IoError: A model cannot be read.
///     ModelError: A model or its description does not fit.
///     ParameterError: An unknown name, 0 threads, or a precision that this processor does not have.
#[pyclass(frozen, module = "covmap")]
#[derive(Debug, Clone)]
pub(crate) struct Pipeline {
    pub(crate) inner: covmap_core::Pipeline,
    pub(crate) run: RunOptions,
    pub(crate) how: Arc<How>,
    pub(crate) threads: usize,
    asked_threads: Option<usize>,
    fusion: Fusion,
}

/// One model file, or an ensemble.
#[derive(FromPyObject)]
pub(crate) enum Models {
    One(PathBuf),
    Several(Vec<PathBuf>),
}

#[pymethods]
impl Pipeline {
    #[new]
    #[pyo3(signature = (model=None, *, threads=None, fusion="mean", precision="auto", views="none", operating_point="specificity95"))]
    fn new(
        py: Python<'_>,
        model: Option<Models>,
        threads: Option<usize>,
        fusion: &str,
        precision: &str,
        views: &str,
        operating_point: &str,
    ) -> PyResult<Self> {
        let mut options = PipelineOptions::default();
        let paths = match model {
            None => Vec::new(),
            Some(Models::One(path)) => vec![path],
            // To the core an empty list is the bundled model; here it is rather a search that found nothing.
            Some(Models::Several(paths)) if paths.is_empty() => {
                return Err(parameter(py, "model is an empty list; None means the bundled model".into()));
            }
            Some(Models::Several(paths)) => paths,
        };
        let mut run = RunOptions::default();
        attached(py, || {
            // A pickle has to find them from another working directory.
            options.models =
                paths.into_iter().map(|p| std::path::absolute(&p).map_err(|e| Error::io(p, e))).collect::<covmap_core::Result<_>>()?;
            options.fusion = fusion.parse()?;
            (run.precision, run.views, run.operating_point) = (precision.parse()?, views.parse()?, operating_point.parse()?);
            run.precision.require_available()
        })?;
        options.threads = threads.unwrap_or(options.threads);
        let inner = detached(py, || covmap_core::Pipeline::new(&options))?;
        let training = inner.training().cloned().collect();
        let how = Arc::new(How { options: inner.choices(&run), training });
        Ok(Pipeline { inner, run, how, threads: options.threads, asked_threads: threads, fusion: options.fusion })
    }

    /// Analyses one radiograph. Other threads run meanwhile.
    ///
    /// Args:
    ///     x: A path; the bytes of a file, or a binary file object (PNG, JPEG, TIFF or DICOM, told apart by content); an array
    ///         (rows, columns) or (rows, columns, 1 to 4 channels); a PIL image; a pydicom Dataset; a Radiograph. Arrays of
    ///         uint8 and uint16 span the full range of their type, floats their minimum to maximum; bright is dense. Grey
    ///         stored as RGB is grey, alpha lies over black.
    ///     timeout: Seconds after which it ends; ten minutes end it in any case.
    ///     cancel: A token; cancelling it, from any thread, ends the analysis.
    ///     max_memory: Bytes that the analysis may need beside pipeline and radiograph; 2 GiB by default.
    ///
    /// Raises:
    ///     IoError: The file cannot be read.
    ///     InputError: It is damaged, coloured, empty, or has a pixel that is not finite.
    ///     InputTypeError: No kind of object, or no dtype, of these.
    ///     ParameterError: An array of another shape.
    ///     LimitsExceededError: More than 16,384 pixels a side or 100 million in all.
    ///     LimitsExceededError: It would need more memory than `max_memory`.
    ///     CancelledError: It was cancelled, or took longer than `timeout`.
    ///     ModelError: The network's output is not finite.
    #[pyo3(signature = (x, /, *, timeout=None, cancel=None, max_memory=None))]
    fn analyze(
        &self,
        x: &Bound<'_, PyAny>,
        timeout: Option<f64>,
        cancel: Option<&CancelToken>,
        max_memory: Option<u64>,
    ) -> PyResult<Analysis> {
        let run = self.run_within(x.py(), timeout, cancel, max_memory)?;
        let input = Input::of(x, &InputOptions::default())?;
        detached(x.py(), || {
            let source = input.read()?;
            Ok(Analysis::new(self.inner.analyze_with(&source.radiograph, &run)?, source, &self.how))
        })
    }

    /// Analyses many radiographs, `threads` at a time, one thread each; results come in the order of the inputs.
    ///
    /// At most twice `threads` inputs are drawn ahead of the results taken, so that memory stays bounded.
    ///
    /// Args:
    ///     iterable: Inputs as `analyze` takes them. What it raises comes after the results of the inputs before.
    ///     progress: Show a tqdm bar, where tqdm is installed.
    ///     errors: "yield" gives the exception of an input that fails in place of its result; "raise" raises it, and the batch
    ///         goes on with the next `next`.
    ///     timeout: Seconds after which the whole batch ends: what is not done by then fails.
    ///     cancel: A token; cancelling it, from any thread, does the same at once.
    ///     max_memory: Bytes that each analysis may need beside pipeline and radiograph; 2 GiB by default.
    #[allow(clippy::too_many_arguments)]
    #[pyo3(signature = (iterable, /, *, progress=false, errors="yield", timeout=None, cancel=None, max_memory=None))]
    fn analyze_many<'py>(
        &self,
        iterable: &Bound<'py, PyAny>,
        progress: bool,
        errors: &str,
        timeout: Option<f64>,
        cancel: Option<&CancelToken>,
        max_memory: Option<u64>,
    ) -> PyResult<Bound<'py, PyAny>> {
        let run = self.run_within(iterable.py(), timeout, cancel, max_memory)?;
        batch::start(self, run, iterable, progress, errors)
    }

    /// The same answer of the network read within other lungs, e.g. a corrected mask.
    ///
    /// Raises:
    ///     ParameterError: The mask has another size.
    fn within(&self, py: Python<'_>, analysis: &Bound<'_, Analysis>, lungs: &Bound<'_, LungMask>) -> PyResult<Analysis> {
        let (analysis, lungs) = (analysis.get(), (*lungs.get().0).clone());
        detached(py, || Ok(analysis.with(self.inner.within(analysis.inner(), lungs, &self.run)?)))
    }

    /// Name and SHA-256 of each model.
    #[getter]
    fn models(&self) -> Vec<(&str, &str)> {
        self.inner.models().iter().map(|m| (m.spec().name.as_str(), m.sha256())).collect()
    }

    /// Threads of one analysis, and images at a time in a batch.
    #[getter]
    fn threads(&self) -> usize {
        self.threads
    }

    fn __reduce__<'py>(slf: &Bound<'py, Self>) -> PyResult<(Bound<'py, PyAny>, Pickled)> {
        let (this, models) = (slf.get(), slf.get().inner.models());
        let state = (
            models.iter().filter_map(|m| m.path().map(PathBuf::from)).collect(),
            models.iter().map(|m| m.sha256().to_owned()).collect(),
            this.asked_threads,
            [this.fusion.as_str(), this.run.precision.as_str(), this.run.views.as_str(), this.run.operating_point.as_str()],
        );
        Ok((slf.py().import("covmap._covmap")?.getattr("_restore_pipeline")?, state))
    }

    fn __repr__(&self) -> String {
        let names: Vec<&str> = self.inner.models().iter().map(|m| m.spec().name.as_str()).collect();
        format!("<covmap.Pipeline {}>", names.join(" + "))
    }
}

impl Pipeline {
    /// How a run differs from the pipeline's others. The clock starts here.
    fn run_within(
        &self,
        py: Python<'_>,
        timeout: Option<f64>,
        cancel: Option<&CancelToken>,
        max_memory: Option<u64>,
    ) -> PyResult<RunOptions> {
        let mut run = self.run.clone();
        run.cancel = cancel.map(|token| token.0.clone());
        run.limits.max_memory_bytes = max_memory.unwrap_or(run.limits.max_memory_bytes);
        if let Some(seconds) = timeout {
            let wrong = |_| parameter(py, format!("timeout {seconds} is no number of seconds"));
            run.deadline = Instant::now().checked_add(Duration::try_from_secs_f64(seconds).map_err(wrong)?);
        }
        Ok(run)
    }
}

/// Ends analyses from any thread: give it to `analyze` or `analyze_many`, and call `cancel`.
#[pyclass(frozen, module = "covmap")]
#[derive(Debug, Default)]
pub(crate) struct CancelToken(covmap_core::CancelToken);

#[pymethods]
impl CancelToken {
    #[new]
    fn new() -> Self {
        Self::default()
    }

    /// Ends every analysis that has this token, running ones and later ones.
    fn cancel(&self) {
        self.0.cancel();
    }

    /// Whether `cancel` was called.
    #[getter]
    fn cancelled(&self) -> bool {
        self.0.is_cancelled()
    }

    fn __repr__(&self) -> String {
        format!("<covmap.CancelToken cancelled={}>", if self.cancelled() { "True" } else { "False" })
    }
}

/// Paths, hashes, threads, and the names of the options.
type Pickled = (Vec<PathBuf>, Vec<String>, Option<usize>, [&'static str; 4]);

/// A pipeline from its pickle: the models must still be the same.
#[pyfunction]
#[pyo3(name = "_restore_pipeline")]
pub(crate) fn restore(
    py: Python<'_>,
    paths: Vec<PathBuf>,
    hashes: Vec<String>,
    threads: Option<usize>,
    options: [String; 4],
) -> PyResult<Pipeline> {
    let models = (!paths.is_empty()).then_some(Models::Several(paths));
    let [fusion, precision, views, operating_point] = &options;
    let pipeline = Pipeline::new(py, models, threads, fusion, precision, views, operating_point)?;
    attached(py, || {
        for (model, expected) in pipeline.inner.models().iter().zip(&hashes) {
            if model.sha256() != expected {
                let place = model.path().map_or("the bundled model".to_owned(), |p| p.display().to_string());
                return Err(Error::Model(format!("{place} is another model than the one that was pickled (SHA-256 {expected})")));
            }
        }
        Ok(())
    })?;
    Ok(pipeline)
}

/// With the bundled model, which is loaded on the first call.
fn bundled(py: Python<'_>) -> PyResult<Pipeline> {
    static BUNDLED: Mutex<Option<Pipeline>> = Mutex::new(None);
    // Held for moments and never while waiting, so that no fork meets it locked.
    let slot = || BUNDLED.lock().unwrap_or_else(PoisonError::into_inner);
    if let Some(pipeline) = slot().as_ref() {
        return Ok(pipeline.clone());
    }
    let defaults = RunOptions::default();
    let names = [defaults.precision.as_str(), defaults.views.as_str(), defaults.operating_point.as_str()];
    let pipeline = Pipeline::new(py, None, None, Fusion::default().as_str(), names[0], names[1], names[2])?;
    Ok(slot().get_or_insert(pipeline).clone())
}

/// Analyses one radiograph with the bundled model, which is loaded on the first call; else as `Pipeline.analyze`.
#[pyfunction]
#[pyo3(signature = (x, /, *, timeout=None, cancel=None, max_memory=None))]
pub(crate) fn analyze(
    x: &Bound<'_, PyAny>,
    timeout: Option<f64>,
    cancel: Option<&CancelToken>,
    max_memory: Option<u64>,
) -> PyResult<Analysis> {
    bundled(x.py())?.analyze(x, timeout, cancel, max_memory)
}

/// Analyses many radiographs with the bundled model; else as `Pipeline.analyze_many`.
#[pyfunction]
#[pyo3(signature = (iterable, /, *, progress=false, errors="yield", timeout=None, cancel=None, max_memory=None))]
pub(crate) fn analyze_many<'py>(
    iterable: &Bound<'py, PyAny>,
    progress: bool,
    errors: &str,
    timeout: Option<f64>,
    cancel: Option<&CancelToken>,
    max_memory: Option<u64>,
) -> PyResult<Bound<'py, PyAny>> {
    bundled(iterable.py())?.analyze_many(iterable, progress, errors, timeout, cancel, max_memory)
}
