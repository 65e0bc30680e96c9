//! Several threads on the steps of one run, one step after the other.
//!
//! A network has scores of steps of a few tens of microseconds: waking threads anew for each costs as much as a step. So a
//! run's helpers stay for the whole run and watch for the next step. Nobody waits for a helper that has not come: the leader
//! works through whatever is left, and a helper that comes late joins at the step in progress. Two runs that share a pool
//! therefore never wait for each other.

use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering::*};

/// Tries before a waiting thread offers its processor to others: about ten microseconds.
const PATIENCE: usize = 400;

/// Shares of one step, one a thread: the next task of each.
#[derive(Debug)]
struct Progress {
    next: Vec<AtomicUsize>,
    done: AtomicUsize,
}

/// `tasks[i]` are how many tasks step `i` has.
#[derive(Debug)]
pub(super) struct Team<'a> {
    tasks: &'a [usize],
    progress: Vec<Progress>,
    /// Steps that may be worked on: all before this one are over but for the last.
    open: AtomicUsize,
    over: AtomicBool,
    threads: usize,
}

/// Counts a task as done even if it panics, so that nobody waits for it for ever; the pool hands the panic on.
struct Done<'a>(&'a AtomicUsize);

impl Drop for Done<'_> {
    fn drop(&mut self) {
        self.0.fetch_add(1, Release);
    }
}

/// Sends the helpers home however the leader leaves.
struct Over<'a>(&'a AtomicBool);

impl Drop for Over<'_> {
    fn drop(&mut self) {
        self.0.store(true, Release);
    }
}

impl<'a> Team<'a> {
    pub(super) fn new(tasks: &'a [usize], threads: usize) -> Self {
        let share = |n: usize| move |t: usize| AtomicUsize::new(n * t / threads);
        let progress = tasks.iter().map(|n| Progress { next: (0..threads).map(share(*n)).collect(), done: AtomicUsize::new(0) });
        Team { tasks, progress: progress.collect(), open: AtomicUsize::new(0), over: AtomicBool::new(false), threads }
    }

    /// Calls `between(step)` and then `work(step, task)` for each of its tasks, step after step, on this thread and on those of
    /// rayon's current pool that are free. A step begins when the one before it is done.
    pub(super) fn run<E>(&self, between: &mut dyn FnMut(usize) -> Result<(), E>, work: &(dyn Fn(usize, usize) + Sync)) -> Result<(), E> {
        rayon::in_place_scope(|scope| {
            let _over = Over(&self.over);
            (1..self.threads).for_each(|who| scope.spawn(move |_| self.help(who, work)));
            for step in 0..self.tasks.len() {
                between(step)?;
                self.open.store(step + 1, Release);
                self.take(step, 0, work);
                wait(|| self.progress[step].done.load(Acquire) == self.tasks[step]);
            }
            Ok(())
        })
    }

    fn help(&self, who: usize, work: &(dyn Fn(usize, usize) + Sync)) {
        let mut step = 0;
        loop {
            wait(|| self.open.load(Acquire) > step || self.over.load(Acquire));
            let open = self.open.load(Acquire);
            if self.over.load(Acquire) || open <= step {
                return;
            }
            step = open;
            self.take(step - 1, who, work);
        }
    }

    /// The tasks of one's own share, in which the same rows of step after step lie, then what others have left.
    fn take(&self, step: usize, who: usize, work: &(dyn Fn(usize, usize) + Sync)) {
        let progress = &self.progress[step];
        for share in (0..self.threads).map(|i| (who + i) % self.threads) {
            let end = self.tasks[step] * (share + 1) / self.threads;
            loop {
                let task = progress.next[share].fetch_add(1, Relaxed);
                if task >= end {
                    break;
                }
                let _done = Done(&progress.done);
                work(step, task);
            }
        }
    }
}

fn wait(until: impl Fn() -> bool) {
    let mut tries = 0;
    while !until() {
        tries += 1;
        if tries < PATIENCE { std::hint::spin_loop() } else { std::thread::yield_now() }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::panic::{AssertUnwindSafe, catch_unwind};

    fn pool(n: usize) -> rayon::ThreadPool {
        rayon::ThreadPoolBuilder::new().num_threads(n).build().unwrap()
    }

    /// Each task once, and none before the step before it is over.
    fn runs_in_order(pool: &rayon::ThreadPool, threads: usize) {
        let tasks: Vec<usize> = (0..200).map(|i| i * 7 % 12).collect();
        let counts: Vec<AtomicUsize> = tasks.iter().map(|_| AtomicUsize::new(0)).collect();
        let work = |step: usize, task: usize| {
            assert!(task < tasks[step]);
            assert!((0..step).all(|s| counts[s].load(Acquire) == tasks[s]));
            counts[step].fetch_add(1, AcqRel);
        };
        pool.install(|| Team::new(&tasks, threads).run::<()>(&mut |_| Ok(()), &work)).unwrap();
        assert!(counts.iter().zip(&tasks).all(|(c, n)| c.load(Acquire) == *n));
    }

    #[test]
    fn every_task_runs_once_and_steps_keep_their_order() {
        for threads in [2, 3, 8] {
            runs_in_order(&pool(threads), threads);
        }
        // Fewer threads than asked for: the leader does the rest.
        runs_in_order(&pool(1), 4);
    }

    #[test]
    fn runs_that_share_a_pool_do_not_wait_for_each_other() {
        let pool = pool(2);
        std::thread::scope(|s| (0..6).for_each(|_| drop(s.spawn(|| (0..20).for_each(|_| runs_in_order(&pool, 2))))));
    }

    #[test]
    fn a_run_ends_where_it_is_told_to_and_where_a_task_panics() {
        let pool = pool(3);
        let stop = |at: usize| move |step: usize| if step == at { Err(step) } else { Ok(()) };
        let told = pool.install(|| Team::new(&[4; 9], 3).run(&mut stop(5), &|step, _| assert!(step < 5)));
        assert_eq!(told, Err(5));
        for bad in 0..12 {
            let run = || Team::new(&[12; 3], 3).run::<()>(&mut |_| Ok(()), &|step, task| assert!(step != 1 || task != bad));
            assert!(catch_unwind(AssertUnwindSafe(|| pool.install(run))).is_err());
        }
    }
}
