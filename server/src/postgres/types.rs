//! PostgreSQL's types: OID, size and modifier of a result column, the Arrow type of a parameter.

use arrow::datatypes::{DataType, Field, IntervalUnit, TimeUnit};
use sql::ColumnOrigin;

/// Field metadata that names a PostgreSQL type which Arrow cannot tell from others.
const DECLARED_TYPE_KEY: &str = "ARBALEST:pg_type";
/// Field metadata with the type modifier, as decimal text.
const MODIFIER_KEY: &str = "ARBALEST:pg_typmod";

/// The modifier of a type without one.
const NO_MODIFIER: i32 = -1;

/// Sizes PostgreSQL gives for a type without a fixed length, and for one that ends in NUL.
const VARIABLE_SIZE: i16 = -1;

/// A row of `pg_type`, as far as the wire needs it. `array` is 0 where PostgreSQL has no array type.
#[derive(Debug, PartialEq, Eq)]
pub struct PgType {
    pub name: &'static str,
    pub oid: u32,
    pub array: u32,
    pub size: i16,
}

macro_rules! pg_types {
    ($($constant:ident = $name:literal, $oid:literal, $array:literal, $size:literal;)*) => {
        $(pub const $constant: PgType = PgType { name: $name, oid: $oid, array: $array, size: $size };)*
        const PG_TYPES: &[PgType] = &[$($constant),*];
    };
}

pg_types! {
    BOOL = "bool", 16, 1000, 1;
    BYTEA = "bytea", 17, 1001, -1;
    CHAR = "\"char\"", 18, 1002, 1;
    NAME = "name", 19, 1003, 64;
    INT8 = "int8", 20, 1016, 8;
    INT2 = "int2", 21, 1005, 2;
    INT2VECTOR = "int2vector", 22, 1006, -1;
    INT4 = "int4", 23, 1007, 4;
    REGPROC = "regproc", 24, 1008, 4;
    TEXT = "text", 25, 1009, -1;
    OID = "oid", 26, 1028, 4;
    XID = "xid", 28, 1011, 4;
    CID = "cid", 29, 1012, 4;
    OIDVECTOR = "oidvector", 30, 1013, -1;
    JSON = "json", 114, 199, -1;
    PG_NODE_TREE = "pg_node_tree", 194, 0, -1;
    FLOAT4 = "float4", 700, 1021, 4;
    FLOAT8 = "float8", 701, 1022, 8;
    UNKNOWN = "unknown", 705, 0, -2;
    ACLITEM = "aclitem", 1033, 1034, 12;
    BPCHAR = "bpchar", 1042, 1014, -1;
    VARCHAR = "varchar", 1043, 1015, -1;
    DATE = "date", 1082, 1182, 4;
    TIME = "time", 1083, 1183, 8;
    TIMESTAMP = "timestamp", 1114, 1115, 8;
    TIMESTAMPTZ = "timestamptz", 1184, 1185, 8;
    INTERVAL = "interval", 1186, 1187, 16;
    NUMERIC = "numeric", 1700, 1231, -1;
    REGPROCEDURE = "regprocedure", 2202, 2207, 4;
    REGOPER = "regoper", 2203, 2208, 4;
    REGOPERATOR = "regoperator", 2204, 2209, 4;
    REGCLASS = "regclass", 2205, 2210, 4;
    REGTYPE = "regtype", 2206, 2211, 4;
    ANYARRAY = "anyarray", 2277, 0, -1;
    UUID = "uuid", 2950, 2951, 16;
    JSONB = "jsonb", 3802, 3807, -1;
    REGNAMESPACE = "regnamespace", 4089, 4090, 4;
    REGROLE = "regrole", 4096, 4097, 4;
}

/// A column as RowDescription describes it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ColumnType {
    pub oid: u32,
    pub size: i16,
    pub modifier: i32,
}

