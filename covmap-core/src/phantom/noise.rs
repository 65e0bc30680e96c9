//! Random numbers and smooth noise from plain arithmetic, the same on every platform.

/// SplitMix64 (Steele, Lea, Flood 2014): a small generator whose whole state is its seed.
pub(super) struct Random(u64);

impl Random {
    pub(super) fn new(seed: u64) -> Self {
        Random(mix(seed ^ 0x6a09_e667_f3bc_c909))
    }

    /// Uniform in `low..high`.
    pub(super) fn uniform(&mut self, low: f32, high: f32) -> f32 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        low + (high - low) * unit(mix(self.0))
    }
}

/// Film grain at one pixel: mean 0, standard deviation 1, nearly normal (the sum of four uniform numbers).
pub(super) fn grain(column: usize, row: usize, seed: u64) -> f32 {
    let bits = mix(seed ^ mix(((row as u64) << 32) | column as u64));
    let sum: u64 = (0..4).map(|i| (bits >> (16 * i)) & 0xffff).sum();
    (sum as f32 / 65_535.0 - 2.0) * 1.732
}

/// Smooth noise over the plane: random values on an integer lattice, blended smoothly between.
///
/// One table serves every layer, each at an offset of its own; it repeats after SIDE cells, far apart enough not to show.
pub(super) struct Noise(Vec<f32>);

impl Noise {
    const SIDE: usize = 128;

    pub(super) fn new(seed: u64) -> Self {
        let mut random = Random::new(seed ^ 0x0a15e);
        Noise((0..Self::SIDE * Self::SIDE).map(|_| random.uniform(-1.0, 1.0)).collect())
    }

    /// About -1..1: `octaves` layers, each half as strong and twice as fine as the one before. `offset` tells uses apart.
    pub(super) fn smooth(&self, x: f32, y: f32, octaves: u32, offset: u64) -> f32 {
        let (mut sum, mut total, mut strength, mut frequency) = (0.0, 0.0, 1.0, 1.0);
        for octave in 0..octaves {
            let shift = mix(offset.wrapping_mul(64) + u64::from(octave)) as usize;
            sum += strength * self.layer(x * frequency, y * frequency, shift);
            total += strength;
            strength *= 0.5;
            frequency *= 2.0;
        }
        1.6 * sum / total
    }

    fn layer(&self, x: f32, y: f32, shift: usize) -> f32 {
        let (left, top) = (x.floor(), y.floor());
        let (u, v) = (ramp(x - left), ramp(y - top));
        let column = (left as i32 as usize).wrapping_add(shift);
        let row = (top as i32 as usize).wrapping_add(shift >> 16);
        let at = |i: usize, j: usize| {
            let (i, j) = (column.wrapping_add(i) % Self::SIDE, row.wrapping_add(j) % Self::SIDE);
            self.0[j * Self::SIDE + i]
        };
        let upper = at(0, 0) * (1.0 - u) + at(1, 0) * u;
        let lower = at(0, 1) * (1.0 - u) + at(1, 1) * u;
        upper * (1.0 - v) + lower * v
    }
}

/// 0 below 0, 1 above 1, smooth between.
pub(super) fn ramp(t: f32) -> f32 {
    let t = t.clamp(0.0, 1.0);
    t * t * (3.0 - 2.0 * t)
}

/// A smooth hump: 1 at 0, 0 from 1 on in both directions.
pub(super) fn bump(t: f32) -> f32 {
    let s = (1.0 - t * t).max(0.0);
    s * s
}

/// The finaliser of SplitMix64.
fn mix(mut z: u64) -> u64 {
    z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    z ^ (z >> 31)
}

fn unit(bits: u64) -> f32 {
    (bits >> 40) as f32 / 16_777_216.0
}
