//! The contract of `wit/`, as Rust.
//!
//! Borrowing types spare a copy: a batch goes from the host's buffers straight into the guest's
//! memory.

wasmtime::component::bindgen!({
    path: "../../wit",
    world: "exporter-plugin",
    imports: {
        "millstream:plugin/secrets": async,
        "millstream:plugin/streams": async,
    },
    exports: { default: async },
    ownership: Borrowing { duplicate_if_necessary: true },
});

/// What producers have and exporters do not.
pub(crate) mod producing {
    wasmtime::component::bindgen!({
        path: "../../wit",
        world: "producer-plugin",
        imports: { "millstream:plugin/stop": async },
        with: {
            "millstream:plugin/log": crate::contract::millstream::plugin::log,
            "millstream:plugin/secrets": crate::contract::millstream::plugin::secrets,
            "millstream:plugin/streams": crate::contract::millstream::plugin::streams,
            "millstream:plugin/types": crate::contract::millstream::plugin::types,
        },
    });

    pub(crate) use millstream::plugin::stop;
}

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

/// What a transform offers. It imports what an exporter may, through the same code.
pub(crate) mod transform {
    wasmtime::component::bindgen!({
        path: "../../wit",
        world: "transform-plugin",
        exports: { default: async },
        ownership: Borrowing { duplicate_if_necessary: true },
        with: {
            "millstream:plugin/types": crate::contract::millstream::plugin::types,
            "millstream:plugin/log": crate::contract::millstream::plugin::log,
            "millstream:plugin/secrets": crate::contract::millstream::plugin::secrets,
            "millstream:plugin/streams": crate::contract::millstream::plugin::streams,
        },
    });

    pub(crate) use exports::millstream::plugin::transformer::*;
}
