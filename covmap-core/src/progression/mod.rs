//! Several studies of one patient: what grew, what cleared, and how much of that is more than the software's own variation.
//!
//! A region's share before and after is measured in each study's own lungs, so that the difference needs no alignment. Only the
//! map of change does: the lungs of the earlier study are laid over those of the later one ([`Alignment`]), and pixels that
//! are lung in both are compared ([`ChangeMap`]).

mod align;
mod change;
mod date;
mod variation;

use serde::{Deserialize, Serialize};
use std::fmt;
use std::str::FromStr;

use dicom_dictionary_std::tags;

use crate::radiograph::{Source, View};
use crate::run::named;
use crate::{Analysis, Error, Pipeline, Radiograph, Result, RunOptions};

pub use align::{Alignment, AlignmentKind};
pub use change::{CLEAR, CLEARED, ChangeMap, GREW, NOT_COMPARED, RegionChange, UNCHANGED};
pub use date::Date;
pub use variation::{Figures, LOOKS, METHOD, REGIONS, Variation};

use align::Lungs;

/// Lungs that overlap less than this (Dice) after alignment were not the same shape, or not found alike.
const POOR_OVERLAP: f64 = 0.85;
/// Half the width of an interval in standard deviations.
const COVERAGE: f64 = 1.96;

/// One study: a radiograph, what was found in it, and how stable that is.
#[derive(Debug, Clone)]
pub struct Study {
    pub radiograph: Radiograph,
    pub analysis: Analysis,
    /// Default: what the DICOM header says.
    pub date: Option<Date>,
    /// As reports show it. Default: none.
    pub name: Option<String>,
    pub figures: Figures,
    pub variation: Variation,
}

impl Study {
    /// Analyses the radiograph, and [`LOOKS`] times more for its [`Variation`].
    ///
    /// # Errors
    /// As [`Pipeline::analyze_with`].
    pub fn new(pipeline: &Pipeline, radiograph: Radiograph, options: &RunOptions) -> Result<Self> {
        let analysis = pipeline.analyze_with(&radiograph, options)?;
        let figures = Figures::of(analysis.severity.as_ref(), false);
        let variation = Variation::new(pipeline, &radiograph, &figures, options)?;
        Ok(Study { date: Date::of(&radiograph), name: None, radiograph, analysis, figures, variation })
    }

    /// Patient ID as the header words it.
    fn patient(&self) -> Option<&[u8]> {
        match self.radiograph.source() {
            Source::Dicom(source) => source.header.bytes(tags::PATIENT_ID),
            _ => None,
        }
    }
}

/// A difference with its interval.
#[derive(Debug, Clone, Copy, PartialEq, Default)]
pub struct Difference {
    pub before: Option<f64>,
    pub after: Option<f64>,
    /// After less before; `None` where either is.
    pub difference: Option<f64>,
    /// 1.96 standard deviations of [`Variation`] to either side; `None` where a study has none.
    pub interval: Option<[f64; 2]>,
}

impl Difference {
    fn new(before: Option<f64>, after: Option<f64>, spread: [Option<f64>; 2]) -> Self {
        let difference = before.zip(after).map(|(before, after)| after - before);
        let half = spread[0].zip(spread[1]).map(|(a, b)| COVERAGE * a.hypot(b));
        Difference { before, after, difference, interval: difference.zip(half).map(|(d, half)| [d - half, d + half]) }
    }

    /// Whether the interval leaves out 0: the difference is more than position and print of a picture make.
    pub fn beyond_variation(&self) -> Option<bool> {
        self.interval.map(|[low, high]| low > 0.0 || high < 0.0)
    }
}

named! {
    /// A reason to doubt a comparison.
    Doubt: "doubt" {
        /// A study has quality flags of its own.
        Quality = "quality",
        /// One was taken from behind (PA), the other from the front (AP), or one does not say.
        ViewsDiffer = "views-differ",
        /// No lung was found in both studies: there is no map of change.
        NoCommonLung = "no-common-lung",
        /// The map of change covers one lung.
        OneLung = "one-lung",
        /// The aligned lungs overlap by less than Dice 0.85.
        PoorAlignment = "poor-alignment",
        /// A date is not known: the order is the one given.
        DatesUnknown = "dates-unknown",
    } default Quality
}

