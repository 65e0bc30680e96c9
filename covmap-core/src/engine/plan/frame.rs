//! A value's place in the arena, with the zeros around it.

use crate::engine::graph::Shape;
use crate::engine::kernels::BLOCK;
use crate::engine::kernels::plane::View;

/// A value's place with its halo.
#[derive(Debug, Clone, Copy)]
pub(super) struct Frame {
    pub at: usize,
    planes: usize,
    h: usize,
    w: usize,
    pub halo: usize,
    /// Floats a pixel.
    pub pixel: usize,
}

impl Frame {
    pub(super) fn new(shape: Shape, halo: usize, planar: bool) -> Self {
        let (planes, pixel) = if planar { (shape.c, 1) } else { (shape.c.div_ceil(BLOCK), BLOCK) };
        Frame { at: 0, planes, h: shape.h, w: shape.w, halo, pixel }
    }

    /// The same at another place.
    pub(super) fn moved(self, at: usize) -> Self {
        Frame { at, ..self }
    }

    pub(super) fn row(&self) -> usize {
        (self.w + 2 * self.halo) * self.pixel
    }

    pub(super) fn plane(&self) -> usize {
        (self.h + 2 * self.halo) * self.row()
    }

    pub(super) fn floats(&self) -> usize {
        self.planes * self.plane()
    }

    pub(super) fn view(&self) -> View {
        View { at: self.at + self.halo * self.row() + self.halo * self.pixel, plane: self.plane(), row: self.row() }
    }

    pub(super) fn clear(&self, arena: &mut [f32]) {
        let edge = self.halo * self.pixel;
        for plane in arena[self.at..self.at + self.floats()].chunks_exact_mut(self.plane()) {
            let (top, rest) = plane.split_at_mut(self.halo * self.row());
            let (middle, bottom) = rest.split_at_mut(self.h * self.row());
            top.fill(0.0);
            bottom.fill(0.0);
            for row in middle.chunks_exact_mut(self.row()) {
                row[..edge].fill(0.0);
                row[edge + self.w * self.pixel..].fill(0.0);
            }
        }
    }
}
