//! Agreement with labelled radiographs of patients that the weights never saw: the first cross-validation fold.

use std::collections::BTreeSet;
use std::path::Path;

use covmap_core::{Model, ModelOptions};
use covmap_tests::{data, json, root};

/// What every release must reach (`training/RESULTS.md` has the figures with intervals).
const AT_LEAST: [(&str, f64); 5] = [
    ("lung.dice.mean.lungs_with_retrocardiac", 0.94),
    ("lung.dice.right", 0.92),
    ("lung.dice.left", 0.92),
    ("infection.pixel.f1", 0.65),
    ("brixia.global.r", 0.70),
];
const AT_MOST: [(&str, f64); 1] = [("infection.false_share.on_normals", 0.02)];

#[test]
fn the_first_fold_is_met() {
    let Some(data) = data() else { return };
    let model = root().join("training/folds/fold0.onnx");
    if !model.exists() {
        assert!(std::env::var_os("CI").is_none(), "{} is missing", model.display());
        eprintln!("SKIPPED: {} is missing; training/README.md says how it is made", model.display());
        return;
    }
    let place = tempfile::tempdir().unwrap();
    let groups = labelled_part(&data, place.path());
    never_seen(&model, &groups);

    let figures = place.path().join("figures.json");
    let arguments = ["covmap", "evaluate", "--split", "fold=0", "--quiet", "--data"];
    let paths = [place.path(), Path::new("--model"), &model, Path::new("--json"), &figures];
    let status = covmap_cli::run(arguments.iter().map(Into::into).chain(paths.map(|p| p.as_os_str().to_owned())));
    assert_eq!(status, covmap_cli::OK, "2 would mean that the model saw these patients");
    let report = json(&figures);
    let images = report["images"].as_u64().unwrap();
    assert!(images >= 150, "{images} images are not the fold");
    let mut faults = Vec::new();
    for (name, bound, sign) in AT_LEAST.map(|(n, b)| (n, b, 1.0)).into_iter().chain(AT_MOST.map(|(n, b)| (n, b, -1.0))) {
        let value = report["figures"][name]["value"].as_f64().unwrap_or(f64::NAN);
        // Written so that a missing figure is a fault.
        let met = sign * value >= sign * bound;
        if !met {
            faults.push(format!("{name} is {value:.4}, the bound is {bound}"));
        }
    }
    assert!(faults.is_empty(), "{}", faults.join("\n"));
}

/// Makes `folder` a labelled folder of those images of fold 0 that carry a label to compare with (the others would only take
/// time). Gives their patient groups.
fn labelled_part(data: &Path, folder: &Path) -> BTreeSet<String> {
    let mut reader = csv::Reader::from_path(data.join("catalog.csv")).unwrap();
    let header = reader.headers().unwrap().clone();
    let column = |name: &str| header.iter().position(|h| h == name).unwrap_or_else(|| panic!("no column {name}"));
    let [fold, group, finding] = ["fold", "group", "finding"].map(column);
    let [lungs, infection, brixia] = ["lung_mask", "infection_mask", "brixia_S_Global"].map(column);
    let mut writer = csv::Writer::from_path(folder.join("catalog.csv")).unwrap();
    writer.write_record(&header).unwrap();
    let mut groups = BTreeSet::new();
    for row in reader.records().map(Result::unwrap).filter(|r| &r[fold] == "0") {
        let labelled = row[lungs].starts_with("lungs_with_retrocardiac") || !row[infection].is_empty() || !row[brixia].is_empty();
        if labelled || &row[finding] == "normal" {
            writer.write_record(&row).unwrap();
            groups.insert(row[group].to_owned());
        }
    }
    writer.flush().unwrap();
    let data = data.canonicalize().unwrap();
    for part in ["images", "lung", "infection"] {
        link(&data.join(part), &folder.join(part));
    }
    groups
}

#[cfg(unix)]
fn link(from: &Path, to: &Path) {
    std::os::unix::fs::symlink(from, to).unwrap();
}

#[cfg(windows)]
fn link(from: &Path, to: &Path) {
    std::os::windows::fs::symlink_dir(from, to).unwrap();
}

fn never_seen(model: &Path, groups: &BTreeSet<String>) {
    let model = Model::open(model, &ModelOptions::default()).unwrap();
    let training = model.spec().training.as_ref().expect("the model says what it was trained on");
    assert!(!training.folds.contains(&0), "it was trained on folds {:?}", training.folds);
    assert!(training.groups.len() > 500, "{} groups are not the other folds", training.groups.len());
    let seen: Vec<&String> = training.groups.iter().filter(|g| groups.contains(*g)).collect();
    assert!(seen.is_empty(), "it saw {seen:?}");
}
