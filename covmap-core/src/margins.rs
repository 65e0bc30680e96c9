//! Dark margins: lines at a radiograph's edges that nothing was exposed on. The network is shown the rest, so that the chest
//! has its usual size in it, and its answer is set back into the whole.

use ndarray::{Array2, ArrayView2, s};

use crate::lung::Extent;

/// The brightest value of a margin's pixels, 1/32 of the full range: noise and the traces of JPEG stay below.
const DARK: u16 = 2047;
/// Of a radiograph's rows, and of its columns, at most one in so many is cut off.
const MOST: usize = 3;
/// Edges are multiples of a step of this part of a pixel: computing with them is exact, and none ends up beyond the radiograph.
const STEPS: f64 = 4096.0;
/// How much larger than the network's input the whole may become, rows times columns: twice by half.
pub(crate) const GROWTH: f64 = 2.25;

/// Rows or columns of network pixels before and after those that the network is shown.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
struct Sides {
    before: usize,
    after: usize,
}

/// Margins in pixels of the network, which are a little smaller than without them.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(crate) struct Margins {
    rows: Sides,
    columns: Sides,
}

impl Sides {
    /// The most that `shown` of `n` lines lets be cut, in whole pixels of a network that has `size` of them.
    fn new(shown: (usize, usize), n: usize, size: usize) -> Self {
        let (before, after) = (shown.0, n - shown.1);
        let fewer = |lines: usize| if before + after > n / MOST { lines * (n / MOST) / (before + after) } else { lines };
        let (before, after) = (fewer(before), fewer(after));
        let rest = n - before - after;
        let mut sides = Sides { before: before * size / rest, after: after * size / rest };
        // Pixels a little larger than those of the exact margins may be one too many; each that goes makes them larger still.
        loop {
            let whole = sides.whole(size);
            if sides.before * n > before * whole {
                sides.before -= 1;
            } else if sides.after * n > after * whole {
                sides.after -= 1;
            } else {
                return sides;
            }
        }
    }

    fn whole(self, size: usize) -> usize {
        self.before + size + self.after
    }

    /// Where what is shown begins among `n` lines, and how long it is.
    fn window(self, n: usize, size: usize) -> (f64, f64) {
        let edge = |at: usize| (at as f64 * n as f64 / self.whole(size) as f64 * STEPS).round() / STEPS;
        let (begin, end) = (edge(self.before), edge(self.before + size));
        (begin, end - begin)
    }
}

impl Margins {
    /// Of a radiograph that a network of `size` (height, width) is to see.
    pub(crate) fn of(pixels: &ArrayView2<'_, u16>, [height, width]: [usize; 2]) -> Self {
        let Some(shown) = exposed(pixels) else { return Margins::default() };
        let (h, w) = pixels.dim();
        Margins { rows: Sides::new((shown.top, shown.bottom), h, height), columns: Sides::new((shown.left, shown.right), w, width) }
    }

    /// Rows and columns of network pixels over the whole radiograph.
    pub(crate) fn whole(&self, [height, width]: [usize; 2]) -> [usize; 2] {
        [self.rows.whole(height), self.columns.whole(width)]
    }

    /// Left, top, width and height of what the network is shown of `native` (rows, columns) pixels.
    pub(crate) fn window(&self, native: [usize; 2], [height, width]: [usize; 2]) -> [f64; 4] {
        let ((top, rows), (left, columns)) = (self.rows.window(native[0], height), self.columns.window(native[1], width));
        [left, top, columns, rows]
    }

    /// Of the radiograph in a mirror.
    pub(crate) fn mirrored(self) -> Self {
        Margins { columns: Sides { before: self.columns.after, after: self.columns.before }, ..self }
    }

    /// The network's answer with nothing around it.
    pub(crate) fn around(&self, answer: Array2<f32>) -> Array2<f32> {
        if *self == Margins::default() {
            return answer;
        }
        let (h, w) = answer.dim();
        let (y, x) = (self.rows.before, self.columns.before);
        let mut whole = Array2::zeros(self.whole([h, w]));
        whole.slice_mut(s![y..y + h, x..x + w]).assign(&answer);
        whole
    }
}

