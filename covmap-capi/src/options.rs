//! Options as pairs of strings.

use std::ffi::c_char;
use std::path::PathBuf;
use std::str::FromStr;
use std::sync::Arc;
use std::time::{Duration, Instant};

use covmap_core::engine::ModelSpec;
use covmap_core::radiograph::{BufferOptions, Photometric};
use covmap_core::render::{Colormap, OverlayOptions};
use covmap_core::{CancelToken, Error, Fusion, Model, ModelOptions, OperatingPoint, Precision, ReadOptions, Result, RunOptions, Views};

use crate::pointer;
use crate::runner::Runner;
use crate::status::{Status, free, guard, guard_status};

/// What a call does with options.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Use {
    /// Builds a pipeline.
    Pipeline,
    /// Reads and analyses a radiograph.
    Analysis,
    /// Writes a result.
    Result,
}

/// Every option, and what it is for.
const KNOWN: [(&str, &[Use]); 15] = [
    ("model", &[Use::Pipeline]),
    ("fusion", &[Use::Pipeline]),
    ("threads", &[Use::Pipeline]),
    ("views", &[Use::Pipeline, Use::Analysis]),
    ("operating_point", &[Use::Pipeline, Use::Analysis]),
    ("precision", &[Use::Pipeline, Use::Analysis]),
    ("max_memory_bytes", &[Use::Pipeline, Use::Analysis]),
    ("timeout_ms", &[Use::Analysis]),
    ("frame", &[Use::Analysis]),
    ("photometric", &[Use::Analysis]),
    ("window", &[Use::Analysis]),
    ("spacing_mm", &[Use::Analysis]),
    ("colormap", &[Use::Result]),
    ("opacity", &[Use::Result]),
    ("contour", &[Use::Result]),
];

/// What a cancel token is called among the options.
const CANCEL: &str = "a cancel token";

/// Options of a pipeline, of one analysis or of one result, by name.
#[derive(Debug, Clone, Default)]
pub struct Options {
    given: Vec<&'static str>,
    models: Vec<Source>,
    fusion: Option<Fusion>,
    threads: Option<usize>,
    pub(crate) runner: Option<Runner>,
    views: Option<Views>,
    operating_point: Option<OperatingPoint>,
    precision: Option<Precision>,
    max_memory: Option<u64>,
    timeout: Option<Duration>,
    cancel: Option<CancelToken>,
    frame: u32,
    buffer: BufferOptions,
    overlay: OverlayOptions,
}

#[derive(Debug, Clone)]
enum Source {
    File(PathBuf),
    Bytes(Arc<[u8]>, Option<Box<ModelSpec>>),
}

impl Options {
    /// Refuses an option that means nothing to this call.
    pub(crate) fn only_for(&self, call: Use) -> Result<&Self> {
        let uses = |name: &str| KNOWN.iter().find(|(known, _)| *known == name).map_or(&[Use::Analysis][..], |(_, uses)| uses);
        let stranger = self.given.iter().find(|name| !uses(name).contains(&call));
        let stranger = stranger.or(self.runner.filter(|_| call != Use::Pipeline).map(|_| &"runner"));
        let calls = match call {
            Use::Pipeline => "covmap_pipeline_new",
            Use::Analysis => "covmap_analyze_...",
            Use::Result => "covmap_analysis_encode",
        };
        stranger.map_or(Ok(self), |name| Err(Error::Parameter(format!("{name} is no option of {calls}"))))
    }

    /// The models, loaded; the bundled one where none is named.
    pub(crate) fn models(&self) -> Result<Vec<Model>> {
        let options = ModelOptions::default();
        if self.models.is_empty() {
            return Ok(vec![Model::bundled(&options)?]);
        }
        let load = |source: &Source| match source {
            Source::File(path) => Model::open(path, &options),
            Source::Bytes(bytes, spec) => {
                let mut options = options.clone();
                options.spec = spec.as_deref().cloned();
                Model::from_bytes(bytes.to_vec(), &options)
            }
        };
        self.models.iter().map(load).collect()
    }

