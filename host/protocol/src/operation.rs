//! The operation codes of frames (section 1.6).

use crate::codes::codes;

codes! {
    /// What a frame asks or answers (section 1.6).
    ///
    /// 15 to 17 came with protocol 1.1.0, the others are in 1.0.0 too.
    pub enum Operation {
        /// Never sent.
        Unknown = 0,
        /// Client: opens the connection.
        Connect = 1,
        /// Client: creates a stream.
        CreateMessageStream = 2,
        /// Client: deletes a stream and its messages.
        DeleteMessageStream = 3,
        /// Client: appends one message.
        AppendMessage = 4,
        /// Client: reads messages, waiting for them if asked to.
        ReadMessages = 5,
        /// Server: answers 1.
        ConnectResponse = 6,
        /// Server: answers 2.
        CreateMessageStreamResponse = 7,
        /// Server: answers 3.
        DeleteMessageStreamResponse = 8,
        /// Server: answers 4.
        AppendMessageResponse = 9,
        /// Server: answers 5.
        ReadMessagesResponse = 10,
        /// Client: lists the names of all streams.
        ListStreams = 11,
        /// Server: answers 11.
        ListStreamsResponse = 12,
        /// Client: describes a stream.
        DescribeMessageStream = 13,
        /// Server: answers 13.
        DescribeMessageStreamResponse = 14,
        /// Client: replaces the definition of a stream.
        UpdateMessageStream = 15,
        /// Server: answers 15.
        UpdateMessageStreamResponse = 16,
        /// Server: answers a request whose operation it does not know.
        UnknownOperationError = 17,
    }
}

impl Operation {
    /// The operation of the response to this request;
    /// [`UnknownOperationError`](Self::UnknownOperationError) for what is no request.
    #[must_use]
    pub const fn response(self) -> Self {
        match self {
            Self::Connect => Self::ConnectResponse,
            Self::CreateMessageStream => Self::CreateMessageStreamResponse,
            Self::DeleteMessageStream => Self::DeleteMessageStreamResponse,
            Self::AppendMessage => Self::AppendMessageResponse,
            Self::ReadMessages => Self::ReadMessagesResponse,
            Self::ListStreams => Self::ListStreamsResponse,
            Self::DescribeMessageStream => Self::DescribeMessageStreamResponse,
            Self::UpdateMessageStream => Self::UpdateMessageStreamResponse,
            _ => Self::UnknownOperationError,
        }
    }

    /// Whether servers send it.
    #[must_use]
    pub const fn is_response(self) -> bool {
        // Of the operations that have no response of their own, all but one are responses.
        matches!(self.response(), Self::UnknownOperationError) && !matches!(self, Self::Unknown)
    }

    /// The operation of the response to a request with this code, known or not.
    #[must_use]
    pub const fn response_to(code: u8) -> Self {
        match Self::from_code(code) {
            Some(operation) => operation.response(),
            None => Self::UnknownOperationError,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn codes_run_from_0_to_17() {
        for code in 0..=17 {
            assert_eq!(Operation::from_code(code).map(Operation::code), Some(code));
        }
        assert_eq!(Operation::from_code(18), None);
    }

    #[test]
    fn nine_operations_are_responses() {
        let responses = (0..=17)
            .filter_map(Operation::from_code)
            .filter(|operation| operation.is_response())
            .map(Operation::code);
        assert!(responses.eq([6, 7, 8, 9, 10, 12, 14, 16, 17]));
    }

    #[test]
    fn what_is_no_request_is_answered_as_an_unknown_operation() {
        for code in [0, 6, 7, 10, 17, 18, 99, 255] {
            assert_eq!(
                Operation::response_to(code),
                Operation::UnknownOperationError
            );
        }
        assert_eq!(Operation::response_to(4), Operation::AppendMessageResponse);
    }
}
