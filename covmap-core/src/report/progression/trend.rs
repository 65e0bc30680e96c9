//! The infected share over time, as a drawing.

use std::fmt::Write;

use crate::progression::{Progression, Study};

const WIDTH: f64 = 720.0;
const HEIGHT: f64 = 300.0;
/// Room for the labels of both axes.
const LEFT: f64 = 56.0;
const RIGHT: f64 = 24.0;
const TOP: f64 = 34.0;
const BOTTOM: f64 = 46.0;
/// Half the width of an interval in standard deviations, as for differences.
const COVERAGE: f64 = 1.96;

/// Name, place in the figures, colour, mark, and shift of each line, so that bars of one date stand side by side.
const LINES: [(&str, usize, &str, char, f64); 3] =
    [("both lungs", 0, "#c2410c", 'o', 0.0), ("right lung", 1, "#0b7a9e", 's', -5.0), ("left lung", 2, "#3f8f2f", 'd', 5.0)];

/// Share of both lungs, the right and the left one over the dates of the studies (evenly spaced in order where a date is not
/// known), with bars of 1.96 standard deviations of their variation. Stands alone as an SVG file; a page's styles colour its
/// text and axes.
pub fn trend_to_svg(progression: &Progression) -> String {
    let studies = &progression.studies;
    let places = places(studies);
    let highest = studies.iter().flat_map(|s| (0..3).filter_map(|i| Some(s.figures.shares[i]? + bar(s, i)))).fold(0.0, f64::max);
    // Four steps of a round number of per cent reach above everything.
    let top = [0.04, 0.08, 0.2, 0.4, 0.6, 0.8].into_iter().find(|top| *top >= highest).unwrap_or(1.0);
    let x = |place: f64| LEFT + 20.0 + place * (WIDTH - LEFT - RIGHT - 40.0);
    let y = |share: f64| HEIGHT - BOTTOM - share.clamp(0.0, top) / top * (HEIGHT - BOTTOM - TOP);
    let mut svg = format!(
        "<svg xmlns=\"http://www.w3.org/2000/svg\" viewBox=\"0 0 {WIDTH} {HEIGHT}\" font-family=\"sans-serif\" font-size=\"12\" \
         role=\"img\" aria-label=\"Infected share of the lungs over the studies; the table below holds the numbers\">\n"
    );
    for i in 0..=4 {
        let share = top * f64::from(i) / 4.0;
        let _ = writeln!(
            svg,
            "<line class=\"axis\" stroke=\"#999\" x1=\"{LEFT}\" x2=\"{}\" y1=\"{y:.1}\" y2=\"{y:.1}\"/>\
             <text x=\"{}\" y=\"{:.1}\" text-anchor=\"end\">{:.0} %</text>",
            WIDTH - RIGHT,
            LEFT - 8.0,
            y(share) + 4.0,
            100.0 * share,
            y = y(share),
        );
    }
    for (i, (study, place)) in studies.iter().zip(&places).enumerate() {
        let label = study.date.map_or_else(|| format!("study {}", i + 1), |d| d.to_string().chars().take(10).collect());
        // Dates too close for their labels: every second one is a line lower.
        let crowded = i % 2 == 1 && (place - places[i - 1]) < 0.14;
        let _ = writeln!(
            svg,
            "<text x=\"{:.1}\" y=\"{:.1}\" text-anchor=\"middle\">{label}</text>",
            x(*place),
            HEIGHT - BOTTOM + if crowded { 36.0 } else { 20.0 }
        );
    }
    for (n, (name, figure, colour, mark, shift)) in LINES.into_iter().enumerate() {
        let at = LEFT + 130.0 * n as f64;
        let _ = writeln!(svg, "{}<text x=\"{}\" y=\"18\">{name}</text>", symbol(mark, at + 6.0, 14.0, colour), at + 18.0);
        let known = studies.iter().zip(&places).filter_map(|(s, p)| Some((x(*p) + shift, s.figures.shares[figure]?, bar(s, figure))));
        let known: Vec<(f64, f64, f64)> = known.collect();
        let points: Vec<String> = known.iter().map(|(x, share, _)| format!("{x:.1},{:.1}", y(*share))).collect();
        let _ = writeln!(svg, "<polyline fill=\"none\" stroke=\"{colour}\" stroke-width=\"2\" points=\"{}\"/>", points.join(" "));
        for (x, share, bar) in known {
            let _ = writeln!(
                svg,
                "<line stroke=\"{colour}\" stroke-width=\"1.5\" x1=\"{x:.1}\" x2=\"{x:.1}\" y1=\"{:.1}\" y2=\"{:.1}\"/>{}",
                y(share - bar),
                y(share + bar),
                symbol(mark, x, y(share), colour)
            );
        }
    }
    svg.push_str("</svg>\n");
    svg
}

/// Half the length of an error bar; 0 where the variation is not known.
fn bar(study: &Study, figure: usize) -> f64 {
    COVERAGE * study.variation.shares[figure].unwrap_or(0.0)
}

/// Where each study stands along the axis, 0..1.
fn places(studies: &[Study]) -> Vec<f64> {
    let dates: Option<Vec<_>> = studies.iter().map(|s| s.date).collect();
    let days: Vec<f64> = match dates {
        Some(dates) => dates.iter().map(|d| d.days_since(&dates[0])).collect(),
        None => (0..studies.len()).map(|i| i as f64).collect(),
    };
    let last = days.iter().copied().fold(0.0, f64::max);
    // All on one day, without a time: in order.
    let even = |i: usize| i as f64 / (studies.len() - 1).max(1) as f64;
    days.iter().enumerate().map(|(i, day)| if last > 0.0 { day / last } else { even(i) }).collect()
}

/// A mark whose shape tells the line as well as its colour.
fn symbol(mark: char, x: f64, y: f64, colour: &str) -> String {
    match mark {
        's' => format!("<rect x=\"{:.1}\" y=\"{:.1}\" width=\"8\" height=\"8\" fill=\"{colour}\"/>", x - 4.0, y - 4.0),
        'd' => format!("<path d=\"M{x:.1} {:.1}l6 6l-6 6l-6 -6z\" fill=\"{colour}\"/>", y - 6.0),
        _ => format!("<circle cx=\"{x:.1}\" cy=\"{y:.1}\" r=\"5\" fill=\"{colour}\"/>"),
    }
}
