//! The infection map over the radiograph: hue and saturation from the colour map, value from the film (HSV).

use ndarray::{Array2, Array3};

use super::{Colormap, contour};
use crate::{Error, Result, simd};

/// How the overlay is painted.
#[derive(Debug, Clone, Copy, PartialEq)]
#[non_exhaustive]
pub struct OverlayOptions {
    /// Colours of the probabilities. Default behavior: [`Colormap::Jet`], as in the paper.
    pub colormap: Colormap,
    /// How strongly colour covers grey, 0 (not at all) to 1 (the paper's rendering). Default behavior: 0.6.
    pub opacity: f32,
    /// Outline the area that counts as opacity (map byte >= 128). Default behavior: off.
    pub contour: bool,
}

impl Default for OverlayOptions {
    fn default() -> Self {
        OverlayOptions { colormap: Colormap::default(), opacity: 0.6, contour: false }
    }
}

/// Paints an infection map over a radiograph.
///
/// `grey` (H x W) is the film at display window, see [`display_window`](super::display_window); `map` (H x W) holds
/// probabilities, 0 is 0 and 255 is 1, the threshold lies at 128. The result is H x W x 3 (red, green, blue).
///
/// The paper's rendering: hue and saturation of the map's colour, value of the film, mixed with the film by `opacity`.
/// Below probability 0.5 the mixture fades in proportion, down to nothing at byte 0, so that no edge shows that the
/// threshold does not draw.
///
/// # Errors
/// [`Error::Parameter`] if a side is zero, the shapes differ, or `opacity` is outside 0..=1.
pub fn overlay(grey: &Array2<u8>, map: &Array2<u8>, options: &OverlayOptions) -> Result<Array3<u8>> {
    let (height, width) = grey.dim();
    if height == 0 || width == 0 {
        return Err(Error::Parameter(format!("an overlay of {width} x {height} pixels has nothing to show")));
    }
    if map.dim() != grey.dim() {
        let (rows, columns) = map.dim();
        return Err(Error::Parameter(format!(
            "the map is {columns} x {rows} pixels, the radiograph {width} x {height}: they must be equal"
        )));
    }
    let coefficients = coefficients(options.colormap, options.opacity)?;
    let mut picture = vec![0; 3 * height * width];
    let (grey, upright) = (grey.as_standard_layout(), map.as_standard_layout());
    if let (Some(grey), Some(map)) = (grey.as_slice(), upright.as_slice()) {
        simd::overlay(grey, map, &coefficients, &mut picture);
    }
    let mut picture =
        Array3::from_shape_vec((height, width, 3), picture).map_err(|e| Error::Internal(format!("the overlay's shape: {e}")))?;
    if options.contour {
        contour::outline_opacity(&mut picture, map)?;
    }
    Ok(picture)
}

/// For every map byte, what a grey level is multiplied by to give red, green and blue (0..=1 each).
///
/// HSV to RGB is linear in the value: with c the map's colour divided by its largest channel (hue and saturation at full
/// value), rgb = grey x c. Mixed with the film by a: rgb = grey x (1 - a + a c), a = `opacity` x min(1, 2 p).
///
/// # Errors
/// [`Error::Parameter`] if `opacity` is outside 0..=1.
pub fn coefficients(colormap: Colormap, opacity: f32) -> Result<[[f32; 3]; 256]> {
    if !(0.0..=1.0).contains(&opacity) {
        return Err(Error::Parameter(format!("overlay opacity {opacity}: must be 0 to 1")));
    }
    let mut table = [[1.0; 3]; 256];
    for byte in 1..=255u8 {
        let mixed = opacity * (f32::from(byte) / 127.5).min(1.0);
        let colour = colormap.rgb(byte).map(f32::from);
        let value = colour[0].max(colour[1]).max(colour[2]);
        table[usize::from(byte)] = colour.map(|channel| 1.0 - mixed + mixed * channel / value);
    }
    Ok(table)
}

#[cfg(test)]
mod tests {
    use super::*;
    use ndarray::Array;

    /// Every grey level (down) with every map byte (across).
    fn all_pairs() -> (Array2<u8>, Array2<u8>) {
        (Array::from_shape_fn((256, 256), |(y, _)| y as u8), Array::from_shape_fn((256, 256), |(_, x)| x as u8))
    }

