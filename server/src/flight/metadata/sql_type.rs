//! Arrow types by their SQL names, for tools that show or generate SQL.

use arrow::datatypes::{DataType, Field, IntervalUnit};

/// Where `sql` notes a PostgreSQL type that Arrow does not have.
const PG_TYPE_KEY: &str = "ARBALEST:pg_type";

/// A column's type in SQL.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct SqlType {
    pub(super) name: String,
    /// Digits of a number, in the radix of its type.
    pub(super) precision: Option<i32>,
    pub(super) scale: Option<i32>,
    pub(super) is_case_sensitive: bool,
}

impl SqlType {
    pub(super) fn of(field: &Field) -> Self {
        let (name, precision, scale) = describe(field.data_type());
        let name = match field.metadata().get(PG_TYPE_KEY) {
            Some(pg_type) => pg_type.trim_matches('"').to_uppercase(),
            None => name,
        };
        Self { name, precision, scale, is_case_sensitive: is_text(field.data_type()) }
    }
}

fn describe(data_type: &DataType) -> (String, Option<i32>, Option<i32>) {
    let (name, precision, scale) = match data_type {
        DataType::Boolean => ("BOOLEAN", None, None),
        DataType::Int8 => ("TINYINT", Some(3), Some(0)),
        DataType::Int16 | DataType::UInt8 => ("SMALLINT", Some(5), Some(0)),
        DataType::Int32 | DataType::UInt16 => ("INTEGER", Some(10), Some(0)),
        DataType::Int64 | DataType::UInt32 => ("BIGINT", Some(19), Some(0)),
        DataType::UInt64 => ("DECIMAL", Some(20), Some(0)),
        DataType::Float16 | DataType::Float32 => ("REAL", Some(24), None),
        DataType::Float64 => ("DOUBLE", Some(53), None),
        DataType::Decimal32(precision, scale)
        | DataType::Decimal64(precision, scale)
        | DataType::Decimal128(precision, scale)
        | DataType::Decimal256(precision, scale) => ("DECIMAL", Some(i32::from(*precision)), Some(i32::from(*scale))),
        DataType::Utf8 | DataType::LargeUtf8 | DataType::Utf8View => ("VARCHAR", None, None),
        DataType::Binary | DataType::LargeBinary | DataType::BinaryView | DataType::FixedSizeBinary(_) => ("VARBINARY", None, None),
        DataType::Date32 | DataType::Date64 => ("DATE", None, None),
        DataType::Time32(_) | DataType::Time64(_) => ("TIME", None, None),
        DataType::Timestamp(_, None) => ("TIMESTAMP", None, None),
        DataType::Timestamp(_, Some(_)) => ("TIMESTAMP WITH TIME ZONE", None, None),
        DataType::Interval(IntervalUnit::YearMonth | IntervalUnit::DayTime | IntervalUnit::MonthDayNano) | DataType::Duration(_) => {
            ("INTERVAL", None, None)
        }
        DataType::Dictionary(_, values) => return describe(values),
        DataType::RunEndEncoded(_, values) => return describe(values.data_type()),
        DataType::List(item)
        | DataType::LargeList(item)
        | DataType::ListView(item)
        | DataType::LargeListView(item)
        | DataType::FixedSizeList(item, _) => return (format!("{}[]", describe(item.data_type()).0), None, None),
        DataType::Struct(_) => ("STRUCT", None, None),
        DataType::Map(..) => ("MAP", None, None),
        DataType::Union(..) => ("UNION", None, None),
        DataType::Null => ("NULL", None, None),
    };
    (name.to_owned(), precision, scale)
}

fn is_text(data_type: &DataType) -> bool {
    match data_type {
        DataType::Utf8 | DataType::LargeUtf8 | DataType::Utf8View => true,
        DataType::Dictionary(_, values) => is_text(values),
        _ => false,
    }
}
