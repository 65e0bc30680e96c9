//! Which threads work on an analysis: the calling one alone, or a pool that network and pixel kernels share.

use std::cell::Cell;
use std::sync::Arc;

use rayon::ThreadPool;
use tract_linalg::multithread::Executor;

use crate::{Error, Result};

thread_local! {
    /// Whether pixel kernels stay on this thread.
    static ALONE: Cell<bool> = const { Cell::new(false) };
}

/// `None`: the calling thread.
#[derive(Debug, Clone)]
pub(crate) struct Threads(Option<Arc<ThreadPool>>);

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
        Ok(Threads(Some(Arc::new(pool.map_err(|e| Error::Internal(format!("{n} threads: {e}")))?))))
    }

    /// Runs `work`; the pixel kernels that it calls keep to these threads.
    pub(crate) fn run<T: Send>(&self, work: impl FnOnce() -> T + Send) -> T {
        match &self.0 {
            Some(pool) => pool.install(work),
            None => alone(work),
        }
    }

    /// How many they are.
    pub(crate) fn count(&self) -> usize {
        self.0.as_ref().map_or(1, |pool| pool.current_num_threads())
    }

    /// The same threads, as tract takes them.
    pub(crate) fn executor(&self) -> Executor {
        self.0.as_ref().map_or(Executor::SingleThread, |pool| Executor::MultiThread(pool.clone()))
    }
}

/// Runs `work`; the pixel kernels that it calls stay on this thread. A pool of one would be a second thread, which all
/// callers would wait for.
pub(crate) fn alone<T>(work: impl FnOnce() -> T) -> T {
    struct Restore(bool);
    impl Drop for Restore {
        fn drop(&mut self) {
            ALONE.set(self.0);
        }
    }
    let _restore = Restore(ALONE.replace(true));
    work()
}

/// Whether a pixel kernel may share its work out, to rayon's current pool.
pub(crate) fn may_share() -> bool {
    !ALONE.get()
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
