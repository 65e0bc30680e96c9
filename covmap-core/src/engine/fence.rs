//! For tests: memory whose neighbouring pages nobody may touch. An access beyond an allocation, or to one that was freed, ends
//! the process.

use std::alloc::{GlobalAlloc, Layout, System};
use std::cell::Cell;
use std::sync::OnceLock;
use std::sync::atomic::{AtomicUsize, Ordering};

/// Address space to give out, each page of it once.
const ROOM: usize = 64 << 30;
const PAGE: usize = 4096;

/// Where the forbidden page lies.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Side {
    Before,
    After,
}

thread_local! {
    static SIDE: Cell<Option<Side>> = const { Cell::new(None) };
}

struct Fence {
    base: OnceLock<usize>,
    used: AtomicUsize,
}

#[global_allocator]
static FENCE: Fence = Fence { base: OnceLock::new(), used: AtomicUsize::new(0) };

/// Runs `work` on a thread of its own, whose allocations are fenced; scratch memory that a thread keeps is new there.
pub(crate) fn within<T: Send>(side: Side, work: impl FnOnce() -> T + Send) -> T {
    let fenced = move || {
        SIDE.set(Some(side));
        let result = work();
        SIDE.set(None);
        result
    };
    std::thread::scope(|scope| scope.spawn(fenced).join()).unwrap_or_else(|panic| std::panic::resume_unwind(panic))
}

impl Fence {
    fn base(&self) -> usize {
        // SAFETY: a new mapping, of no memory yet.
        let map = || unsafe {
            libc::mmap(std::ptr::null_mut(), ROOM, libc::PROT_NONE, libc::MAP_PRIVATE | libc::MAP_ANONYMOUS | libc::MAP_NORESERVE, -1, 0)
        };
        *self.base.get_or_init(|| map().addr())
    }

    fn fenced(&self, side: Side, layout: Layout) -> *mut u8 {
        let pages = layout.size().next_multiple_of(PAGE);
        // One forbidden page follows each allocation, and so precedes the next.
        let at = PAGE + self.used.fetch_add(pages + PAGE, Ordering::Relaxed);
        let base = self.base();
        if base == libc::MAP_FAILED.addr() || at + pages + PAGE > ROOM || layout.align() > PAGE {
            return std::ptr::null_mut();
        }
        let start: *mut u8 = std::ptr::with_exposed_provenance_mut(base + at);
        // SAFETY: pages of the mapping that nobody was given.
        if unsafe { libc::mprotect(start.cast(), pages, libc::PROT_READ | libc::PROT_WRITE) } != 0 {
            return std::ptr::null_mut();
        }
        let inset = match side {
            Side::Before => 0,
            Side::After => (pages - layout.size()) / layout.align() * layout.align(),
        };
        // SAFETY: within those pages.
        unsafe { start.add(inset) }
    }
}

// SAFETY: the system's allocator, or pages given out once.
unsafe impl GlobalAlloc for Fence {
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        match SIDE.get() {
            Some(side) => self.fenced(side, layout),
            // SAFETY: the caller's promise is what the system asks for.
            None => unsafe { System.alloc(layout) },
        }
    }

    unsafe fn dealloc(&self, pointer: *mut u8, layout: Layout) {
        let base = self.base.get().copied().unwrap_or(usize::MAX);
        if pointer.addr().checked_sub(base).is_none_or(|at| at >= ROOM) {
            // SAFETY: it came from the system.
            return unsafe { System.dealloc(pointer, layout) };
        }
        let start = pointer.map_addr(|a| a / PAGE * PAGE);
        // SAFETY: pages of the mapping that were this allocation's alone.
        unsafe {
            libc::madvise(start.cast(), layout.size().next_multiple_of(PAGE), libc::MADV_DONTNEED);
            libc::mprotect(start.cast(), layout.size().next_multiple_of(PAGE), libc::PROT_NONE);
        }
    }
}

#[test]
fn what_steps_over_the_fence_ends() {
    let step = std::env::var("COVMAP_STEP_OVER").ok();
    let Some(step) = step else {
        for step in ["before", "after", "freed", "inside"] {
            let this = std::env::current_exe().unwrap();
            let name = "engine::fence::what_steps_over_the_fence_ends";
            let ended = std::process::Command::new(this).args(["--exact", name]).env("COVMAP_STEP_OVER", step).output().unwrap();
            assert_eq!(ended.status.success(), step == "inside", "{step}: {ended:?}");
        }
        return;
    };
    let side = if step == "before" { Side::Before } else { Side::After };
    within(side, || {
        let floats = vec![1f32; 1000];
        let first = floats.as_ptr();
        let at: isize = match step.as_str() {
            "before" => -1,
            "after" => 1000,
            _ => 999,
        };
        if step == "freed" {
            drop(floats);
        }
        // SAFETY: none but in "inside": the process is to end here.
        let value = unsafe { first.wrapping_offset(at).read_volatile() };
        assert_eq!(value, 1.0);
    });
}