    pub(crate) fn fusion(&self) -> Fusion {
        self.fusion.unwrap_or_default()
    }

    /// All processors where nothing else was asked for.
    pub(crate) fn threads(&self) -> usize {
        self.threads.unwrap_or_else(|| std::thread::available_parallelism().map_or(1, usize::from))
    }

    /// How an analysis runs where these options change what `run` says. The clock of the time limit starts here.
    pub(crate) fn over(&self, run: &RunOptions) -> RunOptions {
        let mut run = run.clone();
        run.views = self.views.unwrap_or(run.views);
        run.operating_point = self.operating_point.unwrap_or(run.operating_point);
        run.precision = self.precision.unwrap_or(run.precision);
        run.limits.max_memory_bytes = self.max_memory.unwrap_or(run.limits.max_memory_bytes);
        run.cancel = self.cancel.clone().or(run.cancel);
        run.deadline = self.timeout.and_then(|limit| Instant::now().checked_add(limit)).or(run.deadline);
        run
    }

    pub(crate) fn read(&self) -> ReadOptions {
        ReadOptions::default().frame(self.frame)
    }

    pub(crate) fn buffer(&self) -> &BufferOptions {
        &self.buffer
    }

    pub(crate) fn overlay(&self) -> OverlayOptions {
        self.overlay
    }

    /// For analyses alone, whoever else the options are given to.
    pub(crate) fn cancel_by(&mut self, token: CancelToken) {
        self.cancel = Some(token);
        self.given.push(CANCEL);
    }

