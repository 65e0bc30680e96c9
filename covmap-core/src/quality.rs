//! Before the network: is this a frontal chest radiograph that it can read? Findings are flags; `strict` callers refuse on any.

use serde::{Deserialize, Serialize};

use crate::radiograph::{Note, View};
use crate::run::named;
use crate::{Error, Radiograph, Result};
use std::fmt;
use std::str::FromStr;

named! {
    /// A reason to doubt the result.
    Flag: "quality flag" {
        /// Nearly all pixels are equal.
        Blank = "blank",
        /// A side is under 128 pixels.
        Small = "small",
        /// The mediastinum is darker than the lungs: probably MONOCHROME1 shown without inversion.
        Inverted = "inverted",
        /// The input says that it is a lateral view.
        Lateral = "lateral",
        /// Wider than two to one or taller: cropped, or no chest radiograph.
        Cropped = "cropped",
        /// Coloured marks were turned to grey.
        ColouredMarks = "coloured-marks",
        /// The image was mirrored or rotated according to its PatientOrientation, and was turned.
        Turned = "turned",
        /// The DICOM window was unusable.
        WindowIgnored = "window-ignored",
        /// The DICOM object does not say that it is a radiograph.
        ModalityUnknown = "modality-unknown",
        /// Detector values for processing, not for display.
        ForProcessing = "for-processing",
        /// No lung was found.
        NoLungs = "no-lungs",
        /// Only one lung was found.
        OneLung = "one-lung",
        /// The lungs have an implausible size or place for a frontal view.
        ImplausibleLungs = "implausible-lungs",
    } default Blank
}

/// What is doubtful about a radiograph or its lungs. Empty is good.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct Quality {
    pub flags: Vec<Flag>,
}

impl Quality {
    /// Looks at the radiograph alone.
    pub fn assess(radiograph: &Radiograph) -> Self {
        let mut flags = Vec::new();
        let (h, w) = radiograph.pixels().dim();
        if w.min(h) < 128 {
            flags.push(Flag::Small);
        }
        if w > 2 * h || h > 2 * w {
            flags.push(Flag::Cropped);
        }
        if radiograph.view() == View::Lateral {
            flags.push(Flag::Lateral);
        }
        for note in radiograph.notes() {
            flags.push(match note {
                Note::ColouredMarks => Flag::ColouredMarks,
                Note::MirroredTurned | Note::RotatedTurned => Flag::Turned,
                Note::WindowIgnored => Flag::WindowIgnored,
                Note::ModalityUnknown => Flag::ModalityUnknown,
                Note::ForProcessing => Flag::ForProcessing,
                // Handled fully by reading: nothing to doubt.
                _ => continue,
            });
        }
        let grey = Sketch::of(radiograph);
        if grey.deviation < 0.02 {
            flags.push(Flag::Blank);
        } else if grey.centre < grey.lungs - 0.3 * grey.deviation {
            flags.push(Flag::Inverted);
        }
        flags.dedup();
        Quality { flags }
    }

    /// Whether nothing is doubtful.
    pub fn is_good(&self) -> bool {
        self.flags.is_empty()
    }

    /// Refuses a doubtful radiograph.
    ///
    /// # Errors
    /// `Input` naming the flags.
    pub fn require_good(&self) -> Result<()> {
        if self.is_good() {
            return Ok(());
        }
        let names: Vec<&str> = self.flags.iter().map(|f| f.as_str()).collect();
        Err(Error::Input(format!("refused in strict mode: {}", names.join(", "))))
    }
}

/// Grey statistics from a coarse grid, in 0..1 of the full range.
struct Sketch {
    deviation: f64,
    /// Mean where a frontal view has its mediastinum.
    centre: f64,
    /// Mean where it has its lungs.
    lungs: f64,
}

impl Sketch {
    fn of(radiograph: &Radiograph) -> Self {
        const N: usize = 64;
        let (h, w) = radiograph.pixels().dim();
        let pixels = radiograph.pixels();
        let (mut all, mut centre, mut lungs) = (Vec::with_capacity(N * N), Vec::new(), Vec::new());
        for i in 0..N {
            for j in 0..N {
                let v = f64::from(pixels[[i * h / N, j * w / N]]) / 65535.0;
                let (y, x) = (i as f64 / N as f64, j as f64 / N as f64);
                all.push(v);
                if (0.25..0.75).contains(&y) && (0.45..0.56).contains(&x) {
                    centre.push(v);
                } else if (0.3..0.6).contains(&y) && ((0.2..0.35).contains(&x) || (0.65..0.8).contains(&x)) {
                    lungs.push(v);
                }
            }
        }
        let mean = |v: &[f64]| v.iter().sum::<f64>() / v.len().max(1) as f64;
        let m = mean(&all);
        let deviation = (all.iter().map(|v| (v - m).powi(2)).sum::<f64>() / all.len() as f64).sqrt();
        Sketch { deviation, centre: mean(&centre), lungs: mean(&lungs) }
    }
}
