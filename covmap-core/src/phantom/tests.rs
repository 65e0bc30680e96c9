//! What holds for every phantom.

use super::*;
use dicom_core::Tag;

fn options(width: usize, height: usize, seed: u64, opacities: Opacities) -> PhantomOptions {
    PhantomOptions { width, height, seed, opacities, ..Default::default() }
}

/// Mean column, mean row and area of a label, as fractions of the picture.
fn place_of(mask: &Array2<u8>, label: u8) -> (f64, f64, f64) {
    let (mut x, mut y, mut n) = (0.0, 0.0, 0.0);
    for ((row, column), _) in mask.indexed_iter().filter(|&(_, &l)| l == label) {
        (x, y, n) = (x + column as f64, y + row as f64, n + 1.0);
    }
    let (height, width) = mask.dim();
    (x / n / width as f64, y / n / height as f64, n / (height * width) as f64)
}

fn mean_under(phantom: &Phantom, keep: impl Fn(usize, usize) -> bool) -> f64 {
    let kept: Vec<f64> = phantom.pixels.indexed_iter().filter(|&((y, x), _)| keep(y, x)).map(|(_, &v)| f64::from(v)).collect();
    kept.iter().sum::<f64>() / kept.len() as f64
}

#[test]
fn masks_agree_with_each_other_and_the_film() {
    for (width, height) in [(64, 64), (255, 257), (400, 256), (200, 330)] {
        for seed in [1, 2, 3] {
            let phantom = Phantom::new(&options(width, height, seed, Opacities::Moderate)).unwrap();
            assert_eq!(phantom.pixels.dim(), (height, width));
            assert!(phantom.lungs.iter().all(|&l| l <= 2) && phantom.opacity.iter().all(|&o| o <= 1));
            assert!(phantom.opacity.iter().zip(&phantom.lungs).all(|(&o, &l)| o == 0 || l > 0), "opacity outside the lungs");
            let (right, left) = (place_of(&phantom.lungs, 1), place_of(&phantom.lungs, 2));
            assert!(right.0 < 0.45 && left.0 > 0.55, "the patient's right lies on the left of the picture");
            assert!((0.3..0.6).contains(&right.1) && (0.3..0.6).contains(&left.1));
            assert!(right.2 > 0.05 && left.2 > 0.05, "{right:?} {left:?}");
            // Air is black, clear lung dark, opacity brighter, soft tissue brightest.
            let (lungs, opacity) = (&phantom.lungs, &phantom.opacity);
            let clear = mean_under(&phantom, |y, x| lungs[[y, x]] == 1 && opacity[[y, x]] == 0);
            let opaque = mean_under(&phantom, |y, x| lungs[[y, x]] == 1 && opacity[[y, x]] == 1);
            let belly = mean_under(&phantom, |y, x| 10 * y > 9 * height && (2 * x).abs_diff(width) < width / 2);
            assert!(opaque > clear + 3_000.0 && belly > opaque, "{clear} {opaque} {belly}");
        }
    }
}

#[test]
fn the_same_options_give_the_same_phantom() {
    let asked = options(200, 180, 7, Opacities::Severe);
    let (first, second) = (Phantom::new(&asked).unwrap(), Phantom::new(&asked).unwrap());
    assert_eq!(first, second);
    assert_eq!(first.to_dicom().unwrap(), second.to_dicom().unwrap());
    assert_eq!(first.to_png().unwrap(), second.to_png().unwrap());
    let other = Phantom::new(&PhantomOptions { seed: 8, ..asked }).unwrap();
    assert_ne!(first.pixels, other.pixels);
    assert_ne!(first.lungs, other.lungs);
}

#[test]
fn these_bytes_are_the_same_on_every_platform() {
    let phantom = Phantom::new(&options(96, 80, 1, Opacities::Moderate)).unwrap();
    let hash = |bytes: &mut dyn Iterator<Item = u8>| {
        bytes.fold(0xcbf2_9ce4_8422_2325u64, |h, b| (h ^ u64::from(b)).wrapping_mul(0x0100_0000_01b3))
    };
    let pixels = hash(&mut phantom.pixels.iter().flat_map(|v| v.to_le_bytes()));
    let masks = hash(&mut phantom.lungs.iter().chain(&phantom.opacity).copied());
    assert_eq!((pixels, masks), (11785728091455070954, 14223756016691431127));
}

#[test]
fn presets_grow_and_sizes_agree() {
    let share = |size, opacities| {
        let phantom = Phantom::new(&options(size, size, 4, opacities)).unwrap();
        let sum = |mask: &Array2<u8>| mask.iter().filter(|&&v| v > 0).count() as f64;
        sum(&phantom.opacity) / sum(&phantom.lungs)
    };
    let shares = [Opacities::None, Opacities::Mild, Opacities::Moderate, Opacities::Severe].map(|preset| share(256, preset));
    assert!(shares[0] == 0.0 && shares.is_sorted() && shares[1] > 0.02 && shares[3] > 0.3, "{shares:?}");
    assert!((share(700, Opacities::Moderate) - shares[2]).abs() < 0.01);
}

