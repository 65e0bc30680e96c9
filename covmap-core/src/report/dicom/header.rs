//! What every object of a result shares: patient, study, series, equipment, identity, and the image it refers to.

use dicom_core::{Tag, VR};
use dicom_dictionary_std::tags;
use uuid::Uuid;

use super::DicomOptions;
use super::dataset::{Code, DataSet, plain};
use crate::engine::ModelIdentity;
use crate::radiograph::{DicomSource, HEADER, Header, Source};
use crate::{Analysis, Error, Radiograph, Result};

/// Of the software, in objects and reports.
pub(super) const MANUFACTURER: &str = "covmap";
pub(super) const VERSION: &str = env!("CARGO_PKG_VERSION");
/// What every object says of itself.
pub(super) const STATEMENT: &str = "Opacity consistent with COVID-19 pneumonia. Decision support for research, not a diagnosis.";

/// Present in every object, empty where the source has no value (type 2).
const REQUIRED: [Tag; 9] = [
    tags::STUDY_DATE,
    tags::STUDY_TIME,
    tags::ACCESSION_NUMBER,
    tags::REFERRING_PHYSICIAN_NAME,
    tags::PATIENT_NAME,
    tags::PATIENT_ID,
    tags::PATIENT_BIRTH_DATE,
    tags::PATIENT_SEX,
    tags::STUDY_ID,
];
/// Copied where the source has a value (type 3).
const OPTIONAL: [Tag; 9] = [
    tags::SPECIFIC_CHARACTER_SET,
    tags::TIMEZONE_OFFSET_FROM_UTC,
    tags::STUDY_DESCRIPTION,
    tags::ISSUER_OF_PATIENT_ID,
    tags::PATIENT_BIRTH_TIME,
    tags::PATIENT_AGE,
    tags::PATIENT_SIZE,
    tags::PATIENT_WEIGHT,
    tags::BODY_PART_EXAMINED,
];

/// The source image, and the seed of the UIDs of all that is made from it.
pub(super) struct Origin<'a> {
    pub class: &'a str,
    pub instance: &'a str,
    pub study: &'a str,
    pub series: &'a str,
    pub header: &'a Header,
    source: &'a DicomSource,
    models: &'a [ModelIdentity],
    seed: String,
}

impl<'a> Origin<'a> {
    pub fn new(radiograph: &'a Radiograph, analysis: &'a Analysis, options: &DicomOptions) -> Result<Self> {
        let point = analysis.detection.operating_point.map_or("none", |p| p.as_str());
        Self::of(radiograph, &analysis.models, &format!("{point} {}", options.options))
    }

