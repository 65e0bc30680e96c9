//! The folder that holds it all, exactly as `training/workspace.py` describes it.

use std::collections::BTreeMap;
use std::fs::{File, OpenOptions};
use std::io::{Read, Seek, SeekFrom, Write};
use std::path::{Path, PathBuf};

use covmap_core::render::encode_grey;
use ndarray::Array2;
use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};

use crate::mask::{self, Layer};
use crate::{Refusal, Result};

/// A folder of proposals, decisions and masks; one process serves it at a time.
#[derive(Debug)]
pub struct Workspace {
    folder: PathBuf,
    _lock: File,
}

/// A row of cases.csv.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Row {
    pub id: String,
    /// Where the radiograph lies, from the workspace.
    pub file: String,
    pub sha256: String,
    pub width: usize,
    pub height: usize,
    /// 0 (all proposals the same) to 1; none with fewer than two.
    pub disagreement: Option<f64>,
}

/// A line of decisions.jsonl: `schema/decision.schema.json`.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Decision {
    pub id: String,
    pub reader: String,
    pub layer: Layer,
    pub source: String,
    pub mask_sha256: String,
    pub seconds: f64,
    pub edited_pixels: usize,
    pub time: String,
}

/// A line of readings.jsonl: `schema/reading.schema.json`. With it a reader is done with a case.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Reading {
    pub id: String,
    pub reader: String,
    /// Brixia scores of the zones A to F, 0 to 3; none where not scored.
    pub zones: [Option<u8>; 6],
    pub comment: String,
    pub seconds: f64,
    pub time: String,
}

impl Reading {
    /// Brixia score of all zones, 0 to 18; none where a zone was not scored.
    pub fn global(&self) -> Option<u8> {
        self.zones.iter().copied().sum()
    }
}

/// `[A-Za-z0-9][A-Za-z0-9._-]{0,127}`: never a path.
pub fn is_id(text: &str) -> bool {
    text.len() <= 128
        && text.starts_with(|c: char| c.is_ascii_alphanumeric())
        && text.bytes().all(|b| b.is_ascii_alphanumeric() || b"._-".contains(&b))
}

/// `[a-z0-9][a-z0-9._-]{0,63}`: never a path, and one file whatever the file system makes of case.
pub fn is_reader(text: &str) -> bool {
    text.len() <= 64 && is_id(text) && !text.bytes().any(|b| b.is_ascii_uppercase())
}

/// First eight digits of a model's SHA-256.
pub fn is_model(text: &str) -> bool {
    text.len() == 8 && text.bytes().all(|b| b.is_ascii_digit() || (b'a'..=b'f').contains(&b))
}

/// A case's id from the place of its results, as `training.propose` makes it.
pub fn identity(place: &str) -> String {
    let safe: String = place.chars().map(|c| if c.is_ascii_alphanumeric() || "._-".contains(c) { c } else { '-' }).collect();
    safe.trim_start_matches(|c: char| !c.is_ascii_alphanumeric()).to_owned()
}

impl Workspace {
    /// Opens the folder, or makes it.
    ///
    /// # Errors
    /// `Conflict` where another process serves it.
    pub fn open(folder: &Path) -> Result<Self> {
        std::fs::create_dir_all(folder).map_err(|e| Refusal::io(folder, e))?;
        let path = folder.join("annotate.lock");
        let lock = OpenOptions::new().create(true).truncate(false).write(true).open(&path).map_err(|e| Refusal::io(&path, e))?;
        lock.try_lock().map_err(|_| Refusal::Conflict(format!("{}: another covmap annotate works here", folder.display())))?;
        Ok(Workspace { folder: folder.to_owned(), _lock: lock })
    }

    pub fn folder(&self) -> &Path {
        &self.folder
    }

