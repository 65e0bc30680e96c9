//! Radiographs at native size, as they come from hospitals: all of them analyse, at their own size.

use std::time::{Duration, Instant};

use covmap_core::Radiograph;
use covmap_core::phantom::Opacities;
use covmap_core::report::{self, DicomObject, DicomOptions};
use covmap_tests::{bundled, data, json, phantom};

/// Encoding is no second analysis; the factor is for machines that do other work beside.
#[test]
fn segmentations_of_large_radiographs_take_less_than_their_analysis() {
    let radiograph = Radiograph::from_bytes(&phantom(1, Opacities::Moderate, 3000, 3000).to_dicom().unwrap()).unwrap();
    let shortest = |work: &dyn Fn()| -> Duration {
        let once = || {
            let start = Instant::now();
            work();
            start.elapsed()
        };
        (0..3).map(|_| once()).min().unwrap()
    };
    let analysis = bundled().analyze(&radiograph).unwrap();
    let analyse = shortest(&|| drop(bundled().analyze(&radiograph).unwrap()));
    for kind in [DicomObject::Segmentation, DicomObject::ProbabilityMap] {
        let encode = shortest(&|| drop(report::to_dicom(&radiograph, &analysis, kind, &DicomOptions::default()).unwrap()));
        eprintln!("3000 x 3000: analysis {analyse:?}, {kind} {encode:?}");
        assert!(encode < 3 * analyse, "{kind} takes {encode:?}, the analysis {analyse:?}");
    }
}

#[test]
fn originals_are_analysed_at_their_own_size() {
    let Some(data) = data() else { return };
    let mut inputs: Vec<_> = std::fs::read_dir(data.join("fullres")).unwrap().map(|e| e.unwrap().path()).collect();
    inputs.sort();
    assert_eq!(inputs.len(), 10);
    let out = tempfile::tempdir().unwrap();
    let arguments = ["covmap", "analyze", "--quiet", "--out"].map(Into::into).into_iter();
    let paths = std::iter::once(out.path().as_os_str().to_owned()).chain(inputs.iter().map(|i| i.as_os_str().to_owned()));
    assert_eq!(covmap_cli::run(arguments.chain(paths)), covmap_cli::OK);
    for input in inputs {
        let size = image::image_dimensions(&input).unwrap();
        assert!(size.0.max(size.1) > 2000, "{} is no original", input.display());
        let result = |ending: &str| out.path().join(format!("{}.{ending}", input.file_stem().unwrap().to_string_lossy()));
        for picture in ["overlay.png", "infection.png", "lung.png"] {
            assert_eq!(image::image_dimensions(result(picture)).unwrap(), size, "{}", result(picture).display());
        }
        let figures = json(&result("json"));
        assert_eq!((&figures["input"]["width"], &figures["input"]["height"]), (&size.0.into(), &size.1.into()));
        // Frontal radiographs: lungs of a believable size, whatever the weights.
        let share = figures["lung"]["area_px"].as_f64().unwrap() / f64::from(size.0) / f64::from(size.1);
        assert!((0.08..0.7).contains(&share), "{}: {share:.2} of the image is lung", input.display());
    }
}
