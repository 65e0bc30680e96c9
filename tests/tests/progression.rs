//! Studies of one patient: phantoms whose change is known, lungs that are missing, patients with several images.

use std::collections::BTreeMap;

use covmap_core::phantom::{Opacities, Opacity, PhantomOptions, Side};
use covmap_core::progression::{AlignmentKind, CLEARED, Date, Doubt, GREW, NOT_COMPARED, REGIONS};
use covmap_core::radiograph::BufferOptions;
use covmap_core::{Error, Phantom, Pipeline, Progression, Radiograph, RunOptions, Study, render, report};
use covmap_tests::models::little_model;
use covmap_tests::{bundled, data, json, picture, root, schema};
use ndarray::{Array2, s};

const RIGHT_BASE: Opacity = Opacity { side: Side::Right, x: 0.6, y: 0.68, radius: 0.1, density: 0.8 };
const LEFT_BASE: Opacity = Opacity { side: Side::Left, x: 0.6, y: 0.62, radius: 0.1, density: 0.8 };

/// One patient on a day with these opacities.
fn patient(opacities: &[Opacity]) -> Phantom {
    let mut options = PhantomOptions::default();
    (options.width, options.height, options.seed) = (400, 440, 5);
    options.opacities = Opacities::Given(opacities.to_vec());
    Phantom::new(&options).unwrap()
}

fn study_of(pixels: Array2<u16>) -> Study {
    let radiograph = Radiograph::from_view(pixels.view(), &BufferOptions::default()).unwrap();
    Study::new(bundled(), radiograph, &RunOptions::default()).unwrap()
}

fn study(opacities: &[Opacity]) -> Study {
    study_of(patient(opacities).pixels)
}

fn progression(studies: &[&Study]) -> Progression {
    Progression::new(studies.iter().map(|s| (*s).clone()).collect()).unwrap()
}

fn keeps_to_the_schema(progression: &Progression) -> serde_json::Value {
    let result = report::compare_to_json(progression);
    let checked_in = json(&root().join("covmap-core/schema/covmap-compare-1.schema.json"));
    assert_eq!(schema::faults(&checked_in, &result), Vec::<String>::new(), "{result:#}");
    assert!(report::compare_to_html(progression, &Default::default()).unwrap().contains("not a diagnosis"));
    result
}

#[test]
fn what_grew_and_what_cleared_is_found_where_it_is() {
    let (right, both, left) = (study(&[RIGHT_BASE]), study(&[RIGHT_BASE, LEFT_BASE]), study(&[LEFT_BASE]));
    let found = progression(&[&right, &both, &left]);
    let pairs: Vec<[usize; 2]> = found.comparisons.iter().map(|c| c.studies).collect();
    assert_eq!(pairs, [[0, 1], [1, 2], [0, 2]]);
    keeps_to_the_schema(&found);
    let truth = patient(&[RIGHT_BASE, LEFT_BASE]);
    let of = |side: u8| Array2::from_shape_fn(truth.lungs.dim(), |at| truth.lungs[at] == side && truth.opacity[at] == 1);
    let changed = |comparison: usize, label: u8| found.comparisons[comparison].map.as_ref().unwrap().labels().mapv(|l| l == label);
    let overlap = |a: &Array2<bool>, b: &Array2<bool>| {
        let count = |m: &mut dyn Iterator<Item = bool>| m.filter(|m| *m).count() as f64;
        2.0 * count(&mut a.iter().zip(b).map(|(a, b)| *a && *b)) / (count(&mut a.iter().copied()) + count(&mut b.iter().copied()))
    };
    let amount = |m: &Array2<bool>| m.iter().filter(|m| **m).count();
    // First the left patch comes, then the right one goes. The patient holds still, so that the network's own maps tell what it
    // saw change; the phantom tells what did, which the network finds as well as it can.
    let seen = |study: usize| found.studies[study].analysis.infection.mask();
    let only = |a: Array2<u8>, b: Array2<u8>| Array2::from_shape_fn(a.dim(), |at| a[at] == 1 && b[at] == 0);
    let (grew, cleared) = (changed(0, GREW), changed(1, CLEARED));
    for (what, map, seen, truth) in [("grew", &grew, only(seen(1), seen(0)), of(2)), ("cleared", &cleared, only(seen(1), seen(2)), of(1))] {
        let dice = (overlap(map, &seen), overlap(map, &truth));
        assert!(dice.0 > 0.85 && dice.1 > 0.5, "{what}: Dice {dice:?} with the maps and with the phantom");
    }
    assert!(amount(&changed(0, CLEARED)) * 20 < amount(&grew), "{} px cleared, too", amount(&changed(0, CLEARED)));
    assert!(amount(&changed(1, GREW)) * 20 < amount(&cleared), "{} px grew, too", amount(&changed(1, GREW)));
    // The picture is orange where it grew and blue where it cleared.
    for (c, label) in [(0, GREW), (1, CLEARED)] {
        let (later, map) = (&found.studies[c + 1], found.comparisons[c].map.as_ref().unwrap());
        let shown = render::change_overlay(&later.radiograph, &later.analysis, Some(map)).unwrap();
        for ((y, x), _) in map.labels().indexed_iter().filter(|(_, l)| **l == label) {
            let [r, b] = [0, 2].map(|channel| shown[[y, x, channel]]);
            let outlined = (r, b) == (255, 255);
            assert!(outlined || (r > b) == (label == GREW), "{label} at {y} {x}: {r} {b}");
        }
    }
    let sign = |comparison: usize, region: &str| {
        let i = REGIONS.iter().position(|r| *r == region).unwrap();
        let d = found.comparisons[comparison].shares[i];
        (d.difference.unwrap().signum(), d.beyond_variation().unwrap())
    };
    assert_eq!(sign(0, "left"), (1.0, true), "{:?}", found.comparisons[0].shares);
    assert_eq!(sign(1, "right"), (-1.0, true), "{:?}", found.comparisons[1].shares);
    assert!(!sign(0, "right").1 && !sign(1, "left").1, "the side that did not change");
}

