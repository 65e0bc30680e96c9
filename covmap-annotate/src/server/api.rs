//! The interface: who asks for what.
//!
//! ```text
//! GET  /api/session                                readers, networks
//! GET  /api/readers/R/cases                        the work list and how far the networks are
//! GET  /api/readers/R/cases/ID                     proposals and draft
//! GET  /api/cases/ID/pixels                        levels of the radiograph, raw
//! POST /api/readers/R/cases/ID/changes             a change: journalled when the answer comes
//! POST /api/readers/R/cases/ID/accept              this reader is done with the case
//! POST /api/readers/R/cases/ID/compare             what others drew; makes the own reading final
//! GET  /api/readers/R/cases/ID/LAYER.png           the mask that this reader decided on
//! GET  /api/readers/R/agreement{,.csv,.svg}        over the cases that this reader is done with
//! GET  /api/readers/R/export.tar                   what this reader is done with
//! POST /api/readers/R/import                       COCO, LabelMe or Darwin JSON as drafts
//! ```

use serde_json::json;
use tiny_http::{Method, Request};

use super::reply::{Asked, Reply, body, parse};
use super::{Desk, assets, case, transfer};
use crate::agreement::Agreement;
use crate::mask::Layer;
use crate::workspace::{is_id, is_reader};
use crate::{Refusal, Result, exchange};

/// Bytes of a change: the runs of a mask of 16 megapixels full of speckle.
const MAX_CHANGE: usize = 32 << 20;
/// Bytes of an import.
const MAX_IMPORT: usize = 256 << 20;

pub(super) fn answer(desk: &Desk, asked: &Asked, request: &mut Request) -> Result<Reply> {
    let parts: Vec<&str> = asked.path.split('/').skip(1).collect();
    let nothing = || Refusal::Absent("there is nothing here".into());
    match (&asked.method, parts.as_slice()) {
        (Method::Get | Method::Head, [""]) => assets::asset("index.html").ok_or_else(nothing),
        (Method::Get | Method::Head, ["assets", name]) => assets::asset(name).ok_or_else(nothing),
        (Method::Get, ["api", "session"]) => session(desk),
        (Method::Get, ["api", "cases", id, "pixels"]) if is_id(id) => {
            let picture = desk.pictures.of(id, &desk.cases, &desk.workspace)?;
            Ok(Reply::new("application/octet-stream", picture.bytes.clone()))
        }
        (method, ["api", "readers", reader, rest @ ..]) => {
            if !is_reader(reader) {
                return Err(Refusal::wrong("a reader's name has lower-case letters, digits, dot, hyphen, underscore"));
            }
            if !desk.readers.is_empty() && !desk.readers.iter().any(|r| r == reader) {
                return Err(Refusal::Absent(format!("{reader} is no reader of this workspace")));
            }
            for_reader(desk, reader, method, rest, request)
        }
        _ => Err(nothing()),
    }
}

fn for_reader(desk: &Desk, reader: &str, method: &Method, rest: &[&str], request: &mut Request) -> Result<Reply> {
    if let ["cases", id, ..] = rest
        && !is_id(id)
    {
        return Err(Refusal::Absent("there is no such case".into()));
    }
    let agreement = || Agreement::of(&desk.cases, &desk.workspace, Some(reader));
    match (method, rest) {
        (Method::Get, ["cases"]) => Reply::json(&json!({ "cases": desk.cases.list(reader), "progress": desk.queue.progress() })),
        (Method::Get, ["cases", id]) => case::open(desk, reader, id),
        (Method::Get, ["cases", id, png]) => {
            let layer = png.strip_suffix(".png").and_then(Layer::parse).ok_or_else(|| Refusal::Absent("there is no such mask".into()))?;
            let path = desk.workspace.mask_path(reader, id, layer);
            let bytes = std::fs::read(path).map_err(|_| Refusal::Absent("this reader has decided on none".into()))?;
            Ok(Reply::new("image/png", bytes))
        }
        (Method::Post, ["cases", id, "changes"]) => case::change(desk, reader, id, parse(&body(request, MAX_CHANGE)?)?),
        (Method::Post, ["cases", id, "accept"]) => case::accept(desk, reader, id, &parse(&body(request, MAX_CHANGE)?)?),
        (Method::Post, ["cases", id, "compare"]) => case::compare(desk, reader, id),
        (Method::Get, ["agreement"]) => Reply::json(&agreement()?),
        (Method::Get, ["agreement.csv"]) => Ok(Reply::new("text/csv; charset=utf-8", agreement()?.to_csv()?).download("agreement.csv")),
        (Method::Get, ["agreement.svg"]) => Ok(Reply::new("image/svg+xml", agreement()?.to_svg())),
        (Method::Get, ["export.tar"]) => {
            let files = exchange::collect(&desk.cases, &desk.workspace, &[reader.to_owned()])?;
            Ok(Reply::new("application/x-tar", exchange::tar(&files)?).download(&format!("covmap-{reader}.tar")))
        }
        (Method::Post, ["import"]) => Reply::json(&transfer::drafts(desk, reader, &body(request, MAX_IMPORT)?)?),
        _ => Err(Refusal::Absent("there is nothing here".into())),
    }
}

fn session(desk: &Desk) -> Result<Reply> {
    let models: Vec<_> = desk.queue.proposers().iter().map(|p| json!({ "model": p.model, "name": p.name })).collect();
    Reply::json(&json!({ "version": env!("CARGO_PKG_VERSION"), "readers": desk.readers, "models": models }))
}
