//! Taking frames out of a buffer.

use bytes::{Buf, Bytes, BytesMut};

use super::{Frame, LENGTH_FIELD, MAX_FRAME_LENGTH};
use crate::request::recover_request_id;
use crate::{Operation, ProtocolError, RequestError, RequestId, ResponseStatusCode};

/// How much of the payload of an oversize frame is looked at for its request id, in bytes: room for
/// the id and a stream name of the greatest length and their keys, in any order.
const GLIMPSE: usize = 1024;

/// Takes frames out of the bytes of a connection, however they were split on the way.
///
/// The decoder allocates nothing: the buffer grows with what arrives, and frames share its memory.
/// A frame beyond the limit is never gathered; the decoder reports it once its first bytes are
/// there, drops the rest as it comes, and goes on with the next frame.
#[derive(Debug)]
pub struct FrameDecoder {
    max_length: usize,
    /// Bytes of an oversize frame that are still to come.
    skipping: usize,
    /// Whether the next frame is refused whatever its length.
    refusing: bool,
}

/// What the decoder found.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Incoming {
    /// A complete frame.
    Frame(Frame),
    /// A frame beyond the limit, which is being skipped.
    TooLarge(OversizeFrame),
}

/// What is known of a frame beyond the limit.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct OversizeFrame {
    /// The operation code.
    pub operation: u8,
    /// The id of the request, if it stands near the beginning of the frame.
    pub request_id: Option<RequestId>,
    /// The announced length of the frame, in bytes.
    pub length: usize,
    /// The decoder's limit, in bytes.
    pub limit: usize,
}

impl OversizeFrame {
    /// The refusal with which a server answers (section 1.2).
    #[must_use]
    pub fn into_request_error(self) -> RequestError {
        RequestError {
            request_id: self.request_id,
            operation: Operation::response_to(self.operation),
            status: ResponseStatusCode::RequestPayloadTooLarge,
            cause: ProtocolError::FrameTooLarge {
                length: self.length,
                limit: self.limit,
            },
        }
    }
}

impl FrameDecoder {
    /// A decoder for frames of up to `max_length` bytes, operation byte and payload; at most
    /// [`MAX_FRAME_LENGTH`].
    #[must_use]
    pub fn new(max_length: usize) -> Self {
        Self {
            max_length: max_length.min(MAX_FRAME_LENGTH),
            skipping: 0,
            refusing: false,
        }
    }

    /// How many bytes `buf` has to hold before [`next_frame`](Self::next_frame) finds something in
    /// it; `None` while the length of the frame is not known. A server that has no memory for so
    /// many can [`refuse`](Self::refuse) the frame.
    #[must_use]
    pub fn needed(&self, buf: &BytesMut) -> Option<usize> {
        let (field, _) = buf
            .get(self.skipping..)?
            .split_first_chunk::<LENGTH_FIELD>()?;
        let length = usize::try_from(i32::from_be_bytes(*field)).ok()?;
        let gathered = if length > self.limit() {
            length.min(1 + GLIMPSE)
        } else {
            length
        };
        Some(LENGTH_FIELD + gathered)
    }

    /// Has the next frame reported and skipped as if it were beyond the limit.
    pub fn refuse(&mut self) {
        self.refusing = true;
    }

    fn limit(&self) -> usize {
        if self.refusing { 0 } else { self.max_length }
    }

    /// Takes the next frame out of `buf`; `None` asks for more bytes.
    ///
    /// # Errors
    /// [`ProtocolError::FrameLength`] if the length field is below 1: the connection has to be
    /// closed.
    pub fn next_frame(&mut self, buf: &mut BytesMut) -> Result<Option<Incoming>, ProtocolError> {
        let dropped = self.skipping.min(buf.len());
        buf.advance(dropped);
        self.skipping -= dropped;

        let Some((field, rest)) = buf.split_first_chunk::<LENGTH_FIELD>() else {
            return Ok(None);
        };
        let field = i32::from_be_bytes(*field);
        let length = match usize::try_from(field) {
            Ok(length) if length > 0 => length,
            _ => return Err(ProtocolError::FrameLength { length: field }),
        };
        if length > self.limit() {
            let glimpse = rest.get(..length.min(1 + GLIMPSE));
            let Some((operation, payload)) = glimpse.and_then(<[u8]>::split_first) else {
                return Ok(None);
            };
            let oversize = OversizeFrame {
                operation: *operation,
                request_id: recover_request_id(&Bytes::copy_from_slice(payload)),
                length,
                limit: self.max_length,
            };
            self.skipping = length;
            self.refusing = false;
            buf.advance(LENGTH_FIELD);
            return Ok(Some(Incoming::TooLarge(oversize)));
        }
        if rest.len() < length {
            return Ok(None);
        }
        buf.advance(LENGTH_FIELD);
        let mut frame = buf.split_to(length).freeze();
        let operation = frame.get_u8();
        Ok(Some(Incoming::Frame(Frame {
            operation,
            payload: frame,
        })))
    }
}

