//! `index.html`: the page that lists a batch.

use std::collections::HashMap;
use std::path::Path;

use covmap_core::report::{self, IndexEntry};
use covmap_core::{Error, Result};
use serde_json::Value;

use crate::inputs::Input;
use crate::output::{self, with_ending};
use crate::results::THUMBNAIL;

/// Lists `inputs` in `out`, by the record of the run (`files` of run.json) and the results that lie there.
pub(crate) fn write(out: &Path, files: &[Value], inputs: &[Input]) -> Result<()> {
    let record: HashMap<&str, &Value> = files.iter().filter_map(|f| Some((f["input"].as_str()?, f))).collect();
    let entries = inputs.iter().filter_map(|input| {
        // A run that stopped early has no record of the rest.
        let file = record.get(&*input.path.to_string_lossy())?;
        let name = input.path.file_name().unwrap_or_default().to_string_lossy().into_owned();
        if file["status"] != "ok" {
            let error = file["error"].as_str().unwrap_or("failed").to_owned();
            return Some(Ok(IndexEntry { file: name, report: None, thumbnail: None, result: Err(error) }));
        }
        let path = |ending: &str| {
            let path = with_ending(&input.stem, ending);
            let parts = path.strip_prefix(out).unwrap_or(&path).components().map(|c| c.as_os_str().to_string_lossy().into_owned());
            Some(parts.collect::<Vec<_>>().join("/"))
        };
        let result = read(&with_ending(&input.stem, "json"));
        Some(result.map(|result| IndexEntry { file: name, report: path("html"), thumbnail: path(THUMBNAIL), result: Ok(result) }))
    });
    let entries = entries.collect::<Result<Vec<_>>>()?;
    output::write(&out.join("index.html"), report::to_index(&entries).as_bytes())
}

fn read(path: &Path) -> Result<Value> {
    let text = std::fs::read_to_string(path).map_err(|e| Error::io(path, e))?;
    serde_json::from_str(&text).map_err(|e| Error::Input(format!("{}: {e}", path.display())))
}
