//! Requests as far as they are read, and replies with the headers that all of them carry.

use std::io::{Read, Write};

use serde::Serialize;
use serde::de::DeserializeOwned;
use tiny_http::{Method, Request, StatusCode};

use crate::{Refusal, Result};

/// Line and headers of a request.
#[derive(Debug)]
pub(super) struct Asked {
    pub method: Method,
    pub path: String,
    pub query: String,
    headers: Vec<(String, String)>,
}

impl Asked {
    pub(super) fn of(request: &mut Request) -> Self {
        let (path, query) = request.url().split_once('?').unwrap_or((request.url(), ""));
        let headers = request.headers().iter().map(|h| (h.field.as_str().as_str().to_lowercase(), h.value.as_str().to_owned()));
        Asked { method: request.method().clone(), path: path.to_owned(), query: query.to_owned(), headers: headers.collect() }
    }

    /// A header by its lower-case name.
    pub(super) fn header(&self, name: &str) -> Option<&str> {
        self.headers.iter().find(|(n, _)| n == name).map(|(_, v)| v.as_str())
    }
}

/// The body, if it is JSON of at most `limit` bytes.
pub(super) fn body(request: &mut Request, limit: usize) -> Result<Vec<u8>> {
    let too_large = || Refusal::TooLarge(format!("at most {limit} bytes are taken"));
    if request.body_length().is_some_and(|n| n > limit) {
        return Err(too_large());
    }
    let mut bytes = Vec::new();
    request.as_reader().take(limit as u64 + 1).read_to_end(&mut bytes).map_err(|e| Refusal::Wrong(e.to_string()))?;
    if bytes.len() > limit { Err(too_large()) } else { Ok(bytes) }
}

pub(super) fn parse<T: DeserializeOwned>(bytes: &[u8]) -> Result<T> {
    serde_json::from_slice(bytes).map_err(|e| Refusal::Wrong(e.to_string()))
}

/// What goes back.
#[derive(Debug)]
pub(super) struct Reply {
    status: u16,
    body: Vec<u8>,
    headers: Vec<(&'static str, String)>,
}

/// The page runs its own scripts and styles, talks to its own server, and nothing else.
const POLICY: &str = "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' data: blob:; connect-src 'self'; \
                      base-uri 'none'; form-action 'none'; frame-ancestors 'none'";

impl Reply {
    pub(super) fn new(kind: &str, body: impl Into<Vec<u8>>) -> Self {
        Reply { status: 200, body: body.into(), headers: vec![("Content-Type", kind.to_owned())] }
    }

    pub(super) fn json(value: &impl Serialize) -> Result<Self> {
        Ok(Self::new("application/json", serde_json::to_vec(value).map_err(|e| Refusal::Failed(e.to_string()))?))
    }

    /// A file that the browser keeps.
    pub(super) fn download(self, name: &str) -> Self {
        self.with("Content-Disposition", format!("attachment; filename=\"{name}\""))
    }

    pub(super) fn with(mut self, name: &'static str, value: impl Into<String>) -> Self {
        self.headers.push((name, value.into()));
        self
    }

    pub(super) fn status(mut self, status: u16) -> Self {
        self.status = status;
        self
    }

    pub(super) fn refusal(refusal: &Refusal) -> Self {
        let status = match refusal {
            Refusal::Wrong(_) => 400,
            Refusal::Absent(_) => 404,
            Refusal::Conflict(_) => 409,
            Refusal::TooLarge(_) => 413,
            Refusal::Failed(_) => 500,
        };
        Self::error(status, &refusal.to_string())
    }

    pub(super) fn error(status: u16, text: &str) -> Self {
        Self::new("application/json", serde_json::json!({ "error": text }).to_string()).status(status)
    }

    /// Writes the reply and asks the browser to hang up: tiny_http gives each connection a thread for as long as it lasts, and with
    /// all of them held open by idle connections a new one can wait for ever.
    pub(super) fn send(self, request: Request) {
        let fixed = [
            ("Content-Security-Policy", POLICY),
            ("X-Content-Type-Options", "nosniff"),
            ("Referrer-Policy", "no-referrer"),
            ("Cross-Origin-Resource-Policy", "same-origin"),
            ("Cross-Origin-Opener-Policy", "same-origin"),
            ("Cache-Control", "no-store"),
            ("Connection", "close"),
        ];
        let code = StatusCode(self.status);
        let mut head = format!("HTTP/1.1 {} {}\r\n", self.status, code.default_reason_phrase());
        for (name, value) in fixed.into_iter().chain(self.headers.iter().map(|(n, v)| (*n, v.as_str()))) {
            // No value is the reader's own text; a line break in one would still begin another header.
            head.push_str(&format!("{name}: {}\r\n", value.replace(['\r', '\n'], " ")));
        }
        head.push_str(&format!("Content-Length: {}\r\n\r\n", self.body.len()));
        let wants_body = *request.method() != Method::Head;
        let mut writer = request.into_writer();
        // A browser that has left needs no answer.
        let _ = writer.write_all(head.as_bytes());
        let _ = if wants_body { writer.write_all(&self.body) } else { Ok(()) };
        let _ = writer.flush();
    }
}
