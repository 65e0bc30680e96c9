//! What `analyze` takes. `covmap._inputs` brings every kind of object down to a path, the bytes of a file or an array.

use std::path::PathBuf;
use std::sync::Arc;

use covmap_core::radiograph::BufferOptions;
use covmap_core::{ReadOptions, Result};
use numpy::{PyReadonlyArray2, PyReadonlyArray3, PyUntypedArray};
use pyo3::prelude::*;
use pyo3::pybacked::PyBackedBytes;

use crate::error::{attached, parameter};
use crate::radiograph::Radiograph;

/// An input that no longer needs the interpreter.
pub(crate) enum Input {
    File(PathBuf, ReadOptions),
    Bytes(PyBackedBytes, Option<String>, ReadOptions),
    Ready(Source),
}

/// A radiograph, and the name of the file where there was one.
#[derive(Debug, Clone)]
pub(crate) struct Source {
    pub(crate) radiograph: Arc<covmap_core::Radiograph>,
    pub(crate) file: Option<String>,
}

/// How to read it: files take `read`, arrays take `buffer`.
#[derive(Default)]
pub(crate) struct InputOptions {
    pub(crate) read: ReadOptions,
    /// `None`: nothing beyond the pixels is known, which fits files too.
    pub(crate) buffer: Option<BufferOptions>,
}

impl Input {
    /// # Errors
    /// `InputTypeError`, `ParameterError` or `InputError` by `covmap._inputs.resolve`; those of `Radiograph` for arrays.
    pub(crate) fn of(x: &Bound<'_, PyAny>, options: &InputOptions) -> PyResult<Self> {
        let py = x.py();
        if let Ok(ready) = x.cast::<Radiograph>() {
            return Ok(Input::Ready(ready.get().source.clone()));
        }
        let (resolved, name): (Bound<'_, PyAny>, Option<String>) =
            py.import("covmap._inputs")?.getattr("resolve")?.call1((x,))?.extract()?;
        if resolved.cast::<PyUntypedArray>().is_ok() {
            return Self::of_array(&resolved, options.buffer.unwrap_or_default());
        }
        if options.buffer.is_some() {
            return Err(parameter(py, "a file says these things itself; they are for arrays alone".into()));
        }
        if let Ok(bytes) = resolved.extract() {
            return Ok(Input::Bytes(bytes, name, options.read));
        }
        Ok(Input::File(resolved.extract()?, options.read))
    }

    /// Copies the pixels while the interpreter is held: another thread may write the array as soon as it is not.
    fn of_array(array: &Bound<'_, PyAny>, o: BufferOptions) -> PyResult<Self> {
        use covmap_core::Radiograph as R;
        let py = array.py();
        let radiograph = if let Ok(a) = array.extract::<PyReadonlyArray2<'_, u8>>() {
            attached(py, || R::from_view(a.as_array(), &o))
        } else if let Ok(a) = array.extract::<PyReadonlyArray2<'_, u16>>() {
            attached(py, || R::from_view(a.as_array(), &o))
        } else if let Ok(a) = array.extract::<PyReadonlyArray2<'_, f32>>() {
            attached(py, || R::from_f32(a.as_array(), &o))
        } else if let Ok(a) = array.extract::<PyReadonlyArray3<'_, u8>>() {
            attached(py, || R::from_colour(a.as_array(), &o))
        } else if let Ok(a) = array.extract::<PyReadonlyArray3<'_, u16>>() {
            attached(py, || R::from_colour(a.as_array(), &o))
        } else {
            let a = array.extract::<PyReadonlyArray3<'_, f32>>()?;
            attached(py, || R::from_colour_f32(a.as_array(), &o))
        }?;
        Ok(Input::Ready(Source { radiograph: Arc::new(radiograph), file: None }))
    }

    pub(crate) fn read(self) -> Result<Source> {
        let (radiograph, file) = match self {
            Input::Ready(source) => return Ok(source),
            Input::File(path, options) => {
                let name = path.file_name().map(|n| n.to_string_lossy().into_owned());
                (covmap_core::Radiograph::open_with(&path, &options)?, name)
            }
            Input::Bytes(bytes, name, options) => (covmap_core::Radiograph::from_bytes_with(&bytes, &options)?, name),
        };
        Ok(Source { radiograph: Arc::new(radiograph), file })
    }
}
