//! Radiographs analysed: one, from a file, bytes or pixels, or a batch of files.

use std::ffi::{CString, c_char, c_int, c_void};
use std::path::{Path, PathBuf};
use std::time::Instant;

use covmap_core::{CancelToken, Error, Radiograph, Result};

use crate::analysis::Analysis;
use crate::options::{Options, Use};
use crate::pipeline::Pipeline;
use crate::pointer;
use crate::status::{Status, guard_status, text_of};

/// Receives one outcome of a batch: index is the path's place, counted from 0. With COVMAP_STATUS_OK the analysis is the
/// callback's own, to be freed with covmap_analysis_free; else it is NULL, and error says why, valid during the call.
/// Returns 0 to go on; anything else cancels the batch.
pub type BatchCallback =
    Option<unsafe extern "C" fn(user: *mut c_void, index: usize, status: Status, error: *const c_char, analysis: *mut Analysis) -> c_int>;

/// Analyses a PNG, JPEG, TIFF or DICOM file, told apart by content. The path is in the file system's own bytes, UTF-8 on
/// Windows. Options may be NULL: those of the pipeline. On failure *out is NULL.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn covmap_analyze_file(
    pipeline: *const Pipeline,
    path: *const c_char,
    options: *const Options,
    out: *mut *mut Analysis,
) -> Status {
    let read = |options: &Options| {
        // SAFETY: the header asks for a string.
        let path = pointer::path(unsafe { pointer::c_str(path, "path") }?)?;
        Ok((Radiograph::open_with(&path, &options.read())?, name(&path)))
    };
    // SAFETY: the header asks for what `analyze` does.
    unsafe { analyze(pipeline, options, out, read) }
}

/// Analyses the size bytes of a PNG, JPEG, TIFF or DICOM file. Options may be NULL: those of the pipeline. On failure *out
/// is NULL.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn covmap_analyze_bytes(
    pipeline: *const Pipeline,
    bytes: *const u8,
    size: usize,
    options: *const Options,
    out: *mut *mut Analysis,
) -> Status {
    let read = |options: &Options| {
        // SAFETY: the header asks for size bytes.
        let bytes = unsafe { pointer::slice(bytes, size, "bytes") }?;
        Ok((Radiograph::from_bytes_with(bytes, &options.read())?, None))
    };
    // SAFETY: the header asks for what `analyze` does.
    unsafe { analyze(pipeline, options, out, read) }
}

/// Analyses 8-bit grey pixels, row by row from the top, the patient's right at the image's left. The stride is the distance
/// between the starts of two rows in pixels, at least width; (height - 1) * stride + width pixels are read. Options may be
/// NULL: those of the pipeline, MONOCHROME2 over the full range. On failure *out is NULL.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn covmap_analyze_u8(
    pipeline: *const Pipeline,
    pixels: *const u8,
    width: usize,
    height: usize,
    stride: usize,
    options: *const Options,
    out: *mut *mut Analysis,
) -> Status {
    let read = |options: &Options| {
        // SAFETY: the header asks for as many pixels.
        let pixels = unsafe { image(pixels, width, height, stride) }?;
        Ok((Radiograph::from_u8(pixels, width, height, stride, options.buffer())?, None))
    };
    // SAFETY: the header asks for what `analyze` does.
    unsafe { analyze(pipeline, options, out, read) }
}

/// As covmap_analyze_u8, with 16-bit grey pixels in the machine's byte order over the full range 0 to 65535: of pixels with
/// fewer bits the option "window" tells the range ("0,4095" for 12 bits). The stride is in pixels, not bytes.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn covmap_analyze_u16(
    pipeline: *const Pipeline,
    pixels: *const u16,
    width: usize,
    height: usize,
    stride: usize,
    options: *const Options,
    out: *mut *mut Analysis,
) -> Status {
    let read = |options: &Options| {
        // SAFETY: the header asks for as many pixels.
        let pixels = unsafe { image(pixels, width, height, stride) }?;
        Ok((Radiograph::from_u16(pixels, width, height, stride, options.buffer())?, None))
    };
    // SAFETY: the header asks for what `analyze` does.
    unsafe { analyze(pipeline, options, out, read) }
}

