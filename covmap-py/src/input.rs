//! What `analyze` takes: a path, the bytes of a file, or an array of grey pixels.

use std::path::PathBuf;

use covmap_core::radiograph::BufferOptions;
use covmap_core::{Radiograph, Result};
use numpy::{PyReadonlyArray2, PyUntypedArray, PyUntypedArrayMethods};
use pyo3::exceptions::PyTypeError;
use pyo3::prelude::*;
use pyo3::pybacked::PyBackedBytes;

use crate::error::{attached, parameter};

/// An input that no longer needs the interpreter.
pub(crate) enum Input {
    File(PathBuf),
    Bytes(PyBackedBytes),
    Pixels(Box<Radiograph>),
}

impl Input {
    /// # Errors
    /// `TypeError` for anything else; `ParameterError` for an array that is not 2-D; `InputError` for an empty one.
    pub(crate) fn of(x: &Bound<'_, PyAny>) -> PyResult<Self> {
        if let Ok(array) = x.cast::<PyUntypedArray>() {
            return Self::of_array(array);
        }
        if let Ok(bytes) = x.extract() {
            return Ok(Input::Bytes(bytes));
        }
        x.extract().map(Input::File).map_err(|_| {
            let name = x.get_type().name().map_or_else(|_| "object".into(), |n| n.to_string());
            PyTypeError::new_err(format!("expected a path, the bytes of a file, or a 2-D uint8 or uint16 array, not {name}"))
        })
    }

    /// Copies the pixels while the interpreter is held: another thread may write the array as soon as it is not.
    fn of_array(array: &Bound<'_, PyUntypedArray>) -> PyResult<Self> {
        let py = array.py();
        if array.ndim() != 2 {
            let shape = array.shape();
            return Err(parameter(py, format!("a radiograph is an array of rows and columns, not of shape {shape:?}")));
        }
        let options = BufferOptions::default();
        let radiograph = if let Ok(a) = array.extract::<PyReadonlyArray2<'_, u8>>() {
            attached(py, || Radiograph::from_view(a.as_array(), &options))?
        } else if let Ok(a) = array.extract::<PyReadonlyArray2<'_, u16>>() {
            attached(py, || Radiograph::from_view(a.as_array(), &options))?
        } else {
            return Err(PyTypeError::new_err(format!("expected an array of uint8 or uint16 in native byte order, not {}", array.dtype())));
        };
        Ok(Input::Pixels(Box::new(radiograph)))
    }

    /// The radiograph, and the file name where there is one.
    pub(crate) fn read(self) -> Result<(Radiograph, Option<String>)> {
        match self {
            Input::File(path) => Ok((Radiograph::open(&path)?, path.file_name().map(|n| n.to_string_lossy().into_owned()))),
            Input::Bytes(bytes) => Ok((Radiograph::from_bytes(&bytes)?, None)),
            Input::Pixels(radiograph) => Ok((*radiograph, None)),
        }
    }
}
