//! A client's connection with one buffer each way. While the server works it reads ahead, so that a client that goes
//! away is noticed; what is written is bounded, so that a slow client slows the statement.

use std::future::poll_fn;
use std::io;
use std::pin::{Pin, pin};
use std::task::{Context, Poll, ready};

use bytes::{Buf, BytesMut};
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite};

use super::error::Error;
use super::frontend::{self, Frame, PasswordMessage, StartupPacket};
use super::metrics::Metrics;

/// From this fill level on, rows wait until the client has taken some.
pub const OUTPUT_FULL_BYTES: usize = 128 << 10;
/// Below this level there is room for rows again: the next are encoded while the kernel still sends these.
const OUTPUT_LOW_BYTES: usize = 32 << 10;
/// What a pipelining client may send before its turn has come.
const READ_AHEAD_BYTES_MAX: usize = 64 << 10;
/// Read at once.
const READ_BYTES: usize = 8 << 10;
/// A buffer that one huge message has grown is given back.
const IDLE_BUFFER_BYTES_MAX: usize = 1 << 20;

pub struct Socket<S> {
    stream: S,
    input: BytesMut,
    pub output: BytesMut,
    metrics: Metrics,
}

/// Why there is no next message.
#[derive(Debug)]
pub enum ReadError {
    /// The client has gone, with or without saying so.
    Disconnected(io::Error),
    /// What it sent cannot be followed.
    Invalid(Error),
}

impl From<io::Error> for ReadError {
    fn from(error: io::Error) -> Self {
        Self::Disconnected(error)
    }
}

impl<S: AsyncRead + AsyncWrite + Unpin> Socket<S> {
    pub fn new(stream: S, metrics: Metrics) -> Self {
        Self { stream, input: BytesMut::new(), output: BytesMut::new(), metrics }
    }

    pub fn stream(&self) -> &S {
        &self.stream
    }

    pub fn stream_mut(&mut self) -> &mut S {
        &mut self.stream
    }

    /// Whether the client has sent something that was not looked at.
    pub fn holds_input(&self) -> bool {
        !self.input.is_empty()
    }

    /// Whether Sync comes before anything else is executed, as far as is known.
    pub fn sync_follows(&self) -> bool {
        frontend::sync_follows(&self.input)
    }

    /// What a client sends to show who it is. Cancel safe.
    pub async fn read_password(&mut self) -> Result<PasswordMessage, ReadError> {
        loop {
            if let Some(message) = frontend::take_password_message(&mut self.input).map_err(ReadError::Invalid)? {
                return Ok(message);
            }
            poll_fn(|cx| self.poll_read(cx)).await?;
        }
    }

    /// The next start-up packet. Cancel safe.
    pub async fn read_startup_packet(&mut self) -> Result<StartupPacket, ReadError> {
        loop {
            if let Some(packet) = frontend::take_startup_packet(&mut self.input).map_err(ReadError::Invalid)? {
                return Ok(packet);
            }
            poll_fn(|cx| self.poll_read(cx)).await?;
        }
    }

    /// The next message. Cancel safe.
    pub async fn read_frame(&mut self) -> Result<Frame, ReadError> {
        loop {
            if let Some(frame) = frontend::take_frame(&mut self.input).map_err(ReadError::Invalid)? {
                return Ok(frame);
            }
            if self.input.is_empty() && self.input.capacity() > IDLE_BUFFER_BYTES_MAX {
                self.input = BytesMut::new();
            }
            poll_fn(|cx| self.poll_read(cx)).await?;
        }
    }

    /// Sends everything.
    pub async fn flush(&mut self) -> io::Result<()> {
        self.drain_to(0).await?;
        if self.output.capacity() > IDLE_BUFFER_BYTES_MAX {
            self.output = BytesMut::new();
        }
        Ok(())
    }

    /// Sends until there is room for more rows. Fails when the client goes away.
    pub async fn make_room(&mut self) -> io::Result<()> {
        self.drain_to(OUTPUT_LOW_BYTES).await
    }

    async fn drain_to(&mut self, level: usize) -> io::Result<()> {
        poll_fn(|cx| {
            // The client may wait for us to read before it reads itself.
            if let Poll::Ready(error) = self.poll_gone(cx) {
                return Poll::Ready(Err(error));
            }
            self.poll_write(cx, level)
        })
        .await
    }

    /// Ends when the client goes away. Meanwhile sends what is in the output, when `sending`.
    pub async fn gone(&mut self, sending: bool) -> io::Error {
        poll_fn(|cx| {
            if let Poll::Ready(error) = self.poll_gone(cx) {
                return Poll::Ready(error);
            }
            if sending && let Poll::Ready(Err(error)) = self.poll_write(cx, 0) {
                return Poll::Ready(error);
            }
            Poll::Pending
        })
        .await
    }

    /// Reads ahead until the client is known to have gone.
    fn poll_gone(&mut self, cx: &mut Context<'_>) -> Poll<io::Error> {
        while self.input.len() < READ_AHEAD_BYTES_MAX {
            match ready!(self.poll_read(cx)) {
                Ok(()) if frontend::holds_terminate(&self.input) => return Poll::Ready(disconnected()),
                Ok(()) => {}
                Err(error) => return Poll::Ready(error),
            }
        }
        // No waker is registered for reading now: the client has to wait until its messages are answered.
        Poll::Pending
    }

    fn poll_read(&mut self, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        self.input.reserve(READ_BYTES);
        let read = pin!(self.stream.read_buf(&mut self.input));
        match ready!(read.poll(cx))? {
            0 => Poll::Ready(Err(disconnected())),
            bytes => {
                self.metrics.received(bytes);
                Poll::Ready(Ok(()))
            }
        }
    }

    /// Writes until at most `level` bytes are left.
    fn poll_write(&mut self, cx: &mut Context<'_>, level: usize) -> Poll<io::Result<()>> {
        while self.output.len() > level {
            let bytes = ready!(Pin::new(&mut self.stream).poll_write(cx, &self.output))?;
            if bytes == 0 {
                return Poll::Ready(Err(io::ErrorKind::WriteZero.into()));
            }
            self.output.advance(bytes);
            self.metrics.sent(bytes);
        }
        if level == 0 {
            // What is encrypted may have stayed behind.
            ready!(Pin::new(&mut self.stream).poll_flush(cx))?;
        }
        Poll::Ready(Ok(()))
    }
}

fn disconnected() -> io::Error {
    io::ErrorKind::UnexpectedEof.into()
}
