//! The result of one radiograph.

use std::ffi::c_char;
use std::sync::Arc;

use covmap_core::engine::Training;
use covmap_core::report::{self, DicomObject, DicomOptions, HtmlOptions};
use covmap_core::{Error, Radiograph, Result, render};

use crate::bytes::Bytes;
use crate::options::{Options, Use};
use crate::pointer;
use crate::status::{Status, free, guard, guard_status};

/// What a pipeline found in one radiograph. It does not change, and needs no pipeline any more.
#[derive(Debug)]
pub struct Analysis {
    pub(crate) inner: covmap_core::Analysis,
    pub(crate) radiograph: Radiograph,
    /// The input's file name, where it had one.
    pub(crate) file: Option<String>,
    /// What of the options decided the result, as the UIDs of DICOM results have it.
    pub(crate) choices: String,
    /// What the models say of their training, for pages.
    pub(crate) training: Arc<[Training]>,
}

/// Writes the size of the radiograph, and so of its maps, in pixels.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn covmap_analysis_size(analysis: *const Analysis, width: *mut usize, height: *mut usize) -> Status {
    guard_status(|| {
        // SAFETY: the header asks for an analysis and places to write to.
        unsafe {
            let analysis = pointer::shared(analysis, "analysis")?;
            pointer::size(width, height, (analysis.inner.height, analysis.inner.width))
        }
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

/// The probability of opacity, 0 to 1, threshold at 0.5, in the network's pixels, which it writes, and not limited to the
/// lungs: *width * *height numbers, row by row without gaps; more than the network's input has where dark margins were cut off.
/// Valid until covmap_analysis_free. NULL where a pointer is NULL.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn covmap_analysis_probability(analysis: *const Analysis, width: *mut usize, height: *mut usize) -> *const f32 {
    let map = guard(|| {
        // SAFETY: the header asks for an analysis and places to write to.
        unsafe {
            let map = pointer::shared(analysis, "analysis")?.inner.infection.probability().map();
            pointer::size(width, height, map.dim())?;
            rows(map.as_slice())
        }
    });
    map.unwrap_or(std::ptr::null())
}

/// Makes a result in one of these formats. Options may be NULL. Free *out with covmap_bytes_free; on failure it is NULL.
///   "json"           schema "covmap/1", UTF-8
///   "html"           one page for people, UTF-8
///   "overlay"        the map over the radiograph: width * height * 3 bytes (red, green, blue), row by row without gaps
///   "overlay.png"    the same as a picture
///   "infection.png"  the infection map as an 8-bit picture
///   "lung.png"       the lungs as an 8-bit picture, 0 everywhere where no model segments them
///   "seg.dcm"        DICOM Segmentation of lungs and opacity
///   "map.dcm"        DICOM Segmentation of the infection map, fractional
///   "sr.dcm"         DICOM Structured Report of the measurements (TID 1500)
///   "sc.dcm"         DICOM Secondary Capture of the overlay
/// DICOM results belong to the study of a DICOM input; of another they are COVMAP_STATUS_INPUT. Their UIDs follow from
/// input, models and options: the same result is always the same object. All of it on the calling thread.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn covmap_analysis_encode(
    analysis: *const Analysis,
    format: *const c_char,
    options: *const Options,
    out: *mut *mut Bytes,
) -> Status {
    guard_status(|| {
        // SAFETY: the header asks for a place to write to, an analysis, a string, and NULL or options.
        let (out, analysis, format, options) = unsafe {
            let out = pointer::result(out, "out")?;
            (out, pointer::shared(analysis, "analysis")?, pointer::c_str(format, "format")?, options.as_ref())
        };
        let defaults = Options::default();
        let options = options.unwrap_or(&defaults).only_for(Use::Result)?;
        let format = pointer::utf8(format, "format")?;
        *out = Bytes::boxed(covmap_core::alone(|| analysis.encode(format, options))?);
        Ok(())
    })
}

/// Frees an analysis and the maps borrowed from it; NULL is allowed.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn covmap_analysis_free(analysis: *mut Analysis) {
    // SAFETY: the header asks for an analysis of covmap_analyze_... that nobody uses any more.
    unsafe { free(analysis) }
}

impl Analysis {
    fn encode(&self, format: &str, options: &Options) -> Result<Vec<u8>> {
        let (radiograph, analysis) = (&self.radiograph, &self.inner);
        let overlay = || render::analysis_overlay(radiograph, analysis, &options.overlay());
        match format {
            "json" => Ok(format!("{:#}", report::to_json(analysis, self.file.as_deref())).into_bytes()),
            "html" => {
                let mut page = HtmlOptions::default();
                (page.file, page.overlay, page.training) = (self.file.clone(), options.overlay(), self.training.to_vec());
                Ok(report::to_html(radiograph, analysis, &page)?.into_bytes())
            }
            "overlay" => Ok(overlay()?.into_raw_vec_and_offset().0),
            "overlay.png" => render::encode_rgb(&overlay()?),
            "infection.png" => render::encode_grey(analysis.infection.bytes()),
            "lung.png" => match &analysis.lungs {
                Some(lungs) => render::encode_grey(lungs.labels()),
                None => render::encode_grey(&analysis.infection.bytes().mapv(|_| 0)),
            },
            _ => {
                let object = format.strip_suffix(".dcm").and_then(|name| name.parse::<DicomObject>().ok());
                let object = object.ok_or_else(|| {
                    let known = "json, html, overlay, overlay.png, infection.png, lung.png, seg.dcm, map.dcm, sr.dcm, sc.dcm";
                    Error::Parameter(format!("unknown format {format:?}; known: {known}"))
                })?;
                let mut dicom = DicomOptions::default();
                (dicom.overlay, dicom.options) = (options.overlay(), self.choices.clone());
                report::to_dicom(radiograph, analysis, object, &dicom)
            }
        }
    }
}

fn rows<T>(map: Option<&[T]>) -> Result<*const T> {
    map.map(<[T]>::as_ptr).ok_or_else(|| Error::Internal("a map with gaps between its rows".into()))
}
