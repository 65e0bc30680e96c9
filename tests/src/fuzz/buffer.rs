//! Pixels, strides and options through the C interface.
#![allow(unsafe_code)]

use std::ffi::{CStr, CString, c_char};
use std::ptr::{null, null_mut};
use std::sync::OnceLock;

use arbitrary::Unstructured;
use covmap::*;
use serde_json::Value;

use crate::models::little;

const KEYS: [&str; 11] =
    ["views", "operating_point", "precision", "frame", "photometric", "window", "spacing_mm", "colormap", "opacity", "contour", "threads"];
const VALUES: [&str; 18] = [
    "none",
    "flip",
    "sensitivity95",
    "f32",
    "bf16",
    "0",
    "1",
    "MONOCHROME1",
    "0,255",
    "4095,0",
    "nan,1",
    "0.2,0.3",
    "1e30,1e38",
    "-1,inf",
    "1e-300,1e300",
    "cividis",
    "0.5",
    "\u{fffd}",
];
const FORMATS: [&CStr; 11] =
    [c"json", c"html", c"overlay", c"overlay.png", c"infection.png", c"lung.png", c"seg.dcm", c"map.dcm", c"sr.dcm", c"sc.dcm", c"other"];

/// One analysis by a little network: from pixels with gaps between the rows, without gaps, and on three threads.
pub fn run(bytes: &[u8]) {
    let mut input = Unstructured::new(bytes);
    let _ = analyse(&mut input);
}

fn analyse(input: &mut Unstructured<'_>) -> arbitrary::Result<()> {
    let wide = input.arbitrary()?;
    let large = input.ratio(1, 400)?;
    let side = if large { 1000..=1400usize } else { 0..=90usize };
    let (width, height) = (input.int_in_range(side.clone())?, input.int_in_range(side)?);
    // Now and then shorter than a row.
    let stride = (width + input.int_in_range(0..=12usize)?).saturating_sub(2);
    let (run, result) = (Options::random(input)?, Options::random(input)?);
    let format = *input.choose(&FORMATS)?;
    let rest = input.bytes(input.len())?;
    let sample = |i: usize| if rest.is_empty() { (i * 31) as u16 } else { u16::from(rest[i % rest.len()]) << 8 | (i % 256) as u16 };
    let count = |stride: usize| if width * height == 0 { 0 } else { (height - 1) * stride + width };
    let gapped: Vec<u16> = (0..count(stride)).map(sample).collect();

    let one = Seen::new(0, wide, &gapped, [width, height, stride], &run, &result, format);
    assert!(one == Seen::new(1, wide, &gapped, [width, height, stride], &run, &result, format), "three threads differ from one");
    if stride >= width && !gapped.is_empty() {
        let dense: Vec<u16> = gapped.chunks(stride.max(1)).flat_map(|row| &row[..width]).copied().collect();
        assert!(one == Seen::new(0, wide, &dense, [width, height, width], &run, &result, format), "the gaps between rows were read");
    } else {
        assert!(one.status != Status::Ok, "a stride shorter than a row");
    }
    Ok(())
}

/// What a C program sees of one analysis.
#[derive(PartialEq)]
struct Seen {
    status: Status,
    json: Vec<u8>,
    encoded: Result<Vec<u8>, Status>,
}

impl Seen {
    fn new(
        pipeline: usize,
        wide: bool,
        pixels: &[u16],
        [width, height, stride]: [usize; 3],
        run: &Options,
        result: &Options,
        format: &CStr,
    ) -> Self {
        let (pipeline, mut analysis) = (pipelines()[pipeline] as *const Pipeline, null_mut());
        // Exactly as many as are read, so that one more would be found out.
        let narrow: Vec<u8> = pixels.iter().map(|pixel| (pixel >> 8) as u8).collect();
        // SAFETY: the pipeline lives for ever, the pixels are as many as width, height and stride ask for, and the result may be written.
        let status = unsafe {
            if wide {
                covmap_analyze_u16(pipeline, pixels.as_ptr(), width, height, stride, run.0, &raw mut analysis)
            } else {
                covmap_analyze_u8(pipeline, narrow.as_ptr(), width, height, stride, run.0, &raw mut analysis)
            }
        };
        told(status);
        assert_eq!(analysis.is_null(), status != Status::Ok);
        let mut seen = Seen { status, json: Vec::new(), encoded: Err(status) };
        if status == Status::Ok {
            let (mut w, mut h) = (0, 0);
            // SAFETY: an analysis that is freed after its last use; its maps have width times height bytes.
            unsafe {
                assert_eq!(covmap_analysis_size(analysis, &raw mut w, &raw mut h), Status::Ok);
                assert_eq!((w, h), (width, height));
                let map = std::slice::from_raw_parts(covmap_analysis_infection(analysis), w * h);
                let lungs = std::slice::from_raw_parts(covmap_analysis_lungs(analysis), w * h);
                seen.json = encoded(analysis, c"json", null()).expect("JSON");
                figures(&serde_json::from_slice(&seen.json).expect("JSON"), map, lungs);
                seen.encoded = encoded(analysis, format, result.0);
                covmap_analysis_free(analysis);
            }
        }
        seen
    }
}

