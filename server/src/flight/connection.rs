//! The connections that gRPC runs on: counted, so that there are no more than configured.

use std::io::{self, IoSlice};
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};
use std::time::Duration;

use futures::stream::{self, Stream};
use process::shutdown::Shutdown;
use process::task::Tasks;
use tokio::io::{AsyncRead, AsyncWrite, AsyncWriteExt, ReadBuf};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::{OwnedSemaphorePermit, Semaphore};
use tonic::transport::server::{Connected, TcpConnectInfo};

use crate::listener;

/// The clients that connect to `listener`, until the drain. Those beyond `connections_max` are turned away.
pub(super) fn incoming(
    listener: TcpListener,
    connections_max: usize,
    shutdown: Shutdown,
    closing: Tasks,
) -> impl Stream<Item = io::Result<Connection>> {
    let free = Arc::new(Semaphore::new(connections_max.min(Semaphore::MAX_PERMITS)));
    stream::unfold((listener, free, shutdown, closing), |(listener, free, shutdown, closing)| async move {
        loop {
            let (stream, address) = listener::accept(&listener, "flight", &shutdown).await?;
            match Arc::clone(&free).try_acquire_owned() {
                Ok(permit) => {
                    let info = stream.connect_info();
                    let connection = Connection { stream: Some(stream), info, closing: closing.clone(), _permit: permit };
                    return Some((Ok(connection), (listener, free, shutdown, closing)));
                }
                Err(_) => tracing::warn!(%address, "too many Flight SQL clients, one is turned away"),
            }
        }
    })
}

/// How long a client may take to read the end of its results.
const CLOSE_MAX: Duration = Duration::from_secs(2);

pub(super) struct Connection {
    /// `None` once it is closed.
    stream: Option<TcpStream>,
    info: TcpConnectInfo,
    closing: Tasks,
    _permit: OwnedSemaphorePermit,
}

/// To close a socket that holds unread bytes, as flow control sends them, resets the connection, and the client would lose
/// what it has not read yet. So reading goes on until the client has closed its side.
impl Drop for Connection {
    fn drop(&mut self) {
        let Some(mut stream) = self.stream.take() else { return };
        self.closing.spawn("flight connection closing", async move {
            let read_on = async {
                stream.shutdown().await?;
                tokio::io::copy(&mut stream, &mut tokio::io::sink()).await
            };
            // An error is the client's own end.
            if let Ok(Err(error)) = tokio::time::timeout(CLOSE_MAX, read_on).await {
                tracing::debug!(%error, "the client went first");
            }
        });
    }
}

fn closed() -> io::Error {
    io::ErrorKind::NotConnected.into()
}

impl Connected for Connection {
    type ConnectInfo = TcpConnectInfo;

    fn connect_info(&self) -> TcpConnectInfo {
        self.info.clone()
    }
}

impl AsyncRead for Connection {
    fn poll_read(mut self: Pin<&mut Self>, cx: &mut Context<'_>, buffer: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        match &mut self.stream {
            Some(stream) => Pin::new(stream).poll_read(cx, buffer),
            None => Poll::Ready(Err(closed())),
        }
    }
}

impl AsyncWrite for Connection {
    fn poll_write(mut self: Pin<&mut Self>, cx: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        match &mut self.stream {
            Some(stream) => Pin::new(stream).poll_write(cx, bytes),
            None => Poll::Ready(Err(closed())),
        }
    }

    // HTTP/2 writes a frame's head and its data, which is a column's buffer, in one call.
    fn poll_write_vectored(mut self: Pin<&mut Self>, cx: &mut Context<'_>, slices: &[IoSlice<'_>]) -> Poll<io::Result<usize>> {
        match &mut self.stream {
            Some(stream) => Pin::new(stream).poll_write_vectored(cx, slices),
            None => Poll::Ready(Err(closed())),
        }
    }

    fn is_write_vectored(&self) -> bool {
        true
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        match &mut self.stream {
            Some(stream) => Pin::new(stream).poll_flush(cx),
            None => Poll::Ready(Err(closed())),
        }
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        match &mut self.stream {
            Some(stream) => Pin::new(stream).poll_shutdown(cx),
            None => Poll::Ready(Err(closed())),
        }
    }
}
