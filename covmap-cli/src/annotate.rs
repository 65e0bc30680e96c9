//! `covmap annotate`: the page for outlining, and its exports and imports without a page.

use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::path::{Path, PathBuf};

use clap::Args;
use covmap_annotate::cases::Cases;
use covmap_annotate::proposer::Proposer;
use covmap_annotate::workspace::{Workspace, is_reader};
use covmap_annotate::{Input, Refusal, Server, ServerOptions, exchange, server};
use covmap_core::{Error, Result};

use crate::inputs::collect;
use crate::{OK, output, usage};

/// Outline radiographs together with networks, in the browser.
///
/// Serves a page on this machine over a folder of radiographs. Networks propose outlines of lungs and opacity in the background;
/// a reader picks the best with one key, corrects it by brush, eraser, polygon or growing, scores six zones, and accepts. Cases on
/// which the networks differ most come first. Every change is on the disk before the page calls it saved. Readers do not see
/// each other's outlines until both are done; then they compare. No network is needed, and no radiograph is copied.
///
/// DIR holds PNG, JPEG, TIFF or DICOM files, at any depth, or is laid out as a catalogue (catalog.csv beside images/).
#[derive(Debug, Args)]
#[command(
    after_help = "Examples:\n  covmap annotate radiographs/ --reader anna\n  covmap annotate radiographs/ --models a.onnx b.onnx bundled\n  covmap annotate radiographs/ --export outlines\n  covmap annotate radiographs/ --import coco.json --reader ben\n  covmap annotate radiographs/ --listen 192.168.1.5 --token \"$(openssl rand -hex 16)\""
)]
pub(crate) struct Annotate {
    /// Folder of radiographs; nothing outside it is read.
    #[arg(value_name = "DIR")]
    dir: PathBuf,
    /// Folder that keeps proposals, drafts, masks and decisions, in the format of training/workspace.py. Default: DIR/annotations.
    #[arg(long, value_name = "DIR")]
    workspace: Option<PathBuf>,
    /// Networks that propose: ONNX files, `bundled`, or `none`. Default: bundled.
    #[arg(long, num_args = 1.., value_name = "FILE")]
    models: Vec<PathBuf>,
    /// Who reads (lower-case letters, digits, dot, hyphen, underscore); may be given several times. Default: whoever enters a name.
    #[arg(long = "reader", alias = "readers", value_name = "NAME")]
    readers: Vec<String>,
    /// Port. Default: a free one.
    #[arg(long, default_value_t = 0, hide_default_value = true)]
    port: u16,
    /// Listen on this address instead of 127.0.0.1; needs --token. There is no encryption: put a proxy in front of it.
    #[arg(long, value_name = "ADDR", requires = "token")]
    listen: Option<IpAddr>,
    /// Secret of 16 characters or more that a browser must bring along; the printed address contains it.
    #[arg(long, value_name = "SECRET")]
    token: Option<String>,
    /// Processors that the networks may use. Default: one less than there are.
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u16).range(1..))]
    threads: Option<u16>,
    /// Name the patient of DICOM images (name, ID, birth date, sex) on the page. File names stay as they are.
    #[arg(long)]
    with_identifiers: bool,
    /// Instead of serving: write what readers (all, or those of --reader) are done with: masks, provenance, COCO, DICOM SEG,
    /// consensus, agreement.
    #[arg(long, value_name = "DIR", conflicts_with = "import")]
    export: Option<PathBuf>,
    /// Instead of serving: take outlines of COCO, LabelMe or V7 Darwin JSON as decisions of the one --reader.
    #[arg(long, value_name = "FILE", requires = "readers")]
    import: Option<PathBuf>,
}

