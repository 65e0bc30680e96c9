//! How well readers agree: masks by Dice, zones by Cohen's kappa, global scores by ICC(2,1), and STAPLE's consensus.

mod plot;
mod staple;
mod statistics;
mod table;

use std::collections::{BTreeMap, BTreeSet};

use ndarray::Array2;
use serde::Serialize;

pub use staple::{Staple, staple};
pub use statistics::{Kappa, icc_2_1, kappa};

use crate::cases::{Cases, pairs};
use crate::mask::{self, Layer};
use crate::workspace::{Reading, Workspace};
use crate::{Refusal, Result};

/// Zones of the Brixia score: right upper, middle, lower; left upper, middle, lower.
pub const ZONES: [&str; 6] = ["A", "B", "C", "D", "E", "F"];

/// Two readers over the cases that both are done with.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Pair {
    pub readers: [String; 2],
    pub cases: usize,
    /// Mean over the cases; two empty masks agree.
    pub dice_infection: Option<f64>,
    /// Mean over the cases of which both outlined the lungs.
    pub dice_lungs: Option<f64>,
    /// By zone, over the cases in which both scored it.
    pub kappa: [Option<Kappa>; 6],
    /// Of the global scores.
    pub icc: Option<f64>,
    /// Cases that both scored in all zones.
    pub scored: usize,
    /// Dice of the opacity, and both global scores, by case.
    pub by_case: Vec<Compared>,
}

/// A case that two readers are done with.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Compared {
    pub id: String,
    pub dice: f64,
    pub global: [Option<u8>; 2],
}

/// One reader against STAPLE's consensus of all, over all pixels of the cases that two or more are done with.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Against {
    pub reader: String,
    pub cases: usize,
    /// Means over the cases of STAPLE's estimates.
    pub sensitivity: f64,
    pub specificity: f64,
    /// Mean Dice with the consensus.
    pub dice: f64,
}

/// How well the readers of a workspace agree.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Agreement {
    pub readers: Vec<String>,
    pub pairs: Vec<Pair>,
    /// ICC(2,1) of the global scores of all readers, over the cases that all of them scored.
    pub icc: Option<f64>,
    pub icc_cases: usize,
    pub against: Vec<Against>,
}

impl Agreement {
    /// Of all that are done. With `viewer` only cases that this reader is done with, so that nobody learns too early.
    pub fn of(cases: &Cases, workspace: &Workspace, viewer: Option<&str>) -> Result<Self> {
        let mut all = cases.all_readings();
        all.retain(|_, r| viewer.is_none_or(|v| r.contains_key(v)));
        let readers: Vec<String> = all.values().flat_map(|r| r.keys().cloned()).collect::<BTreeSet<_>>().into_iter().collect();
        let mut by_pair = Vec::new();
        for (a, b) in pairs(&readers) {
            let common: Vec<[&Reading; 2]> = all.values().filter_map(|r| Some([r.get(a)?, r.get(b)?])).collect();
            if !common.is_empty() {
                by_pair.push(pair([a, b], &common, workspace)?);
            }
        }
        let whole: Vec<Vec<f64>> =
            all.values().filter_map(|r| readers.iter().map(|reader| r.get(reader)?.global().map(f64::from)).collect()).collect();
        // By reader, of each case: sensitivity, specificity, Dice.
        let mut rows: BTreeMap<&String, Vec<[f64; 3]>> = BTreeMap::new();
        for (id, readings) in all.iter().filter(|(_, r)| r.len() > 1) {
            let masks = readings.keys().map(|r| infection(workspace, r, id)).collect::<Result<Vec<_>>>()?;
            let found = staple(&masks)?;
            for (i, reader) in readings.keys().enumerate() {
                let row = [found.sensitivity[i], found.specificity[i], mask::dice(&masks[i], &found.mask)];
                rows.entry(reader).or_default().push(row);
            }
        }
        let against = rows.into_iter().map(|(reader, rows)| {
            let mean = |k: usize| rows.iter().map(|r| r[k]).sum::<f64>() / rows.len() as f64;
            Against { reader: reader.clone(), cases: rows.len(), sensitivity: mean(0), specificity: mean(1), dice: mean(2) }
        });
        let against = against.collect();
        Ok(Agreement { readers, pairs: by_pair, icc: icc_2_1(&whole), icc_cases: whole.len(), against })
    }
}

