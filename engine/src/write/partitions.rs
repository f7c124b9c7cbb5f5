//! Sorted rows → one file after the other, a new one for each value of the partition columns and when one is large enough.

use std::collections::HashMap;
use std::sync::Arc;

use chrono::{DateTime, NaiveDate, Utc};
use datafusion::arrow::array::{ArrayRef, RecordBatch};
use datafusion::arrow::compute::partition;
use datafusion::arrow::datatypes::{Fields, Schema, SchemaRef};
use datafusion::common::{ScalarValue, exec_err, not_impl_err};
use datafusion::datasource::listing::ListingTableUrl;
use datafusion::error::Result;
use datafusion::execution::{SendableRecordBatchStream, TaskContext};
use datafusion::execution::memory_pool::{MemoryConsumer, MemoryReservation};
use deltalake::kernel::Add;
use futures::StreamExt;
use object_store::path::Path;
use object_store::{ObjectStore, ObjectStoreExt};
use tokio::runtime::Handle;
use uuid::Uuid;

use super::exec::WriteTarget;
use super::file_writer::FileWriter;

/// A file larger than this is not added to.
pub(crate) const FILE_BYTES_MAX: usize = 256 << 20;
/// The directory of rows whose value is NULL, as Hive has it.
const NULL_DIRECTORY: &str = "__HIVE_DEFAULT_PARTITION__";

/// Writes the rows of one task.
pub(super) struct PartitionedWriter {
    store: Arc<dyn ObjectStore>,
    root: Path,
    /// Where the partition columns are in the input.
    partition_columns: Vec<(String, usize)>,
    /// Where the others are.
    file_columns: Vec<usize>,
    file_schema: SchemaRef,
    memory: MemoryReservation,
    open: Option<OpenFile>,
    written: Written,
}

struct OpenFile {
    values: Vec<ScalarValue>,
    add: Add,
    location: Path,
    writer: FileWriter,
}

/// The files that are complete. They are removed unless all of them are.
struct Written {
    store: Arc<dyn ObjectStore>,
    files: Vec<(Path, Add, usize)>,
}

impl Drop for Written {
    fn drop(&mut self) {
        let (store, files) = (Arc::clone(&self.store), std::mem::take(&mut self.files));
        // Without a runtime the process is about to end.
        if let (false, Ok(runtime)) = (files.is_empty(), Handle::try_current()) {
            runtime.spawn(async move {
                for (location, _, _) in files {
                    if let Err(error) = store.delete(&location).await {
                        tracing::warn!(%location, %error, "a file of a task that failed was not removed");
                    }
                }
            });
        }
    }
}

impl PartitionedWriter {
    pub(super) fn open(target: &WriteTarget, schema: &SchemaRef, context: &TaskContext) -> Result<Self> {
        let url = ListingTableUrl::parse(&target.location)?;
        let store = context.runtime_env().object_store(url.object_store())?;
        let index = |name: &String| Ok((name.clone(), schema.index_of(name)?));
        let partition_columns: Vec<(String, usize)> = target.partition_columns.iter().map(index).collect::<Result<_>>()?;
        let is_partition = |index: &usize| partition_columns.iter().any(|(_, other)| other == index);
        let file_columns: Vec<usize> = (0..schema.fields().len()).filter(|index| !is_partition(index)).collect();
        let fields = file_columns.iter().map(|index| schema.field(*index).clone().with_nullable(true).with_metadata(HashMap::new()));
        Ok(Self {
            root: url.prefix().clone(),
            partition_columns,
            file_schema: Arc::new(Schema::new(fields.collect::<Fields>())),
            file_columns,
            memory: MemoryConsumer::new("WriteExec").register(context.memory_pool()),
            open: None,
            written: Written { store: Arc::clone(&store), files: vec![] },
            store,
        })
    }

    /// Writes all of `rows`, sorted by the partition columns. Gives the files and how many rows each has.
    pub(super) async fn write_all(mut self, mut rows: SendableRecordBatchStream) -> Result<Vec<(Add, usize)>> {
        while let Some(batch) = rows.next().await {
            self.write(&batch?).await?;
        }
        self.close().await?;
        let files = std::mem::take(&mut self.written.files);
        Ok(files.into_iter().map(|(_, add, rows)| (add, rows)).collect())
    }

    async fn write(&mut self, batch: &RecordBatch) -> Result<()> {
        if batch.num_rows() == 0 {
            return Ok(());
        }
        let file_columns: Vec<ArrayRef> = self.file_columns.iter().map(|index| Arc::clone(batch.column(*index))).collect();
        if self.partition_columns.is_empty() {
            let rows = RecordBatch::try_new(Arc::clone(&self.file_schema), file_columns)?;
            return self.append(&[], rows).await;
        }
        let keys: Vec<ArrayRef> = self.partition_columns.iter().map(|(_, index)| Arc::clone(batch.column(*index))).collect();
        for range in partition(&keys)?.ranges() {
            let values = keys.iter().map(|column| ScalarValue::try_from_array(column, range.start)).collect::<Result<Vec<_>>>()?;
            let columns = file_columns.iter().map(|column| column.slice(range.start, range.len())).collect();
            let options = datafusion::arrow::array::RecordBatchOptions::new().with_row_count(Some(range.len()));
            let rows = RecordBatch::try_new_with_options(Arc::clone(&self.file_schema), columns, &options)?;
            self.append(&values, rows).await?;
        }
        Ok(())
    }

