//! `analyze_many`: inputs are drawn on the caller's thread, a bounded number ahead of the results it takes.

use std::sync::Mutex;
use std::sync::mpsc::{Sender, channel};

use covmap_core::RunOptions;
use covmap_core::pipeline::Many;
use pyo3::prelude::*;
use pyo3::types::PyIterator;

use crate::analysis::Analysis;
use crate::error::{detached, exception, parameter};
use crate::input::{Input, InputOptions};
use crate::pipeline::Pipeline;

/// Results of `analyze_many`, in the order of the inputs. Dropping it stops the work.
#[pyclass(module = "covmap")]
pub(crate) struct AnalyzeMany {
    /// `None` once it ended.
    inputs: Option<Py<PyIterator>>,
    /// What the iterable raised; it comes after the results of what went before.
    fault: Option<PyErr>,
    /// `None` once there are no more inputs. Dropped before the workers, who wait for it.
    send: Option<Sender<PyResult<Input>>>,
    /// `Some` until it is dropped.
    many: Option<Mutex<Many<PyResult<Analysis>>>>,
    waiting: usize,
    ahead: usize,
    raises: bool,
    process: u32,
}

pub(crate) fn start<'py>(
    pipeline: &Pipeline,
    run: RunOptions,
    iterable: &Bound<'py, PyAny>,
    progress: bool,
    errors: &str,
) -> PyResult<Bound<'py, PyAny>> {
    let py = iterable.py();
    let raises = match errors {
        "raise" => true,
        "yield" => false,
        _ => return Err(parameter(py, format!("unknown errors {errors:?}; known: yield, raise"))),
    };
    let inputs = iterable.try_iter()?.unbind();
    let (send, receive) = channel::<PyResult<Input>>();
    let how = pipeline.how.clone();
    let many = pipeline.inner.map_many(receive, move |pipeline, input| match input {
        Ok(input) => {
            let source = input.read()?;
            Ok(Ok(Analysis::new(pipeline.analyze_with(&source.radiograph, &run)?, source, &how)))
        }
        Err(e) => Ok(Err(e)),
    });
    let results = AnalyzeMany {
        inputs: Some(inputs),
        fault: None,
        send: Some(send),
        many: Some(Mutex::new(many)),
        waiting: 0,
        ahead: 2 * pipeline.threads,
        raises,
        process: std::process::id(),
    };
    let results = Bound::new(py, results)?.into_any();
    if !progress {
        return Ok(results);
    }
    let total = iterable.len().ok();
    py.import("covmap._progress")?.call_method1("with_bar", (results, total))
}

impl AnalyzeMany {
    /// Hands inputs to the workers until enough are on their way.
    fn draw(&mut self, py: Python<'_>) {
        while self.waiting < self.ahead {
            let Some(inputs) = &self.inputs else { return };
            match inputs.bind(py).clone().next() {
                Some(Ok(x)) => {
                    let input = Input::of(&x, &InputOptions::default());
                    if self.send.as_ref().is_some_and(|send| send.send(input).is_ok()) {
                        self.waiting += 1;
                    }
                }
                end => {
                    self.fault = end.and_then(Result::err);
                    (self.inputs, self.send) = (None, None);
                }
            }
        }
    }
}

#[pymethods]
impl AnalyzeMany {
    fn __iter__(slf: PyRef<'_, Self>) -> PyRef<'_, Self> {
        slf
    }

    fn __next__(&mut self, py: Python<'_>) -> PyResult<Option<Py<PyAny>>> {
        if self.process != std::process::id() {
            return Err(parameter(py, "this batch belongs to the process that started it".into()));
        }
        self.draw(py);
        if self.waiting == 0 {
            return self.fault.take().map_or(Ok(None), Err);
        }
        self.waiting -= 1;
        let Some(Ok(many)) = self.many.as_mut().map(Mutex::get_mut) else { return Ok(None) };
        let error = match detached(py, || Ok(many.next()))? {
            None => return Ok(None),
            Some(Ok(Ok(analysis))) => return Ok(Some(Bound::new(py, analysis)?.into_any().unbind())),
            Some(Ok(Err(e))) => e,
            Some(Err(e)) => exception(py, &e),
        };
        if self.raises { Err(error) } else { Ok(Some(error.into_value(py).into_any())) }
    }
}

impl Drop for AnalyzeMany {
    fn drop(&mut self) {
        self.send = None;
        let many = self.many.take();
        // A forked process has no workers that could be waited for.
        if self.process != std::process::id() {
            std::mem::forget(many);
        }
    }
}
