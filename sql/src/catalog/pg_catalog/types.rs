//! Arrow types ↔ PostgreSQL types, as the catalog shows them.

use std::collections::HashMap;
use std::sync::{Arc, LazyLock};

use arrow::datatypes::{DataType, Field, FieldRef, IntervalUnit, TimeUnit};
use udfs::postgres::pg_type::{PG_TYPMOD, declared_type, field};

use super::data::dump;

/// A built-in type: what other relations need of its `pg_type` row.
#[derive(Clone, Debug)]
pub struct PgType {
    pub oid: u32,
    pub name: String,
    pub length: i64,
    pub by_value: bool,
    pub alignment: String,
    pub storage: String,
    pub category: String,
    pub element: u32,
    pub array: u32,
    pub collation: u32,
}

/// Built-in types by OID.
pub static TYPES: LazyLock<HashMap<u32, PgType>> = LazyLock::new(|| {
    let Some(dump) = dump("pg_type") else { return HashMap::new() };
    let column = |name| dump.column(name).map(|field| field.unwrap_or_default().to_owned()).collect::<Vec<_>>();
    let number = |name| column(name).iter().map(|text| text.parse::<i64>().unwrap_or_default()).collect::<Vec<_>>();
    let oid = |name| number(name).into_iter().map(|n| u32::try_from(n).unwrap_or_default()).collect::<Vec<_>>();
    let (oids, names, lengths, by_value) = (oid("oid"), column("typname"), number("typlen"), column("typbyval"));
    let (alignments, storages, categories) = (column("typalign"), column("typstorage"), column("typcategory"));
    let (elements, arrays, collations) = (oid("typelem"), oid("typarray"), oid("typcollation"));
    (0..oids.len())
        .map(|row| {
            let pg_type = PgType {
                oid: oids[row],
                name: names[row].clone(),
                length: lengths[row],
                by_value: by_value[row] == "t",
                alignment: alignments[row].clone(),
                storage: storages[row].clone(),
                category: categories[row].clone(),
                element: elements[row],
                array: arrays[row],
                collation: collations[row],
            };
            (pg_type.oid, pg_type)
        })
        .collect()
});

/// Built-in types' OIDs by `typname`.
pub static TYPE_OIDS: LazyLock<HashMap<String, u32>> =
    LazyLock::new(|| TYPES.values().map(|pg_type| (pg_type.name.clone(), pg_type.oid)).collect());

/// `int4` → 23; 0 for a name that is not a built-in type.
pub fn type_oid(name: &str) -> u32 {
    TYPE_OIDS.get(name.trim_matches('"')).copied().unwrap_or_default()
}

/// Whether a `typname` is that of an array type with its own element type.
pub fn is_array(type_name: &str) -> bool {
    type_name.starts_with('_')
}

/// The field of a catalog column: Arrow's type, and PostgreSQL's where Arrow's does not imply it.
pub fn catalog_field(name: &str, type_name: &str) -> FieldRef {
    let data_type = data_type(type_name);
    let implied = natural_type(&data_type);
    let declared = match type_name {
        "char" => "\"char\"",
        "_char" => "_\"char\"",
        other => other,
    };
    field(name, data_type, (implied != type_name).then_some(declared))
}

/// The Arrow type that holds values of a PostgreSQL type.
pub fn data_type(type_name: &str) -> DataType {
    match type_name {
        "bool" => DataType::Boolean,
        "int2" => DataType::Int16,
        "int4" => DataType::Int32,
        "int8" => DataType::Int64,
        "oid" | "xid" | "cid" | "regproc" | "regprocedure" | "regclass" | "regtype" | "regnamespace" | "regrole"
        | "regoper" | "regoperator" | "regconfig" | "regdictionary" | "regcollation" => DataType::UInt32,
        "float4" => DataType::Float32,
        "float8" => DataType::Float64,
        "numeric" => DataType::Decimal128(38, 6),
        "date" => DataType::Date32,
        "timestamp" => DataType::Timestamp(TimeUnit::Microsecond, None),
        "timestamptz" => DataType::Timestamp(TimeUnit::Microsecond, Some("UTC".into())),
        "interval" => DataType::Interval(IntervalUnit::MonthDayNano),
        "bytea" => DataType::Binary,
        "int2vector" => list(DataType::Int16),
        "oidvector" => list(DataType::UInt32),
        // Lists of catalogs hold scalars; `_x` of an unknown `x` is text like `x`.
        array if is_array(array) => list(data_type(&array[1..])),
        _ => DataType::Utf8,
    }
}