#[test]
fn a_given_patch_lies_where_it_was_asked_for() {
    let patch = Opacity { side: Side::Left, x: 0.5, y: 0.3, radius: 0.06, density: 0.8 };
    let phantom = Phantom::new(&options(300, 300, 2, Opacities::Given(vec![patch]))).unwrap();
    assert!(phantom.opacity.iter().zip(&phantom.lungs).all(|(&o, &l)| o == 0 || l == 2));
    let (x, y, area) = place_of(&phantom.opacity, 1);
    assert!((0.6..0.8).contains(&x) && (0.2..0.4).contains(&y) && area > 0.004, "{x} {y} {area}");
}

#[test]
fn mirroring_turns_everything_and_dicom_says_so() {
    let plain = options(150, 140, 3, Opacities::Moderate);
    let mirrored = PhantomOptions { mirrored: true, ..plain.clone() };
    let (plain, mirrored) = (Phantom::new(&plain).unwrap(), Phantom::new(&mirrored).unwrap());
    for (y, x) in [(70, 10), (70, 40), (30, 100)] {
        assert_eq!(plain.pixels[[y, x]], mirrored.pixels[[y, 149 - x]]);
        assert_eq!(plain.lungs[[y, x]], mirrored.lungs[[y, 149 - x]]);
    }
    assert!(place_of(&mirrored.lungs, 1).0 > place_of(&mirrored.lungs, 2).0);
    let orientation = |phantom: &Phantom| {
        let object = dicom_object::from_reader(&phantom.to_dicom().unwrap()[..]).unwrap();
        object.element(Tag(0x0020, 0x0020)).unwrap().to_str().unwrap().into_owned()
    };
    assert_eq!((orientation(&plain), orientation(&mirrored)), ("L\\F".into(), "R\\F".into()));
}

#[test]
fn dicom_holds_the_same_picture() {
    let phantom = Phantom::new(&options(130, 101, 5, Opacities::Mild)).unwrap();
    let file = phantom.to_dicom().unwrap();
    assert_eq!(&file[128..132], b"DICM");
    let object = dicom_object::from_reader(&file[..]).unwrap();
    let text = |group, element| object.element(Tag(group, element)).unwrap().to_str().unwrap().into_owned();
    let number = |element| object.element(Tag(0x0028, element)).unwrap().to_int::<u32>().unwrap();
    assert_eq!(object.meta().transfer_syntax().trim_end_matches('\0'), "1.2.840.10008.1.2.1");
    assert_eq!((number(0x0010), number(0x0011), number(0x0101)), (101, 130, 16));
    assert_eq!((text(0x0010, 0x0010), text(0x0018, 0x5101)), ("PHANTOM^COVMAP".into(), "PA".into()));
    let uids = [(0x0008, 0x0018), (0x0020, 0x000D), (0x0020, 0x000E)].map(|(group, element)| text(group, element));
    assert!(uids.iter().all(|uid| uid.starts_with("2.25.") && uid.len() <= 64));
    assert!(uids[0] != uids[1] && uids[1] != uids[2]);
    let spacing: Vec<f64> = object.element(Tag(0x0028, 0x0030)).unwrap().to_multi_float64().unwrap();
    assert!(spacing.iter().all(|mm| (mm - phantom.spacing_mm()).abs() < 1e-5));
    let pixels: Vec<u16> = object.element(Tag(0x7FE0, 0x0010)).unwrap().to_multi_int().unwrap();
    assert!(pixels.iter().eq(phantom.pixels.iter()));
}

#[test]
fn large_films_are_drawn() {
    let phantom = Phantom::new(&options(3000, 2500, 1, Opacities::Moderate)).unwrap();
    assert!(place_of(&phantom.lungs, 1).2 > 0.1 && place_of(&phantom.opacity, 1).2 > 0.01);
}

#[test]
fn refuses_what_cannot_be_drawn() {
    let patch = Opacity { side: Side::Left, x: 0.5, y: 0.5, radius: 0.1, density: 0.5 };
    let given = |o: Opacity| options(64, 64, 1, Opacities::Given(vec![o]));
    for asked in [
        options(63, 64, 1, Opacities::None),
        options(64, 0, 1, Opacities::None),
        options(64, 16_385, 1, Opacities::None),
        options(16_384, 16_384, 1, Opacities::None),
        PhantomOptions { noise: f32::NAN, ..options(64, 64, 1, Opacities::None) },
        PhantomOptions { noise: -1.0, ..options(64, 64, 1, Opacities::None) },
        given(Opacity { x: 1.5, ..patch }),
        given(Opacity { density: f32::NAN, ..patch }),
        given(Opacity { radius: 0.0, ..patch }),
    ] {
        assert!(matches!(Phantom::new(&asked), Err(Error::Parameter(_))), "{asked:?}");
    }
}
