//! Rows → one file at a location. It is there when all rows are in it, or not at all.

use std::sync::Arc;

use bytes::Bytes;
use datafusion::arrow::array::{ArrayRef, AsArray, RecordBatch, StringArray};
use datafusion::arrow::compute::cast;
use datafusion::arrow::csv;
use datafusion::arrow::datatypes::{DataType, Field, FieldRef, Schema, SchemaRef};
use datafusion::arrow::error::ArrowError;
use datafusion::arrow::ipc::writer::FileWriter as ArrowFileWriter;
use datafusion::arrow::json::LineDelimitedWriter;
use datafusion::common::DataFusionError;
use datafusion::execution::object_store::ObjectStoreRegistry;
use futures::{Stream, TryStreamExt};
use object_store::buffered::BufWriter;
use object_store::path::Path;
use parquet::arrow::ArrowWriter;
use parquet::basic::Compression;
use parquet::file::properties::WriterProperties;
use tokio::io::AsyncWriteExt;
use url::Url;

use super::file_writer::{PART_BYTES, PARTS_MAX, ROW_GROUP_BYTES, ROW_GROUP_ROWS};
use crate::error::{Error, Result};
use crate::object_store::ObjectStores;
use crate::table_format::{FileKind, FileOptions};

/// As PostgreSQL prints them.
const TIMESTAMP_FORMAT: &str = "%Y-%m-%d %H:%M:%S%.f";
const TIMESTAMP_ZONE_FORMAT: &str = "%Y-%m-%d %H:%M:%S%.f%:z";

/// Writes `rows`, which have `schema`, to `url`. Gives how many there were.
pub async fn write_file<E: From<Error>>(
    object_stores: &Arc<ObjectStores>,
    url: &Url,
    kind: FileKind,
    options: &FileOptions,
    schema: SchemaRef,
    mut rows: impl Stream<Item = Result<RecordBatch, E>> + Unpin,
) -> Result<u64, E> {
    let path = Path::from_url_path(url.path()).map_err(|error| Error::Location { location: url.to_string(), message: error.to_string() })?;
    let store = object_stores.get_store(url).map_err(Error::from)?;
    let mut encoder = Encoder::new(kind, options, &schema)?;
    let mut output = BufWriter::with_capacity(store, path, PART_BYTES).with_max_concurrency(PARTS_MAX);
    let written = write(&mut encoder, &mut output, &mut rows).await;
    let Ok(count) = written else {
        // Nothing is there before all is: what cannot be taken back is not seen.
        if let Err(error) = output.abort().await {
            tracing::debug!(%url, %error, "a file that was not completed was not given up");
        }
        return written;
    };
    output.shutdown().await.map_err(|error| Error::from(DataFusionError::from(error)))?;
    Ok(count)
}

async fn write<E: From<Error>>(
    encoder: &mut Encoder,
    output: &mut BufWriter,
    rows: &mut (impl Stream<Item = Result<RecordBatch, E>> + Unpin),
) -> Result<u64, E> {
    let failed = |error: object_store::Error| Error::from(DataFusionError::from(error));
    let mut count = 0;
    while let Some(batch) = rows.try_next().await? {
        count += batch.num_rows() as u64;
        let bytes = encoder.encode(&batch)?;
        if !bytes.is_empty() {
            output.put(bytes).await.map_err(failed)?;
        }
    }
    output.put(encoder.finish()?).await.map_err(failed)?;
    Ok(count)
}

enum Encoder {
    Parquet(Box<ArrowWriter<Vec<u8>>>),
    Arrow(Box<ArrowFileWriter<Vec<u8>>>),
    Json,
    Csv { builder: csv::WriterBuilder, schema: SchemaRef, begun: bool, header: bool },
}

