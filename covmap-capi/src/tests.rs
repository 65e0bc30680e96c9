//! What a C program can do wrong, and panics that must stay inside.

use std::cell::Cell;
use std::ffi::{CStr, CString, c_char, c_int, c_void};
use std::ptr::{null, null_mut};

use covmap_core::{ErrorKind, Phantom, phantom::PhantomOptions};

use super::*;

thread_local! {
    static PANIC: Cell<bool> = const { Cell::new(false) };
}

/// Called inside the guard of every exported function.
pub(crate) fn panic_if_asked() {
    assert!(!PANIC.take(), "asked for by a test");
}

fn last_error() -> &'static str {
    // SAFETY: a string of this thread, read before its next call.
    unsafe { CStr::from_ptr(covmap_last_error()) }.to_str().unwrap()
}

/// Every exported function that runs code of its own panics inside and answers with a status or NULL.
#[test]
fn panics_stay_inside() {
    let inside = |what: &str, call: &dyn Fn() -> bool| {
        PANIC.set(true);
        assert!(call(), "{what}");
        assert!(!PANIC.get(), "{what} runs outside the guard");
        assert_eq!(last_error(), "internal error: a panic: asked for by a test", "{what}");
    };
    let (mut pipeline, mut analysis, mut bytes) = (null_mut(), null_mut(), null_mut());
    let (pipeline, analysis, bytes) = (&raw mut pipeline, &raw mut analysis, &raw mut bytes);
    // SAFETY: NULL is allowed everywhere, and both results may be written.
    unsafe {
        inside("options_new", &|| covmap_options_new().is_null());
        inside("options_set", &|| covmap_options_set(null_mut(), null(), null()) == Status::Internal);
        inside("pipeline_new", &|| covmap_pipeline_new(null(), pipeline) == Status::Internal);
        inside("analyze_file", &|| covmap_analyze_file(null(), null(), null(), analysis) == Status::Internal);
        inside("analyze_bytes", &|| covmap_analyze_bytes(null(), null(), 0, null(), analysis) == Status::Internal);
        inside("analyze_u8", &|| covmap_analyze_u8(null(), null(), 0, 0, 0, null(), analysis) == Status::Internal);
        inside("analyze_u16", &|| covmap_analyze_u16(null(), null(), 0, 0, 0, null(), analysis) == Status::Internal);
        inside("analysis_size", &|| covmap_analysis_size(null(), null_mut(), null_mut()) == Status::Internal);
        inside("analysis_infection", &|| covmap_analysis_infection(null()).is_null());
        inside("analysis_lungs", &|| covmap_analysis_lungs(null()).is_null());
        inside("analysis_probability", &|| covmap_analysis_probability(null(), null_mut(), null_mut()).is_null());
        inside("analysis_encode", &|| covmap_analysis_encode(null(), null(), null(), bytes) == Status::Internal);
        inside("analyze_files", &|| covmap_analyze_files(null(), null(), 0, null(), None, null_mut()) == Status::Internal);
        inside("options_add_model", &|| covmap_options_add_model(null_mut(), null(), 0, null()) == Status::Internal);
        inside("options_set_runner", &|| covmap_options_set_runner(null_mut(), None, null_mut()) == Status::Internal);
        inside("pipeline_describe", &|| covmap_pipeline_describe(null(), bytes) == Status::Internal);
        inside("bytes_data", &|| covmap_bytes_data(null()).is_null());
        inside("bytes_size", &|| covmap_bytes_size(null()) == 0);
        inside("cancel_token_new", &|| covmap_cancel_token_new().is_null());
        inside("cancel_token_cancel", &|| covmap_cancel_token_cancel(null()) == Status::Internal);
        inside("options_set_cancel_token", &|| covmap_options_set_cancel_token(null_mut(), null()) == Status::Internal);
        inside("set_log", &|| covmap_set_log(None, null_mut(), null()) == Status::Internal);
        let options = covmap_options_new();
        PANIC.set(true);
        covmap_options_free(options);
        assert!(!PANIC.get());
    }
}

#[test]
fn every_kind_of_error_has_its_status() {
    let kinds = [
        (ErrorKind::Io, Status::Io),
        (ErrorKind::Input, Status::Input),
        (ErrorKind::Model, Status::Model),
        (ErrorKind::Parameter, Status::Parameter),
        (ErrorKind::LimitsExceeded, Status::LimitsExceeded),
        (ErrorKind::Cancelled, Status::Cancelled),
        (ErrorKind::Internal, Status::Internal),
    ];
    assert!(kinds.into_iter().all(|(kind, status)| Status::from(kind) == status));
}

