//! Errors, sorted by who is at fault; bindings map the kinds one to one.

use std::path::{Path, PathBuf};

/// What went wrong, and whose fault it is. The text says what and where.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// The operating system refused to read or write a file.
    #[error("{}: {source}", path.display())]
    Io { path: PathBuf, source: std::io::Error },
    /// This file or buffer is not a radiograph that can be read.
    #[error("{0}")]
    Input(String),
    /// This model file does not fit.
    #[error("{0}")]
    Model(String),
    /// The caller asked for something that does not exist or makes no sense.
    #[error("{0}")]
    Parameter(String),
    /// A documented bound of [`Limits`](crate::Limits) was exceeded.
    #[error("{0}")]
    LimitsExceeded(String),
    /// The caller cancelled the run, or its deadline passed.
    #[error("{0}")]
    Cancelled(&'static str),
    /// A defect of covmap itself.
    #[error("internal error: {0}")]
    Internal(String),
}

/// The kind of an [`Error`]: the same set in Rust, C (`covmap_status`) and Python (exception classes).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum ErrorKind {
    Io,
    Input,
    Model,
    Parameter,
    LimitsExceeded,
    Cancelled,
    Internal,
}

/// Result of every fallible call of this crate.
pub type Result<T, E = Error> = std::result::Result<T, E>;

impl Error {
    /// Whose fault it is.
    pub fn kind(&self) -> ErrorKind {
        match self {
            Error::Io { .. } => ErrorKind::Io,
            Error::Input(_) => ErrorKind::Input,
            Error::Model(_) => ErrorKind::Model,
            Error::Parameter(_) => ErrorKind::Parameter,
            Error::LimitsExceeded(_) => ErrorKind::LimitsExceeded,
            Error::Cancelled(_) => ErrorKind::Cancelled,
            Error::Internal(_) => ErrorKind::Internal,
        }
    }

    /// The same error with the file it belongs to in front of its text.
    pub fn in_file(self, path: &Path) -> Self {
        let name = |text: String| format!("{}: {text}", path.display());
        match self {
            Error::Input(t) => Error::Input(name(t)),
            Error::Model(t) => Error::Model(name(t)),
            Error::LimitsExceeded(t) => Error::LimitsExceeded(name(t)),
            Error::Internal(t) => Error::Internal(name(t)),
            other => other,
        }
    }

    /// An operating system error on `path`.
    pub fn io(path: impl Into<PathBuf>, source: std::io::Error) -> Self {
        Error::Io { path: path.into(), source }
    }
}
