//! The result files of one input: which there are, and writing them.

use std::path::Path;

use covmap_core::engine::Training;
use covmap_core::render::{self, OverlayOptions};
use covmap_core::report::{self, DicomObject, DicomOptions, HtmlOptions, Patient};
use covmap_core::{Analysis, Radiograph, Result};
use serde_json::{Value, json};

use crate::output::{self, Unfinished, with_ending};

/// Ending of the overlay.
const OVERLAY: &str = "overlay.png";

/// Ending of the small picture.
pub(crate) const THUMBNAIL: &str = "thumb.jpg";

/// What to write for every input beside masks, overlay and JSON, and how.
#[derive(Debug, Clone, Default)]
pub struct Results {
    /// How the overlay is painted.
    pub overlay: OverlayOptions,
    /// Whether a colour bar lies under the overlay.
    pub legend: bool,
    /// DICOM objects: [`Results::each_once`].
    pub dicom: Vec<DicomObject>,
    /// What of the options decides the analysis itself: [`Pipeline::choices`](covmap_core::Pipeline::choices).
    pub options: String,
    /// Whether to write the page.
    pub html: bool,
    /// Whether JSON and page name the patient.
    pub identifiers: bool,
    /// Whether to write a small picture for the index of a batch.
    pub thumbnail: bool,
    /// What the models say of their training, for the page.
    pub training: Vec<Training>,
}

impl Results {
    /// Each object once, in an order that does not depend on how they were asked for.
    pub fn each_once(mut objects: Vec<DicomObject>) -> Vec<DicomObject> {
        objects.sort_by_key(|object| object.as_str());
        objects.dedup();
        objects
    }

    /// Endings of the files, the JSON last: where it stands, the others do.
    pub(crate) fn endings(&self) -> Vec<String> {
        let mut endings: Vec<String> = [OVERLAY, "infection.png", "lung.png"].map(str::to_owned).into();
        endings.extend(self.dicom.iter().map(|object| format!("{object}.dcm")));
        endings.extend(self.html.then(|| "html".to_owned()));
        endings.extend(self.thumbnail.then(|| THUMBNAIL.to_owned()));
        endings.push("json".to_owned());
        endings
    }

    /// Renders and writes the results of one input as `STEM.json` and so on; nothing is written where one of them cannot be
    /// made. `name` is the input's as the results show it.
    ///
    /// # Errors
    /// `Io`; those of [`report::to_dicom`] and [`render::analysis_overlay`].
    pub fn write(&self, radiograph: &Radiograph, analysis: &Analysis, name: Option<&str>, stem: &Path) -> Result<Value> {
        let empty;
        let lungs = match &analysis.lungs {
            Some(l) => l.labels(),
            None => {
                empty = ndarray::Array2::zeros((analysis.height, analysis.width));
                &empty
            }
        };
        let mut json = report::to_json(analysis, name);
        let patient = self.identifiers.then(|| Patient::of(radiograph)).flatten();
        if let Some(patient) = &patient {
            json["input"]["patient"] = json!(patient);
        }
        let overlay = || {
            let mut picture = render::analysis_overlay(radiograph, analysis, &self.overlay)?;
            if self.legend {
                picture = render::with_legend(&picture, &self.overlay)?;
            }
            // By far the largest file: straight to the disk.
            let path = with_ending(stem, OVERLAY);
            let mut file = Unfinished::create(&path)?;
            render::write_rgb(&picture, &mut file).map_err(|e| e.in_file(&path))?;
            Ok(file)
        };
        let masks = || Ok([render::encode_grey(analysis.infection.bytes())?, render::encode_grey(lungs)?]);
        let (overlay, masks): (Result<_>, Result<_>) = covmap_core::join(overlay, masks);
        let (overlay, mut files) = (overlay?, Vec::from(masks?));
        let mut dicom = DicomOptions::default();
        (dicom.overlay, dicom.options) = (self.overlay, self.options.clone());
        for object in &self.dicom {
            files.push(report::to_dicom(radiograph, analysis, *object, &dicom)?);
        }
        if self.html {
            let mut page = HtmlOptions::default();
            (page.file, page.overlay, page.patient, page.training) =
                (name.map(str::to_owned), self.overlay, patient, self.training.clone());
            files.push(report::to_html(radiograph, analysis, &page)?.into_bytes());
        }
        if self.thumbnail {
            files.push(report::thumbnail(radiograph, analysis, &self.overlay)?);
        }
        files.push(format!("{json:#}\n").into_bytes());
        overlay.finish()?;
        for (ending, bytes) in self.endings().iter().skip(1).zip(&files) {
            output::write(&with_ending(stem, ending), bytes)?;
        }
        Ok(json)
    }

    /// Whether every file of a stem is there.
    pub(crate) fn all_exist(&self, stem: &Path) -> bool {
        self.endings().iter().all(|ending| with_ending(stem, ending).exists())
    }
}
