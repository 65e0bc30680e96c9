//! Result files: whole or absent, whenever the process ends. (When the machine does, that is up to its file system: nothing
//! here waits for the disk.)

use std::collections::HashSet;
use std::io::Write;
use std::path::{Path, PathBuf};

use covmap_core::{Error, Result};
use tempfile::NamedTempFile;

/// How the names of unfinished files begin.
const UNFINISHED: &str = ".covmap-";

/// Writes through a temporary file in the same folder and renames it into place.
pub(crate) fn write(path: &Path, bytes: &[u8]) -> Result<()> {
    let mut file = Unfinished::create(path)?;
    file.write_all(bytes).map_err(|e| Error::io(path, e))?;
    file.finish()
}

/// A result file that has no name yet; dropped, it is gone.
pub(crate) struct Unfinished {
    file: NamedTempFile,
    path: PathBuf,
}

impl Unfinished {
    pub(crate) fn create(path: &Path) -> Result<Self> {
        let folder = path.parent().filter(|p| !p.as_os_str().is_empty()).unwrap_or(Path::new("."));
        std::fs::create_dir_all(folder).map_err(|e| Error::io(folder, e))?;
        let mut builder = tempfile::Builder::new();
        builder.prefix(UNFINISHED);
        // Results are ordinary files: the umask decides who reads them.
        #[cfg(unix)]
        let builder = builder.permissions(std::os::unix::fs::PermissionsExt::from_mode(0o666));
        let file = builder.tempfile_in(folder).map_err(|e| Error::io(folder, e))?;
        Ok(Unfinished { file, path: path.to_owned() })
    }

    /// Gives it its name.
    pub(crate) fn finish(self) -> Result<()> {
        self.file.persist(&self.path).map_err(|e| Error::io(self.path, e.error))?;
        Ok(())
    }
}

impl Write for Unfinished {
    fn write(&mut self, bytes: &[u8]) -> std::io::Result<usize> {
        self.file.write(bytes)
    }

    fn flush(&mut self) -> std::io::Result<()> {
        self.file.flush()
    }
}

/// Removes what a process that was killed left unfinished in the folders of these stems.
pub(crate) fn sweep<'a>(stems: impl Iterator<Item = &'a Path>) {
    let folders: HashSet<&Path> = stems.filter_map(Path::parent).collect();
    for entry in folders.into_iter().filter_map(|f| std::fs::read_dir(f).ok()).flatten().flatten() {
        if entry.file_name().to_string_lossy().starts_with(UNFINISHED) {
            // What cannot be removed does no harm.
            let _ = std::fs::remove_file(entry.path());
        }
    }
}

/// `STEM` and an ending: `a/b` and `overlay.png` make `a/b.overlay.png`. The stem may contain dots.
pub(crate) fn with_ending(stem: &Path, ending: &str) -> PathBuf {
    let mut name = stem.as_os_str().to_owned();
    name.push(".");
    name.push(ending);
    PathBuf::from(name)
}
