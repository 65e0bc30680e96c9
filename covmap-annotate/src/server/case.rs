//! One case of one reader: open, change, accept, compare.

use serde::Deserialize;
use serde_json::{Value, json};

use super::Desk;
use super::reply::Reply;
use crate::agreement::consensus;
use crate::cases::pairs;
use crate::journal::{Action, Change, Draft};
use crate::mask::{self, Layer};
use crate::workspace::Reading;
use crate::{Refusal, Result, held};

/// Everything about a case but its pixels. Nothing of other readers but, to who is done, who else is.
pub(super) fn open(desk: &Desk, reader: &str, id: &str) -> Result<Reply> {
    desk.queue.hurry(id);
    let picture = desk.pictures.of(id, &desk.cases, &desk.workspace)?;
    let draft = desk.draft(reader, id)?;
    let draft = held(&draft);
    let row = desk.cases.row(id).ok_or_else(|| Refusal::Absent(format!("there is no case {id}")))?;
    let mut proposals = Vec::new();
    for model in desk.workspace.proposers(id) {
        let mut proposal = json!({ "model": model });
        proposal["name"] = desk.queue.proposers().iter().find(|p| p.model == model).map(|p| p.name.clone()).into();
        for layer in Layer::ALL {
            let mask = desk.workspace.proposal(id, &model, layer)?.filter(|m| m.dim() == (row.height, row.width));
            proposal[layer.as_str()] = mask.map(|m| mask::runs(mask::pixels(&m))).into();
        }
        proposals.push(proposal);
    }
    let readings = desk.cases.readings(id);
    let done = readings.get(reader);
    let others: Vec<&String> = if done.is_some() { readings.keys().filter(|r| *r != reader).collect() } else { Vec::new() };
    let expected = desk.queue.proposers().iter().filter(|p| !proposals.iter().any(|q| q["model"] == p.model)).count();
    Reply::json(&json!({
        "id": id, "width": row.width, "height": row.height, "bits": picture.bits, "view": picture.view, "notes": picture.notes,
        "spacing_mm": picture.spacing_mm, "pixel_aspect_ratio": picture.pixel_aspect_ratio,
        "patient": picture.patient.as_ref().filter(|_| desk.identifiers),
        "disagreement": row.disagreement, "proposals": proposals, "awaited": expected,
        "draft": drawn(&draft), "accepted": done, "others": others,
    }))
}

fn drawn(draft: &Draft) -> Value {
    let mut value = json!({
        "zones": draft.zones, "comment": draft.comment, "seconds": draft.seconds, "compared": draft.compared,
        "versions": { "lung": draft.versions[0], "infection": draft.versions[1], "scores": draft.versions[2], "comment": draft.versions[3] },
    });
    for layer in Layer::ALL {
        let drawn = draft.layer(layer);
        value[layer.as_str()] = json!({ "source": drawn.source, "runs": mask::runs(mask::pixels(&drawn.mask)) });
    }
    value
}

/// Journals a change; when this returns it is on the disk.
pub(super) fn change(desk: &Desk, reader: &str, id: &str, change: Change) -> Result<Reply> {
    let source = match &change.action {
        Action::Lung(paint) => Some((paint.source.as_str(), Layer::Lung)),
        Action::Infection(paint) => Some((paint.source.as_str(), Layer::Infection)),
        Action::Compared => return Err(Refusal::wrong("comparing is not a change")),
        _ => None,
    };
    if let Some((model, layer)) = source.filter(|(s, _)| *s != "hand" && crate::workspace::is_model(s))
        && !desk.workspace.proposal_path(id, model, layer).exists()
    {
        return Err(Refusal::Wrong(format!("model {model} has proposed no {} for {id}", layer.as_str())));
    }
    let draft = desk.draft(reader, id)?;
    let version = change.version;
    held(&draft).commit(change)?;
    desk.cases.started(reader, id);
    Reply::json(&json!({ "version": version }))
}

/// What the page believes to be accepted.
#[derive(Debug, Deserialize)]
pub(super) struct Accept {
    /// Of lungs, opacity, scores, comment.
    versions: [u64; 4],
    /// Since the last change.
    seconds: f64,
    key: String,
}

