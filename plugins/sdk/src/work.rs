//! Work that is longer than one call, such as the upload of a large file.
//!
//! Each call of [`export`](crate::Exporter::export) does a part of it, [`remember`]s how far it is, says
//! that it is [`in_progress`], and returns the messages that are not done as
//! [`Undelivered::retry`](crate::Undelivered::retry). They come again at once, and [`recall`] gives back
//! what was remembered, also after a crash or a restart of the device.
//!
//! On the developer's own machine, where no host is, a thread remembers for itself, and
//! [`take_progress`] shows a test what was said of progress.

/// The most bytes that an export can remember.
pub const MAX_REMEMBERED: usize = 16 << 10;

/// What this export remembers: what the last call that returned has left; none if nothing.
pub fn recall() -> Option<Vec<u8>> {
    host::recall()
}

/// Remembers bytes for the calls to come, or nothing. They are kept when the call returns, with whatever
/// result, together with the export's place in the stream: both or none. What `open` remembers is
/// dropped.
///
/// # Errors
///
/// There are more than [`MAX_REMEMBERED`] bytes; a sentence says so. What was remembered before stays.
pub fn remember(bytes: Option<&[u8]>) -> Result<(), String> {
    match bytes {
        Some(bytes) if bytes.len() > MAX_REMEMBERED => Err(format!(
            "An export can remember {MAX_REMEMBERED} bytes, and these are {}.",
            bytes.len()
        )),
        _ => host::remember(bytes),
    }
}

/// Says that this call has done a part of its work and that the next goes on with it: what it returns as
/// retry comes again at once and is no failure. The text tells an operator how far the work is, such as
/// `uploading report.bin: 12 of 50 parts`.
pub fn in_progress(text: &str) {
    host::in_progress(text);
}

#[cfg(not(target_arch = "wasm32"))]
pub use host::take_progress;

#[cfg(target_arch = "wasm32")]
mod host {
    use crate::contract::bindings::millstream::plugin::work;

    pub(super) fn recall() -> Option<Vec<u8>> {
        work::recall()
    }

    pub(super) fn remember(bytes: Option<&[u8]>) -> Result<(), String> {
        work::remember(bytes).map_err(|work::WorkError::TooLarge(most)| {
            format!("The host lets an export remember {most} bytes.")
        })
    }

    pub(super) fn in_progress(text: &str) {
        work::in_progress(text);
    }
}

/// Stands in where no host is.
#[cfg(not(target_arch = "wasm32"))]
mod host {
    use std::cell::RefCell;

    thread_local! {
        static REMEMBERED: RefCell<Option<Vec<u8>>> = const { RefCell::new(None) };
        static PROGRESS: RefCell<Option<String>> = const { RefCell::new(None) };
    }

    pub(super) fn recall() -> Option<Vec<u8>> {
        REMEMBERED.with_borrow(Clone::clone)
    }

    pub(super) fn remember(bytes: Option<&[u8]>) -> Result<(), String> {
        REMEMBERED.set(bytes.map(<[u8]>::to_vec));
        Ok(())
    }

    pub(super) fn in_progress(text: &str) {
        PROGRESS.set(Some(text.to_owned()));
    }

    /// What was said of progress since this was asked last; for tests.
    pub fn take_progress() -> Option<String> {
        PROGRESS.take()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_remembered_can_be_recalled_and_forgotten() {
        assert_eq!(recall(), None);
        remember(Some(b"half")).unwrap();
        assert_eq!(recall().as_deref(), Some(&b"half"[..]));
        assert!(remember(Some(&[0; MAX_REMEMBERED + 1])).is_err());
        assert_eq!(recall().as_deref(), Some(&b"half"[..]));
        remember(None).unwrap();
        assert_eq!(recall(), None);
        in_progress("1 of 2");
        assert_eq!(take_progress().as_deref(), Some("1 of 2"));
        assert_eq!(take_progress(), None);
    }
}
