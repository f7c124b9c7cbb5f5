//! Ports: binding them, and accepting connections until the drain, each in a task of its own.

use std::future::Future;
use std::io;
use std::net::SocketAddr;
use std::time::Duration;

use process::shutdown::Shutdown;
use process::task::Tasks;
use tokio::net::{TcpListener, TcpStream};
use tracing::warn;

use crate::Error;

/// When accepting fails, as for lack of file descriptors, it fails again at once.
const ACCEPT_RETRY_DELAY: Duration = Duration::from_millis(100);

/// Binds the port that `flag` chose.
pub async fn bind(address: SocketAddr, flag: &'static str) -> Result<TcpListener, Error> {
    TcpListener::bind(address).await.map_err(|source| match source.kind() {
        io::ErrorKind::AddrInUse => Error::PortInUse { address, flag },
        _ => Error::Listen { address, flag, source },
    })
}

/// Runs `connection` in a task called `name` for every client, until the drain; returns when all of them have ended.
///
/// A connection knows the shutdown itself: it ends when it is idle, or when its statement is done.
pub async fn serve<C, F>(listener: TcpListener, name: &'static str, shutdown: &Shutdown, connection: C)
where
    C: Fn(TcpStream, SocketAddr) -> F,
    F: Future<Output = ()> + Send + 'static,
{
    let tasks = Tasks::new();
    while let Some((stream, address)) = accept(&listener, name, shutdown).await {
        tasks.spawn(name, connection(stream, address));
    }
    // Closed before waiting, so that clients go elsewhere.
    drop(listener);
    tasks.wait().await;
}

/// The next client, or `None` once the process drains. Answers are written whole, so nothing waits to fill a segment.
pub async fn accept(
    listener: &TcpListener,
    name: &'static str,
    shutdown: &Shutdown,
) -> Option<(TcpStream, SocketAddr)> {
    loop {
        let accepted = tokio::select! {
            biased;
            () = shutdown.draining() => return None,
            accepted = listener.accept() => accepted,
        };
        match accepted {
            Ok((stream, address)) => match stream.set_nodelay(true) {
                Ok(()) => return Some((stream, address)),
                Err(error) => tracing::debug!(listener = name, %address, %error, "the client went at once"),
            },
            Err(error) => {
                warn!(listener = name, %error, "cannot accept a client");
                tokio::time::sleep(ACCEPT_RETRY_DELAY).await;
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use tokio::io::{AsyncReadExt, AsyncWriteExt};

    #[tokio::test]
    async fn a_drain_waits_for_connections_and_takes_no_more() {
        let shutdown = Shutdown::new();
        let listener = bind("127.0.0.1:0".parse().unwrap(), "--port").await.unwrap();
        let address = listener.local_addr().unwrap();
        let server = tokio::spawn({
            let shutdown = shutdown.clone();
            async move {
                serve(listener, "echo", &shutdown, |mut stream, _| async move {
                    let mut byte = [0];
                    stream.read_exact(&mut byte).await.unwrap();
                    stream.write_all(&byte).await.unwrap();
                })
                .await
            }
        });
        let mut client = TcpStream::connect(address).await.unwrap();
        // The second client is answered, so the first one is accepted too.
        let mut second = TcpStream::connect(address).await.unwrap();
        second.write_all(b"x").await.unwrap();
        second.read_exact(&mut [0]).await.unwrap();

        shutdown.start_drain();
        while TcpStream::connect(address).await.is_ok() {
            tokio::task::yield_now().await;
        }
        assert!(!server.is_finished());
        client.write_all(b"y").await.unwrap();
        client.read_exact(&mut [0]).await.unwrap();
        server.await.unwrap();
    }

    #[tokio::test]
    async fn a_port_in_use_names_the_flag() {
        let first = bind("127.0.0.1:0".parse().unwrap(), "--web-port").await.unwrap();
        let address = first.local_addr().unwrap();
        let error = bind(address, "--postgres-port").await.unwrap_err().to_string();
        let expected = format!(
            "port {} on 127.0.0.1 is in use; choose another with --postgres-port (0 picks one, off disables)",
            address.port()
        );
        assert_eq!(error, expected);
    }
}