#[test]
fn null_is_the_callers_mistake() {
    // SAFETY: NULL is allowed everywhere.
    unsafe {
        assert_eq!(covmap_pipeline_new(null(), null_mut()), Status::Parameter);
        assert_eq!(last_error(), "out is NULL");
        let mut analysis = std::ptr::dangling_mut();
        assert_eq!(covmap_analyze_u8(null(), null(), 1, 1, 1, null(), &raw mut analysis), Status::Parameter);
        assert_eq!((last_error(), analysis.is_null()), ("pipeline is NULL", true));
        assert!(covmap_analysis_infection(null()).is_null());
        assert_eq!(last_error(), "analysis is NULL");
        covmap_analysis_free(null_mut());
        covmap_pipeline_free(null_mut());
        covmap_options_free(null_mut());
        assert_eq!(last_error(), "analysis is NULL");
    }
}

#[test]
fn options_are_checked_when_set() {
    let options = covmap_options_new();
    assert_eq!(last_error(), "");
    let set = |key: &CStr, value: &CStr| {
        // SAFETY: live options and two strings.
        let status = unsafe { covmap_options_set(options, key.as_ptr(), value.as_ptr()) };
        (status, last_error())
    };
    assert_eq!(set(c"views", c"flip"), (Status::Ok, ""));
    assert_eq!(set(c"views", c"twice"), (Status::Parameter, "unknown views \"twice\"; known: none, flip"));
    assert_eq!(set(c"threads", c"0"), (Status::Parameter, "threads \"0\" is not a number from 1 to 4096"));
    assert_eq!(set(c"view", c"flip").0, Status::Parameter);
    assert_eq!(set(c"window", c"5").1, "window \"5\" is not two numbers with a comma between");
    assert_eq!(set(c"opacity", c"nan").0, Status::Parameter);
    assert_eq!(set(c"photometric", c"RGB").0, Status::Parameter);
    assert_eq!(set(c"fusion", c"\xff"), (Status::Parameter, "value is not UTF-8"));
    assert_eq!(set(c"model", c"/nowhere.onnx"), (Status::Ok, ""));
    let mut pipeline = null_mut();
    // SAFETY: live options, freed once.
    unsafe {
        assert_eq!(covmap_pipeline_new(options, &raw mut pipeline), Status::Io);
        assert!(last_error().contains("/nowhere.onnx"));
        covmap_options_free(options);
    }
}

#[test]
fn a_radiograph_is_analysed_in_every_form() {
    let mut small = PhantomOptions::default();
    (small.width, small.height) = (300, 200);
    let phantom = Phantom::new(&small).unwrap();
    let png = phantom.to_png().unwrap();
    // Rows with a gap behind each.
    let strided: Vec<u16> = phantom.pixels.rows().into_iter().flat_map(|r| r.to_vec().into_iter().chain([7; 5])).collect();
    let mut pipeline = null_mut();
    let (mut from_bytes, mut from_pixels, mut other) = (null_mut(), null_mut(), null_mut());
    let options = covmap_options_new();
    // SAFETY: live handles, buffers of the stated sizes, each handle freed once.
    unsafe {
        covmap_options_set(options, c"threads".as_ptr(), c"1".as_ptr());
        assert_eq!(covmap_pipeline_new(options, &raw mut pipeline), Status::Ok, "{}", last_error());
        assert_eq!(covmap_analyze_bytes(pipeline, png.as_ptr(), png.len(), null(), &raw mut from_bytes), Status::Ok);
        assert_eq!(covmap_analyze_u16(pipeline, strided.as_ptr(), 300, 200, 305, null(), &raw mut from_pixels), Status::Ok);
        let (mut width, mut height) = (0, 0);
        assert_eq!(covmap_analysis_size(from_pixels, &raw mut width, &raw mut height), Status::Ok);
        assert_eq!((width, height), (300, 200));
        assert_eq!((*from_bytes).inner.infection, (*from_pixels).inner.infection);
        let map = std::slice::from_raw_parts(covmap_analysis_infection(from_pixels), width * height);
        assert_eq!(map, (*from_pixels).inner.infection.bytes().as_slice().unwrap());

        assert_eq!(covmap_analyze_bytes(pipeline, png.as_ptr(), 20, null(), &raw mut other), Status::Input);
        assert_eq!(covmap_analyze_u16(pipeline, strided.as_ptr(), 300, 200, 299, null(), &raw mut other), Status::Parameter);
        assert_eq!(covmap_analyze_u16(pipeline, strided.as_ptr(), 300, 200, usize::MAX, null(), &raw mut other), Status::Parameter);
        assert_eq!(covmap_analyze_u16(pipeline, strided.as_ptr(), 0, 200, 300, null(), &raw mut other), Status::Input);
        let odd = strided.as_ptr().byte_add(1);
        assert_eq!(covmap_analyze_u16(pipeline, odd, 1, 1, 1, null(), &raw mut other), Status::Parameter);
        assert_eq!(covmap_analyze_u16(pipeline, strided.as_ptr(), 300, 200, 305, options, &raw mut other), Status::Parameter);
        assert!(last_error() == "threads is no option of covmap_analyze_...");
        assert!(other.is_null());
        covmap_pipeline_free(pipeline);
        covmap_options_free(options);

        // Results outlive their pipeline.
        let json = encoded(from_pixels, c"json");
        assert_eq!(json, format!("{:#}", covmap_core::report::to_json(&(*from_pixels).inner, None)).into_bytes());
        covmap_analysis_free(from_bytes);
        covmap_analysis_free(from_pixels);
    }
}

