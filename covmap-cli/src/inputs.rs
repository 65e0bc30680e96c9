//! Inputs and where their results go.

use std::borrow::Cow;
use std::collections::{HashMap, HashSet};
use std::path::{Path, PathBuf};

use covmap_core::{Error, Result};

use crate::output::with_ending;
use crate::usage;

/// Endings that are taken from a folder without a look inside.
const ENDINGS: [&str; 7] = ["png", "jpg", "jpeg", "tif", "tiff", "dcm", "dicom"];

/// One input file and the path of its results without their endings.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Input {
    pub(crate) path: PathBuf,
    pub(crate) stem: PathBuf,
}

impl Input {
    /// The file's name, as results show it.
    pub(crate) fn name(&self) -> Option<Cow<'_, str>> {
        self.path.file_name().map(|n| n.to_string_lossy())
    }
}

/// Lists the files of `inputs` in a stable order. Folders give what looks like an image; files are taken as named, so
/// that one that cannot be read is reported instead of skipped. The folder `out` is never an input. `endings` are those of the
/// results.
pub(crate) fn collect(inputs: &[PathBuf], out: &Path, recursive: bool, endings: &[String]) -> Result<Vec<Input>> {
    let out_real = out.canonicalize().ok();
    let mut found: Vec<(PathBuf, PathBuf)> = Vec::new();
    for input in inputs {
        if input.is_dir() {
            let before = found.len();
            walk(input, input, recursive, out_real.as_deref(), &mut found)?;
            if found.len() == before {
                let hint = if recursive { "" } else { " (folders within it are read with --recursive)" };
                return Err(Error::Parameter(format!("{}: no image in this folder{hint}", input.display())));
            }
        } else {
            found.push((input.clone(), PathBuf::from(input.file_name().unwrap_or(input.as_os_str()))));
        }
    }
    let inputs = name(found, out);
    let paths: Vec<PathBuf> = inputs.iter().map(|i| i.path.clone()).collect();
    refuse_to_overwrite(&paths, inputs.iter().flat_map(|i| endings.iter().map(|ending| with_ending(&i.stem, ending))))?;
    Ok(inputs)
}

fn walk(root: &Path, folder: &Path, recursive: bool, out: Option<&Path>, found: &mut Vec<(PathBuf, PathBuf)>) -> Result<()> {
    let listing = std::fs::read_dir(folder).map_err(|e| Error::io(folder, e))?;
    let mut paths = listing.map(|e| e.map(|e| e.path())).collect::<std::io::Result<Vec<_>>>().map_err(|e| Error::io(folder, e))?;
    paths.sort();
    for path in paths {
        if path.is_dir() {
            if recursive && !path.is_symlink() && path.canonicalize().ok().as_deref() != out {
                walk(root, &path, recursive, out, found)?;
            }
        } else if !is_special(&path) && looks_like_an_image(&path) {
            let relative = path.strip_prefix(root).unwrap_or(&path).to_owned();
            found.push((path, relative));
        }
    }
    Ok(())
}

/// Pipes, sockets and devices: to open one may wait for ever.
fn is_special(path: &Path) -> bool {
    std::fs::metadata(path).is_ok_and(|m| !m.is_file() && !m.is_dir())
}

fn looks_like_an_image(path: &Path) -> bool {
    match path.extension() {
        Some(e) => ENDINGS.iter().any(|k| e.eq_ignore_ascii_case(k)) || e.to_string_lossy().bytes().all(|b| b.is_ascii_digit()),
        None => covmap_core::radiograph::looks_readable(path),
    }
}

/// Refuses a folder for the results where one of them would replace an input.
pub(crate) fn refuse_to_overwrite(inputs: &[PathBuf], results: impl Iterator<Item = PathBuf>) -> Result<()> {
    let read: HashSet<PathBuf> = inputs.iter().filter_map(|i| i.canonicalize().ok()).collect();
    for result in results {
        if result.canonicalize().is_ok_and(|r| read.contains(&r)) {
            return Err(usage(format!("{}: a result would overwrite this input; choose another --out", result.display())));
        }
    }
    Ok(())
}

