//! Pixels that a caller already holds.

use super::{Decoded, Note, Radiograph, Source, View, colour, scale};
use crate::{Error, Limits, Result, simd};
use ndarray::{Array2, ArrayView2, ArrayView3, s};

/// What bright means in a buffer (DICOM Photometric Interpretation, PS3.3 C.7.6.3.1.2).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default)]
#[non_exhaustive]
pub enum Photometric {
    /// Dense is dark, as on a negative of the film; it is inverted.
    Monochrome1,
    /// Dense is bright, as a radiograph is usually shown.
    #[default]
    Monochrome2,
}

/// What a caller knows of a buffer beyond its pixels.
#[derive(Debug, Clone, Copy, PartialEq, Default)]
#[non_exhaustive]
pub struct BufferOptions {
    /// What bright means. Default behavior: MONOCHROME2.
    pub photometric: Photometric,
    /// Grey levels shown as black and as white, `[low, high]` in the buffer's own units, linear between; applied before
    /// the photometric inversion. Default behavior: the sample type's full range, for real numbers minimum to maximum.
    pub window: Option<[f32; 2]>,
    /// Distance between pixel centres in millimetres, `[between rows, between columns]`. Default behavior: unknown.
    pub spacing_mm: Option<[f64; 2]>,
    /// Projection. Default behavior: unknown.
    pub view: View,
    /// Bounds on sizes. Default behavior: [`Limits::default`].
    pub limits: Limits,
}

impl BufferOptions {
    /// The same options with this photometric interpretation.
    pub fn photometric(mut self, photometric: Photometric) -> Self {
        self.photometric = photometric;
        self
    }

    /// The same options with this window, `[low, high]` in the buffer's own units.
    pub fn window(mut self, window: [f32; 2]) -> Self {
        self.window = Some(window);
        self
    }

    /// The same options with this spacing, `[between rows, between columns]` in millimetres.
    pub fn spacing_mm(mut self, spacing_mm: [f64; 2]) -> Self {
        self.spacing_mm = Some(spacing_mm);
        self
    }

    /// The same options with this projection.
    pub fn view(mut self, view: View) -> Self {
        self.view = view;
        self
    }

    /// The same options with these bounds.
    pub fn limits(mut self, limits: Limits) -> Self {
        self.limits = limits;
        self
    }
}

/// A sample type of a buffer: `u8` (0 to 255) or `u16` (0 to 65,535).
pub trait Sample: Copy + sealed::Sealed {
    /// 16-bit levels per level of this type.
    #[doc(hidden)]
    const SCALE: f32;
    /// The sample over the full range of 16 bits.
    fn to_u16(self) -> u16;
}

impl Sample for u8 {
    const SCALE: f32 = 257.0;

    fn to_u16(self) -> u16 {
        u16::from(self) * 257
    }
}

impl Sample for u16 {
    const SCALE: f32 = 1.0;

    fn to_u16(self) -> u16 {
        self
    }
}

mod sealed {
    pub trait Sealed {}
    impl Sealed for u8 {}
    impl Sealed for u16 {}
}

impl Radiograph {
    /// A radiograph from 8-bit grey pixels, row by row; `stride` is the distance between the starts of two rows in bytes.
    ///
    /// # Errors
    /// `Parameter` where the buffer is shorter than `(height - 1) * stride + width`, the stride shorter than a row or the
    /// spacing not above 0; `Input` where the image is empty; `LimitsExceeded` where it is too large.
    pub fn from_u8(pixels: &[u8], width: usize, height: usize, stride: usize, options: &BufferOptions) -> Result<Self> {
        from_samples(pixels, width, height, stride, options)
    }

    /// A radiograph from 16-bit grey pixels, row by row; `stride` is the distance between the starts of two rows in elements.
    /// All 16 bits count: 12-bit pixels should be scaled by the caller, or read by [`from_f32`](Self::from_f32).
    ///
    /// # Errors
    /// Those of [`from_u8`](Self::from_u8).
    pub fn from_u16(pixels: &[u16], width: usize, height: usize, stride: usize, options: &BufferOptions) -> Result<Self> {
        from_samples(pixels, width, height, stride, options)
    }

