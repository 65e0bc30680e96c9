//! What the server refuses, and how fast it answers.

use std::time::Instant;

use crate::place::{Place, get, phantom, post, send};
use covmap_annotate::mask::Layer;
use covmap_annotate::{Input, Server, ServerOptions};
use serde_json::{Value, json};

#[test]
fn only_its_own_page_may_ask() {
    let place = Place::new();
    let s = place.serve();
    let at = s.address();
    assert!(at.ip().is_loopback());
    assert_eq!(send(at, "GET", "/", "Host: evil.example\r\n", b"").status, 403, "a name that was made to point here");
    assert_eq!(send(at, "GET", "/", &format!("Host: localhost:{}\r\n", at.port()), b"").status, 200);
    let change = json!({ "part": "time", "key": "k", "version": 0, "seconds": 1.0 }).to_string();
    let path = "/api/readers/anna/cases/a/changes";
    for foreign in
        ["Origin: http://evil.example\r\n", "Origin: null\r\n", "Sec-Fetch-Site: cross-site\r\n", "Sec-Fetch-Site: same-site\r\n"]
    {
        assert_eq!(send(at, "POST", path, foreign, change.as_bytes()).status, 403, "{foreign}");
    }
    assert_eq!(send(at, "POST", path, "Content-Type: text/plain\r\n", change.as_bytes()).status, 400, "what a form can send");
    assert_eq!(send(at, "POST", path, &format!("Origin: http://{at}\r\n"), change.as_bytes()).status, 200);
    let page = get(&s, "/");
    assert!(page.head.contains("Content-Security-Policy: default-src 'none'; script-src 'self'"), "{}", page.head);
    let html = String::from_utf8(page.body).unwrap();
    for forbidden in ["<style", "style=", "onclick=", "onload=", "onerror=", "javascript:", "http:", "https:"] {
        assert!(!html.contains(forbidden), "{forbidden}");
    }
}

#[test]
fn beyond_this_machine_takes_a_token() {
    let place = Place::new();
    let mut options = place.options();
    options.listen = ([0, 0, 0, 0], 0).into();
    assert!(Server::start(options).is_err());
    let mut options = place.options();
    options.token = Some("0123456789abcdef".into());
    options.readers = vec!["anna".into()];
    let s = Server::start(options).unwrap();
    let at = s.address();
    assert!(s.url().ends_with("/?token=0123456789abcdef"));
    for path in ["/", "/api/session", "/assets/main.js", "/?token=wrong"] {
        assert_eq!(get(&s, path).status, 401, "{path}");
    }
    let welcome = get(&s, "/?token=0123456789abcdef");
    assert_eq!(welcome.status, 303);
    assert!(welcome.head.contains("HttpOnly; SameSite=Strict"));
    assert_eq!(send(at, "GET", "/", "Cookie: x=y; covmap_annotate=0123456789abcdef\r\n", b"").status, 200);
    assert_eq!(send(at, "GET", "/api/readers/anna/cases", "Authorization: Bearer 0123456789abcdef\r\n", b"").status, 200);
    assert_eq!(send(at, "GET", "/api/readers/eve/cases", "Authorization: Bearer 0123456789abcdef\r\n", b"").status, 404);
}

#[test]
fn no_path_leaves_the_folder() {
    let place = Place::new();
    std::fs::write(place.path("secret.png"), phantom(64, 64, 2).to_png().unwrap()).unwrap();
    #[cfg(unix)]
    std::os::unix::fs::symlink(place.path("secret.png"), place.path("radiographs/link.png")).unwrap();
    let mut options = place.options();
    options.inputs.push(Input::new(place.path("radiographs/link.png"), "link"));
    let s = Server::start(options).unwrap();
    for path in [
        "/assets/../Cargo.toml",
        "/assets/..%2fCargo.toml",
        "/api/cases/..%2f..%2fsecret/pixels",
        "/api/cases/../secret/pixels",
        "/api/cases/link/pixels",
        "/api/readers/anna/cases/..",
        "/api/readers/../cases/a",
        "/api/readers/anna/cases/a/..%2finfection.png",
        "//etc/passwd",
        "/api/cases/none/pixels",
    ] {
        let status = get(&s, path).status;
        assert!((400..500).contains(&status), "{path}: {status}");
    }
}

