//! Agreement as a table.

use super::{Agreement, ZONES};
use crate::{Refusal, Result};

impl Agreement {
    /// A line a figure: measure, readers, zone, value, cases. Undefined values are empty.
    pub fn to_csv(&self) -> Result<String> {
        let mut rows: Vec<[String; 5]> = vec![["measure", "readers", "zone", "value", "cases"].map(str::to_owned)];
        let mut add = |measure: &str, readers: &str, zone: &str, value: Option<f64>, cases: usize| {
            let value = value.map_or(String::new(), |v| format!("{v:.6}"));
            rows.push([measure.into(), readers.into(), zone.into(), value, cases.to_string()]);
        };
        for p in &self.pairs {
            let readers = p.readers.join(" ");
            add("dice_infection", &readers, "", p.dice_infection, p.cases);
            add("dice_lungs", &readers, "", p.dice_lungs, p.cases);
            for (zone, k) in ZONES.iter().zip(&p.kappa) {
                let cases = k.map_or(0, |k| k.cases);
                add("kappa", &readers, zone, k.map(|k| k.plain), cases);
                add("kappa_quadratic", &readers, zone, k.map(|k| k.quadratic), cases);
            }
            add("icc_2_1", &readers, "global", p.icc, p.scored);
        }
        add("icc_2_1", &self.readers.join(" "), "global", self.icc, self.icc_cases);
        for a in &self.against {
            add("staple_sensitivity", &a.reader, "", Some(a.sensitivity), a.cases);
            add("staple_specificity", &a.reader, "", Some(a.specificity), a.cases);
            add("staple_dice", &a.reader, "", Some(a.dice), a.cases);
        }
        let mut writer = csv::Writer::from_writer(Vec::new());
        let failed = |e: csv::Error| Refusal::Failed(e.to_string());
        rows.iter().try_for_each(|r| writer.write_record(r)).map_err(failed)?;
        let bytes = writer.into_inner().map_err(|e| Refusal::Failed(e.to_string()))?;
        String::from_utf8(bytes).map_err(|e| Refusal::Failed(e.to_string()))
    }
}
