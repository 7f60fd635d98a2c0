//! A producer that does what its argument says, and nothing good: `hostile-producer endless-loop`.
//! `tests/scenarios/hostile/producers.rs` holds the host to stopping it.

#[cfg(target_arch = "wasm32")]
mod attack;

fn main() {
    #[cfg(target_arch = "wasm32")]
    attack::run();
}
