//! Two-dimensional planes in standard layout, as every stage hands them to the kernels and to the resampler.

use fast_image_resize::images::{TypedCroppedImage, TypedImage, TypedImageRef};
use fast_image_resize::{FilterType, PixelTrait, ResizeAlg, ResizeOptions, Resizer, pixels};
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
    /// Statically typed: the resampler's code for a dozen other pixel types would double the library.
    type Pixel: PixelTrait;
}

impl Resample for u16 {
    type Pixel = pixels::U16;
}

impl Resample for f32 {
    type Pixel = pixels::F32;
}

/// Stretches a plane of (rows, columns) to another size by a triangle filter: antialiased bilinear, as Pillow's `BILINEAR`.
pub(crate) fn stretch<T: Resample>(values: &[T], from: (usize, usize), to: (usize, usize)) -> Result<Vec<T>> {
    stretch_part(values, from, [0.0, 0.0, from.1 as f64, from.0 as f64], to)
}

/// [`stretch`] of a part alone: left, top, width and height in pixels, which need not be whole. Pixels beyond the whole ones around
/// it play no part.
pub(crate) fn stretch_part<T: Resample>(
    values: &[T],
    from: (usize, usize),
    [left, top, width, height]: [f64; 4],
    to: (usize, usize),
) -> Result<Vec<T>> {
    let fault = |e: &dyn std::fmt::Display| Error::Internal(format!("resize: {e}"));
    let source =
        TypedImageRef::<T::Pixel>::from_buffer(from.1 as u32, from.0 as u32, bytemuck::cast_slice(values)).map_err(|e| fault(&e))?;
    let [x, y, right, bottom] = [left.floor(), top.floor(), (left + width).ceil(), (top + height).ceil()].map(|edge| edge as u32);
    let source = TypedCroppedImage::from_ref(&source, x, y, right - x, bottom - y).map_err(|e| fault(&e))?;
    let mut target = vec![T::zeroed(); to.0 * to.1];
    let mut view =
        TypedImage::<T::Pixel>::from_buffer(to.1 as u32, to.0 as u32, bytemuck::cast_slice_mut(&mut target)).map_err(|e| fault(&e))?;
    let options = ResizeOptions::new().resize_alg(ResizeAlg::Convolution(FilterType::Bilinear)).use_alpha(false).crop(
        left - f64::from(x),
        top - f64::from(y),
        width,
        height,
    );
    Resizer::new().resize_typed(&source, &mut view, &options).map_err(|e| fault(&e))?;
    Ok(target)
}
