//! A synthetic chest radiograph of known ground truth, for demos and tests without patient data.

mod anatomy;
mod dicom;
mod noise;
#[cfg(test)]
mod tests;
mod vessels;

use crate::radiograph::{BufferOptions, View};
use ndarray::Array2;
use rayon::prelude::*;

use crate::{Error, Result, threads};
use anatomy::Anatomy;
use noise::{Noise, Random, grain, ramp};

/// Which lung, named from the patient.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Side {
    /// The patient's right lung: on the left of the picture.
    Right,
    /// The patient's left lung: on the right of the picture.
    Left,
}

/// One patch of ground-glass opacity.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Opacity {
    /// The lung it lies in.
    pub side: Side,
    /// Across that lung, 0 at the spine to 1 at the ribs.
    pub x: f32,
    /// Down that lung, 0 at the apex to 1 at its lowest point.
    pub y: f32,
    /// Mean radius as a fraction of the picture's short side, above 0.
    pub radius: f32,
    /// How much of the lung's air it replaces at its centre, 0 to 1.
    pub density: f32,
}

/// Which opacities the phantom has.
#[derive(Debug, Clone, PartialEq, Default)]
pub enum Opacities {
    /// Healthy lungs.
    None,
    /// Two patches, faint and peripheral.
    Mild,
    /// Bilateral, peripheral, in the lower zones: the typical picture of COVID-19 pneumonia.
    #[default]
    Moderate,
    /// Most of both lungs.
    Severe,
    /// Exactly these.
    Given(Vec<Opacity>),
}

/// What to draw.
#[derive(Debug, Clone, PartialEq)]
#[non_exhaustive]
pub struct PhantomOptions {
    /// Pixels across, 64 to 16,384. Default behavior: 1024.
    pub width: usize,
    /// Pixels down, 64 to 16,384. Default behavior: 1024.
    pub height: usize,
    /// Decides the patient's proportions, the vessels, the patches and the grain. Default behavior: 1.
    pub seed: u64,
    /// Patches of opacity. Default behavior: [`Opacities::Moderate`].
    pub opacities: Opacities,
    /// Strength of the film grain, 0 (none) to 10. Default behavior: 1.
    pub noise: f32,
    /// Turns pixels and masks left to right, as in a film read from behind. Default behavior: off.
    pub mirrored: bool,
}

impl Default for PhantomOptions {
    fn default() -> Self {
        PhantomOptions { width: 1024, height: 1024, seed: 1, opacities: Opacities::default(), noise: 1.0, mirrored: false }
    }
}

/// A synthetic frontal (PA) chest radiograph and what is really in it.
///
/// The anatomy keeps its proportions at every size: the picture's short side spans the chest, a longer side shows more
/// arm, neck or belly. The same options give the same bytes on every platform.
#[derive(Debug, Clone, PartialEq)]
#[non_exhaustive]
pub struct Phantom {
    /// H x W grey levels over the full 16 bits, bright where the beam was stopped (MONOCHROME2).
    pub pixels: Array2<u16>,
    /// H x W: 0, 1 the patient's right lung, 2 left, with the part behind the heart.
    pub lungs: Array2<u8>,
    /// H x W: 1 where a patch has at least half of its density, else 0. Only within the lungs.
    pub opacity: Array2<u8>,
    /// What was asked for.
    pub options: PhantomOptions,
}

/// Physical size of the picture's short side in millimetres.
const SHORT_SIDE_MM: f64 = 400.0;

impl Phantom {
    /// Draws the phantom.
    ///
    /// # Errors
    /// [`Error::Parameter`] for a side outside 64..=16,384, more than 100 million pixels, or a number out of its documented range.
    pub fn new(options: &PhantomOptions) -> Result<Phantom> {
        check(options)?;
        let frame = Frame::new(options);
        let anatomy = Anatomy::new(options.seed);
        let noise = &anatomy.noise;
        let patches = place(options, &anatomy);
        let vessels = vessels::draw(&frame, options.seed);
        let draw = |index: usize| {
            let (row, column) = (index / frame.width, index % frame.width);
            let (x, y) = frame.point(column, row);
            let here = anatomy.at(x, y);
            let mut value = here.brightness + marker(x, y) + 0.011 * options.noise * grain(column, row, options.seed);
            let mut opaque = false;
            if here.aeration > 0.0 {
                let (filled, strong) = fill(&patches, noise, x, y);
                opaque = strong && here.lung > 0;
                let texture = 0.022 * noise.smooth(38.0 * x, 38.0 * y, 4, 0x44);
                let haze = 0.035 * noise.smooth(24.0 * x, 24.0 * y, 3, 0x55);
                value += here.clarity * (1.0 - 0.55 * filled) * (vessels[[row, column]] + texture);
                value += here.aeration * filled * (0.25 + haze);
            }
            (film(value), (here.lung, u8::from(opaque)))
        };
        let count = frame.width * frame.height;
        let (pixels, (lungs, opacity)): (Vec<u16>, (Vec<u8>, Vec<u8>)) = match threads::may_share() {
            true => (0..count).into_par_iter().map(draw).unzip(),
            false => (0..count).map(draw).unzip(),
        };
        let mirrored = options.mirrored;
        Ok(Phantom {
            pixels: plane(&frame, pixels, mirrored),
            lungs: plane(&frame, lungs, mirrored),
            opacity: plane(&frame, opacity, mirrored),
            options: options.clone(),
        })
    }

