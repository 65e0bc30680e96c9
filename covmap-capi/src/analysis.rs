//! One radiograph analysed, and its result.

use std::ffi::c_char;

use covmap_core::radiograph::BufferOptions;
use covmap_core::{Error, Radiograph, Result, report};

use crate::options::Options;
use crate::pipeline::Pipeline;
use crate::pointer;
use crate::status::{Status, free, guard, guard_status};

/// What a pipeline found in one radiograph. It does not change, and needs no pipeline any more.
#[derive(Debug)]
pub struct Analysis {
    pub(crate) inner: covmap_core::Analysis,
    /// The input's file name, where it had one.
    file: Option<String>,
}

/// Analyses a PNG, JPEG, TIFF or DICOM file, told apart by content. The path is in the file system's own bytes, UTF-8 on
/// Windows. Options may be NULL: those of the pipeline. On failure *out is NULL.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn covmap_analyze_file(
    pipeline: *const Pipeline,
    path: *const c_char,
    options: *const Options,
    out: *mut *mut Analysis,
) -> Status {
    let read = || {
        // SAFETY: the header asks for a string.
        let path = pointer::path(unsafe { pointer::c_str(path, "path") }?)?;
        let name = path.file_name().map(|n| n.to_string_lossy().into_owned());
        Ok((Radiograph::open(&path)?, name))
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
    // SAFETY: the header asks for size bytes.
    let read = || Ok((Radiograph::from_bytes(unsafe { pointer::slice(bytes, size, "bytes") }?)?, None));
    // SAFETY: the header asks for what `analyze` does.
    unsafe { analyze(pipeline, options, out, read) }
}

/// Analyses 8-bit grey pixels, row by row from the top, bright is dense (MONOCHROME2), the patient's right at the image's
/// left. The stride is the distance between the starts of two rows in pixels, at least width; (height - 1) * stride + width
/// pixels are read. Options may be NULL: those of the pipeline. On failure *out is NULL.
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
    let read = || {
        // SAFETY: the header asks for as many pixels.
        let pixels = unsafe { image(pixels, width, height, stride) }?;
        Ok((Radiograph::from_u8(pixels, width, height, stride, &BufferOptions::default())?, None))
    };
    // SAFETY: the header asks for what `analyze` does.
    unsafe { analyze(pipeline, options, out, read) }
}

/// As covmap_analyze_u8, with 16-bit grey pixels in the machine's byte order over the full range 0 to 65535: pixels of fewer
/// bits are scaled by the caller. The stride is in pixels, not bytes.
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
    let read = || {
        // SAFETY: the header asks for as many pixels.
        let pixels = unsafe { image(pixels, width, height, stride) }?;
        Ok((Radiograph::from_u16(pixels, width, height, stride, &BufferOptions::default())?, None))
    };
    // SAFETY: the header asks for what `analyze` does.
    unsafe { analyze(pipeline, options, out, read) }
}

/// Writes the size of the radiograph, and so of its maps, in pixels.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn covmap_analysis_size(analysis: *const Analysis, width: *mut usize, height: *mut usize) -> Status {
    guard_status(|| {
        // SAFETY: the header asks for an analysis.
        let analysis = unsafe { pointer::shared(analysis, "analysis") }?;
        if width.is_null() || height.is_null() {
            return Err(Error::Parameter("width or height is NULL".into()));
        }
        // SAFETY: not NULL, and the header asks for places to write to.
        unsafe {
            width.write(analysis.inner.width);
            height.write(analysis.inner.height);
        }
        Ok(())
    })
}

/// The infection map: width * height bytes, row by row without gaps, 0 outside the lungs, infected from 128. Valid until
/// covmap_analysis_free. NULL only where analysis is NULL.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn covmap_analysis_infection(analysis: *const Analysis) -> *const u8 {
    // SAFETY: the header asks for an analysis.
    let map = guard(|| rows(unsafe { pointer::shared(analysis, "analysis") }?.inner.infection.bytes().as_slice()));
    map.unwrap_or(std::ptr::null())
}

/// The lungs: width * height bytes, row by row without gaps: 0 outside, 1 the patient's right lung, 2 the left. Valid until
/// covmap_analysis_free. NULL, with no error, where no model of the pipeline segments lungs.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn covmap_analysis_lungs(analysis: *const Analysis) -> *const u8 {
    let labels = guard(|| {
        // SAFETY: the header asks for an analysis.
        match &unsafe { pointer::shared(analysis, "analysis") }?.inner.lungs {
            Some(lungs) => rows(lungs.labels().as_slice()),
            None => Ok(std::ptr::null()),
        }
    });
    labels.unwrap_or(std::ptr::null())
}

/// Writes the result as JSON (schema "covmap/1") in UTF-8, with a NUL at its end, into capacity bytes at buffer. *needed, if
/// needed is not NULL, becomes the size with the NUL. To ask for that size, pass NULL and 0 for buffer and capacity. A
/// buffer too small is COVMAP_STATUS_PARAMETER and stays as it was.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn covmap_analysis_json(
    analysis: *const Analysis,
    buffer: *mut c_char,
    capacity: usize,
    needed: *mut usize,
) -> Status {
    guard_status(|| {
        // SAFETY: the header asks for an analysis.
        let analysis = unsafe { pointer::shared(analysis, "analysis") }?;
        let json = format!("{:#}\0", report::to_json(&analysis.inner, analysis.file.as_deref()));
        if !needed.is_null() {
            // SAFETY: not NULL, and the header asks for a place to write to.
            unsafe { needed.write(json.len()) };
        }
        if buffer.is_null() {
            return match capacity {
                0 => Ok(()),
                _ => Err(Error::Parameter("buffer is NULL but its capacity is not 0".into())),
            };
        }
        if capacity < json.len() {
            return Err(Error::Parameter(format!("the buffer holds {capacity} bytes; the JSON needs {}", json.len())));
        }
        // SAFETY: the header asks for capacity bytes, which are enough; the JSON is ours alone, so they cannot overlap.
        unsafe { buffer.cast::<u8>().copy_from_nonoverlapping(json.as_ptr(), json.len()) };
        Ok(())
    })
}

/// Frees an analysis and the maps borrowed from it; NULL is allowed.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn covmap_analysis_free(analysis: *mut Analysis) {
    // SAFETY: the header asks for an analysis of covmap_analyze_... that nobody uses any more.
    unsafe { free(analysis) }
}

/// # Safety
/// `pipeline` and `options` are NULL or live handles; `out` is NULL or may be written.
unsafe fn analyze(
    pipeline: *const Pipeline,
    options: *const Options,
    out: *mut *mut Analysis,
    read: impl FnOnce() -> Result<(Radiograph, Option<String>)>,
) -> Status {
    guard_status(|| {
        // SAFETY: the caller's promise.
        let (out, pipeline, options) = unsafe { (pointer::result(out, "out")?, pointer::shared(pipeline, "pipeline")?, options.as_ref()) };
        let run = match options {
            Some(o) => o.of_run(&pipeline.run)?,
            None => pipeline.run.clone(),
        };
        let (radiograph, file) = read()?;
        let inner = pipeline.inner.analyze_with(&radiograph, &run)?;
        *out = Box::into_raw(Box::new(Analysis { inner, file }));
        Ok(())
    })
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

fn rows(map: Option<&[u8]>) -> Result<*const u8> {
    map.map(<[u8]>::as_ptr).ok_or_else(|| Error::Internal("a map with gaps between its rows".into()))
}