pub(crate) fn run(a: &Annotate) -> Result<u8> {
    let catalogue = a.dir.join("catalog.csv").exists() && a.dir.join("images").is_dir();
    let root = if catalogue { a.dir.join("images") } else { a.dir.clone() };
    if !root.is_dir() {
        return Err(usage(format!("{}: no such folder", root.display())));
    }
    if let Some(name) = a.readers.iter().find(|r| !is_reader(r)) {
        return Err(usage(format!("{name:?} is no reader's name: lower-case letters, digits, dot, hyphen, underscore")));
    }
    let workspace = a.workspace.clone().unwrap_or_else(|| a.dir.join("annotations"));
    let found = collect(std::slice::from_ref(&root), &workspace, true, &[])?;
    let input = |i: crate::inputs::Input| {
        let place = i.stem.strip_prefix(&workspace).unwrap_or(&i.stem).to_string_lossy().into_owned();
        Input::new(i.path, &place)
    };
    let inputs: Vec<Input> = found.into_iter().map(input).collect();
    if let Some(out) = &a.export {
        return export(&root, &inputs, &workspace, &a.readers, out);
    }
    if let Some(file) = &a.import {
        return import(&root, &inputs, &workspace, &a.readers, file);
    }
    let mut options = ServerOptions::new(root, inputs, workspace);
    options.proposers = proposers(a)?;
    options.readers = a.readers.clone();
    options.listen = SocketAddr::from((a.listen.unwrap_or(IpAddr::V4(Ipv4Addr::LOCALHOST)), a.port));
    options.token = a.token.clone();
    options.identifiers = a.with_identifiers;
    let count = options.inputs.len();
    let server = Server::start(options).map_err(refused)?;
    say!("{count} radiographs. Open {}", server.url());
    say!("Control-C ends it; everything the page calls saved is saved.");
    server.wait();
    Ok(OK)
}

fn proposers(a: &Annotate) -> Result<Vec<Proposer>> {
    let all = std::thread::available_parallelism().map_or(1, usize::from);
    let threads = a.threads.map_or(all.saturating_sub(1).max(1), usize::from);
    let bundled = [PathBuf::from("bundled")];
    let wanted = if a.models.is_empty() { &bundled } else { a.models.as_slice() };
    let wanted = wanted.iter().filter(|m| m.as_os_str() != "none");
    let open = |m: &PathBuf| Proposer::open((m.as_os_str() != "bundled").then(|| m.clone()), threads);
    let opened: Vec<Proposer> = wanted.map(open).collect::<Result<_, Refusal>>().map_err(|e| usage(e.to_string()))?;
    Ok(opened)
}

fn export(root: &Path, inputs: &[Input], workspace: &Path, readers: &[String], out: &Path) -> Result<u8> {
    let workspace = Workspace::open(workspace).map_err(refused)?;
    let cases = Cases::open(root, inputs, &workspace).map_err(refused)?;
    let files = exchange::collect(&cases, &workspace, readers).map_err(refused)?;
    for (name, bytes) in &files {
        output::write(&out.join(name), bytes)?;
    }
    say!("{} files in {}", files.len(), out.display());
    Ok(OK)
}

fn import(root: &Path, inputs: &[Input], workspace: &Path, readers: &[String], file: &Path) -> Result<u8> {
    let [reader] = readers else { return Err(usage("an import is of one --reader")) };
    let workspace = Workspace::open(workspace).map_err(refused)?;
    let cases = Cases::open(root, inputs, &workspace).map_err(refused)?;
    let bytes = std::fs::read(file).map_err(|e| Error::io(file, e))?;
    let imported = server::import(&cases, &workspace, reader, &bytes).map_err(refused)?;
    cases.save(&workspace).map_err(refused)?;
    imported.skipped.iter().for_each(|[image, why]| eprintln!("covmap: {image}: {why}"));
    if !imported.ignored.is_empty() {
        eprintln!("covmap: neither lung nor opacity, left out: {}", imported.ignored.join(", "));
    }
    say!("{} cases of {reader}", imported.cases.len());
    Ok(if imported.skipped.is_empty() { OK } else { crate::SOME_FAILED })
}

fn refused(refusal: Refusal) -> Error {
    match refusal {
        Refusal::Failed(text) => Error::Input(text),
        other => usage(other.to_string()),
    }
}
