//! Calls that would not end.

use tempfile::TempDir;

use super::{Setting, Siege, attack};

const STOPPED: &str = "The exporter did not answer within 1 s and was stopped";

#[test]
fn an_endless_loop_is_stopped() {
    Siege::on_time(attack("endless-loop")).ends_with(STOPPED);
}

#[test]
fn an_endless_loop_leaves_the_only_slot_to_others_in_between() {
    let setting = Setting {
        exports: "parallel = 1",
        deadline: Some("1s"),
        ..Setting::default()
    };
    let attack = attack("endless-loop");
    Siege::begin(TempDir::new().unwrap(), attack, setting).ends_with(STOPPED);
}

#[test]
fn a_plugin_that_never_opens_is_stopped() {
    Siege::on_time(attack("endless-opening"))
        .ends_with("hostile (s/bad) did not answer within 1 s and was stopped");
}

#[test]
fn an_endless_loop_of_calls_to_the_host_is_stopped() {
    Siege::on_time(attack("endless-host-calls")).ends_with(STOPPED);
}

#[test]
fn a_sleep_for_ever_is_cut_off() {
    Siege::on_time(attack("sleep-for-ever")).ends_with(STOPPED);
}
