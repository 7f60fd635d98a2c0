//! A fixed number of random damages, the same in every run, and what the fuzzers found.

use std::fs;

use fastrand::Rng;

use crate::mutation::{damage_bytes, mutate};
use crate::properties::{CHECKS, Check, frames, request, response};
use crate::support::{Fixture, fixtures, from_hex};
use crate::watchdog::Watchdog;

/// Inputs of one test.
const CASES: usize = 60_000;

/// An input of a check that begins with an operation code.
fn coded(operation: u8, payload: &[u8]) -> Vec<u8> {
    [&[operation], payload].concat()
}

/// Reads an operation code and a payload, from either side.
fn either(input: &[u8]) {
    if let Some((&operation, payload)) = input.split_first() {
        request(operation, payload);
        response(operation, payload);
    }
}

/// What the fuzzers found interesting: checks, and an input for each.
fn found() -> Vec<(&'static str, Check, Vec<u8>)> {
    let folder = concat!(env!("CARGO_MANIFEST_DIR"), "/../../tests/fuzz/seeds");
    let inputs = |name: &str| fs::read_to_string(format!("{folder}/{name}.hex")).unwrap();
    CHECKS
        .into_iter()
        .flat_map(|(name, check)| {
            let inputs = inputs(name);
            let inputs: Vec<_> = inputs.lines().map(from_hex).collect();
            inputs.into_iter().map(move |input| (name, check, input))
        })
        .collect()
}

#[test]
fn what_the_fuzzers_found_keeps_every_promise() {
    let watchdog = Watchdog::new();
    for (name, check, input) in found() {
        watchdog.run(name, check, &input);
    }
}

#[test]
fn mutations_of_what_the_fuzzers_found_keep_every_promise() {
    let watchdog = Watchdog::new();
    let mut rng = Rng::with_seed(1);
    let found = found();
    for _ in 0..CASES {
        let (name, check, input) = rng.choice(&found).unwrap();
        let (_, _, other) = rng.choice(&found).unwrap();
        let mut input = input.clone();
        mutate(&mut input, other, &mut rng);
        watchdog.run(name, *check, &input);
    }
}

#[test]
fn mutated_requests_and_responses_keep_every_promise() {
    let watchdog = Watchdog::new();
    let mut rng = Rng::with_seed(2);
    let frames: Vec<_> = fixtures().iter().map(Fixture::frame).collect();
    for _ in 0..CASES {
        let frame = rng.choice(&frames).unwrap();
        let other = rng.choice(&frames).unwrap();
        let mut payload = frame.payload.to_vec();
        mutate(&mut payload, &other.payload, &mut rng);
        // Now and then the payload of one operation comes with the code of another.
        let operation = match rng.u8(..16) {
            0 => rng.u8(..20),
            _ => frame.operation,
        };
        watchdog.run("either", either, &coded(operation, &payload));
    }
}

#[test]
fn mutated_runs_of_frames_keep_every_promise() {
    let watchdog = Watchdog::new();
    let mut rng = Rng::with_seed(3);
    let fixtures = fixtures();
    for _ in 0..CASES {
        let mut input = vec![rng.u8(..), rng.u8(..), rng.u8(..), rng.u8(..), rng.u8(..)];
        for _ in 0..rng.u8(1..5) {
            let mut frame = rng.choice(&fixtures).unwrap().bytes.clone();
            match rng.u8(..4) {
                // Another length, near to the right one or any.
                0 => frame[3] = frame[3].wrapping_add(rng.u8(..)),
                1 => frame[rng.usize(..4)] = rng.u8(..),
                2 => damage_bytes(&mut frame, &input, &mut rng),
                _ => {}
            }
            input.extend_from_slice(&frame);
        }
        watchdog.run("frame_decoder", frames, &input);
    }
}
