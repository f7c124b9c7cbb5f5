//! One Parquet file.

use std::sync::Arc;

use datafusion::arrow::array::RecordBatch;
use datafusion::arrow::datatypes::SchemaRef;
use datafusion::datasource::physical_plan::parquet::metadata::DFParquetMetadata;
use datafusion::error::Result;
use datafusion::execution::memory_pool::MemoryReservation;
use object_store::ObjectStore;
use object_store::buffered::BufWriter;
use object_store::path::Path;
use parquet::arrow::arrow_writer::ArrowWriterOptions;
use parquet::arrow::async_writer::AsyncArrowWriter;
use parquet::basic::Compression;
use parquet::file::properties::{EnabledStatistics, WriterProperties};

use crate::table_format::delta::statistics_json;
use crate::memory::BATCH_ROWS;

/// A whole number of batches: what is left over of a row group would have to be copied to fill up the next batch.
pub(super) const ROW_GROUP_ROWS: usize = 30 * BATCH_ROWS;
/// Rows of long texts: a row group is in memory until it is complete.
pub(super) const ROW_GROUP_BYTES: usize = 64 << 20;
/// What is sent to the store at once, and how many of these are under way.
pub(super) const PART_BYTES: usize = 8 << 20;
pub(super) const PARTS_MAX: usize = 2;

pub(super) struct FileWriter {
    schema: SchemaRef,
    writer: AsyncArrowWriter<BufWriter>,
}

/// A file that is complete.
pub(super) struct Finished {
    pub(super) bytes: i64,
    pub(super) rows: usize,
    /// As the log has them.
    pub(super) statistics: String,
}

impl FileWriter {
    pub(super) fn create(store: Arc<dyn ObjectStore>, location: Path, schema: SchemaRef) -> Result<Self> {
        let properties = WriterProperties::builder()
            .set_created_by(concat!("arbalest ", env!("CARGO_PKG_VERSION")).to_owned())
            .set_compression(Compression::SNAPPY)
            .set_max_row_group_row_count(Some(ROW_GROUP_ROWS))
            .set_statistics_enabled(EnabledStatistics::Page)
            .build();
        // Without the Arrow schema in it: other readers take the types of Parquet, which are those of the table.
        let options = ArrowWriterOptions::new().with_properties(properties).with_skip_arrow_metadata(true);
        let output = BufWriter::with_capacity(store, location, PART_BYTES).with_max_concurrency(PARTS_MAX);
        let writer = AsyncArrowWriter::try_new_with_options(output, Arc::clone(&schema), options)?;
        Ok(Self { schema, writer })
    }

    /// Bytes so far, about.
    pub(super) fn bytes(&self) -> usize {
        self.writer.bytes_written() + self.writer.in_progress_size()
    }

    /// Writes rows; what they take until their row group is complete is counted in `memory`.
    pub(super) async fn write(&mut self, rows: &RecordBatch, memory: &MemoryReservation) -> Result<()> {
        self.writer.write(rows).await?;
        if self.writer.in_progress_size() > ROW_GROUP_BYTES || memory.try_resize(self.writer.memory_size()).is_err() {
            self.writer.flush().await?;
            memory.try_resize(self.writer.memory_size())?;
        }
        Ok(())
    }

    pub(super) async fn close(mut self) -> Result<Finished> {
        let metadata = self.writer.finish().await?;
        let rows = usize::try_from(metadata.file_metadata().num_rows()).unwrap_or_default();
        let statistics = DFParquetMetadata::statistics_from_parquet_metadata(&metadata, &self.schema)?;
        let bytes = i64::try_from(self.writer.bytes_written()).unwrap_or(i64::MAX);
        Ok(Finished { bytes, rows, statistics: statistics_json(&statistics, rows, &self.schema) })
    }
}
