//! Frames and decodes what a client sends. Every length is checked here, before anything is read: pgwire's own decoders
//! trust the lengths inside a message, and panic or read into the next message when they lie.

use bytes::{Buf, Bytes, BytesMut};
use pgwire::messages::PgWireFrontendMessage as Message;
use pgwire::messages::cancel::CancelRequest;
use pgwire::messages::copy::{CopyData, CopyDone, CopyFail};
use pgwire::messages::extendedquery::{Bind, Close, Describe, Execute, Flush, Parse, Sync};
use pgwire::messages::simplequery::Query;
use pgwire::messages::startup::SecretKey;
use pgwire::messages::terminate::Terminate;

use super::error::Error;

/// Statements and parameters; one client cannot exhaust memory.
pub const MESSAGE_BYTES_MAX: usize = 64 << 20;
/// Messages that hold nothing but names, as in PostgreSQL.
const SMALL_MESSAGE_BYTES_MAX: usize = 10_000;
/// Before authentication, as in PostgreSQL.
const STARTUP_BYTES_MAX: usize = 10_000;

/// A length counts itself.
const LENGTH_BYTES: usize = 4;

const SSL_REQUEST_CODE: u32 = 80_877_103;
const GSS_REQUEST_CODE: u32 = 80_877_104;
const CANCEL_REQUEST_CODE: u32 = 80_877_102;

/// What stands before the first typed message.
#[derive(Debug)]
pub enum StartupPacket {
    Ssl,
    Gss,
    Cancel(CancelRequest),
    Startup { major: u16, minor: u16, parameters: Vec<(String, String)> },
}

/// A complete message that has not been looked into.
#[derive(Debug)]
pub struct Frame {
    pub kind: u8,
    body: Bytes,
}

/// Takes the next start-up packet out of `input`, when it is complete.
pub fn take_startup_packet(input: &mut BytesMut) -> Result<Option<StartupPacket>, Error> {
    let Some(length) = length_at(input, 0) else { return Ok(None) };
    if !(LENGTH_BYTES + 4..=STARTUP_BYTES_MAX).contains(&length) {
        return Err(Error::protocol_violation("invalid length of startup packet"));
    }
    if input.len() < length {
        return Ok(None);
    }
    let mut body = Body(input.split_to(length).freeze());
    body.0.advance(LENGTH_BYTES);
    let code = body.u32()?;
    let packet = match code {
        SSL_REQUEST_CODE => StartupPacket::Ssl,
        GSS_REQUEST_CODE => StartupPacket::Gss,
        CANCEL_REQUEST_CODE => {
            let process_id = body.i32()?;
            StartupPacket::Cancel(CancelRequest::new(process_id, SecretKey::Bytes(body.0)))
        }
        version => {
            let (major, minor) = ((version >> 16) as u16, version as u16);
            // Other versions may spell their parameters differently; the caller refuses them.
            let parameters = if major == 3 { body.parameters()? } else { vec![] };
            StartupPacket::Startup { major, minor, parameters }
        }
    };
    Ok(Some(packet))
}

/// Takes the next message out of `input`, when it is complete. An error means that the stream cannot be followed further.
pub fn take_frame(input: &mut BytesMut) -> Result<Option<Frame>, Error> {
    let Some(&kind) = input.first() else { return Ok(None) };
    let length_max = match kind {
        b'Q' | b'P' | b'B' | b'F' | b'd' => MESSAGE_BYTES_MAX,
        b'C' | b'D' | b'E' | b'H' | b'S' | b'X' | b'c' | b'f' => SMALL_MESSAGE_BYTES_MAX,
        kind => return Err(Error::UnknownMessageType { kind }),
    };
    let Some(length) = length_at(input, 1) else { return Ok(None) };
    if !(LENGTH_BYTES..=length_max).contains(&length) {
        return Err(Error::InvalidMessageLength);
    }
    if input.len() < 1 + length {
        return Ok(None);
    }
    let mut body = input.split_to(1 + length).freeze();
    body.advance(1 + LENGTH_BYTES);
    Ok(Some(Frame { kind, body }))
}

/// What a client sends to show who it is.
#[derive(Debug)]
pub struct PasswordMessage(Body);

impl PasswordMessage {
    /// A password in clear text.
    pub fn text(mut self) -> Result<String, Error> {
        self.0.string()
    }

    /// The first message of a SASL exchange: the mechanism, and what it begins with.
    pub fn initial_response(mut self) -> Result<(String, Bytes), Error> {
        let mechanism = self.0.string()?;
        let length = self.0.i32()?;
        match usize::try_from(length) {
            Ok(length) if length == self.0.0.len() => Ok((mechanism, self.0.0)),
            _ => Err(Error::protocol_violation("invalid length of a SASL message")),
        }
    }

    /// A later one.
    pub fn bytes(self) -> Bytes {
        self.0.0
    }
}