fn encoded(analysis: *const Analysis, format: &CStr) -> Vec<u8> {
    let mut bytes = null_mut();
    // SAFETY: a live analysis, and the bytes are freed once.
    unsafe {
        assert_eq!(covmap_analysis_encode(analysis, format.as_ptr(), null(), &raw mut bytes), Status::Ok, "{}", last_error());
        let size = covmap_bytes_size(bytes);
        let copy = std::slice::from_raw_parts(covmap_bytes_data(bytes), size + 1).to_vec();
        covmap_bytes_free(bytes);
        assert_eq!(copy.last(), Some(&0));
        copy[..size].to_vec()
    }
}

fn pipeline(set: &[(&CStr, &CStr)]) -> *mut Pipeline {
    let options = covmap_options_new();
    let mut pipeline = null_mut();
    // SAFETY: live options, freed once.
    unsafe {
        for (key, value) in set {
            assert_eq!(covmap_options_set(options, key.as_ptr(), value.as_ptr()), Status::Ok, "{}", last_error());
        }
        assert_eq!(covmap_pipeline_new(options, &raw mut pipeline), Status::Ok, "{}", last_error());
        covmap_options_free(options);
    }
    pipeline
}

#[test]
fn every_format_is_what_the_core_makes() {
    let dicom = Phantom::new(&PhantomOptions::default()).unwrap().to_dicom().unwrap();
    let pipeline = pipeline(&[(c"threads", c"1")]);
    let mut analysis = null_mut();
    // SAFETY: live handles and a buffer of its size; each handle freed once.
    unsafe {
        assert_eq!(covmap_analyze_bytes(pipeline, dicom.as_ptr(), dicom.len(), null(), &raw mut analysis), Status::Ok);
        let Analysis { inner, radiograph, choices, .. } = &*analysis;
        for (format, object) in [
            (c"seg.dcm", covmap_core::report::DicomObject::Segmentation),
            (c"map.dcm", covmap_core::report::DicomObject::ProbabilityMap),
            (c"sr.dcm", covmap_core::report::DicomObject::StructuredReport),
            (c"sc.dcm", covmap_core::report::DicomObject::SecondaryCapture),
        ] {
            let mut options = covmap_core::report::DicomOptions::default();
            options.options = choices.clone();
            assert_eq!(encoded(analysis, format), covmap_core::report::to_dicom(radiograph, inner, object, &options).unwrap());
        }
        assert_eq!(choices, "mean none");
        assert_eq!(encoded(analysis, c"overlay").len(), 3 * inner.width * inner.height);
        for picture in [c"overlay.png", c"infection.png", c"lung.png"] {
            assert!(encoded(analysis, picture).starts_with(b"\x89PNG"));
        }
        assert!(
            String::from_utf8(encoded(analysis, c"html")).unwrap().contains(&*html_escaped(&(*analysis).training.first().unwrap().license))
        );
        let mut bytes = null_mut();
        assert_eq!(covmap_analysis_encode(analysis, c"bmp".as_ptr(), null(), &raw mut bytes), Status::Parameter);
        assert!(bytes.is_null() && last_error().starts_with("unknown format \"bmp\""));
        let (mut width, mut height) = (0, 0);
        let map = covmap_analysis_probability(analysis, &raw mut width, &raw mut height);
        let probability = inner.infection.probability().map();
        assert_eq!((height, width), probability.dim());
        assert_eq!(std::slice::from_raw_parts(map, width * height), probability.as_slice().unwrap());
        covmap_analysis_free(analysis);
        covmap_pipeline_free(pipeline);
    }
}

