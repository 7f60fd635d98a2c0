//! The contract of `wit/`, as Rust.
//!
//! Borrowing types spare a copy: a batch goes from the host's buffers straight into the guest's
//! memory.

wasmtime::component::bindgen!({
    path: "../../wit",
    world: "exporter-plugin",
    imports: { "millstream:plugin/streams": async },
    exports: { default: async },
    ownership: Borrowing { duplicate_if_necessary: true },
});

/// What an exporter may offer beside `exporter`.
pub(crate) mod canceling {
    wasmtime::component::bindgen!({
        path: "../../wit",
        world: "canceling-plugin",
        exports: { default: async },
        ownership: Borrowing { duplicate_if_necessary: true },
    });

    pub(crate) use exports::millstream::plugin::canceling::*;
}
