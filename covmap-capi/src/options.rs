//! Options as pairs of strings.

use std::ffi::c_char;
use std::path::PathBuf;

use covmap_core::{Error, Fusion, OperatingPoint, PipelineOptions, Result, RunOptions, Views};

use crate::pointer;
use crate::status::{Status, free, guard, guard_status};

/// Options of a pipeline or of one analysis, by name.
#[derive(Debug, Clone, Default)]
pub struct Options {
    models: Vec<PathBuf>,
    fusion: Option<Fusion>,
    threads: Option<usize>,
    views: Option<Views>,
    operating_point: Option<OperatingPoint>,
}

impl Options {
    /// How to build the pipeline, and how it runs where one analysis does not say otherwise.
    pub(crate) fn of_pipeline(&self) -> (PipelineOptions, RunOptions) {
        let mut pipeline = PipelineOptions::default();
        pipeline.models = self.models.clone();
        pipeline.fusion = self.fusion.unwrap_or(pipeline.fusion);
        pipeline.threads = self.threads.unwrap_or(pipeline.threads);
        (pipeline, self.over(&RunOptions::default()))
    }

    /// How one analysis runs.
    pub(crate) fn of_run(&self, pipeline: &RunOptions) -> Result<RunOptions> {
        if !self.models.is_empty() || self.fusion.is_some() || self.threads.is_some() {
            return Err(Error::Parameter("model, fusion and threads are options of covmap_pipeline_new, not of one analysis".into()));
        }
        Ok(self.over(pipeline))
    }

    fn over(&self, run: &RunOptions) -> RunOptions {
        let mut run = run.clone();
        run.views = self.views.unwrap_or(run.views);
        run.operating_point = self.operating_point.unwrap_or(run.operating_point);
        run
    }
}

/// Options with nothing set. NULL only where covmap_last_error has a text.
#[unsafe(no_mangle)]
pub extern "C" fn covmap_options_new() -> *mut Options {
    guard(|| Ok(Box::into_raw(Box::default()))).unwrap_or(std::ptr::null_mut())
}

/// Sets one option. Strings are copied.
///
/// Options of a pipeline:
///   "model"           path of an ONNX file instead of the bundled model; set several times, it makes an ensemble
///   "fusion"          how an ensemble's members become one: "mean" (default), "logit-mean", "max", "vote"
///   "threads"         threads of one analysis, at least "1"; all processors by default
/// Options of a pipeline or of one analysis:
///   "views"           test-time views: "none" (default), "flip" (also the mirror image; twice the time)
///   "operating_point" where detection says positive: "specificity95" (default), "sensitivity95"
///
/// COVMAP_STATUS_PARAMETER for an unknown key or value.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn covmap_options_set(options: *mut Options, key: *const c_char, value: *const c_char) -> Status {
    guard_status(|| {
        // SAFETY: the header asks for options of covmap_options_new and two strings.
        let (options, key, value) =
            unsafe { (pointer::exclusive(options, "options")?, pointer::c_str(key, "key")?, pointer::c_str(value, "value")?) };
        let text = || pointer::utf8(value, "value");
        match pointer::utf8(key, "key")? {
            "model" => options.models.push(pointer::path(value)?),
            "fusion" => options.fusion = Some(text()?.parse()?),
            "threads" => options.threads = Some(threads(text()?)?),
            "views" => options.views = Some(text()?.parse()?),
            "operating_point" => options.operating_point = Some(text()?.parse()?),
            other => {
                return Err(Error::Parameter(format!("unknown option {other:?}; known: model, fusion, threads, views, operating_point")));
            }
        }
        Ok(())
    })
}

/// Frees options; NULL is allowed.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn covmap_options_free(options: *mut Options) {
    // SAFETY: the header asks for options of covmap_options_new that nobody uses any more.
    unsafe { free(options) }
}

fn threads(text: &str) -> Result<usize> {
    match text.parse() {
        Ok(n) if n > 0 => Ok(n),
        _ => Err(Error::Parameter(format!("threads {text:?} is not a number from 1"))),
    }
}