    /// Millimetres from one pixel centre to the next, across and down.
    pub fn spacing_mm(&self) -> f64 {
        let (height, width) = self.pixels.dim();
        SHORT_SIDE_MM / height.min(width) as f64
    }

    /// The phantom as the pipeline takes it.
    ///
    /// # Errors
    /// [`Error::Parameter`] if `pixels` was replaced by an empty array.
    pub fn radiograph(&self) -> Result<crate::Radiograph> {
        let spacing = self.spacing_mm();
        crate::Radiograph::from_view(self.pixels.view(), &BufferOptions::default().spacing_mm([spacing, spacing]).view(View::Pa))
    }

    /// The radiograph as a 16-bit grey PNG file.
    ///
    /// # Errors
    /// [`Error::Parameter`] if `pixels` was replaced by an empty array.
    pub fn to_png(&self) -> Result<Vec<u8>> {
        crate::render::encode_grey16(&self.pixels)
    }

    /// The radiograph as a DICOM file: Computed Radiography Image, Explicit VR Little Endian, MONOCHROME2, 16 bits stored,
    /// patient `PHANTOM^COVMAP`, view PA, PatientOrientation `L\F` (`R\F` when mirrored).
    ///
    /// Dates are fixed and the UIDs follow from the options, so that equal phantoms are equal files.
    ///
    /// # Errors
    /// [`Error::Parameter`] if `pixels` was replaced by an array of more than 65,535 a side; [`Error::Internal`] if the
    /// DICOM writer fails.
    pub fn to_dicom(&self) -> Result<Vec<u8>> {
        dicom::encode(self)
    }
}

/// The step between pixels and anatomical coordinates.
struct Frame {
    width: usize,
    height: usize,
    short: f32,
}

impl Frame {
    fn new(options: &PhantomOptions) -> Self {
        Frame { width: options.width, height: options.height, short: options.width.min(options.height) as f32 }
    }

    /// Anatomical coordinates of a pixel's centre.
    fn point(&self, column: usize, row: usize) -> (f32, f32) {
        let x = (column as f32 + 0.5 - 0.5 * self.width as f32) / self.short;
        let y = (row as f32 + 0.5 - 0.5 * self.height as f32) / self.short;
        (x, y + 0.5)
    }

    /// Column and row of a point, with fractions.
    fn pixel(&self, x: f32, y: f32) -> (f32, f32) {
        (x * self.short + 0.5 * self.width as f32 - 0.5, (y - 0.5) * self.short + 0.5 * self.height as f32 - 0.5)
    }
}

/// A patch with its centre in anatomical coordinates.
struct Patch {
    x: f32,
    y: f32,
    radius: f32,
    density: f32,
    /// Which noise its outline follows.
    outline: u64,
}

fn check(options: &PhantomOptions) -> Result<()> {
    let (width, height) = (options.width, options.height);
    if !(64..=16_384).contains(&width) || !(64..=16_384).contains(&height) || width * height > 100_000_000 {
        return Err(Error::Parameter(format!(
            "a phantom of {width} x {height} pixels: each side must be 64 to 16,384, and 100 million pixels in all"
        )));
    }
    if !(0.0..=10.0).contains(&options.noise) {
        return Err(Error::Parameter(format!("phantom noise {}: must be 0 to 10", options.noise)));
    }
    if let Opacities::Given(list) = &options.opacities {
        for o in list {
            let inside = |v: f32| (0.0..=1.0).contains(&v);
            if !(inside(o.x) && inside(o.y) && inside(o.density) && inside(o.radius) && o.radius > 0.0) {
                return Err(Error::Parameter(format!("{o:?}: x, y and density must be 0 to 1, radius above 0 and at most 1")));
            }
        }
    }
    Ok(())
}

/// Rows of pixels as a plane, turned left to right when mirrored.
fn plane<T>(frame: &Frame, mut values: Vec<T>, mirrored: bool) -> Array2<T> {
    if mirrored {
        values.chunks_exact_mut(frame.width).for_each(<[T]>::reverse);
    }
    Array2::from_shape_vec((frame.height, frame.width), values).expect("a value for every pixel")
}

