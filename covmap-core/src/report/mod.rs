//! An [`Analysis`] in the formats that others read.

mod json;

pub use json::{SCHEMA, to_json};
