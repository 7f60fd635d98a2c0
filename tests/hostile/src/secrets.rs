//! Secrets of others.

use millstream_plugin::secrets::get;
use serde::Deserialize;

use crate::attempts::report;
use crate::requests::send;

#[derive(Deserialize)]
pub(crate) struct Secrets {
    /// To be read.
    names: Vec<String>,
    /// To be sent: the template of a header, and where to.
    sent: Vec<(String, String)>,
}

impl Secrets {
    pub(crate) fn attempt(&self) {
        for name in &self.names {
            report(&format!("get {name}"), &get(name));
        }
        for (template, url) in &self.sent {
            let header = ("x-millstream-secret", template.as_str());
            report(&format!("send {template} to {url}"), &send(url, &[header]));
        }
    }
}
