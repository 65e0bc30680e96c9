//! The chest of the phantom as functions of the plane: silhouette, lungs, heart, bones.
//!
//! Coordinates are fractions of the picture's short side: x from the midline to the image's right, y from the top.
//! The patient's right lies at negative x. Only `+ - * /` and square roots occur: every platform computes the same bits.

use super::noise::{Noise, Random, bump, ramp};

/// A border as (y, half-width) knots, joined by cubics.
type Knots = [(f32, f32)];

/// Where the lung ends towards the ribs, and towards the spine (it runs on behind the heart).
const LATERAL: &Knots = &[
    (0.095, 0.135),
    (0.100, 0.158),
    (0.110, 0.178),
    (0.130, 0.203),
    (0.165, 0.232),
    (0.22, 0.268),
    (0.30, 0.313),
    (0.40, 0.350),
    (0.50, 0.374),
    (0.60, 0.390),
    (0.72, 0.404),
    (0.86, 0.412),
    (1.0, 0.414),
];
const MEDIAL: &Knots = &[
    (0.095, 0.130),
    (0.100, 0.108),
    (0.110, 0.094),
    (0.130, 0.080),
    (0.17, 0.069),
    (0.24, 0.066),
    (0.35, 0.070),
    (0.50, 0.073),
    (0.70, 0.078),
    (0.86, 0.082),
    (1.0, 0.084),
];
/// Skin: neck, shoulders, outer side of the arms; then the side of the trunk; then the inner side of the arms.
const SKIN: &Knots = &[
    (-0.3, 0.102),
    (-0.02, 0.098),
    (0.03, 0.118),
    (0.06, 0.17),
    (0.085, 0.27),
    (0.115, 0.385),
    (0.16, 0.475),
    (0.22, 0.535),
    (0.32, 0.575),
    (0.6, 0.60),
    (1.0, 0.65),
    (1.5, 0.72),
];
const TRUNK: &Knots = &[(0.0, 0.95), (0.20, 0.80), (0.32, 0.56), (0.42, 0.478), (0.60, 0.459), (1.0, 0.470), (1.5, 0.50)];
const ARM: &Knots = &[(0.0, 0.30), (0.33, 0.455), (0.40, 0.478), (0.60, 0.497), (1.0, 0.56), (1.5, 0.64)];

/// The heart and the great vessels: the patient's right border (vena cava, right atrium), then the left (aortic knob,
/// pulmonary trunk, left ventricle).
const HEART_RIGHT: &Knots = &[
    (0.05, 0.060),
    (0.15, 0.055),
    (0.30, 0.064),
    (0.42, 0.074),
    (0.48, 0.082),
    (0.55, 0.108),
    (0.62, 0.119),
    (0.68, 0.116),
    (0.75, 0.098),
    (0.85, 0.060),
];
const HEART_LEFT: &Knots = &[
    (0.05, 0.062),
    (0.15, 0.056),
    (0.25, 0.060),
    (0.275, 0.076),
    (0.305, 0.095),
    (0.335, 0.094),
    (0.365, 0.082),
    (0.40, 0.095),
    (0.45, 0.112),
    (0.50, 0.130),
    (0.56, 0.172),
    (0.62, 0.208),
    (0.68, 0.233),
    (0.73, 0.243),
    (0.77, 0.236),
    (0.82, 0.180),
];

/// Distance between neighbouring ribs.
const RIB_SPACING: f32 = 0.067;

/// One patient: the proportions that the seed decides.
pub(super) struct Anatomy {
    /// Everything irregular about this patient.
    pub noise: Noise,
    borders: Borders,
    lung_width: f32,
    tilt: f32,
    heart: f32,
    rib_offset: f32,
    /// Height of the diaphragm's domes, right and left.
    domes: [f32; 2],
}

/// Every border as a table.
struct Borders {
    lateral: Border,
    medial: Border,
    heart: [Border; 2],
    skin: Border,
    trunk: Border,
    arm: Border,
}

impl Borders {
    fn new() -> Self {
        Borders {
            lateral: Border::new(LATERAL),
            medial: Border::new(MEDIAL),
            heart: [Border::new(HEART_RIGHT), Border::new(HEART_LEFT)],
            skin: Border::new(SKIN),
            trunk: Border::new(TRUNK),
            arm: Border::new(ARM),
        }
    }
}

