//! Files → tables. Each format yields a provider whose scans are `FileScanConfig`s, which the scheduler can divide.

mod file_name;
mod first_line;
mod json_keys;
mod named_parquet;
mod schema;
mod served_files;

use std::sync::Arc;

use datafusion::arrow::datatypes::DataType;
use datafusion::catalog::TableProvider;
use datafusion::common::GetExt;
use datafusion::datasource::file_format::FileFormat;
use datafusion::datasource::file_format::arrow::ArrowFormat;
use datafusion::datasource::file_format::avro::AvroFormat;
use datafusion::datasource::file_format::csv::CsvFormat;
use datafusion::datasource::file_format::json::JsonFormat;
use datafusion::datasource::file_format::parquet::{ParquetFormat, transform_schema_to_view};
use datafusion::datasource::listing::{ListingOptions, ListingTable, ListingTableConfig, ListingTableUrl};
use datafusion::execution::session_state::SessionState;
use object_store::ObjectMeta;

pub use file_name::{FileKind, FileName};

use crate::error::{Error, Result};
pub(crate) use named_parquet::NamedParquet;
use served_files::ServedFiles;

/// Rows of a text table that decide the types of its columns. A later number that does not fit is an error in CSV, and cut
/// off in JSON: a hundred times DataFusion's default, still read in a tenth of a second.
const INFERRED_ROWS: usize = 100_000;

/// The files of one table, found by whoever listed them.
#[derive(Clone, Debug)]
pub struct TableFiles {
    /// What is listed again at each scan: a file or a directory.
    pub url: ListingTableUrl,
    /// What the names of all files say.
    pub file_name: FileName,
    /// The directories `key=value` between `url` and the files, outermost first.
    pub partition_columns: Vec<(String, DataType)>,
    /// The files seen when the table was found. Never empty.
    pub files: Vec<ObjectMeta>,
}

/// A table over files.
#[derive(Clone, Debug)]
pub struct FileTable {
    /// Strings and binaries of Parquet files are view types, which scan and compare faster.
    pub provider: Arc<dyn TableProvider>,
    pub bytes: u64,
}

impl FileTable {
    /// Reads the schema of every file and builds the table. Fails with a sentence that names the first file that cannot
    /// be read or that contradicts another.
    pub async fn open(state: &SessionState, table: TableFiles) -> Result<Self> {
        let format = file_format(&table.file_name);
        let file_schema = schema::infer(state, format.as_ref(), &table).await?;
        let bytes = table.files.iter().map(|file| file.size).sum();
        let options = ListingOptions::new(format)
            .with_file_extension(table.file_name.suffix.clone())
            .with_table_partition_cols(table.partition_columns.clone());
        let schema = match table.file_name.kind {
            FileKind::Parquet => Arc::new(transform_schema_to_view(&file_schema)),
            _ => file_schema,
        };
        let config = ListingTableConfig::new(table.url.clone()).with_listing_options(options).with_schema(schema);
        let cache = state.runtime_env().cache_manager.get_file_statistic_cache();
        let files = ListingTable::try_new(config)?.with_cache(cache);
        let served = ServedFiles { table: files, url: table.url, suffix: table.file_name.suffix };
        Ok(Self { provider: Arc::new(served), bytes })
    }
}

fn file_format(file_name: &FileName) -> Arc<dyn FileFormat> {
    match file_name.kind {
        // The table's schema says whether strings are views; the format must not decide again.
        FileKind::Parquet => Arc::new(NamedParquet(ParquetFormat::default().with_force_view_types(false))),
        FileKind::Csv { delimiter } => Arc::new(
            CsvFormat::default()
                .with_schema_infer_max_rec(INFERRED_ROWS)
                .with_has_header(true)
                .with_delimiter(delimiter)
                // A quoted value may hold a line break, and a file divided there would be read wrongly.
                .with_newlines_in_values(true)
                .with_file_compression_type(file_name.compression),
        ),
        FileKind::Json => Arc::new(
            JsonFormat::default()
                .with_schema_infer_max_rec(INFERRED_ROWS)
                .with_file_compression_type(file_name.compression),
        ),
        FileKind::Arrow => Arc::new(ArrowFormat),
        FileKind::Avro => Arc::new(AvroFormat),
    }
}

impl FileName {
    fn file_error(&self, location: &str, error: impl std::fmt::Display) -> Error {
        let compression = self.compression.get_ext();
        let kind = self.kind.name();
        let message = match compression.is_empty() {
            true => format!("cannot be read as {kind}: {error}"),
            false => format!("cannot be read as {kind} with compression {compression}: {error}"),
        };
        Error::Location { location: location.to_owned(), message }
    }
}