    fn hue_saturation([r, g, b]: [f64; 3]) -> (f64, f64) {
        let (high, low) = (r.max(g).max(b), r.min(g).min(b));
        let range = high - low;
        let hue = if range == 0.0 {
            0.0
        } else if high == r {
            ((g - b) / range).rem_euclid(6.0)
        } else if high == g {
            (b - r) / range + 2.0
        } else {
            (r - g) / range + 4.0
        };
        (60.0 * hue, if high == 0.0 { 0.0 } else { range / high })
    }

    fn rgb_of_hsv(hue: f64, saturation: f64, value: f64) -> [f64; 3] {
        let chroma = value * saturation;
        let sector = hue / 60.0;
        let second = chroma * (1.0 - (sector.rem_euclid(2.0) - 1.0).abs());
        let rgb = match sector as u32 {
            0 => [chroma, second, 0.0],
            1 => [second, chroma, 0.0],
            2 => [0.0, chroma, second],
            3 => [0.0, second, chroma],
            4 => [second, 0.0, chroma],
            _ => [chroma, 0.0, second],
        };
        rgb.map(|channel| channel + value - chroma)
    }

    #[test]
    fn equals_the_literal_hsv_rendering() {
        let (grey, map) = all_pairs();
        for colormap in [Colormap::Jet, Colormap::Cividis] {
            for opacity in [0.0, 0.35, 0.6, 1.0] {
                let options = OverlayOptions { colormap, opacity, contour: false };
                let picture = overlay(&grey, &map, &options).unwrap();
                for ((y, x), &byte) in map.indexed_iter() {
                    let value = f64::from(grey[[y, x]]) / 255.0;
                    let (hue, saturation) = hue_saturation(colormap.rgb(byte).map(|c| f64::from(c) / 255.0));
                    let colour = rgb_of_hsv(hue, saturation, value);
                    let mixed = f64::from(opacity) * (f64::from(byte) / 127.5).min(1.0);
                    for (channel, colour) in colour.iter().enumerate() {
                        let expected = 255.0 * ((1.0 - mixed) * value + mixed * colour);
                        let got = f64::from(picture[[y, x, channel]]);
                        assert!((got - expected).abs() < 0.501, "{colormap} {opacity} byte {byte}: {got} not {expected}");
                    }
                }
            }
        }
    }

    #[test]
    fn byte_zero_and_opacity_zero_leave_the_film() {
        let (grey, map) = all_pairs();
        let picture = overlay(&grey, &map, &OverlayOptions { opacity: 1.0, ..Default::default() }).unwrap();
        let clear = overlay(&grey, &map, &OverlayOptions { opacity: 0.0, ..Default::default() }).unwrap();
        for ((y, x), &level) in grey.indexed_iter() {
            for channel in 0..3 {
                assert_eq!(clear[[y, x, channel]], level);
                assert!(x > 0 || picture[[y, x, channel]] == level);
            }
        }
    }

    #[test]
    fn colour_fades_in_without_an_edge() {
        for colormap in [Colormap::Jet, Colormap::Cividis] {
            let table = coefficients(colormap, 1.0).unwrap();
            for pair in table.windows(2) {
                assert!(pair[0].iter().zip(&pair[1]).all(|(a, b)| (a - b).abs() < 0.04));
            }
        }
    }

    #[test]
    fn any_memory_layout_gives_the_same_picture() {
        let (grey, map) = all_pairs();
        let columns = |a: &Array2<u8>| a.t().as_standard_layout().into_owned().reversed_axes();
        let options = OverlayOptions { contour: true, ..Default::default() };
        assert_eq!(overlay(&grey, &map, &options).unwrap(), overlay(&columns(&grey), &columns(&map), &options).unwrap());
    }

    #[test]
    fn refuses_what_makes_no_picture() {
        let options = OverlayOptions::default();
        let fault = |grey: (usize, usize), map: (usize, usize), options: &OverlayOptions| {
            let result = overlay(&Array2::zeros(grey), &Array2::zeros(map), options);
            assert!(matches!(result, Err(Error::Parameter(_))), "{grey:?} {map:?}");
        };
        fault((0, 0), (0, 0), &options);
        fault((0, 5), (0, 5), &options);
        fault((5, 4), (4, 5), &options);
        for opacity in [-0.1, 1.1, f32::NAN] {
            fault((4, 4), (4, 4), &OverlayOptions { opacity, ..options });
        }
    }
}