/// The same day printed otherwise: moved, cut, scaled, darker, with other grain.
#[test]
fn another_print_of_the_same_day_is_no_change() {
    let p = patient(&[RIGHT_BASE, LEFT_BASE]);
    let first = study_of(p.pixels.clone());
    let cut = p.pixels.slice(s![12.., 8..392]).to_owned();
    let stretched = Array2::from_shape_fn((500, 400), |(y, x)| p.pixels[[y * 440 / 500, x]]);
    let darker = p.pixels.mapv(|v| (65_535.0 * (f64::from(v) / 65_535.0).powf(1.15)) as u16);
    let mut options = p.options.clone();
    options.noise = 2.0;
    let grainy = Phantom::new(&options).unwrap().pixels;
    for (what, pixels) in [("cut", cut), ("stretched", stretched), ("darker", darker), ("grainy", grainy)] {
        let found = progression(&[&first, &study_of(pixels)]);
        let c = &found.comparisons[0];
        assert_eq!(c.shares[0].beyond_variation(), Some(false), "{what}: {:?}", c.shares[0]);
        let (alignment, map) = (c.alignment.as_ref().unwrap(), c.map.as_ref().unwrap());
        assert!(alignment.kind == AlignmentKind::Affine && alignment.overlap > 0.95, "{what}: {alignment:?}");
        let both = map.regions()[0];
        assert!(both.grew_share().unwrap() + both.cleared_share().unwrap() < 0.02, "{what}: {both:?}");
        assert!(both.compared as f64 > 0.9 * both.area as f64, "{what}: {both:?}");
    }
}

#[test]
fn without_lungs_there_are_nulls_and_no_map() {
    let healthy = study(&[]);
    let ramp = study_of(Array2::from_shape_fn((300, 300), |(_, x)| 200 * x as u16));
    assert!(ramp.analysis.lungs.as_ref().is_some_and(|l| l.area() == 0), "a ramp of grey has lungs");
    let found = progression(&[&healthy, &ramp]);
    let c = &found.comparisons[0];
    assert!(c.alignment.is_none() && c.map.is_none() && c.doubts.contains(&Doubt::NoCommonLung));
    let result = keeps_to_the_schema(&found);
    let c = &result["comparisons"][0];
    assert!(c["alignment"].is_null() && c["compared_share"].is_null());
    for region in REGIONS {
        let r = &c["regions"][region];
        assert!(["after", "difference", "interval", "beyond_variation", "grew"].iter().all(|k| r[k].is_null()), "{region}: {r}");
        assert!(r["before"].is_number());
    }
}

