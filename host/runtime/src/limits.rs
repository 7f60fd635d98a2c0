//! How much time and memory an instance may take.

use std::time::Duration;

use wasmtime::ResourceLimiter;

/// What one instance may take.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Limits {
    /// The most memory, in bytes: the sum of all linear memories and tables of the instance.
    pub memory: u64,
    /// The longest that one call may take, waiting in the host included, though not for bandwidth. For
    /// a producer, which runs without end, it caps the time limits of its HTTP requests.
    pub call_deadline: Duration,
    /// An exporter whose memory has grown beyond this many bytes is made anew after the call, since
    /// linear memory never shrinks.
    pub recycle_above: u64,
}

impl Default for Limits {
    /// 128 MiB, a minute a call, recycled above 96 MiB.
    fn default() -> Self {
        Self {
            memory: 128 << 20,
            call_deadline: Duration::from_secs(60),
            recycle_above: 96 << 20,
        }
    }
}

/// Core instances, tables and memories of one store. A Python component, the largest kind seen, is
/// made of some forty core modules.
const MAX_CORE_ITEMS: usize = 256;

/// Counts the memory of a store and refuses growth beyond the cap.
#[derive(Debug)]
pub(crate) struct MemoryLimiter {
    cap: u64,
    used: u64,
    last_growth: u64,
    refused: bool,
}

impl MemoryLimiter {
    pub(crate) fn new(cap: u64) -> Self {
        Self {
            cap,
            used: 0,
            last_growth: 0,
            refused: false,
        }
    }

    /// Bytes in use. Linear memory never shrinks, so neither does this.
    pub(crate) fn used(&self) -> u64 {
        self.used
    }

    /// The cap in bytes.
    pub(crate) fn cap(&self) -> u64 {
        self.cap
    }

    /// Whether growth was refused since the last call of this function.
    pub(crate) fn take_refused(&mut self) -> bool {
        std::mem::take(&mut self.refused)
    }

    fn grow(&mut self, bytes: u64) -> bool {
        match self.used.checked_add(bytes) {
            Some(total) if total <= self.cap => {
                self.used = total;
                self.last_growth = bytes;
                true
            }
            _ => {
                self.refused = true;
                false
            }
        }
    }

    fn undo_last_growth(&mut self) {
        self.used = self
            .used
            .saturating_sub(std::mem::take(&mut self.last_growth));
    }
}

impl ResourceLimiter for MemoryLimiter {
    fn memory_growing(
        &mut self,
        current: usize,
        desired: usize,
        maximum: Option<usize>,
    ) -> wasmtime::Result<bool> {
        if maximum.is_some_and(|maximum| desired > maximum) {
            return Ok(false);
        }
        Ok(self.grow(desired.saturating_sub(current) as u64))
    }

    fn memory_grow_failed(&mut self, _error: wasmtime::Error) -> wasmtime::Result<()> {
        // The system itself had no memory left.
        self.refused = true;
        self.undo_last_growth();
        Ok(())
    }

    fn table_growing(
        &mut self,
        current: usize,
        desired: usize,
        maximum: Option<usize>,
    ) -> wasmtime::Result<bool> {
        if maximum.is_some_and(|maximum| desired > maximum) {
            return Ok(false);
        }
        let elements = desired.saturating_sub(current) as u64;
        Ok(self.grow(elements.saturating_mul(size_of::<usize>() as u64)))
    }

    fn table_grow_failed(&mut self, _error: wasmtime::Error) -> wasmtime::Result<()> {
        self.undo_last_growth();
        Ok(())
    }

    fn instances(&self) -> usize {
        MAX_CORE_ITEMS
    }

    fn tables(&self) -> usize {
        MAX_CORE_ITEMS
    }

    fn memories(&self) -> usize {
        MAX_CORE_ITEMS
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn several_memories_share_one_cap() {
        let mut limiter = MemoryLimiter::new(100);
        assert!(limiter.memory_growing(0, 60, None).unwrap());
        assert!(!limiter.memory_growing(0, 60, None).unwrap());
        assert!(limiter.take_refused());
        assert!(limiter.memory_growing(0, 40, None).unwrap());
        assert_eq!(limiter.used(), 100);
        assert!(!limiter.take_refused());
    }

    #[test]
    fn tables_count_as_memory() {
        let mut limiter = MemoryLimiter::new(64);
        assert!(
            limiter
                .table_growing(0, 64 / size_of::<usize>(), None)
                .unwrap()
        );
        assert!(!limiter.table_growing(0, 1, None).unwrap());
    }

    #[test]
    fn growth_that_the_system_refuses_is_not_counted() {
        let mut limiter = MemoryLimiter::new(100);
        assert!(limiter.memory_growing(0, 60, None).unwrap());
        limiter
            .memory_grow_failed(wasmtime::Error::msg("no memory"))
            .unwrap();
        assert_eq!(limiter.used(), 0);
    }
}
