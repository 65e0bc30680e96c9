//! Golden outputs: what an analysis of a phantom gave when a person last looked at it.

use std::path::{Path, PathBuf};

use covmap_core::render::{self, OverlayOptions};
use covmap_core::{Analysis, Radiograph, report};
use ndarray::{Array2, Array3, Axis, concatenate};
use serde_json::Value;

/// Map bytes may differ by this much between processors (another order of summation).
const BYTE_TOLERANCE: u8 = 2;
/// Share of the pixels that may lie on the other side of a threshold.
const MASK_TOLERANCE: f64 = 0.0005;
/// Two map bytes are up to eight levels of a colour; an outline moves with its mask and touches its neighbours.
const OVERLAY_TOLERANCE: (u8, f64) = (12, 0.002);
/// Figures, absolute below 1 and relative above.
const FIGURE_TOLERANCE: f64 = 1e-3;

/// Everything of one analysis that a person would see.
#[derive(Debug, Clone, PartialEq)]
pub struct Outcome {
    pub infection: Array2<u8>,
    pub lungs: Array2<u8>,
    pub overlay: Array3<u8>,
    /// The JSON result without hashes, which change with every weight and every encoder.
    pub figures: Value,
}

impl Outcome {
    /// What `analysis` found in `radiograph`.
    ///
    /// # Panics
    /// If it cannot be rendered, or has no lungs.
    pub fn of(radiograph: &Radiograph, analysis: &Analysis) -> Self {
        let mut figures = report::to_json(analysis, None);
        figures.as_object_mut().expect("a result is an object").shift_remove("model");
        figures["input"].as_object_mut().expect("input is an object").shift_remove("sha256");
        Outcome {
            infection: analysis.infection.bytes().clone(),
            lungs: analysis.lungs.as_ref().expect("the model segments lungs").labels().clone(),
            overlay: render::analysis_overlay(radiograph, analysis, &OverlayOptions::default()).expect("an overlay"),
            figures,
        }
    }

    fn read(folder: &Path, name: &str) -> Self {
        let picture = image::open(folder.join(format!("{name}.overlay.png"))).expect("a golden overlay").into_rgb8();
        let shape = (picture.height() as usize, picture.width() as usize, 3);
        Outcome {
            infection: crate::picture(&folder.join(format!("{name}.infection.png"))),
            lungs: crate::picture(&folder.join(format!("{name}.lung.png"))),
            overlay: Array3::from_shape_vec(shape, picture.into_raw()).expect("rows times columns times 3"),
            figures: crate::json(&folder.join(format!("{name}.json"))),
        }
    }

    fn write(&self, folder: &Path, name: &str) {
        std::fs::create_dir_all(folder).expect("the folder of goldens");
        let files = [
            ("infection.png", render::encode_grey(&self.infection).expect("PNG")),
            ("lung.png", render::encode_grey(&self.lungs).expect("PNG")),
            ("overlay.png", render::encode_rgb(&self.overlay).expect("PNG")),
            ("json", format!("{:#}\n", self.figures).into_bytes()),
        ];
        for (ending, bytes) in files {
            std::fs::write(folder.join(format!("{name}.{ending}")), bytes).expect("a golden file");
        }
    }
}

/// Compares with the golden `name` in `tests/golden/`, or rewrites it where `COVMAP_BLESS` is set.
///
/// # Panics
/// If they differ; the message names the pictures that show where.
pub fn check(name: &str, actual: &Outcome) {
    let folder = crate::root().join("tests/golden");
    if std::env::var_os("COVMAP_BLESS").is_some() {
        actual.write(&folder, name);
        return;
    }
    let target = std::env::var_os("CARGO_TARGET_DIR").map_or_else(|| crate::root().join("target"), PathBuf::from);
    let faults = compare(&folder, &target.join("golden-failures"), name, actual);
    let how = "after looking at them, `COVMAP_BLESS=1 cargo test --release --test golden` rewrites the goldens";
    assert!(faults.is_empty(), "{name} differs from its golden:\n  {}\n{how}", faults.join("\n  "));
}

/// What differs between `actual` and the golden in `folder`; where a picture does, golden | actual | difference is written
/// to `failures` and named.
pub fn compare(folder: &Path, failures: &Path, name: &str, actual: &Outcome) -> Vec<String> {
    if !folder.join(format!("{name}.json")).exists() {
        return vec![format!("there is no golden {name} in {}", folder.display())];
    }
    let golden = Outcome::read(folder, name);
    let mut faults = Vec::new();
    let mut pictured = |what: &str, fault: Option<String>, golden: Array3<u8>, actual: Array3<u8>| {
        if let Some(fault) = fault {
            let path = failures.join(format!("{name}.{what}.png"));
            std::fs::create_dir_all(failures).expect("the folder of failures");
            std::fs::write(&path, render::encode_rgb(&side_by_side(golden, actual)).expect("PNG")).expect("a picture of the failure");
            faults.push(format!("{what}: {fault}; see {}", path.display()));
        }
    };
    pictured("lung", lung_fault(&golden.lungs, &actual.lungs), rgb(&golden.lungs, 100), rgb(&actual.lungs, 100));
    pictured("infection", infection_fault(&golden, actual), rgb(&golden.infection, 1), rgb(&actual.infection, 1));
    pictured("overlay", overlay_fault(&golden.overlay, &actual.overlay), golden.overlay.clone(), actual.overlay.clone());
    figure_faults("", &golden.figures, &actual.figures, &mut faults);
    faults
}

