//! Measures of agreement that `covmap evaluate` and the tests report.

/// Counts of pixels or images by truth and answer.
#[derive(Debug, Clone, Copy, PartialEq, Default)]
pub struct Confusion {
    pub true_positive: f64,
    pub false_positive: f64,
    pub false_negative: f64,
    pub true_negative: f64,
}

impl Confusion {
    /// Counts two masks of equal length (non-zero is positive).
    ///
    /// # Panics
    /// If the lengths differ.
    pub fn of(truth: &[u8], answer: &[u8]) -> Self {
        assert_eq!(truth.len(), answer.len(), "masks of different size");
        let mut counts = [0u64; 4];
        for (t, a) in truth.iter().zip(answer) {
            counts[usize::from(*t != 0) * 2 + usize::from(*a != 0)] += 1;
        }
        let [tn, fp, fn_, tp] = counts.map(|c| c as f64);
        Confusion { true_positive: tp, false_positive: fp, false_negative: fn_, true_negative: tn }
    }

    /// Adds `other`, weighted.
    pub fn add(&mut self, other: &Confusion, weight: f64) {
        self.true_positive += weight * other.true_positive;
        self.false_positive += weight * other.false_positive;
        self.false_negative += weight * other.false_negative;
        self.true_negative += weight * other.true_negative;
    }

    /// F1 (Dice): 2 TP / (2 TP + FP + FN), 0..1; `None` where truth and answer are empty.
    pub fn f1(&self) -> Option<f64> {
        let denominator = 2.0 * self.true_positive + self.false_positive + self.false_negative;
        (denominator > 0.0).then(|| 2.0 * self.true_positive / denominator)
    }
}

/// Area under the ROC curve by mid-ranks (ties count half); `None` where a side is empty.
pub fn auc(positive: &[f64], negative: &[f64]) -> Option<f64> {
    if positive.is_empty() || negative.is_empty() {
        return None;
    }
    let wins: f64 = positive
        .iter()
        .map(|p| {
            let below = negative.iter().filter(|n| *n < p).count() as f64;
            let equal = negative.iter().filter(|n| *n == p).count() as f64;
            below + equal / 2.0
        })
        .sum();
    Some(wins / (positive.len() * negative.len()) as f64)
}

/// Arithmetic mean; `None` of nothing.
pub fn mean(values: &[f64]) -> Option<f64> {
    (!values.is_empty()).then(|| values.iter().sum::<f64>() / values.len() as f64)
}

/// Pearson's correlation; `None` for fewer than two pairs or a constant side.
pub fn correlation(pairs: &[(f64, f64)]) -> Option<f64> {
    let n = pairs.len() as f64;
    let (mx, my) = pairs.iter().fold((0.0, 0.0), |(a, b), (x, y)| (a + x / n, b + y / n));
    let (mut xx, mut yy, mut xy) = (0.0, 0.0, 0.0);
    for (x, y) in pairs {
        xx += (x - mx).powi(2);
        yy += (y - my).powi(2);
        xy += (x - mx) * (y - my);
    }
    (pairs.len() > 1 && xx > 0.0 && yy > 0.0).then(|| xy / (xx * yy).sqrt())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn counts_and_f1() {
        let c = Confusion::of(&[1, 1, 0, 0, 1], &[1, 0, 1, 0, 1]);
        assert_eq!((c.true_positive, c.false_positive, c.false_negative, c.true_negative), (2.0, 1.0, 1.0, 1.0));
        assert_eq!(c.f1(), Some(4.0 / 6.0));
        assert_eq!(Confusion::default().f1(), None);
    }

    #[test]
    fn ranks() {
        assert_eq!(auc(&[2.0, 3.0], &[1.0, 2.0]), Some(0.875));
        assert_eq!(auc(&[], &[1.0]), None);
        assert!((correlation(&[(1.0, 2.0), (2.0, 4.0), (3.0, 6.5)]).unwrap() - 0.9976).abs() < 1e-3);
        assert_eq!(correlation(&[(1.0, 2.0), (1.0, 4.0)]), None);
    }
}
