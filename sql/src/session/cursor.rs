//! Cursors of a session: queries whose rows are fetched some at a time.

use std::collections::HashMap;
use std::fmt;
use std::fs::File;
use std::io::{BufReader, BufWriter};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use arrow::array::RecordBatch;
use arrow::datatypes::SchemaRef;
use arrow::ipc::reader::StreamReader;
use arrow::ipc::writer::StreamWriter;
use futures::{StreamExt, stream};
use tokio::sync::{Mutex, OwnedMutexGuard};

use super::Session;
use super::prepared::ColumnOrigin;
use crate::error::{Error, Result};
use crate::response::Rows;

/// Each may hold a running query.
const CURSORS_MAX: usize = 1_000;
/// The word of the command tag of FETCH.
const FETCH: &str = "FETCH";

pub(crate) struct Cursor {
    pub(crate) schema: SchemaRef,
    pub(crate) origins: Vec<Option<ColumnOrigin>>,
    /// It outlives its transaction.
    holds: bool,
    /// Its transaction has ended.
    is_held: AtomicBool,
    rows: Arc<Mutex<Left>>,
}

/// What was not fetched yet.
struct Left {
    rows: Option<Rows>,
    batch: Option<RecordBatch>,
}

/// By name.
#[derive(Default)]
pub(crate) struct Cursors(parking_lot::Mutex<HashMap<String, Arc<Cursor>>>);

impl Cursor {
    pub(crate) fn new(rows: Rows, origins: Vec<Option<ColumnOrigin>>, holds: bool) -> Self {
        let schema = Arc::clone(rows.schema());
        let rows = Arc::new(Mutex::new(Left { rows: Some(rows), batch: None }));
        Self { schema, origins, holds, is_held: AtomicBool::default(), rows }
    }

    /// The next rows, `None` is all; the first `skipped` of them are passed over.
    pub(crate) async fn fetch(&self, skipped: u64, rows: Option<u64>) -> Result<Rows> {
        let mut left = Arc::clone(&self.rows).lock_owned().await;
        let mut to_skip = skipped;
        while to_skip > 0 {
            let Some(batch) = left.take(Some(to_skip)).await? else { break };
            to_skip -= batch.num_rows() as u64;
        }
        let batches = stream::unfold((left, rows), |(mut left, wanted): (OwnedMutexGuard<Left>, _)| async move {
            match left.take(wanted).await {
                Ok(Some(batch)) => {
                    let wanted = wanted.map(|rows: u64| rows - batch.num_rows() as u64);
                    Some((Ok(batch), (left, wanted)))
                }
                Ok(None) => None,
                Err(error) => Some((Err(error), (left, Some(0)))),
            }
        });
        Ok(Rows::new(Arc::clone(&self.schema), batches.boxed(), FETCH))
    }

    /// Passes over the next rows; gives how many there were.
    pub(crate) async fn skip(&self, rows: Option<u64>) -> Result<u64> {
        let mut left = self.rows.lock().await;
        let mut skipped = 0;
        while let Some(batch) = left.take(rows.map(|rows| rows - skipped)).await? {
            skipped += batch.num_rows() as u64;
        }
        Ok(skipped)
    }

    /// Writes what is left to a file, so that nothing of the transaction is needed any more.
    async fn hold(&self, session: &Session) -> Result<()> {
        let mut left = self.rows.lock().await;
        let disk = Arc::clone(&session.sessions().engine.runtime_env().disk_manager);
        let file = disk.create_tmp_file("a cursor WITH HOLD")?;
        let path = file.path().ok_or_else(|| Error::internal("the rows of a cursor have no file"))?.to_owned();
        let write = |error: std::io::Error| Error::internal(format!("the rows of a cursor cannot be kept: {error}"));
        let mut writer = StreamWriter::try_new(BufWriter::new(File::create(&path).map_err(write)?), &self.schema).map_err(engine::Error::from)?;
        while let Some(batch) = left.take(None).await? {
            writer.write(&batch).map_err(engine::Error::from)?;
        }
        writer.finish().map_err(engine::Error::from)?;
        let reader = StreamReader::try_new(BufReader::new(File::open(&path).map_err(write)?), None).map_err(engine::Error::from)?;
        // The file is there as long as somebody reads it.
        let batches = reader.map(move |batch| {
            let _kept = &file;
            batch.map_err(|error| engine::Error::from(error).into())
        });
        left.rows = Some(Rows::new(Arc::clone(&self.schema), stream::iter(batches).boxed(), FETCH));
        self.is_held.store(true, Ordering::Release);
        Ok(())
    }
}