#[test]
fn one_lung_is_compared_by_itself() {
    let p = patient(&[RIGHT_BASE]);
    let pipeline = bundled();
    let mut one = study_of(p.pixels.clone());
    let labels = one.analysis.lungs.as_ref().unwrap().labels().mapv(|l| if l == 1 { 1 } else { 0 });
    one.analysis = pipeline.within(&one.analysis, covmap_core::LungMask::from_labels(labels), &RunOptions::default()).unwrap();
    let found = progression(&[&study(&[]), &one]);
    let c = &found.comparisons[0];
    assert_eq!(c.alignment.as_ref().map(|a| a.kind), Some(AlignmentKind::Similarity));
    assert!(c.doubts.contains(&Doubt::OneLung));
    let map = c.map.as_ref().unwrap();
    assert!(map.regions()[1].grew > 0 && map.regions()[2].area == 0);
    assert!(map.labels().slice(s![.., 240..]).iter().all(|l| *l == NOT_COMPARED));
}

/// A pipeline without lungs at all.
#[test]
fn models_without_lungs_give_nulls() {
    let mut spec = little_model(1.0).spec().clone();
    spec.calibration = None;
    spec.outputs.retain(|o| o.channels == [covmap_core::engine::Channel::Infection]);
    let mut options = covmap_core::ModelOptions::default();
    options.spec = Some(spec);
    let model = covmap_core::Model::from_bytes(covmap_tests::models::little(1.0), &options).unwrap();
    let pipeline = Pipeline::of(vec![model], Default::default(), 1).unwrap();
    let radiograph = || covmap_tests::radiograph(1, 200, 200);
    let studies = [0, 1].map(|_| Study::new(&pipeline, radiograph(), &RunOptions::default()).unwrap());
    let result = keeps_to_the_schema(&Progression::new(studies.into()).unwrap());
    assert!(result["studies"][0]["regions"]["both"]["share"].is_null());
}

#[test]
fn dates_decide_the_order_and_patients_are_not_mixed() {
    let dicom = |change: &dyn Fn(&mut PhantomOptions)| {
        let mut options = PhantomOptions::default();
        (options.width, options.height) = (200, 220);
        change(&mut options);
        let bytes = Phantom::new(&options).unwrap().to_dicom().unwrap();
        let pipeline = Pipeline::of(vec![little_model(1.0)], Default::default(), 1).unwrap();
        Study::new(&pipeline, Radiograph::from_bytes(&bytes).unwrap(), &RunOptions::default()).unwrap()
    };
    let first = dicom(&|_| ());
    assert_eq!(first.date.map(|d| d.to_string()), Some("2020-04-01T12:00:00".into()));
    let mut earlier = dicom(&|o| o.opacities = Opacities::Mild);
    earlier.date = Some("2020-03-28T12:00".parse::<Date>().unwrap());
    earlier.name = Some("earlier".into());
    let sorted = Progression::new(vec![first.clone(), earlier.clone()]).unwrap();
    assert_eq!(sorted.studies[0].name.as_deref(), Some("earlier"));
    assert_eq!(sorted.comparisons[0].days, Some(4.0));
    let svg = report::trend_to_svg(&sorted);
    assert!(svg.contains("2020-03-28") && svg.matches("<polyline").count() == 3, "{svg}");
    earlier.date = None;
    let given = Progression::new(vec![first.clone(), earlier]).unwrap();
    assert_eq!(given.studies[1].name.as_deref(), Some("earlier"));
    assert!(given.comparisons[0].doubts.contains(&Doubt::DatesUnknown) && given.comparisons[0].days.is_none());
    let other = dicom(&|o| o.seed = 2);
    assert!(matches!(Progression::new(vec![first.clone(), other]), Err(Error::Input(text)) if !text.contains("PHANTOM")));
    assert!(matches!(Progression::new(vec![first]), Err(Error::Parameter(_))));
}

/// Day of a course, as file names of the collection tell it: `...-day8.jpg`, `...-day-0.jpg`.
fn day_of(name: &str) -> Option<u32> {
    let rest = name.rsplit_once("day")?.1.trim_start_matches('-');
    rest.split(|c: char| !c.is_ascii_digit()).next()?.parse().ok()
}