fn pair(readers: [&String; 2], common: &[[&Reading; 2]], workspace: &Workspace) -> Result<Pair> {
    let (mut by_case, mut lungs) = (Vec::new(), Vec::new());
    for [a, b] in common {
        let masks = [infection(workspace, &a.reader, &a.id)?, infection(workspace, &b.reader, &b.id)?];
        same_size(&masks)?;
        by_case.push(Compared { id: a.id.clone(), dice: mask::dice(&masks[0], &masks[1]), global: [a.global(), b.global()] });
        if let [Some(first), Some(second)] =
            [workspace.mask(&a.reader, &a.id, Layer::Lung)?, workspace.mask(&b.reader, &b.id, Layer::Lung)?]
        {
            lungs.push(mask::dice(&first, &second));
        }
    }
    let zone = |z: usize| -> Option<Kappa> {
        let scores: Vec<[u8; 2]> = common.iter().filter_map(|[a, b]| Some([a.zones[z]?, b.zones[z]?])).collect();
        kappa(&scores, 4)
    };
    let globals: Vec<Vec<f64>> = common.iter().filter_map(|[a, b]| Some(vec![f64::from(a.global()?), f64::from(b.global()?)])).collect();
    let dices: Vec<f64> = by_case.iter().map(|c| c.dice).collect();
    Ok(Pair {
        readers: readers.map(String::clone),
        cases: common.len(),
        dice_infection: covmap_core::metrics::mean(&dices),
        dice_lungs: covmap_core::metrics::mean(&lungs),
        kappa: std::array::from_fn(zone),
        icc: icc_2_1(&globals),
        scored: globals.len(),
        by_case,
    })
}

/// STAPLE's consensus of the readers of a case, in the layer's own values; the reader's mask where there is one alone.
///
/// Opacity: where the consensus says opacity, the kind that most readers say (ground glass where they tie). Lungs: each side
/// for itself.
pub fn consensus(workspace: &Workspace, id: &str, readers: &[&str], layer: Layer) -> Result<Option<Array2<u8>>> {
    let masks = readers.iter().filter_map(|r| workspace.mask(r, id, layer).transpose()).collect::<Result<Vec<_>>>()?;
    let [first, rest @ ..] = masks.as_slice() else { return Ok(None) };
    if rest.is_empty() {
        return Ok(Some(first.clone()));
    }
    same_size(&masks)?;
    if layer == Layer::Infection {
        let mut mask = staple(&masks)?.mask;
        ndarray::Zip::indexed(&mut mask).for_each(|at, value| {
            let dense = masks.iter().filter(|m| m[at] == 2).count();
            let hazy = masks.iter().filter(|m| m[at] == 1).count();
            *value *= if dense > hazy { 2 } else { 1 };
        });
        return Ok(Some(mask));
    }
    let mut mask = Array2::zeros(first.dim());
    for side in [100, 200] {
        let own: Vec<Array2<u8>> = masks.iter().map(|m| m.mapv(|v| u8::from(v == side))).collect();
        ndarray::Zip::from(&mut mask).and(&staple(&own)?.mask).for_each(|value, inside| {
            if *inside > 0 {
                *value = side;
            }
        });
    }
    Ok(Some(mask))
}

fn same_size(masks: &[Array2<u8>]) -> Result<()> {
    match masks.windows(2).all(|m| m[0].dim() == m[1].dim()) {
        true => Ok(()),
        false => Err(Refusal::Failed("masks of one case have different sizes".into())),
    }
}

fn infection(workspace: &Workspace, reader: &str, id: &str) -> Result<Array2<u8>> {
    let mask = workspace.mask(reader, id, Layer::Infection)?;
    mask.ok_or_else(|| Refusal::Failed(format!("the opacity of {reader} on {id} is missing")))
}