impl Encoder {
    fn new(kind: FileKind, options: &FileOptions, schema: &SchemaRef) -> Result<Self> {
        Ok(match kind {
            FileKind::Parquet => {
                let properties = WriterProperties::builder()
                    .set_created_by(concat!("arbalest ", env!("CARGO_PKG_VERSION")).to_owned())
                    .set_compression(Compression::SNAPPY)
                    .set_max_row_group_row_count(Some(ROW_GROUP_ROWS))
                    .build();
                let writer = ArrowWriter::try_new(vec![], Arc::clone(schema), Some(properties));
                Self::Parquet(Box::new(writer.map_err(DataFusionError::from)?))
            }
            FileKind::Arrow => Self::Arrow(Box::new(ArrowFileWriter::try_new(vec![], schema)?)),
            FileKind::Json => Self::Json,
            FileKind::Csv { delimiter } => {
                let quote = options.quote.unwrap_or(b'"');
                let builder = csv::WriterBuilder::new()
                    .with_delimiter(options.delimiter.unwrap_or(delimiter))
                    .with_quote(quote)
                    .with_escape(options.escape.unwrap_or(quote))
                    .with_double_quote(options.escape.is_none_or(|escape| escape == quote))
                    .with_null(options.null.clone().unwrap_or_default())
                    .with_timestamp_format(TIMESTAMP_FORMAT.to_owned())
                    .with_timestamp_tz_format(TIMESTAMP_ZONE_FORMAT.to_owned());
                Self::Csv { builder, schema: Arc::clone(schema), begun: false, header: options.header.unwrap_or(false) }
            }
            FileKind::Avro => {
                let error = DataFusionError::NotImplemented("Avro files are read, but not written".into());
                return Err(error.into());
            }
        })
    }

    /// Takes rows; gives bytes that are complete.
    fn encode(&mut self, rows: &RecordBatch) -> Result<Bytes> {
        Ok(match self {
            Self::Parquet(writer) => {
                writer.write(rows).map_err(DataFusionError::from)?;
                if writer.in_progress_size() > ROW_GROUP_BYTES {
                    writer.flush().map_err(DataFusionError::from)?;
                }
                std::mem::take(writer.inner_mut()).into()
            }
            Self::Arrow(writer) => {
                writer.write(rows)?;
                std::mem::take(writer.get_mut()).into()
            }
            Self::Json => {
                let mut writer = LineDelimitedWriter::new(vec![]);
                writer.write(&with_readable_bytes(rows)?)?;
                writer.finish()?;
                writer.into_inner().into()
            }
            Self::Csv { builder, begun, header, .. } => {
                let header = !std::mem::replace(begun, true) && *header;
                csv_bytes(builder, header, rows)?
            }
        })
    }

    fn finish(&mut self) -> Result<Bytes> {
        Ok(match self {
            Self::Parquet(writer) => {
                writer.finish().map_err(DataFusionError::from)?;
                std::mem::take(writer.inner_mut()).into()
            }
            Self::Arrow(writer) => {
                writer.finish()?;
                std::mem::take(writer.get_mut()).into()
            }
            // A file without rows has its header all the same.
            Self::Csv { builder, schema, begun: false, header } => csv_bytes(builder, *header, &RecordBatch::new_empty(Arc::clone(schema)))?,
            Self::Json | Self::Csv { .. } => Bytes::new(),
        })
    }
}

fn csv_bytes(builder: &csv::WriterBuilder, header: bool, rows: &RecordBatch) -> Result<Bytes, ArrowError> {
    let mut writer = builder.clone().with_header(header).build(vec![]);
    writer.write(&with_readable_bytes(rows)?)?;
    Ok(writer.into_inner().into())
}

/// Bytes as PostgreSQL writes them in texts: `\xdeadbeef`.
fn with_readable_bytes(rows: &RecordBatch) -> Result<RecordBatch, ArrowError> {
    let is_bytes = |data_type: &DataType| matches!(data_type, DataType::Binary | DataType::LargeBinary | DataType::BinaryView);
    if !rows.schema().fields().iter().any(|field| is_bytes(field.data_type())) {
        return Ok(rows.clone());
    }
    let text = |column: &ArrayRef| -> Result<ArrayRef, ArrowError> {
        if !is_bytes(column.data_type()) {
            return Ok(Arc::clone(column));
        }
        let bytes = cast(column, &DataType::Binary)?;
        let hex = |bytes: &[u8]| bytes.iter().fold("\\x".to_owned(), |text, byte| text + &format!("{byte:02x}"));
        Ok(Arc::new(bytes.as_binary::<i32>().iter().map(|bytes| bytes.map(hex)).collect::<StringArray>()))
    };
    let columns = rows.columns().iter().map(text).collect::<Result<Vec<_>, _>>()?;
    let field = |(field, column): (&FieldRef, &ArrayRef)| field.as_ref().clone().with_data_type(column.data_type().clone());
    let fields: Vec<Field> = rows.schema().fields().iter().zip(&columns).map(field).collect();
    RecordBatch::try_new(Arc::new(Schema::new(fields)), columns)
}
