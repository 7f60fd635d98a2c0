//! The official Python SDK, unmodified.

use millstream_tests::{Host, run_script};

#[test]
fn the_official_python_sdk_does_every_call_of_the_protocol() {
    let host = Host::start("");
    let printed = run_script("sdk_calls.py", &[&host.port().to_string()]);
    assert!(
        printed.contains("every call did what it should"),
        "{printed}"
    );
}

#[test]
fn many_threads_share_one_sdk_client_and_every_append_gets_its_own_answer() {
    let host = Host::start("");
    let printed = run_script("sdk_threads.py", &[&host.port().to_string()]);
    assert!(
        printed.contains("1600 appends, each with a number of its own"),
        "{printed}"
    );
}