    /// A radiograph from a view of shape (rows, columns), any layout.
    ///
    /// # Errors
    /// Those of [`from_u8`](Self::from_u8), save those of the buffer's length.
    pub fn from_view<S: Sample>(pixels: ArrayView2<'_, S>, options: &BufferOptions) -> Result<Self> {
        check_shape(pixels.ncols(), pixels.nrows(), options)?;
        finish(pixels.map(|sample| sample.to_u16()), S::SCALE, Vec::new(), options)
    }

    /// A radiograph from a view of shape (rows, columns, channels), any layout: 1 channel is grey, 2 grey and alpha, 3 RGB,
    /// 4 RGBA. As in files, grey stored as colour is grey, a few coloured marks are noted, and alpha is laid over black.
    ///
    /// # Errors
    /// Those of [`from_view`](Self::from_view); `Parameter` for another number of channels; `Input` for a coloured picture.
    pub fn from_colour<S: Sample>(pixels: ArrayView3<'_, S>, options: &BufferOptions) -> Result<Self> {
        let (rows, columns, channels) = pixels.dim();
        check_channels(channels)?;
        check_shape(columns, rows, options)?;
        let samples: Vec<S> = pixels.iter().copied().collect();
        let mut notes = Vec::new();
        let grey = colour::to_grey(&samples, channels, &mut notes)?;
        finish(plane(rows, columns, grey)?, S::SCALE, notes, options)
    }

    /// A radiograph from real numbers of any range, shape (rows, columns), any layout: the minimum becomes 0, the maximum
    /// 65,535. An image of one value becomes black.
    ///
    /// # Errors
    /// `Input` naming the first pixel that is not finite, and those of [`from_view`](Self::from_view).
    pub fn from_f32(pixels: ArrayView2<'_, f32>, options: &BufferOptions) -> Result<Self> {
        check_shape(pixels.ncols(), pixels.nrows(), options)?;
        let scaled = scale::spread_image(pixels.nrows(), pixels.ncols(), pixels.iter().copied(), options.window)?;
        finish(scaled, 1.0, Vec::new(), &BufferOptions { window: None, ..*options })
    }

    /// [`from_colour`](Self::from_colour) for real numbers: all colours are spread together, minimum to maximum; alpha is 0..1.
    ///
    /// # Errors
    /// Those of [`from_f32`](Self::from_f32) and [`from_colour`](Self::from_colour).
    pub fn from_colour_f32(pixels: ArrayView3<'_, f32>, options: &BufferOptions) -> Result<Self> {
        let (rows, columns, channels) = pixels.dim();
        check_channels(channels)?;
        check_shape(columns, rows, options)?;
        let colours = if channels.is_multiple_of(2) { channels - 1 } else { channels };
        if let Some(((row, column, _), value)) = pixels.indexed_iter().find(|(_, value)| !value.is_finite()) {
            return Err(scale::not_finite(row, column, f64::from(*value)));
        }
        let colour = pixels.slice(s![.., .., ..colours]);
        let spread = scale::spread_image(rows, columns * colours, colour.iter().copied(), options.window)?;
        let mut levels = spread.iter().copied();
        let samples: Vec<u16> = pixels
            .indexed_iter()
            .map(|((_, _, channel), value)| if channel < colours { levels.next().unwrap_or(0) } else { scale::to_u16(f64::from(*value)) })
            .collect();
        let mut notes = Vec::new();
        let grey = colour::to_grey(&samples, channels, &mut notes)?;
        finish(plane(rows, columns, grey)?, 1.0, notes, &BufferOptions { window: None, ..*options })
    }
}

fn check_channels(channels: usize) -> Result<()> {
    match channels {
        1..=4 => Ok(()),
        _ => Err(Error::Parameter(format!("{channels} channels: 1 (grey), 2 (grey, alpha), 3 (RGB) and 4 (RGBA) are known"))),
    }
}

fn plane(rows: usize, columns: usize, values: Vec<u16>) -> Result<Array2<u16>> {
    Array2::from_shape_vec((rows, columns), values).map_err(|e| Error::Internal(format!("buffer shape: {e}")))
}

