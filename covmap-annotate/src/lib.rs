//! People and networks outline chest radiographs together: networks propose, readers pick the best and correct it.
//!
//! A local page over a folder of radiographs. What it keeps lies in a workspace, the folder that `training/workspace.py`
//! describes: proposals of networks, every change of a reader as it was made, the masks they decided on. Readers are blind to
//! each other until both are done; then they compare, and [`agreement`] says how well they agree.
//!
//! ```text
//! workspace    the folder: cases.csv, proposals, decisions, masks, readings
//! journal      every change of one reader on one case, on the disk before it is acknowledged
//! cases        what there is to do, and in which state
//! proposer     networks at work in the background
//! agreement    Dice, Cohen's kappa, intraclass correlation, STAPLE
//! exchange     COCO, LabelMe, Darwin; export with provenance and DICOM SEG
//! server       the page and its interface
//! ```

pub mod agreement;
pub mod cases;
pub mod exchange;
pub mod journal;
pub mod mask;
pub mod proposer;
pub mod server;
pub mod workspace;

use std::path::PathBuf;
use std::time::SystemTime;

pub use server::{Server, ServerOptions};

/// A radiograph to outline: its file, and the id that follows from its place.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Input {
    pub path: PathBuf,
    pub id: String,
}

impl Input {
    /// `place` is the path of its results from their folder, without ending; as `training/propose.py` names cases.
    pub fn new(path: PathBuf, place: &str) -> Self {
        Input { path, id: workspace::identity(place) }
    }
}

/// Why something was not done; nothing has been changed.
#[derive(Debug)]
pub enum Refusal {
    /// The request makes no sense, or would break the workspace.
    Wrong(String),
    /// There is nothing of that name, or not for this reader.
    Absent(String),
    /// Somebody, perhaps the same reader in another tab, was faster; or the reading is final.
    Conflict(String),
    /// More than this server takes.
    TooLarge(String),
    /// This machine failed: disk, file, decoder.
    Failed(String),
}

impl Refusal {
    pub(crate) fn io(path: &std::path::Path, e: std::io::Error) -> Self {
        Refusal::Failed(format!("{}: {e}", path.display()))
    }

    pub(crate) fn wrong(text: impl Into<String>) -> Self {
        Refusal::Wrong(text.into())
    }
}

impl std::fmt::Display for Refusal {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Refusal::Wrong(t) | Refusal::Absent(t) | Refusal::Conflict(t) | Refusal::TooLarge(t) | Refusal::Failed(t) => f.write_str(t),
        }
    }
}

impl std::error::Error for Refusal {}

impl From<covmap_core::Error> for Refusal {
    fn from(e: covmap_core::Error) -> Self {
        Refusal::Failed(e.to_string())
    }
}

pub type Result<T, E = Refusal> = std::result::Result<T, E>;

/// UTC, to the second, as the journal writes it.
pub(crate) fn now() -> String {
    chrono::DateTime::<chrono::Utc>::from(
        SystemTime::UNIX_EPOCH + SystemTime::now().duration_since(SystemTime::UNIX_EPOCH).unwrap_or_default(),
    )
    .format("%Y-%m-%dT%H:%M:%SZ")
    .to_string()
}

/// The content of a mutex, whatever happened to a thread that held it: what it guards is replaced whole or appended to.
pub(crate) fn held<T>(mutex: &std::sync::Mutex<T>) -> std::sync::MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(std::sync::PoisonError::into_inner)
}
