//! Result files: whole or absent.

use std::io::Write;
use std::path::{Path, PathBuf};

use covmap_core::{Error, Result};
use tempfile::NamedTempFile;

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
        builder.prefix(".covmap-");
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

/// `STEM` and an ending: `a/b` and `overlay.png` make `a/b.overlay.png`. The stem may contain dots.
pub(crate) fn with_ending(stem: &Path, ending: &str) -> PathBuf {
    let mut name = stem.as_os_str().to_owned();
    name.push(".");
    name.push(ending);
    PathBuf::from(name)
}
