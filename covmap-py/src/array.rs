//! Memory of Rust as read-only numpy arrays, without a copy: the array keeps its owner alive.

use std::any::Any;
use std::sync::Arc;

use numpy::ndarray::{ArrayView, Dimension};
use pyo3::prelude::*;
use pyo3::types::{PyDict, PyTuple};

/// A sample and its name in numpy's array interface.
pub(crate) trait Sample {
    const TYPE: &'static str;
}

impl Sample for u8 {
    const TYPE: &'static str = "|u1";
}

impl Sample for u16 {
    const TYPE: &'static str = if cfg!(target_endian = "little") { "<u2" } else { ">u2" };
}

impl Sample for f32 {
    const TYPE: &'static str = if cfg!(target_endian = "little") { "<f4" } else { ">f4" };
}

/// What `pick` finds in `owner`, as numpy sees it.
pub(crate) fn view<'py, O, T, D>(
    py: Python<'py>,
    owner: &Arc<O>,
    pick: impl FnOnce(&O) -> ArrayView<'_, T, D>,
) -> PyResult<Bound<'py, PyAny>>
where
    O: Send + Sync + 'static,
    T: Sample,
    D: Dimension,
{
    as_numpy(py, owner.clone(), &pick(owner))
}

/// The same for a part that the owner may lack.
pub(crate) fn view_if<'py, O, T, D>(
    py: Python<'py>,
    owner: &Arc<O>,
    pick: impl FnOnce(&O) -> Option<ArrayView<'_, T, D>>,
) -> PyResult<Option<Bound<'py, PyAny>>>
where
    O: Send + Sync + 'static,
    T: Sample,
    D: Dimension,
{
    pick(owner).map(|array| as_numpy(py, owner.clone(), &array)).transpose()
}

fn as_numpy<'py, T: Sample, D: Dimension>(
    py: Python<'py>,
    owner: Arc<dyn Any + Send + Sync>,
    array: &ArrayView<'_, T, D>,
) -> PyResult<Bound<'py, PyAny>> {
    let pixels = Pixels {
        address: array.as_ptr() as usize,
        shape: array.shape().to_vec(),
        strides: array.strides().iter().map(|n| n * size_of::<T>() as isize).collect(),
        sample: T::TYPE,
        _owner: owner,
    };
    py.import("numpy")?.call_method1("asarray", (pixels,))
}

/// The base of such an array.
#[pyclass(frozen)]
struct Pixels {
    address: usize,
    shape: Vec<usize>,
    strides: Vec<isize>,
    sample: &'static str,
    _owner: Arc<dyn Any + Send + Sync>,
}

#[pymethods]
impl Pixels {
    /// <https://numpy.org/doc/stable/reference/arrays.interface.html>, version 3.
    #[getter]
    fn __array_interface__<'py>(&self, py: Python<'py>) -> PyResult<Bound<'py, PyDict>> {
        let interface = PyDict::new(py);
        interface.set_item("version", 3)?;
        interface.set_item("typestr", self.sample)?;
        interface.set_item("shape", PyTuple::new(py, &self.shape)?)?;
        interface.set_item("strides", PyTuple::new(py, &self.strides)?)?;
        let read_only = true;
        interface.set_item("data", (self.address, read_only))?;
        Ok(interface)
    }
}