fn html_escaped(text: &str) -> String {
    text.split(['&', '<', '>', '"', '\'']).next().unwrap_or_default().to_owned()
}

struct Seen {
    outcomes: Vec<(usize, Status, String)>,
    stop_after: usize,
}

unsafe extern "C" fn see(user: *mut c_void, index: usize, status: Status, error: *const c_char, analysis: *mut Analysis) -> c_int {
    // SAFETY: the test's own data, a string, and an analysis that is ours.
    unsafe {
        let seen = &mut *user.cast::<Seen>();
        assert_eq!(status == Status::Ok, !analysis.is_null());
        seen.outcomes.push((index, status, CStr::from_ptr(error).to_str().unwrap().to_owned()));
        covmap_analysis_free(analysis);
        c_int::from(seen.outcomes.len() == seen.stop_after)
    }
}

#[test]
fn a_batch_goes_on_after_a_failure_and_ends_where_the_callback_says() {
    let folder = tempfile::tempdir().unwrap();
    let good = folder.path().join("good.png");
    std::fs::write(&good, Phantom::new(&PhantomOptions::default()).unwrap().to_png().unwrap()).unwrap();
    let good = CString::new(good.to_str().unwrap()).unwrap();
    let paths = [good.as_ptr(), c"/nowhere.png".as_ptr(), good.as_ptr(), good.as_ptr()];
    let pipeline = pipeline(&[(c"threads", c"2")]);
    let run = |stop_after| {
        let mut seen = Seen { outcomes: Vec::new(), stop_after };
        // SAFETY: four strings, and a callback that knows its data.
        let status = unsafe { covmap_analyze_files(pipeline, paths.as_ptr(), 4, null(), Some(see), (&raw mut seen).cast()) };
        (status, seen.outcomes)
    };
    let (status, outcomes) = run(0);
    assert_eq!(status, Status::Ok);
    assert_eq!(
        outcomes.iter().map(|o| (o.0, o.1)).collect::<Vec<_>>(),
        [(0, Status::Ok), (1, Status::Io), (2, Status::Ok), (3, Status::Ok)]
    );
    assert!(outcomes[1].2.contains("/nowhere.png") && outcomes[0].2.is_empty());
    let (status, outcomes) = run(2);
    assert_eq!((status, outcomes.len()), (Status::Cancelled, 2));
    // SAFETY: a live pipeline, freed once.
    unsafe { covmap_pipeline_free(pipeline) };
}

#[test]
fn options_reach_what_they_are_for() {
    let pipeline = pipeline(&[(c"threads", c"1"), (c"views", c"flip")]);
    let bright: Vec<u16> = (0..200 * 200).map(|i| (i % 200) as u16).collect();
    let dark: Vec<u16> = bright.iter().map(|v| 4095 - v * 20).collect();
    let analyse = |pixels: &[u16], set: &[(&CStr, &CStr)]| {
        let options = covmap_options_new();
        let mut analysis = null_mut();
        // SAFETY: live handles and 200 x 200 pixels.
        unsafe {
            for (key, value) in set {
                assert_eq!(covmap_options_set(options, key.as_ptr(), value.as_ptr()), Status::Ok, "{}", last_error());
            }
            let status = covmap_analyze_u16(pipeline, pixels.as_ptr(), 200, 200, 200, options, &raw mut analysis);
            covmap_options_free(options);
            (status, analysis)
        }
    };
    let (_, plain) = analyse(&bright, &[(c"window", c"0,204.75"), (c"spacing_mm", c"0.5,0.5")]);
    let (_, inverted) = analyse(&dark, &[(c"window", c"0,4095"), (c"photometric", c"MONOCHROME1")]);
    // SAFETY: two live analyses, freed once.
    unsafe {
        // Both round once.
        let pairs = (*plain).radiograph.pixels().into_iter().zip((*inverted).radiograph.pixels());
        assert!(pairs.into_iter().all(|(a, b)| a.abs_diff(*b) <= 1));
        assert_eq!(((*plain).inner.spacing_mm, (*plain).choices.as_str()), (Some([0.5, 0.5]), "mean flip"));
        covmap_analysis_free(plain);
        covmap_analysis_free(inverted);
    }
    let (status, none) = analyse(&bright, &[(c"timeout_ms", c"0")]);
    assert!(status == Status::Cancelled && none.is_null());
    let mut description = null_mut();
    // SAFETY: live handles, freed once.
    unsafe {
        assert_eq!(covmap_pipeline_describe(pipeline, &raw mut description), Status::Ok);
        let text = CStr::from_ptr(covmap_bytes_data(description).cast()).to_str().unwrap();
        let text: serde_json::Value = serde_json::from_str(text).unwrap();
        assert_eq!((&text["views"], &text["models"][0]["sha256"]), (&"flip".into(), &(*pipeline).inner.models()[0].sha256().into()));
        covmap_bytes_free(description);
        covmap_pipeline_free(pipeline);
    }
}

