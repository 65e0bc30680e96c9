//! A caller's own threads for a batch.

use std::ffi::{c_int, c_void};
use std::sync::OnceLock;

use covmap_core::{Error, Result};

use crate::options::Options;
use crate::pointer;
use crate::status::{Status, contain, guard_status};

/// One image of a batch, for a covmap_runner to call with the data that came with it. It may take seconds, keeps to the
/// thread that calls it, and has nothing to return.
pub type Task = Option<unsafe extern "C" fn(data: *mut c_void, index: usize)>;

/// Calls task(data, index) once for every index below count, in any order, on threads of its choice, several at once where
/// it likes, and returns 0 when the last of them has returned. Anything else says that it could not, and ends the batch.
pub type RunnerCallback = Option<unsafe extern "C" fn(user: *mut c_void, task: Task, data: *mut c_void, count: usize) -> c_int>;

#[derive(Debug, Clone, Copy)]
pub(crate) struct Runner {
    call: unsafe extern "C" fn(user: *mut c_void, task: Task, data: *mut c_void, count: usize) -> c_int,
    user: *mut c_void,
}

// SAFETY: the header says that batches on several threads call the runner from each of them.
unsafe impl Send for Runner {}
// SAFETY: as above, and at once.
unsafe impl Sync for Runner {}

/// Lets a pipeline's batches (covmap_analyze_files) run on the caller's threads, and the pipeline start none: an analysis
/// keeps to the thread that asks for it. The runner gets user with each call, on the thread that asks for the batch, as many
/// images at a time as four times "threads"; it is used as long as the pipeline lives. NULL: threads of the pipeline's own,
/// as by default.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn covmap_options_set_runner(options: *mut Options, runner: RunnerCallback, user: *mut c_void) -> Status {
    guard_status(|| {
        // SAFETY: the header asks for options of covmap_options_new.
        let options = unsafe { pointer::exclusive(options, "options") }?;
        options.runner = runner.map(|call| Runner { call, user });
        Ok(())
    })
}

/// What the tasks of one call share.
struct Batch<'a, I, T> {
    inputs: &'a [I],
    work: &'a (dyn Fn(&I) -> Result<T> + Sync),
    /// A task that is called twice does nothing the second time.
    outcomes: Vec<OnceLock<Result<T>>>,
}

impl Runner {
    /// What `work` makes of each input, in their order.
    pub(crate) fn map<I, T>(self, inputs: &[I], work: &(dyn Fn(&I) -> Result<T> + Sync)) -> Result<Vec<Result<T>>>
    where
        I: Sync,
        T: Send + Sync,
    {
        let count = inputs.len();
        let batch = Batch { inputs, work, outcomes: inputs.iter().map(|_| OnceLock::new()).collect() };
        let data = (&raw const batch).cast_mut().cast();
        // SAFETY: the batch may be shared between threads and, by the header's rules, is used during this call only.
        let code = unsafe { (self.call)(self.user, Some(run::<I, T>), data, count) };
        if code != 0 {
            return Err(Error::Parameter(format!("the runner failed: it returned {code}")));
        }
        let missing = |index| Error::Parameter(format!("the runner returned without having called task {index} of {count}"));
        let outcomes = batch.outcomes.into_iter().enumerate();
        outcomes.map(|(index, outcome)| outcome.into_inner().ok_or_else(|| missing(index))).collect()
    }
}

unsafe extern "C" fn run<I, T>(data: *mut c_void, index: usize) {
    // SAFETY: the header asks for the data that came with the task: the batch of the call in progress.
    let Some(batch) = (unsafe { data.cast::<Batch<'_, I, T>>().as_ref() }) else { return };
    let (Some(input), Some(outcome)) = (batch.inputs.get(index), batch.outcomes.get(index)) else { return };
    outcome.get_or_init(|| contain(|| (batch.work)(input)).unwrap_or_else(|panic| Err(Error::Internal(format!("a panic: {panic}")))));
}

#[cfg(test)]
mod tests {
    use super::*;
    use covmap_core::ErrorKind;

    /// Squares, and what is wrong with some numbers.
    fn squares(call: unsafe extern "C" fn(*mut c_void, Task, *mut c_void, usize) -> c_int, n: u32) -> Result<Vec<Result<u32>>> {
        let inputs: Vec<u32> = (0..n).collect();
        let work = |input: &u32| match input {
            4 => Err(Error::Parameter("four".into())),
            5 => panic!("five"),
            n => Ok(n * n),
        };
        Runner { call, user: std::ptr::null_mut() }.map(&inputs, &work)
    }

    fn all_are_there(outcomes: &Result<Vec<Result<u32>>>) {
        for (n, outcome) in outcomes.as_ref().unwrap().iter().enumerate() {
            match n {
                4 => assert_eq!(outcome.as_ref().unwrap_err().kind(), ErrorKind::Parameter),
                5 => assert!(outcome.as_ref().unwrap_err().to_string().contains("five")),
                _ => assert_eq!(*outcome.as_ref().unwrap() as usize, n * n),
            }
        }
    }

    #[test]
    fn outcomes_keep_the_order_of_the_inputs_whatever_that_of_the_calls() {
        unsafe extern "C" fn backwards_and_twice(_: *mut c_void, task: Task, data: *mut c_void, count: usize) -> c_int {
            // SAFETY: task and data as they came; a strange index and no data do nothing.
            (0..count).rev().chain(0..count + 3).for_each(|i| unsafe { task.unwrap()(data, i) });
            // SAFETY: as above.
            unsafe { task.unwrap()(std::ptr::null_mut(), 0) };
            0
        }
        all_are_there(&squares(backwards_and_twice, 9));
        assert!(squares(backwards_and_twice, 0).unwrap().is_empty());
    }

    #[test]
    fn tasks_may_run_at_once() {
        unsafe extern "C" fn threads(_: *mut c_void, task: Task, data: *mut c_void, count: usize) -> c_int {
            let address = data as usize;
            // SAFETY: task and data as they came; the scope ends with its threads.
            let call = |i: usize| unsafe { task.unwrap()(address as *mut c_void, i) };
            std::thread::scope(|s| (0..count).for_each(|i| drop(s.spawn(move || call(i)))));
            0
        }
        all_are_there(&squares(threads, 20));
    }

    #[test]
    fn a_runner_that_leaves_a_task_out_or_fails_is_the_callers_mistake() {
        unsafe extern "C" fn all_but_one(_: *mut c_void, task: Task, data: *mut c_void, count: usize) -> c_int {
            // SAFETY: task and data as they came.
            (0..count).filter(|i| *i != 2).for_each(|i| unsafe { task.unwrap()(data, i) });
            0
        }
        unsafe extern "C" fn failing(_: *mut c_void, _: Task, _: *mut c_void, _: usize) -> c_int {
            7
        }
        let error = squares(all_but_one, 6).unwrap_err();
        assert_eq!((error.kind(), error.to_string().contains("task 2 of 6")), (ErrorKind::Parameter, true));
        let error = squares(failing, 6).unwrap_err();
        assert_eq!((error.kind(), error.to_string().contains("returned 7")), (ErrorKind::Parameter, true));
    }
}