/// Decides on the draft's masks and scores: the reader is done with the case.
pub(super) fn accept(desk: &Desk, reader: &str, id: &str, what: &Accept) -> Result<Reply> {
    let draft = desk.draft(reader, id)?;
    let mut draft = held(&draft);
    if draft.compared {
        return Err(Refusal::Conflict("this reading is final: others' have been seen".into()));
    }
    if draft.versions != what.versions {
        return Err(Refusal::Conflict("changed elsewhere: look at it again".into()));
    }
    draft.commit(Change { key: what.key.clone(), version: 0, seconds: what.seconds, time: String::new(), action: Action::Time })?;
    Reply::json(&decide(desk, reader, id, &draft)?)
}

/// Writes decisions and reading of a draft.
pub(super) fn decide(desk: &Desk, reader: &str, id: &str, draft: &Draft) -> Result<Reading> {
    decide_in(&desk.cases, &desk.workspace, reader, id, draft)
}

pub(super) fn decide_in(
    cases: &crate::cases::Cases,
    workspace: &crate::workspace::Workspace,
    reader: &str,
    id: &str,
    draft: &Draft,
) -> Result<Reading> {
    for layer in Layer::ALL {
        let drawn = draft.layer(layer);
        // Opacity may well be none. Lungs cannot: an empty mask says that they were not outlined.
        let outlined = drawn.mask.iter().any(|v| *v != 0) || workspace.mask_path(reader, id, layer).exists();
        if layer == Layer::Infection || outlined {
            workspace.decide(id, reader, layer, &drawn.source, &drawn.mask, draft.seconds)?;
        }
    }
    let reading = Reading {
        id: id.to_owned(),
        reader: reader.to_owned(),
        zones: draft.zones,
        comment: draft.comment.clone(),
        seconds: draft.seconds,
        time: crate::now(),
    };
    workspace.save_reading(&reading)?;
    cases.accepted(reading.clone(), workspace)?;
    Ok(reading)
}

/// What all readers decided, to one who is done while somebody else is too.
pub(super) fn compare(desk: &Desk, reader: &str, id: &str) -> Result<Reply> {
    let readings = desk.cases.readings(id);
    if !readings.contains_key(reader) {
        return Err(Refusal::Absent("readers are blind to each other until they are done".into()));
    }
    if readings.len() < 2 {
        return Err(Refusal::Absent("nobody else is done with this case".into()));
    }
    let draft = desk.draft(reader, id)?;
    let mut draft = held(&draft);
    for layer in Layer::ALL {
        let decided = desk.workspace.mask(reader, id, layer)?;
        let drawn = &draft.layer(layer).mask;
        if decided.map_or_else(|| drawn.iter().any(|v| *v != 0), |d| d != *drawn) {
            return Err(Refusal::Conflict("accept what you changed first: with a look at others' masks your reading becomes final".into()));
        }
    }
    if !draft.compared {
        draft.commit(Change { key: String::new(), version: 0, seconds: 0.0, time: String::new(), action: Action::Compared })?;
    }
    let names: Vec<&str> = readings.keys().map(String::as_str).collect();
    let standing = desk.workspace.standing()?;
    let mut readers = Vec::new();
    for (name, reading) in &readings {
        let mut one = json!({ "reader": name, "zones": reading.zones, "global": reading.global(), "comment": reading.comment, "seconds": reading.seconds });
        for layer in Layer::ALL {
            let decision = standing.get(&(id.to_owned(), name.clone(), layer));
            let mask = desk.workspace.mask(name, id, layer)?;
            one[layer.as_str()] = mask.map(|m| mask::runs(mask::pixels(&m))).into();
            one["source"][layer.as_str()] = decision.map(|d| d.source.clone()).into();
        }
        readers.push(one);
    }
    let mut dice = Vec::new();
    for (a, b) in pairs(&names) {
        let mut one = json!({ "readers": [a, b] });
        for layer in Layer::ALL {
            let masks = [desk.workspace.mask(a, id, layer)?, desk.workspace.mask(b, id, layer)?];
            one[layer.as_str()] = if let [Some(a), Some(b)] = &masks { Some(mask::dice(a, b)) } else { None }.into();
        }
        dice.push(one);
    }
    let mut common = json!({});
    for layer in Layer::ALL {
        common[layer.as_str()] = consensus(&desk.workspace, id, &names, layer)?.map(|m| mask::runs(mask::pixels(&m))).into();
    }
    Reply::json(&json!({ "readers": readers, "dice": dice, "consensus": common }))
}
