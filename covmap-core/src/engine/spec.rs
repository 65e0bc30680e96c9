//! What the pipeline must know of a model: read from the ONNX file's `covmap.*` metadata or given by the caller.

use serde::{Deserialize, Serialize};

use crate::run::named;
use crate::{Error, Result};
use std::fmt;
use std::str::FromStr;

/// Description of a model file. The bundled and every trained model carry it in ONNX `metadata_props`, one key a field
/// (`covmap.format`, `covmap.input`, …); a user's own model is described in code or by the same JSON in a file beside it.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ModelSpec {
    /// Version of this description: 1.
    pub format: u32,
    /// Short name shown in results.
    pub name: String,
    pub input: InputSpec,
    /// One entry an output tensor that is used.
    pub outputs: Vec<OutputSpec>,
    #[serde(default)]
    pub thresholds: Thresholds,
    /// How severity and detection read the maps of this model; absent for an uncalibrated model.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub calibration: Option<Calibration>,
    /// How far results move when the network is computed with 16-bit brain floats; absent where that was not measured.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub bf16: Option<Deviation>,
    /// What the weights have seen, and under what terms they may be used.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub training: Option<Training>,
}

/// The network's input: one radiograph without its dark margins, stretched to `size`.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct InputSpec {
    /// Height and width in pixels.
    pub size: [usize; 2],
    #[serde(default)]
    pub layout: Layout,
    /// 1, or 3 for three equal channels. Default behavior: 1.
    #[serde(default = "one")]
    pub channels: usize,
    #[serde(default)]
    pub normalisation: Normalisation,
}

fn one() -> usize {
    1
}

named! {
    /// Order of the dimensions of input and outputs.
    Layout: "layout" {
        /// Batch, channel, row, column.
        Nchw = "nchw",
        /// Batch, row, column, channel.
        Nhwc = "nhwc",
    } default Nchw
}

/// Mapping of grey values 0..1 to what the network was trained on.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Normalisation {
    /// Zero mean and unit variance per image.
    #[default]
    Standardise,
    /// 0..1 as it is.
    Unit,
    /// `(x - mean) / std` per channel.
    Affine { mean: Vec<f32>, std: Vec<f32> },
}

/// One output tensor of the network.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct OutputSpec {
    /// Name of the output in the graph.
    pub tensor: String,
    /// What each of its channels is.
    pub channels: Vec<Channel>,
    #[serde(default)]
    pub activation: Activation,
}

named! {
    /// Meaning of an output channel.
    Channel: "channel" {
        /// Opacity consistent with COVID-19 pneumonia.
        Infection = "infection",
        /// Both lungs in one map; split into right and left by position.
        Lungs = "lungs",
        /// The patient's right lung (image left).
        LungRight = "lung_right",
        /// The patient's left lung.
        LungLeft = "lung_left",
        /// Points of the Brixia score beyond what the infection map tells ([`BrixiaCalibration::ramp`]).
        Points = "points",
        /// Not used.
        Ignore = "ignore",
    } default Ignore
}

named! {
    /// What the numbers of an output are.
    Activation: "activation" {
        /// Before the sigmoid.
        Logit = "logit",
        /// 0..1.
        Probability = "probability",
        /// Of any size: what channels of points are.
        Linear = "linear",
    } default Logit
}

/// Probabilities from which a pixel counts.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Thresholds {
    pub infection: f32,
    pub lungs: f32,
}

impl Default for Thresholds {
    fn default() -> Self {
        Thresholds { infection: 0.5, lungs: 0.5 }
    }
}

/// Fitted on maps of radiographs that the producing network had not trained on (`training/calibrate.py`).
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Calibration {
    pub brixia: BrixiaCalibration,
    pub detection: DetectionCalibration,
}

/// Zone score 0..3 as a piecewise linear, non-decreasing function of one zone feature.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct BrixiaCalibration {
    pub feature: ZoneFeature,
    /// (feature, score) pairs, increasing; constant beyond the ends.
    pub knots: Vec<[f32; 2]>,
    /// Over how much of the feature, from the first knot on, the mean of the network's `points` over the zone comes to count in full
    /// beside the knots: below the first knot, where a radiograph may well be normal, it does not count. Absent without such output.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub ramp: Option<f32>,
}

named! {
    /// What a zone's score is read from.
    ZoneFeature: "zone feature" {
        /// Infected share of the zone's area.
        Share = "share",
        /// Mean of the infection map over the zone.
        Mean = "mean",
    } default Mean
}

/// Logistic model of the whole map, with its two operating points.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct DetectionCalibration {
    pub intercept: f32,
    /// Weight of ln(mean map over both lungs + 0.001).
    pub log_mean: f32,
    /// Weight of ln(mean map of the worst zone + 0.001).
    pub log_worst_zone: f32,
    /// Probability threshold at which 95 % of COVID-19 radiographs were positive.
    pub sensitivity95: f32,
    /// Probability threshold at which 95 % of normal radiographs were negative.
    pub specificity95: f32,
}

/// Differences of results from those of f32, measured on radiographs that the network had not trained on.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Deviation {
    /// Pixel F1 of the infection map.
    pub infection_f1: f64,
    /// Mean Dice of the lungs.
    pub lung_dice: f64,
    /// Mean absolute difference of the Brixia estimates, in points.
    pub brixia: f64,
}

impl Deviation {
    /// F1 and Dice within 0.002, the Brixia estimate within 0.03 of 18 points: two radiologists differ by 2.
    pub fn is_negligible(&self) -> bool {
        self.infection_f1.abs() <= 0.002 && self.lung_dice.abs() <= 0.002 && self.brixia.abs() <= 0.03
    }
}

