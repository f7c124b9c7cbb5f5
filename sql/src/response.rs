//! What executing a statement yields: rows to stream, rows to copy out, or a command tag.

use std::pin::Pin;
use std::task::{Context, Poll};

use arrow::datatypes::SchemaRef;
use arrow::record_batch::RecordBatch;
use futures::Stream;
use futures::stream::BoxStream;
use tokio::sync::mpsc;
use tokio::task::JoinHandle;

use crate::session::running::RunningStatement;
use crate::{Error, SqlState};

/// The outcome of one statement. Dropping it before its rows are read cancels the statement, everywhere.
pub enum Response {
    /// A result set.
    Rows(Rows),
    /// `COPY … TO STDOUT`: a result set to be sent in the format asked for.
    CopyOut { rows: Rows, options: CopyOptions },
    /// `COPY … FROM STDIN`: rows are to be given to it.
    CopyIn(CopyIn),
    /// A statement without a result set, done: its command tag in PostgreSQL's spelling, without the count
    /// (`SET`, `BEGIN`, `INSERT 0`), and the rows affected where the tag has a count.
    Command { tag: String, rows: Option<u64> },
    /// The text held no statement.
    Empty,
}

/// Rows on their way into a table. Dropping it before [`CopyIn::finish`] leaves the table as it was.
pub struct CopyIn {
    table: String,
    schema: SchemaRef,
    options: CopyOptions,
    rows: Option<mpsc::Sender<RecordBatch>>,
    written: JoinHandle<Result<u64, Error>>,
    run: Option<RunningStatement>,
}

impl CopyIn {
    pub(crate) fn new(
        table: String,
        schema: SchemaRef,
        options: CopyOptions,
        rows: mpsc::Sender<RecordBatch>,
        written: JoinHandle<Result<u64, Error>>,
    ) -> Self {
        Self { table, schema, options, rows: Some(rows), written, run: None }
    }

    /// From now on it ends when `run` is cancelled or late.
    pub(crate) fn run_in(&mut self, run: RunningStatement) {
        self.run = Some(run);
    }

    /// The table's name, for errors.
    pub fn table(&self) -> &str {
        &self.table
    }

    /// What each batch must have.
    pub fn schema(&self) -> &SchemaRef {
        &self.schema
    }

    pub fn options(&self) -> &CopyOptions {
        &self.options
    }

    /// Gives it rows; waits while those before are written. After an error nothing is left to do.
    pub async fn write(&mut self, batch: RecordBatch) -> Result<(), Error> {
        let Self { rows, written, run, .. } = self;
        let give = async {
            match rows {
                Some(rows) if rows.send(batch).await.is_ok() => Ok(()),
                // Whoever takes them has failed.
                _ => match outcome(written).await {
                    Ok(_) => Err(Error::internal("a COPY has ended before its rows")),
                    Err(error) => Err(error),
                },
            }
        };
        within(run.as_ref(), give).await
    }

    /// Makes the rows part of the table; gives how many they are.
    pub async fn finish(mut self) -> Result<u64, Error> {
        self.rows = None;
        let (run, written) = (self.run.take(), &mut self.written);
        let rows = within(run.as_ref(), outcome(written)).await;
        if let Some(run) = run {
            run.ended(&rows);
        }
        rows
    }
}

impl Drop for CopyIn {
    fn drop(&mut self) {
        self.written.abort();
    }
}

async fn within<T>(run: Option<&RunningStatement>, work: impl Future<Output = Result<T, Error>>) -> Result<T, Error> {
    match run {
        Some(run) => run.until_canceled(work).await,
        None => work.await,
    }
}

async fn outcome(written: &mut JoinHandle<Result<u64, Error>>) -> Result<u64, Error> {
    written.await.unwrap_or_else(|error| Err(Error::internal(format!("a COPY was interrupted: {error}"))))
}

/// A stream of record batches that all have `schema`. It ends after its first error.
pub struct Rows {
    schema: SchemaRef,
    batches: BoxStream<'static, Result<RecordBatch, Error>>,
    command: &'static str,
}

impl Rows {
    /// `command` is the word of the command tag that counts these rows: `SELECT`, `SHOW`, `EXPLAIN`, `FETCH`, `INSERT 0`.
    pub fn new(
        schema: SchemaRef,
        batches: BoxStream<'static, Result<RecordBatch, Error>>,
        command: &'static str,
    ) -> Self {
        Self { schema, batches, command }
    }

    /// The schema of every batch, the same as [`crate::PreparedStatement::schema`] promised.
    pub fn schema(&self) -> &SchemaRef {
        &self.schema
    }

    /// The word of the command tag: `SELECT`, `SHOW`, `EXPLAIN`. `SHOW` and `EXPLAIN` are not followed by a count.
    pub fn command(&self) -> &'static str {
        self.command
    }
}

impl Stream for Rows {
    type Item = Result<RecordBatch, Error>;

    fn poll_next(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Self::Item>> {
        self.batches.as_mut().poll_next(cx)
    }
}

/// How `COPY … TO STDOUT` writes rows.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct CopyOptions {
    pub format: CopyFormat,
    pub delimiter: u8,
    /// The text that stands for NULL (`\N` in text format, empty in CSV).
    pub null: String,
    pub header: bool,
    pub quote: u8,
    pub escape: u8,
    /// CSV columns that are always quoted, by index.
    pub force_quote: Vec<usize>,
    /// CSV columns in which also a quoted text that is that of NULL is NULL.
    pub force_null: Vec<usize>,
    /// CSV columns in which no text is NULL.
    pub force_not_null: Vec<usize>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum CopyFormat {
    Text,
    Csv,
    Binary,
}

/// A message to the user that is not an error.
#[derive(Clone, Debug)]
pub struct Notice {
    pub severity: Severity,
    pub sql_state: SqlState,
    pub message: String,
    pub detail: Option<String>,
    pub hint: Option<String>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Severity {
    Warning,
    Notice,
    Info,
}
