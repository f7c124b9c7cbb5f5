//! Serves DoGet on HTTP level, so that column buffers go to the socket without being copied into a protobuf message.
//!
//! A FlightData on the wire is the gRPC frame header, the IPC header in field 2, the tag of field 1000, and then the
//! column buffers one after another. tonic would first copy them into one contiguous body, then that into its own buffer.

use std::collections::VecDeque;
use std::pin::Pin;
use std::task::{Context, Poll, ready};

use arrow::buffer::Buffer;
use arrow_flight::Ticket;
use http_body::Frame;
use prost::bytes::{BufMut, Bytes, BytesMut};
use prost::encoding::{WireType, encode_key, encode_varint, encoded_len_varint, key_len};
use tokio::sync::mpsc;
use tonic::body::Body;
use tonic::codec::Streaming;
use tonic::metadata::MetadataMap;
use tonic::{Request, Status};
use tonic_prost::ProstDecoder;

use super::encoder::Message;
use super::error;
use super::result_stream::Event;

/// Tickets are ours and short; metadata commands with their patterns are tickets too.
const TICKET_BYTES_MAX: usize = 1 << 20;
/// Field numbers of FlightData.
const DATA_HEADER: u32 = 2;
const DATA_BODY: u32 = 1000;
/// gRPC puts a compression flag and the length in front of each message.
const FRAME_HEADER_BYTES: usize = 5;
/// Buffers up to this size are copied next to their neighbours: one HTTP/2 frame for many instead of one for each.
const COPIED_BYTES_MAX: usize = 4 << 10;

/// The one message of a DoGet request.
pub(super) async fn ticket(request: http::Request<Body>) -> Result<Request<Ticket>, Status> {
    let (parts, body) = request.into_parts();
    let mut messages = Streaming::new_request(ProstDecoder::<Ticket>::default(), body, None, Some(TICKET_BYTES_MAX));
    let ticket = messages.message().await?.ok_or_else(|| error::invalid("DoGet without a ticket"))?;
    Ok(Request::from_parts(MetadataMap::from_headers(parts.headers), parts.extensions, ticket))
}

/// The HTTP response that streams `events`.
pub(super) fn response(events: mpsc::Receiver<Event>) -> http::Response<Body> {
    let body = Body::new(ResultBody { events, chunks: VecDeque::new(), ended: false });
    let mut response = http::Response::new(body);
    response.headers_mut().insert(http::header::CONTENT_TYPE, http::HeaderValue::from_static("application/grpc"));
    response
}

struct ResultBody {
    events: mpsc::Receiver<Event>,
    chunks: VecDeque<Bytes>,
    ended: bool,
}

impl http_body::Body for ResultBody {
    type Data = Bytes;
    type Error = Status;

    fn poll_frame(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Result<Frame<Bytes>, Status>>> {
        if let Some(chunk) = self.chunks.pop_front() {
            return Poll::Ready(Some(Ok(Frame::data(chunk))));
        }
        if self.ended {
            return Poll::Ready(None);
        }
        let end = match ready!(self.events.poll_recv(cx)) {
            Some(Event::Message(message)) => match frame(&message, &mut self.chunks) {
                Ok(()) => return self.poll_frame(cx),
                Err(status) => Err(status),
            },
            Some(Event::End(end)) => end,
            None => Err(error::internal("the task that ran the statement ended before its result")),
        };
        self.ended = true;
        let status = end.err().unwrap_or_else(|| Status::ok(""));
        let mut trailers = http::HeaderMap::new();
        Poll::Ready(Some(match status.add_header(&mut trailers) {
            Ok(()) => Ok(Frame::trailers(trailers)),
            Err(status) => Err(status),
        }))
    }

    fn is_end_stream(&self) -> bool {
        self.ended
    }
}

/// Appends the gRPC frame of `message` to `chunks`.
fn frame(message: &Message, chunks: &mut VecDeque<Bytes>) -> Result<(), Status> {
    let header_bytes = message.header.len();
    let body_bytes = message.body_bytes();
    let mut length = key_len(DATA_HEADER) + encoded_len_varint(header_bytes as u64) + header_bytes;
    if body_bytes > 0 {
        length += key_len(DATA_BODY) + encoded_len_varint(body_bytes as u64) + body_bytes;
    }
    let length = u32::try_from(length).map_err(|_| error::internal("a row is too large for a message: 4 GiB is the most"))?;

    let mut small = BytesMut::with_capacity(FRAME_HEADER_BYTES + header_bytes + 16 + COPIED_BYTES_MAX);
    small.put_u8(0);
    small.put_u32(length);
    encode_key(DATA_HEADER, WireType::LengthDelimited, &mut small);
    encode_varint(header_bytes as u64, &mut small);
    small.put_slice(&message.header);
    if body_bytes > 0 {
        encode_key(DATA_BODY, WireType::LengthDelimited, &mut small);
        encode_varint(body_bytes as u64, &mut small);
    }
    for buffer in &message.body {
        if buffer.len() <= COPIED_BYTES_MAX {
            small.put_slice(buffer);
            continue;
        }
        if !small.is_empty() {
            chunks.push_back(small.split().freeze());
        }
        chunks.push_back(Bytes::from_owner(Shared(buffer.clone())));
    }
    if !small.is_empty() {
        chunks.push_back(small.freeze());
    }
    Ok(())
}

/// Keeps the buffer of a column alive for as long as HTTP/2 has bytes of it to send.
struct Shared(Buffer);

impl AsRef<[u8]> for Shared {
    fn as_ref(&self) -> &[u8] {
        self.0.as_slice()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use arrow_flight::FlightData;
    use prost::Message as _;

    #[test]
    fn a_frame_is_what_prost_would_have_written() {
        let large = Buffer::from(vec![1u8; 100_000]);
        let message = Message {
            header: Buffer::from(&b"header"[..]),
            body: vec![Buffer::from(&b"small"[..]), large.clone(), Buffer::from(&b"pad"[..]), Buffer::from(&b"end"[..])],
            rows: 1,
        };
        let mut chunks = VecDeque::new();
        frame(&message, &mut chunks).expect("fits");
        assert_eq!(chunks.len(), 3);
        assert_eq!(chunks[1].as_ptr(), large.as_ptr());
        let bytes: Vec<u8> = chunks.iter().flatten().copied().collect();
        let body: Vec<u8> = message.body.iter().flat_map(|buffer| buffer.iter().copied()).collect();
        let expected = FlightData::new().with_data_header(&b"header"[..]).with_data_body(body).encode_to_vec();
        assert_eq!(bytes[0], 0);
        assert_eq!(bytes[1..5], (expected.len() as u32).to_be_bytes());
        assert_eq!(bytes[5..], expected);
    }
}