/// How the values of a column stand on the wire. The OID that is announced and the bytes that are sent both follow
/// from it, so that they cannot disagree.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Representation {
    /// What its Arrow type is by default.
    Natural(&'static PgType),
    /// Integers or names that stand for the OID of something: 32 bits unsigned in binary.
    ObjectId(&'static PgType),
    /// Strings under another name.
    Text(&'static PgType),
    /// Strings whose binary form starts with a version byte.
    Jsonb,
    /// 16 bytes, or their text form.
    Uuid,
    /// Lists printed as `1 2 3`, with subscripts from 0.
    Vector(&'static PgType),
    /// Lists of scalars.
    Array(&'static PgType),
    /// Everything PostgreSQL has no type for.
    Json,
}

impl Representation {
    pub fn of(field: &Field) -> Representation {
        let declared = field.metadata().get(DECLARED_TYPE_KEY).map(String::as_str);
        Self::of_values(value_type(field.data_type()), declared)
    }

    fn of_values(data_type: &DataType, declared: Option<&str>) -> Representation {
        if let Some(element) = element_field(data_type) {
            return Self::of_list(element, declared);
        }
        let natural = natural_type(data_type);
        let Some(declared) = declared.and_then(by_name) else {
            return natural.map_or(Representation::Json, Representation::Natural);
        };
        // A declaration that does not fit the values would announce one thing and send another: it is ignored.
        match natural {
            Some(&TEXT) if is_object_id(declared) => Representation::ObjectId(declared),
            Some(&TEXT) if *declared == JSONB => Representation::Jsonb,
            Some(&TEXT) if *declared == UUID => Representation::Uuid,
            Some(&TEXT) if is_text(declared) => Representation::Text(declared),
            Some(&INT2 | &INT4 | &INT8) if is_object_id(declared) => Representation::ObjectId(declared),
            Some(&BYTEA) if *declared == UUID && *data_type == DataType::FixedSizeBinary(16) => Representation::Uuid,
            Some(natural) => Representation::Natural(natural),
            None => Representation::Json,
        }
    }

    fn of_list(element: &Field, declared: Option<&str>) -> Representation {
        let is_integer = matches!(natural_type(value_type(element.data_type())), Some(&INT2 | &INT4 | &INT8));
        match declared.and_then(by_name) {
            Some(vector) if is_integer && (*vector == INT2VECTOR || *vector == OIDVECTOR) => {
                return Representation::Vector(vector);
            }
            _ => {}
        }
        let element_type = declared_element(element, declared);
        match Self::of_values(value_type(element.data_type()), element_type) {
            Representation::Natural(pg_type) | Representation::ObjectId(pg_type) | Representation::Text(pg_type)
                if pg_type.array != 0 =>
            {
                Representation::Array(pg_type)
            }
            Representation::Natural(_) | Representation::ObjectId(_) | Representation::Text(_) => {
                Representation::Array(&TEXT)
            }
            Representation::Jsonb => Representation::Array(&JSONB),
            Representation::Uuid => Representation::Array(&UUID),
            // PostgreSQL's arrays are rectangular; lists of lists are not.
            Representation::Vector(_) | Representation::Array(_) | Representation::Json => Representation::Json,
        }
    }

    fn oid_and_size(self) -> (u32, i16) {
        match self {
            Representation::Natural(pg_type)
            | Representation::ObjectId(pg_type)
            | Representation::Text(pg_type)
            | Representation::Vector(pg_type) => (pg_type.oid, pg_type.size),
            Representation::Jsonb => (JSONB.oid, JSONB.size),
            Representation::Uuid => (UUID.oid, UUID.size),
            Representation::Array(element) => (element.array, VARIABLE_SIZE),
            Representation::Json => (JSON.oid, JSON.size),
        }
    }
}

/// How `field` is described. `origin` says that it is a plain column of a table, which alone keeps its precision: an
/// expression has no modifier, as in PostgreSQL.
pub fn column_type(field: &Field, origin: Option<&ColumnOrigin>) -> ColumnType {
    let (oid, size) = Representation::of(field).oid_and_size();
    let declared = field.metadata().get(MODIFIER_KEY).and_then(|modifier| modifier.parse().ok());
    let modifier = match (declared, value_type(field.data_type())) {
        (Some(modifier), _) => modifier,
        (None, data_type) if origin.is_some() => numeric_modifier(data_type),
        (None, _) => NO_MODIFIER,
    };
    ColumnType { oid, size, modifier }
}

/// `numeric(precision, scale)` as a modifier.
fn numeric_modifier(data_type: &DataType) -> i32 {
    match *data_type {
        DataType::Decimal32(precision, scale)
        | DataType::Decimal64(precision, scale)
        | DataType::Decimal128(precision, scale)
        | DataType::Decimal256(precision, scale)
            if scale >= 0 =>
        {
            ((i32::from(precision) << 16) | i32::from(scale)) + 4
        }
        _ => NO_MODIFIER,
    }
}

/// The field that describes the elements of `list`, as they are to be written inside an array.
pub fn element_of(list: &Field) -> Option<Field> {
    let element = element_field(value_type(list.data_type()))?;
    let declared = list.metadata().get(DECLARED_TYPE_KEY).map(String::as_str);
    let Some(name) = declared_element(element, declared) else { return Some(element.clone()) };
    let metadata = [(DECLARED_TYPE_KEY.to_owned(), name.to_owned())].into();
    Some(element.clone().with_metadata(metadata))
}

/// The PostgreSQL type of a list's elements: what the element declares, else what the list's own `_x` says.
fn declared_element<'a>(element: &'a Field, declared: Option<&'a str>) -> Option<&'a str> {
    let own = element.metadata().get(DECLARED_TYPE_KEY).map(String::as_str);
    own.or_else(|| match declared? {
        "int2vector" => Some("int2"),
        "oidvector" => Some("oid"),
        array => array.strip_prefix('_'),
    })
}

/// The OID PostgreSQL gives a parameter of this type.
pub fn parameter_oid(data_type: &DataType) -> u32 {
    // What drivers ask the catalog with; they may know no other array of numbers before they have asked.
    if matches!(data_type, DataType::List(element) if element.data_type() == &DataType::UInt32) {
        return OID.array;
    }
    let field = Field::new("", data_type.clone(), true);
    match Representation::of(&field) {
        // There is no implicit cast from json; clients send text.
        Representation::Json => TEXT.oid,
        representation => representation.oid_and_size().0,
    }
}

/// The Arrow type a declared parameter has, when it is one we know. `None` leaves it to inference, as 0 does.
pub fn parameter_type(oid: u32) -> Option<DataType> {
    if let Some(element) = element_of_array(oid) {
        let element = parameter_type(element.oid)?;
        return Some(DataType::List(Field::new_list_field(element, true).into()));
    }
    let data_type = match by_oid(oid)? {
        &BOOL => DataType::Boolean,
        &INT2 => DataType::Int16,
        &INT4 => DataType::Int32,
        &INT8 | &OID | &XID | &CID => DataType::Int64,
        &FLOAT4 => DataType::Float32,
        &FLOAT8 => DataType::Float64,
        &BYTEA => DataType::Binary,
        &DATE => DataType::Date32,
        &TIME => DataType::Time64(TimeUnit::Microsecond),
        &TIMESTAMP => DataType::Timestamp(TimeUnit::Microsecond, None),
        &TIMESTAMPTZ => DataType::Timestamp(TimeUnit::Microsecond, Some("UTC".into())),
        &INTERVAL => DataType::Interval(IntervalUnit::MonthDayNano),
        // Its precision comes with the value.
        &NUMERIC => DataType::Decimal128(38, 10),
        // Sent by drivers for string literals that take their type from their place.
        &UNKNOWN => return None,
        &CHAR | &NAME | &TEXT | &BPCHAR | &VARCHAR | &JSON | &JSONB | &UUID => DataType::Utf8,
        _ => return None,
    };
    Some(data_type)
}

pub fn by_oid(oid: u32) -> Option<&'static PgType> {
    PG_TYPES.iter().find(|pg_type| pg_type.oid == oid)
}

/// The element type of the array type with this OID.
pub fn element_of_array(oid: u32) -> Option<&'static PgType> {
    match oid {
        0 => None,
        22 => Some(&INT2),
        30 => Some(&OID),
        _ => PG_TYPES.iter().find(|pg_type| pg_type.array == oid),
    }
}

fn by_name(name: &str) -> Option<&'static PgType> {
    PG_TYPES.iter().find(|pg_type| pg_type.name == name)
}

fn is_object_id(pg_type: &PgType) -> bool {
    [OID, XID, CID, REGPROC, REGPROCEDURE, REGOPER, REGOPERATOR, REGCLASS, REGTYPE, REGNAMESPACE, REGROLE]
        .contains(pg_type)
}

fn is_text(pg_type: &PgType) -> bool {
    [CHAR, NAME, TEXT, BPCHAR, VARCHAR, JSON, PG_NODE_TREE, ACLITEM, ANYARRAY].contains(pg_type)
}

/// The type of the values that an encoded array stands for.
pub fn value_type(data_type: &DataType) -> &DataType {
    match data_type {
        DataType::Dictionary(_, values) => value_type(values),
        DataType::RunEndEncoded(_, values) => value_type(values.data_type()),
        plain => plain,
    }
}

fn element_field(data_type: &DataType) -> Option<&Field> {
    match data_type {
        DataType::List(element)
        | DataType::LargeList(element)
        | DataType::ListView(element)
        | DataType::LargeListView(element)
        | DataType::FixedSizeList(element, _) => Some(element),
        _ => None,
    }
}

/// The type of a scalar; `None` for what is written as JSON.
fn natural_type(data_type: &DataType) -> Option<&'static PgType> {
    let pg_type = match data_type {
        DataType::Null | DataType::Utf8 | DataType::LargeUtf8 | DataType::Utf8View => &TEXT,
        DataType::Boolean => &BOOL,
        DataType::Int8 | DataType::Int16 | DataType::UInt8 => &INT2,
        DataType::Int32 | DataType::UInt16 => &INT4,
        DataType::Int64 | DataType::UInt32 => &INT8,
        DataType::UInt64
        | DataType::Decimal32(..)
        | DataType::Decimal64(..)
        | DataType::Decimal128(..)
        | DataType::Decimal256(..) => &NUMERIC,
        DataType::Float16 | DataType::Float32 => &FLOAT4,
        DataType::Float64 => &FLOAT8,
        DataType::Binary | DataType::LargeBinary | DataType::BinaryView | DataType::FixedSizeBinary(_) => &BYTEA,
        DataType::Date32 | DataType::Date64 => &DATE,
        DataType::Time32(_) | DataType::Time64(_) => &TIME,
        DataType::Timestamp(_, None) => &TIMESTAMP,
        DataType::Timestamp(_, Some(_)) => &TIMESTAMPTZ,
        DataType::Interval(_) | DataType::Duration(_) => &INTERVAL,
        DataType::Dictionary(..)
        | DataType::RunEndEncoded(..)
        | DataType::List(_)
        | DataType::LargeList(_)
        | DataType::ListView(_)
        | DataType::LargeListView(_)
        | DataType::FixedSizeList(..)
        | DataType::Struct(_)
        | DataType::Map(..)
        | DataType::Union(..) => return None,
    };
    Some(pg_type)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn described(data_type: DataType, declared: Option<&str>) -> u32 {
        let mut field = Field::new("x", data_type, true);
        if let Some(declared) = declared {
            field.set_metadata([(DECLARED_TYPE_KEY.to_owned(), declared.to_owned())].into());
        }
        column_type(&field, None).oid
    }

    fn list(data_type: DataType) -> DataType {
        DataType::List(Field::new_list_field(data_type, true).into())
    }

    #[test]
    fn a_column_is_what_it_was_declared_as() {
        assert_eq!(described(DataType::Utf8, None), 25);
        assert_eq!(described(DataType::Utf8View, Some("name")), 19);
        assert_eq!(described(DataType::Utf8, Some("\"char\"")), 18);
        assert_eq!(described(DataType::Int64, Some("oid")), 26);
        assert_eq!(described(DataType::Utf8, Some("regclass")), 2205);
        assert_eq!(described(DataType::FixedSizeBinary(16), Some("uuid")), 2950);
        assert_eq!(described(DataType::FixedSizeBinary(15), Some("uuid")), 17);
        assert_eq!(described(DataType::Boolean, Some("uuid")), 16);
        assert_eq!(described(DataType::Utf8, Some("no such type")), 25);
    }

    #[test]
    fn a_list_is_the_array_of_its_elements() {
        assert_eq!(described(list(DataType::Int32), None), 1007);
        assert_eq!(described(list(DataType::Utf8), Some("_name")), 1003);
        assert_eq!(described(list(DataType::Int64), Some("oidvector")), 30);
        assert_eq!(described(list(DataType::Int16), Some("int2vector")), 22);
        assert_eq!(described(list(list(DataType::Int32)), None), 114);
        assert_eq!(described(list(DataType::Null), None), 1009);
        assert_eq!(described(DataType::Dictionary(Box::new(DataType::Int8), Box::new(DataType::Date32)), None), 1082);
    }

    #[test]
    fn only_a_plain_column_keeps_its_precision() {
        let field = Field::new("x", DataType::Decimal128(15, 2), true);
        assert_eq!(column_type(&field, None).modifier, -1);
        let origin = ColumnOrigin { table_oid: 16384, attribute: 1 };
        assert_eq!(column_type(&field, Some(&origin)).modifier, (15 << 16 | 2) + 4);
    }

    #[test]
    fn declared_parameters_have_arrow_types() {
        assert_eq!(parameter_type(23), Some(DataType::Int32));
        assert_eq!(parameter_type(1007), Some(list(DataType::Int32)));
        assert_eq!(parameter_type(705), None);
        assert_eq!(parameter_type(99999), None);
        assert_eq!(parameter_oid(&DataType::Utf8), 25);
        assert_eq!(parameter_oid(&list(DataType::Utf8)), 1009);
    }
}