/// What the beam meets at one point.
pub(super) struct Point {
    /// Brightness on film without opacities and grain, about 0..1.
    pub brightness: f32,
    /// 0 none, 1 the patient's right lung, 2 left.
    pub lung: u8,
    /// How much of the beam's way runs through air-filled lung, 0..1.
    pub aeration: f32,
    /// The same with what heart and diaphragm hide taken off: how clearly vessels show.
    pub clarity: f32,
}

impl Anatomy {
    pub(super) fn new(seed: u64) -> Self {
        let mut random = Random::new(seed);
        let right = random.uniform(0.700, 0.730);
        Anatomy {
            noise: Noise::new(seed),
            borders: Borders::new(),
            lung_width: random.uniform(0.96, 1.03),
            tilt: random.uniform(-0.02, 0.02),
            heart: random.uniform(0.93, 1.07),
            rib_offset: random.uniform(0.0, 1.0),
            domes: [right, right + random.uniform(0.022, 0.038)],
        }
    }

    /// Everything at one point.
    pub(super) fn at(&self, x: f32, y: f32) -> Point {
        // No patient is drawn with a compass: the plane is bent a little, and leans.
        let x = x + 0.007 * self.noise.smooth(5.0 * x, 5.0 * y, 2, 0x11) + self.tilt * (y - 0.6);
        let y = y + 0.007 * self.noise.smooth(5.0 * x, 5.0 * y, 2, 0x22);
        let body = self.body(x, y);
        if body <= 0.0 {
            return Point { brightness: 0.035, lung: 0, aeration: 0.0, clarity: 0.0 };
        }
        let (lung, aeration, below) = self.lung(x, y);
        let heart = self.heart(x, y);
        let hilum = hila(x, y);
        let shade = 1.0 + 0.07 * self.noise.smooth(4.0 * x, 4.0 * y, 3, 0x33);
        let mut brightness = 0.035 + 0.53 * body * shade;
        brightness += 0.10 * below * body;
        brightness -= 0.345 * aeration * (0.85 + 0.15 * ramp((0.75 - y) / 0.5));
        // Heart and vessels take the lung's place in the beam; over soft tissue they add a little.
        brightness += heart * (0.26 * aeration + 0.085 * (1.0 - aeration) * (1.0 - 0.8 * below)) + 0.10 * hilum * aeration;
        let clarity = aeration * (1.0 - 0.75 * heart) * (1.0 - below);
        brightness += self.bones(x, y, aeration * (1.0 - 0.5 * heart), below, body);
        brightness -= trachea(x, y);
        brightness -= 0.13 * bump(ellipse(x - 0.19, y - self.domes[1] - 0.085, 0.095, 0.055)) * below;
        Point { brightness, lung, aeration, clarity }
    }

    /// Brightness that soft tissue alone would give, 0 (air) to 1.
    fn body(&self, x: f32, y: f32) -> f32 {
        let a = x.abs();
        let (skin, slope) = self.borders.skin.at(y);
        let skin = ((skin - a) / (1.0 + slope * slope).sqrt() / 0.13).clamp(0.0, 1.0);
        let (trunk, slope) = self.borders.trunk.at(y);
        let trunk = ((trunk - a) / (1.0 + slope * slope).sqrt() / 0.10).clamp(0.0, 1.0);
        let arm = ((a - self.borders.arm.at(y).0) / 0.08).clamp(0.0, 1.0);
        (0.25 * skin + 0.75 * skin.sqrt()) * (1.0 - (1.0 - trunk.sqrt()) * (1.0 - 0.72 * arm.sqrt()))
    }

    /// Which lung, how aerated, and how far under the diaphragm (0..1).
    fn lung(&self, x: f32, y: f32) -> (u8, f32, f32) {
        let left = usize::from(x >= 0.0);
        let a = x.abs();
        let width = self.lung_width * [1.01, 0.98][left];
        let (lateral, slope) = self.borders.lateral.at(y);
        let outer = (lateral * width - a) / (1.0 + slope * slope).sqrt();
        let (medial, slope) = self.borders.medial.at(y);
        let inner = (a - medial) / (1.0 + slope * slope).sqrt();
        let far = (a - 0.20) / 0.21;
        let rise = if far > 0.0 { 0.115 * far * far } else { 0.045 * far * far };
        // Between the lungs one dome passes into the other.
        let dome = self.domes[0] + (self.domes[1] - self.domes[0]) * ramp(x / 0.15 + 0.5);
        let base = (dome + rise - y) / (1.0 + if far > 0.0 { far * far } else { 0.0 }).sqrt();
        let below = ramp(0.5 - base / 0.012);
        if y < LATERAL[0].0 {
            return (0, 0.0, below);
        }
        let inside = outer.min(inner).min(base) > 0.0;
        let depth = (ramp(outer / 0.014 + 0.3) * (0.45 + 0.55 * ramp(outer / 0.12)))
            * (ramp(inner / 0.022 + 0.3))
            * ramp(base / 0.012 + 0.5)
            * (0.72 + 0.28 * ramp((y - 0.10) / 0.16));
        (if inside { 1 + left as u8 } else { 0 }, depth, below)
    }

