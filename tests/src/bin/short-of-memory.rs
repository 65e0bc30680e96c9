//! `short-of-memory N`: reads and analyses a phantom while the Nth large allocation is refused. Exits with 0 where the result
//! is the right one, 1 with an error, 3 with a wrong result; or aborts, as Rust does where nobody expects the refusal.

use std::alloc::{GlobalAlloc, Layout, System};
use std::process::ExitCode;
use std::sync::atomic::{AtomicUsize, Ordering};

use covmap_core::phantom::Opacities;
use covmap_core::{Fusion, Pipeline, Radiograph};
use covmap_tests::models::little_model;
use covmap_tests::phantom;

/// Smaller ones are everywhere, and never what memory ends at.
const LARGE: usize = 4096;

/// Refuses one allocation. What it counts down from; 0 is past it, and the start.
struct Refusing(AtomicUsize);

#[global_allocator]
static ALLOCATOR: Refusing = Refusing(AtomicUsize::new(0));

impl Refusing {
    fn refuses(&self, size: usize) -> bool {
        let down = |left: usize| left.checked_sub(1);
        size >= LARGE && self.0.fetch_update(Ordering::Relaxed, Ordering::Relaxed, down) == Ok(1)
    }
}

// SAFETY: the system's allocator, which may refuse, as any may.
#[allow(unsafe_code)]
unsafe impl GlobalAlloc for Refusing {
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        // SAFETY: the caller's promise is what the system asks for.
        if self.refuses(layout.size()) { std::ptr::null_mut() } else { unsafe { System.alloc(layout) } }
    }

    unsafe fn dealloc(&self, pointer: *mut u8, layout: Layout) {
        // SAFETY: it came from the system.
        unsafe { System.dealloc(pointer, layout) }
    }

    unsafe fn realloc(&self, pointer: *mut u8, layout: Layout, size: usize) -> *mut u8 {
        // SAFETY: it came from the system; the caller's promise is what the system asks for.
        if self.refuses(size) { std::ptr::null_mut() } else { unsafe { System.realloc(pointer, layout, size) } }
    }
}

fn main() -> ExitCode {
    let nth = std::env::args().nth(1).and_then(|n| n.parse().ok()).expect("a number");
    let pipeline = Pipeline::of(vec![little_model(1.0)], Fusion::default(), 1).expect("a pipeline");
    let file = phantom(1, Opacities::Moderate, 300, 200).to_png().expect("a PNG file");
    let expected = pipeline.analyze(&Radiograph::from_bytes(&file).expect("readable")).expect("analysed");
    ALLOCATOR.0.store(nth, Ordering::Relaxed);
    let found = Radiograph::from_bytes(&file).and_then(|radiograph| pipeline.analyze(&radiograph));
    let left = ALLOCATOR.0.swap(0, Ordering::Relaxed);
    if left > 0 {
        println!("none refused: {left} too far");
    }
    match found {
        Ok(found) if found == expected => ExitCode::SUCCESS,
        Ok(_) => {
            eprintln!("a wrong result");
            ExitCode::from(3)
        }
        Err(e) => {
            eprintln!("covmap: {e}");
            ExitCode::FAILURE
        }
    }
}
