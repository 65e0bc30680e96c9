//! Polygons to pixels.

use ndarray::{Array2, s};

/// Gives `value` to the pixels whose centres an odd number of the paths surround. Paths may leave the image.
pub(super) fn fill(mask: &mut Array2<u8>, paths: &[Vec<[f64; 2]>], scale: [f64; 2], value: u8) {
    let (rows, columns) = mask.dim();
    // Where every edge crosses the rows of pixel centres.
    let mut crossings: Vec<Vec<f64>> = vec![Vec::new(); rows];
    for path in paths.iter().filter(|p| p.len() > 2) {
        for (i, a) in path.iter().enumerate() {
            let b = path[(i + 1) % path.len()];
            let [[ax, ay], [bx, by]] = [*a, b].map(|[x, y]| [x * scale[0], y * scale[1]]);
            if !(ax.is_finite() && ay.is_finite() && bx.is_finite() && by.is_finite()) || ay == by {
                continue;
            }
            // Rows with ay <= centre < by, one end counting: corners cross once.
            let (top, bottom) = (ay.min(by), ay.max(by));
            let row = |y: f64| (y - 0.5).ceil().clamp(0.0, rows as f64) as usize;
            for (y, row) in crossings.iter_mut().enumerate().take(row(bottom)).skip(row(top)) {
                row.push(ax + (y as f64 + 0.5 - ay) / (by - ay) * (bx - ax));
            }
        }
    }
    for (y, row) in crossings.iter_mut().enumerate() {
        row.sort_by(f64::total_cmp);
        for pair in row.as_chunks::<2>().0 {
            let [from, to] = pair.map(|x| (x - 0.5).ceil().clamp(0.0, columns as f64) as usize);
            mask.slice_mut(s![y, from..to]).fill(value);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_pixel_belongs_to_one_of_two_neighbours() {
        let mut mask = Array2::zeros((9, 9));
        let diagonal = [[0.0, 0.0], [9.0, 9.0]];
        fill(&mut mask, &[vec![diagonal[0], diagonal[1], [0.0, 9.0]]], [1.0; 2], 1);
        let below = mask.sum();
        let mut other = Array2::zeros((9, 9));
        fill(&mut other, &[vec![diagonal[0], diagonal[1], [9.0, 0.0]]], [1.0; 2], 1);
        assert_eq!(below + other.sum(), 81);
        assert!(mask.iter().zip(&other).all(|(a, b)| a + b == 1));
        fill(&mut mask, &[vec![[-1e300, -5.0], [1e300, -5.0], [f64::NAN, 3.0]], vec![[1.0, 1.0]]], [1.0; 2], 1);
    }
}
