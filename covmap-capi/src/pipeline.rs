//! A pipeline: loaded once, used many times.

use covmap_core::RunOptions;

use crate::options::Options;
use crate::pointer;
use crate::status::{Status, free, guard_status};

/// Models, loaded and ready. Many threads may analyse with one pipeline at once.
#[derive(Debug)]
pub struct Pipeline {
    pub(crate) inner: covmap_core::Pipeline,
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
        let (pipeline, run) = options.cloned().unwrap_or_default().of_pipeline();
        *out = Box::into_raw(Box::new(Pipeline { inner: covmap_core::Pipeline::new(&pipeline)?, run }));
        Ok(())
    })
}

/// Frees a pipeline; NULL is allowed. Its results stay.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn covmap_pipeline_free(pipeline: *mut Pipeline) {
    // SAFETY: the header asks for a pipeline of covmap_pipeline_new that nobody uses any more.
    unsafe { free(pipeline) }
}
