//! Streams of others.

use millstream_plugin::streams::{ReadOptions, append, read};
use serde::Deserialize;

use crate::attempts::report;

#[derive(Deserialize)]
pub(crate) struct Streams {
    names: Vec<String>,
}

impl Streams {
    pub(crate) fn attempt(&self) {
        for name in &self.names {
            let options = ReadOptions {
                start: 0,
                min_count: 1,
                max_count: 10,
                timeout_ms: 0,
            };
            report(&format!("read {name}"), &read(name, options));
            let payload = b"from the hostile plugin".to_vec();
            report(&format!("append {name}"), &append(name, &[payload]));
        }
    }
}