#[test]
fn a_model_comes_from_memory() {
    let file = std::fs::read(std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("../covmap-core/model/covmap.onnx")).unwrap();
    let options = covmap_options_new();
    let mut pipeline = null_mut();
    // SAFETY: live options and a buffer of its size.
    unsafe {
        assert_eq!(covmap_options_add_model(options, file.as_ptr(), file.len(), c"no JSON".as_ptr()), Status::Model);
        assert_eq!(covmap_options_add_model(options, file.as_ptr(), file.len(), null()), Status::Ok);
        assert_eq!(covmap_pipeline_new(options, &raw mut pipeline), Status::Ok, "{}", last_error());
        let bundled = covmap_core::Model::bundled(&covmap_core::ModelOptions::default()).unwrap();
        assert_eq!((*pipeline).inner.models()[0].sha256(), bundled.sha256());
        assert_eq!(covmap_options_add_model(options, file.as_ptr(), 100, null()), Status::Ok);
        covmap_pipeline_free(pipeline);
        assert_eq!(covmap_pipeline_new(options, &raw mut pipeline), Status::Model);
        covmap_options_free(options);
    }
}

unsafe extern "C" fn keep(user: *mut c_void, level: *const c_char, message: *const c_char) {
    // SAFETY: the test's own data and two strings.
    let (kept, level, message) = unsafe {
        (&*user.cast::<std::sync::Mutex<Vec<String>>>(), CStr::from_ptr(level).to_str().unwrap(), CStr::from_ptr(message).to_str().unwrap())
    };
    kept.lock().unwrap().push(format!("{level} {message}"));
}

#[test]
fn the_log_tells_what_was_loaded() {
    let kept = std::sync::Mutex::new(Vec::<String>::new());
    let user = (&raw const kept).cast_mut().cast();
    // SAFETY: the data outlives the callback, which is taken away below.
    unsafe {
        assert_eq!(covmap_set_log(Some(keep), user, c"loud".as_ptr()), Status::Parameter);
        assert_eq!(covmap_set_log(Some(keep), user, c"info".as_ptr()), Status::Ok);
        covmap_pipeline_free(pipeline(&[(c"threads", c"1")]));
        assert_eq!(covmap_set_log(None, null_mut(), null()), Status::Ok);
    }
    assert!(kept.into_inner().unwrap().iter().any(|line| line.starts_with("info loaded ")));
}

/// Time added to one analysis: the same call here and in the core, both ending at their first check, before the network.
#[test]
fn the_interface_costs_less_than_a_fifth_of_a_millisecond() {
    let pixels = vec![1000u16; 512 * 512];
    let pipeline = pipeline(&[(c"threads", c"1")]);
    let options = covmap_options_new();
    let mut analysis = null_mut();
    // SAFETY: live options and two strings.
    assert_eq!(unsafe { covmap_options_set(options, c"timeout_ms".as_ptr(), c"0".as_ptr()) }, Status::Ok);
    let here = || {
        // SAFETY: live handles and a buffer of its size.
        let status = unsafe { covmap_analyze_u16(pipeline, pixels.as_ptr(), 512, 512, 512, options, &raw mut analysis) };
        assert_eq!(status, Status::Cancelled);
    };
    let core = || {
        let mut run = covmap_core::RunOptions::default();
        run.deadline = Some(std::time::Instant::now());
        let radiograph = covmap_core::Radiograph::from_u16(&pixels, 512, 512, 512, &Default::default()).unwrap();
        // SAFETY: a live pipeline.
        assert!(unsafe { &(*pipeline).inner }.analyze_with(&radiograph, &run).is_err());
    };
    let time = |work: &mut dyn FnMut()| {
        let start = std::time::Instant::now();
        work();
        start.elapsed()
    };
    let (mut here, mut core) = (here, core);
    let (here, core): (Vec<_>, Vec<_>) = (0..100).map(|_| (time(&mut here), time(&mut core))).unzip();
    // SAFETY: live handles, freed once.
    unsafe {
        covmap_options_free(options);
        covmap_pipeline_free(pipeline);
    }
    let added = here.iter().min().unwrap().saturating_sub(*core.iter().min().unwrap());
    println!("{added:?} added to the analysis of 512 x 512 pixels");
    assert!(added.as_micros() <= 200, "{added:?}");
}
