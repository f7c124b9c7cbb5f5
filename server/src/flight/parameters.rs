//! Parameter values that come as record batches: rows of scalars, in the order of the placeholders.
//!
//! Clients encode as they like: any integer width, views and large strings, dictionaries, a Null column for None, dense
//! unions with a child per Python type. What the values are is taken out here; casting them to what the statement wants
//! is done where it is executed.

use std::sync::Arc;

use arrow::array::{Array, ArrayRef, AsArray, RecordBatch};
use arrow::compute::cast;
use arrow::datatypes::{DataType, Field, Schema, TimeUnit};
use datafusion::scalar::ScalarValue;
use tonic::Status;

use super::caller::Caller;
use super::error;
use super::result_schema::client_type;

/// The rows of `batch` as values for a statement with `expected` parameters.
pub(super) fn rows(batch: &RecordBatch, expected: usize) -> Result<Vec<Vec<ScalarValue>>, Status> {
    // No columns: no parameters, whatever the number of rows says.
    if batch.num_columns() == 0 && expected == 0 {
        return Ok(vec![Vec::new()]);
    }
    if batch.num_columns() != expected {
        return Err(error::invalid(format!(
            "the statement has {expected} parameters, but {} were bound (SQLSTATE 08P01)",
            batch.num_columns()
        )));
    }
    let columns = positions(&batch.schema())?
        .into_iter()
        .map(|position| Ok((batch.schema_ref().field(position), plain(batch.column(position))?)))
        .collect::<Result<Vec<_>, Status>>()?;
    (0..batch.num_rows()).map(|row| columns.iter().map(|(field, column)| value(column, row, field)).collect()).collect()
}

/// Which column holds the value of each parameter: the one at its position, unless all columns are named after
/// parameters (`$2`, `$1`).
fn positions(schema: &Schema) -> Result<Vec<usize>, Status> {
    let count = schema.fields().len();
    let numbers: Option<Vec<usize>> =
        schema.fields().iter().map(|field| field.name().strip_prefix('$')?.parse::<usize>().ok()?.checked_sub(1)).collect();
    let Some(numbers) = numbers else { return Ok((0..count).collect()) };
    let mut columns = vec![usize::MAX; count];
    for (column, &number) in numbers.iter().enumerate() {
        match columns.get_mut(number) {
            Some(slot) if *slot == usize::MAX => *slot = column,
            _ => return Err(error::invalid(format!("the bound columns do not name the parameters $1 to ${count} once each"))),
        }
    }
    Ok(columns)
}

fn value(column: &ArrayRef, row: usize, field: &Field) -> Result<ScalarValue, Status> {
    if column.is_null(row) {
        return typed_null(column.data_type());
    }
    match column.data_type() {
        DataType::Union(..) => {
            // A union has no nulls of its own: its children have.
            let child = column.as_union().value(row);
            value(&child, 0, field)
        }
        _ => ScalarValue::try_from_array(column, row)
            .map_err(|error| error::invalid(format!("parameter \"{}\" cannot be read: {error}", field.name()))),
    }
}

/// The column without dictionary or run ends.
fn plain(column: &ArrayRef) -> Result<ArrayRef, Status> {
    let values = match column.data_type() {
        DataType::Dictionary(_, values) => values.as_ref(),
        DataType::RunEndEncoded(_, values) => values.data_type(),
        _ => return Ok(Arc::clone(column)),
    };
    cast(column, values).map_err(|error| error::invalid(format!("the bound values cannot be read: {error}")))
}

/// NULL of a type; of no type for a union.
fn typed_null(data_type: &DataType) -> Result<ScalarValue, Status> {
    match data_type {
        DataType::Union(..) => Ok(ScalarValue::Null),
        other => ScalarValue::try_new_null(other)
            .map_err(|error| error::invalid(format!("parameters of type {other} are not supported: {error}"))),
    }
}

