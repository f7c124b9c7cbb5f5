//! Files → tables. Each format yields a provider whose scans are `FileScanConfig`s, which the scheduler can divide.

pub(crate) mod delta;
mod file_name;
mod first_line;
mod json_keys;
mod named_parquet;
mod schema;
mod served_files;

use std::sync::Arc;

use datafusion::arrow::datatypes::{DataType, SchemaRef};
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
use serde::{Deserialize, Serialize};

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
    /// What is listed again at each scan: files and directories of one store. Never empty.
    pub urls: Vec<ListingTableUrl>,
    /// What the names of all files say.
    pub file_name: FileName,
    /// The directories `key=value` between `url` and the files, outermost first.
    pub partition_columns: Vec<(String, DataType)>,
    /// The files seen when the table was found.
    pub files: Vec<ObjectMeta>,
    /// Whether these are all that the table has. Else the URLs are listed at each scan.
    pub is_fixed: bool,
    pub options: FileOptions,
}

/// How the rows of text files are written, as far as their names do not say it.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct FileOptions {
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub delimiter: Option<u8>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub quote: Option<u8>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub escape: Option<u8>,
    /// Whether the first line of a CSV file names the columns. It does unless this says otherwise.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub header: Option<bool>,
    /// What is written for NULL in CSV files; nothing unless this is given.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub null: Option<String>,
    /// The columns of CSV files are texts, whatever is in them.
    #[serde(default)]
    pub all_text: bool,
    /// There are so many columns, whatever the files say.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub width: Option<usize>,
}

impl TableFiles {
    /// The first of the URLs, which stands for all of them.
    pub fn url(&self) -> &ListingTableUrl {
        &self.urls[0]
    }
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
        let format = file_format(&table.file_name, &table.options);
        let file_schema = match table.options.width {
            Some(width) => schema::of_texts(width),
            None => schema::infer(state, format.as_ref(), &table).await?,
        };
        Self::over(state, table, format, file_schema)
    }

    /// Builds the table of files that have the columns of `schema`. Fails for CSV files whose headers differ.
    pub async fn with_schema(state: &SessionState, table: TableFiles, schema: SchemaRef) -> Result<Self> {
        schema::check(state, &table).await?;
        let format = file_format(&table.file_name, &table.options);
        Self::over(state, table, format, schema)
    }

    fn over(state: &SessionState, table: TableFiles, format: Arc<dyn FileFormat>, file_schema: SchemaRef) -> Result<Self> {
        let bytes = table.files.iter().map(|file| file.size).sum();
        let options = ListingOptions::new(format)
            .with_file_extension(table.file_name.suffix.clone())
            .with_table_partition_cols(table.partition_columns.clone());
        let schema = match table.file_name.kind {
            FileKind::Parquet => Arc::new(transform_schema_to_view(&file_schema)),
            _ => file_schema,
        };
        let config = ListingTableConfig::new_with_multi_paths(table.urls.clone()).with_listing_options(options).with_schema(schema);
        let cache = state.runtime_env().cache_manager.get_file_statistic_cache();
        let files = ListingTable::try_new(config)?.with_cache(cache);
        let only = table.is_fixed.then(|| table.files.into_iter().map(|file| file.location).collect());
        let served = ServedFiles { table: files, urls: table.urls, suffix: table.file_name.suffix, only };
        Ok(Self { provider: Arc::new(served), bytes })
    }
}

fn file_format(file_name: &FileName, options: &FileOptions) -> Arc<dyn FileFormat> {
    match file_name.kind {
        // The table's schema says whether strings are views; the format must not decide again.
        FileKind::Parquet => Arc::new(NamedParquet(ParquetFormat::default().with_force_view_types(false))),
        FileKind::Csv { delimiter } => Arc::new(
            CsvFormat::default()
                .with_schema_infer_max_rec(INFERRED_ROWS)
                .with_has_header(options.header.unwrap_or(true))
                .with_delimiter(options.delimiter.unwrap_or(delimiter))
                .with_quote(options.quote.unwrap_or(b'"'))
                .with_escape(options.escape)
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
