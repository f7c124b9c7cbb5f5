//! The one schema of a result: the same in FlightInfo, in GetSchema, in a prepared statement and in the stream.
//!
//! Every Arrow client can read it: no views, no dictionaries, no run ends, no types that JDBC or ODBC do not know; all
//! columns nullable, since the planner's idea of nullability is not the same before and after binding or optimizing.

use std::sync::Arc;

use arrow::array::{Array, ArrayRef, RecordBatch, RecordBatchOptions};
use arrow::compute::{CastOptions, cast_with_options};
use arrow::datatypes::{DECIMAL128_MAX_PRECISION, DataType, Field, FieldRef, Fields, Schema, SchemaRef};
use arrow::util::display::FormatOptions;
use tonic::Status;

use super::error;
use super::view_to_utf8::view_to_utf8;

/// The schema promised to the client.
#[derive(Clone, Debug)]
pub(super) struct ResultSchema {
    client: SchemaRef,
}

impl ResultSchema {
    /// For the result of a statement with `engine` as its schema.
    pub(super) fn of_statement(engine: &Schema) -> Self {
        let fields: Fields = engine.fields().iter().map(|field| Arc::new(client_field(field))).collect();
        // Schema metadata is about files (`pandas`, `ARROW:schema`), not about this result.
        Self { client: Arc::new(Schema::new(fields)) }
    }

    /// For batches that are sent as they are: metadata, whose schemas the protocol fixes.
    pub(super) fn fixed(schema: SchemaRef) -> Self {
        Self { client: schema }
    }

    /// A statement without a result set.
    pub(super) fn empty() -> Self {
        Self::fixed(Arc::new(Schema::empty()))
    }

    pub(super) fn client(&self) -> &SchemaRef {
        &self.client
    }

    /// Whether two promises are the same.
    pub(super) fn promises_same(&self, other: &Self) -> bool {
        self.client == other.client
    }

    /// `batch` as the client expects it. A column that is not what was promised is an error that names it: clients would
    /// report it as corrupt data, or worse, misread it.
    pub(super) fn conform(&self, batch: &RecordBatch) -> Result<RecordBatch, Status> {
        if batch.num_columns() != self.client.fields().len() {
            return Err(error::internal(format!(
                "the result has {} columns, but {} were promised",
                batch.num_columns(),
                self.client.fields().len()
            )));
        }
        let columns = batch
            .columns()
            .iter()
            .zip(self.client.fields())
            .map(|(column, client)| conform_column(column, client))
            .collect::<Result<Vec<_>, _>>()?;
        let options = RecordBatchOptions::new().with_row_count(Some(batch.num_rows()));
        RecordBatch::try_new_with_options(Arc::clone(&self.client), columns, &options)
            .map_err(|error| error::internal(format!("the result does not fit the promised schema: {error}")))
    }
}

fn conform_column(column: &ArrayRef, client: &Field) -> Result<ArrayRef, Status> {
    let given = column.data_type();
    if given == client.data_type() {
        if !client.is_nullable() && column.null_count() > 0 {
            return Err(error::internal(format!("column \"{}\" has NULLs, but was promised without", client.name())));
        }
        return Ok(Arc::clone(column));
    }
    // Here or on the cluster, the same query may yield strings as views or not: what counts is what they are sent as.
    // Inner fields may differ in names and nullability.
    if !client_type(given).equals_datatype(client.data_type()) {
        return Err(error::internal(format!(
            "column \"{}\" has type {given}, but {} was promised",
            client.name(),
            client.data_type()
        )));
    }
    if let (DataType::Utf8View, DataType::Utf8) = (given, client.data_type())
        && let Some(strings) = view_to_utf8(column)
    {
        return Ok(strings);
    }
    // A value that does not fit is an error, never NULL.
    let options = CastOptions { safe: false, format_options: FormatOptions::default() };
    cast_with_options(column, client.data_type(), &options).map_err(|error| {
        error::internal(format!(
            "column \"{}\" of type {given} cannot be sent as {}: {error}",
            client.name(),
            client.data_type()
        ))
    })
}

fn client_field(field: &Field) -> Field {
    let data_type = client_type(field.data_type());
    let metadata = if data_type == *field.data_type() {
        // Extension types describe their storage type. What we note for PostgreSQL's protocol stays here.
        field.metadata().iter().filter(|(key, _)| key.starts_with("ARROW:extension:")).map(clone_pair).collect()
    } else {
        Default::default()
    };
    Field::new(field.name(), data_type, true).with_metadata(metadata)
}

fn clone_pair((key, value): (&String, &String)) -> (String, String) {
    (key.clone(), value.clone())
}