fn figures(json: &Value, map: &[u8], lungs: &[u8]) {
    assert!(map.iter().zip(lungs).all(|(byte, label)| *label <= 2 && (*byte == 0 || *label > 0)), "opacity outside the lungs");
    let count = |value: &Value| value.as_u64().expect("a count");
    let of = |label: u8| lungs.iter().filter(|l| **l == label).count() as u64;
    let (right, left) = (of(1), of(2));
    assert_eq!([&json["lung"]["right_px"], &json["lung"]["left_px"], &json["lung"]["area_px"]].map(count), [right, left, right + left]);
    let infected = map.iter().filter(|byte| **byte >= 128).count() as u64;
    assert_eq!(count(&json["infection"]["area_px"]), infected);
    let share = json["infection"]["share"].as_f64();
    assert_eq!(share, (right + left > 0).then(|| infected as f64 / (right + left) as f64));
    let shares = json["infection"]["zones"]
        .as_object()
        .expect("zones")
        .values()
        .chain([&json["infection"]["right_share"], &json["infection"]["left_share"]]);
    assert!(shares.filter_map(Value::as_f64).all(|share| (0.0..=1.0).contains(&share)));
    assert!(json["detection"]["probability"].as_f64().is_none_or(|p| (0.0..=1.0).contains(&p)));
}

/// # Safety
/// A live analysis, and NULL or live options.
unsafe fn encoded(analysis: *const Analysis, format: &CStr, options: *const covmap::Options) -> Result<Vec<u8>, Status> {
    let mut bytes = null_mut();
    // SAFETY: the caller's promise; the bytes are copied before they are freed.
    unsafe {
        let status = covmap_analysis_encode(analysis, format.as_ptr(), options, &raw mut bytes);
        told(status);
        if status != Status::Ok {
            return Err(status);
        }
        let copy = std::slice::from_raw_parts(covmap_bytes_data(bytes), covmap_bytes_size(bytes)).to_vec();
        covmap_bytes_free(bytes);
        Ok(copy)
    }
}

/// A failure has a text, and is no defect of the library.
fn told(status: Status) {
    // SAFETY: a string of this thread, read before its next call.
    let text = unsafe { CStr::from_ptr(covmap_last_error()) };
    assert_eq!(status == Status::Ok, text.is_empty(), "{text:?}");
    assert!(status != Status::Internal, "{text:?}");
}

/// Options as a C program sets them, NULL among them.
struct Options(*mut covmap::Options);

impl Options {
    fn random(input: &mut Unstructured<'_>) -> arbitrary::Result<Self> {
        if input.ratio(1, 4)? {
            return Ok(Options(null_mut()));
        }
        let options = Options(covmap_options_new());
        for _ in 0..input.int_in_range(0..=3)? {
            let key = *input.choose(&KEYS)?;
            let value = if input.ratio(1, 3)? { input.arbitrary::<&str>()?.to_owned() } else { (*input.choose(&VALUES)?).to_owned() };
            let [key, value] = [key.to_owned(), value].map(|text| CString::new(text.replace('\0', "?")).unwrap_or_default());
            // SAFETY: live options and two strings.
            told(unsafe { covmap_options_set(options.0, key.as_ptr(), value.as_ptr()) });
        }
        Ok(options)
    }
}

impl Drop for Options {
    fn drop(&mut self) {
        // SAFETY: NULL, or options that nobody uses any more.
        unsafe { covmap_options_free(self.0) }
    }
}

/// Addresses of two pipelines: one thread, three threads.
fn pipelines() -> &'static [usize; 2] {
    static PIPELINES: OnceLock<[usize; 2]> = OnceLock::new();
    PIPELINES.get_or_init(|| {
        [c"1", c"3"].map(|threads| {
            let (options, mut pipeline, model) = (covmap_options_new(), null_mut(), little(1.0));
            let description: *const c_char = null();
            // SAFETY: live options, strings, and as many bytes as the model has.
            unsafe {
                assert_eq!(covmap_options_set(options, c"threads".as_ptr(), threads.as_ptr()), Status::Ok);
                assert_eq!(covmap_options_add_model(options, model.as_ptr(), model.len(), description), Status::Ok);
                assert_eq!(covmap_pipeline_new(options, &raw mut pipeline), Status::Ok);
                covmap_options_free(options);
            }
            pipeline as usize
        })
    })
}
