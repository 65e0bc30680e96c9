//! Hiding a part of the image behind its median grey: what is then still detected does not come from that part.

use covmap_core::radiograph::BufferOptions;
use covmap_core::{LungMask, Radiograph, Result};

use crate::usage;

/// The part that is hidden.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Occlusion {
    /// The lungs, dilated by 5 % of the image's shorter side.
    Lungs,
    /// Everything but those dilated lungs.
    Outside,
    /// A frame of 10 % on every side.
    Border,
}

impl Occlusion {
    pub(crate) fn named(name: &str) -> Result<Self> {
        match name {
            "lungs" => Ok(Occlusion::Lungs),
            "outside" => Ok(Occlusion::Outside),
            "border" => Ok(Occlusion::Border),
            _ => Err(usage(format!("--occlude {name}: lungs, outside or border"))),
        }
    }

    pub(crate) fn apply(self, radiograph: &Radiograph, lungs: &LungMask) -> Result<Radiograph> {
        let (h, w) = radiograph.pixels().dim();
        let mut pixels: Vec<u16> = radiograph.pixels().iter().copied().collect();
        let mut sorted = pixels.clone();
        let middle = sorted.len() / 2;
        let median = *sorted.select_nth_unstable(middle).1;
        let hide: Vec<bool> = match self {
            Occlusion::Border => {
                let (top, left) = (h / 10, w / 10);
                (0..h * w).map(|i| !(top..h - top).contains(&(i / w)) || !(left..w - left).contains(&(i % w))).collect()
            }
            _ => {
                let near = dilated(&lungs.labels().iter().map(|l| *l != 0).collect::<Vec<_>>(), w, h, w.min(h) / 20);
                near.into_iter().map(|inside| inside == (self == Occlusion::Lungs)).collect()
            }
        };
        pixels.iter_mut().zip(&hide).filter(|(_, hide)| **hide).for_each(|(p, _)| *p = median);
        Radiograph::from_u16(&pixels, w, h, w, &BufferOptions::default())
    }
}

/// Square dilation by `r` pixels: along the rows, then along the columns.
fn dilated(mask: &[bool], w: usize, h: usize, r: usize) -> Vec<bool> {
    let along = |mask: &[bool], n: usize, lines: usize, at: &dyn Fn(usize, usize) -> usize| {
        let mut out = vec![false; mask.len()];
        for line in 0..lines {
            for i in (0..n).filter(|i| mask[at(line, *i)]) {
                for j in i.saturating_sub(r)..(i + r + 1).min(n) {
                    out[at(line, j)] = true;
                }
            }
        }
        out
    };
    let rows = along(mask, w, h, &|y, x| y * w + x);
    along(&rows, h, w, &|x, y| y * w + x)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn dilation_is_a_square() {
        let mut mask = vec![false; 49];
        mask[3 * 7 + 3] = true;
        let wide = dilated(&mask, 7, 7, 2);
        assert_eq!(wide.iter().filter(|x| **x).count(), 25);
        assert!(wide[7 + 1] && !wide[0]);
    }

    #[test]
    fn hiding_the_border_keeps_the_middle() {
        let pixels: Vec<u16> = (0..400).collect();
        let radiograph = Radiograph::from_u16(&pixels, 20, 20, 20, &BufferOptions::default()).unwrap();
        let lungs = LungMask::from_labels(ndarray::Array2::zeros((20, 20)));
        let hidden = Occlusion::Border.apply(&radiograph, &lungs).unwrap();
        assert_eq!(hidden.pixels()[[10, 10]], 210);
        assert_eq!(hidden.pixels()[[0, 0]], 200);
    }
}
