//! From probabilities to figures: what holds whatever the network says.

use arbitrary::Unstructured;
use covmap_core::engine::{BrixiaCalibration, DetectionCalibration, ZoneFeature};
use covmap_core::{Detection, Geometry, InfectionMap, InfectionProbability, LungMask, LungProbability, OperatingPoint, Severity};
use ndarray::{Array2, s};

/// Levels of probability: interpolation between them by powers of two is exact, so that results must be equal.
const LEVELS: f32 = 32.0;

/// Maps of any content, brought to native resolution, padded, mirrored and enlarged.
pub fn run(bytes: &[u8]) {
    let mut input = Unstructured::new(bytes);
    let _ = check(&mut input);
}

fn check(input: &mut Unstructured<'_>) -> arbitrary::Result<()> {
    // So small that no lung is below the least share of the image that a lung has, padded or not.
    let size = (input.int_in_range(1..=8usize)?, input.int_in_range(1..=8usize)?);
    let enlarged = *input.choose(&[1, 2, 4])?;
    let margin = input.int_in_range(0..=2usize)?;
    // One side on even levels, the other on odd ones: no pixel is both lungs'.
    let maps = Maps { infection: levels(input, size, 0.0)?, right: levels(input, size, 0.0)?, left: levels(input, size, 0.5)? };
    let seen = maps.seen(enlarged);
    figures(&seen);

    let mirrored = maps.mirrored().seen(enlarged);
    assert_eq!(seen.map.bytes().slice(s![.., ..;-1]), mirrored.map.bytes(), "mirrored");
    let gate = |lungs: &LungMask| lungs.labels().mapv(|label| label > 0);
    assert_eq!(gate(&seen.lungs).slice(s![.., ..;-1]), gate(&mirrored.lungs), "mirrored lungs");

    // An empty border in either case, so that padding repeats what is at the edge.
    let (inner, padded) = (maps.padded(1).seen(enlarged), maps.padded(1 + margin).seen(enlarged));
    let (edge, (rows, columns)) = (margin * enlarged, inner.map.bytes().dim());
    let window = s![edge..edge + rows, edge..edge + columns];
    assert_eq!(inner.map.bytes(), padded.map.bytes().slice(window), "padded");
    assert_eq!(inner.lungs.labels(), padded.lungs.labels().slice(window), "padded lungs");
    assert_eq!((inner.lungs.area(), inner.severity.total()), (padded.lungs.area(), padded.severity.total()), "padded figures");

    // The middle of nine pixels lies where the one was.
    let (once, thrice) = (maps.ungated(enlarged), maps.ungated(3 * enlarged));
    for (one, middle) in once.bytes().iter().zip(thrice.bytes().slice(s![1..;3, 1..;3])) {
        assert!(one.abs_diff(*middle) <= 1, "enlarged three times: {one} became {middle}");
    }
    Ok(())
}

fn figures(seen: &Seen) {
    let (lungs, total) = (&seen.lungs, seen.severity.total());
    let labels = lungs.labels();
    assert!(
        seen.map.bytes().iter().zip(labels).all(|(byte, label)| *label <= 2 && (*byte == 0 || *label > 0)),
        "opacity outside the lungs"
    );
    assert_eq!((total.area, lungs.right_area() + lungs.left_area()), (lungs.area(), lungs.area()));
    assert_eq!((seen.severity.right().area, seen.severity.left().area), (lungs.right_area(), lungs.left_area()));
    assert_eq!(total.infected, seen.map.bytes().iter().filter(|byte| **byte >= 128).count() as u64);
    assert_eq!(total.sum, seen.map.bytes().iter().map(|byte| u64::from(*byte)).sum::<u64>());
    for region in seen.severity.zones.iter().chain([&total]) {
        let values = [region.share(), region.mean()];
        assert!(values.iter().flatten().all(|x| (0.0..=1.0).contains(x)) && values[0].is_some() == (region.area > 0), "{region:?}");
    }
    assert!(seen.severity.zone_scores.iter().flatten().all(|score| (0.0..=3.0).contains(score)));
    assert!(seen.severity.brixia_estimate.is_none_or(|score| (0.0..=18.0).contains(&score)));
    assert!(seen.detection.probability.is_none_or(|p| (0.0..=1.0).contains(&p)), "{:?}", seen.detection);
    assert_eq!(seen.detection.probability.is_some(), lungs.area() > 0);
}

struct Maps {
    infection: Array2<f32>,
    right: Array2<f32>,
    left: Array2<f32>,
}

struct Seen {
    lungs: LungMask,
    map: InfectionMap,
    severity: Severity,
    detection: Detection,
}

impl Maps {
    fn geometry(&self, factor: usize) -> Geometry {
        let (h, w) = self.infection.dim();
        Geometry { native: [h * factor, w * factor], model: [h, w] }
    }

    fn seen(&self, factor: usize) -> Seen {
        let geometry = self.geometry(factor);
        let lungs = LungMask::new(&LungProbability::sided(self.right.clone(), self.left.clone()), 0.5, &geometry);
        let map = InfectionMap::new(InfectionProbability::new(self.infection.clone()), Some(&lungs), &geometry).expect("one size");
        let brixia = BrixiaCalibration { feature: ZoneFeature::Mean, knots: vec![[0.1, 0.0], [0.7, 3.0]], ramp: None };
        let detection = DetectionCalibration { intercept: 1.0, log_mean: 2.0, log_worst_zone: 0.5, sensitivity95: 0.2, specificity95: 0.6 };
        let severity = Severity::new(&map, &lungs, Some(&brixia)).expect("one size");
        let detection = Detection::new(&map, &severity, Some(&detection), OperatingPoint::default());
        Seen { lungs, map, severity, detection }
    }

    fn ungated(&self, factor: usize) -> InfectionMap {
        InfectionMap::new(InfectionProbability::new(self.infection.clone()), None, &self.geometry(factor)).expect("no lungs")
    }

    fn mirrored(&self) -> Self {
        let mirror = |map: &Array2<f32>| map.slice(s![.., ..;-1]).to_owned();
        Maps { infection: mirror(&self.infection), right: mirror(&self.left), left: mirror(&self.right) }
    }

    fn padded(&self, margin: usize) -> Self {
        let pad = |map: &Array2<f32>| {
            let (h, w) = map.dim();
            let mut padded = Array2::zeros((h + 2 * margin, w + 2 * margin));
            padded.slice_mut(s![margin..margin + h, margin..margin + w]).assign(map);
            padded
        };
        Maps { infection: pad(&self.infection), right: pad(&self.right), left: pad(&self.left) }
    }
}

fn levels(input: &mut Unstructured<'_>, size: (usize, usize), shift: f32) -> arbitrary::Result<Array2<f32>> {
    let mut values = Vec::with_capacity(size.0 * size.1);
    for _ in 0..size.0 * size.1 {
        values.push((f32::from(input.int_in_range(0..=15u8)?) * 2.0 + 2.0 * shift) / LEVELS);
    }
    Ok(Array2::from_shape_vec(size, values).expect("as many values"))
}
