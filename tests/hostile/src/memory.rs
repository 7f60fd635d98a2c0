//! More of everything than there is.

use std::hint::black_box;

use millstream_plugin::{ExportError, Undelivered};
use wasip2::clocks::monotonic_clock::subscribe_duration;
use wasip2::http::types::Fields;

mod hoard {
    wit_bindgen::generate!({
        inline: "
            package hostile:hoard;
            interface hoard {
                resource thing {}
            }
            world hoarder {
                export hoard;
            }
        ",
    });

    use exports::hostile::hoard::hoard::{Guest, GuestThing};

    pub(super) use exports::hostile::hoard::hoard::Thing;

    pub(super) struct Nothing;

    impl GuestThing for Nothing {}

    struct Hoarder;

    impl Guest for Hoarder {
        type Thing = Nothing;
    }

    export!(Hoarder);
}

/// Enough to be too many in any table.
const MANY: usize = 10_000_000;

pub(crate) fn grab() {
    let mut all = Vec::new();
    loop {
        all.push(black_box(vec![1_u8; 1 << 20]));
    }
}

pub(crate) fn recurse() {
    black_box(dive(black_box(0)));
}

/// What it does with the answer keeps the compiler from making a loop of it.
fn dive(depth: u64) -> u64 {
    if depth == u64::MAX {
        return 0;
    }
    let below = dive(depth + 1);
    depth.rotate_left((below % 7) as u32) ^ below
}

/// The host keeps something for each.
pub(crate) fn hold_handles_of_the_host() {
    for _ in 0..MANY {
        std::mem::forget(subscribe_duration(u64::MAX));
    }
}

/// As many headers as the host keeps for one instance, and one more.
pub(crate) fn hold_headers() {
    let value = vec![b'x'; 8 << 10];
    let mut all = Vec::new();
    for _ in 0..500 {
        let headers = Fields::new();
        for _ in 0..7 {
            let _ = headers.append("x-large", &value);
        }
        all.push(headers);
    }
    if let Some(headers) = all.first() {
        let _ = headers.append("x-large", &value);
    }
}

/// Here the host keeps nothing but the number.
pub(crate) fn hold_handles_of_its_own() {
    for _ in 0..MANY {
        std::mem::forget(hoard::Thing::new(hoard::Nothing));
    }
}

pub(crate) fn giant_answer() -> Result<Vec<Undelivered>, ExportError> {
    Err(ExportError::denied("x".repeat(80 << 20)))
}
