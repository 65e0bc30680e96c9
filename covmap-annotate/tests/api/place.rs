//! A folder of phantoms, a server over it, and the least that asks it something.

use std::io::{Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::path::{Path, PathBuf};

use covmap_annotate::workspace::Workspace;
use covmap_annotate::{Input, Server, ServerOptions};
use covmap_core::phantom::{Phantom, PhantomOptions};
use serde_json::Value;
use tempfile::TempDir;

/// Radiographs and a workspace.
pub struct Place {
    pub folder: TempDir,
}

/// What came back.
pub struct Answer {
    pub status: u16,
    pub head: String,
    pub body: Vec<u8>,
}

impl Answer {
    pub fn json(&self) -> Value {
        serde_json::from_slice(&self.body).unwrap_or_else(|e| panic!("{e}: {}", String::from_utf8_lossy(&self.body)))
    }
}

pub fn phantom(width: usize, height: usize, seed: u64) -> Phantom {
    let mut options = PhantomOptions::default();
    (options.width, options.height, options.seed) = (width, height, seed);
    Phantom::new(&options).unwrap()
}

impl Place {
    /// Two small radiographs: a PNG, and a DICOM object that says to be mirrored.
    pub fn new() -> Self {
        let place = Place { folder: tempfile::tempdir().unwrap() };
        std::fs::create_dir_all(place.path("radiographs/sub")).unwrap();
        std::fs::write(place.path("radiographs/a.png"), phantom(96, 80, 1).to_png().unwrap()).unwrap();
        let mut options = PhantomOptions::default();
        (options.width, options.height, options.mirrored) = (90, 70, true);
        std::fs::write(place.path("radiographs/sub/b.dcm"), Phantom::new(&options).unwrap().to_dicom().unwrap()).unwrap();
        place
    }

    pub fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    pub fn options(&self) -> ServerOptions {
        let input = |file: &str, place: &str| Input::new(self.path("radiographs").join(file), place);
        ServerOptions::new(self.path("radiographs"), vec![input("a.png", "a"), input("sub/b.dcm", "sub/b")], self.path("workspace"))
    }

    pub fn serve(&self) -> Server {
        Server::start(self.options()).unwrap()
    }

    pub fn workspace(&self) -> Workspace {
        Workspace::open(&self.path("workspace")).unwrap()
    }
}

/// One request as a browser would send it, `extra` headers first.
pub fn send(address: SocketAddr, method: &str, path: &str, extra: &str, body: &[u8]) -> Answer {
    let mut stream = TcpStream::connect(address).unwrap();
    let host = if extra.to_lowercase().contains("host:") { String::new() } else { format!("Host: {address}\r\n") };
    let kind = if method == "POST" && !extra.contains("Content-Type") { "Content-Type: application/json\r\n" } else { "" };
    let head = format!("{method} {path} HTTP/1.1\r\n{extra}{host}{kind}Content-Length: {}\r\nConnection: close\r\n\r\n", body.len());
    stream.write_all(head.as_bytes()).unwrap();
    // A server that refuses early may not read on.
    let _ = stream.write_all(body);
    let mut all = Vec::new();
    let _ = stream.read_to_end(&mut all);
    let end = all.windows(4).position(|w| w == b"\r\n\r\n").expect("a whole head");
    let head = String::from_utf8_lossy(&all[..end]).into_owned();
    let status = head.split(' ').nth(1).and_then(|s| s.parse().ok()).unwrap();
    Answer { status, head, body: all[end + 4..].to_vec() }
}

pub fn get(server: &Server, path: &str) -> Answer {
    send(server.address(), "GET", path, "", b"")
}

pub fn post(server: &Server, path: &str, body: &Value) -> Answer {
    send(server.address(), "POST", path, "", body.to_string().as_bytes())
}

pub fn read(path: &Path) -> ndarray::Array2<u8> {
    covmap_annotate::mask::read(path).unwrap()
}