    /// The shadow of heart and great vessels, 0..1: most of it to the patient's left.
    fn heart(&self, x: f32, y: f32) -> f32 {
        let (edge, slope) = self.borders.heart[usize::from(x >= 0.0)].at(y);
        let edge = edge + (self.heart - 1.0) * (edge - 0.055).max(0.0) * 1.5;
        let soft = 0.012 + 0.012 * ramp((0.30 - y) / 0.1);
        ramp((edge - x.abs()) / (1.0 + slope * slope).sqrt() / soft + 0.5)
    }

    /// Ribs, spine, clavicles, shoulder blades and upper arms, as added brightness.
    fn bones(&self, x: f32, y: f32, aeration: f32, below: f32, body: f32) -> f32 {
        let a = x.abs();
        let mut sum = 0.0;
        let cage = self.borders.lateral.at(y.max(0.11)).0 * self.lung_width + 0.022;
        let t = a / cage;
        if t < 1.0 && y > 0.05 {
            let round = (1.0 - t * t).sqrt();
            let slope = (0.17 * t / (round.max(0.05) * cage)).min(5.0);
            let stretch = (1.0 + slope * slope).sqrt();
            let shown = (0.35 + 0.65 * aeration.sqrt()) * (1.0 - 0.65 * below) * ramp((a - 0.02) / 0.05);
            let back = y - 0.17 * (1.0 - round);
            sum += 0.072 * self.rib(back, stretch, 0.0135, 0.9) * shown;
            let front = y - 0.19 - 0.15 * round;
            sum += 0.040 * self.rib(front, 1.0 + 0.4 * slope, 0.016, 0.3) * shown * ramp((t - 0.38) / 0.2);
        }
        // The cage seen edge on.
        sum += 0.06 * bump((t - 0.985) / 0.045) * ramp((y - 0.16) / 0.1) * (1.0 - 0.5 * below);
        sum += self.spine(x, y);
        sum += clavicle(a, y);
        let blade = 0.335 + 0.30 * (y - 0.30) - 1.2 * (y - 0.30) * (y - 0.30) - a;
        let tall = ramp((y - 0.15) / 0.06) * ramp((0.46 - y) / 0.07);
        sum += 0.030 * ramp(-blade / 0.008) * ramp((0.13 + blade) / 0.08) * tall + 0.035 * bump(blade / 0.008) * tall;
        let head = 1.0 - ellipse(a - 0.470, y - 0.185, 0.055, 0.058);
        let shaft = ramp((0.032 - (a - 0.485 - 0.16 * (y - 0.19)).abs()) / 0.012) * ramp((y - 0.19) / 0.03);
        sum += 0.13 * ramp(head / 0.35).max(0.8 * shaft) * body;
        sum
    }

    /// Profile across a family of parallel ribs at height `y` along the spine; `stretch` makes steep parts no wider.
    fn rib(&self, y: f32, stretch: f32, half_width: f32, cortex: f32) -> f32 {
        let phase = (y - 0.075) / RIB_SPACING + self.rib_offset;
        let number = phase.floor();
        if !(0.0..=11.0).contains(&number) {
            return 0.0;
        }
        let distance = (phase - number - 0.5).abs() * RIB_SPACING / stretch;
        let inside = ramp((half_width - distance) / 0.005 + 0.5);
        inside * (1.0 - 0.35 * cortex) + 0.45 * cortex * bump((distance - half_width + 0.002) / 0.0045)
    }

    fn spine(&self, x: f32, y: f32) -> f32 {
        let phase = (y + 0.02) / 0.047;
        let disc = bump((phase - phase.floor() - 0.5) / 0.17);
        let column = ramp((0.037 - x.abs() + 0.006 * disc) / 0.012) * (0.5 + 0.5 * ramp((0.3 - y) / 0.2));
        let pedicle = bump(ellipse(x.abs() - 0.021, (phase - phase.floor()) * 0.047 - 0.006, 0.008, 0.011));
        column * (0.055 - 0.028 * disc) + 0.025 * pedicle * column
    }
}