    /// Rows of cases.csv in its order; those that name no case are left out.
    pub fn cases(&self) -> Result<Vec<Row>> {
        let path = self.folder.join("cases.csv");
        if !path.exists() {
            return Ok(Vec::new());
        }
        let mut reader = csv::Reader::from_path(&path).map_err(|e| Refusal::Failed(format!("{}: {e}", path.display())))?;
        let rows =
            reader.deserialize().collect::<csv::Result<Vec<Row>>>().map_err(|e| Refusal::Failed(format!("{}: {e}", path.display())))?;
        Ok(rows.into_iter().filter(|r| is_id(&r.id)).collect())
    }

    /// Most disputed first, as `training.rank` leaves them.
    pub fn save_cases<'a>(&self, rows: impl Iterator<Item = &'a Row>) -> Result<()> {
        let mut rows: Vec<&Row> = rows.collect();
        let key = |r: &Row| -r.disagreement.unwrap_or(-1.0);
        rows.sort_by(|a, b| key(a).total_cmp(&key(b)).then_with(|| a.id.cmp(&b.id)));
        let mut text = csv::WriterBuilder::new().has_headers(false).from_writer(Vec::new());
        let failed = |e: csv::Error| Refusal::Failed(e.to_string());
        text.write_record(["id", "file", "sha256", "width", "height", "disagreement"]).map_err(failed)?;
        for r in rows {
            let disagreement = r.disagreement.map_or(String::new(), |d| format!("{d:.6}"));
            text.write_record([&r.id, &r.file, &r.sha256, &r.width.to_string(), &r.height.to_string(), &disagreement]).map_err(failed)?;
        }
        let bytes = text.into_inner().map_err(|e| Refusal::Failed(e.to_string()))?;
        replace(&self.folder.join("cases.csv"), &bytes)
    }

    pub fn proposal_path(&self, id: &str, model: &str, layer: Layer) -> PathBuf {
        let ending = if layer == Layer::Lung { "lung.png" } else { "png" };
        self.folder.join("proposals").join(id).join(format!("{model}.{ending}"))
    }

    /// Models that have proposed for a case, in a stable order.
    pub fn proposers(&self, id: &str) -> Vec<String> {
        let Ok(listing) = std::fs::read_dir(self.folder.join("proposals").join(id)) else { return Vec::new() };
        let names = listing.flatten().filter_map(|e| e.file_name().into_string().ok());
        let mut models: Vec<String> = names.filter_map(|n| n.strip_suffix(".png").filter(|m| is_model(m)).map(str::to_owned)).collect();
        models.sort();
        models
    }

    /// What a model proposed; none where it did not.
    pub fn proposal(&self, id: &str, model: &str, layer: Layer) -> Result<Option<Array2<u8>>> {
        let path = self.proposal_path(id, model, layer);
        if path.exists() { mask::read(&path).map(Some) } else { Ok(None) }
    }

    pub fn save_proposal(&self, id: &str, model: &str, layer: Layer, mask: &Array2<u8>) -> Result<()> {
        replace(&self.proposal_path(id, model, layer), &encode_grey(mask)?)
    }

    pub fn mask_path(&self, reader: &str, id: &str, layer: Layer) -> PathBuf {
        self.folder.join("masks").join(reader).join(format!("{id}.{}.png", layer.as_str()))
    }

    /// What a reader decided; none where they did not.
    pub fn mask(&self, reader: &str, id: &str, layer: Layer) -> Result<Option<Array2<u8>>> {
        let path = self.mask_path(reader, id, layer);
        if path.exists() { mask::read(&path).map(Some) } else { Ok(None) }
    }

    /// Where every change of a reader on a case stands.
    pub fn draft_path(&self, reader: &str, id: &str) -> PathBuf {
        self.folder.join("drafts").join(reader).join(format!("{id}.jsonl"))
    }

    /// Every decision, oldest first.
    pub fn decisions(&self) -> Result<Vec<Decision>> {
        read_lines(&self.folder.join("decisions.jsonl"))
    }

    /// Every reading, oldest first.
    pub fn readings(&self) -> Result<Vec<Reading>> {
        read_lines(&self.folder.join("readings.jsonl"))
    }

    pub fn save_reading(&self, reading: &Reading) -> Result<()> {
        let mut journal = Lines::open(&self.folder.join("readings.jsonl"))?;
        journal.append(reading)
    }

    /// Writes the mask, then the decision. A crash between the two is healed by deciding the same again.
    ///
    /// # Errors
    /// `Wrong` where the mask does not fit; `Conflict` where the file it would replace is not this reader's last decision.
    pub fn decide(&self, id: &str, reader: &str, layer: Layer, source: &str, mask: &Array2<u8>, seconds: f64) -> Result<Decision> {
        layer.check(mask.iter().copied())?;
        let edited_pixels = match source {
            "hand" => mask.iter().filter(|v| **v != 0).count(),
            model => {
                let start = self.proposal(id, model, layer)?;
                let start = start.ok_or_else(|| Refusal::Wrong(format!("model {model} has proposed no {} for {id}", layer.as_str())))?;
                if start.dim() != mask.dim() {
                    return Err(Refusal::Wrong(format!("the proposal of {model} is of another size than the radiograph")));
                }
                mask::differing(mask, &start)
            }
        };
        let data = encode_grey(mask)?;
        let decision = Decision {
            id: id.to_owned(),
            reader: reader.to_owned(),
            layer,
            source: source.to_owned(),
            mask_sha256: hex(&Sha256::digest(&data)),
            seconds,
            edited_pixels,
            time: crate::now(),
        };
        let mut journal = Lines::open(&self.folder.join("decisions.jsonl"))?;
        let path = self.mask_path(reader, id, layer);
        if let Ok(there) = std::fs::read(&path) {
            let there = hex(&Sha256::digest(&there));
            let last = self.decisions()?.into_iter().rfind(|d| d.id == id && d.reader == reader && d.layer == layer);
            if there != decision.mask_sha256 && last.is_none_or(|d| d.mask_sha256 != there) {
                let text = format!("{} is not what {reader} decided last; it is left as it is", path.display());
                return Err(Refusal::Conflict(text));
            }
        }
        replace(&path, &data)?;
        journal.append(&decision)?;
        Ok(decision)
    }

    /// The last decision of every reader on every layer of every case.
    pub fn standing(&self) -> Result<BTreeMap<(String, String, Layer), Decision>> {
        Ok(self.decisions()?.into_iter().map(|d| ((d.id.clone(), d.reader.clone(), d.layer), d)).collect())
    }
}

