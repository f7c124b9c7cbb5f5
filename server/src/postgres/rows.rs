//! Sends the rows of one result: encodes a batch row by row, waits when the client is slow, goes on where it stopped.

use arrow::record_batch::RecordBatch;
use bytes::BytesMut;
use futures::StreamExt;
use std::time::Duration;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::time::Instant;

use super::connection::{Ending, Failure, Io};
use super::copy::CopyRows;
use super::error::Error;
use super::socket::OUTPUT_FULL_BYTES;
use super::to_wire::{self, Format, Settings, ValueError};

/// Rows that are ready wait this long for more, so that a small result is one write; then they are sent.
const FLUSH_DELAY: Duration = Duration::from_millis(2);

/// What a row becomes.
pub enum Form {
    /// A DataRow message, with a format per column.
    DataRows { formats: Vec<Format>, settings: Settings },
    /// A line or tuple of COPY.
    Copy(CopyRows),
}

/// A result that is being sent. Dropping it cancels its statement.
pub struct RowStream {
    rows: sql::Rows,
    form: Form,
    /// When the statement has taken too long.
    deadline: Option<Instant>,
    batch: Option<Batch>,
    /// Fetched while the client was slow.
    ahead: Option<Result<RecordBatch, sql::Error>>,
    ended: bool,
}

/// A batch that is being encoded.
struct Batch {
    rows: to_wire::Rows,
    next: usize,
}

/// How far sending came.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Sent {
    pub rows: u64,
    /// There are no more rows.
    pub complete: bool,
}

impl RowStream {
    pub fn new(rows: sql::Rows, form: Form, deadline: Option<Instant>) -> Self {
        Self { rows, form, deadline, batch: None, ahead: None, ended: false }
    }

    /// The word of the command tag.
    pub fn command(&self) -> &'static str {
        self.rows.command()
    }

    /// Appends what stands before the first row of a COPY.
    pub fn put_copy_start(&mut self, out: &mut BytesMut) -> Result<(), ValueError> {
        match &self.form {
            Form::Copy(copy) => copy.put_start(self.rows.schema(), out),
            Form::DataRows { .. } => Ok(()),
        }
    }

    /// Appends what stands after the last row of a COPY.
    pub fn put_copy_end(&mut self, out: &mut BytesMut) -> Result<(), ValueError> {
        match &mut self.form {
            Form::Copy(copy) => copy.put_end(out),
            Form::DataRows { .. } => Ok(()),
        }
    }

    /// Sends rows until there are no more, or `rows_max` of them. The last of them may still be in the output buffer.
    pub async fn send<S>(&mut self, io: &mut Io<S>, rows_max: Option<u64>) -> Result<Sent, Failure>
    where
        S: AsyncRead + AsyncWrite + Unpin,
    {
        let rows_max = rows_max.unwrap_or(u64::MAX);
        let mut rows = 0;
        loop {
            rows += self.fill(&mut io.socket.output, rows_max - rows)?;
            if rows == rows_max {
                return Ok(Sent { rows, complete: false });
            }
            if io.socket.output.len() >= OUTPUT_FULL_BYTES {
                self.wait_for_client(io).await?;
            }
            if self.batch.is_none() {
                let Some(batch) = self.next_batch(io).await? else { return Ok(Sent { rows, complete: true }) };
                self.start(batch?);
            }
        }
    }

    fn start(&mut self, batch: RecordBatch) {
        debug_assert_eq!(batch.num_columns(), self.rows.schema().fields().len(), "a batch has the columns of its stream");
        let rows = match &self.form {
            Form::DataRows { formats, settings } => to_wire::Rows::new(&batch, self.rows.schema(), formats, settings),
            Form::Copy(copy) => copy.rows(&batch, self.rows.schema()),
        };
        self.batch = Some(Batch { rows, next: 0 });
    }

    /// Encodes rows of the current batch until it ends, the buffer is full or `rows_max` are encoded.
    fn fill(&mut self, out: &mut BytesMut, rows_max: u64) -> Result<u64, Error> {
        let Some(batch) = &mut self.batch else { return Ok(0) };
        let first = batch.next;
        let end = batch.rows.count().min(first.saturating_add(usize::try_from(rows_max).unwrap_or(usize::MAX)));
        match &mut self.form {
            Form::DataRows { .. } => put_rows(batch, end, out, to_wire::Rows::put_data_row)?,
            Form::Copy(copy) => put_rows(batch, end, out, |rows, row, out| copy.put_row(rows, row, out))?,
        }
        let encoded = batch.next - first;
        if batch.next == batch.rows.count() {
            self.batch = None;
        }
        Ok(encoded as u64)
    }

    /// Waits until there is room in the buffer, and meanwhile fetches one batch.
    async fn wait_for_client<S>(&mut self, io: &mut Io<S>) -> Result<(), Failure>
    where
        S: AsyncRead + AsyncWrite + Unpin,
    {
        loop {
            tokio::select! {
                biased;
                room = io.socket.make_room() => return room.map_err(|error| Ending::ClientGone(error).into()),
                () = io.cancellation.canceled() => return Err(sql::Error::QueryCanceled.into()),
                () = sleep_until(self.deadline) => return Err(sql::Error::StatementTimeout.into()),
                () = io.shutdown.forced() => return Err(Ending::Forced.into()),
                batch = self.rows.next(), if self.ahead.is_none() && !self.ended => match batch {
                    // The rows that wait here are of no use any more.
                    Some(Err(error)) => return Err(Error::from(error).into()),
                    Some(batch) => self.ahead = Some(batch),
                    None => self.ended = true,
                },
            }
        }
    }

    async fn next_batch<S>(&mut self, io: &mut Io<S>) -> Result<Option<Result<RecordBatch, Error>>, Failure>
    where
        S: AsyncRead + AsyncWrite + Unpin,
    {
        if let Some(batch) = self.ahead.take() {
            return Ok(Some(batch.map_err(Error::from)));
        }
        if self.ended {
            return Ok(None);
        }
        let mut sending = false;
        loop {
            tokio::select! {
                biased;
                batch = self.rows.next() => return Ok(batch.map(|batch| batch.map_err(Error::from))),
                error = io.socket.gone(sending) => return Err(Ending::ClientGone(error).into()),
                () = io.shutdown.forced() => return Err(Ending::Forced.into()),
                () = tokio::time::sleep(FLUSH_DELAY), if !sending && !io.socket.output.is_empty() => sending = true,
            }
        }
    }
}

async fn sleep_until(deadline: Option<Instant>) {
    match deadline {
        Some(deadline) => tokio::time::sleep_until(deadline).await,
        None => std::future::pending().await,
    }
}

/// Encodes rows up to `end`, one by one, for a single row can be large.
fn put_rows(
    batch: &mut Batch,
    end: usize,
    out: &mut BytesMut,
    mut put: impl FnMut(&to_wire::Rows, usize, &mut BytesMut) -> Result<(), ValueError>,
) -> Result<(), ValueError> {
    while batch.next < end && out.len() < OUTPUT_FULL_BYTES {
        put(&batch.rows, batch.next, out)?;
        batch.next += 1;
    }
    Ok(())
}