fn lung_fault(golden: &Array2<u8>, actual: &Array2<u8>) -> Option<String> {
    if golden.dim() != actual.dim() {
        return Some(format!("{:?} pixels, the golden has {:?}", actual.dim(), golden.dim()));
    }
    let differing = golden.iter().zip(actual).filter(|(g, a)| g != a).count();
    too_many(differing, golden.len(), MASK_TOLERANCE)
}

/// Bytes where the lung gate agrees, and the infected mask everywhere.
fn infection_fault(golden: &Outcome, actual: &Outcome) -> Option<String> {
    let (g, a) = (&golden.infection, &actual.infection);
    if g.dim() != a.dim() || golden.lungs.dim() != actual.lungs.dim() {
        return Some(format!("{:?} pixels, the golden has {:?}", a.dim(), g.dim()));
    }
    let gate = golden.lungs.iter().zip(&actual.lungs).map(|(g, a)| (*g != 0) == (*a != 0));
    let worst = g.iter().zip(a).zip(gate).filter(|(_, agrees)| *agrees).map(|((g, a), _)| g.abs_diff(*a)).max().unwrap_or(0);
    if worst > BYTE_TOLERANCE {
        return Some(format!("a byte differs by {worst}; {BYTE_TOLERANCE} is allowed"));
    }
    let differing = g.iter().zip(a).filter(|(g, a)| (**g >= 128) != (**a >= 128)).count();
    too_many(differing, g.len(), MASK_TOLERANCE)
}

fn overlay_fault(golden: &Array3<u8>, actual: &Array3<u8>) -> Option<String> {
    if golden.dim() != actual.dim() {
        return Some(format!("{:?} pixels, the golden has {:?}", actual.dim(), golden.dim()));
    }
    let (level, share) = OVERLAY_TOLERANCE;
    let differing = golden.iter().zip(actual).filter(|(g, a)| g.abs_diff(**a) > level).count();
    too_many(differing, golden.len(), share)
}

fn too_many(differing: usize, all: usize, tolerance: f64) -> Option<String> {
    let share = differing as f64 / all as f64;
    (share > tolerance)
        .then(|| format!("{differing} of {all} values differ ({:.3} %; {:.3} % is allowed)", 100.0 * share, 100.0 * tolerance))
}

fn figure_faults(place: &str, golden: &Value, actual: &Value, faults: &mut Vec<String>) {
    match (golden, actual) {
        (Value::Object(g), Value::Object(a)) => {
            for (key, value) in g {
                figure_faults(&format!("{place}.{key}"), value, a.get(key).unwrap_or(&Value::Null), faults);
            }
            faults.extend(a.keys().filter(|k| !g.contains_key(*k)).map(|k| format!("{place}.{k} is not in the golden")));
        }
        (Value::Number(g), Value::Number(a)) => {
            let (g, a) = (g.as_f64().unwrap_or(f64::NAN), a.as_f64().unwrap_or(f64::NAN));
            // Written so that a NaN is a fault.
            let close = (g - a).abs() <= FIGURE_TOLERANCE * g.abs().max(1.0);
            if !close {
                faults.push(format!("{place} is {a}, the golden says {g}"));
            }
        }
        (Value::Array(g), Value::Array(a)) if g.len() == a.len() => {
            g.iter().zip(a).enumerate().for_each(|(i, (g, a))| figure_faults(&format!("{place}[{i}]"), g, a, faults));
        }
        (g, a) if g == a => {}
        (g, a) => faults.push(format!("{place} is {a}, the golden says {g}")),
    }
}

/// A grey plane as RGB, its values multiplied to be seen.
fn rgb(plane: &Array2<u8>, gain: u8) -> Array3<u8> {
    let (height, width) = plane.dim();
    Array3::from_shape_fn((height, width, 3), |(y, x, _)| plane[[y, x]].saturating_mul(gain))
}

fn side_by_side(golden: Array3<u8>, actual: Array3<u8>) -> Array3<u8> {
    if golden.dim() != actual.dim() {
        return actual;
    }
    // Any difference is seen at once; how large it is, the message says.
    let difference = Array3::from_shape_fn(golden.dim(), |i| golden[i].abs_diff(actual[i]).saturating_mul(16));
    concatenate(Axis(1), &[golden.view(), actual.view(), difference.view()]).expect("three pictures of one size")
}