    /// Of what `models` made with these `choices`.
    pub fn of(radiograph: &'a Radiograph, models: &'a [ModelIdentity], choices: &str) -> Result<Self> {
        let Source::Dicom(source) = radiograph.source() else {
            return Err(Error::Input("DICOM results belong to the study of a DICOM image, and this input is none".into()));
        };
        let uid = |value: &'a Option<String>, name: &str| match value.as_deref() {
            Some(uid) if uid.len() <= 64 && uid.bytes().all(|b| b.is_ascii_digit() || b == b'.') => Ok(uid),
            Some(_) => Err(Error::Input(format!("DICOM results must refer to the source, but its {name} is no UID"))),
            None => Err(Error::Input(format!("DICOM results must refer to the source, but it has no {name}"))),
        };
        let instance = uid(&source.sop_instance_uid, "SOP Instance UID")?;
        let hashes: Vec<&str> = models.iter().map(|m| m.sha256.as_str()).collect();
        let seed = format!("{instance} frame {}\n{}\ncovmap {VERSION} {choices}", source.frame, hashes.join(" "));
        Ok(Origin {
            class: uid(&source.sop_class_uid, "SOP Class UID")?,
            instance,
            study: uid(&source.study_instance_uid, "Study Instance UID")?,
            series: uid(&source.series_instance_uid, "Series Instance UID")?,
            header: &source.header,
            source,
            models,
            seed,
        })
    }

    /// The UID of one thing made from this source: `2.25.` and a name-based UUID (PS3.5 B.2, RFC 9562 version 5).
    pub fn uid(&self, kind: &str) -> String {
        uid(&format!("{}\n{kind}", self.seed))
    }

    /// The UID of the models as a device, whatever they looked at.
    pub fn device_uid(&self) -> String {
        let hashes: Vec<&str> = self.models.iter().map(|m| m.sha256.as_str()).collect();
        uid(&format!("device\n{}", hashes.join(" ")))
    }

    /// Modality of the source.
    pub fn modality(&self) -> Option<&str> {
        self.source.modality.as_deref()
    }

    /// Names of the models, as far as `longest` characters hold them.
    pub fn model_name(&self, longest: usize) -> String {
        let names: Vec<&str> = self.models.iter().map(|m| m.name.as_str()).collect();
        let name = plain(&names.join(" + "), longest);
        if name.is_empty() { "unnamed".into() } else { name }
    }

    /// Hash of the first model: it fills the 64 characters of a serial number.
    pub fn serial_number(&self) -> String {
        self.models.first().map_or_else(|| "none".into(), |m| plain(&m.sha256, 64))
    }

    /// All models with their hashes.
    pub fn parameters(&self) -> Vec<String> {
        self.models.iter().map(|m| format!("model {} sha256 {}", plain(&m.name, 200), plain(&m.sha256, 64))).collect()
    }

    /// An item that refers to the source image.
    pub fn reference(&self) -> DataSet {
        let frame = (self.source.frames > 1).then(|| (self.source.frame + 1).to_string());
        DataSet::new()
            .text(tags::REFERENCED_SOP_CLASS_UID, VR::UI, self.class)
            .text(tags::REFERENCED_SOP_INSTANCE_UID, VR::UI, self.instance)
            .with(frame, |item, frame| item.text(tags::REFERENCED_FRAME_NUMBER, VR::IS, &frame))
    }

    /// A reference that says what the source was used for, and whether its pixels are where the object's are.
    pub fn source_reference(&self, same_grid: bool) -> DataSet {
        let item = self.reference();
        let item = if same_grid {
            item.text(tags::SPATIAL_LOCATIONS_PRESERVED, VR::CS, "YES")
        } else {
            // Which way the source lies is asked for then (PS3.3 C.12.4.1).
            let item = item.text(tags::SPATIAL_LOCATIONS_PRESERVED, VR::CS, "REORIENTED_ONLY");
            self.copied(item, tags::PATIENT_ORIENTATION, false)
        };
        item.code(tags::PURPOSE_OF_REFERENCE_CODE_SEQUENCE, Code("121322", "DCM", "Source image for image processing operation"))
    }

    /// An item of Referenced Series Sequence (Common Instance Reference Module, PS3.3 C.12.2).
    pub fn referenced_series(&self) -> DataSet {
        DataSet::new().text(tags::SERIES_INSTANCE_UID, VR::UI, self.series).sequence(tags::REFERENCED_INSTANCE_SEQUENCE, [self.reference()])
    }

    /// How the algorithm is named (PS3.3 10.16).
    pub fn algorithm(&self) -> DataSet {
        DataSet::new()
            .code(tags::ALGORITHM_FAMILY_CODE_SEQUENCE, Code("123110", "DCM", "Artificial Intelligence"))
            .text(tags::ALGORITHM_NAME, VR::LO, &self.model_name(64))
            .text(tags::ALGORITHM_VERSION, VR::LO, VERSION)
            .text(tags::ALGORITHM_PARAMETERS, VR::LT, &self.parameters().join("; "))
            .text(tags::ALGORITHM_SOURCE, VR::LO, MANUFACTURER)
    }

    /// Patient, study, series, equipment and identity of an object of this kind (`seg`, `map`, `sr`, `sc`).
    pub fn data_set(&self, class: &str, kind: &str, modality: &str, series_number: u16, description: &str) -> DataSet {
        let mut data = DataSet::new();
        for tag in REQUIRED {
            data = self.copied(data, tag, true);
        }
        for tag in OPTIONAL {
            data = self.copied(data, tag, false);
        }
        // The one asks for the other (PS3.3 C.7.1.1).
        if self.header.bytes(tags::DEIDENTIFICATION_METHOD).is_some() {
            data = self.copied(self.copied(data, tags::PATIENT_IDENTITY_REMOVED, false), tags::DEIDENTIFICATION_METHOD, false);
        }
        let [date, time] = self.content_date_time();
        data.text(tags::SOP_CLASS_UID, VR::UI, class)
            .text(tags::SOP_INSTANCE_UID, VR::UI, &self.uid(kind))
            .text(tags::STUDY_INSTANCE_UID, VR::UI, self.study)
            .text(tags::SERIES_INSTANCE_UID, VR::UI, &self.uid(&format!("{kind} series")))
            .text(tags::SERIES_NUMBER, VR::IS, &series_number.to_string())
            .text(tags::SERIES_DESCRIPTION, VR::LO, description)
            .text(tags::INSTANCE_NUMBER, VR::IS, "1")
            .text(tags::MODALITY, VR::CS, modality)
            .text(tags::CONTENT_DATE, VR::DA, &date)
            .text(tags::CONTENT_TIME, VR::TM, &time)
            .text(tags::MANUFACTURER, VR::LO, MANUFACTURER)
            .text(tags::MANUFACTURER_MODEL_NAME, VR::LO, &self.model_name(64))
            .text(tags::DEVICE_SERIAL_NUMBER, VR::LO, &self.serial_number())
            .text(tags::SOFTWARE_VERSIONS, VR::LO, VERSION)
    }

    /// What of the source's compression its derivatives must keep saying (PS3.3 C.7.6.1.1.5).
    pub fn compression(&self, data: DataSet) -> DataSet {
        if self.header.ascii(tags::LOSSY_IMAGE_COMPRESSION) != Some("01") {
            return data.text(tags::LOSSY_IMAGE_COMPRESSION, VR::CS, "00");
        }
        let data = data.text(tags::LOSSY_IMAGE_COMPRESSION, VR::CS, "01");
        let data = self.copied(data, tags::LOSSY_IMAGE_COMPRESSION_RATIO, false);
        self.copied(data, tags::LOSSY_IMAGE_COMPRESSION_METHOD, false)
    }

    /// The source's value, as it is worded there.
    pub fn copied(&self, data: DataSet, tag: Tag, even_if_empty: bool) -> DataSet {
        let vr = HEADER.iter().find(|(known, _)| *known == tag).map_or(VR::LO, |(_, vr)| *vr);
        match self.header.bytes(tag) {
            // The writer takes decimal strings as text only.
            Some(_) if vr == VR::DS => data.with(self.header.ascii(tag), |data, text| data.text(tag, vr, text)),
            Some(bytes) => data.encoded(tag, vr, bytes),
            None if even_if_empty => data.text(tag, vr, ""),
            None => data,
        }
    }

    /// When the content that the result describes came to be; the standard asks for a value, so that a source without any
    /// date gets the customary placeholder.
    fn content_date_time(&self) -> [String; 2] {
        let pairs = [
            (tags::CONTENT_DATE, tags::CONTENT_TIME),
            (tags::ACQUISITION_DATE, tags::ACQUISITION_TIME),
            (tags::SERIES_DATE, tags::SERIES_TIME),
            (tags::STUDY_DATE, tags::STUDY_TIME),
        ];
        let found = pairs.iter().find_map(|(date, time)| {
            let date = self.header.ascii(*date).filter(|d| d.len() == 8 && d.bytes().all(|b| b.is_ascii_digit()))?;
            let time = self.header.ascii(*time).filter(|t| t.len() <= 14 && t.bytes().all(|b| b.is_ascii_digit() || b == b'.'));
            Some([date, time.filter(|t| t.len() >= 2).unwrap_or("000000")])
        });
        found.unwrap_or(["19000101", "000000"]).map(str::to_owned)
    }
}

fn uid(name: &str) -> String {
    let space = Uuid::new_v5(&Uuid::NAMESPACE_URL, b"https://github.com/covmap/covmap");
    format!("2.25.{}", Uuid::new_v5(&space, name.as_bytes()).as_u128())
}