/// Takes the next message of an authentication out of `input`, when it is complete.
pub fn take_password_message(input: &mut BytesMut) -> Result<Option<PasswordMessage>, Error> {
    let Some(&kind) = input.first() else { return Ok(None) };
    if kind != b'p' {
        return Err(Error::protocol_violation(format!("expected a password response, got message type {kind}")));
    }
    let Some(length) = length_at(input, 1) else { return Ok(None) };
    if !(LENGTH_BYTES..=STARTUP_BYTES_MAX).contains(&length) {
        return Err(Error::InvalidMessageLength);
    }
    if input.len() < 1 + length {
        return Ok(None);
    }
    let mut body = input.split_to(1 + length).freeze();
    body.advance(1 + LENGTH_BYTES);
    Ok(Some(PasswordMessage(Body(body))))
}

/// Whether a Terminate is among the complete messages of `input`.
pub fn holds_terminate(mut input: &[u8]) -> bool {
    while let [kind, rest @ ..] = input {
        if *kind == b'X' {
            return true;
        }
        let Some(length) = length_at(rest, 0) else { return false };
        let Some(next) = rest.get(length.max(LENGTH_BYTES)..) else { return false };
        input = next;
    }
    false
}

/// Whether a Sync is among the complete messages of `input`, before an Execute or another query.
pub fn sync_follows(mut input: &[u8]) -> bool {
    while let [kind, rest @ ..] = input {
        match kind {
            b'S' => return true,
            b'E' | b'Q' | b'F' => return false,
            _ => {}
        }
        let Some(length) = length_at(rest, 0) else { return false };
        let Some(next) = rest.get(length.max(LENGTH_BYTES)..) else { return false };
        input = next;
    }
    false
}

fn length_at(input: &[u8], at: usize) -> Option<usize> {
    let bytes = input.get(at..at + LENGTH_BYTES)?;
    // A negative length is above every limit when it is read as unsigned.
    Some(u32::from_be_bytes(bytes.try_into().ok()?) as usize)
}

impl Frame {
    /// Reads the message. An error leaves the stream intact: the next message follows.
    pub fn decode(self) -> Result<Message, Error> {
        let mut body = Body(self.body);
        let message = match self.kind {
            b'Q' => Message::Query(Query::new(body.string()?)),
            b'P' => {
                let (name, query) = (body.name()?, body.string()?);
                let count = body.u16()?;
                let type_oids = (0..count).map(|_| body.u32()).collect::<Result<_, _>>()?;
                Message::Parse(Parse::new(name, query, type_oids))
            }
            b'B' => Message::Bind(body.bind()?),
            b'D' => Message::Describe(Describe::new(body.u8()?, body.name()?)),
            b'E' => Message::Execute(Execute::new(body.name()?, body.i32()?)),
            b'C' => Message::Close(Close::new(body.u8()?, body.name()?)),
            b'H' => Message::Flush(Flush::new()),
            b'S' => Message::Sync(Sync::new()),
            b'X' => Message::Terminate(Terminate::new()),
            b'd' => Message::CopyData(CopyData::new(std::mem::take(&mut body.0))),
            b'c' => Message::CopyDone(CopyDone::new()),
            b'f' => Message::CopyFail(CopyFail::new(body.string()?)),
            b'F' => return Err(Error::Unsupported { feature: "the function call protocol".into() }),
            kind => return Err(Error::UnknownMessageType { kind }),
        };
        if body.0.has_remaining() {
            return Err(Error::protocol_violation("invalid message format"));
        }
        Ok(message)
    }
}

/// Reads a message front to back; what is missing is an error.
#[derive(Debug)]
struct Body(Bytes);

impl Body {
    fn u8(&mut self) -> Result<u8, Error> {
        self.0.try_get_u8().map_err(|_| insufficient())
    }

    fn u16(&mut self) -> Result<u16, Error> {
        self.0.try_get_u16().map_err(|_| insufficient())
    }

    fn i16(&mut self) -> Result<i16, Error> {
        self.0.try_get_i16().map_err(|_| insufficient())
    }

    fn u32(&mut self) -> Result<u32, Error> {
        self.0.try_get_u32().map_err(|_| insufficient())
    }

    fn i32(&mut self) -> Result<i32, Error> {
        self.0.try_get_i32().map_err(|_| insufficient())
    }

    /// Text up to a NUL.
    fn string(&mut self) -> Result<String, Error> {
        let end = self.0.iter().position(|byte| *byte == 0).ok_or_else(|| Error::protocol_violation("invalid string in message"))?;
        let text = self.0.split_to(end);
        self.0.advance(1);
        match std::str::from_utf8(&text) {
            Ok(text) => Ok(text.to_owned()),
            Err(error) => Err(Error::InvalidUtf8 { byte: text.get(error.valid_up_to()).copied().unwrap_or(0) }),
        }
    }

    /// The name of a statement or portal; `None` is the unnamed one.
    fn name(&mut self) -> Result<Option<String>, Error> {
        self.string().map(|name| Some(name).filter(|name| !name.is_empty()))
    }

