//! CommandGetXdbcTypeInfo: the types that ODBC and JDBC tools may use in SQL, with their sizes and literals.

use std::sync::LazyLock;

use arrow::array::RecordBatch;
use arrow::datatypes::SchemaRef;
use arrow::error::ArrowError;
use arrow_flight::error::FlightError;
use arrow_flight::sql::metadata::{XdbcTypeInfo, XdbcTypeInfoData, XdbcTypeInfoDataBuilder};
use arrow_flight::sql::{Nullable, Searchable, XdbcDataType, XdbcDatetimeSubcode};

static TYPES: LazyLock<Result<XdbcTypeInfoData, String>> = LazyLock::new(|| {
    let mut builder = XdbcTypeInfoDataBuilder::new();
    for info in types() {
        builder.append(info);
    }
    builder.build().map_err(|error| error.to_string())
});

pub(super) fn schema() -> SchemaRef {
    XdbcTypeInfoDataBuilder::new().schema()
}

pub(super) fn xdbc_type_info(data_type: Option<i32>) -> Result<RecordBatch, ArrowError> {
    let types = TYPES.as_ref().map_err(|error| ArrowError::ComputeError(error.clone()))?;
    types.record_batch(data_type).map_err(|error| match error {
        FlightError::Arrow(error) => error,
        other => ArrowError::ComputeError(other.to_string()),
    })
}

fn types() -> Vec<XdbcTypeInfo> {
    use XdbcDataType as X;
    let datetime = |name: &str, data_type: X, subcode: XdbcDatetimeSubcode, size: i32, scale: Option<i32>| XdbcTypeInfo {
        // A literal is the name of the type and a string.
        literal_prefix: Some(format!("{name} '")),
        literal_suffix: Some("'".into()),
        column_size: Some(size),
        sql_data_type: X::XdbcDatetime,
        datetime_subcode: Some(subcode),
        minimum_scale: scale.map(|_| 0),
        maximum_scale: scale,
        ..named(name, data_type)
    };
    vec![
        XdbcTypeInfo { column_size: Some(1), ..named("BOOLEAN", X::XdbcBit) },
        integer("TINYINT", X::XdbcTinyint, 3),
        integer("SMALLINT", X::XdbcSmallint, 5),
        integer("INTEGER", X::XdbcInteger, 10),
        integer("BIGINT", X::XdbcBigint, 19),
        XdbcTypeInfo { column_size: Some(24), ..number("REAL", X::XdbcReal, 2) },
        XdbcTypeInfo { column_size: Some(53), ..number("DOUBLE", X::XdbcDouble, 2) },
        XdbcTypeInfo { column_size: Some(53), ..number("FLOAT", X::XdbcFloat, 2) },
        XdbcTypeInfo {
            column_size: Some(38),
            create_params: Some(vec!["precision".into(), "scale".into()]),
            minimum_scale: Some(0),
            maximum_scale: Some(38),
            ..number("DECIMAL", X::XdbcDecimal, 10)
        },
        XdbcTypeInfo {
            column_size: Some(38),
            create_params: Some(vec!["precision".into(), "scale".into()]),
            minimum_scale: Some(0),
            maximum_scale: Some(38),
            ..number("NUMERIC", X::XdbcNumeric, 10)
        },
        XdbcTypeInfo {
            column_size: Some(i32::MAX),
            literal_prefix: Some("'".into()),
            literal_suffix: Some("'".into()),
            create_params: Some(vec!["length".into()]),
            case_sensitive: true,
            ..named("VARCHAR", X::XdbcVarchar)
        },
        XdbcTypeInfo {
            column_size: Some(i32::MAX),
            literal_prefix: Some("'".into()),
            literal_suffix: Some("'".into()),
            create_params: Some(vec!["length".into()]),
            case_sensitive: true,
            ..named("CHAR", X::XdbcChar)
        },
        XdbcTypeInfo {
            column_size: Some(i32::MAX),
            literal_prefix: Some("X'".into()),
            literal_suffix: Some("'".into()),
            ..named("VARBINARY", X::XdbcVarbinary)
        },
        // The subcode of DATE shares its number, 1, with that of YEAR.
        datetime("DATE", X::XdbcDate, XdbcDatetimeSubcode::XdbcSubcodeYear, 10, None),
        datetime("TIME", X::XdbcTime, XdbcDatetimeSubcode::XdbcSubcodeTime, 15, Some(6)),
        datetime("TIMESTAMP", X::XdbcTimestamp, XdbcDatetimeSubcode::XdbcSubcodeTimestamp, 29, Some(9)),
    ]
}

fn named(name: &str, data_type: XdbcDataType) -> XdbcTypeInfo {
    XdbcTypeInfo {
        type_name: name.into(),
        data_type,
        column_size: None,
        literal_prefix: None,
        literal_suffix: None,
        create_params: None,
        nullable: Nullable::NullabilityNullable,
        case_sensitive: false,
        searchable: Searchable::Full,
        unsigned_attribute: None,
        fixed_prec_scale: false,
        auto_increment: None,
        local_type_name: Some(name.into()),
        minimum_scale: None,
        maximum_scale: None,
        sql_data_type: data_type,
        datetime_subcode: None,
        num_prec_radix: None,
        interval_precision: None,
    }
}

fn number(name: &str, data_type: XdbcDataType, radix: i32) -> XdbcTypeInfo {
    XdbcTypeInfo {
        unsigned_attribute: Some(false),
        auto_increment: Some(false),
        num_prec_radix: Some(radix),
        ..named(name, data_type)
    }
}

fn integer(name: &str, data_type: XdbcDataType, digits: i32) -> XdbcTypeInfo {
    XdbcTypeInfo {
        column_size: Some(digits),
        minimum_scale: Some(0),
        maximum_scale: Some(0),
        ..number(name, data_type, 10)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn all_types_or_one() {
        let all = xdbc_type_info(None).expect("types");
        assert_eq!(all.schema(), schema());
        assert_eq!(all.num_rows(), types().len());
        assert_eq!(xdbc_type_info(Some(XdbcDataType::XdbcInteger as i32)).expect("types").num_rows(), 1);
        assert_eq!(xdbc_type_info(Some(12_345)).expect("types").num_rows(), 0);
    }
}
