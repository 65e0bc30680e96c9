//! Two readers, from proposals to agreement, over the interface that the page uses.

use std::io::Read;

use crate::place::{Place, get, phantom, post, read};
use covmap_annotate::cases::Cases;
use covmap_annotate::mask::{Layer, from_runs, runs};
use covmap_annotate::{Server, server};
use ndarray::Array2;
use serde_json::{Value, json};

const MODEL: &str = "0123abcd";

fn paint(part: &str, version: u64, area: [usize; 4], value: u8) -> Value {
    json!({ "part": part, "key": format!("{part}{version}"), "version": version, "seconds": 2.0, "tool": "brush", "source": "hand",
            "box": area, "runs": [value, area[2] * area[3]] })
}

fn change(server: &Server, reader: &str, case: &str, body: &Value) -> u16 {
    post(server, &format!("/api/readers/{reader}/cases/{case}/changes"), body).status
}

fn accept(server: &Server, reader: &str, case: &str, versions: [u64; 4]) -> u16 {
    post(server, &format!("/api/readers/{reader}/cases/{case}/accept"), &json!({ "versions": versions, "seconds": 1.0, "key": "k" })).status
}

fn opened(server: &Server, reader: &str, case: &str) -> Value {
    get(server, &format!("/api/readers/{reader}/cases/{case}")).json()
}

fn drawn(draft: &Value, layer: &str, shape: (usize, usize)) -> Array2<u8> {
    let runs: Vec<u32> = serde_json::from_value(draft["draft"][layer]["runs"].clone()).unwrap();
    Array2::from_shape_vec(shape, from_runs(&runs, shape.0 * shape.1).unwrap()).unwrap()
}

fn status(server: &Server, reader: &str, case: &str) -> String {
    let list = get(server, &format!("/api/readers/{reader}/cases")).json();
    list["cases"].as_array().unwrap().iter().find(|c| c["id"] == case).unwrap()["status"].as_str().unwrap().to_owned()
}