/// A file of one JSON object a line, for one writer at a time, at its end; what a crash left of a line is cut off.
#[derive(Debug)]
pub(crate) struct Lines {
    path: PathBuf,
    file: File,
}

impl Lines {
    pub(crate) fn open(path: &Path) -> Result<Self> {
        let failed = |e| Refusal::io(path, e);
        let folder = path.parent().unwrap_or(Path::new("."));
        std::fs::create_dir_all(folder).map_err(failed)?;
        let new = !path.exists();
        let mut file = OpenOptions::new().read(true).append(true).create(true).open(path).map_err(failed)?;
        file.lock().map_err(failed)?;
        if new {
            sync_folder(folder).map_err(failed)?;
        }
        let mut text = Vec::new();
        file.read_to_end(&mut text).map_err(failed)?;
        let whole = text.iter().rposition(|b| *b == b'\n').map_or(0, |i| i + 1);
        if whole < text.len() {
            file.set_len(whole as u64).map_err(failed)?;
        }
        file.seek(SeekFrom::End(0)).map_err(failed)?;
        Ok(Lines { path: path.to_owned(), file })
    }

    /// One line, on the disk when this returns.
    pub(crate) fn append(&mut self, value: &impl Serialize) -> Result<()> {
        let mut line = serde_json::to_vec(value).map_err(|e| Refusal::Failed(e.to_string()))?;
        line.push(b'\n');
        let failed = |e| Refusal::io(&self.path, e);
        let before = self.file.metadata().map_err(failed)?.len();
        let written = self.file.write_all(&line).and_then(|()| self.file.sync_data());
        written.map_err(|e| {
            // A full disk: the line is taken back, so that the next one does not follow half of it.
            let _ = self.file.set_len(before);
            failed(e)
        })
    }
}

