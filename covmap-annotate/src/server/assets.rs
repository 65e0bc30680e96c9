//! The page's files, in the binary.

use super::reply::Reply;

macro_rules! assets {
    ($($name:literal: $kind:literal),+ $(,)?) => {
        /// A file of the page by its name.
        pub(super) fn asset(name: &str) -> Option<Reply> {
            match name {
                $($name => Some(Reply::new($kind, &include_bytes!(concat!("../../assets/", $name))[..])),)+
                _ => None,
            }
        }
    };
}

assets! {
    "index.html": "text/html; charset=utf-8",
    "style.css": "text/css; charset=utf-8",
    "icon.svg": "image/svg+xml",
    "main.js": "text/javascript; charset=utf-8",
    "api.js": "text/javascript; charset=utf-8",
    "worklist.js": "text/javascript; charset=utf-8",
    "viewer.js": "text/javascript; charset=utf-8",
    "layers.js": "text/javascript; charset=utf-8",
    "tools.js": "text/javascript; charset=utf-8",
    "grow.js": "text/javascript; charset=utf-8",
    "proposals.js": "text/javascript; charset=utf-8",
    "saving.js": "text/javascript; charset=utf-8",
    "scores.js": "text/javascript; charset=utf-8",
    "compare.js": "text/javascript; charset=utf-8",
    "agreement.js": "text/javascript; charset=utf-8",
}