    async fn append(&mut self, values: &[ScalarValue], rows: RecordBatch) -> Result<()> {
        let is_full = |file: &OpenFile| file.values != values || file.writer.bytes() > FILE_BYTES_MAX;
        if self.open.as_ref().is_some_and(is_full) {
            self.close().await?;
        }
        let mut file = match self.open.take() {
            Some(file) => file,
            None => self.create(values)?,
        };
        file.writer.write(&rows, &self.memory).await?;
        self.open = Some(file);
        Ok(())
    }

    fn create(&self, values: &[ScalarValue]) -> Result<OpenFile> {
        let mut directory = vec![];
        let mut partition_values = HashMap::new();
        for ((name, _), value) in self.partition_columns.iter().zip(values) {
            let logged = logged(value)?;
            directory.push(format!("{name}={}", logged.as_deref().unwrap_or(NULL_DIRECTORY)));
            partition_values.insert(name.clone(), logged);
        }
        let name = format!("part-{}.snappy.parquet", Uuid::now_v7());
        let below = Path::from_iter(directory.iter().map(String::as_str).chain([name.as_str()]));
        let location = Path::from_iter(self.root.parts().chain(below.parts()));
        let add = Add { path: below.to_string(), partition_values, data_change: true, ..Add::default() };
        let writer = FileWriter::create(Arc::clone(&self.store), location.clone(), Arc::clone(&self.file_schema))?;
        Ok(OpenFile { values: values.to_vec(), add, location, writer })
    }

    async fn close(&mut self) -> Result<()> {
        let Some(OpenFile { add, location, writer, .. }) = self.open.take() else { return Ok(()) };
        let finished = writer.close().await?;
        self.memory.free();
        let add = Add {
            size: finished.bytes,
            modification_time: Utc::now().timestamp_millis(),
            stats: Some(finished.statistics),
            ..add
        };
        self.written.files.push((location, add, finished.rows));
        Ok(())
    }
}

/// A value as the log has it; `None` is NULL.
fn logged(value: &ScalarValue) -> Result<Option<String>> {
    if value.is_null() {
        return Ok(None);
    }
    Ok(Some(match value {
        ScalarValue::Utf8(Some(text)) | ScalarValue::Utf8View(Some(text)) if text.is_empty() => {
            // It would be read as NULL.
            return not_impl_err!("an empty text as the value of a partition");
        }
        ScalarValue::Date32(Some(days)) => {
            let date = NaiveDate::default().checked_add_signed(chrono::Duration::days(i64::from(*days)));
            date.map_or_else(|| value.to_string(), |date| date.to_string())
        }
        ScalarValue::TimestampMicrosecond(Some(micros), zone) => {
            let format = if zone.is_some() { "%Y-%m-%dT%H:%M:%S%.6fZ" } else { "%Y-%m-%d %H:%M:%S%.6f" };
            let time = DateTime::from_timestamp_micros(*micros);
            time.map_or_else(|| value.to_string(), |time| time.format(format).to_string())
        }
        ScalarValue::Boolean(_)
        | ScalarValue::Int8(_)
        | ScalarValue::Int16(_)
        | ScalarValue::Int32(_)
        | ScalarValue::Int64(_)
        | ScalarValue::Decimal128(..)
        | ScalarValue::Utf8(_)
        | ScalarValue::Utf8View(_) => value.to_string(),
        other => return exec_err!("a table cannot be partitioned by values of type {}", other.data_type()),
    }))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn values_as_the_log_has_them() {
        let text = |text: &str| ScalarValue::Utf8View(Some(text.into()));
        for (value, expected) in [
            (ScalarValue::Int32(None), None),
            (ScalarValue::Int64(Some(-3)), Some("-3")),
            (ScalarValue::Boolean(Some(true)), Some("true")),
            (ScalarValue::Decimal128(Some(-1205), 10, 2), Some("-12.05")),
            (ScalarValue::Date32(Some(-1)), Some("1969-12-31")),
            (ScalarValue::TimestampMicrosecond(Some(1), None), Some("1970-01-01 00:00:00.000001")),
            (ScalarValue::TimestampMicrosecond(Some(1), Some("UTC".into())), Some("1970-01-01T00:00:00.000001Z")),
            (text("a/b c"), Some("a/b c")),
        ] {
            assert_eq!(logged(&value).expect("a value").as_deref(), expected);
        }
        assert!(logged(&text("")).is_err());
    }
}
