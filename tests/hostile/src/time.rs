//! Calls that do not end.

use std::hint::black_box;

use wasip2::clocks::monotonic_clock::{now, subscribe_duration};
use wasip2::io::poll::poll;
use wasip2::random::random::get_random_bytes;

pub(crate) fn loop_for_ever() {
    let mut number = 0_u64;
    loop {
        number = black_box(number.wrapping_mul(3).wrapping_add(1));
    }
}

pub(crate) fn call_the_host_for_ever() {
    loop {
        black_box(now());
        black_box(get_random_bytes(1024));
    }
}

pub(crate) fn sleep_for_ever() {
    subscribe_duration(u64::MAX).block();
}

/// One thing that never happens, a million times.
pub(crate) fn wait_for_a_crowd() {
    let never = subscribe_duration(u64::MAX);
    black_box(poll(&vec![&never; 1_000_000]));
}
