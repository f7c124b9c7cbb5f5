//! A network link between two processes that can be cut: what is sent arrives nowhere, and nobody is told.

use std::net::SocketAddr;

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::watch;
use tokio::task::JoinHandle;

/// Passes connections on to a process.
pub struct Link {
    address: SocketAddr,
    target: watch::Sender<Option<SocketAddr>>,
    is_cut: watch::Sender<bool>,
    accepting: JoinHandle<()>,
}

impl Link {
    pub async fn new() -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.expect("a free port");
        let address = listener.local_addr().expect("an address");
        let (target, is_cut) = (watch::Sender::new(None), watch::Sender::new(false));
        let (targets, cuts) = (target.subscribe(), is_cut.subscribe());
        let accepting = tokio::spawn(async move {
            while let Ok((client, _)) = listener.accept().await {
                tokio::spawn(pass(client, targets.clone(), cuts.clone()));
            }
        });
        Self { address, target, is_cut, accepting }
    }

    pub async fn to(target: SocketAddr) -> Self {
        let link = Self::new().await;
        link.lead_to(target);
        link
    }

    /// Where connections go, which wait for this.
    pub fn lead_to(&self, target: SocketAddr) {
        self.target.send_replace(Some(target));
    }

    /// What others dial.
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    pub fn cut(&self) {
        self.is_cut.send_replace(true);
    }

    pub fn mend(&self) {
        self.is_cut.send_replace(false);
    }
}

impl Drop for Link {
    fn drop(&mut self) {
        self.accepting.abort();
    }
}

async fn pass(client: TcpStream, mut targets: watch::Receiver<Option<SocketAddr>>, cuts: watch::Receiver<bool>) {
    let Ok(target) = targets.wait_for(Option::is_some).await.map(|target| *target) else { return };
    let Ok(server) = TcpStream::connect(target.expect("waited for")).await else { return };
    let ((from_client, to_client), (from_server, to_server)) = (client.into_split(), server.into_split());
    tokio::join!(copy(from_client, to_server, cuts.clone()), copy(from_server, to_client, cuts));
}

async fn copy(mut from: impl AsyncReadExt + Unpin, mut to: impl AsyncWriteExt + Unpin, mut cuts: watch::Receiver<bool>) {
    let mut buffer = vec![0; 64 << 10];
    loop {
        let read = from.read(&mut buffer).await.unwrap_or(0);
        // The end of a connection does not arrive either. The link is gone with its test.
        if cuts.wait_for(|is_cut| !is_cut).await.is_err() || read == 0 {
            let _ = to.shutdown().await;
            return;
        }
        if to.write_all(&buffer[..read]).await.is_err() {
            return;
        }
    }
}
