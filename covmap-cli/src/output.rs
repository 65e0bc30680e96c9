//! Result files: whole or absent.

use std::io::Write;
use std::path::{Path, PathBuf};

use covmap_core::{Error, Result};

/// Writes through a temporary file in the same folder and renames it into place.
pub(crate) fn write(path: &Path, bytes: &[u8]) -> Result<()> {
    let folder = path.parent().filter(|p| !p.as_os_str().is_empty()).unwrap_or(Path::new("."));
    std::fs::create_dir_all(folder).map_err(|e| Error::io(folder, e))?;
    let mut builder = tempfile::Builder::new();
    builder.prefix(".covmap-");
    // Results are ordinary files: the umask decides who reads them.
    #[cfg(unix)]
    let builder = builder.permissions(std::os::unix::fs::PermissionsExt::from_mode(0o666));
    let mut file = builder.tempfile_in(folder).map_err(|e| Error::io(folder, e))?;
    file.write_all(bytes).map_err(|e| Error::io(path, e))?;
    file.persist(path).map_err(|e| Error::io(path, e.error))?;
    Ok(())
}

/// `STEM` and an ending: `a/b` and `overlay.png` make `a/b.overlay.png`. The stem may contain dots.
pub(crate) fn with_ending(stem: &Path, ending: &str) -> PathBuf {
    let mut name = stem.as_os_str().to_owned();
    name.push(".");
    name.push(ending);
    PathBuf::from(name)
}