fn from_samples<S: Sample>(samples: &[S], width: usize, height: usize, stride: usize, options: &BufferOptions) -> Result<Radiograph> {
    check_shape(width, height, options)?;
    if stride < width {
        return Err(Error::Parameter(format!("stride {stride} is shorter than a row of {width} pixels")));
    }
    let needed = (height - 1).checked_mul(stride).and_then(|n| n.checked_add(width));
    if needed.is_none_or(|needed| samples.len() < needed) {
        return Err(Error::Parameter(format!(
            "the buffer holds {} samples; {height} rows of {width} with stride {stride} need {}",
            samples.len(),
            needed.map_or("more than memory can hold".to_owned(), |n| n.to_string())
        )));
    }
    let pixels = samples.chunks(stride).take(height).flat_map(|row| &row[..width]).map(|s| s.to_u16()).collect();
    finish(plane(height, width, pixels)?, S::SCALE, Vec::new(), options)
}

fn check_shape(width: usize, height: usize, options: &BufferOptions) -> Result<()> {
    if let Some(spacing) = options.spacing_mm
        && !spacing.iter().all(|&mm| mm.is_finite() && mm > 0.0)
    {
        return Err(Error::Parameter(format!("spacing {spacing:?} mm is not two numbers above 0")));
    }
    if let Some([low, high]) = options.window
        && !(low.is_finite() && high.is_finite() && low < high)
    {
        return Err(Error::Parameter(format!("window {low} to {high}: two numbers are needed, the lower one first")));
    }
    let side = |n: usize| u32::try_from(n).unwrap_or(u32::MAX);
    options.limits.check_size(side(width), side(height))
}