/// Results take the input's stem; where two would collide, or meet a result of the whole run, the whole file name.
fn name(found: Vec<(PathBuf, PathBuf)>, out: &Path) -> Vec<Input> {
    // run.json and index.html are results of the whole run.
    let reserved = ["run", "index"].map(|name| folded(Path::new(name)));
    let mut uses = HashMap::from(reserved.clone().map(|name| (name, 1)));
    for (_, relative) in &found {
        *uses.entry(folded(&relative.with_extension(""))).or_default() += 1;
    }
    let mut taken = HashSet::from(reserved);
    found
        .into_iter()
        .map(|(path, relative)| {
            // UIDs end in numbers that are no extension.
            let numeric = relative.extension().is_some_and(|e| e.to_string_lossy().bytes().all(|b| b.is_ascii_digit()));
            let short = relative.with_extension("");
            let wanted = if numeric || uses[&folded(&short)] > 1 { relative } else { short };
            let (mut stem, mut n) = (wanted.clone(), 1);
            while !taken.insert(folded(&stem)) {
                n += 1;
                stem = with_ending(&wanted, &n.to_string());
            }
            Input { path, stem: out.join(stem) }
        })
        .collect()
}

/// Names that differ only in case are one name on many file systems, whichever `out` lies on.
fn folded(path: &Path) -> String {
    path.to_string_lossy().to_lowercase()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn stems(files: &[&str]) -> Vec<String> {
        let found = files.iter().map(|f| (PathBuf::from(f), PathBuf::from(f))).collect();
        name(found, Path::new("out")).into_iter().map(|i| i.stem.display().to_string()).collect()
    }

    #[test]
    fn collisions_keep_the_extension() {
        assert_eq!(stems(&["a.dcm", "a.png", "b.png", "c/a.png"]), ["out/a.dcm", "out/a.png", "out/b", "out/c/a"]);
        assert_eq!(stems(&["1.2.840.1", "1.2.840.2"]), ["out/1.2.840.1", "out/1.2.840.2"]);
        assert_eq!(stems(&["a.png", "a.png"]), ["out/a.png", "out/a.png.2"]);
        assert_eq!(stems(&["a.png", "a.png", "a.png.2"]), ["out/a.png", "out/a.png.2", "out/a.png.2.2"]);
        assert_eq!(stems(&["run.png", "run", "sub/run.png"]), ["out/run.png", "out/run.2", "out/sub/run"]);
        assert_eq!(stems(&["index.png", "a.png"]), ["out/index.png", "out/a"]);
        assert_eq!(stems(&["x/A.png", "x/a.dcm", "X/b.png", "c.png"]), ["out/x/A.png", "out/x/a.dcm", "out/X/b", "out/c"]);
        assert_eq!(stems(&["A.png", "a.png", "Ä.png", "ä.PNG"]), ["out/A.png", "out/a.png.2", "out/Ä.png", "out/ä.PNG.2"]);
        assert_eq!(stems(&["Run.png", "a.png", "A.png.2"]), ["out/Run.png", "out/a", "out/A.png.2"]);
    }

    #[test]
    fn folders_are_listed_in_order_and_the_results_folder_is_skipped() {
        let root = tempfile::tempdir().unwrap();
        let out = root.path().join("out");
        std::fs::create_dir_all(root.path().join("sub")).unwrap();
        std::fs::create_dir_all(&out).unwrap();
        for f in ["b.png", "a.JPG", "notes.txt", "sub/c.dcm", "out/old.png"] {
            std::fs::write(root.path().join(f), b"x").unwrap();
        }
        let list = |recursive| -> Vec<PathBuf> {
            let found = collect(&[root.path().to_owned()], &out, recursive, &[]).unwrap();
            found.into_iter().map(|i| i.stem.strip_prefix(&out).unwrap().to_owned()).collect()
        };
        assert_eq!(list(false), [PathBuf::from("a"), "b".into()]);
        assert_eq!(list(true), [PathBuf::from("a"), "b".into(), "sub/c".into()]);
    }
}