/// What a client is told to send: nullable fields in the order of the parameters. It may send something else.
pub(super) fn schema(caller: &Caller, types: &[Option<DataType>]) -> Schema {
    let fields = types.iter().enumerate().map(|(position, data_type)| {
        let data_type = match data_type {
            Some(data_type) => client_type(data_type),
            // ADBC binds any type to Null, JDBC only NULL.
            None if caller.is_adbc() => DataType::Null,
            None => DataType::Utf8,
        };
        let data_type = match data_type {
            DataType::Timestamp(_, zone) if caller.is_java() => DataType::Timestamp(TimeUnit::Millisecond, zone),
            other => other,
        };
        Field::new(format!("${}", position + 1), data_type, true)
    });
    Schema::new(fields.collect::<Vec<_>>())
}

#[cfg(test)]
mod tests {
    use super::*;
    use arrow::array::{
        DictionaryArray, Float64Array, Int16Array, Int64Array, LargeStringArray, NullArray, RecordBatchOptions, StringArray,
        StringViewArray, UnionArray,
    };
    use arrow::buffer::ScalarBuffer;
    use arrow::datatypes::{Int8Type, UnionFields};

    fn batch(columns: Vec<(&str, ArrayRef)>) -> RecordBatch {
        RecordBatch::try_from_iter_with_nullable(columns.into_iter().map(|(name, column)| (name, column, true))).expect("a batch")
    }

    #[test]
    fn values_come_out_of_every_encoding() {
        let words: DictionaryArray<Int8Type> = vec![Some("a"), None].into_iter().collect();
        let children: Vec<ArrayRef> = vec![
            Arc::new(Int64Array::from(vec![7])),
            Arc::new(Float64Array::from(Vec::<f64>::new())),
            Arc::new(StringArray::from(vec![None::<&str>])),
        ];
        let fields = UnionFields::from_fields(vec![
            Field::new("int", DataType::Int64, true),
            Field::new("float", DataType::Float64, true),
            Field::new("str", DataType::Utf8, true),
        ]);
        let union = UnionArray::try_new(fields, ScalarBuffer::from(vec![0i8, 2]), Some(ScalarBuffer::from(vec![0, 0])), children)
            .expect("a union");
        let batch = batch(vec![
            ("0", Arc::new(Int16Array::from(vec![Some(1), None]))),
            ("1", Arc::new(StringViewArray::from(vec!["x", "y"]))),
            ("2", Arc::new(LargeStringArray::from(vec!["x", "y"]))),
            ("3", Arc::new(words)),
            ("4", Arc::new(NullArray::new(2))),
            ("5", Arc::new(union)),
        ]);
        let rows = rows(&batch, 6).expect("rows");
        assert_eq!(
            rows[0],
            [
                ScalarValue::Int16(Some(1)),
                ScalarValue::Utf8View(Some("x".into())),
                ScalarValue::LargeUtf8(Some("x".into())),
                ScalarValue::Utf8(Some("a".into())),
                ScalarValue::Null,
                ScalarValue::Int64(Some(7)),
            ]
        );
        assert!(rows[1][0].is_null() && rows[1][3] == ScalarValue::Utf8(None) && rows[1][5].is_null());
    }

    #[test]
    fn columns_named_after_parameters_are_put_in_order() {
        let value = |number: i64| Arc::new(Int64Array::from(vec![number])) as ArrayRef;
        let named = batch(vec![("$2", value(2)), ("$1", value(1))]);
        assert_eq!(rows(&named, 2).expect("rows"), [[ScalarValue::Int64(Some(1)), ScalarValue::Int64(Some(2))]]);
        let others = batch(vec![("param_0", value(1)), ("$1", value(2))]);
        assert_eq!(rows(&others, 2).expect("rows")[0][0], ScalarValue::Int64(Some(1)));
        assert!(rows(&batch(vec![("$1", value(1)), ("$3", value(2))]), 2).is_err());
    }

    #[test]
    fn a_wrong_count_is_said_with_both_counts() {
        let one = batch(vec![("0", Arc::new(NullArray::new(1)))]);
        let status = rows(&one, 2).expect_err("a wrong count");
        assert_eq!(status.message(), "the statement has 2 parameters, but 1 were bound (SQLSTATE 08P01)");
        let options = RecordBatchOptions::new().with_row_count(Some(0));
        let none = RecordBatch::try_new_with_options(Arc::new(Schema::empty()), vec![], &options).expect("a batch");
        assert_eq!(rows(&none, 0).expect("rows").len(), 1);
    }
}
