//! Makes one message of the readings of each sensor in a batch, with their mean.

pub mod config;
pub mod means;

/// The contract in `wit/`, as Rust.
mod contract {
    wit_bindgen::generate!({
        path: "wit",
        world: "transform-plugin",
        pub_export_macro: true,
        default_bindings_module: "crate::contract",
    });
}

#[cfg(target_arch = "wasm32")]
mod transformer;
