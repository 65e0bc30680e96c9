//! What a C program can do wrong, and panics that must stay inside.

use std::cell::Cell;
use std::ffi::{CStr, CString};
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
    let (mut pipeline, mut analysis) = (null_mut(), null_mut());
    let (pipeline, analysis) = (&raw mut pipeline, &raw mut analysis);
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
        inside("analysis_json", &|| covmap_analysis_json(null(), null_mut(), 0, null_mut()) == Status::Internal);
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
    assert_eq!(set(c"threads", c"0"), (Status::Parameter, "threads \"0\" is not a number from 1"));
    assert_eq!(set(c"view", c"flip").0, Status::Parameter);
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
        assert!(last_error().starts_with("model, fusion and threads are options of covmap_pipeline_new"));
        assert!(other.is_null());
        covmap_pipeline_free(pipeline);
        covmap_options_free(options);

        // Results outlive their pipeline.
        let mut needed = 0;
        assert_eq!(covmap_analysis_json(from_pixels, null_mut(), 0, &raw mut needed), Status::Ok);
        let mut json = vec![1u8; needed];
        assert_eq!(covmap_analysis_json(from_pixels, json.as_mut_ptr().cast(), needed - 1, &raw mut needed), Status::Parameter);
        assert!(json.iter().all(|b| *b == 1));
        assert_eq!(covmap_analysis_json(from_pixels, json.as_mut_ptr().cast(), needed, null_mut()), Status::Ok);
        let json = CString::from_vec_with_nul(json).unwrap().into_string().unwrap();
        assert_eq!(json, format!("{:#}", covmap_core::report::to_json(&(*from_pixels).inner, None)));
        covmap_analysis_free(from_bytes);
        covmap_analysis_free(from_pixels);
    }
}