/// The whole lines of such a file; none where there is no file.
pub(crate) fn read_lines<T: DeserializeOwned>(path: &Path) -> Result<Vec<T>> {
    let text = match std::fs::read(path) {
        Ok(text) => text,
        Err(e) if e.kind() == std::io::ErrorKind::NotFound => return Ok(Vec::new()),
        Err(e) => return Err(Refusal::io(path, e)),
    };
    let whole = text.iter().rposition(|b| *b == b'\n').map_or(0, |i| i + 1);
    let lines = text[..whole].split(|b| *b == b'\n').enumerate().filter(|(_, line)| !line.is_empty());
    lines
        .map(|(i, line)| serde_json::from_slice(line).map_err(|e| Refusal::Failed(format!("{}, line {}: {e}", path.display(), i + 1))))
        .collect()
}

/// The whole file or none of it, on the disk when this returns.
pub(crate) fn replace(path: &Path, data: &[u8]) -> Result<()> {
    let failed = |e| Refusal::io(path, e);
    let folder = path.parent().unwrap_or(Path::new("."));
    std::fs::create_dir_all(folder).map_err(failed)?;
    let mut part = path.as_os_str().to_owned();
    part.push(format!(".{}.part", std::process::id()));
    let part = PathBuf::from(part);
    let mut file = File::create(&part).map_err(failed)?;
    file.write_all(data).and_then(|()| file.sync_all()).map_err(failed)?;
    std::fs::rename(&part, path).map_err(failed)?;
    sync_folder(folder).map_err(failed)
}

fn sync_folder(folder: &Path) -> std::io::Result<()> {
    if cfg!(unix) { File::open(folder)?.sync_all() } else { Ok(()) }
}

/// Lower-case hexadecimal digits.
pub(crate) fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|b| format!("{b:02x}")).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_never_paths() {
        for bad in ["", ".", "..", "../a", "a/b", "-a", "a\\b", "a b", "a%2e"] {
            assert!(!is_id(bad) && !is_reader(bad), "{bad}");
        }
        assert!(is_id("A-1.2_x") && !is_reader("Anna") && is_reader("anna-2"));
        assert_eq!(identity("./sub/b #1.png"), "sub-b--1.png");
    }

    #[test]
    fn a_line_cut_off_by_a_crash_is_none() {
        let folder = tempfile::tempdir().unwrap();
        let w = Workspace::open(folder.path()).unwrap();
        let mask = Array2::from_elem((2, 3), 1);
        w.decide("a", "anna", Layer::Infection, "hand", &mask, 1.0).unwrap();
        let path = folder.path().join("decisions.jsonl");
        let whole = std::fs::read(&path).unwrap();
        std::fs::write(&path, [&whole[..], b"{\"id\":\"a\",\"rea"].concat()).unwrap();
        assert_eq!(w.decisions().unwrap().len(), 1);
        w.decide("a", "anna", Layer::Infection, "hand", &Array2::zeros((2, 3)), 2.0).unwrap();
        assert_eq!(w.decisions().unwrap().iter().map(|d| d.edited_pixels).collect::<Vec<_>>(), [6, 0]);
    }

    #[test]
    fn nobody_elses_mask_is_replaced() {
        let folder = tempfile::tempdir().unwrap();
        let w = Workspace::open(folder.path()).unwrap();
        let mask = Array2::from_elem((2, 3), 2);
        replace(&w.mask_path("anna", "a", Layer::Infection), b"drawn elsewhere").unwrap();
        assert!(matches!(w.decide("a", "anna", Layer::Infection, "hand", &mask, 1.0), Err(Refusal::Conflict(_))));
        assert_eq!(std::fs::read(w.mask_path("anna", "a", Layer::Infection)).unwrap(), b"drawn elsewhere");
        assert!(matches!(Workspace::open(folder.path()), Err(Refusal::Conflict(_))));
    }
}
