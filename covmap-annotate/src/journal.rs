//! Every change of one reader on one case, on the disk before it is acknowledged; the draft is what they add up to.

use std::path::Path;

use ndarray::{Array2, s};
use serde::{Deserialize, Serialize};

use crate::mask::{self, Layer};
use crate::workspace::{Lines, is_model, read_lines};
use crate::{Refusal, Result};

/// What a reader did.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(tag = "part", rename_all = "lowercase")]
pub enum Action {
    /// New values for a box of the lungs.
    Lung(Paint),
    /// New values for a box of the opacity.
    Infection(Paint),
    /// Brixia scores of the zones A to F.
    Scores {
        zones: [Option<u8>; 6],
    },
    Comment {
        text: String,
    },
    /// Nothing but time passed.
    Time,
    /// Saw what others drew: the reading is final from here on.
    Compared,
}

/// New values of a box.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Paint {
    /// brush, eraser, polygon, grow, pick, undo...: for those who study how masks come to be.
    pub tool: String,
    /// The model whose proposal the mask comes from, or `hand`.
    pub source: String,
    /// Left, top, width, height.
    #[serde(rename = "box")]
    pub area: [usize; 4],
    /// As [`mask::runs`].
    pub runs: Vec<u32>,
}

/// A line of the journal.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Change {
    /// The page's own name for this change: what is sent twice, because the answer was lost, counts once.
    pub key: String,
    /// Of the part, with this change: one more than before, so that two tabs cannot overwrite each other.
    pub version: u64,
    /// Time that the reader spent since the change before.
    pub seconds: f64,
    #[serde(default)]
    pub time: String,
    #[serde(flatten)]
    pub action: Action,
}

impl Action {
    fn part(&self) -> Option<usize> {
        match self {
            Action::Lung(_) => Some(0),
            Action::Infection(_) => Some(1),
            Action::Scores { .. } => Some(2),
            Action::Comment { .. } => Some(3),
            Action::Time | Action::Compared => None,
        }
    }
}

/// One layer as far as it is drawn.
#[derive(Debug, Clone, PartialEq)]
pub struct Drawn {
    pub mask: Array2<u8>,
    pub source: String,
}

/// What the changes add up to.
#[derive(Debug)]
pub struct Draft {
    lines: Option<Lines>,
    path: std::path::PathBuf,
    /// By [`Layer::ALL`].
    pub layers: [Drawn; 2],
    pub zones: [Option<u8>; 6],
    pub comment: String,
    pub seconds: f64,
    pub compared: bool,
    /// Of lungs, opacity, scores and comment.
    pub versions: [u64; 4],
    keys: [String; 4],
}

/// More than a day on one case, or less than nothing, is a clock gone wrong.
const MAX_SECONDS: f64 = 86_400.0;
const MAX_COMMENT: usize = 10_000;

impl Draft {
    /// Replays the journal at `path`, which may be missing, for a radiograph of (rows, columns).
    pub fn open(path: &Path, shape: (usize, usize)) -> Result<Self> {
        let drawn = || Drawn { mask: Array2::zeros(shape), source: "hand".into() };
        let mut draft = Draft {
            lines: None,
            path: path.to_owned(),
            layers: [drawn(), drawn()],
            zones: [None; 6],
            comment: String::new(),
            seconds: 0.0,
            compared: false,
            versions: [0; 4],
            keys: Default::default(),
        };
        for change in read_lines::<Change>(path)? {
            draft.check(&change).map_err(|e| Refusal::Failed(format!("{}: {e}", path.display())))?;
            draft.apply(change)?;
        }
        Ok(draft)
    }

    /// The draft of a layer.
    pub fn layer(&self, layer: Layer) -> &Drawn {
        &self.layers[layer as usize]
    }

    /// Journals a change, then applies it. A change that is the last one of its part already is acknowledged again.
    ///
    /// # Errors
    /// `Conflict` where the part has another version, or the reading is final; `Wrong` where the change makes no sense.
    pub fn commit(&mut self, mut change: Change) -> Result<()> {
        if let Some(part) = change.action.part() {
            if self.keys[part] == change.key && self.versions[part] == change.version {
                return Ok(());
            }
            if self.compared {
                return Err(Refusal::Conflict("this reading is final: others' have been seen".into()));
            }
            if change.version != self.versions[part] + 1 {
                let text = format!("changed elsewhere: version {} is there, {} came", self.versions[part], change.version);
                return Err(Refusal::Conflict(text));
            }
        }
        self.check(&change)?;
        change.time = crate::now();
        if self.lines.is_none() {
            self.lines = Some(Lines::open(&self.path)?);
        }
        self.lines.as_mut().expect("opened above").append(&change)?;
        self.apply(change)
    }

    fn check(&self, change: &Change) -> Result<()> {
        if change.key.len() > 64 || !(0.0..=MAX_SECONDS).contains(&change.seconds) {
            return Err(Refusal::wrong("a change needs a short key and a sensible time"));
        }
        match &change.action {
            Action::Lung(paint) => self.check_paint(paint, Layer::Lung),
            Action::Infection(paint) => self.check_paint(paint, Layer::Infection),
            Action::Scores { zones } if zones.iter().flatten().any(|z| *z > 3) => Err(Refusal::wrong("zones are scored 0 to 3")),
            Action::Comment { text } if text.len() > MAX_COMMENT => Err(Refusal::wrong("a comment has at most 10,000 bytes")),
            _ => Ok(()),
        }
    }

