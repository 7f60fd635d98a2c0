//! Following a stream: its position, its definition, its end.

use std::sync::Arc;

use tokio::sync::watch;

use crate::definition::StreamDefinition;
use crate::error::Error;
use crate::segment::Position;
use crate::stream::{State, Stream};
use crate::types::{SequenceNumber, StreamName};

/// Follows one stream.
pub struct Watch {
    name: StreamName,
    state: watch::Receiver<State>,
}

impl Watch {
    pub(crate) fn new(stream: &Stream) -> Self {
        Self {
            name: stream.name.clone(),
            state: stream.subscribe(),
        }
    }

    /// Where the stream begins and ends now.
    pub fn position(&self) -> Position {
        self.state.borrow().position
    }

    /// What the stream is asked to be now.
    pub fn definition(&self) -> Arc<StreamDefinition> {
        Arc::clone(&self.state.borrow().definition)
    }

    /// Waits until the stream has a message with this number, or a later one.
    ///
    /// # Errors
    ///
    /// [`Error::NotFound`] when the stream is deleted.
    pub async fn reach(&mut self, number: SequenceNumber) -> Result<(), Error> {
        self.wait(|state| state.position.tail > number).await
    }

    /// Waits until the stream has a message with this number, or holds this many bytes.
    ///
    /// # Errors
    ///
    /// [`Error::NotFound`] when the stream is deleted.
    pub async fn reach_or_grow(&mut self, number: SequenceNumber, bytes: u64) -> Result<(), Error> {
        self.wait(|state| state.position.tail > number || state.position.bytes >= bytes)
            .await
    }

    async fn wait(&mut self, condition: impl Fn(&State) -> bool) -> Result<(), Error> {
        let found = self
            .state
            .wait_for(|state| state.deleted || condition(state))
            .await;
        match found {
            Ok(state) if !state.deleted => Ok(()),
            _ => Err(Error::NotFound {
                name: self.name.to_string(),
            }),
        }
    }
}