/// The type that a column of `data_type` is sent as.
pub(super) fn client_type(data_type: &DataType) -> DataType {
    match data_type {
        DataType::Utf8View => DataType::Utf8,
        DataType::BinaryView => DataType::Binary,
        DataType::Dictionary(_, values) => client_type(values),
        DataType::RunEndEncoded(_, values) => client_type(values.data_type()),
        DataType::Float16 => DataType::Float32,
        DataType::Decimal32(precision, scale) | DataType::Decimal64(precision, scale) => {
            DataType::Decimal128((*precision).min(DECIMAL128_MAX_PRECISION), *scale)
        }
        DataType::List(item) | DataType::ListView(item) => DataType::List(nested(item)),
        DataType::LargeList(item) | DataType::LargeListView(item) => DataType::LargeList(nested(item)),
        DataType::FixedSizeList(item, length) => DataType::FixedSizeList(nested(item), *length),
        DataType::Struct(fields) => DataType::Struct(fields.iter().map(nested).collect()),
        DataType::Map(entries, sorted) => DataType::Map(map_entries(entries), *sorted),
        other => other.clone(),
    }
}

fn nested(field: &FieldRef) -> FieldRef {
    Arc::new(client_field(field))
}

/// Keys and entries of a map are never null, in any schema.
fn map_entries(entries: &FieldRef) -> FieldRef {
    let DataType::Struct(fields) = entries.data_type() else { return Arc::clone(entries) };
    let fields: Fields = fields
        .iter()
        .map(|field| Arc::new(Field::new(field.name(), client_type(field.data_type()), field.is_nullable())))
        .collect();
    Arc::new(Field::new(entries.name(), DataType::Struct(fields), false))
}

#[cfg(test)]
mod tests {
    use super::*;
    use arrow::array::{DictionaryArray, Int32Array, Int64Array, ListArray, StringArray, StringViewArray};
    use arrow::datatypes::{Int32Type, Int8Type};

    #[test]
    fn types_become_those_that_every_client_reads() {
        let item = |data_type| Arc::new(Field::new("item", data_type, true));
        for (engine, client) in [
            (DataType::Utf8View, DataType::Utf8),
            (DataType::BinaryView, DataType::Binary),
            (DataType::LargeUtf8, DataType::LargeUtf8),
            (DataType::Dictionary(Box::new(DataType::Int8), Box::new(DataType::Utf8View)), DataType::Utf8),
            (DataType::Float16, DataType::Float32),
            (DataType::Decimal64(12, 2), DataType::Decimal128(12, 2)),
            (DataType::UInt64, DataType::UInt64),
            (DataType::LargeList(item(DataType::Utf8View)), DataType::LargeList(item(DataType::Utf8))),
            (DataType::ListView(item(DataType::Int32)), DataType::List(item(DataType::Int32))),
        ] {
            assert_eq!(client_type(&engine), client);
        }
    }

    #[test]
    fn batches_are_sent_as_promised() {
        let strings = StringViewArray::from(vec![Some("a string longer than twelve bytes"), None, Some("short")]);
        let words: DictionaryArray<Int8Type> = vec![Some("x"), Some("y"), None].into_iter().collect();
        let lists = ListArray::from_iter_primitive::<Int32Type, _, _>(vec![Some(vec![Some(1)]), None, Some(vec![])]);
        let batch = RecordBatch::try_from_iter_with_nullable([
            ("s", Arc::new(strings) as ArrayRef, true),
            ("d", Arc::new(words) as ArrayRef, true),
            ("l", Arc::new(lists) as ArrayRef, true),
            ("n", Arc::new(Int32Array::from(vec![1, 2, 3])) as ArrayRef, false),
        ])
        .expect("a batch");
        let schema = ResultSchema::of_statement(&batch.schema());
        let sent = schema.conform(&batch).expect("conforms");
        assert_eq!(&sent.schema(), schema.client());
        assert!(schema.client().fields().iter().all(|field| field.is_nullable()));
        let strings = sent.column(0).as_any().downcast_ref::<StringArray>().expect("strings");
        assert_eq!(strings.iter().collect::<Vec<_>>(), [Some("a string longer than twelve bytes"), None, Some("short")]);
    }

    #[test]
    fn a_broken_promise_names_the_column() {
        let promised = Schema::new(vec![Field::new("a", DataType::Int64, true), Field::new("b", DataType::Utf8, true)]);
        let schema = ResultSchema::of_statement(&promised);
        let batch = RecordBatch::try_from_iter([
            ("a", Arc::new(Int64Array::from(vec![1])) as ArrayRef),
            ("b", Arc::new(Int64Array::from(vec![1])) as ArrayRef),
        ])
        .expect("a batch");
        let status = schema.conform(&batch).expect_err("a mismatch");
        assert_eq!(status.message(), "column \"b\" has type Int64, but Utf8 was promised");
    }

    #[test]
    fn rows_without_columns_are_kept() {
        let schema = Arc::new(Schema::empty());
        let options = RecordBatchOptions::new().with_row_count(Some(7));
        let batch = RecordBatch::try_new_with_options(Arc::clone(&schema), vec![], &options).expect("a batch");
        assert_eq!(ResultSchema::of_statement(&schema).conform(&batch).expect("conforms").num_rows(), 7);
    }
}
