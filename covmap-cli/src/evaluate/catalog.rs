//! The labelled folder: `catalog.csv`, `images/`, `lung/`, `infection/`.

use std::path::{Path, PathBuf};

use covmap_core::{Error, Result};
use serde::Deserialize;

/// The columns that figures need.
#[derive(Debug, Clone, Deserialize)]
pub(crate) struct Row {
    pub(crate) id: String,
    pub(crate) group: String,
    pub(crate) fold: String,
    pub(crate) finding: String,
    pub(crate) lung_mask: String,
    pub(crate) infection_mask: String,
    #[serde(rename = "brixia_S_Global")]
    pub(crate) brixia: Option<f64>,
}

pub(crate) fn read(data: &Path) -> Result<Vec<Row>> {
    let path = data.join("catalog.csv");
    let file = std::fs::File::open(&path).map_err(|e| Error::io(&path, e))?;
    let rows = csv::Reader::from_reader(file).into_deserialize().collect::<std::result::Result<Vec<Row>, _>>();
    rows.map_err(|e| Error::Input(format!("{}: {e}", path.display())))
}

impl Row {
    /// The radiograph's file, `.jpg` or `.png`.
    pub(crate) fn image(&self, data: &Path) -> Result<PathBuf> {
        let candidates = ["jpg", "png"].map(|e| data.join("images").join(format!("{}.{e}", self.id)));
        let found = candidates.iter().find(|p| p.exists());
        found.cloned().ok_or_else(|| Error::io(&candidates[0], std::io::ErrorKind::NotFound.into()))
    }

    /// A mask of this image as grey levels, row by row, and its width and height.
    pub(crate) fn mask(&self, data: &Path, kind: &str) -> Result<(Vec<u8>, usize, usize)> {
        let path = data.join(kind).join(format!("{}.png", self.id));
        let picture = image::open(&path).map_err(|e| Error::Input(format!("{}: {e}", path.display())))?.into_luma8();
        let (w, h) = (picture.width() as usize, picture.height() as usize);
        Ok((picture.into_raw(), w, h))
    }
}
