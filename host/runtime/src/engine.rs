//! The settings of wasmtime, which the host and the compiling child must share.

use wasmtime::{Config, Engine};

use crate::error::RuntimeError;

/// Address space set aside for a linear memory before it has to move: room for an ordinary exporter,
/// and little enough for a board with a 39-bit address space. It is not resident memory.
const MEMORY_RESERVATION: u64 = 16 << 20;
/// Unmapped space behind a linear memory; small offsets then need no check of their bounds.
const MEMORY_GUARD: u64 = 64 << 10;
/// Room to grow into after a linear memory had to move.
const MEMORY_GROWTH: u64 = 1 << 20;

/// An engine with the settings of this host. Native code of one fits every other made here by the
/// same program on the same processor.
pub(crate) fn new() -> Result<Engine, RuntimeError> {
    let mut config = Config::new();
    config
        .wasm_component_model(true)
        .epoch_interruption(true)
        .memory_reservation(MEMORY_RESERVATION)
        .memory_guard_size(MEMORY_GUARD)
        .memory_reservation_for_growth(MEMORY_GROWTH);
    Engine::new(&config).map_err(|error| RuntimeError::Engine {
        reason: format!("{error:#}"),
    })
}
