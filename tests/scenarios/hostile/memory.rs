//! More than there is.

use super::{Siege, attack};

#[test]
fn a_grab_for_memory_ends_at_the_cap() {
    Siege::without_grants(attack("memory-grab"))
        .ends_with("The exporter wanted more than its 33554432 bytes of memory and was stopped");
}

#[test]
fn a_deep_recursion_ends_at_the_bottom_of_its_own_stack() {
    Siege::without_grants(attack("deep-recursion"))
        .ends_with("The exporter crashed: wasm trap: call stack exhausted");
}

#[test]
fn millions_of_handles_of_the_host_are_stopped_at_512() {
    Siege::without_grants(attack("host-handles"))
        .ends_with("The exporter crashed: it held more than 512 resources of the host");
}

#[test]
fn millions_of_handles_of_its_own_are_stopped_at_the_most_of_an_instance() {
    Siege::without_grants(attack("own-handles"))
        .ends_with("The exporter crashed: cannot allocate another handle");
}

#[test]
fn ending_the_program_ends_the_instance_alone() {
    Siege::without_grants(attack("end"))
        .ends_with("The exporter crashed: Exited with i32 exit status 0");
}

#[test]
fn waiting_for_a_million_things_at_once_is_stopped() {
    Siege::without_grants(attack("poll-crowd"))
        .ends_with("The exporter crashed: cannot lend resource: store handle limit exceeded");
}

#[test]
fn headers_without_end_are_bounded_in_each_request_and_in_all() {
    Siege::without_grants(attack("headers"))
        .ends_with("The exporter crashed: total size of fields exceeds limit");
}

#[test]
fn an_answer_that_is_too_large_is_not_taken() {
    // It has to be made first: 80 MiB do not fit into the memory of the other tests.
    let siege = Siege::with_memory(attack("giant-answer"), "256 MiB");
    siege.ends_with("The exporter crashed: too much data is being copied");
}
