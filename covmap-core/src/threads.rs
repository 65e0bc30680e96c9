//! Which threads work on an analysis: the calling one alone, or a pool that network and pixel kernels share.
//!
//! A process that was forked has none of its parent's threads but the one that forked. A pool therefore remembers its process,
//! and in any other the calling thread works alone.

use std::cell::Cell;
use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};

use rayon::ThreadPool;
use tract_linalg::multithread::Executor;

use crate::{Error, Result};

thread_local! {
    /// Whether pixel kernels stay on this thread.
    static ALONE: Cell<bool> = const { Cell::new(false) };
}

/// `None`: the calling thread.
#[derive(Debug, Clone)]
pub(crate) struct Threads(Option<Arc<Pool>>);

#[derive(Debug)]
struct Pool {
    /// `Some` until it is dropped.
    threads: Option<Arc<ThreadPool>>,
    /// The process that has these threads.
    process: u32,
}

impl Pool {
    /// The pool where its threads exist.
    fn alive(&self) -> Option<&Arc<ThreadPool>> {
        self.threads.as_ref().filter(|_| self.process == std::process::id())
    }
}

impl Drop for Pool {
    fn drop(&mut self) {
        let threads = self.threads.take();
        // One of its locks may have been held at the fork, and nobody is left here to release it.
        if self.process != std::process::id() {
            std::mem::forget(threads);
        }
    }
}

impl Threads {
    /// The calling thread.
    pub(crate) const ONE: Self = Threads(None);

    /// The calling thread where `n` is 1, else a pool of `n`.
    pub(crate) fn new(n: usize) -> Result<Self> {
        match n {
            0 => return Err(Error::Parameter("threads must be at least 1".into())),
            1 => return Ok(Self::ONE),
            _ => (),
        }
        let pool = rayon::ThreadPoolBuilder::new().num_threads(n).thread_name(|i| format!("covmap-{i}")).build();
        let threads = Some(Arc::new(pool.map_err(|e| Error::Internal(format!("{n} threads: {e}")))?));
        Ok(Threads(Some(Arc::new(Pool { threads, process: std::process::id() }))))
    }

    /// Runs `work`; the pixel kernels that it calls keep to these threads.
    pub(crate) fn run<T: Send>(&self, work: impl FnOnce() -> T + Send) -> T {
        match self.pool() {
            Some(pool) => pool.install(work),
            None => alone(work),
        }
    }

    /// How many they are.
    pub(crate) fn count(&self) -> usize {
        self.pool().map_or(1, |pool| pool.current_num_threads())
    }

    /// The same threads, as tract takes them; without feature `tract-threads` the calling one.
    pub(crate) fn executor(&self) -> Executor {
        #[cfg(feature = "tract-threads")]
        if let Some(pool) = self.pool() {
            return Executor::MultiThread(pool.clone());
        }
        Executor::SingleThread
    }

    fn pool(&self) -> Option<&Arc<ThreadPool>> {
        self.0.as_ref()?.alive()
    }
}

/// Runs `work`; the pixel kernels that it calls stay on this thread. A pool of one would be a second thread, which all
/// callers would wait for.
pub fn alone<T>(work: impl FnOnce() -> T) -> T {
    struct Restore(bool);
    impl Drop for Restore {
        fn drop(&mut self) {
            ALONE.set(self.0);
        }
    }
    let _restore = Restore(ALONE.replace(true));
    work()
}

/// Two pieces of work: at the same time where this thread may share its work, one after the other within a batch, whose images
/// are what runs at the same time.
pub fn join<A: Send, B: Send>(a: impl FnOnce() -> A + Send, b: impl FnOnce() -> B + Send) -> (A, B) {
    if may_share() { rayon::join(a, b) } else { (a(), b()) }
}

/// Whether a pixel kernel may share its work out, to rayon's current pool: one of ours, or the process's own, whose threads
/// are those of the process that first asked.
pub(crate) fn may_share() -> bool {
    static PROCESS: AtomicU32 = AtomicU32::new(0);
    let this = std::process::id();
    let first = || PROCESS.compare_exchange(0, this, Ordering::Relaxed, Ordering::Relaxed).map_or_else(|first| first, |_| this);
    !ALONE.get() && (rayon::current_thread_index().is_some() || first() == this)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_pool_has_its_size_and_one_thread_is_the_callers() {
        let this = std::thread::current().id();
        let seen = || (std::thread::current().id(), may_share());
        assert_eq!(Threads::new(1).unwrap().run(seen), (this, false));
        let (other, shares) = Threads::new(3).unwrap().run(seen);
        assert!(other != this && shares);
        assert_eq!(Threads::new(3).unwrap().run(rayon::current_num_threads), 3);
        assert_eq!(Threads::new(0).unwrap_err().kind(), crate::ErrorKind::Parameter);
    }

    #[test]
    fn what_was_alone_is_so_until_its_end() {
        assert!(may_share());
        alone(|| {
            alone(|| ());
            assert!(!may_share());
        });
        assert!(may_share());
        let _ = std::panic::catch_unwind(|| alone(|| panic!("on purpose")));
        assert!(may_share());
    }
}