/// Provenance of weights.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Training {
    /// One paragraph for people.
    pub note: String,
    /// Terms of use of the weights.
    pub license: String,
    /// Catalogue folds whose images the weights saw.
    pub folds: Vec<u32>,
    /// Patient groups that the weights saw.
    pub groups: Vec<String>,
    /// Whatever else training recorded (seed, versions, data hash).
    #[serde(flatten)]
    pub record: serde_json::Map<String, serde_json::Value>,
}

impl ModelSpec {
    /// Reads the JSON form and checks it.
    ///
    /// # Errors
    /// [`Error::Model`] naming the field that does not fit.
    pub fn from_json(json: &str) -> Result<Self> {
        let spec: ModelSpec = serde_json::from_str(json).map_err(|e| Error::Model(format!("model description: {e}")))?;
        spec.check()?;
        Ok(spec)
    }

    /// Reads the `covmap.*` entries of ONNX metadata; `None` where there are none.
    pub(crate) fn from_metadata<'a>(entries: impl Iterator<Item = (&'a str, &'a str)>) -> Result<Option<Self>> {
        let mut object = serde_json::Map::new();
        for (key, value) in entries {
            if let Some(field) = key.strip_prefix("covmap.") {
                let parsed = serde_json::from_str(value).unwrap_or_else(|_| value.into());
                object.insert(field.into(), parsed);
            }
        }
        if object.is_empty() {
            return Ok(None);
        }
        let spec: ModelSpec = serde_json::from_value(object.into()).map_err(|e| Error::Model(format!("covmap metadata: {e}")))?;
        spec.check()?;
        Ok(Some(spec))
    }

    /// Number of the channels that are `channel`.
    pub(crate) fn has(&self, channel: Channel) -> bool {
        self.outputs.iter().any(|o| o.channels.contains(&channel))
    }

    /// Checks every field against its documented range.
    ///
    /// # Errors
    /// [`Error::Model`] naming the field that does not fit.
    pub fn check(&self) -> Result<()> {
        let fault = |text: String| Err(Error::Model(format!("model description: {text}")));
        if self.format != 1 {
            return fault(format!("format {} is not known to this version (it reads format 1)", self.format));
        }
        let [h, w] = self.input.size;
        if !(16..=4096).contains(&h) || !(16..=4096).contains(&w) {
            return fault(format!("input size {h} x {w} is outside 16..4096"));
        }
        if self.input.channels != 1 && self.input.channels != 3 {
            return fault(format!("{} input channels; 1 or 3 are possible", self.input.channels));
        }
        if let Normalisation::Affine { mean, std } = &self.input.normalisation
            && (mean.len() != self.input.channels || std.len() != self.input.channels || std.iter().any(|s| !s.is_finite() || *s <= 0.0))
        {
            return fault("affine normalisation needs one mean and one positive std per channel".into());
        }
        for c in [Channel::Infection, Channel::Lungs, Channel::LungRight, Channel::LungLeft, Channel::Points] {
            if self.outputs.iter().flat_map(|o| &o.channels).filter(|x| **x == c).count() > 1 {
                return fault(format!("channel {c} appears twice"));
            }
        }
        if let Some(o) = self.outputs.iter().find(|o| self.outputs.iter().filter(|p| p.tensor == o.tensor).count() > 1) {
            return fault(format!("output {:?} is described twice", o.tensor));
        }
        if let Some(o) = self.outputs.iter().find(|o| o.channels.is_empty()) {
            return fault(format!("output {:?} has no channel", o.tensor));
        }
        let odd = |o: &&OutputSpec| (o.activation == Activation::Linear) != (o.channels == [Channel::Points]);
        if let Some(o) = self.outputs.iter().find(odd) {
            return fault(format!("output {:?}: points are an output of their own, and the only linear one", o.tensor));
        }
        if self.has(Channel::LungRight) != self.has(Channel::LungLeft) {
            return fault("lung_right and lung_left come together".into());
        }
        if !self.has(Channel::Infection) && !self.has(Channel::Lungs) && !self.has(Channel::LungRight) {
            return fault("no output is infection or lungs".into());
        }
        for (name, t) in [("infection", self.thresholds.infection), ("lungs", self.thresholds.lungs)] {
            if !(t > 0.0 && t < 1.0) {
                return fault(format!("{name} threshold {t} is not between 0 and 1"));
            }
        }
        if let Some(c) = &self.calibration {
            let k = &c.brixia.knots;
            let rising = k.windows(2).all(|p| p[0][0] < p[1][0] && p[0][1] <= p[1][1]);
            if k.is_empty() || !rising || k.iter().any(|[x, y]| !x.is_finite() || !(0.0..=3.0).contains(y)) {
                return fault("brixia knots must rise, with scores in 0..3".into());
            }
            if c.brixia.ramp.is_some_and(|r| !(r > 0.0 && r.is_finite())) {
                return fault("the ramp of brixia points is not above 0".into());
            }
            if c.brixia.ramp.is_some() != self.has(Channel::Points) {
                return fault("an output of points and a brixia ramp come together".into());
            }
            let d = &c.detection;
            if [d.intercept, d.log_mean, d.log_worst_zone].iter().any(|x| !x.is_finite())
                || [d.sensitivity95, d.specificity95].iter().any(|x| !(0.0..=1.0).contains(x))
            {
                return fault("detection calibration is not finite, or a threshold is outside 0..1".into());
            }
        }
        Ok(())
    }
}
