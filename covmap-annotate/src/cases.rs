//! What there is to do, and in which state it is for a reader.

use std::collections::{BTreeMap, HashMap, HashSet};
use std::path::{Component, Path, PathBuf};
use std::sync::Mutex;

use covmap_core::Radiograph;
use serde::Serialize;

use crate::mask::{self, Layer};
use crate::workspace::{Reading, Row, Workspace, is_id, is_reader};
use crate::{Input, Refusal, Result, held};

/// Two readers whose opacity agrees less than this (Dice) dispute a case. Readers of the public outlines reached 0.18 to 0.72.
pub const DISPUTED_BELOW: f64 = 0.5;
/// Two readers whose Brixia scores differ by more than this dispute a case.
pub const DISPUTED_POINTS: u8 = 3;

/// State of a case for one reader.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Status {
    /// Nobody, not even a network, has looked at it.
    Unseen,
    /// Networks have proposed.
    Proposed,
    /// This reader has begun.
    Started,
    /// This reader is done.
    Accepted,
    /// This reader is done, and somebody else who is done differs.
    Disputed,
}

/// A line of the work list.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Entry<'a> {
    pub id: &'a str,
    pub status: Status,
    pub disagreement: Option<f64>,
    /// Why the file cannot be read.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub fault: Option<String>,
}

/// All cases of a folder of radiographs.
#[derive(Debug)]
pub struct Cases {
    root: PathBuf,
    files: BTreeMap<String, PathBuf>,
    state: Mutex<State>,
}

#[derive(Debug, Default)]
struct State {
    rows: HashMap<String, Row>,
    proposed: HashSet<String>,
    faults: HashMap<String, String>,
    started: HashSet<(String, String)>,
    readings: HashMap<String, BTreeMap<String, Reading>>,
    /// By case and pair of readers: whether they differ.
    disputes: HashMap<String, Vec<[String; 2]>>,
}

impl Cases {
    /// Cases of `inputs`, which lie under `root`, with what the workspace knows of them.
    ///
    /// # Errors
    /// `Wrong` where two files would have one id.
    pub fn open(root: &Path, inputs: &[Input], workspace: &Workspace) -> Result<Self> {
        let root = root.canonicalize().map_err(|e| Refusal::io(root, e))?;
        let mut files = BTreeMap::new();
        for input in inputs.iter().filter(|i| is_id(&i.id)) {
            if let Some(other) = files.insert(input.id.clone(), input.path.clone()) {
                let text = format!("{} and {} would both be case {}", other.display(), input.path.display(), input.id);
                return Err(Refusal::Wrong(text));
            }
        }
        let rows = workspace.cases()?.into_iter().map(|r| (r.id.clone(), r)).collect();
        let mut state = State { rows, ..State::default() };
        for listed in names(&workspace.folder().join("proposals")) {
            if !workspace.proposers(&listed).is_empty() {
                state.proposed.insert(listed);
            }
        }
        for reader in names(&workspace.folder().join("drafts")).into_iter().filter(|r| is_reader(r)) {
            for name in names(&workspace.folder().join("drafts").join(&reader)) {
                if let Some(id) = name.strip_suffix(".jsonl") {
                    state.started.insert((reader.clone(), id.to_owned()));
                }
            }
        }
        for reading in workspace.readings()? {
            state.readings.entry(reading.id.clone()).or_default().insert(reading.reader.clone(), reading);
        }
        let cases = Cases { root, files, state: Mutex::new(state) };
        let several: Vec<String> = held(&cases.state).readings.iter().filter(|(_, r)| r.len() > 1).map(|(id, _)| id.clone()).collect();
        for id in several {
            cases.judge(&id, workspace)?;
        }
        Ok(cases)
    }

    pub fn ids(&self) -> impl Iterator<Item = &String> {
        self.files.keys()
    }

