//! Cohen's kappa and the intraclass correlation.

use serde::Serialize;

/// Cohen's kappa (1960), and with quadratic weights (1968).
#[derive(Debug, Clone, Copy, PartialEq, Serialize)]
pub struct Kappa {
    pub plain: f64,
    pub quadratic: f64,
    /// Cases that both scored.
    pub cases: usize,
}

/// Agreement of two readers on scores 0 to `levels - 1` beyond chance; none where it is not defined (no cases, or both gave
/// one and the same score throughout).
pub fn kappa(scores: &[[u8; 2]], levels: usize) -> Option<Kappa> {
    let n = scores.len() as f64;
    let mut table = vec![vec![0.0; levels]; levels];
    for [a, b] in scores {
        *table.get_mut(usize::from(*a))?.get_mut(usize::from(*b))? += 1.0 / n;
    }
    let row: Vec<f64> = table.iter().map(|r| r.iter().sum()).collect();
    let column: Vec<f64> = (0..levels).map(|j| table.iter().map(|r| r[j]).sum()).collect();
    // One minus observed over expected disagreement: the same formula for every weight.
    let weighted = |weight: fn(f64) -> f64| {
        let (mut observed, mut expected) = (0.0, 0.0);
        for i in 0..levels {
            for j in 0..levels {
                let w = weight(i.abs_diff(j) as f64);
                observed += w * table[i][j];
                expected += w * row[i] * column[j];
            }
        }
        (expected > 0.0).then(|| 1.0 - observed / expected)
    };
    Some(Kappa { plain: weighted(|d| f64::from(u8::from(d > 0.0)))?, quadratic: weighted(|d| d * d)?, cases: scores.len() })
}

/// ICC(2,1) of Shrout and Fleiss (1979): two-way random effects, absolute agreement, a single reader. A row a case, a column a
/// reader; none for fewer than two of either, or where nothing varies.
pub fn icc_2_1(scores: &[Vec<f64>]) -> Option<f64> {
    let (n, k) = (scores.len(), scores.first()?.len());
    if n < 2 || k < 2 || scores.iter().any(|r| r.len() != k) {
        return None;
    }
    let (rows, columns) = (n as f64, k as f64);
    let mean = scores.iter().flatten().sum::<f64>() / (rows * columns);
    let row_means: Vec<f64> = scores.iter().map(|r| r.iter().sum::<f64>() / columns).collect();
    let column_means: Vec<f64> = (0..k).map(|j| scores.iter().map(|r| r[j]).sum::<f64>() / rows).collect();
    let square = |x: f64| x * x;
    let between_rows = columns * row_means.iter().map(|m| square(m - mean)).sum::<f64>();
    let between_columns = rows * column_means.iter().map(|m| square(m - mean)).sum::<f64>();
    let total: f64 = scores.iter().flatten().map(|x| square(x - mean)).sum();
    let (msr, msc) = (between_rows / (rows - 1.0), between_columns / (columns - 1.0));
    let mse = (total - between_rows - between_columns) / ((rows - 1.0) * (columns - 1.0));
    let whole = msr + (columns - 1.0) * mse + columns * (msc - mse) / rows;
    (whole > 0.0).then(|| (msr - mse) / whole)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn icc_of_shrout_and_fleiss() {
        // Table 2 of the paper; table 4 gives ICC(2,1) = .29.
        let scores: Vec<Vec<f64>> = [[9, 2, 5, 8], [6, 1, 3, 2], [8, 4, 6, 8], [7, 1, 2, 6], [10, 5, 6, 9], [6, 2, 4, 7]]
            .map(|r| r.map(f64::from).to_vec())
            .to_vec();
        assert!((icc_2_1(&scores).unwrap() - 0.2898).abs() < 5e-5, "{:?}", icc_2_1(&scores));
        assert_eq!(icc_2_1(&[vec![1.0, 1.0], vec![1.0, 1.0]]), None);
        assert_eq!(icc_2_1(&[vec![1.0, 1.0], vec![4.0, 4.0]]), Some(1.0));
        assert_eq!(icc_2_1(&scores[..1]), None);
    }

    #[test]
    fn kappa_of_known_tables() {
        // Fifty proposals, two readers: 20 yes/yes, 5 yes/no, 10 no/yes, 15 no/no: po 0.7, pe 0.5, kappa 0.4.
        let times = |a, b, n| std::iter::repeat_n([a, b], n);
        let scores: Vec<[u8; 2]> = times(1, 1, 20).chain(times(1, 0, 5)).chain(times(0, 1, 10)).chain(times(0, 0, 15)).collect();
        let k = kappa(&scores, 4).unwrap();
        assert!((k.plain - 0.4).abs() < 1e-12 && (k.quadratic - 0.4).abs() < 1e-12);
        assert_eq!(kappa(&[[2, 2], [2, 2]], 4), None);
        assert_eq!(kappa(&[], 4), None);
    }
}
