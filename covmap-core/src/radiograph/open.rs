//! Files and bytes: size bounds, sniffing by content, dispatch to the decoders.

use super::{Radiograph, RasterFormat, dicom, raster, tiff};
use crate::limits::reserve;
use crate::{Error, Limits, Result, digest};
use std::fs::File;
use std::io::Read;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::Path;

/// How to read a file.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
#[non_exhaustive]
pub struct ReadOptions {
    /// Bounds on sizes and allocations. Default behavior: [`Limits::default`].
    pub limits: Limits,
    /// Frame of a multi-frame DICOM object or page of a TIFF, counted from 0. Default behavior: the first.
    pub frame: u32,
}

impl ReadOptions {
    /// The same options with these bounds.
    pub fn limits(mut self, limits: Limits) -> Self {
        self.limits = limits;
        self
    }

    /// The same options with this frame, counted from 0.
    pub fn frame(mut self, frame: u32) -> Self {
        self.frame = frame;
        self
    }
}

impl Radiograph {
    /// Reads a PNG, JPEG, TIFF or DICOM file, told apart by content and never by extension.
    ///
    /// # Errors
    /// `Io` where the file cannot be read, `Input` where it is damaged or not a grey radiograph, `LimitsExceeded` where it is
    /// larger than [`Limits::default`] allows; each names the file.
    pub fn open(path: impl AsRef<Path>) -> Result<Self> {
        Self::open_with(path, &ReadOptions::default())
    }

    /// [`open`](Self::open) with options.
    ///
    /// # Errors
    /// Those of [`open`](Self::open), and `Parameter` where the frame does not exist.
    pub fn open_with(path: impl AsRef<Path>, options: &ReadOptions) -> Result<Self> {
        let path = path.as_ref();
        let bytes = read_bounded(path, options.limits.max_file_bytes)?;
        Self::from_bytes_with(&bytes, options).map_err(|e| e.in_file(path))
    }

    /// Reads the bytes of a PNG, JPEG, TIFF or DICOM file.
    ///
    /// # Errors
    /// `Input` where they are damaged or not a grey radiograph, `LimitsExceeded` where they go beyond [`Limits::default`].
    pub fn from_bytes(bytes: &[u8]) -> Result<Self> {
        Self::from_bytes_with(bytes, &ReadOptions::default())
    }

    /// [`from_bytes`](Self::from_bytes) with options.
    ///
    /// # Errors
    /// Those of [`from_bytes`](Self::from_bytes), and `Parameter` where the frame does not exist.
    pub fn from_bytes_with(bytes: &[u8], options: &ReadOptions) -> Result<Self> {
        check_file_size(bytes.len() as u64, options.limits.max_file_bytes)?;
        let decoded = match sniff(bytes)? {
            Kind::Dicom => dicom::decode(bytes, options),
            Kind::Raster(RasterFormat::Tiff) => tiff::decode(bytes, options),
            Kind::Raster(format) => raster::decode(bytes, format, options),
        }?;
        Ok(decoded.upright(Some(digest::sha256(bytes))))
    }
}

/// Whether the file starts like one that [`Radiograph::open`] reads; `false` where it cannot be opened.
pub fn looks_readable(path: &Path) -> bool {
    let mut head = Vec::new();
    let read = File::open(path).and_then(|f| f.take(1024).read_to_end(&mut head));
    read.is_ok() && sniff(&head).is_ok()
}

/// Runs third-party decoding of untrusted bytes. A panic in there is a defect of that decoder on malformed data, and no panic
/// may reach a caller, so it becomes an `Input` error. (Builds with `panic = "abort"` give this protection up.)
pub(super) fn guarded<T>(what: &str, decode: impl FnOnce() -> Result<T>) -> Result<T> {
    catch_unwind(AssertUnwindSafe(decode)).unwrap_or_else(|_| Err(Error::Input(format!("{what} is damaged (its decoder gave up on it)"))))
}

enum Kind {
    Raster(RasterFormat),
    Dicom,
}

fn sniff(bytes: &[u8]) -> Result<Kind> {
    // DICOM first: its preamble may hold a TIFF header (PS3.10 7.1).
    if dicom::is_part10(bytes) {
        return Ok(Kind::Dicom);
    }
    if bytes.starts_with(b"\x89PNG\r\n\x1a\n") {
        return Ok(Kind::Raster(RasterFormat::Png));
    }
    if bytes.starts_with(b"\xff\xd8\xff") {
        return Ok(Kind::Raster(RasterFormat::Jpeg));
    }
    // Classic TIFF and BigTIFF, either byte order.
    if [b"II\x2a\0", b"MM\0\x2a", b"II\x2b\0", b"MM\0\x2b"].iter().any(|magic| bytes.starts_with(*magic)) {
        return Ok(Kind::Raster(RasterFormat::Tiff));
    }
    if dicom::looks_like_a_data_set(bytes) {
        return Ok(Kind::Dicom);
    }
    Err(Error::Input(match bytes {
        [] => "the file is empty".to_owned(),
        _ => format!("not a PNG, JPEG, TIFF or DICOM file{}", known_as(bytes)),
    }))
}

/// Names a few formats that people take for one another.
fn known_as(bytes: &[u8]) -> &'static str {
    const KNOWN: [(&[u8], &str); 8] = [
        (b"PK\x03\x04", " but a ZIP archive"),
        (b"\x1f\x8b", " but a gzip file"),
        (b"%PDF", " but a PDF document"),
        (b"GIF8", " but a GIF image"),
        (b"BM", " but a BMP image"),
        (b"RIFF", " but a RIFF (WebP, WAV or AVI) file"),
        (b"\0\0\0\x0cjP  ", " but a JPEG 2000 image"),
        (b"\x7fELF", " but a program"),
    ];
    KNOWN.iter().find(|(magic, _)| bytes.starts_with(magic)).map_or("", |(_, name)| name)
}

fn check_file_size(size: u64, limit: u64) -> Result<()> {
    if size > limit {
        return Err(Error::LimitsExceeded(format!("the input is {size} bytes; the limit is {limit}")));
    }
    Ok(())
}

fn read_bounded(path: &Path, limit: u64) -> Result<Vec<u8>> {
    let io = |source| Error::io(path, source);
    let mut file = File::open(path).map_err(io)?;
    let metadata = file.metadata().map_err(io)?;
    if metadata.is_dir() {
        return Err(io(std::io::ErrorKind::IsADirectory.into()));
    }
    check_file_size(metadata.len(), limit).map_err(|e| e.in_file(path))?;
    // A device or a growing file is longer than its metadata says.
    reserve(metadata.len(), "the file").map_err(|e| e.in_file(path))?;
    let mut bytes = Vec::with_capacity(metadata.len() as usize);
    file.by_ref().take(limit.saturating_add(1)).read_to_end(&mut bytes).map_err(io)?;
    check_file_size(bytes.len() as u64, limit).map_err(|e| e.in_file(path))?;
    Ok(bytes)
}