    fn check_paint(&self, paint: &Paint, layer: Layer) -> Result<()> {
        let (rows, columns) = self.layers[0].mask.dim();
        let [x, y, w, h] = paint.area;
        let fits = |start: usize, length: usize, end: usize| length > 0 && start.checked_add(length).is_some_and(|e| e <= end);
        if !fits(x, w, columns) || !fits(y, h, rows) {
            return Err(Refusal::Wrong(format!("the box {:?} is not in the image of {columns} x {rows}", paint.area)));
        }
        if paint.tool.len() > 16 || (paint.source != "hand" && !is_model(&paint.source)) {
            return Err(Refusal::wrong("a change of a mask names its tool and source"));
        }
        layer.check(mask::from_runs(&paint.runs, w * h)?)
    }

    fn apply(&mut self, change: Change) -> Result<()> {
        self.seconds += change.seconds;
        if let Some(part) = change.action.part() {
            (self.versions[part], self.keys[part]) = (change.version, change.key);
        }
        match change.action {
            Action::Lung(paint) => self.paint(Layer::Lung, paint)?,
            Action::Infection(paint) => self.paint(Layer::Infection, paint)?,
            Action::Scores { zones } => self.zones = zones,
            Action::Comment { text } => self.comment = text,
            Action::Time => {}
            Action::Compared => self.compared = true,
        }
        Ok(())
    }

    fn paint(&mut self, layer: Layer, paint: Paint) -> Result<()> {
        let [x, y, w, h] = paint.area;
        let values = Array2::from_shape_vec((h, w), mask::from_runs(&paint.runs, w * h)?).map_err(|e| Refusal::Failed(e.to_string()))?;
        let drawn = &mut self.layers[layer as usize];
        drawn.mask.slice_mut(s![y..y + h, x..x + w]).assign(&values);
        drawn.source = paint.source;
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn paint(version: u64, area: [usize; 4], value: u8) -> Change {
        let runs = vec![value.into(), (area[2] * area[3]) as u32];
        let paint = Paint { tool: "brush".into(), source: "hand".into(), area, runs };
        Change { key: format!("k{version}{value}"), version, seconds: 1.5, time: String::new(), action: Action::Infection(paint) }
    }

    #[test]
    fn what_was_acknowledged_is_there_again() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("a.jsonl");
        let mut draft = Draft::open(&path, (4, 5)).unwrap();
        draft.commit(paint(1, [1, 1, 2, 2], 1)).unwrap();
        draft.commit(paint(2, [2, 2, 3, 2], 2)).unwrap();
        // Sent again because the answer was lost.
        draft.commit(paint(2, [2, 2, 3, 2], 2)).unwrap();
        let scores = Action::Scores { zones: [Some(3), None, None, None, None, Some(0)] };
        draft.commit(Change { key: "s".into(), version: 1, seconds: 0.0, time: String::new(), action: scores }).unwrap();
        // Killed in the middle of a line.
        let whole = std::fs::read(&path).unwrap();
        std::fs::write(&path, [&whole[..], &whole[..40]].concat()).unwrap();
        let mut again = Draft::open(&path, (4, 5)).unwrap();
        assert_eq!(again.layers, draft.layers);
        assert_eq!((again.zones, again.versions, again.seconds), (draft.zones, [0, 2, 1, 0], 3.0));
        drop(draft);
        again.commit(paint(3, [0, 0, 5, 4], 0)).unwrap();
        assert_eq!(Draft::open(&path, (4, 5)).unwrap().layer(Layer::Infection).mask.sum(), 0);
    }

    #[test]
    fn two_tabs_do_not_overwrite_each_other() {
        let folder = tempfile::tempdir().unwrap();
        let mut draft = Draft::open(&folder.path().join("a.jsonl"), (4, 5)).unwrap();
        draft.commit(paint(1, [0, 0, 1, 1], 1)).unwrap();
        assert!(matches!(draft.commit(paint(1, [0, 0, 1, 1], 2)), Err(Refusal::Conflict(_))));
        draft.commit(Change { key: "c".into(), version: 0, seconds: 0.0, time: String::new(), action: Action::Compared }).unwrap();
        assert!(matches!(draft.commit(paint(2, [0, 0, 1, 1], 2)), Err(Refusal::Conflict(_))));
        assert_eq!(draft.layer(Layer::Infection).mask[[0, 0]], 1);
    }

    #[test]
    fn nonsense_is_refused_and_not_journalled() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("a.jsonl");
        let mut draft = Draft::open(&path, (4, 5)).unwrap();
        let wrong = [paint(1, [4, 0, 2, 1], 1), paint(1, [0, 0, usize::MAX, 2], 1), paint(1, [0, 0, 0, 0], 1), paint(1, [0, 0, 1, 1], 3)];
        for change in wrong {
            assert!(matches!(draft.commit(change), Err(Refusal::Wrong(_))));
        }
        assert!(!path.exists());
    }
}
