//! What executing a statement yields: rows to stream, rows to copy out, or a command tag.

use std::pin::Pin;
use std::task::{Context, Poll};

use arrow::datatypes::SchemaRef;
use arrow::record_batch::RecordBatch;
use futures::Stream;
use futures::stream::BoxStream;

use crate::{Error, SqlState};

/// The outcome of one statement. Dropping it before its rows are read cancels the statement, everywhere.
pub enum Response {
    /// A result set.
    Rows(Rows),
    /// `COPY … TO STDOUT`: a result set to be sent in the format asked for.
    CopyOut { rows: Rows, options: CopyOptions },
    /// A statement without a result set, done: its command tag in PostgreSQL's spelling, without the count
    /// (`SET`, `BEGIN`, `INSERT 0`), and the rows affected where the tag has a count.
    Command { tag: String, rows: Option<u64> },
    /// The text held no statement.
    Empty,
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
