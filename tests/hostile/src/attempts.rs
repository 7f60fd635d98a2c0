//! What becomes of attempts, for the test to read.

use std::fmt::Debug;

use millstream_plugin::log;

/// Writes what became of one.
pub(crate) fn report<T, E: Debug>(name: &str, outcome: &Result<T, E>) {
    match outcome {
        Ok(_) => log::info(&format!("attempt {name}: got through")),
        Err(why) => log::info(&format!("attempt {name}: stopped ({why:?})")),
    }
}

/// There are no more.
pub(crate) fn over() {
    log::info("the attempts are over");
}