/// Analyses count files, several at a time (the pipeline's "threads"), one thread each. The callback gets every outcome on
/// the calling thread, in the order of the paths, while later files are still being worked on; a file that fails does not
/// end the batch. A pipeline with a runner (covmap_options_set_runner) gives it some files at a time, and the callback their
/// outcomes before the next; COVMAP_STATUS_PARAMETER where the runner fails. "timeout_ms" bounds the whole batch.
/// COVMAP_STATUS_CANCELLED where the callback ended it.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn covmap_analyze_files(
    pipeline: *const Pipeline,
    paths: *const *const c_char,
    count: usize,
    options: *const Options,
    callback: BatchCallback,
    user: *mut c_void,
) -> Status {
    guard_status(|| {
        // SAFETY: the header asks for a pipeline, for count strings and for NULL or options.
        let (pipeline, paths, options) =
            unsafe { (pointer::shared(pipeline, "pipeline")?, pointer::slice(paths, count, "paths")?, options.as_ref()) };
        let callback = callback.ok_or_else(|| Error::Parameter("callback is NULL".into()))?;
        // SAFETY: the header asks for strings.
        let path = |text: &*const c_char| pointer::path(unsafe { pointer::c_str(*text, "a path") }?);
        let paths: Vec<PathBuf> = paths.iter().map(path).collect::<Result<_>>()?;
        let options = options.cloned().unwrap_or_default();
        let cancel = CancelToken::new();
        let mut run = options.only_for(Use::Analysis)?.over(&pipeline.run);
        // A token of the caller may be that of other analyses too: it is not ours to cancel.
        run.cancel.get_or_insert(cancel.clone());
        let (read, choices, training) = (options.read(), pipeline.inner.choices(&run), pipeline.training.clone());
        let work = move |inner: &covmap_core::Pipeline, path: &PathBuf| {
            let radiograph = Radiograph::open_with(path, &read)?;
            let inner = inner.analyze_with(&radiograph, &run)?;
            Ok(Analysis { inner, radiograph, file: name(path), choices: choices.clone(), training: training.clone() })
        };
        let deliver = |index: usize, outcome: Result<Analysis>| {
            let (status, error, analysis) = match outcome {
                Ok(analysis) => (Status::Ok, CString::default(), Box::into_raw(Box::new(analysis))),
                Err(error) => (error.kind().into(), text_of(&error.to_string()), std::ptr::null_mut()),
            };
            // SAFETY: what the header promises the callback; the error lives for the call.
            if unsafe { callback(user, index, status, error.as_ptr(), analysis) } != 0 {
                cancel.cancel();
                return Err(Error::Cancelled("the callback ended the batch"));
            }
            Ok(())
        };
        let Some((runner, at_a_time)) = pipeline.runner else {
            let outcomes = pipeline.inner.map_many(paths, move |inner, path: PathBuf| work(inner, &path));
            return outcomes.enumerate().try_for_each(|(index, outcome)| deliver(index, outcome));
        };
        for (part, paths) in paths.chunks(at_a_time).enumerate() {
            let outcomes = runner.map(paths, &|path| work(&pipeline.inner, path))?;
            outcomes.into_iter().enumerate().try_for_each(|(i, outcome)| deliver(part * at_a_time + i, outcome))?;
        }
        Ok(())
    })
}

/// # Safety
/// `pipeline` and `options` are NULL or live handles; `out` is NULL or may be written.
unsafe fn analyze(
    pipeline: *const Pipeline,
    options: *const Options,
    out: *mut *mut Analysis,
    read: impl FnOnce(&Options) -> Result<(Radiograph, Option<String>)>,
) -> Status {
    guard_status(|| {
        // SAFETY: the caller's promise.
        let (out, pipeline, options) = unsafe { (pointer::result(out, "out")?, pointer::shared(pipeline, "pipeline")?, options.as_ref()) };
        let defaults = Options::default();
        let options = options.unwrap_or(&defaults).only_for(Use::Analysis)?;
        let run = options.over(&pipeline.run);
        let start = Instant::now();
        let (radiograph, file) = read(options)?;
        let inner = pipeline.inner.analyze_with(&radiograph, &run)?;
        log::debug!("{} x {} pixels in {:.1} ms", inner.width, inner.height, start.elapsed().as_secs_f64() * 1000.0);
        let (choices, training) = (pipeline.inner.choices(&run), pipeline.training.clone());
        *out = Box::into_raw(Box::new(Analysis { inner, radiograph, file, choices, training }));
        Ok(())
    })
}

fn name(path: &Path) -> Option<String> {
    path.file_name().map(|name| name.to_string_lossy().into_owned())
}

/// The caller's pixels. What is wrong with the shape the core says.
///
/// # Safety
/// `pixels` is NULL or points to `(height - 1) * stride + width` samples.
unsafe fn image<'a, T>(pixels: *const T, width: usize, height: usize, stride: usize) -> Result<&'a [T]> {
    let len = match (width, height) {
        (0, _) | (_, 0) => Some(0),
        _ => (height - 1).checked_mul(stride).and_then(|n| n.checked_add(width)),
    };
    let len = len.ok_or_else(|| Error::Parameter(format!("{height} rows with stride {stride} are more than memory can hold")))?;
    // SAFETY: the caller's promise.
    unsafe { pointer::slice(pixels, len, "pixels") }
}