/// The patches asked for, where this patient's lungs are: found on a coarse grid, so that no picture size moves them.
fn place(options: &PhantomOptions, anatomy: &Anatomy) -> Vec<Patch> {
    const STEPS: usize = 256;
    let mut random = Random::new(options.seed ^ 0x0bac);
    let list = match &options.opacities {
        Opacities::Given(list) => list.clone(),
        preset => preset_patches(preset, &mut random),
    };
    let step = |i: usize| (i as f32 + 0.5) / STEPS as f32;
    let label = |row: usize, column: usize| anatomy.at(step(column) - 0.5, step(row)).lung;
    let lungs = Array2::from_shape_fn((STEPS, STEPS), |(row, column)| label(row, column));
    list.iter()
        .enumerate()
        .filter_map(|(i, o)| {
            let label = if o.side == Side::Right { 1 } else { 2 };
            let mut rows = (0..STEPS).filter(|&row| lungs.row(row).iter().any(|&l| l == label));
            let top = rows.next()?;
            let bottom = rows.next_back()?;
            let row = top + (o.y * (bottom - top) as f32 + 0.5) as usize;
            let mut columns = (0..STEPS).filter(|&column| lungs[[row, column]] == label);
            let left = columns.next()?;
            let right = columns.next_back().unwrap_or(left);
            let across = if o.side == Side::Right { 1.0 - o.x } else { o.x };
            let column = left + (across * (right - left) as f32 + 0.5) as usize;
            let outline = 0x1000 + i as u64;
            Some(Patch { x: step(column) - 0.5, y: step(row), radius: o.radius, density: o.density, outline })
        })
        .collect()
}

/// Side, across, down, radius, density: then shaken a little.
fn preset_patches(preset: &Opacities, random: &mut Random) -> Vec<Opacity> {
    use Side::{Left, Right};
    let table: &[(Side, f32, f32, f32, f32)] = match preset {
        Opacities::None | Opacities::Given(_) => &[],
        Opacities::Mild => &[(Right, 0.75, 0.66, 0.060, 0.50), (Left, 0.80, 0.60, 0.045, 0.45)],
        Opacities::Moderate => &[
            (Right, 0.78, 0.62, 0.085, 0.70),
            (Right, 0.50, 0.76, 0.065, 0.60),
            (Right, 0.85, 0.38, 0.045, 0.50),
            (Left, 0.82, 0.58, 0.080, 0.70),
            (Left, 0.66, 0.72, 0.060, 0.60),
        ],
        Opacities::Severe => &[
            (Right, 0.75, 0.60, 0.120, 0.90),
            (Right, 0.45, 0.72, 0.100, 0.85),
            (Right, 0.70, 0.36, 0.090, 0.75),
            (Right, 0.50, 0.20, 0.050, 0.60),
            (Left, 0.78, 0.56, 0.120, 0.90),
            (Left, 0.55, 0.42, 0.090, 0.75),
            (Left, 0.72, 0.74, 0.090, 0.85),
            (Left, 0.72, 0.26, 0.060, 0.65),
        ],
    };
    table
        .iter()
        .map(|&(side, x, y, radius, density)| Opacity {
            side,
            x: (x + random.uniform(-0.06, 0.06)).clamp(0.0, 1.0),
            y: (y + random.uniform(-0.04, 0.04)).clamp(0.0, 1.0),
            radius: radius * random.uniform(0.9, 1.1),
            density,
        })
        .collect()
}

/// How much of the air at a point is replaced (0..1), and whether that counts as opacity.
fn fill(patches: &[Patch], noise: &Noise, x: f32, y: f32) -> (f32, bool) {
    let (mut clear, mut strongest) = (1.0, 0.0f32);
    for patch in patches {
        let (u, v) = ((x - patch.x) / patch.radius, (y - patch.y) / patch.radius);
        let distance = (u * u + v * v).sqrt();
        // The outline wanders by up to 0.45 radii, the far outside needs no noise.
        if distance > 1.8 {
            continue;
        }
        let wander = 0.30 * noise.smooth(1.7 * u, 1.7 * v, 2, patch.outline);
        let shape = ramp((1.30 - distance + wander) / 0.75);
        clear *= 1.0 - patch.density * shape;
        strongest = strongest.max(shape);
    }
    (1.0 - clear, strongest >= 0.5)
}

/// The lead letter at the patient's left shoulder.
fn marker(x: f32, y: f32) -> f32 {
    let bar = |dx: f32, dy: f32, w: f32, h: f32| ramp((w - dx.abs()) / 0.002 + 0.5) * ramp((h - dy.abs()) / 0.002 + 0.5);
    0.85 * bar(x - 0.440, y - 0.045, 0.0035, 0.018).max(bar(x - 0.4475, y - 0.0610, 0.011, 0.0035))
}

/// Film response: linear in the middle, soft at both ends.
fn film(brightness: f32) -> u16 {
    let t = brightness.clamp(0.0, 1.25);
    let level = if t < 0.7 { t } else { 0.7 + (t - 0.7) / (1.0 + 1.6 * (t - 0.7)) };
    (level * 65_535.0 + 0.5).min(65_535.0) as u16
}
