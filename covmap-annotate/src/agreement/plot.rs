//! Agreement as a picture: Dice of every case, and quadratic kappa of every zone, by pair of readers.

use std::fmt::Write;

use super::{Agreement, ZONES};

const WIDTH: f64 = 760.0;
const HEIGHT: f64 = 340.0;
const TOP: f64 = 50.0;
const BOTTOM: f64 = 290.0;
const COLOURS: [&str; 6] = ["#0072b2", "#d55e00", "#009e73", "#cc79a7", "#e69f00", "#56b4e9"];

impl Agreement {
    /// A stand-alone SVG.
    pub fn to_svg(&self) -> String {
        let mut svg = format!(
            "<svg xmlns=\"http://www.w3.org/2000/svg\" viewBox=\"0 0 {WIDTH} {HEIGHT}\" font-family=\"system-ui, sans-serif\" font-size=\"12\" \
             fill=\"#222\"><rect width=\"{WIDTH}\" height=\"{HEIGHT}\" fill=\"#fff\"/>"
        );
        axes(&mut svg, 50.0, 340.0, "Opacity: Dice of every case", &[0.0, 0.25, 0.5, 0.75, 1.0], 0.0);
        axes(&mut svg, 430.0, 730.0, "Brixia zones: quadratic kappa", &[-0.5, 0.0, 0.5, 1.0], -0.5);
        let slots = self.pairs.len().max(1) as f64;
        for (i, pair) in self.pairs.iter().enumerate() {
            let colour = COLOURS[i % COLOURS.len()];
            let x = 50.0 + 290.0 * (i as f64 + 0.5) / slots;
            for (j, case) in pair.by_case.iter().enumerate() {
                // Spread evenly, so that equal cases lie beside each other.
                let spread = 0.6 * 290.0 / slots * ((j as f64 * 0.618_034).fract() - 0.5);
                let _ = write!(
                    svg,
                    "<circle cx=\"{:.1}\" cy=\"{:.1}\" r=\"3\" fill=\"{colour}\" fill-opacity=\".55\"><title>{}: {:.3}</title></circle>",
                    x + spread,
                    y(case.dice, 0.0),
                    case.id,
                    case.dice
                );
            }
            if let Some(mean) = pair.dice_infection {
                let half = 0.35 * 290.0 / slots;
                let (x1, x2, y) = (x - half, x + half, y(mean, 0.0));
                let _ = write!(svg, "<path d=\"M{x1:.1} {y:.1}H{x2:.1}\" stroke=\"{colour}\" stroke-width=\"2\"/>");
                let _ = write!(svg, "<text x=\"{x2:.1}\" y=\"{:.1}\" text-anchor=\"end\" fill=\"{colour}\">{mean:.2}</text>", y - 5.0);
            }
            let _ = write!(
                svg,
                "<text x=\"{x:.1}\" y=\"{:.1}\" text-anchor=\"middle\" fill=\"{colour}\">{} / {}</text>",
                BOTTOM + 18.0 + 14.0 * (i % 2) as f64,
                pair.readers[0],
                pair.readers[1]
            );
            for (z, k) in pair.kappa.iter().enumerate() {
                let Some(k) = k else { continue };
                let width = 38.0 / slots;
                let (low, high) = (y(k.quadratic.min(0.0), -0.5), y(k.quadratic.max(0.0), -0.5));
                let _ = write!(
                    svg,
                    "<rect x=\"{:.1}\" y=\"{high:.1}\" width=\"{width:.1}\" height=\"{:.1}\" fill=\"{colour}\"><title>{}: {:.3}</title></rect>",
                    436.0 + 50.0 * z as f64 + width * i as f64,
                    (low - high).max(0.5),
                    ZONES[z],
                    k.quadratic
                );
            }
        }
        for (z, zone) in ZONES.iter().enumerate() {
            let _ = write!(svg, "<text x=\"{}\" y=\"{}\" text-anchor=\"middle\">{zone}</text>", 455 + 50 * z, BOTTOM + 18.0);
        }
        svg.push_str("</svg>\n");
        svg
    }
}

fn y(value: f64, low: f64) -> f64 {
    BOTTOM - (BOTTOM - TOP) * (value.clamp(low, 1.0) - low) / (1.0 - low)
}

fn axes(svg: &mut String, left: f64, right: f64, title: &str, ticks: &[f64], low: f64) {
    let _ = write!(svg, "<text x=\"{left}\" y=\"28\" font-size=\"14\" font-weight=\"600\">{title}</text>");
    for tick in ticks {
        let y = y(*tick, low);
        let _ = write!(
            svg,
            "<path d=\"M{left} {y:.1}H{right}\" stroke=\"#ddd\"/><text x=\"{}\" y=\"{:.1}\" text-anchor=\"end\">{tick}</text>",
            left - 6.0,
            y + 4.0
        );
    }
}
