//! What readers decided, for others: masks as catalogues have them, where they come from, COCO, DICOM Segmentations.
//!
//! ```text
//! READER/lung/ID.png, READER/infection/ID.png    values as in the workspace
//! READER/coco.json                               the same as runs, pixel for pixel
//! READER/seg/ID.dcm                              of DICOM radiographs
//! consensus/lung/ID.png, consensus/infection/…   STAPLE, where several readers are exported
//! provenance.csv                                 a mask a line: who, from which model's proposal, pixels edited, seconds
//! readings.csv                                   a reading a line: Brixia scores, comment
//! agreement.csv, agreement.svg                   where several readers are exported
//! ```

use std::collections::BTreeMap;

use covmap_core::radiograph::Source;
use covmap_core::report::{Outline, OutlineOrigin, outline_to_dicom};
use ndarray::Array2;

use super::coco;
use crate::agreement::{Agreement, consensus};
use crate::cases::Cases;
use crate::mask::Layer;
use crate::workspace::{Decision, Reading, Workspace};
use crate::{Refusal, Result};

/// Files by their path in the export, in order.
pub type Contents = BTreeMap<String, Vec<u8>>;

/// Everything that these readers (all, where none is named) are done with.
pub fn collect(cases: &Cases, workspace: &Workspace, readers: &[String]) -> Result<Contents> {
    let standing = workspace.standing()?;
    let mut files = Contents::new();
    let (mut provenance, mut readings) = (Vec::new(), Vec::new());
    let mut coco: BTreeMap<String, coco::Writer> = BTreeMap::new();
    let mut several = false;
    for (id, mut done) in cases.all_readings() {
        done.retain(|reader, _| readers.is_empty() || readers.contains(reader));
        let Some(row) = cases.row(&id) else { continue };
        for (reader, reading) in &done {
            let mut masks = Vec::new();
            for layer in Layer::ALL {
                let decision = standing.get(&(id.clone(), reader.clone(), layer));
                if let (Some(decision), Some(mask)) = (decision, workspace.mask(reader, &id, layer)?) {
                    let png = std::fs::read(workspace.mask_path(reader, &id, layer)).map_err(|e| Refusal::Failed(e.to_string()))?;
                    files.insert(format!("{reader}/{}/{id}.png", layer.as_str()), png);
                    provenance.push(decision.clone());
                    masks.push((layer, mask));
                }
            }
            if let Some(object) = segmentation(cases, workspace, reading, &masks, &provenance)? {
                files.insert(format!("{reader}/seg/{id}.dcm"), object);
            }
            let file = row.file.rsplit(['/', '\\']).next().unwrap_or_default();
            coco.entry(reader.clone()).or_default().add(&id, file, &masks);
            readings.push(reading.clone());
        }
        if done.len() > 1 {
            several = true;
            let names: Vec<&str> = done.keys().map(String::as_str).collect();
            for layer in Layer::ALL {
                if let Some(mask) = consensus(workspace, &id, &names, layer)? {
                    files.insert(format!("consensus/{}/{id}.png", layer.as_str()), covmap_core::render::encode_grey(&mask)?);
                }
            }
        }
    }
    for (reader, writer) in coco {
        files.insert(format!("{reader}/coco.json"), writer.finish(&reader).into_bytes());
    }
    files.insert("provenance.csv".into(), provenance_table(&provenance)?);
    files.insert("readings.csv".into(), readings_table(&readings)?);
    if several {
        let agreement = Agreement::of(cases, workspace, None)?;
        files.insert("agreement.csv".into(), agreement.to_csv()?.into_bytes());
        files.insert("agreement.svg".into(), agreement.to_svg().into_bytes());
    }
    Ok(files)
}

/// The files as one archive; the same files make the same bytes.
pub fn tar(files: &Contents) -> Result<Vec<u8>> {
    let failed = |e: std::io::Error| Refusal::Failed(e.to_string());
    let mut archive = tar::Builder::new(Vec::new());
    for (name, bytes) in files {
        let mut header = tar::Header::new_gnu();
        header.set_size(bytes.len() as u64);
        header.set_mode(0o644);
        archive.append_data(&mut header, name, bytes.as_slice()).map_err(failed)?;
    }
    archive.into_inner().map_err(failed)
}

/// The reading as a Segmentation of the source's study; none where the source is no DICOM image that one can refer to.
fn segmentation(
    cases: &Cases,
    workspace: &Workspace,
    reading: &Reading,
    masks: &[(Layer, Array2<u8>)],
    provenance: &[Decision],
) -> Result<Option<Vec<u8>>> {
    let Some((_, opacity)) = masks.iter().find(|(layer, _)| *layer == Layer::Infection) else { return Ok(None) };
    let (radiograph, _) = cases.radiograph(&reading.id, workspace)?;
    let Source::Dicom(source) = radiograph.source() else { return Ok(None) };
    if source.sop_instance_uid.is_none() || source.study_instance_uid.is_none() || source.series_instance_uid.is_none() {
        return Ok(None);
    }
    // Lungs whose sides are not told have no segment of their own.
    let lungs = masks.iter().find(|(layer, mask)| *layer == Layer::Lung && mask.iter().all(|v| *v != 255));
    let lungs = lungs.map(|(_, mask)| mask.mapv(|v| v / 100));
    let model = provenance.iter().rev().filter(|d| d.id == reading.id && d.reader == reading.reader).find(|d| d.source != "hand");
    let origin = model.map_or(OutlineOrigin::Hand, |d| OutlineOrigin::Model(d.source.clone()));
    let outline = Outline { reader: reading.reader.clone(), origin, lungs, opacity: opacity.clone() };
    Ok(Some(outline_to_dicom(&radiograph, &outline)?))
}

fn provenance_table(decisions: &[Decision]) -> Result<Vec<u8>> {
    table(
        &["id", "reader", "layer", "source", "edited_pixels", "seconds", "mask_sha256", "time"],
        decisions.iter().map(|d| {
            let [edited, seconds] = [d.edited_pixels.to_string(), d.seconds.to_string()];
            [&d.id, &d.reader, d.layer.as_str(), &d.source, &edited, &seconds, &d.mask_sha256, &d.time].map(str::to_owned).to_vec()
        }),
    )
}

fn readings_table(readings: &[Reading]) -> Result<Vec<u8>> {
    let score = |v: Option<u8>| v.map_or(String::new(), |v| v.to_string());
    table(
        &[
            "id",
            "reader",
            "brixia_A",
            "brixia_B",
            "brixia_C",
            "brixia_D",
            "brixia_E",
            "brixia_F",
            "brixia_Global",
            "comment",
            "seconds",
            "time",
        ],
        readings.iter().map(|r| {
            let scores = r.zones.into_iter().chain([r.global()]).map(score);
            let last = [r.comment.clone(), r.seconds.to_string(), r.time.clone()];
            [r.id.clone(), r.reader.clone()].into_iter().chain(scores).chain(last).collect()
        }),
    )
}

fn table(head: &[&str], rows: impl Iterator<Item = Vec<String>>) -> Result<Vec<u8>> {
    let failed = |e: csv::Error| Refusal::Failed(e.to_string());
    let mut writer = csv::Writer::from_writer(Vec::new());
    writer.write_record(head).map_err(failed)?;
    for row in rows {
        writer.write_record(row).map_err(failed)?;
    }
    writer.into_inner().map_err(|e| Refusal::Failed(e.to_string()))
}
