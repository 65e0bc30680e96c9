//! A [`Progression`](crate::Progression) for people and programs.

mod html;
mod json;
mod trend;

pub use html::compare_to_html;
pub use json::{COMPARE_SCHEMA, compare_to_json};
pub use trend::trend_to_svg;