impl Default for FrameDecoder {
    /// A decoder with the limit of the protocol.
    fn default() -> Self {
        Self::new(MAX_FRAME_LENGTH)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{Call, Request, encode_request};

    fn append(id: &str, size: usize) -> BytesMut {
        let mut out = BytesMut::new();
        let request = Request {
            request_id: id.parse().unwrap(),
            call: Call::Append {
                name: "s".parse().unwrap(),
                payload: Bytes::from(vec![7; size]),
            },
        };
        encode_request(&mut out, &request).unwrap();
        out
    }

    #[test]
    fn frames_come_out_whole_when_bytes_arrive_one_at_a_time() {
        let mut wire = append("1", 10);
        wire.extend_from_slice(&append("2", 300));
        let mut decoder = FrameDecoder::default();
        let mut buf = BytesMut::new();
        let mut sizes = Vec::new();
        for byte in wire {
            buf.extend_from_slice(&[byte]);
            if let Some(Incoming::Frame(frame)) = decoder.next_frame(&mut buf).unwrap() {
                assert_eq!(frame.operation, 4);
                sizes.push(frame.payload.len());
            }
        }
        assert_eq!(sizes, [40, 332]);
        assert!(buf.is_empty());
    }

    #[test]
    fn an_oversize_frame_is_reported_with_its_id_and_skipped() {
        let mut decoder = FrameDecoder::new(2_000);
        let mut buf = BytesMut::new();
        let mut reports = Vec::new();
        let mut wire = append("big", 100_000);
        wire.extend_from_slice(&append("small", 1));
        for chunk in wire.chunks(700) {
            buf.extend_from_slice(chunk);
            while let Some(incoming) = decoder.next_frame(&mut buf).unwrap() {
                reports.push(incoming);
            }
            assert!(buf.len() <= 2_100, "the oversize frame is not gathered");
        }
        let [Incoming::TooLarge(oversize), Incoming::Frame(frame)] = reports.as_slice() else {
            panic!("unexpected: {reports:?}");
        };
        let error = oversize.clone().into_request_error();
        assert_eq!(error.request_id.unwrap(), "big");
        assert_eq!(error.operation, Operation::AppendMessageResponse);
        assert_eq!(error.status, ResponseStatusCode::RequestPayloadTooLarge);
        assert_eq!(frame.operation, 4);
    }

    #[test]
    fn an_oversize_frame_shorter_than_the_glimpse_is_reported_too() {
        let mut decoder = FrameDecoder::new(16);
        let mut buf = append("id", 1);
        let incoming = decoder.next_frame(&mut buf).unwrap();
        assert!(matches!(
            incoming,
            Some(Incoming::TooLarge(OversizeFrame { request_id: Some(id), .. })) if id == "id"
        ));
        assert_eq!(decoder.next_frame(&mut buf), Ok(None));
        assert!(buf.is_empty());
    }

    #[test]
    fn a_frame_that_is_refused_is_skipped_and_the_next_one_is_taken() {
        let mut decoder = FrameDecoder::default();
        let mut buf = BytesMut::new();
        let mut wire = append("refused", 5_000);
        wire.extend_from_slice(&append("taken", 5_000));
        assert_eq!(decoder.needed(&buf), None);
        buf.extend_from_slice(&wire.split_to(2_000));
        assert_eq!(decoder.next_frame(&mut buf), Ok(None));
        assert_eq!(decoder.needed(&buf), Some(5_043));
        decoder.refuse();
        assert_eq!(decoder.needed(&buf), Some(LENGTH_FIELD + 1 + GLIMPSE));
        let incoming = decoder.next_frame(&mut buf).unwrap();
        assert!(matches!(
            incoming,
            Some(Incoming::TooLarge(OversizeFrame { request_id: Some(id), .. })) if id == "refused"
        ));
        buf.extend_from_slice(&wire.split_to(4_000));
        assert_eq!(decoder.next_frame(&mut buf), Ok(None));
        assert_eq!(decoder.needed(&buf), Some(5_041));
        buf.extend_from_slice(&wire);
        let incoming = decoder.next_frame(&mut buf).unwrap();
        assert!(matches!(incoming, Some(Incoming::Frame(_))));
    }

    #[test]
    fn a_length_below_one_is_an_error() {
        for length in [0_i32, -1, i32::MIN] {
            let mut buf = BytesMut::from(&length.to_be_bytes()[..]);
            assert_eq!(
                FrameDecoder::default().next_frame(&mut buf),
                Err(ProtocolError::FrameLength { length })
            );
        }
    }

    #[test]
    fn a_frame_without_payload_is_a_frame() {
        let mut buf = BytesMut::from(&[0, 0, 0, 1, 11][..]);
        let frame = FrameDecoder::default().next_frame(&mut buf).unwrap();
        assert_eq!(
            frame,
            Some(Incoming::Frame(Frame {
                operation: 11,
                payload: Bytes::new()
            }))
        );
    }
}