/// From one study to a later one.
#[derive(Debug, Clone, PartialEq)]
pub struct Comparison {
    /// Places of both in [`Progression::studies`].
    pub studies: [usize; 2],
    pub days: Option<f64>,
    /// Shares of each of [`REGIONS`].
    pub shares: [Difference; 9],
    pub brixia_estimate: Difference,
    /// `None` where no lung was found in both.
    pub alignment: Option<Alignment>,
    pub map: Option<ChangeMap>,
    pub doubts: Vec<Doubt>,
}

/// Studies in order, each compared with the one before it, and the last with the first where there are more than two.
#[derive(Debug, Clone)]
pub struct Progression {
    pub studies: Vec<Study>,
    pub comparisons: Vec<Comparison>,
}

impl Progression {
    /// Orders studies by date, where all have one, and compares them.
    ///
    /// # Errors
    /// `Parameter` for less than two studies; `Input` where two of them name different patients.
    pub fn new(studies: Vec<Study>) -> Result<Self> {
        let mut studies = studies;
        if studies.len() < 2 {
            return Err(Error::Parameter("a comparison needs two studies or more".into()));
        }
        let mut patients: Vec<&[u8]> = studies.iter().filter_map(Study::patient).collect();
        patients.dedup();
        if patients.len() > 1 {
            return Err(Error::Input("the DICOM headers name different patients: studies of one patient can be compared".into()));
        }
        if studies.iter().all(|s| s.date.is_some()) {
            studies.sort_by_key(|s| s.date);
        }
        let last = studies.len() - 1;
        let overall = (last > 1).then_some([0, last]);
        let pairs = (0..last).map(|i| [i, i + 1]).chain(overall);
        let comparisons = pairs.map(|pair| Comparison::new(&studies, pair)).collect();
        Ok(Progression { studies, comparisons })
    }
}

impl Comparison {
    fn new<'a>(studies: &'a [Study], pair: [usize; 2]) -> Self {
        let [before, after] = pair.map(|i| &studies[i]);
        let lungs = |study: &'a Study| Some(Lungs { mask: study.analysis.lungs.as_ref()?, aspect: study.radiograph.pixel_aspect_ratio() });
        let alignment = lungs(before).zip(lungs(after)).and_then(|(before, after)| Alignment::new(&before, &after));
        let map = alignment.as_ref().and_then(|a| ChangeMap::new(&before.analysis, &after.analysis, a));
        let share = |i: usize| {
            let spread = [before.variation.shares[i], after.variation.shares[i]];
            Difference::new(before.figures.shares[i], after.figures.shares[i], spread)
        };
        let brixia = [before, after].map(|s| s.variation.brixia_estimate);
        let mut doubts = Vec::new();
        let mut doubt = |doubt: Doubt, doubtful: bool| doubts.extend(doubtful.then_some(doubt));
        doubt(Doubt::Quality, !before.analysis.quality.is_good() || !after.analysis.quality.is_good());
        doubt(
            Doubt::ViewsDiffer,
            before.analysis.view != after.analysis.view && [before, after].iter().any(|s| s.analysis.view != View::Unknown),
        );
        doubt(Doubt::NoCommonLung, alignment.is_none());
        doubt(Doubt::OneLung, alignment.as_ref().is_some_and(|a| a.kind == AlignmentKind::Similarity));
        doubt(Doubt::PoorAlignment, alignment.as_ref().is_some_and(|a| a.overlap < POOR_OVERLAP));
        doubt(Doubt::DatesUnknown, studies.iter().any(|s| s.date.is_none()));
        Comparison {
            studies: pair,
            days: before.date.zip(after.date).map(|(b, a)| a.days_since(&b)),
            shares: std::array::from_fn(share),
            brixia_estimate: Difference::new(before.figures.brixia_estimate, after.figures.brixia_estimate, brixia),
            alignment,
            map,
            doubts,
        }
    }
}