#[test]
fn two_readers_from_proposal_to_agreement() {
    let place = Place::new();
    let truth = phantom(96, 80, 1);
    let lungs = truth.lungs.mapv(|v| 100 * v);
    {
        let w = place.workspace();
        w.save_proposal("a", MODEL, Layer::Infection, &truth.opacity).unwrap();
        w.save_proposal("a", MODEL, Layer::Lung, &lungs).unwrap();
    }
    let s = place.serve();
    assert_eq!((status(&s, "anna", "a").as_str(), status(&s, "anna", "sub-b").as_str()), ("proposed", "unseen"));
    let case = opened(&s, "anna", "a");
    assert_eq!((case["width"].as_u64(), case["height"].as_u64(), case["bits"].as_u64()), (Some(96), Some(80), Some(16)));
    let proposal = &case["proposals"][0];
    assert_eq!(proposal["infection"], json!(runs(truth.opacity.as_slice().unwrap())));
    let pixels = get(&s, "/api/cases/a/pixels").body;
    assert!(pixels.chunks(2).map(|b| u16::from_le_bytes([b[0], b[1]])).eq(truth.pixels.iter().copied()));

    // Anna takes the proposal and corrects it.
    for layer in ["infection", "lung"] {
        let pick = json!({ "part": layer, "key": "p", "version": 1, "seconds": 1.0, "tool": "pick", "source": MODEL, "box": [0, 0, 96, 80], "runs": proposal[layer] });
        assert_eq!(change(&s, "anna", "a", &pick), 200);
    }
    let mut stroke = paint("infection", 2, [10, 12, 5, 4], 2);
    stroke["source"] = json!(MODEL);
    assert_eq!(change(&s, "anna", "a", &stroke), 200);
    assert_eq!(change(&s, "anna", "a", &stroke), 200, "sent twice, counted once");
    let mut other = paint("infection", 2, [0, 0, 1, 1], 1);
    other["key"] = json!("another tab");
    assert_eq!(change(&s, "anna", "a", &other), 409);
    let scores = json!({ "part": "scores", "key": "s", "version": 1, "seconds": 0.5, "zones": [0, 1, 2, 0, 1, 3] });
    assert_eq!(change(&s, "anna", "a", &scores), 200);
    let mut expected = truth.opacity.clone();
    expected.slice_mut(ndarray::s![12..16, 10..15]).fill(2);

    // The server ends without notice and comes back.
    drop(s);
    let s = place.serve();
    let case = opened(&s, "anna", "a");
    assert_eq!(drawn(&case, "infection", (80, 96)), expected);
    assert_eq!(drawn(&case, "lung", (80, 96)), lungs);
    assert_eq!(case["draft"]["zones"], json!([0, 1, 2, 0, 1, 3]));
    assert_eq!(status(&s, "anna", "a"), "started");
    assert_eq!(accept(&s, "anna", "a", [1, 1, 1, 0]), 409, "not what is there");
    assert_eq!(accept(&s, "anna", "a", [1, 2, 1, 0]), 200);
    assert_eq!(status(&s, "anna", "a"), "accepted");
    assert_eq!(read(&place.path("workspace/masks/anna/a.infection.png")), expected);
    let edited = expected.iter().zip(&truth.opacity).filter(|(a, b)| a != b).count();

    // Ben draws by hand, blind to Anna.
    let blind = opened(&s, "ben", "a");
    assert_eq!(blind["others"], json!([]));
    assert_eq!(drawn(&blind, "infection", (80, 96)).sum(), 0);
    assert_eq!(post(&s, "/api/readers/ben/cases/a/compare", &json!({})).status, 404);
    assert_eq!(get(&s, "/api/readers/ben/cases/a/infection.png").status, 404);
    assert_eq!(get(&s, "/api/readers/ben/agreement").json()["pairs"], json!([]));
    assert_eq!(post(&s, "/api/readers/anna/cases/a/compare", &json!({})).status, 404, "nobody else is done");
    assert_eq!(change(&s, "ben", "a", &paint("infection", 1, [20, 20, 30, 30], 1)), 200);
    assert_eq!(
        change(&s, "ben", "a", &json!({ "part": "scores", "key": "s", "version": 1, "seconds": 0, "zones": [1, 1, 2, 0, 1, 3] })),
        200
    );
    assert_eq!(accept(&s, "ben", "a", [0, 1, 1, 0]), 200);
    assert_eq!((status(&s, "ben", "a").as_str(), status(&s, "anna", "a").as_str()), ("disputed", "disputed"));

    // Both are done: they compare, and what they read is final.
    let found = post(&s, "/api/readers/ben/cases/a/compare", &json!({})).json();
    assert_eq!(found["readers"][0]["infection"], json!(runs(expected.as_slice().unwrap())));
    assert_eq!((found["readers"][0]["global"].as_u64(), found["readers"][1]["global"].as_u64()), (Some(7), Some(8)));
    assert_eq!(change(&s, "ben", "a", &paint("infection", 2, [0, 0, 1, 1], 1)), 409);
    assert_eq!(accept(&s, "ben", "a", [0, 1, 1, 0]), 409);
    let agreement = get(&s, "/api/readers/ben/agreement").json();
    assert_eq!(agreement["pairs"][0]["cases"], 1);
    let dice = agreement["pairs"][0]["dice_infection"].as_f64().unwrap();
    let ben = read(&place.path("workspace/masks/ben/a.infection.png"));
    let both = ben.iter().zip(&expected).filter(|(a, b)| **a > 0 && **b > 0).count();
    let marked = |m: &Array2<u8>| m.iter().filter(|v| **v > 0).count();
    assert!((dice - 2.0 * both as f64 / (marked(&ben) + marked(&expected)) as f64).abs() < 1e-12);
    assert!(String::from_utf8(get(&s, "/api/readers/ben/agreement.csv").body).unwrap().contains("icc_2_1"));
    assert!(get(&s, "/api/readers/ben/agreement.svg").body.starts_with(b"<svg"));

    // Anna's export holds nothing of Ben's; taken back as another reader's it is the same to the pixel.
    let tar = get(&s, "/api/readers/anna/export.tar").body;
    let mut archive = tar::Archive::new(tar.as_slice());
    let mut files = std::collections::BTreeMap::new();
    for entry in archive.entries().unwrap() {
        let mut entry = entry.unwrap();
        let mut bytes = Vec::new();
        entry.read_to_end(&mut bytes).unwrap();
        files.insert(entry.path().unwrap().display().to_string(), bytes);
    }
    assert!(files.keys().all(|name| !name.contains("ben")), "{:?}", files.keys());
    let provenance = String::from_utf8(files["provenance.csv"].clone()).unwrap();
    assert!(provenance.contains(&format!("a,anna,infection,{MODEL},{edited},5.5,")), "{provenance}");
    assert!(String::from_utf8(files["readings.csv"].clone()).unwrap().contains("a,anna,0,1,2,0,1,3,7,"));
    let coco: Value = serde_json::from_slice(&files["anna/coco.json"]).unwrap();
    let imported = post(&s, "/api/readers/carl/import", &coco).json();
    assert_eq!(imported["cases"], json!(["a"]));
    assert_eq!(drawn(&opened(&s, "carl", "a"), "infection", (80, 96)), expected);
    assert_eq!(accept(&s, "carl", "a", [1, 1, 0, 0]), 200);
    for layer in ["lung", "infection"] {
        let [mine, theirs] = ["anna", "carl"].map(|r| read(&place.path(&format!("workspace/masks/{r}/a.{layer}.png"))));
        assert_eq!(mine, theirs);
    }
    assert_eq!(post(&s, "/api/readers/carl/import", &coco).json()["cases"], json!([]), "carl is done with it");

    // Without a page: everybody's export, and an import that decides.
    drop(s);
    let (w, o) = (place.workspace(), place.options());
    let cases = Cases::open(&o.radiographs, &o.inputs, &w).unwrap();
    let all = covmap_annotate::exchange::collect(&cases, &w, &[]).unwrap();
    for name in ["consensus/infection/a.png", "ben/infection/a.png", "carl/coco.json", "agreement.svg", "agreement.csv"] {
        assert!(all.contains_key(name), "{name} of {:?}", all.keys());
    }
    let done = server::import(&cases, &w, "dora", &all["ben/coco.json"]).unwrap();
    assert_eq!(done.cases, ["a"]);
    assert_eq!(read(&w.mask_path("dora", "a", Layer::Infection)), ben);
}

