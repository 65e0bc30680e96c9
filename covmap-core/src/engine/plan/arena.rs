//! One block of memory for all values of a plan; values that do not live at the same time share their place.

/// A value's size and the steps between which it must stand.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Lifetime {
    pub floats: usize,
    pub first: usize,
    pub last: usize,
}

/// Offsets (multiples of 16 floats) and the size of the whole: largest first, each at the lowest free place.
pub(crate) fn place(values: &[Lifetime]) -> (Vec<usize>, usize) {
    let mut order: Vec<usize> = (0..values.len()).collect();
    order.sort_by_key(|i| std::cmp::Reverse(values[*i].floats));
    let mut at = vec![0; values.len()];
    let mut placed: Vec<usize> = Vec::new();
    let mut size = 0;
    for i in order {
        let v = values[i];
        let mut taken: Vec<(usize, usize)> = placed
            .iter()
            .filter(|j| values[**j].first <= v.last && v.first <= values[**j].last)
            .map(|j| (at[*j], at[*j] + values[*j].floats))
            .collect();
        taken.sort_unstable();
        let mut start = 0;
        for (from, to) in taken {
            if from >= start + v.floats {
                break;
            }
            start = start.max(to.next_multiple_of(16));
        }
        at[i] = start;
        size = size.max((start + v.floats).next_multiple_of(16));
        placed.push(i);
    }
    (at, size)
}

/// Floats aligned to a cache line, zero at first.
#[derive(Debug)]
pub(crate) struct Arena(Vec<Line>);

#[derive(Debug, Clone, Copy)]
#[repr(C, align(64))]
struct Line([f32; 16]);

impl Arena {
    pub(crate) fn new(floats: usize) -> Self {
        Arena(vec![Line([0.0; 16]); floats.div_ceil(16)])
    }

    pub(crate) fn floats(&mut self) -> &mut [f32] {
        // SAFETY: a `Line` is sixteen floats without padding, aligned more strictly than they need.
        #[allow(unsafe_code)]
        unsafe {
            std::slice::from_raw_parts_mut(self.0.as_mut_ptr().cast(), self.0.len() * 16)
        }
    }

    /// The same, grown where it is too small.
    pub(crate) fn at_least(&mut self, floats: usize) -> &mut [f32] {
        if self.0.len() < floats.div_ceil(16) {
            self.0.resize(floats.div_ceil(16), Line([0.0; 16]));
        }
        self.floats()
    }
}
