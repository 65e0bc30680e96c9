//! What Linux says of this process: memory, threads, open files, time on a processor.

use std::fs;

fn status(key: &str) -> u64 {
    let status = fs::read_to_string("/proc/self/status").expect("Linux has /proc");
    let line = status.lines().find_map(|l| l.strip_prefix(key)).expect("a line of the status");
    let kib: u64 = line.trim_start_matches(':').split_whitespace().next().and_then(|n| n.parse().ok()).expect("a number");
    kib * 1024
}

/// Bytes in memory now.
///
/// # Panics
/// Elsewhere than on Linux, as everything here.
pub fn resident() -> u64 {
    status("VmRSS")
}

/// Most bytes in memory since the start or [`forget_peak`].
///
/// # Panics
/// Elsewhere than on Linux.
pub fn peak() -> u64 {
    status("VmHWM")
}

/// Lets [`peak`] begin anew.
///
/// # Panics
/// Where the kernel does not allow it.
pub fn forget_peak() {
    fs::write("/proc/self/clear_refs", "5").expect("the peak can be forgotten");
}

/// Threads of this process.
///
/// # Panics
/// Elsewhere than on Linux.
pub fn threads() -> usize {
    fs::read_dir("/proc/self/task").expect("Linux has /proc").count()
}

/// Open files of this process.
///
/// # Panics
/// Elsewhere than on Linux.
pub fn handles() -> usize {
    fs::read_dir("/proc/self/fd").expect("Linux has /proc").count()
}

/// Nanoseconds that this thread has spent on a processor: what other programs do beside plays no part.
///
/// # Panics
/// Where the kernel keeps no such statistics.
pub fn processor_time() -> u64 {
    let statistics = fs::read_to_string("/proc/thread-self/schedstat").expect("scheduling statistics");
    statistics.split_whitespace().next().and_then(|n| n.parse().ok()).expect("a number")
}
