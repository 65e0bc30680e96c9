//! Golden outputs of the bundled model on phantoms. `COVMAP_BLESS=1 cargo test --release --test golden`
//! rewrites them; the pictures in the commit are what is reviewed.

use covmap_core::phantom::{Opacities, PhantomOptions};
use covmap_core::selftest::Record;
use covmap_core::{Phantom, Precision, Radiograph, RunOptions};
use covmap_tests::golden::{self, Outcome};
use covmap_tests::{bundled, phantom, picture};

fn analysed(radiograph: &Radiograph) -> Outcome {
    // In f32, which every processor has.
    let mut options = RunOptions::default();
    options.precision = Precision::F32;
    Outcome::of(radiograph, &bundled().analyze_with(radiograph, &options).unwrap())
}

#[test]
fn moderate_opacities() {
    let file = phantom(1, Opacities::Moderate, 320, 320).to_png().unwrap();
    golden::check("moderate-320x320", &analysed(&Radiograph::from_bytes(&file).unwrap()));
}

#[test]
fn healthy_lungs_in_an_upright_rectangle() {
    let file = phantom(2, Opacities::None, 250, 320).to_png().unwrap();
    golden::check("none-250x320", &analysed(&Radiograph::from_bytes(&file).unwrap()));
}

/// Through DICOM, mirrored: spacing, view and the turn from PatientOrientation are part of what is compared.
#[test]
fn mirrored_dicom_object() {
    let mut options = PhantomOptions::default();
    (options.width, options.height, options.mirrored) = (300, 375, true);
    let file = Phantom::new(&options).unwrap().to_dicom().unwrap();
    golden::check("mirrored-300x375.dcm", &analysed(&Radiograph::from_bytes(&file).unwrap()));
}

/// The record of `covmap selftest` belongs to the bundled model. It is rewritten with the goldens, and compared by the command.
#[test]
fn the_selftests_record_is_of_the_bundled_model() {
    let path = covmap_tests::root().join("covmap-core/model/selftest.json");
    if std::env::var_os("COVMAP_BLESS").is_some() {
        let record = Record::make(Precision::F32).unwrap();
        std::fs::write(&path, serde_json::to_string(&record).unwrap() + "\n").unwrap();
    }
    assert_eq!(covmap_tests::json(&path)["model"], *bundled().models()[0].sha256(), "run with COVMAP_BLESS=1");
}

/// The same pixels are the same analysis, whichever way they came.
#[test]
fn dicom_and_png_of_one_phantom_agree() {
    let p = phantom(1, Opacities::Moderate, 320, 320);
    let [png, dicom] = [p.to_png(), p.to_dicom()].map(|file| analysed(&Radiograph::from_bytes(&file.unwrap()).unwrap()));
    assert_eq!(png.infection, dicom.infection);
    assert_eq!(png.lungs, dicom.lungs);
    assert_eq!(png.figures["severity"], dicom.figures["severity"]);
    assert_eq!(png.figures["detection"], dicom.figures["detection"]);
}

/// The comparison itself: what lies within the tolerances passes, one pixel beyond them fails and is shown.
#[test]
fn one_changed_pixel_fails_and_is_shown() {
    let goldens = covmap_tests::root().join("tests/golden");
    let file = phantom(1, Opacities::Moderate, 320, 320).to_png().unwrap();
    let actual = analysed(&Radiograph::from_bytes(&file).unwrap());
    if std::env::var_os("COVMAP_BLESS").is_some() {
        return; // Another test is writing the golden that this one reads.
    }
    let folder = tempfile::tempdir().unwrap();
    let faults = |o: &Outcome| golden::compare(&goldens, folder.path(), "moderate-320x320", o);
    // From the golden itself, so that a difference between processors plays no part here.
    let mut changed = actual.clone();
    changed.infection = picture(&goldens.join("moderate-320x320.infection.png"));
    changed.lungs = picture(&goldens.join("moderate-320x320.lung.png"));
    assert_eq!(faults(&changed), Vec::<String>::new());

    let level = changed.infection[[200, 130]];
    changed.infection[[200, 130]] = if level < 100 { level + 2 } else { level - 2 };
    assert_eq!(faults(&changed), Vec::<String>::new());
    changed.infection[[200, 130]] = if level < 100 { level + 3 } else { level - 3 };
    let found = faults(&changed);
    assert_eq!(found.len(), 1, "{found:?}");
    assert!(found[0].contains("a byte differs by 3"), "{found:?}");
    let shown = image::open(folder.path().join("moderate-320x320.infection.png")).unwrap();
    assert_eq!((shown.width(), shown.height()), (3 * 320, 320));

    changed.infection[[200, 130]] = level;
    changed.lungs.slice_mut(ndarray::s![0..12, 0..12]).fill(1); // 144 pixels; 51 are allowed
    assert!(faults(&changed).iter().any(|f| f.starts_with("lung: 144 of 102400")), "{:?}", faults(&changed));

    let mut wrong = actual.clone();
    wrong.figures["detection"]["threshold"] = 0.9.into();
    wrong.figures["quality"]["extra"] = true.into();
    let found = faults(&wrong);
    assert!(found.iter().any(|f| f.starts_with(".detection.threshold is 0.9")), "{found:?}");
    assert!(found.iter().any(|f| f == ".quality.extra is not in the golden"), "{found:?}");
    assert!(golden::compare(&goldens, folder.path(), "unknown", &actual)[0].starts_with("there is no golden unknown"));
}