#[test]
fn dicom_readings_are_exported_as_segmentations() {
    let place = Place::new();
    let s = place.serve();
    let case = opened(&s, "anna", "sub-b");
    assert!(!case.to_string().contains("PHANTOM"), "the patient is named");
    assert_eq!(change(&s, "anna", "sub-b", &paint("infection", 1, [5, 6, 7, 8], 1)), 200);
    assert_eq!(accept(&s, "anna", "sub-b", [0, 1, 0, 0]), 200);
    let tar = get(&s, "/api/readers/anna/export.tar").body;
    let mut archive = tar::Archive::new(tar.as_slice());
    assert!(archive.entries().unwrap().any(|e| e.unwrap().path().unwrap().ends_with("anna/seg/sub-b.dcm")));
    drop(s);
    let mut options = place.options();
    options.identifiers = true;
    let s = Server::start(options).unwrap();
    assert!(opened(&s, "anna", "sub-b")["patient"]["name"].as_str().unwrap().contains("PHANTOM"));
}

#[test]
fn what_was_decided_elsewhere_is_where_a_draft_begins() {
    let place = Place::new();
    let mask = Array2::from_shape_fn((80, 96), |(y, x)| ((x + y) % 3) as u8);
    place.workspace().decide("a", "anna", Layer::Infection, "hand", &mask, 5.0).unwrap();
    let s = place.serve();
    assert_eq!(drawn(&opened(&s, "anna", "a"), "infection", (80, 96)), mask);
    assert_eq!(accept(&s, "anna", "a", [0, 1, 0, 0]), 200);
}

#[test]
fn many_tabs_at_once_lose_and_overwrite_nothing() {
    let place = Place::new();
    let s = place.serve();
    opened(&s, "anna", "a");
    let won: usize = std::thread::scope(|scope| {
        let tab = |n: u64| {
            let s = &s;
            scope.spawn(move || {
                let mut won = 0;
                for _ in 0..20 {
                    let version = opened(s, "anna", "a")["draft"]["versions"]["infection"].as_u64().unwrap() + 1;
                    let mut body = paint("infection", version, [(version % 90) as usize, 0, 1, 1], 1);
                    body["key"] = json!(format!("tab{n}-{version}"));
                    won += usize::from(change(s, "anna", "a", &body) == 200);
                }
                won
            })
        };
        let tabs: Vec<_> = (0..3).map(tab).collect();
        tabs.into_iter().map(|t| t.join().unwrap()).sum()
    });
    let case = opened(&s, "anna", "a");
    assert_eq!(case["draft"]["versions"]["infection"].as_u64().unwrap() as usize, won);
    let lines = std::fs::read_to_string(place.path("workspace/drafts/anna/a.jsonl")).unwrap();
    assert_eq!(lines.lines().count(), won);
}
