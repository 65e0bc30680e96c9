//! A pipeline: loaded once, used many times.

use std::sync::Arc;

use covmap_core::engine::Training;
use covmap_core::{Fusion, Model, RunOptions};
use serde_json::json;

use crate::bytes::Bytes;
use crate::options::{Options, Use};
use crate::pointer;
use crate::runner::Runner;
use crate::status::{Status, free, guard_status};

/// Models, loaded and ready. Many threads may analyse with one pipeline at once, and need no lock for it.
#[derive(Debug)]
pub struct Pipeline {
    pub(crate) inner: covmap_core::Pipeline,
    pub(crate) fusion: Fusion,
    /// What the models say of their training, for pages.
    pub(crate) training: Arc<[Training]>,
    /// Of batches, where the caller brings one, and how many images it gets at a time.
    pub(crate) runner: Option<(Runner, usize)>,
    /// What an analysis does where its own options do not say otherwise.
    pub(crate) run: RunOptions,
}

/// Loads the models. Options may be NULL: the bundled model, all defaults; they are not needed after this call. On failure
/// *out is NULL.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn covmap_pipeline_new(options: *const Options, out: *mut *mut Pipeline) -> Status {
    guard_status(|| {
        // SAFETY: the header asks for a place to write to, and for NULL or options of covmap_options_new.
        let (out, options) = unsafe { (pointer::result(out, "out")?, options.as_ref()) };
        let options = options.cloned().unwrap_or_default();
        let fusion = options.only_for(Use::Pipeline)?.fusion();
        let runner = options.runner.map(|runner| (runner, 4 * options.threads()));
        let threads = if runner.is_some() { 1 } else { options.threads() };
        let inner = covmap_core::Pipeline::of(options.models()?, fusion, threads)?;
        for model in inner.models() {
            log::info!("loaded {} ({})", model.spec().name, model.sha256());
        }
        let training = inner.training().cloned().collect();
        *out = Box::into_raw(Box::new(Pipeline { inner, fusion, training, runner, run: options.over(&RunOptions::default()) }));
        Ok(())
    })
}

/// What results of this pipeline follow from, in JSON: covmap (the version), models (name and sha256 of each), fusion, views,
/// operating_point, precision. Equal texts mean equal results. Free *out with covmap_bytes_free; on failure it is NULL.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn covmap_pipeline_describe(pipeline: *const Pipeline, out: *mut *mut Bytes) -> Status {
    guard_status(|| {
        // SAFETY: the header asks for a place to write to and a pipeline.
        let (out, pipeline) = unsafe { (pointer::result(out, "out")?, pointer::shared(pipeline, "pipeline")?) };
        let models: Vec<_> = pipeline.inner.models().iter().map(Model::identity).collect();
        let run = &pipeline.run;
        let description = json!({
            "covmap": env!("CARGO_PKG_VERSION"),
            "models": models,
            "fusion": pipeline.fusion,
            "views": run.views,
            "operating_point": run.operating_point,
            "precision": run.precision,
        });
        *out = Bytes::boxed(description.to_string().into_bytes());
        Ok(())
    })
}

/// Frees a pipeline; NULL is allowed. Its results stay.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn covmap_pipeline_free(pipeline: *mut Pipeline) {
    // SAFETY: the header asks for a pipeline of covmap_pipeline_new that nobody uses any more.
    unsafe { free(pipeline) }
}
