//! The settings of wasmtime, which the host and the compiling child must share.

use wasmtime::{Config, Engine};

use crate::error::RuntimeError;

/// Address space set aside for a linear memory where there is plenty: all that 32-bit code can
/// address, so that it needs no checks of bounds and runs an eighth faster. It is not resident memory.
const WHOLE_RESERVATION: u64 = 4 << 30;
/// The same where address space is scarce, before a memory has to move: room for an ordinary exporter.
const SMALL_RESERVATION: u64 = 16 << 20;
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
        // Nothing unwinds through guest code: traps end in the host, and panics of the host end before.
        // What a debugger would read is an eighth of the file, and reading it in costs memory.
        .native_unwind_info(false)
        .memory_reservation(memory_reservation())
        .memory_guard_size(MEMORY_GUARD)
        .memory_reservation_for_growth(MEMORY_GROWTH);
    Engine::new(&config).map_err(|error| RuntimeError::Engine {
        reason: format!("{error:#}"),
    })
}

/// Whether there is plenty of address space shows in where the system puts stacks, which is near the
/// top: kernels for small boards have 39 bits or less, others 47 or more.
fn memory_reservation() -> u64 {
    let on_the_stack = 0_u8;
    let address = (&raw const on_the_stack).addr() as u64;
    if address >= 1 << 40 {
        WHOLE_RESERVATION
    } else {
        SMALL_RESERVATION
    }
}
