//! Reads result partitions from executors. Each read has a connection to itself, so that a slow reader holds back nobody
//! else; connections are kept for the next read.

use std::collections::HashMap;
use std::fmt;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};

use async_trait::async_trait;
use ballista_core::client::BallistaClient;
use ballista_core::extension::BallistaConfigGrpcEndpoint;
use ballista_core::serde::scheduler::{PartitionLocation, ShuffleLayout};
use datafusion::arrow::datatypes::SchemaRef;
use datafusion::arrow::record_batch::RecordBatch;
use datafusion::execution::{RecordBatchStream, SendableRecordBatchStream};
use futures::{Stream, StreamExt};
use parking_lot::Mutex;

use crate::cluster::PartitionFetcher;
use crate::config::MESSAGE_BYTES_MAX;
use crate::endpoint::watch;
use crate::error::{Error, Result};

/// Idle connections kept for each executor.
const IDLE_CONNECTIONS_MAX: usize = 8;

/// HTTP/2 window: enough to keep a fast reader busy, and what a slow one holds in memory.
const WINDOW_BYTES: u32 = 4 * 1024 * 1024;

const RETRIES: u8 = 3;
const RETRY_WAIT_MILLISECONDS: u64 = 500;

type Executor = (String, u16);
type Idle = Arc<Mutex<HashMap<Executor, Vec<BallistaClient>>>>;

/// A [`PartitionFetcher`] over Arrow Flight.
#[derive(Default)]
pub struct PooledFetcher {
    idle: Idle,
}

impl fmt::Debug for PooledFetcher {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let idle = self.idle.lock();
        f.debug_struct("PooledFetcher").field("idle", &idle.values().map(Vec::len).sum::<usize>()).finish()
    }
}

#[async_trait]
impl PartitionFetcher for PooledFetcher {
    async fn fetch(&self, location: &PartitionLocation) -> Result<SendableRecordBatchStream> {
        let meta = &location.executor_meta;
        let executor = (meta.host.clone(), meta.port);
        let reused = self.idle.lock().get_mut(&executor).and_then(Vec::pop);
        let layout = if location.is_sort_shuffle { ShuffleLayout::Sort } else { ShuffleLayout::Passthrough };
        if let Some(mut client) = reused {
            // A kept connection may have died with its executor: a new one decides.
            let fetched = client.fetch_partition(&meta.id, &location.partition_id, location.file_id, layout, false).await;
            if let Ok(rows) = fetched {
                return Ok(self.returning(executor, client, rows));
            }
        }
        let unreachable = |error: ballista_core::error::BallistaError| Error::Unreachable {
            peer: format!("executor {}:{}", meta.host, meta.port),
            message: error.to_string(),
        };
        let mut client = BallistaClient::try_new(
            &meta.host,
            meta.port,
            MESSAGE_BYTES_MAX,
            false,
            Some(Arc::new(BallistaConfigGrpcEndpoint::new(watch()))),
            RETRIES,
            RETRY_WAIT_MILLISECONDS,
            WINDOW_BYTES,
            WINDOW_BYTES,
        )
        .await
        .map_err(unreachable)?;
        let rows = client
            .fetch_partition(&meta.id, &location.partition_id, location.file_id, layout, false)
            .await
            .map_err(unreachable)?;
        Ok(self.returning(executor, client, rows))
    }
}

impl PooledFetcher {
    fn returning(
        &self,
        executor: Executor,
        client: BallistaClient,
        rows: SendableRecordBatchStream,
    ) -> SendableRecordBatchStream {
        Box::pin(Fetched { rows, connection: Some((executor, client)), idle: Arc::clone(&self.idle) })
    }
}

/// The rows of a partition. Its connection is kept if it was read to the end.
struct Fetched {
    rows: SendableRecordBatchStream,
    connection: Option<(Executor, BallistaClient)>,
    idle: Idle,
}

impl Stream for Fetched {
    type Item = datafusion::error::Result<RecordBatch>;

    fn poll_next(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Self::Item>> {
        let next = self.rows.poll_next_unpin(cx);
        match &next {
            Poll::Ready(None) => {
                if let Some((executor, client)) = self.connection.take() {
                    let mut idle = self.idle.lock();
                    let clients = idle.entry(executor).or_default();
                    if clients.len() < IDLE_CONNECTIONS_MAX {
                        clients.push(client);
                    }
                }
            }
            Poll::Ready(Some(Err(_))) => self.connection = None,
            _ => {}
        }
        next
    }
}

impl RecordBatchStream for Fetched {
    fn schema(&self) -> SchemaRef {
        self.rows.schema()
    }
}