fn finish(mut pixels: Array2<u16>, scale: f32, mut notes: Vec<Note>, options: &BufferOptions) -> Result<Radiograph> {
    if !pixels.is_standard_layout() {
        pixels = pixels.as_standard_layout().into_owned();
    }
    let values = pixels.as_slice_mut().ok_or_else(|| Error::Internal("buffer layout".into()))?;
    if let Some([low, high]) = options.window {
        let source = values.to_vec();
        simd::window_u16(&source, values, low * scale, high * scale);
    }
    if options.photometric == Photometric::Monochrome1 {
        simd::invert_u16(values);
        notes.push(Note::Inverted);
    }
    let decoded = Decoded { spacing_mm: options.spacing_mm, view: options.view, notes, ..Decoded::plain(pixels, Source::Buffer) };
    Ok(decoded.upright(None))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::ErrorKind;
    use ndarray::{Array3, array, s};

    #[test]
    fn a_window_is_in_the_buffers_own_units() {
        let eight = Radiograph::from_u8(&[0, 50, 100, 150, 255], 5, 1, 5, &BufferOptions::default().window([50.0, 150.0])).unwrap();
        assert_eq!(eight.pixels(), array![[0u16, 0, 32768, 65535, 65535]]);
        let options = BufferOptions::default().window([-1.0, 1.0]).photometric(Photometric::Monochrome1);
        let real = Radiograph::from_f32(array![[-2.0f32, 0.0, 1.0]].view(), &options).unwrap();
        assert_eq!(real.pixels(), array![[65535u16, 32767, 0]]);
        let empty = Radiograph::from_u8(&[0], 1, 1, 1, &BufferOptions::default().window([3.0, 3.0])).unwrap_err();
        assert_eq!(empty.kind(), ErrorKind::Parameter);
    }

    #[test]
    fn buffers_with_a_stride() {
        let options = BufferOptions::default();
        let radiograph = Radiograph::from_u8(&[0, 128, 9, 255, 1], 2, 2, 3, &options).unwrap();
        assert_eq!(radiograph.pixels(), array![[0u16, 128 * 257], [65535, 257]]);
        let radiograph = Radiograph::from_u16(&[0, 128, 9, 255, 1], 2, 2, 3, &options).unwrap();
        assert_eq!(radiograph.pixels(), array![[0u16, 128], [255, 1]]);
        assert_eq!((radiograph.source(), radiograph.sha256(), radiograph.pixel_aspect_ratio()), (&Source::Buffer, None, 1.0));
    }

    #[test]
    fn views_of_any_layout_end_in_standard_layout() {
        let image = array![[1u8, 2, 3], [4, 5, 6]];
        let options = BufferOptions::default().photometric(Photometric::Monochrome1).spacing_mm([0.2, 0.1]);
        let radiograph = Radiograph::from_view(image.t(), &options).unwrap();
        assert_eq!(radiograph.pixels(), image.t().mapv(|v| (255 - u16::from(v)) * 257));
        assert!(radiograph.pixels().is_standard_layout());
        assert_eq!((radiograph.notes(), radiograph.pixel_aspect_ratio()), (&[Note::Inverted][..], 2.0));
        let mirrored = Radiograph::from_view(image.slice(s![.., ..;-1]), &BufferOptions::default()).unwrap();
        assert_eq!(mirrored.pixels(), array![[771u16, 514, 257], [1542, 1285, 1028]]);
    }

    #[test]
    fn real_numbers_are_spread() {
        let radiograph = Radiograph::from_f32(array![[-1.0, 0.0], [1.0, 0.5]].view(), &BufferOptions::default()).unwrap();
        assert_eq!(radiograph.pixels(), array![[0u16, 32768], [65535, 49151]]);
        let error = Radiograph::from_f32(array![[0.0, f32::INFINITY]].view(), &BufferOptions::default()).unwrap_err();
        assert_eq!(error.to_string(), "pixel (row 0, column 1) is infinite");
        // Row and column are those of the view, whatever its layout.
        let error = Radiograph::from_f32(array![[0.0, 1.0], [f32::NAN, 0.0]].t(), &BufferOptions::default()).unwrap_err();
        assert_eq!(error.to_string(), "pixel (row 0, column 1) is not a number");
    }

    #[test]
    fn colour_follows_the_rule_of_files() {
        let grey = array![[0u8, 50], [200, 255]];
        let options = BufferOptions::default();
        let expected = Radiograph::from_view(grey.view(), &options).unwrap();
        for channels in [1, 3] {
            let colour = Array3::from_shape_fn((2, 2, channels), |(y, x, _)| grey[[y, x]]);
            assert_eq!(Radiograph::from_colour(colour.view(), &options).unwrap(), expected);
            let real = Radiograph::from_colour_f32(colour.mapv(|v| f32::from(v) - 7.0).view(), &options).unwrap();
            assert_eq!(real.pixels(), expected.pixels());
        }
        let mut colour = Array3::from_shape_fn((2, 2, 4), |(y, x, channel)| if channel < 3 { grey[[y, x]] } else { 255 });
        assert_eq!(Radiograph::from_colour(colour.view(), &options).unwrap(), expected);
        assert_eq!(Radiograph::from_colour_f32(colour.mapv(|v| f32::from(v) / 255.0).view(), &options).unwrap(), expected);
        colour[[0, 0, 1]] = 90;
        assert_eq!(Radiograph::from_colour(colour.view(), &options).unwrap_err().kind(), ErrorKind::Input);
        let many = Array3::<u8>::zeros((2, 2, 5));
        assert_eq!(Radiograph::from_colour(many.view(), &options).unwrap_err().kind(), ErrorKind::Parameter);
        let error = Radiograph::from_colour_f32(array![[[0.0, 1.0, 2.0], [0.0, f32::NAN, 0.0]]].view(), &options).unwrap_err();
        assert_eq!(error.to_string(), "pixel (row 0, column 1) is not a number");
    }

    #[test]
    fn impossible_buffers_are_the_callers_mistake() {
        let options = BufferOptions::default();
        let kind = |width, height, stride| Radiograph::from_u8(&[0; 10], width, height, stride, &options).unwrap_err().kind();
        assert_eq!(kind(5, 3, 5), ErrorKind::Parameter);
        assert_eq!(kind(5, 2, 4), ErrorKind::Parameter);
        assert_eq!(kind(5, 16_000, usize::MAX), ErrorKind::Parameter);
        assert_eq!(kind(0, 2, 5), ErrorKind::Input);
        assert_eq!(kind(1, usize::MAX, 5), ErrorKind::LimitsExceeded);
        let options = options.spacing_mm([0.0, 1.0]);
        assert_eq!(Radiograph::from_u8(&[0], 1, 1, 1, &options).unwrap_err().kind(), ErrorKind::Parameter);
    }
}
