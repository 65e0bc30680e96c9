//! Figures over cases. Intervals and comparisons with readers are `score.py`'s business; these are the point estimates.

use std::collections::BTreeMap;
use std::path::Path;

use covmap_core::lung::{LEFT, RIGHT};
use covmap_core::metrics::{Confusion, auc, correlation, mean};
use covmap_core::{Analysis, Error, Result};

use super::catalog::Row;

/// What one image contributes.
#[derive(Debug)]
pub(crate) struct Case {
    finding: String,
    /// (name, Dice) of each lung label.
    lungs: Vec<(String, f64)>,
    /// Pixel counts and the image's size, where it is outlined.
    opacity: Option<(Confusion, f64)>,
    /// Infected share of the image.
    share: f64,
    /// Estimate and the senior reader's score.
    brixia: Option<(f64, f64)>,
    probability: Option<f64>,
    positive: bool,
    /// |ln(width / height)|: what the shape alone tells.
    aspect: f64,
    /// Mean of the map within the lungs.
    mean: Option<f64>,
}

impl Case {
    pub(crate) fn new(row: &Row, data: &Path, a: &Analysis) -> Result<Self> {
        let read = |kind: &str| -> Result<Vec<u8>> {
            let (mask, w, h) = row.mask(data, kind)?;
            if (w, h) != (a.width, a.height) {
                return Err(Error::Input(format!("{kind}/{}.png is {w} x {h}, the image {} x {}", row.id, a.width, a.height)));
            }
            Ok(mask)
        };
        let mut lungs = Vec::new();
        if !row.lung_mask.is_empty() {
            let (convention, sides) = row.lung_mask.split_once(';').unwrap_or((&row.lung_mask, ""));
            let truth = read("lung")?;
            let labels: Vec<u8> = a.lungs.as_ref().map_or(vec![0; truth.len()], |l| l.labels().iter().copied().collect());
            lungs.push((format!("lung.dice.mean.{convention}"), dice(&truth, |t| t > 50, &labels, |l| l > 0)));
            if sides.contains("100 right") {
                lungs.push(("lung.dice.right".into(), dice(&truth, |t| t == 100, &labels, |l| l == RIGHT)));
                lungs.push(("lung.dice.left".into(), dice(&truth, |t| t == 200, &labels, |l| l == LEFT)));
            }
        }
        let answer: Vec<u8> = a.infection.mask().into_iter().collect();
        let opacity = match row.infection_mask.is_empty() {
            true => None,
            false => Some((Confusion::of(&read("infection")?, &answer), answer.len() as f64)),
        };
        let severity = a.severity.as_ref();
        Ok(Case {
            finding: row.finding.clone(),
            lungs,
            opacity,
            share: answer.iter().filter(|x| **x != 0).count() as f64 / answer.len() as f64,
            brixia: row.brixia.map(|score| (severity.and_then(|s| s.brixia_estimate).unwrap_or(0.0), score)),
            probability: a.detection.probability,
            positive: a.detection.positive.unwrap_or(false),
            aspect: (a.width as f64 / a.height as f64).ln().abs(),
            mean: severity.and_then(|s| s.total().mean()),
        })
    }
}

fn dice(truth: &[u8], in_truth: impl Fn(u8) -> bool, answer: &[u8], in_answer: impl Fn(u8) -> bool) -> f64 {
    let truth: Vec<u8> = truth.iter().map(|t| u8::from(in_truth(*t))).collect();
    let answer: Vec<u8> = answer.iter().map(|a| u8::from(in_answer(*a))).collect();
    Confusion::of(&truth, &answer).f1().unwrap_or(1.0)
}

/// All cases of a split.
#[derive(Debug, Default)]
pub(crate) struct Figures(Vec<Case>);

impl Figures {
    pub(crate) fn add(&mut self, case: Case) {
        self.0.push(case);
    }

    /// (name, value, images). A hidden part leaves only what does not come from it: detection and the map's mean.
    pub(crate) fn table(&self, hidden: bool) -> Vec<(String, Option<f64>, usize)> {
        let mut table = Vec::new();
        if !hidden {
            self.maps(&mut table);
        }
        let of = |finding: &'static str| self.0.iter().filter(move |c| c.finding == finding);
        for other in ["normal", "other_pneumonia"] {
            // A missing probability counts as the wrong answer, as in score.py.
            let covid: Vec<f64> = of("covid").map(|c| c.probability.unwrap_or(0.0)).collect();
            let rest: Vec<f64> = of(other).map(|c| c.probability.unwrap_or(1.0)).collect();
            table.push((format!("detection.auc.covid_vs_{other}"), auc(&covid, &rest), covid.len() + rest.len()));
            let shape = |f: &'static str| of(f).map(|c| c.aspect).collect::<Vec<_>>();
            let alone = auc(&shape("covid"), &shape(other));
            table.push((format!("detection.auc_of_aspect_ratio_alone.covid_vs_{other}"), alone, covid.len() + rest.len()));
        }
        for finding in ["covid", "normal", "other_pneumonia"] {
            let positive: Vec<f64> = of(finding).map(|c| f64::from(u8::from(c.positive))).collect();
            table.push((format!("detection.positive_rate.{finding}"), mean(&positive), positive.len()));
            let means: Vec<f64> = of(finding).filter_map(|c| c.mean).collect();
            table.push((format!("infection.mean_in_lungs.{finding}"), mean(&means), means.len()));
        }
        table
    }

    fn maps(&self, table: &mut Vec<(String, Option<f64>, usize)>) {
        let mut lungs: BTreeMap<&str, Vec<f64>> = BTreeMap::new();
        for (name, dice) in self.0.iter().flat_map(|c| &c.lungs) {
            lungs.entry(name).or_default().push(*dice);
        }
        table.extend(lungs.into_iter().map(|(name, dices)| (name.to_owned(), mean(&dices), dices.len())));
        let (mut pixels, mut n) = (Confusion::default(), 0);
        for (counts, size) in self.0.iter().filter_map(|c| c.opacity.as_ref()) {
            // Every image weighs the same, whatever its size.
            pixels.add(counts, 1.0 / size);
            n += 1;
        }
        table.push(("infection.pixel.f1".into(), pixels.f1(), n));
        let normals: Vec<f64> = self.0.iter().filter(|c| c.finding == "normal").map(|c| c.share).collect();
        table.push(("infection.false_share.on_normals".into(), mean(&normals), normals.len()));
        let pairs: Vec<(f64, f64)> = self.0.iter().filter_map(|c| c.brixia).collect();
        table.push(("brixia.global.r".into(), correlation(&pairs), pairs.len()));
        let errors: Vec<f64> = pairs.iter().map(|(a, b)| (a - b).abs()).collect();
        table.push(("brixia.global.mae".into(), mean(&errors), errors.len()));
    }
}
