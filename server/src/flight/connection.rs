//! The connections that gRPC runs on: counted, so that there are no more than configured.

use std::io::{self, IoSlice};
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};

use futures::stream::{self, Stream};
use process::shutdown::Shutdown;
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::{OwnedSemaphorePermit, Semaphore};
use tonic::transport::server::{Connected, TcpConnectInfo};

use crate::listener;

/// The clients that connect to `listener`, until the drain. Those beyond `connections_max` are turned away.
pub(super) fn incoming(
    listener: TcpListener,
    connections_max: usize,
    shutdown: Shutdown,
) -> impl Stream<Item = io::Result<Connection>> {
    let free = Arc::new(Semaphore::new(connections_max.min(Semaphore::MAX_PERMITS)));
    stream::unfold((listener, free, shutdown), |(listener, free, shutdown)| async move {
        loop {
            let (stream, address) = listener::accept(&listener, "flight", &shutdown).await?;
            match Arc::clone(&free).try_acquire_owned() {
                Ok(permit) => return Some((Ok(Connection { stream, _permit: permit }), (listener, free, shutdown))),
                Err(_) => tracing::warn!(%address, "too many Flight SQL clients, one is turned away"),
            }
        }
    })
}

pub(super) struct Connection {
    stream: TcpStream,
    _permit: OwnedSemaphorePermit,
}

impl Connected for Connection {
    type ConnectInfo = TcpConnectInfo;

    fn connect_info(&self) -> TcpConnectInfo {
        self.stream.connect_info()
    }
}

impl AsyncRead for Connection {
    fn poll_read(mut self: Pin<&mut Self>, cx: &mut Context<'_>, buffer: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_read(cx, buffer)
    }
}

impl AsyncWrite for Connection {
    fn poll_write(mut self: Pin<&mut Self>, cx: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.stream).poll_write(cx, bytes)
    }

    // HTTP/2 writes a frame's head and its data, which is a column's buffer, in one call.
    fn poll_write_vectored(mut self: Pin<&mut Self>, cx: &mut Context<'_>, slices: &[IoSlice<'_>]) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.stream).poll_write_vectored(cx, slices)
    }

    fn is_write_vectored(&self) -> bool {
        self.stream.is_write_vectored()
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_flush(cx)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_shutdown(cx)
    }
}
