//! The official Python SDK under load. What it does call by call is in the conformance suite.

use millstream_tests::{Host, run_script};

#[test]
fn many_threads_share_one_sdk_client_and_every_append_gets_its_own_answer() {
    let host = Host::start("");
    let printed = run_script("sdk_threads.py", &[&host.port().to_string()]);
    assert!(
        printed.contains("1600 appends, each with a number of its own"),
        "{printed}"
    );
}