impl Left {
    /// The next rows, at most `wanted`; `None` in the end.
    async fn take(&mut self, wanted: Option<u64>) -> Result<Option<RecordBatch>> {
        if wanted == Some(0) {
            return Ok(None);
        }
        let batch = loop {
            let batch = match (self.batch.take(), &mut self.rows) {
                (Some(batch), _) => batch,
                (None, Some(rows)) => match rows.next().await {
                    Some(batch) => batch.inspect_err(|_| self.rows = None)?,
                    None => {
                        self.rows = None;
                        return Ok(None);
                    }
                },
                (None, None) => return Ok(None),
            };
            if batch.num_rows() > 0 {
                break batch;
            }
        };
        let rows = wanted.and_then(|wanted| usize::try_from(wanted).ok()).unwrap_or(usize::MAX);
        if batch.num_rows() <= rows {
            return Ok(Some(batch));
        }
        self.batch = Some(batch.slice(rows, batch.num_rows() - rows));
        Ok(Some(batch.slice(0, rows)))
    }
}

impl fmt::Debug for Cursors {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_set().entries(self.0.lock().keys()).finish()
    }
}

impl Cursors {
    pub(crate) fn find(&self, name: &str) -> Result<Arc<Cursor>> {
        let found = self.0.lock().get(name).cloned();
        found.ok_or_else(|| Error::UndefinedCursor { name: name.to_owned() })
    }

    pub(crate) fn check_new(&self, name: &str) -> Result<()> {
        let cursors = self.0.lock();
        if cursors.contains_key(name) {
            return Err(Error::classified(crate::SqlState::DUPLICATE_CURSOR, format!("cursor \"{name}\" already exists")));
        }
        match cursors.len() < CURSORS_MAX {
            true => Ok(()),
            false => {
                let message = format!("the session already has {CURSORS_MAX} cursors");
                Err(Error::classified(crate::SqlState::PROGRAM_LIMIT_EXCEEDED, message))
            }
        }
    }

    pub(crate) fn insert(&self, name: &str, cursor: Cursor) {
        self.0.lock().insert(name.to_owned(), Arc::new(cursor));
    }

    pub(crate) fn close(&self, name: &str) -> Result<()> {
        let closed = self.0.lock().remove(name);
        closed.map(drop).ok_or_else(|| Error::UndefinedCursor { name: name.to_owned() })
    }

    pub(crate) fn close_all(&self) {
        self.0.lock().clear();
    }
}

impl Session {
    /// Keeps what cursors WITH HOLD have left, before their transaction commits.
    pub(crate) async fn hold_cursors(&self) -> Result<()> {
        let is_new = |cursor: &Arc<Cursor>| cursor.holds && !cursor.is_held.load(Ordering::Acquire);
        let held: Vec<Arc<Cursor>> = self.cursors.0.lock().values().filter(|cursor| is_new(cursor)).cloned().collect();
        for cursor in held {
            cursor.hold(self).await?;
        }
        Ok(())
    }

    /// Closes the cursors whose transaction has ended.
    pub(crate) fn end_cursors(&self) {
        self.cursors.0.lock().retain(|_, cursor| cursor.is_held.load(Ordering::Acquire));
    }
}
