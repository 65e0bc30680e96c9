//! A chest radiograph goes in; a lung mask, an infection map, a severity grade and a detection come out.
//!
//! covmap implements and extends *COVID-19 infection map generation and detection from chest X-ray images* (Degerli et al.,
//! Health Inf Sci Syst 2021). The modules below are the pipeline, in the order in which data flows; each stage is callable
//! alone, and [`Pipeline`] runs them in order:
//!
//! ```
//! use covmap_core::phantom::{Phantom, PhantomOptions};
//! use covmap_core::Pipeline;
//!
//! let radiograph = Phantom::new(&PhantomOptions::default())?.radiograph()?; // or Radiograph::open("chest.dcm")?
//! let pipeline = Pipeline::bundled()?;
//! let analysis = pipeline.analyze(&radiograph)?;
//!
//! assert_eq!(analysis.infection.bytes().dim(), radiograph.pixels().dim());
//! println!("{}", covmap_core::report::to_json(&analysis, None));
//! # Ok::<(), covmap_core::Error>(())
//! ```
//!
//! Outputs show opacity *consistent with* COVID-19 pneumonia. They are decision support for research, never a diagnosis:
//! the map lights up on opacity of other causes too, and detection can reflect where an image comes from (the model card
//! in `training/` has the figures).

mod archive;
mod digest;
mod error;
mod limits;
mod margins;
mod memory;
pub mod metrics;
mod plane;
pub mod simd;
mod threads;

pub mod detection;
pub mod engine;
pub mod fusion;
pub mod infection;
pub mod lung;
pub mod pipeline;
pub mod preprocess;
pub mod progression;
pub mod quality;
pub mod radiograph;
pub mod render;
pub mod report;
pub mod severity;

pub mod phantom;
pub mod run;
#[cfg(feature = "bundled-model")]
pub mod selftest;

pub use detection::Detection;
pub use engine::{Model, ModelOptions, ModelSpec};
pub use error::{Error, ErrorKind, Result};
pub use fusion::{Fusion, InfectionMap};
pub use infection::InfectionProbability;
pub use limits::Limits;
pub use lung::{LungMask, LungProbability};
pub use phantom::Phantom;
pub use pipeline::{Analysis, Pipeline, PipelineOptions};
pub use preprocess::{Geometry, ModelInput, Preprocess};
pub use progression::{Progression, Study};
pub use quality::Quality;
pub use radiograph::{Radiograph, ReadOptions};
pub use run::{CancelToken, OperatingPoint, Precision, RunOptions, Views};
pub use severity::{Grade, Severity};
pub use threads::{alone, join};
