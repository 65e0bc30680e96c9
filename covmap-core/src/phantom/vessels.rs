//! Lung vessels: trees that leave the hila, fork and thin out.

use ndarray::Array2;

use super::Frame;
use super::noise::{Random, bump};

/// One stretch of a vessel, in fractions of the short side.
struct Segment {
    from: (f32, f32),
    to: (f32, f32),
    radius: f32,
}

/// Brightness that the vessels add where nothing hides them, H x W.
pub(super) fn draw(frame: &Frame, seed: u64) -> Array2<f32> {
    let mut random = Random::new(seed ^ 0x7e55);
    let mut segments = Vec::new();
    for (side, hilum) in [(-1.0, (-0.080, 0.425)), (1.0, (0.085, 0.400))] {
        for trunk in 0..7 {
            // Half a turn around the hilum, from straight up over sideways to straight down.
            let t = (trunk as f32 + random.uniform(-0.4, 0.4) - 3.0) / 3.0;
            let up = (side * (1.0 - t * t) / (1.0 + t * t), 2.0 * t / (1.0 + t * t));
            grow(hilum, up, 0.0062 - 0.0016 * t.abs(), &mut random, &mut segments);
        }
    }
    let mut added = Array2::zeros((frame.height, frame.width));
    for segment in &segments {
        splat(&mut added, segment, frame);
    }
    added
}

/// A vessel goes on a little way, then forks; the smaller branch turns further off.
fn grow(from: (f32, f32), direction: (f32, f32), radius: f32, random: &mut Random, out: &mut Vec<Segment>) {
    if radius < 0.0011 {
        return;
    }
    let length = 3.2 * radius + random.uniform(0.012, 0.030);
    let to = (from.0 + direction.0 * length, from.1 + direction.1 * length);
    out.push(Segment { from, to, radius });
    let bend = random.uniform(-0.16, 0.16);
    let sign = if random.uniform(0.0, 1.0) < 0.5 { -1.0 } else { 1.0 };
    grow(to, turn(direction, bend - 0.08 * sign), radius * random.uniform(0.80, 0.88), random, out);
    if random.uniform(0.0, 1.0) < 0.75 {
        grow(to, turn(direction, sign * random.uniform(0.18, 0.40)), radius * random.uniform(0.50, 0.72), random, out);
    }
}

/// Turns a direction by twice the arc tangent of `t`.
fn turn((x, y): (f32, f32), t: f32) -> (f32, f32) {
    let (cos, sin) = ((1.0 - t * t) / (1.0 + t * t), 2.0 * t / (1.0 + t * t));
    (cos * x - sin * y, sin * x + cos * y)
}

/// Adds one stretch by its brightest value, so that joints do not glow.
fn splat(added: &mut Array2<f32>, s: &Segment, frame: &Frame) {
    // Half a pixel of softness keeps thin vessels whole in small pictures, at less contrast.
    let pixel = 1.0 / frame.short;
    let reach = 1.5 * s.radius + 0.7 * pixel;
    let strength = 0.095 * (s.radius / 0.0062).sqrt() * (1.5 * s.radius / reach);
    let (x0, y0) = frame.pixel(s.from.0.min(s.to.0) - reach, s.from.1.min(s.to.1) - reach);
    let (x1, y1) = frame.pixel(s.from.0.max(s.to.0) + reach, s.from.1.max(s.to.1) + reach);
    let (dx, dy) = (s.to.0 - s.from.0, s.to.1 - s.from.1);
    let squared = (dx * dx + dy * dy).max(1e-12);
    for row in y0.max(0.0) as usize..((y1 + 1.0).max(0.0) as usize).min(frame.height) {
        for column in x0.max(0.0) as usize..((x1 + 1.0).max(0.0) as usize).min(frame.width) {
            let (x, y) = frame.point(column, row);
            let t = (((x - s.from.0) * dx + (y - s.from.1) * dy) / squared).clamp(0.0, 1.0);
            let (u, v) = (x - s.from.0 - t * dx, y - s.from.1 - t * dy);
            let value = strength * bump((u * u + v * v).sqrt() / reach);
            let cell = &mut added[[row, column]];
            *cell = cell.max(value);
        }
    }
}
