//! The columns of a table: those in its files and those that all rows of a file share.

use std::collections::HashMap;
use std::sync::Arc;

use datafusion::arrow::datatypes::{DataType, Field, FieldRef, Fields, Schema, SchemaRef, TimeUnit};
use datafusion::datasource::file_format::parquet::transform_schema_to_view;
use datafusion::datasource::table_schema::TableSchema;
use deltalake::DeltaTableError;
use deltalake::kernel::StructType;
use deltalake::kernel::engine::arrow_conversion::TryIntoKernel;

/// The columns of a table as its log has them, and as scans give them: strings of scans are views.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Layout {
    /// In the order of the table.
    pub(super) schema: SchemaRef,
    pub(super) file_schema: SchemaRef,
    pub(super) partition_fields: Vec<FieldRef>,
}

impl Layout {
    pub(super) fn new(logged: &Schema, partition_columns: &[String]) -> Self {
        let schema = Arc::new(transform_schema_to_view(logged));
        let is_partition = |field: &&FieldRef| partition_columns.contains(field.name());
        // Values of partitions are few, and no view saves anything.
        let plain = |field: &FieldRef| Arc::new(field.as_ref().clone().with_data_type(without_views(field.data_type())));
        let of_partitions = |name: &String| schema.fields().iter().find(|field| field.name() == name).map(plain);
        let partition_fields: Vec<FieldRef> = partition_columns.iter().filter_map(of_partitions).collect();
        let fields = schema.fields().iter().filter(|field| !is_partition(field)).cloned();
        let file_schema = Arc::new(Schema::new(fields.collect::<Fields>()));
        let in_scans = |field: &FieldRef| match is_partition(&field) {
            true => plain(field),
            false => Arc::clone(field),
        };
        let schema = Arc::new(Schema::new(schema.fields().iter().map(in_scans).collect::<Fields>()));
        Self { schema, file_schema, partition_fields }
    }

    /// The columns of the files, then those of the partitions, as DataFusion's scans have them.
    pub(super) fn table_schema(&self) -> TableSchema {
        TableSchema::builder(Arc::clone(&self.file_schema)).with_table_partition_cols(self.partition_fields.clone()).build()
    }
}

/// Columns as the log has them.
pub(super) fn kernel_schema(columns: &Schema) -> Result<StructType, DeltaTableError> {
    // What PostgreSQL's types say beyond those of the log is the catalog's.
    let plain = |field: &FieldRef| field.as_ref().clone().with_metadata(HashMap::new());
    let plain = Schema::new(columns.fields().iter().map(plain).collect::<Vec<_>>());
    (&plain).try_into_kernel().map_err(|source| DeltaTableError::Arrow { source })
}

/// The type with plain strings and bytes in place of views.
pub fn without_views(data_type: &DataType) -> DataType {
    let inner = |field: &FieldRef| Arc::new(field.as_ref().clone().with_data_type(without_views(field.data_type())));
    match data_type {
        DataType::Utf8View => DataType::Utf8,
        DataType::BinaryView => DataType::Binary,
        DataType::List(item) => DataType::List(inner(item)),
        DataType::Struct(fields) => DataType::Struct(fields.iter().map(inner).collect()),
        DataType::Map(entries, sorted) => DataType::Map(inner(entries), *sorted),
        other => other.clone(),
    }
}

/// The type in which a table keeps values of `data_type`; `None` if there is none.
pub fn storable_type(data_type: &DataType) -> Option<DataType> {
    let inner = |field: &FieldRef| Some(Arc::new(Field::new(field.name(), storable_type(field.data_type())?, true)));
    Some(match data_type {
        DataType::Boolean
        | DataType::Int8
        | DataType::Int16
        | DataType::Int32
        | DataType::Int64
        | DataType::Float32
        | DataType::Float64
        | DataType::Date32 => data_type.clone(),
        DataType::UInt8 => DataType::Int16,
        DataType::UInt16 => DataType::Int32,
        DataType::UInt32 => DataType::Int64,
        DataType::UInt64 => DataType::Decimal128(20, 0),
        DataType::Float16 => DataType::Float32,
        DataType::Date64 => DataType::Date32,
        DataType::Decimal32(precision, scale) | DataType::Decimal64(precision, scale) | DataType::Decimal128(precision, scale)
            if *scale >= 0 =>
        {
            DataType::Decimal128(*precision, *scale)
        }
        DataType::Timestamp(_, zone) => DataType::Timestamp(TimeUnit::Microsecond, zone.as_ref().map(|_| "UTC".into())),
        DataType::Utf8 | DataType::LargeUtf8 | DataType::Utf8View | DataType::Null => DataType::Utf8,
        DataType::Binary | DataType::LargeBinary | DataType::BinaryView | DataType::FixedSizeBinary(_) => DataType::Binary,
        DataType::Dictionary(_, values) => storable_type(values)?,
        DataType::List(item) | DataType::LargeList(item) | DataType::FixedSizeList(item, _) => {
            DataType::List(Arc::new(Field::new("element", storable_type(item.data_type())?, true)))
        }
        DataType::Struct(fields) => DataType::Struct(fields.iter().map(inner).collect::<Option<_>>()?),
        _ => return None,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn columns_of_partitions_are_not_in_files() {
        let logged = Schema::new(vec![
            Field::new("day", DataType::Utf8, true),
            Field::new("x", DataType::Int32, true),
            Field::new("s", DataType::Utf8, true),
        ]);
        let layout = Layout::new(&logged, &["day".to_owned()]);
        let types = |schema: &Schema| schema.fields().iter().map(|field| field.data_type().clone()).collect::<Vec<_>>();
        assert_eq!(types(&layout.schema), [DataType::Utf8, DataType::Int32, DataType::Utf8View]);
        assert_eq!(types(&layout.file_schema), [DataType::Int32, DataType::Utf8View]);
        assert_eq!(layout.table_schema().table_schema().field(2).name(), "day");
    }

    #[test]
    fn types_that_a_table_can_keep() {
        let nanos = DataType::Timestamp(TimeUnit::Nanosecond, Some("Europe/Berlin".into()));
        assert_eq!(storable_type(&nanos), Some(DataType::Timestamp(TimeUnit::Microsecond, Some("UTC".into()))));
        assert_eq!(storable_type(&DataType::UInt64), Some(DataType::Decimal128(20, 0)));
        assert_eq!(storable_type(&DataType::Time64(TimeUnit::Nanosecond)), None);
        assert_eq!(storable_type(&DataType::Decimal256(76, 0)), None);
    }
}