/// Courses of real patients: put in order, lungs laid over one another, map and shares in agreement.
#[test]
fn courses_of_patients_are_compared() {
    let Some(data) = data() else { return };
    let rows: Vec<csv::StringRecord> = csv::Reader::from_path(data.join("catalog.csv")).unwrap().records().map(|r| r.unwrap()).collect();
    let (id, source, name, group) = (0, 1, 2, 3);
    let mut courses: BTreeMap<String, BTreeMap<u32, String>> = BTreeMap::new();
    for r in rows.iter().filter(|r| &r[source] == "cohen") {
        if let Some(day) = day_of(&r[name]) {
            courses.entry(r[group].to_owned()).or_default().insert(day, r[id].to_owned());
        }
    }
    courses.retain(|_, course| course.len() >= 2);
    assert!(courses.len() >= 12, "{} patients with several dated images", courses.len());
    let (mut overlaps, mut compared) = (Vec::new(), 0);
    for course in courses.values().take(8) {
        let days: Vec<u32> = course.keys().copied().take(3).collect();
        // Given from the last to the first: the dates put them in order.
        let studies = days.iter().rev().map(|day| {
            let mut study = study_of(picture(&data.join(format!("images/{}.jpg", course[day]))).mapv(|v| u16::from(v) * 257));
            study.date = Some(format!("2020-{:02}-{:02}", 3 + day / 28, 1 + day % 28).parse().unwrap());
            study.name = Some(course[day].clone());
            study
        });
        let found = Progression::new(studies.collect()).unwrap();
        keeps_to_the_schema(&found);
        let order: Vec<&str> = found.studies.iter().map(|s| s.name.as_deref().unwrap()).collect();
        assert!(order.iter().eq(days.iter().map(|d| &course[d])), "{order:?}");
        assert!(found.comparisons.iter().all(|c| c.days.unwrap() > 0.0 && !c.doubts.contains(&Doubt::DatesUnknown)));
        for c in found.comparisons.iter().filter(|c| c.alignment.as_ref().is_some_and(|a| a.kind == AlignmentKind::Affine)) {
            overlaps.push(c.alignment.as_ref().unwrap().overlap);
            // Two ways to one quantity, up to what is not compared and what is taken for a rim.
            let both = c.map.as_ref().unwrap().regions()[0];
            let net = both.grew_share().unwrap() - both.cleared_share().unwrap();
            let difference = c.shares[0].difference.unwrap();
            assert!((net - difference).abs() < 0.2, "{order:?}: the map says {net:+.3}, the shares {difference:+.3}");
            compared += 1;
        }
    }
    overlaps.sort_by(f64::total_cmp);
    eprintln!("overlap of aligned lungs in {compared} comparisons: {overlaps:.3?}");
    assert!(compared >= 10 && overlaps[overlaps.len() / 2] > 0.85, "overlap of aligned lungs: {overlaps:?}");
}

/// Ids of radiographs that two collections hold, each cut, scaled and compressed in its own way: equal patients, days and exposures.
const HELD_TWICE: [[&str; 2]; 10] = [
    ["cohen-0245", "cxnet-1116"],
    ["cohen-0214", "cxnet-1089"],
    ["cohen-0176", "cxnet-0964"],
    ["cohen-0255", "cxnet-0761"],
    ["cohen-0362", "cxnet-0939"],
    ["cohen-0476", "cxnet-0948"],
    ["cohen-0477", "cxnet-0949"],
    ["cxnet-0706", "agchung-3387"],
    ["cxnet-0779", "agchung-3403"],
    ["cxnet-0785", "agchung-3388"],
];

/// What intervals are worth where nothing changed but the print.
#[test]
fn intervals_cover_the_prints_of_one_radiograph() {
    let Some(data) = data() else { return };
    let mut covered = 0;
    for pair in HELD_TWICE {
        let studies = pair.map(|id| study_of(picture(&data.join(format!("images/{id}.jpg"))).mapv(|v| u16::from(v) * 257)));
        let both = Progression::new(studies.into()).unwrap().comparisons[0].shares[0];
        let [low, high] = both.interval.unwrap();
        eprintln!("{pair:?}: {:+.3} [{low:+.3}, {high:+.3}]", both.difference.unwrap());
        covered += usize::from(both.beyond_variation() == Some(false));
    }
    assert!(covered >= 8, "{covered} of {} intervals hold no change", HELD_TWICE.len());
}
