//! What a piece of code allocates: a global allocator that counts for each thread on its own.

use std::alloc::{GlobalAlloc, Layout, System};
use std::cell::Cell;

#[global_allocator]
static COUNTING: Counting = Counting;

thread_local! {
    /// Bytes that the thread holds beyond those it held when the count began.
    static HELD: Cell<isize> = const { Cell::new(0) };
    /// The most it ever held since then.
    static PEAK: Cell<isize> = const { Cell::new(0) };
}

/// The system's allocator, counted. Growing counts as both blocks at once: a copy may need them.
struct Counting;

fn count(change: isize) {
    // A thread that is ending may have no counters any more.
    let _ = HELD.try_with(|held| {
        let now = held.get().saturating_add(change);
        held.set(now);
        PEAK.try_with(|peak| peak.set(peak.get().max(now)))
    });
}

fn size(layout: Layout) -> isize {
    // A layout is never larger than this.
    isize::try_from(layout.size()).unwrap_or(isize::MAX)
}

// SAFETY: both methods pass on what they are given to an allocator that keeps the contract, and
// counting neither allocates nor unwinds.
unsafe impl GlobalAlloc for Counting {
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        count(size(layout));
        // SAFETY: the caller keeps the contract.
        unsafe { System.alloc(layout) }
    }

    unsafe fn dealloc(&self, block: *mut u8, layout: Layout) {
        count(-size(layout));
        // SAFETY: the caller keeps the contract, and the block came from this allocator.
        unsafe { System.dealloc(block, layout) }
    }
}

/// Runs `work`, and returns with its result the most bytes that were allocated at one time while it
/// ran.
pub(crate) fn peak_of<T>(work: impl FnOnce() -> T) -> (T, usize) {
    HELD.set(0);
    PEAK.set(0);
    let result = work();
    (result, PEAK.get().unsigned_abs())
}
