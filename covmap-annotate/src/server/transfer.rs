//! Outlines from elsewhere become drafts of a reader.

use std::collections::HashMap;
use std::path::Path;

use ndarray::Array2;
use serde::Serialize;

use super::{Desk, case};
use crate::cases::Cases;
use crate::exchange::{self, Outlines};
use crate::journal::{Action, Change, Draft, Paint};
use crate::mask::{self, Layer};
use crate::workspace::{Workspace, identity};
use crate::{Refusal, Result, held};

/// What became of an import.
#[derive(Debug, Default, PartialEq, Eq, Serialize)]
pub struct Imported {
    /// Cases that have a draft, or decision, now.
    pub cases: Vec<String>,
    /// Images that were left out, and why.
    pub skipped: Vec<[String; 2]>,
    /// Labels that are neither lung nor opacity.
    pub ignored: Vec<String>,
}

/// Begins a draft with the masks that were decided on elsewhere (`training.accept`).
pub(super) fn begin_from_decision(workspace: &Workspace, reader: &str, id: &str, draft: &mut Draft) -> Result<()> {
    let standing = workspace.standing()?;
    for layer in Layer::ALL {
        let decision = standing.get(&(id.to_owned(), reader.to_owned(), layer));
        if let (Some(decision), Some(mask)) = (decision, workspace.mask(reader, id, layer)?) {
            draft.commit(whole(draft, layer, "decision", &decision.source, &mask))?;
        }
    }
    Ok(())
}

/// A change that replaces a whole mask.
fn whole(draft: &Draft, layer: Layer, tool: &str, source: &str, mask: &Array2<u8>) -> Change {
    let (height, width) = mask.dim();
    let paint = Paint { tool: tool.into(), source: source.into(), area: [0, 0, width, height], runs: mask::runs(mask::pixels(mask)) };
    let version = draft.versions[layer as usize] + 1;
    let action = if layer == Layer::Lung { Action::Lung(paint) } else { Action::Infection(paint) };
    Change { key: format!("{tool}-{version}"), version, seconds: 0.0, time: String::new(), action }
}

/// Images by the names that files of other tools may use for them: id, path's end, stem.
fn by_name(cases: &Cases) -> HashMap<String, Option<String>> {
    let mut names: HashMap<String, Option<String>> = HashMap::new();
    for id in cases.ids() {
        let file = cases.file(id).unwrap_or_default();
        let name = |part: Option<&std::ffi::OsStr>| part.map(|p| p.to_string_lossy().into_owned());
        for known in [name(file.file_name()), name(file.file_stem())].into_iter().flatten() {
            // A name that two cases share names neither.
            names.entry(known).and_modify(|there| *there = there.take().filter(|t| t == id)).or_insert(Some(id.clone()));
        }
    }
    names.extend(cases.ids().map(|id| (id.clone(), Some(id.clone()))));
    names
}

fn find(names: &HashMap<String, Option<String>>, image: &str) -> Option<String> {
    let path = Path::new(image);
    let part = |p: Option<&std::ffi::OsStr>| p.map(|p| p.to_string_lossy().into_owned());
    let guesses = [
        Some(image.to_owned()),
        part(path.file_name()),
        part(path.file_stem()),
        Some(identity(&path.with_extension("").to_string_lossy())),
    ];
    guesses.into_iter().flatten().find_map(|g| names.get(&g).cloned().flatten())
}

/// As drafts of a reader, who looks at them and accepts. What the reader is done with stays as it is.
pub(super) fn drafts(desk: &Desk, reader: &str, bytes: &[u8]) -> Result<Imported> {
    take(&desk.cases, reader, bytes, |id, outlines| {
        let draft = desk.draft(reader, id)?;
        let mut draft = held(&draft);
        let shape = draft.layers[0].mask.dim();
        lay(&mut draft, outlines, shape)?;
        desk.cases.started(reader, id);
        Ok(())
    })
}

/// Imports a file as decisions of a reader, without a page.
///
/// # Errors
/// `Wrong` where the file is none of the known formats.
pub fn import(cases: &Cases, workspace: &Workspace, reader: &str, bytes: &[u8]) -> Result<Imported> {
    take(cases, reader, bytes, |id, outlines| {
        let (_, row) = cases.radiograph(id, workspace)?;
        let shape = (row.height, row.width);
        let mut draft = Draft::open(&workspace.draft_path(reader, id), shape)?;
        lay(&mut draft, outlines, shape)?;
        case::decide_in(cases, workspace, reader, id, &draft).map(|_| ())
    })
}

fn take(cases: &Cases, reader: &str, bytes: &[u8], mut each: impl FnMut(&str, &Outlines) -> Result<()>) -> Result<Imported> {
    let names = by_name(cases);
    let mut imported = Imported::default();
    for outlines in exchange::read(bytes)? {
        imported.ignored.extend(outlines.ignored.iter().cloned());
        let done = match find(&names, &outlines.image) {
            None => Err(Refusal::wrong("no case of this name")),
            Some(id) if cases.readings(&id).contains_key(reader) => Err(Refusal::Conflict(format!("{reader} is done with it already"))),
            Some(id) => each(&id, &outlines).map(|()| id),
        };
        match done {
            Ok(id) => imported.cases.push(id),
            Err(e) => imported.skipped.push([outlines.image, e.to_string()]),
        }
    }
    imported.ignored.sort();
    imported.ignored.dedup();
    Ok(imported)
}

fn lay(draft: &mut Draft, outlines: &Outlines, shape: (usize, usize)) -> Result<()> {
    let mut nothing = true;
    for layer in Layer::ALL {
        if let Some(mask) = outlines.mask(layer, shape)? {
            draft.commit(whole(draft, layer, "import", "hand", &mask))?;
            nothing = false;
        }
    }
    if nothing { Err(Refusal::wrong("neither lungs nor opacity are outlined")) } else { Ok(()) }
}