/// The smallest rectangle with all that is not dark; `None` where all is.
fn exposed(pixels: &ArrayView2<'_, u16>) -> Option<Extent> {
    let bright = |v: &u16| *v > DARK;
    let any = |y: &usize| pixels.row(*y).iter().any(bright);
    let (h, w) = pixels.dim();
    let top = (0..h).find(any)?;
    let bottom = (top..h).rfind(any)? + 1;
    let (mut left, mut right) = (w, 0);
    for y in top..bottom {
        // Only what lies beyond the columns found so far can widen them.
        left = pixels.slice(s![y, ..left]).iter().position(bright).unwrap_or(left);
        right += pixels.slice(s![y, right..]).iter().rposition(bright).map_or(0, |x| x + 1);
    }
    Some(Extent { left, top, right, bottom })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn radiograph(size: (usize, usize), shown: Extent) -> Array2<u16> {
        let mut pixels = Array2::from_elem(size, 900);
        pixels.slice_mut(s![shown.top..shown.bottom, shown.left..shown.right]).fill(30_000);
        pixels
    }

    #[test]
    fn what_was_exposed_is_found() {
        let shown = Extent { left: 3, top: 5, right: 90, bottom: 71 };
        assert_eq!(exposed(&radiograph((80, 100), shown).view()), Some(shown));
        assert_eq!(exposed(&Array2::from_elem((4, 5), DARK).view()), None);
        // One pixel in each corner of it.
        let mut sparse = Array2::zeros((80, 100));
        for at in [[5, 40], [30, 3], [31, 89], [70, 41]] {
            sparse[at] = 65_535;
        }
        assert_eq!(exposed(&sparse.view()), Some(shown));
    }

    #[test]
    fn nothing_exposed_is_cut_and_nearly_all_of_a_margin_is() {
        for n in [64, 202, 255, 512, 3001, 3621] {
            for (before, after) in [
                (0, 0),
                (1, 0),
                (n / 9, n / 31),
                (n / 7, n / 6),
                (0, n / 3),
                (n * 14 / 202, n * 39 / 202),
                (n * 952 / 3621, n * 157 / 3621),
            ] {
                let size = 256;
                let sides = Sides::new((before, n - after), n, size);
                let (begin, length) = sides.window(n, size);
                let pixel = n as f64 / sides.whole(size) as f64;
                let (before, after) = (before as f64, after as f64);
                assert!(
                    begin <= before + 1.0 / STEPS && n as f64 - begin - length <= after + 1.0 / STEPS,
                    "{n} {before} {after}: {sides:?}"
                );
                assert!(
                    before - begin < 3.0 * pixel && after - (n as f64 - begin - length) < 3.0 * pixel,
                    "{n} {before} {after}: {sides:?}"
                );
                assert!(2 * sides.whole(size) <= 3 * size);
            }
        }
    }

    #[test]
    fn two_thirds_are_left_at_least() {
        assert_eq!(Sides::new((30, 60), 90, 60), Sides { before: 15, after: 15 });
        assert_eq!(Sides::new((50, 80), 90, 60), Sides { before: 25, after: 5 });
    }

    #[test]
    fn an_answer_lies_where_it_was_seen() {
        let pixels = radiograph((100, 200), Extent { left: 40, top: 0, right: 200, bottom: 90 });
        let margins = Margins::of(&pixels.view(), [36, 32]);
        assert_eq!((margins.rows, margins.columns), (Sides { before: 0, after: 4 }, Sides { before: 8, after: 0 }));
        assert_eq!(margins.window([100, 200], [36, 32]), [40.0, 0.0, 160.0, 90.0]);
        let whole = margins.around(Array2::ones((36, 32)));
        assert_eq!((whole.dim(), whole.sum()), ((40, 40), 36.0 * 32.0));
        assert_eq!((whole[[0, 8]], whole[[0, 7]], whole[[35, 39]], whole[[36, 39]]), (1.0, 0.0, 1.0, 0.0));
        assert_eq!(margins.mirrored().columns, Sides { before: 0, after: 8 });
    }

    #[test]
    fn without_margins_nothing_changes() {
        let all = Array2::from_elem((50, 60), 9000u16);
        let margins = Margins::of(&all.view(), [32, 32]);
        assert_eq!(
            (margins, margins.whole([32, 32]), margins.window([50, 60], [32, 32])),
            (Margins::default(), [32, 32], [0.0, 0.0, 60.0, 50.0])
        );
        assert_eq!(Margins::of(&Array2::zeros((50, 60)).view(), [32, 32]), Margins::default());
    }
}