    fn set(&mut self, name: &'static str, value: &str) -> Result<()> {
        match name {
            "fusion" => self.fusion = Some(value.parse()?),
            "threads" => self.threads = Some(number(name, value, 1..=4096)?),
            "views" => self.views = Some(value.parse()?),
            "operating_point" => self.operating_point = Some(value.parse()?),
            "precision" => self.precision = Some(value.parse()?),
            "max_memory_bytes" => self.max_memory = Some(number(name, value, 0..=u64::MAX)?),
            "timeout_ms" => self.timeout = Some(Duration::from_millis(number(name, value, 0..=u64::MAX)?)),
            "frame" => self.frame = number(name, value, 0..=u32::MAX)?,
            "photometric" => self.buffer.photometric = photometric(value)?,
            "window" => self.buffer.window = Some(pair(name, value)?),
            "spacing_mm" => self.buffer.spacing_mm = Some(pair(name, value)?),
            "colormap" => self.overlay.colormap = value.parse::<Colormap>()?,
            "opacity" => self.overlay.opacity = number(name, value, 0.0..=1.0)?,
            "contour" => self.overlay.contour = number(name, value, 0..=1)? == 1,
            _ => return Err(Error::Internal(format!("option {name} without a meaning"))),
        }
        Ok(())
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
///   "threads"         threads of one analysis, and images at once in a batch, at least "1"; all processors by default. With
///                     "1" an analysis runs on the calling thread alone. covmap_options_set_runner brings the caller's.
/// Options of a pipeline or of one analysis:
///   "views"           test-time views: "none" (default), "flip" (also the mirror image; twice the time)
///   "operating_point" where detection says positive: "specificity95" (default), "sensitivity95"
///   "precision"       arithmetic of the network: "auto" (default), "f32", "bf16"
///   "max_memory_bytes" ends an analysis with COVMAP_STATUS_LIMITS_EXCEEDED before it starts where it would need more beside
///                     pipeline and radiograph; "2147483648" by default
/// Options of one analysis:
///   "timeout_ms"      ends it with COVMAP_STATUS_CANCELLED soon after as many milliseconds; ten minutes end it in any case
///   "frame"           frame of a multi-frame DICOM file or page of a TIFF file, counted from "0" (default)
///   "photometric"     what bright means in a buffer: "MONOCHROME2" (dense, default), "MONOCHROME1" (thin: it is inverted)
///   "window"          grey levels of a buffer shown as black and as white, "LOW,HIGH"; its full range by default
///   "spacing_mm"      distance between pixel centres of a buffer, "BETWEEN_ROWS,BETWEEN_COLUMNS"; unknown by default
/// Options of covmap_analysis_encode:
///   "colormap"        colours of the overlay: "jet" (default), "cividis"
///   "opacity"         how strongly colour covers grey, "0" to "1"; "0.6" by default
///   "contour"         "1" outlines in the overlay what counts as opacity; "0" by default
///
/// COVMAP_STATUS_PARAMETER for an unknown key or value. A call refuses options that mean nothing to it.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn covmap_options_set(options: *mut Options, key: *const c_char, value: *const c_char) -> Status {
    guard_status(|| {
        // SAFETY: the header asks for options of covmap_options_new and two strings.
        let (options, key, value) =
            unsafe { (pointer::exclusive(options, "options")?, pointer::c_str(key, "key")?, pointer::c_str(value, "value")?) };
        let key = pointer::utf8(key, "key")?;
        let Some((name, _)) = KNOWN.iter().find(|(name, _)| *name == key) else {
            let known = KNOWN.map(|(name, _)| name).join(", ");
            return Err(Error::Parameter(format!("unknown option {key:?}; known: {known}")));
        };
        match *name {
            "model" => options.models.push(Source::File(pointer::path(value)?)),
            name => options.set(name, pointer::utf8(value, "value")?)?,
        }
        options.given.push(name);
        Ok(())
    })
}

/// As the option "model", with the size bytes of an ONNX file, which are copied. The description, in JSON, may be NULL where
/// the file carries its own.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn covmap_options_add_model(
    options: *mut Options,
    bytes: *const u8,
    size: usize,
    description: *const c_char,
) -> Status {
    guard_status(|| {
        // SAFETY: the header asks for options of covmap_options_new and size bytes.
        let (options, bytes) = unsafe { (pointer::exclusive(options, "options")?, pointer::slice(bytes, size, "bytes")?) };
        // SAFETY: the header asks for NULL or a string.
        let description = if description.is_null() { None } else { Some(unsafe { pointer::c_str(description, "description") }?) };
        let spec = description.map(|text| ModelSpec::from_json(pointer::utf8(text, "description")?)).transpose()?.map(Box::new);
        options.models.push(Source::Bytes(bytes.into(), spec));
        options.given.push("model");
        Ok(())
    })
}

/// Frees options; NULL is allowed.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn covmap_options_free(options: *mut Options) {
    // SAFETY: the header asks for options of covmap_options_new that nobody uses any more.
    unsafe { free(options) }
}

fn number<T: FromStr + PartialOrd + std::fmt::Display>(name: &str, text: &str, range: std::ops::RangeInclusive<T>) -> Result<T> {
    let wrong = || Error::Parameter(format!("{name} {text:?} is not a number from {} to {}", range.start(), range.end()));
    text.parse().ok().filter(|n| range.contains(n)).ok_or_else(wrong)
}

fn pair<T: FromStr>(name: &str, text: &str) -> Result<[T; 2]> {
    let two = text.split_once(',').and_then(|(a, b)| Some([a.trim().parse().ok()?, b.trim().parse().ok()?]));
    two.ok_or_else(|| Error::Parameter(format!("{name} {text:?} is not two numbers with a comma between")))
}

fn photometric(text: &str) -> Result<Photometric> {
    match text {
        "MONOCHROME1" => Ok(Photometric::Monochrome1),
        "MONOCHROME2" => Ok(Photometric::Monochrome2),
        _ => Err(Error::Parameter(format!("unknown photometric {text:?}; known: MONOCHROME1, MONOCHROME2"))),
    }
}
