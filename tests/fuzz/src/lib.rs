//! Fuzzing of the protocol: bytes that a fuzzer makes up, against what `host/protocol` promises for
//! any bytes.
//!
//! There is a target for the frame decoder, for each request, for operations that nobody knows, for
//! the responses that our own client reads, and for definitions as they are kept on disk. A target
//! is nothing but a name: the checks are in `host/protocol/tests/frames/properties.rs`, and the
//! tests of that crate run them too, on a fixed number of inputs. Among what they promise are bounds
//! of memory, counted by the allocator in `allocations.rs`; work without an end is found by the
//! time limit of libFuzzer.
//!
//! # Running
//!
//! ```text
//! cargo install cargo-fuzz
//! cargo xtask fuzz                                  every target for a minute
//! cargo xtask fuzz create --minutes 10              one target, as long as you like
//! cargo xtask fuzz create --keep                    and then keep what it found as seeds
//! ```
//!
//! or without xtask
//!
//! ```text
//! RUSTC_BOOTSTRAP=1 cargo fuzz run --fuzz-dir tests/fuzz frame_decoder
//! ```
//!
//! where the variable stands in for a nightly compiler, which the address sanitizer asks for. This
//! crate is a workspace of its own, so that no other build compiles libFuzzer. What a run leaves
//! (`target`, `corpus`, `artifacts`) is not checked in.
//!
//! # Seeds
//!
//! `seeds` has a file for each target, an input in hexadecimal digits on each line: the recorded
//! frames of `tests/fixtures` and what was found from there, minimised to one input for each branch
//! of the code. xtask lays them out for the fuzzer, and the tests check each of them, whole and
//! damaged.
//!
//! # When a target fails
//!
//! The fuzzer prints the input and stores it in `artifacts`;
//! `cargo fuzz tmin --fuzz-dir tests/fuzz TARGET FILE` makes it smaller. Turn it into a test beside
//! the code that is at fault, see the test fail, and mend the code.

#[path = "../../../host/protocol/tests/frames/allocations.rs"]
mod allocations;
#[path = "../../../host/protocol/tests/frames/properties.rs"]
mod properties;

/// Checks one input for a target.
///
/// # Panics
/// If a promise of `host/protocol` does not hold on it, or there is no such target.
pub fn check(target: &str, input: &[u8]) {
    let check = properties::CHECKS.iter().find(|(name, _)| *name == target);
    let (_, check) = check.expect("every target has a check of its name");
    check(input);
}
