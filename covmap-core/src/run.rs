//! What a caller may ask of one run: cancel it, bound its time, watch it, choose views and operating point.

use std::fmt;
use std::str::FromStr;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Instant;

use serde::{Deserialize, Serialize};

use crate::{Error, Limits, Result, simd};

/// Cancels running analyses from any thread. Clones share one state.
#[derive(Debug, Clone, Default)]
pub struct CancelToken(Arc<AtomicBool>);

impl CancelToken {
    /// A token that nobody has cancelled.
    pub fn new() -> Self {
        Self::default()
    }

    /// Asks every run that holds this token to stop before its next layer.
    pub fn cancel(&self) {
        self.0.store(true, Ordering::Relaxed);
    }

    /// Whether [`cancel`](Self::cancel) was called.
    pub fn is_cancelled(&self) -> bool {
        self.0.load(Ordering::Relaxed)
    }
}

macro_rules! named {
    ($(#[$doc:meta])* $type:ident: $what:literal { $($(#[$vdoc:meta])* $variant:ident = $name:literal),+ $(,)? } default $default:ident) => {
        $(#[$doc])*
        #[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
        #[non_exhaustive]
        pub enum $type { $($(#[$vdoc])* #[serde(rename = $name)] $variant),+ }

        impl $type {
            /// Every value, in the order of the documentation.
            pub const ALL: &'static [$type] = &[$($type::$variant),+];

            /// The name used on the command line, in JSON and by the bindings.
            pub fn as_str(self) -> &'static str {
                match self { $($type::$variant => $name),+ }
            }
        }

        impl Default for $type {
            fn default() -> Self { $type::$default }
        }

        impl fmt::Display for $type {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result { f.write_str(self.as_str()) }
        }

        impl FromStr for $type {
            type Err = Error;
            fn from_str(s: &str) -> Result<Self> {
                match s {
                    $($name => Ok($type::$variant),)+
                    _ => Err(Error::Parameter(format!("unknown {} {s:?}; known: {}", $what, [$($name),+].join(", ")))),
                }
            }
        }
    };
}
pub(crate) use named;

named! {
    /// What runs a network.
    Engine: "engine" {
        /// Compiled plans for whatever part of the network they cover, tract for the rest.
        Auto = "auto",
        /// tract alone: the reference that plans are checked against.
        Reference = "reference",
    } default Auto
}

named! {
    /// Test-time views of one radiograph that the network sees; their probabilities are fused.
    Views: "views" {
        /// The radiograph as it is.
        None = "none",
        /// Also its mirror image, with right and left swapped back: twice the time.
        Flip = "flip",
    } default None
}

named! {
    /// Arithmetic of the network.
    Precision: "precision" {
        /// 32-bit floating point.
        F32 = "f32",
        /// 16-bit brain floating point.
        Bf16 = "bf16",
        /// 8-bit integers.
        Int8 = "int8",
        /// The fastest that the model's metadata records as equivalent.
        Auto = "auto",
    } default Auto
}

impl Precision {
    /// Refuses what this version does not have.
    ///
    /// # Errors
    /// `Parameter` for int8, and for bf16 on a processor without AVX512_BF16.
    pub fn require_available(self) -> Result<()> {
        match self {
            Precision::Auto | Precision::F32 => Ok(()),
            Precision::Bf16 if simd::has_bf16() => Ok(()),
            Precision::Bf16 => Err(Error::Parameter("precision bf16 needs a processor with AVX512_BF16; f32 and auto run anywhere".into())),
            Precision::Int8 => Err(Error::Parameter("precision int8 is not available in this version; f32, bf16 and auto are".into())),
        }
    }
}

named! {
    /// Where detection says positive.
    OperatingPoint: "operating point" {
        /// 95 % of COVID-19 radiographs of the calibration set are positive.
        Sensitivity95 = "sensitivity95",
        /// 95 % of normal radiographs of the calibration set are negative.
        Specificity95 = "specificity95",
    } default Specificity95
}

named! {
    /// A stage of the pipeline, reported to [`RunOptions::on_progress`] before it starts.
    Stage: "stage" {
        Quality = "quality",
        Preprocess = "preprocess",
        Network = "network",
        Lung = "lung",
        Fusion = "fusion",
        Severity = "severity",
        Detection = "detection",
    } default Quality
}

/// Options of one run. `RunOptions::default()` never cancels and reports nothing.
#[derive(Clone, Default)]
#[non_exhaustive]
pub struct RunOptions {
    /// Honoured between the layers of the network.
    pub cancel: Option<CancelToken>,
    /// The run ends with [`Error::Cancelled`] soon after this instant. Default behavior: [`Limits::max_time`] alone.
    pub deadline: Option<Instant>,
    /// Bounds on memory and time of an analysis. Default behavior: [`Limits::default`].
    pub limits: Limits,
    /// Default behavior: no extra views.
    pub views: Views,
    /// Default behavior: automatic.
    pub precision: Precision,
    /// Default behavior: [`OperatingPoint::Specificity95`].
    pub operating_point: OperatingPoint,
    /// Called on the analysing thread before each stage.
    pub on_progress: Option<Arc<dyn Fn(Stage) + Send + Sync>>,
}

impl fmt::Debug for RunOptions {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("RunOptions")
            .field("cancel", &self.cancel)
            .field("deadline", &self.deadline)
            .field("limits", &self.limits)
            .field("views", &self.views)
            .field("precision", &self.precision)
            .field("operating_point", &self.operating_point)
            .finish_non_exhaustive()
    }
}

impl RunOptions {
    /// [`Error::Cancelled`] once the token is cancelled or the deadline has passed.
    pub fn check(&self) -> Result<()> {
        if self.cancel.as_ref().is_some_and(CancelToken::is_cancelled) {
            return Err(Error::Cancelled("the analysis was cancelled"));
        }
        if self.deadline.is_some_and(|d| Instant::now() >= d) {
            return Err(Error::Cancelled("the analysis ran past its deadline"));
        }
        Ok(())
    }

    /// The same options with a deadline no later than [`Limits::max_time`] from now.
    pub(crate) fn started(&self) -> Self {
        let latest = Instant::now().checked_add(self.limits.max_time);
        let deadline = self.deadline.into_iter().chain(latest).min();
        RunOptions { deadline, ..self.clone() }
    }

    pub(crate) fn enter(&self, stage: Stage) -> Result<()> {
        self.check()?;
        if let Some(f) = &self.on_progress {
            f(stage);
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::time::Duration;

    #[test]
    fn names_round_trip() {
        for v in OperatingPoint::ALL {
            assert_eq!(v.as_str().parse::<OperatingPoint>().unwrap(), *v);
        }
        let e = "twice".parse::<Views>().unwrap_err().to_string();
        assert_eq!(e, "unknown views \"twice\"; known: none, flip");
    }

    #[test]
    fn cancel_and_deadline_end_a_run() {
        let token = CancelToken::new();
        let options = RunOptions { cancel: Some(token.clone()), ..Default::default() };
        assert!(options.check().is_ok());
        token.cancel();
        assert!(matches!(options.check(), Err(Error::Cancelled(_))));
        let late = RunOptions { deadline: Some(Instant::now()), ..Default::default() };
        assert!(matches!(late.check(), Err(Error::Cancelled(_))));
        let brief = RunOptions { limits: Limits { max_time: Duration::ZERO, ..Limits::default() }, ..Default::default() };
        assert!(brief.check().is_ok() && matches!(brief.started().check(), Err(Error::Cancelled(_))));
        assert!(RunOptions::default().started().check().is_ok());
    }
}
