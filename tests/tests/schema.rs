//! Results keep to the checked-in JSON Schema, with and without lungs, spacing, calibration and a file name.

use covmap_core::engine::Channel;
use covmap_core::phantom::Opacities;
use covmap_core::quality::Flag;
use covmap_core::radiograph::{BufferOptions, View};
use covmap_core::severity::Grade;
use covmap_core::{Fusion, Model, ModelOptions, OperatingPoint, Pipeline, Radiograph, report};
use covmap_tests::models::{little, little_model};
use covmap_tests::{json, phantom, radiograph, root, schema};
use serde_json::{Value, json};

fn checked_in() -> Value {
    json(&root().join("covmap-core/schema/covmap-1.schema.json"))
}

fn result(pipeline: &Pipeline, radiograph: &Radiograph, file: Option<&str>) -> Value {
    report::to_json(&pipeline.analyze(radiograph).unwrap(), file)
}

fn little_pipeline() -> Pipeline {
    Pipeline::of(vec![little_model(1.0)], Fusion::Mean, 1).unwrap()
}

#[test]
fn results_keep_to_the_schema() {
    let schema = checked_in();
    assert_eq!(schema["title"], report::SCHEMA);
    let pipeline = little_pipeline();
    let dicom = Radiograph::from_bytes(&phantom(1, Opacities::Moderate, 300, 200).to_dicom().unwrap()).unwrap();
    let full = result(&pipeline, &dicom, Some("chest.dcm"));
    assert!(full["lung"]["area_mm2"].is_number() && full["severity"]["grade"].is_string() && full["input"]["view"] == "pa", "{full}");
    assert_eq!(schema::faults(&schema, &full), Vec::<String>::new());

    let bundled = result(covmap_tests::bundled(), &radiograph(1, 256, 256), None);
    assert_eq!(schema::faults(&schema, &bundled), Vec::<String>::new());
}

/// A model without lungs and calibration: everything that needs them is null.
#[test]
fn results_without_lungs_keep_to_the_schema() {
    let mut options = ModelOptions::default();
    let mut spec = little_model(1.0).spec().clone();
    spec.calibration = None;
    spec.outputs.retain(|o| o.channels == [Channel::Infection]);
    options.spec = Some(spec);
    let model = Model::from_bytes(little(1.0), &options).unwrap();
    let pipeline = Pipeline::of(vec![model], Fusion::Mean, 1).unwrap();
    let bare = result(&pipeline, &radiograph(1, 256, 256), None);
    assert!(bare["lung"]["area_px"].is_null() && bare["severity"]["grade"].is_null(), "{bare}");
    assert!(bare["infection"]["share"].is_null() && bare["detection"]["operating_point"].is_null(), "{bare}");
    assert_eq!(schema::faults(&checked_in(), &bare), Vec::<String>::new());
}

/// Every name that the code can write is in the schema.
#[test]
fn names_are_those_of_the_code() {
    let schema = checked_in();
    let names = |pointer: &str| schema.pointer(pointer).unwrap().as_array().unwrap().clone();
    let properties = "/properties";
    let flags: Vec<Value> = Flag::ALL.iter().map(|f| f.as_str().into()).collect();
    assert_eq!(names(&format!("{properties}/quality/properties/flags/items/enum")), flags);
    let or_null = |names: Vec<&str>| names.into_iter().map(Value::from).chain([Value::Null]).collect::<Vec<_>>();
    let grades = Grade::ALL.iter().map(|g| g.as_str()).collect();
    assert_eq!(names(&format!("{properties}/severity/properties/grade/enum")), or_null(grades));
    let points = OperatingPoint::ALL.iter().map(|p| p.as_str()).collect();
    assert_eq!(names(&format!("{properties}/detection/properties/operating_point/enum")), or_null(points));
    let views: Vec<Value> = [View::Pa, View::Ap, View::Lateral, View::Other, View::Unknown].iter().map(|v| v.as_str().into()).collect();
    assert_eq!(names(&format!("{properties}/input/properties/view/enum")), views);
}

/// The checker sees faults: each change below breaks one rule.
#[test]
fn wrong_results_are_seen() {
    let p = phantom(1, Opacities::Moderate, 200, 200);
    let good = result(&little_pipeline(), &Radiograph::from_view(p.pixels.view(), &BufferOptions::default()).unwrap(), Some("a.png"));
    let schema = checked_in();
    assert!(schema::faults(&schema, &good).is_empty());
    let changes: [(&str, Value); 10] = [
        ("/schema", json!("covmap/2")),
        ("/input/width", json!(0)),
        ("/input/width", json!(1.5)),
        ("/input/sha256", json!("ABC")),
        ("/input/spacing_mm", json!([0.1])),
        ("/input/spacing_mm", json!([0.1, 0.0])),
        ("/infection/share", json!(1.01)),
        ("/infection/zones/A", json!("0.5")),
        ("/quality/flags", json!(["nice"])),
        ("/model", json!([])),
    ];
    for (pointer, value) in changes {
        let mut wrong = good.clone();
        *wrong.pointer_mut(pointer).unwrap() = value.clone();
        assert_eq!(schema::faults(&schema, &wrong).len(), 1, "{pointer} = {value}");
    }
    let mut wrong = good.clone();
    wrong["detection"].as_object_mut().unwrap().remove("positive");
    wrong["detection"]["sure"] = json!(true);
    assert_eq!(schema::faults(&schema, &wrong), ["$.detection: sure is not in the schema", "$.detection: positive is missing"]);
}
