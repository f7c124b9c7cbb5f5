//! Runs a result towards its reader: a task takes batches from the engine, brings them to the promised schema and a good
//! size, encodes them and puts them into a short queue; the connection takes them from there.
//!
//! The queue is what couples both ends: when the reader is slow it fills up, and the engine waits. When the reader goes
//! away, the task ends and with it the statement.

use std::time::Duration;

use arrow::array::RecordBatch;
use arrow::compute::concat_batches;
use futures::stream::{BoxStream, StreamExt};
use futures::{FutureExt, Stream};
use process::task::Tasks;
use tokio::sync::mpsc;
use tokio_util::sync::CancellationToken;
use tonic::Status;

use super::encoder::{Encoder, Message, batch_bytes};
use super::metrics::ResultMetrics;
use super::result_schema::ResultSchema;
use super::error;

/// Messages that wait for the connection. With what is being encoded and sent this bounds the memory of a result to
/// about 10 MB.
const QUEUE_MESSAGES_MAX: usize = 3;
/// Small batches are put together until they have this many rows or bytes, as long as the next one is there already.
const COALESCED_ROWS: usize = 65_536;
const COALESCED_BYTES: usize = 1 << 20;
/// A batch of this size goes out as it is: copying it would cost more than its message.
const UNCOALESCED_BYTES: usize = 256 << 10;
/// A reader that takes nothing for this long is gone, even if its connection pretends otherwise.
const READER_PATIENCE: Duration = Duration::from_secs(3600);

/// A result before it is sent: batches that conform to `schema` once `schema` has had a look at them.
pub(super) struct ResultBatches {
    pub(super) schema: ResultSchema,
    pub(super) batches: BoxStream<'static, Result<RecordBatch, Status>>,
}

impl ResultBatches {
    pub(super) fn new(schema: ResultSchema, batches: impl Stream<Item = Result<RecordBatch, Status>> + Send + 'static) -> Self {
        Self { schema, batches: batches.boxed() }
    }
}

/// What the connection takes from the queue.
#[derive(Debug)]
pub(super) enum Event {
    Message(Message),
    /// All is sent, or it failed. A queue that ends without it belonged to a task that did not get to its end.
    End(Result<(), Status>),
}

/// Starts the task and gives the end of its queue. It must hear of a cancellation while every thread that computes is busy,
/// so it is not one of theirs.
pub(super) fn start(
    result: ResultBatches,
    cancelled: CancellationToken,
    tasks: &Tasks,
    metrics: ResultMetrics,
) -> Result<mpsc::Receiver<Event>, Status> {
    let encoder = Encoder::new(result.schema.client())?;
    let (sender, receiver) = mpsc::channel(QUEUE_MESSAGES_MAX);
    let sending = Sending { schema: result.schema, encoder, sender, pending: Pending::default(), metrics };
    tasks.spawn("flight result", sending.run(result.batches, cancelled));
    Ok(receiver)
}

struct Sending {
    schema: ResultSchema,
    encoder: Encoder,
    sender: mpsc::Sender<Event>,
    pending: Pending,
    metrics: ResultMetrics,
}

/// Why the task stops before the end.
enum Stopped {
    ReaderGone,
    Failed(Status),
}

impl From<Status> for Stopped {
    fn from(status: Status) -> Self {
        Self::Failed(status)
    }
}

impl Sending {
    async fn run(mut self, batches: BoxStream<'static, Result<RecordBatch, Status>>, cancelled: CancellationToken) {
        let outcome = tokio::select! {
            biased;
            () = cancelled.cancelled() => Err(Stopped::Failed(error::cancelled())),
            outcome = self.send_all(batches) => outcome,
        };
        // `batches` is dropped by now, so whatever still ran for it is cancelled.
        let end = match outcome {
            Ok(()) => Ok(()),
            Err(Stopped::Failed(status)) => Err(status),
            Err(Stopped::ReaderGone) => {
                self.metrics.result_abandoned();
                return;
            }
        };
        self.metrics.result_finished(end.is_ok());
        // A reader that has gone in the meantime does not need to know.
        let _ = self.sender.send(Event::End(end)).await;
    }

    async fn send_all(&mut self, mut batches: BoxStream<'static, Result<RecordBatch, Status>>) -> Result<(), Stopped> {
        self.send(self.encoder.schema()).await?;
        loop {
            let next = match batches.next().now_or_never() {
                Some(next) => next,
                None => {
                    // Nothing more for now: the reader gets what there is.
                    self.flush().await?;
                    tokio::select! {
                        next = batches.next() => next,
                        () = self.sender.closed() => return Err(Stopped::ReaderGone),
                    }
                }
            };
            let Some(batch) = next else { break };
            let batch = self.schema.conform(&batch?)?;
            if !self.pending.takes(&batch) {
                self.flush().await?;
            }
            self.pending.push(batch);
            if self.pending.is_enough() {
                self.flush().await?;
            }
        }
        self.flush().await
    }

    async fn flush(&mut self) -> Result<(), Stopped> {
        let Some(batch) = self.pending.take()? else { return Ok(()) };
        for message in self.encoder.encode(&batch)? {
            self.metrics.sent(message.rows, message.body_bytes());
            self.send(message).await?;
        }
        Ok(())
    }

    async fn send(&self, message: Message) -> Result<(), Stopped> {
        match tokio::time::timeout(READER_PATIENCE, self.sender.send(Event::Message(message))).await {
            Ok(Ok(())) => Ok(()),
            Ok(Err(_)) => Err(Stopped::ReaderGone),
            Err(_) => Err(Stopped::Failed(Status::deadline_exceeded("nobody read the result for an hour"))),
        }
    }
}

/// Small batches on their way to become one.
#[derive(Default)]
struct Pending {
    batches: Vec<RecordBatch>,
    rows: usize,
    bytes: usize,
}

impl Pending {
    /// Whether `batch` may join those that wait.
    fn takes(&self, batch: &RecordBatch) -> bool {
        self.batches.is_empty() || batch_bytes(batch) < UNCOALESCED_BYTES
    }

    fn push(&mut self, batch: RecordBatch) {
        self.rows += batch.num_rows();
        self.bytes += batch_bytes(&batch);
        self.batches.push(batch);
    }

    fn is_enough(&self) -> bool {
        self.rows >= COALESCED_ROWS
            || self.bytes >= COALESCED_BYTES
            || (self.batches.len() == 1 && self.bytes >= UNCOALESCED_BYTES)
    }

    fn take(&mut self) -> Result<Option<RecordBatch>, Status> {
        (self.rows, self.bytes) = (0, 0);
        let mut batches = std::mem::take(&mut self.batches);
        match batches.len() {
            0 => Ok(None),
            1 => Ok(batches.pop()),
            _ => concat_batches(&batches[0].schema(), &batches)
                .map(Some)
                .map_err(|error| error::internal(format!("batches of one result cannot be put together: {error}"))),
        }
    }
}