    fn bind(&mut self) -> Result<Bind, Error> {
        let (portal, statement) = (self.name()?, self.name()?);
        let count = self.u16()?;
        let parameter_formats = (0..count).map(|_| self.i16()).collect::<Result<_, _>>()?;
        let count = self.u16()?;
        let parameters = (0..count).map(|_| self.parameter()).collect::<Result<_, _>>()?;
        let count = self.u16()?;
        let result_formats = (0..count).map(|_| self.i16()).collect::<Result<_, _>>()?;
        Ok(Bind::new(portal, statement, parameter_formats, parameters, result_formats))
    }

    fn parameter(&mut self) -> Result<Option<Bytes>, Error> {
        match self.i32()? {
            -1 => Ok(None),
            length => {
                let length = usize::try_from(length).map_err(|_| insufficient())?;
                if length > self.0.len() {
                    return Err(insufficient());
                }
                Ok(Some(self.0.split_to(length)))
            }
        }
    }

    /// Pairs of names and values up to an empty name.
    fn parameters(&mut self) -> Result<Vec<(String, String)>, Error> {
        let mut parameters = vec![];
        loop {
            let name = self.string()?;
            if name.is_empty() {
                return Ok(parameters);
            }
            parameters.push((name, self.string()?));
        }
    }
}

fn insufficient() -> Error {
    Error::protocol_violation("insufficient data left in message")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn frame(bytes: &[u8]) -> Result<Option<Frame>, Error> {
        take_frame(&mut BytesMut::from(bytes))
    }

    fn decode(bytes: &[u8]) -> Result<Message, Error> {
        frame(bytes).unwrap().expect("a complete message").decode()
    }

    #[test]
    fn a_message_is_taken_when_it_is_complete() {
        let mut input = BytesMut::from(&b"Q\0\0\0\x0dselect 1\0Q\0\0"[..]);
        let Message::Query(query) = take_frame(&mut input).unwrap().unwrap().decode().unwrap() else { panic!() };
        assert_eq!(query.query, "select 1");
        assert!(take_frame(&mut input).unwrap().is_none());
        assert_eq!(&input[..], b"Q\0\0");
    }

    #[test]
    fn lengths_are_checked_before_anything_is_read() {
        for bytes in [&b"Q\0\0\0\x03"[..], b"Q\xff\xff\xff\xff", b"Q\x7f\0\0\0", b"S\0\0\x4e\x20"] {
            assert!(matches!(frame(bytes), Err(Error::InvalidMessageLength)), "{bytes:?}");
        }
        assert!(matches!(frame(b"z"), Err(Error::UnknownMessageType { kind: b'z' })));
        assert!(matches!(frame(b"p\0\0\0\x04"), Err(Error::UnknownMessageType { .. })));
    }

    #[test]
    fn a_body_that_lies_is_an_error_and_no_more() {
        for bytes in [
            &b"Q\0\0\0\x04"[..],
            b"Q\0\0\0\x06ab",
            b"Q\0\0\0\x07a\0b",
            b"P\0\0\0\x07\0\0\0",
            b"P\0\0\0\x08\0\0\xff\xff",
            b"B\0\0\0\x08\0\0\xff\xff",
            b"B\0\0\0\x0e\0\0\0\0\0\x01\x7f\xff\xff\xff",
            b"B\0\0\0\x0e\0\0\0\0\0\x01\xff\xff\xff\xfe",
            b"E\0\0\0\x05\0",
            b"S\0\0\0\x05\0",
        ] {
            assert_eq!(decode(bytes).unwrap_err().code(), "08P01", "{bytes:?}");
        }
        assert_eq!(decode(b"Q\0\0\0\x06\xff\0").unwrap_err().code(), "22021");
    }

    #[test]
    fn a_terminate_is_found_behind_other_messages() {
        assert!(holds_terminate(b"S\0\0\0\x04X\0\0\0\x04"));
        assert!(!holds_terminate(b"S\0\0\0\x04Q\0\0\0\x06X"));
        assert!(!holds_terminate(b"S\0\0\0\0"));
    }

    #[test]
    fn start_up_packets_are_told_apart() {
        let take = |bytes: &[u8]| take_startup_packet(&mut BytesMut::from(bytes));
        assert!(matches!(take(b"\0\0\0\x08\x04\xd2\x16\x2f"), Ok(Some(StartupPacket::Ssl))));
        assert!(matches!(take(b"\0\0\0\x08\x04\xd2\x16"), Ok(None)));
        let Ok(Some(StartupPacket::Startup { major: 3, minor: 2, parameters })) =
            take(b"\0\0\0\x14\0\x03\0\x02user\0alice\0\0")
        else {
            panic!()
        };
        assert_eq!(parameters, [("user".to_owned(), "alice".to_owned())]);
        let bad: [&[u8]; 4] =
            [b"GET / HTTP/1.1\r\n", b"\0\0\0\x07", b"\0\0\0\x0d\0\x03\0\0user\0", b"\0\0\0\x0a\x04\xd2\x16\x2e\0\0"];
        for bytes in bad {
            assert!(take(bytes).is_err(), "{bytes:?}");
        }
    }
}