#[test]
fn nonsense_and_floods_are_refused() {
    let place = Place::new();
    let s = place.serve();
    let path = "/api/readers/anna/cases/a/changes";
    let paint = |area: Value, runs: Value, source: &str| json!({ "part": "infection", "key": "k", "version": 1, "seconds": 1.0, "tool": "brush", "source": source, "box": area, "runs": runs });
    for wrong in [
        json!({}),
        json!({ "part": "infection" }),
        paint(json!([0, 0, 97, 1]), json!([1, 97]), "hand"),
        paint(json!([-1, 0, 1, 1]), json!([1, 1]), "hand"),
        paint(json!([0, 0, 2, 2]), json!([1, 4_294_967_295u64, 1, 4_294_967_295u64]), "hand"),
        paint(json!([0, 0, 1, 1]), json!([9, 1]), "hand"),
        paint(json!([0, 0, 1, 1]), json!([1, 1]), "deadbeef"),
        json!({ "part": "compared", "key": "k", "version": 0, "seconds": 0 }),
        json!({ "part": "scores", "key": "k", "version": 1, "seconds": 0, "zones": [4, 0, 0, 0, 0, 0] }),
        json!({ "part": "time", "key": "k", "version": 0, "seconds": -1 }),
    ] {
        assert_eq!(post(&s, path, &wrong).status, 400, "{wrong}");
    }
    let flood = vec![b' '; (32 << 20) + 1];
    assert_eq!(send(s.address(), "POST", path, "", &flood).status, 413);
    assert_eq!(post(&s, "/api/readers/anna/import", &json!([1, 2])).status, 400);
    assert_eq!(get(&s, "/api/readers/Anna/cases").status, 400);
    assert_eq!(send(s.address(), "DELETE", "/api/session", "Content-Type: application/json\r\n", b"").status, 404);
}

#[test]
fn five_thousand_cases_list_in_a_moment() {
    let place = Place::new();
    let mut options = place.options();
    options.inputs = (0..5000).map(|i| Input::new(place.path("radiographs/a.png"), &format!("case-{i:05}"))).collect();
    {
        let row = |i: usize| format!("case-{i:05},../radiographs/a.png,{},96,80,{}\n", "0".repeat(64), (i * 7919 % 5000) as f64 / 5000.0);
        let text: String = std::iter::once("id,file,sha256,width,height,disagreement\n".to_owned()).chain((0..5000).map(row)).collect();
        std::fs::create_dir_all(place.path("workspace")).unwrap();
        std::fs::write(place.path("workspace/cases.csv"), text).unwrap();
    }
    let s = Server::start(options).unwrap();
    let began = Instant::now();
    let list = get(&s, "/api/readers/anna/cases").json();
    let took = began.elapsed();
    let listed = list["cases"].as_array().unwrap();
    assert_eq!(listed.len(), 5000);
    assert!(listed.windows(2).all(|w| w[0]["disagreement"].as_f64() >= w[1]["disagreement"].as_f64()));
    assert!(took.as_millis() < 300, "the list took {took:?}");
}

#[test]
fn three_thousand_pixels_open_within_a_second() {
    let place = Place::new();
    let large = phantom(3000, 3000, 1);
    std::fs::write(place.path("radiographs/large.dcm"), large.to_dicom().unwrap()).unwrap();
    {
        let w = place.workspace();
        for model in ["0123abcd", "89abcdef"] {
            w.save_proposal("large", model, Layer::Infection, &large.opacity).unwrap();
            w.save_proposal("large", model, Layer::Lung, &large.lungs.mapv(|v| 100 * v)).unwrap();
        }
    }
    let options = ServerOptions::new(
        place.path("radiographs"),
        vec![Input::new(place.path("radiographs/large.dcm"), "large")],
        place.path("workspace"),
    );
    let s = Server::start(options).unwrap();
    let began = Instant::now();
    let case = get(&s, "/api/readers/anna/cases/large").json();
    let pixels = get(&s, "/api/cases/large/pixels").body;
    let took = began.elapsed();
    assert_eq!((case["proposals"].as_array().unwrap().len(), pixels.len()), (2, 2 * 3000 * 3000));
    assert!(took.as_millis() < 1000, "it took {took:?}");
}
