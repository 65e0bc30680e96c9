//! Radiographs as the page takes them: raw levels, so that it can window all 16 bits.

use std::collections::VecDeque;
use std::sync::{Arc, Mutex};

use covmap_core::Radiograph;
use covmap_core::report::Patient;

use crate::cases::Cases;
use crate::workspace::Workspace;
use crate::{Result, held};

/// A decoded radiograph.
#[derive(Debug)]
pub(super) struct Picture {
    /// Levels row by row: bytes, or little-endian pairs of them.
    pub bytes: Vec<u8>,
    /// 8 or 16: 8 where the input held no more.
    pub bits: u8,
    pub spacing_mm: Option<[f64; 2]>,
    pub pixel_aspect_ratio: f64,
    pub view: &'static str,
    pub notes: Vec<&'static str>,
    pub patient: Option<Patient>,
}

/// The last few, since a page asks for what it just heard of.
#[derive(Debug, Default)]
pub(super) struct Pictures(Mutex<VecDeque<(String, Arc<Picture>)>>);

const KEPT: usize = 4;

impl Pictures {
    pub(super) fn of(&self, id: &str, cases: &Cases, workspace: &Workspace) -> Result<Arc<Picture>> {
        if let Some((_, picture)) = held(&self.0).iter().find(|(known, _)| known == id) {
            return Ok(picture.clone());
        }
        let picture = Arc::new(Picture::new(&cases.radiograph(id, workspace)?.0));
        let mut kept = held(&self.0);
        kept.push_back((id.to_owned(), picture.clone()));
        if kept.len() > KEPT {
            kept.pop_front();
        }
        Ok(picture)
    }
}

impl Picture {
    fn new(radiograph: &Radiograph) -> Self {
        let pixels = radiograph.pixels();
        let deep = pixels.iter().any(|v| v % 257 != 0);
        let bytes = match deep {
            true => pixels.iter().flat_map(|v| v.to_le_bytes()).collect(),
            false => pixels.iter().map(|v| (v / 257) as u8).collect(),
        };
        Picture {
            bytes,
            bits: if deep { 16 } else { 8 },
            spacing_mm: radiograph.spacing_mm(),
            pixel_aspect_ratio: radiograph.pixel_aspect_ratio(),
            view: radiograph.view().as_str(),
            notes: radiograph.notes().iter().map(|n| n.as_str()).collect(),
            patient: Patient::of(radiograph),
        }
    }
}