/// The roots of the lungs, where the large vessels overlap, 0..1.
fn hila(x: f32, y: f32) -> f32 {
    let hilum = |x: f32, y: f32| bump(ellipse(x, y, 0.062, 0.105));
    hilum(x + 0.095, y - 0.445).max(hilum(x - 0.105, y - 0.415))
}

/// The windpipe and its two main branches, as brightness taken away.
fn trachea(x: f32, y: f32) -> f32 {
    let pipe = bump((x - 0.004) / 0.020) * ramp((0.36 - y) / 0.06);
    let d = y - 0.345;
    let branch = bump((x.abs() - 0.004 - 0.75 * d) / 0.014) * ramp(d / 0.02) * ramp((0.07 - d) / 0.03);
    0.085 * pipe.max(0.6 * branch)
}

/// From the breastbone outwards and up, thinner towards the shoulder.
fn clavicle(a: f32, y: f32) -> f32 {
    let t = ((a - 0.032) / 0.37).clamp(0.0, 1.0);
    let line = 0.188 - 0.055 * t - 0.055 * t * t + 0.055 * t * (1.0 - t) * (1.0 - 2.0 * t);
    let half = 0.0155 - 0.004 * t + 0.008 * bump(t / 0.16);
    let distance = (y - line).abs();
    let ends = ramp((a - 0.028) / 0.012) * ramp((0.415 - a) / 0.02);
    ends * (0.062 * ramp((half - distance) / 0.006 + 0.5) + 0.028 * bump((distance - half + 0.002) / 0.005))
}

/// Squared radius of a point in an ellipse around 0: 1 on its edge.
fn ellipse(x: f32, y: f32, half_width: f32, half_height: f32) -> f32 {
    let (u, v) = (x / half_width, y / half_height);
    u * u + v * v
}

/// Half-width and slope of a border, sampled finely in y from FIRST to LAST.
struct Border(Vec<(f32, f32)>);

impl Border {
    const FIRST: f32 = -0.25;
    const LAST: f32 = 1.5;
    const STEPS: usize = 3500;

    fn new(knots: &Knots) -> Self {
        let step = (Self::LAST - Self::FIRST) / Self::STEPS as f32;
        Border((0..=Self::STEPS).map(|i| cubic(knots, Self::FIRST + i as f32 * step)).collect())
    }

    /// Half-width and slope at `y`, held beyond the ends.
    fn at(&self, y: f32) -> (f32, f32) {
        let place = (y - Self::FIRST) * (Self::STEPS as f32 / (Self::LAST - Self::FIRST));
        let place = place.clamp(0.0, Self::STEPS as f32 - 0.01);
        let t = place - place.floor();
        let (p, q) = (self.0[place as usize], self.0[place as usize + 1]);
        (p.0 + t * (q.0 - p.0), p.1 + t * (q.1 - p.1))
    }
}

/// Half-width and slope on the cubics through the knots, held beyond the outer ones.
fn cubic(knots: &Knots, y: f32) -> (f32, f32) {
    let last = knots.len() - 1;
    if y <= knots[0].0 {
        return (knots[0].1, 0.0);
    }
    if y >= knots[last].0 {
        return (knots[last].1, 0.0);
    }
    let i = (1..last).find(|&i| y < knots[i].0).unwrap_or(last) - 1;
    let chord = |i: usize| (knots[i + 1].1 - knots[i].1) / (knots[i + 1].0 - knots[i].0);
    let tangent = |k: usize| {
        if k == 0 {
            chord(0)
        } else if k == last {
            chord(last - 1)
        } else {
            0.5 * (chord(k - 1) + chord(k))
        }
    };
    let (h, t) = (knots[i + 1].0 - knots[i].0, (y - knots[i].0) / (knots[i + 1].0 - knots[i].0));
    let (p, q, m, n) = (knots[i].1, knots[i + 1].1, tangent(i) * h, tangent(i + 1) * h);
    let (c2, c3) = (3.0 * (q - p) - 2.0 * m - n, 2.0 * (p - q) + m + n);
    (p + t * (m + t * (c2 + t * c3)), (m + t * (2.0 * c2 + 3.0 * t * c3)) / h)
}