    /// The work list of a reader: most disputed by the networks first.
    pub fn list(&self, reader: &str) -> Vec<Entry<'_>> {
        let state = held(&self.state);
        let entry = |id: &'_ str| {
            let done = state.readings.get(id).is_some_and(|r| r.contains_key(reader));
            let disputed = done && state.disputes.get(id).is_some_and(|d| d.iter().flatten().any(|r| r == reader));
            if disputed {
                Status::Disputed
            } else if done {
                Status::Accepted
            } else if state.started.contains(&(reader.to_owned(), id.to_owned())) {
                Status::Started
            } else if state.proposed.contains(id) {
                Status::Proposed
            } else {
                Status::Unseen
            }
        };
        let mut list: Vec<Entry<'_>> = self
            .files
            .keys()
            .map(|id| Entry {
                id,
                status: entry(id),
                disagreement: state.rows.get(id).and_then(|r| r.disagreement),
                fault: state.faults.get(id).cloned(),
            })
            .collect();
        list.sort_by(|a, b| b.disagreement.unwrap_or(-1.0).total_cmp(&a.disagreement.unwrap_or(-1.0)).then_with(|| a.id.cmp(b.id)));
        list
    }

    /// The radiograph's file.
    ///
    /// # Errors
    /// `Absent` where there is no such case, or its file leads out of the folder.
    pub fn file(&self, id: &str) -> Result<PathBuf> {
        let path = self.files.get(id).ok_or_else(|| Refusal::Absent(format!("there is no case {id}")))?;
        let real = path.canonicalize().map_err(|e| Refusal::io(path, e))?;
        if real.starts_with(&self.root) { Ok(real) } else { Err(Refusal::Absent(format!("the file of {id} leads out of the folder"))) }
    }

    /// Reads a case's radiograph and makes sure that it is the one that cases.csv means.
    pub fn radiograph(&self, id: &str, workspace: &Workspace) -> Result<(Radiograph, Row)> {
        let file = self.file(id)?;
        let radiograph = Radiograph::open(&file);
        let mut state = held(&self.state);
        let radiograph = radiograph.inspect_err(|e| {
            // The file's place says more about this machine than a reader needs.
            let text = e.to_string();
            let short = text.strip_prefix(&format!("{}: ", file.display())).unwrap_or(&text).to_owned();
            state.faults.insert(id.to_owned(), short);
        })?;
        let sha256 = radiograph.sha256().unwrap_or_default().to_owned();
        let file = relative(&file, workspace.folder());
        let row = state.rows.entry(id.to_owned()).or_insert_with(|| Row {
            id: id.to_owned(),
            file: file.clone(),
            sha256: sha256.clone(),
            width: radiograph.width(),
            height: radiograph.height(),
            disagreement: None,
        });
        if row.sha256 != sha256 {
            return Err(Refusal::Conflict(format!("another radiograph is called {id} already")));
        }
        row.file = file;
        Ok((radiograph, row.clone()))
    }

    /// The row of a case that has been read before.
    pub fn row(&self, id: &str) -> Option<Row> {
        held(&self.state).rows.get(id).cloned()
    }

    /// Notes how much the proposals of a case differ: one minus the mean Dice of all pairs, as `training.rank` has it.
    pub fn proposed(&self, id: &str, workspace: &Workspace) -> Result<()> {
        let models = workspace.proposers(id);
        let masks = models.iter().filter_map(|m| workspace.proposal(id, m, Layer::Infection).transpose()).collect::<Result<Vec<_>>>()?;
        let pairs: Vec<f64> = pairs(&masks).filter(|(a, b)| a.dim() == b.dim()).map(|(a, b)| mask::dice(a, b)).collect();
        let mut state = held(&self.state);
        state.proposed.insert(id.to_owned());
        if let Some(row) = state.rows.get_mut(id) {
            row.disagreement = covmap_core::metrics::mean(&pairs).map(|m| 1.0 - m);
        }
        Ok(())
    }

    /// cases.csv as it is now.
    pub fn save(&self, workspace: &Workspace) -> Result<()> {
        let rows: Vec<Row> = held(&self.state).rows.values().cloned().collect();
        workspace.save_cases(rows.iter())
    }

    pub fn started(&self, reader: &str, id: &str) {
        held(&self.state).started.insert((reader.to_owned(), id.to_owned()));
    }

    /// Notes that a reader is done.
    pub fn accepted(&self, reading: Reading, workspace: &Workspace) -> Result<()> {
        let id = reading.id.clone();
        held(&self.state).readings.entry(id.clone()).or_default().insert(reading.reader.clone(), reading);
        self.judge(&id, workspace)
    }

    /// Readings of a case by reader.
    pub fn readings(&self, id: &str) -> BTreeMap<String, Reading> {
        held(&self.state).readings.get(id).cloned().unwrap_or_default()
    }

    /// Cases that anybody is done with, and who.
    pub fn all_readings(&self) -> BTreeMap<String, BTreeMap<String, Reading>> {
        held(&self.state).readings.iter().filter(|(id, _)| self.files.contains_key(*id)).map(|(id, r)| (id.clone(), r.clone())).collect()
    }

    fn judge(&self, id: &str, workspace: &Workspace) -> Result<()> {
        let readings: Vec<Reading> = self.readings(id).into_values().collect();
        let mut disputes = Vec::new();
        for (a, b) in pairs(&readings) {
            let masks = [a, b].map(|r| workspace.mask(&r.reader, id, Layer::Infection));
            let [Ok(Some(first)), Ok(Some(second))] = masks else { continue };
            let apart = a.global().zip(b.global()).is_some_and(|(a, b)| a.abs_diff(b) > DISPUTED_POINTS);
            if first.dim() == second.dim() && (apart || mask::dice(&first, &second) < DISPUTED_BELOW) {
                disputes.push([a.reader.clone(), b.reader.clone()]);
            }
        }
        held(&self.state).disputes.insert(id.to_owned(), disputes);
        Ok(())
    }
}

/// All pairs of a list.
pub(crate) fn pairs<T>(list: &[T]) -> impl Iterator<Item = (&T, &T)> {
    list.iter().enumerate().flat_map(move |(i, a)| list[i + 1..].iter().map(move |b| (a, b)))
}

fn names(folder: &Path) -> Vec<String> {
    std::fs::read_dir(folder).map_or(Vec::new(), |l| l.flatten().filter_map(|e| e.file_name().into_string().ok()).collect())
}

/// `path` as seen from `folder`; both real.
fn relative(path: &Path, folder: &Path) -> String {
    let folder = folder.canonicalize().unwrap_or_else(|_| folder.to_owned());
    let (a, b): (Vec<Component<'_>>, Vec<Component<'_>>) = (path.components().collect(), folder.components().collect());
    let shared = a.iter().zip(&b).take_while(|(a, b)| a == b).count();
    let parts = b[shared..].iter().map(|_| Component::ParentDir).chain(a[shared..].iter().copied());
    parts.collect::<PathBuf>().to_string_lossy().into_owned()
}
