//! Two-dimensional planes in standard layout, as every stage hands them to the kernels and to the resampler.

use fast_image_resize::images::{Image, ImageRef};
use fast_image_resize::{FilterType, PixelType, ResizeAlg, ResizeOptions, Resizer};
use ndarray::{Array2, s};

use crate::{Error, Result};

/// Arrays in this crate are made in standard layout and stay so.
pub(crate) fn slice<T>(a: &Array2<T>) -> &[T] {
    a.as_slice().expect("standard layout")
}

pub(crate) fn slice_mut<T>(a: &mut Array2<T>) -> &mut [T] {
    a.as_slice_mut().expect("standard layout")
}

/// Columns reversed.
pub(crate) fn mirrored(map: &Array2<f32>) -> Array2<f32> {
    map.slice(s![.., ..;-1]).as_standard_layout().into_owned()
}

/// A sample that the resampler knows.
pub(crate) trait Resample: bytemuck::Pod {
    const PIXEL: PixelType;
}

impl Resample for u16 {
    const PIXEL: PixelType = PixelType::U16;
}

impl Resample for f32 {
    const PIXEL: PixelType = PixelType::F32;
}

/// Stretches a plane of (rows, columns) to another size by a triangle filter: antialiased bilinear, as Pillow's `BILINEAR`.
pub(crate) fn stretch<T: Resample>(values: &[T], from: (usize, usize), to: (usize, usize)) -> Result<Vec<T>> {
    let fault = |e: &dyn std::fmt::Display| Error::Internal(format!("resize: {e}"));
    let source = ImageRef::new(from.1 as u32, from.0 as u32, bytemuck::cast_slice(values), T::PIXEL).map_err(|e| fault(&e))?;
    let mut target = Image::new(to.1 as u32, to.0 as u32, T::PIXEL);
    let options = ResizeOptions::new().resize_alg(ResizeAlg::Convolution(FilterType::Bilinear));
    Resizer::new().resize(&source, &mut target, &options).map_err(|e| fault(&e))?;
    Ok(bytemuck::pod_collect_to_vec(target.buffer()))
}
