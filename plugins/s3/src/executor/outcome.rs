//! How a step of a task ends.

use millstream_plugin::ExportError;

use crate::service::{Fault, Object};

/// A step that did what it should.
#[derive(Debug)]
pub(super) enum Step {
    /// The object is there; what is told of it.
    Done(String),
    /// There is more to do; how far it is.
    Working(String),
}

impl Step {
    pub(super) fn uploaded(object: Object<'_>, bytes: u64) -> Self {
        Self::Done(format!("{bytes} bytes were uploaded to {object}."))
    }
}

/// A step that did not.
#[derive(Debug)]
pub(super) enum Stop {
    /// The task can never succeed.
    Failed(String),
    /// It may, later.
    Later(ExportError),
}

impl From<Fault> for Stop {
    /// An upload that is gone is looked at where it is known what that means; elsewhere it is a service
    /// that contradicts itself.
    fn from(fault: Fault) -> Self {
        match fault {
            Fault::Later(error) => Self::Later(error),
            Fault::Never(reason) => Self::Failed(reason),
            Fault::UploadGone(reason) => Self::Later(ExportError::unavailable(reason)),
        }
    }
}
