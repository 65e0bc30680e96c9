//! `covmap phantom`: a synthetic radiograph and its masks.

use covmap_core::phantom::PhantomOptions;
use covmap_core::{Phantom, Result, render};

use crate::args::PhantomArguments;
use crate::{OK, output};

pub(crate) fn run(a: &PhantomArguments) -> Result<u8> {
    let mut options = PhantomOptions::default();
    (options.width, options.height, options.seed) = (a.size as usize, a.size as usize, a.seed);
    let phantom = Phantom::new(&options)?;
    let stem = a.out.with_extension("");
    output::write(&a.out, &if a.dicom { phantom.to_dicom()? } else { phantom.to_png()? })?;
    output::write(&output::with_ending(&stem, "lung.png"), &render::encode_grey(&phantom.lungs)?)?;
    output::write(&output::with_ending(&stem, "infection.png"), &render::encode_grey(&phantom.opacity)?)?;
    Ok(OK)
}
