//! Who may ask: this machine's own page, or who has the token.

use std::net::SocketAddr;

use sha2::{Digest, Sha256};
use tiny_http::Method;

use super::reply::{Asked, Reply};
use crate::{Refusal, Result};

const COOKIE: &str = "covmap_annotate";

/// Checks every request before anything else looks at it.
#[derive(Debug)]
pub(super) struct Guard {
    address: SocketAddr,
    token: Option<String>,
}

impl Guard {
    pub(super) fn new(address: SocketAddr, token: Option<String>) -> Self {
        Guard { address, token }
    }

    pub(super) fn token(&self) -> Option<&str> {
        self.token.as_deref()
    }

    /// `None` lets the request in; a reply answers it.
    ///
    /// # Errors
    /// `Wrong` for what no browser sends on the page's behalf.
    pub(super) fn admit(&self, asked: &Asked) -> Result<Option<Reply>> {
        let host = asked.header("host").unwrap_or_default();
        // A name that someone else's DNS points at this machine is not this machine's name.
        if self.address.ip().is_loopback() && !self.is_own_name(host) {
            return Ok(Some(Reply::error(403, "this server answers to its own address only")));
        }
        if asked.method != Method::Get && asked.method != Method::Head {
            let origin = asked.header("origin").and_then(|o| o.split_once("://")).map(|(_, host)| host);
            let foreign = origin.is_some_and(|o| o != host) || asked.header("origin") == Some("null");
            let site = asked.header("sec-fetch-site").unwrap_or("same-origin");
            if foreign || !matches!(site, "same-origin" | "none") {
                return Ok(Some(Reply::error(403, "another page may not ask this")));
            }
            // What a form of another page can send is not JSON.
            if asked.header("content-type").is_none_or(|t| !t.starts_with("application/json")) {
                return Err(Refusal::wrong("only application/json is taken"));
            }
        }
        let Some(token) = &self.token else { return Ok(None) };
        let digest = |text: &str| Sha256::digest(text.as_bytes());
        // Digests are compared: how long that takes tells nothing of the token.
        let right = |given: &str| digest(given) == digest(token);
        if asked.path == "/" && asked.query.strip_prefix("token=").is_some_and(right) {
            let cookie = format!("{COOKIE}={token}; Path=/; HttpOnly; SameSite=Strict");
            return Ok(Some(Reply::new("text/plain", "").status(303).with("Location", "/").with("Set-Cookie", cookie)));
        }
        let bearer = asked.header("authorization").and_then(|a| a.strip_prefix("Bearer "));
        let cookies = asked.header("cookie").unwrap_or_default().split(';');
        let cookie = cookies.filter_map(|c| c.trim().split_once('=')).find(|(name, _)| *name == COOKIE).map(|(_, value)| value);
        if bearer.is_some_and(right) || cookie.is_some_and(right) {
            return Ok(None);
        }
        Ok(Some(Reply::error(401, "the address that covmap annotate printed has a token that lets you in")))
    }

    fn is_own_name(&self, host: &str) -> bool {
        let port = self.address.port();
        let bare = host.strip_suffix(&format!(":{port}")).or((port == 80).then_some(host));
        bare.is_some_and(|name| matches!(name, "localhost" | "127.0.0.1" | "[::1]") || name == self.address.ip().to_string())
    }
}
