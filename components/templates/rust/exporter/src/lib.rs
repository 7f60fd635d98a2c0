//! Posts each batch as JSON lines to a URL.

pub mod config;
pub mod lines;

/// The contract in `wit/`, as Rust.
mod contract {
    wit_bindgen::generate!({
        path: "wit",
        world: "exporter-plugin",
        pub_export_macro: true,
        default_bindings_module: "crate::contract",
    });
}

#[cfg(target_arch = "wasm32")]
mod exporter;