fn list(item: DataType) -> DataType {
    DataType::List(Arc::new(Field::new_list_field(item, true)))
}

/// The `typname` that an Arrow type appears as when nothing is declared.
fn natural_type(data_type: &DataType) -> String {
    let name = match data_type {
        DataType::Boolean => "bool",
        DataType::Int8 | DataType::Int16 | DataType::UInt8 => "int2",
        DataType::Int32 | DataType::UInt16 => "int4",
        DataType::Int64 | DataType::UInt32 => "int8",
        DataType::UInt64
        | DataType::Decimal32(..)
        | DataType::Decimal64(..)
        | DataType::Decimal128(..)
        | DataType::Decimal256(..) => "numeric",
        DataType::Float16 | DataType::Float32 => "float4",
        DataType::Float64 => "float8",
        DataType::Utf8 | DataType::LargeUtf8 | DataType::Utf8View | DataType::Null => "text",
        DataType::Binary | DataType::LargeBinary | DataType::BinaryView | DataType::FixedSizeBinary(_) => "bytea",
        DataType::Date32 | DataType::Date64 => "date",
        DataType::Time32(_) | DataType::Time64(_) => "time",
        DataType::Timestamp(_, None) => "timestamp",
        DataType::Timestamp(_, Some(_)) => "timestamptz",
        DataType::Interval(_) | DataType::Duration(_) => "interval",
        DataType::List(item) | DataType::LargeList(item) | DataType::FixedSizeList(item, _)
            if !item.data_type().is_nested() =>
        {
            return format!("_{}", natural_type(item.data_type()));
        }
        DataType::Dictionary(_, value) => return natural_type(value),
        DataType::RunEndEncoded(_, value) => return natural_type(value.data_type()),
        _ => "json",
    };
    name.to_owned()
}

/// The type of a user's column as `pg_attribute` and `information_schema` show it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ColumnType {
    pub oid: u32,
    /// -1 if there is none.
    pub modifier: i32,
    pub dimensions: i32,
}

/// Declared in the field's metadata, else by its Arrow type.
pub fn column_type(field: &Field) -> ColumnType {
    let name = declared_type(field).map_or_else(|| natural_type(field.data_type()), |name| name.replace('"', ""));
    let oid = TYPE_OIDS.get(&name).copied().unwrap_or_else(|| type_oid("text"));
    let modifier = match field.metadata().get(PG_TYPMOD) {
        Some(modifier) => modifier.parse().unwrap_or(-1),
        None => implied_modifier(field.data_type()),
    };
    ColumnType { oid, modifier, dimensions: i32::from(is_array(&name)) }
}

fn implied_modifier(data_type: &DataType) -> i32 {
    match data_type {
        DataType::Decimal32(precision, scale)
        | DataType::Decimal64(precision, scale)
        | DataType::Decimal128(precision, scale)
        | DataType::Decimal256(precision, scale) => ((i32::from(*precision) << 16) | (i32::from(*scale) & 0x7ff)) + 4,
        DataType::List(item) | DataType::LargeList(item) | DataType::FixedSizeList(item, _) => implied_modifier(item.data_type()),
        DataType::Dictionary(_, value) => implied_modifier(value),
        _ => -1,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn columns_have_types() {
        let of = |data_type| column_type(&Field::new("c", data_type, true));
        assert_eq!(of(DataType::Decimal128(10, 2)), ColumnType { oid: 1700, modifier: (10 << 16 | 2) + 4, dimensions: 0 });
        assert_eq!(of(list(DataType::Int32)), ColumnType { oid: 1007, modifier: -1, dimensions: 1 });
        assert_eq!(of(list(list(DataType::Int32))), ColumnType { oid: 114, modifier: -1, dimensions: 0 });
        assert_eq!(column_type(&catalog_field("c", "oid")).oid, 26);
        assert_eq!(column_type(&catalog_field("c", "char")).oid, 18);
        assert_eq!(column_type(&catalog_field("c", "_text")).oid, 1009);
    }
}
