//! What a reader outlined, as a Segmentation of the source's study.

use ndarray::Array2;

use super::header::Origin;
use super::segmentation;
use crate::engine::ModelIdentity;
use crate::{Error, Radiograph, Result, digest};

/// Masks that a reader drew, or corrected, upright and of the radiograph's size.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Outline {
    /// Who drew; becomes Content Creator's Name.
    pub reader: String,
    pub origin: OutlineOrigin,
    /// 0, 1 the patient's right lung, 2 left; `None` where the reader outlined no lungs.
    pub lungs: Option<Array2<u8>>,
    /// 0, 1 ground-glass opacity, 2 consolidation.
    pub opacity: Array2<u8>,
}

/// What a reader began with.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum OutlineOrigin {
    /// An empty mask: the Segmentation is MANUAL.
    Hand,
    /// The proposal of the model of this name: SEMIAUTOMATIC.
    Model(String),
}

/// A reader's masks as a DICOM file (PS3.10): Segmentation (PS3.3 A.51), binary, in the pixel grid of the source as it is stored.
/// The same masks of the same reader make the same object.
///
/// # Errors
/// As [`to_dicom`](super::to_dicom).
pub fn outline_to_dicom(radiograph: &Radiograph, outline: &Outline) -> Result<Vec<u8>> {
    let size = radiograph.pixels().dim();
    if outline.opacity.dim() != size || outline.lungs.as_ref().is_some_and(|l| l.dim() != size) {
        return Err(Error::Parameter("the outline belongs to a radiograph of another size".into()));
    }
    let masks: Vec<u8> = outline.lungs.iter().chain([&outline.opacity]).flatten().copied().collect();
    let tool = [ModelIdentity { name: "covmap annotate".into(), sha256: digest::sha256(&masks) }];
    let origin = Origin::of(radiograph, &tool, &format!("reader {}", outline.reader))?;
    segmentation::encode_outline(&origin, radiograph, outline)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::phantom::{Phantom, PhantomOptions};
    use dicom_dictionary_std::tags;

    #[test]
    fn a_reader_is_no_algorithm() {
        let phantom = Phantom::new(&PhantomOptions { width: 80, height: 64, mirrored: true, ..Default::default() }).unwrap();
        let radiograph = Radiograph::from_bytes(&phantom.to_dicom().unwrap()).unwrap();
        let opacity = Array2::from_shape_fn((64, 80), |(y, x)| ((x + 2 * y) % 3) as u8);
        let mut outline = Outline { reader: "anna".into(), origin: OutlineOrigin::Hand, lungs: None, opacity };
        let manual = outline_to_dicom(&radiograph, &outline).unwrap();
        assert_eq!(manual, outline_to_dicom(&radiograph, &outline).unwrap());
        let object = dicom_object::from_reader(manual.as_slice()).unwrap();
        assert_eq!(object.element(tags::CONTENT_CREATOR_NAME).unwrap().to_str().unwrap().trim(), "anna");
        let segments = object.element(tags::SEGMENT_SEQUENCE).unwrap().items().unwrap().to_vec();
        let value = |i: usize, tag| segments[i].element(tag).map(|e| e.to_str().unwrap().trim().to_owned()).ok();
        assert_eq!(value(1, tags::SEGMENT_LABEL).unwrap(), "Consolidation");
        assert_eq!(value(0, tags::SEGMENT_ALGORITHM_TYPE).unwrap(), "MANUAL");
        assert_eq!(value(0, tags::SEGMENT_ALGORITHM_NAME), None);
        let bytes = object.element(tags::PIXEL_DATA).unwrap().to_bytes().unwrap().into_owned();
        let mut bit = (0..2 * 64 * 80).map(|i| bytes[i / 8] >> (i % 8) & 1 == 1);
        for value in 1..=2 {
            for y in 0..64 {
                for x in 0..80 {
                    assert_eq!(bit.next(), Some(outline.opacity[[y, 79 - x]] == value));
                }
            }
        }
        outline.origin = OutlineOrigin::Model("5f3c09aa".into());
        outline.lungs = Some(Array2::from_elem((64, 80), 1));
        let object = dicom_object::from_reader(outline_to_dicom(&radiograph, &outline).unwrap().as_slice()).unwrap();
        let segments = object.element(tags::SEGMENT_SEQUENCE).unwrap().items().unwrap();
        assert_eq!(segments.len(), 4);
        assert_eq!(segments[3].element(tags::SEGMENT_ALGORITHM_TYPE).unwrap().to_str().unwrap().trim(), "SEMIAUTOMATIC");
        outline.opacity = Array2::zeros((2, 2));
        assert!(matches!(outline_to_dicom(&radiograph, &outline), Err(Error::Parameter(_))));
    }
}
