//! What PostgreSQL 15 writes for the same values, in text and in binary (`send` functions, in hexadecimal).

use std::sync::Arc;

use arrow::array::types::{Int8Type, Int32Type};
use arrow::array::*;
use arrow::buffer::{NullBuffer, OffsetBuffer, ScalarBuffer};
use arrow::datatypes::{
    DataType, Field, Fields, IntervalDayTime, IntervalMonthDayNano, IntervalUnit, TimeUnit, UnionFields, i256,
};
use bytes::BytesMut;

use super::settings::ByteaOutput;
use super::{Format, Settings, ValueError, column};

fn field(array: &ArrayRef, declared: Option<&str>) -> Field {
    let field = Field::new("x", array.data_type().clone(), true);
    match declared {
        Some(declared) => field.with_metadata([("ARBALEST:pg_type".to_owned(), declared.to_owned())].into()),
        None => field,
    }
}

/// Each value of `array`, or why it cannot be sent.
fn encode(array: &ArrayRef, declared: Option<&str>, format: Format, settings: &Settings) -> Vec<Result<Vec<u8>, ValueError>> {
    let column = column(array, &field(array, declared), format, settings);
    let value = |row| {
        let (mut sized, mut bare) = (BytesMut::new(), BytesMut::new());
        if column.is_null(row) {
            column.put_sized(row, &mut sized)?;
            assert_eq!(&sized[..], (-1_i32).to_be_bytes());
            return Ok(b"NULL".to_vec());
        }
        column.put(row, &mut bare)?;
        column.put_sized(row, &mut sized)?;
        assert_eq!(sized[..4], (bare.len() as i32).to_be_bytes());
        assert_eq!(sized[4..], bare[..], "with its length a value is the same");
        Ok(bare.to_vec())
    };
    (0..array.len()).map(value).collect()
}

fn text_in(settings: &Settings, declared: Option<&str>, array: impl Array + 'static) -> Vec<String> {
    let array: ArrayRef = Arc::new(array);
    let values = encode(&array, declared, Format::Text, settings);
    values.into_iter().map(|value| value.map_or_else(|error| error.to_string(), |text| String::from_utf8(text).unwrap())).collect()
}

fn text(array: impl Array + 'static) -> Vec<String> {
    text_in(&Settings::default(), None, array)
}

fn declared_text(declared: &str, array: impl Array + 'static) -> Vec<String> {
    text_in(&Settings::default(), Some(declared), array)
}

fn declared_binary(declared: Option<&str>, array: impl Array + 'static) -> Vec<String> {
    let array: ArrayRef = Arc::new(array);
    let values = encode(&array, declared, Format::Binary, &Settings::default());
    let hex = |bytes: Vec<u8>| match bytes.as_slice() {
        b"NULL" => "NULL".to_owned(),
        bytes => bytes.iter().map(|byte| format!("{byte:02x}")).collect(),
    };
    values.into_iter().map(|value| value.map_or_else(|error| error.to_string(), hex)).collect()
}

fn binary(array: impl Array + 'static) -> Vec<String> {
    declared_binary(None, array)
}

#[test]
fn booleans_and_integers() {
    assert_eq!(text(BooleanArray::from(vec![Some(true), Some(false), None])), ["t", "f", "NULL"]);
    assert_eq!(binary(BooleanArray::from(vec![true, false])), ["01", "00"]);
    assert_eq!(text(Int8Array::from(vec![-128, 127])), ["-128", "127"]);
    assert_eq!(binary(Int8Array::from(vec![-128])), ["ff80"]);
    assert_eq!(binary(Int16Array::from(vec![Some(258), None])), ["0102", "NULL"]);
    assert_eq!(text(Int32Array::from(vec![i32::MIN, 0])), ["-2147483648", "0"]);
    assert_eq!(binary(Int32Array::from(vec![-2])), ["fffffffe"]);
    assert_eq!(text(Int64Array::from(vec![i64::MIN])), ["-9223372036854775808"]);
    assert_eq!(binary(Int64Array::from(vec![1])), ["0000000000000001"]);
    assert_eq!(binary(UInt8Array::from(vec![255])), ["00ff"]);
    assert_eq!(binary(UInt16Array::from(vec![65535])), ["0000ffff"]);
    assert_eq!(binary(UInt32Array::from(vec![u32::MAX])), ["00000000ffffffff"]);
    assert_eq!(text(UInt64Array::from(vec![u64::MAX, 0])), ["18446744073709551615", "0"]);
    assert_eq!(binary(UInt64Array::from(vec![u64::MAX, 0])), ["000500040000000007341a5802e103bb064f", "0000000000000000"]);
}

#[test]
fn floats_are_shortest_and_laid_out_as_postgres_does() {
    let float8 = [1e15, 1e14, 123456789012345.0, 1234567890123456.0, 0.0001, 0.00001, 1.0, -0.0, 5e-324, f64::MAX, 0.1, 1e22];
    let expected = [
        "1e+15", "100000000000000", "123456789012345", "1.234567890123456e+15", "0.0001", "1e-05", "1", "-0", "5e-324",
        "1.7976931348623157e+308", "0.1", "1e+22",
    ];
    assert_eq!(text(Float64Array::from(float8.to_vec())), expected);
    let special = [f64::NAN, f64::INFINITY, f64::NEG_INFINITY, 123456789.125, -1.5];
    assert_eq!(text(Float64Array::from(special.to_vec())), ["NaN", "Infinity", "-Infinity", "123456789.125", "-1.5"]);
    let float4 = [1e15, 1e6, 1e5, 999999.0, 1234567.0, 0.0001, 0.00001, 16777216.0, 0.1, f32::MAX, 1e-45];
    let expected = [
        "1e+15", "1e+06", "100000", "999999", "1.234567e+06", "0.0001", "1e-05", "1.6777216e+07", "0.1", "3.4028235e+38",
        "1e-45",
    ];
    assert_eq!(text(Float32Array::from(float4.to_vec())), expected);
    assert_eq!(binary(Float64Array::from(vec![1.5])), ["3ff8000000000000"]);
    assert_eq!(binary(Float32Array::from(vec![1.5])), ["3fc00000"]);
}

#[test]
fn extra_float_digits_below_one_rounds() {
    let settings = |extra_float_digits| Settings { extra_float_digits, ..Settings::default() };
    let float8 = Float64Array::from(vec![0.1, 1e15, 123456789.123456789, 1e14, 100000.0, f64::NAN]);
    let expected = ["0.1", "1e+15", "123456789.123457", "100000000000000", "100000", "NaN"];
    assert_eq!(text_in(&settings(0), None, float8), expected);
    let float4 = Float32Array::from(vec![0.1, 1e6, 100000.0, 1234567.0]);
    assert_eq!(text_in(&settings(0), None, float4), ["0.1", "1e+06", "100000", "1.23457e+06"]);
    let pi = std::f64::consts::PI;
    assert_eq!(text_in(&settings(-3), None, Float64Array::from(vec![pi])), ["3.14159265359"]);
    assert_eq!(text_in(&settings(-3), None, Float32Array::from(vec![pi as f32])), ["3.14"]);
}

fn decimal(values: &[i128], precision: u8, scale: i8) -> Decimal128Array {
    Decimal128Array::from(values.to_vec()).with_precision_and_scale(precision, scale).unwrap()
}

#[test]
fn decimals_keep_their_scale() {
    assert_eq!(text(decimal(&[150, -5, 0, 100], 10, 2)), ["1.50", "-0.05", "0.00", "1.00"]);
    assert_eq!(text(decimal(&[-12, 0], 10, 0)), ["-12", "0"]);
    assert_eq!(text(decimal(&[12, 0, -3], 10, -3)), ["12000", "0", "-3000"]);
    let nines = 10_i128.pow(38) - 1;
    assert_eq!(text(decimal(&[nines, -nines], 38, 38)), [format!("0.{nines}"), format!("-0.{nines}")]);
    assert_eq!(text(decimal(&[nines], 38, 0)), [nines.to_string()]);
    let wide = Decimal256Array::from(vec![i256::from_string(&"9".repeat(76)).unwrap(), i256::from_i128(-150)]);
    let wide = wide.with_precision_and_scale(76, 2).unwrap();
    assert_eq!(text(wide), [format!("{}.99", "9".repeat(74)), "-1.50".to_owned()]);
    let small = Decimal32Array::from(vec![Some(150), None]).with_precision_and_scale(9, 1).unwrap();
    assert_eq!(text(small), ["15.0", "NULL"]);
    assert_eq!(text(Decimal64Array::from(vec![-1]).with_precision_and_scale(18, 18).unwrap()), ["-0.000000000000000001"]);
}

#[test]
fn decimals_in_binary_are_base_10000() {
    let hundredths = ["000200000000000200011388", "0001ffff4000000201f4", "0000000000000002"];
    assert_eq!(binary(decimal(&[150, -5, 0], 10, 2)), hundredths);
    assert_eq!(binary(decimal(&[123456789], 10, 1)), ["000300010000000104d2162e2328"]);
    assert_eq!(binary(decimal(&[1], 10, 4)), ["0001ffff000000040001"]);
    assert_eq!(binary(decimal(&[10_000, 100_000_000], 10, 0)), ["00010001000000000001", "00010002000000000001"]);
    assert_eq!(binary(decimal(&[12345], 10, 8)), ["0002ffff0000000800010929"]);
    assert_eq!(binary(decimal(&[12], 10, -3)), ["0002000100000000000107d0"]);
}

#[test]
fn text_and_its_relatives() {
    assert_eq!(text(StringArray::from(vec![Some("a"), Some(""), None])), ["a", "", "NULL"]);
    assert_eq!(binary(LargeStringArray::from(vec!["é"])), ["c3a9"]);
    assert_eq!(text(StringViewArray::from(vec!["a string longer than twelve bytes", "b"])), ["a string longer than twelve bytes", "b"]);
    assert_eq!(declared_text("jsonb", StringArray::from(vec!["{}"])), ["{}"]);
    assert_eq!(declared_binary(Some("jsonb"), StringArray::from(vec!["{}"])), ["017b7d"]);
    assert_eq!(declared_binary(Some("name"), StringArray::from(vec!["ab"])), ["6162"]);
    assert_eq!(text(NullArray::new(2)), ["NULL", "NULL"]);
}

#[test]
fn bytea() {
    let bytes: [&[u8]; 3] = [b"\x00\xff a", b"", b"\\'"];
    assert_eq!(text(BinaryArray::from(bytes.to_vec())), ["\\x00ff2061", "\\x", "\\x5c27"]);
    assert_eq!(binary(LargeBinaryArray::from(bytes.to_vec())), ["00ff2061", "", "5c27"]);
    let settings = Settings { bytea_output: ByteaOutput::Escape, ..Settings::default() };
    assert_eq!(text_in(&settings, None, BinaryViewArray::from(bytes.to_vec())), ["\\000\\377 a", "", "\\\\'"]);
    let long = vec![0xab_u8; 70];
    assert_eq!(text(BinaryArray::from(vec![long.as_slice()])), [format!("\\x{}", "ab".repeat(70))]);
}

#[test]
fn uuids() {
    let id = "a0eebc99-9c0b-4ef8-bb6d-6bb9bd380a11";
    let bytes = uuid::Uuid::parse_str(id).unwrap();
    let array = || FixedSizeBinaryArray::try_from_iter([bytes.as_bytes()].into_iter()).unwrap();
    assert_eq!(declared_text("uuid", array()), [id]);
    assert_eq!(declared_binary(Some("uuid"), array()), [id.replace('-', "")]);
    assert_eq!(text(array()), [format!("\\x{}", id.replace('-', ""))]);
    assert_eq!(declared_binary(Some("uuid"), StringArray::from(vec![id])), [id.replace('-', "")]);
    assert_eq!(declared_binary(Some("uuid"), StringArray::from(vec!["x"])), ["invalid text form of a uuid"]);
}

#[test]
fn object_ids_are_unsigned() {
    assert_eq!(declared_text("oid", Int64Array::from(vec![4_000_000_000])), ["4000000000"]);
    assert_eq!(declared_binary(Some("oid"), Int64Array::from(vec![4_000_000_000])), ["ee6b2800"]);
    assert_eq!(declared_binary(Some("oid"), UInt32Array::from(vec![26])), ["0000001a"]);
    assert_eq!(declared_binary(Some("oid"), Int64Array::from(vec![1 << 32])), ["value \"4294967296\" is out of range for type oid"]);
    assert_eq!(declared_text("regclass", StringArray::from(vec!["pg_class"])), ["pg_class"]);
    assert_eq!(declared_binary(Some("regclass"), StringArray::from(vec!["1259", "-"])), ["000004eb", "00000000"]);
}

#[test]
fn dates() {
    let days = vec![0, 10_957, 19_724, -1, -735_523, 2_932_897, -719_163, -719_529, i32::MAX, i32::MIN];
    let expected = [
        "1970-01-01", "2000-01-01", "2024-01-02", "1969-12-31", "0045-03-17 BC", "10000-01-01", "0001-12-31 BC",
        "0002-12-31 BC", "infinity", "-infinity",
    ];
    assert_eq!(text(Date32Array::from(days)), expected);
    assert_eq!(binary(Date32Array::from(vec![10_957, 0, i32::MAX])), ["00000000", "ffffd533", "7fffffff"]);
    assert_eq!(binary(Date32Array::from(vec![i32::MIN + 1])), ["date out of range"]);
    assert_eq!(text(Date64Array::from(vec![86_400_000, -1])), ["1970-01-02", "1969-12-31"]);
    assert_eq!(text(Date64Array::from(vec![i64::MAX])), ["date out of range"]);
}

#[test]
fn times() {
    let micros = vec![0, 11_045_100_000, 86_400_000_000, 1, 86_399_999_999];
    let expected = ["00:00:00", "03:04:05.1", "24:00:00", "00:00:00.000001", "23:59:59.999999"];
    assert_eq!(text(Time64MicrosecondArray::from(micros)), expected);
    assert_eq!(text(Time64NanosecondArray::from(vec![1_999])), ["00:00:00.000001"]);
    assert_eq!(text(Time32SecondArray::from(vec![3_661])), ["01:01:01"]);
    assert_eq!(binary(Time32MillisecondArray::from(vec![1])), ["00000000000003e8"]);
    assert_eq!(text(Time64MicrosecondArray::from(vec![-1])), ["time out of range"]);
}

#[test]
fn timestamps() {
    // 253402300800 s is 10000-01-01.
    let micros = vec![0, 1_704_164_645_500_000, -1, -63_549_360_000_000_000, i64::MAX, i64::MIN, 253_402_300_800_000_000];
    let expected = [
        "1970-01-01 00:00:00", "2024-01-02 03:04:05.5", "1969-12-31 23:59:59.999999", "0045-03-15 00:00:00 BC",
        "infinity", "-infinity", "10000-01-01 00:00:00",
    ];
    assert_eq!(text(TimestampMicrosecondArray::from(micros)), expected);
    let micros = vec![946_684_800_000_000, 0, i64::MAX, i64::MIN + 1];
    let expected = ["0000000000000000", "fffca2fec4c82000", "7fffffffffffffff", "timestamp out of range"];
    assert_eq!(binary(TimestampMicrosecondArray::from(micros)), expected);
    assert_eq!(text(TimestampNanosecondArray::from(vec![-1, 1_999])), ["1969-12-31 23:59:59.999999", "1970-01-01 00:00:00.000001"]);
    assert_eq!(text(TimestampSecondArray::from(vec![1, i64::MAX])), ["1970-01-01 00:00:01", "timestamp out of range"]);
    assert_eq!(text(TimestampMillisecondArray::from(vec![1_001])), ["1970-01-01 00:00:01.001"]);
}

#[test]
fn instants_are_shown_in_the_zone_of_the_session() {
    let instants = || TimestampMicrosecondArray::from(vec![1_720_000_000_000_000, -5_000_000_000_000_000]).with_timezone("Asia/Tokyo");
    let shown = |zone: &str| text_in(&Settings { time_zone: zone.parse().unwrap(), ..Settings::default() }, None, instants());
    assert_eq!(shown("UTC"), ["2024-07-03 09:46:40+00", "1811-07-23 15:06:40+00"]);
    assert_eq!(shown("Asia/Kolkata"), ["2024-07-03 15:16:40+05:30", "1811-07-23 21:00:08+05:53:28"]);
    assert_eq!(shown("America/New_York"), ["2024-07-03 05:46:40-04", "1811-07-23 10:10:38-04:56:02"]);
    assert_eq!(binary(instants())[0], format!("{:016x}", 1_720_000_000_000_000_i64 - 946_684_800_000_000));
}

#[test]
fn intervals() {
    let parts = [
        (14, 3, 14_706_500_000_000), (0, 0, 0), (0, -1, -1_000_000_000), (-13, 0, 0), (-1, 1, 1_000_000_000), (0, 1, 0),
        (0, 0, 360_000_000_000_000), (24, 0, 0), (0, -2, 0), (1, 0, -1_000), (0, 0, i64::MIN),
    ];
    let expected = [
        "1 year 2 mons 3 days 04:05:06.5", "00:00:00", "-1 days -00:00:01", "-1 years -1 mons", "-1 mons +1 day 00:00:01",
        "1 day", "100:00:00", "2 years", "-2 days", "1 mon -00:00:00.000001", "-2562047:47:16.854776",
    ];
    let array = |parts: &[(i32, i32, i64)]| {
        let parts = parts.iter().map(|(months, days, nanos)| IntervalMonthDayNano::new(*months, *days, *nanos));
        IntervalMonthDayNanoArray::from(parts.collect::<Vec<_>>())
    };
    assert_eq!(text(array(&parts)), expected);
    assert_eq!(binary(array(&[(14, 3, 1_000)])), ["0000000000000001000000030000000e"]);
    assert_eq!(text(IntervalYearMonthArray::from(vec![13])), ["1 year 1 mon"]);
    assert_eq!(text(IntervalDayTimeArray::from(vec![IntervalDayTime::new(1, 1_500)])), ["1 day 00:00:01.5"]);
    assert_eq!(text(DurationMillisecondArray::from(vec![90_061_001, -129_600_000])), ["1 day 01:01:01.001", "-1 days -12:00:00"]);
    assert_eq!(binary(DurationSecondArray::from(vec![1])), ["00000000000f42400000000000000000"]);
    assert_eq!(text(DurationSecondArray::from(vec![i64::MAX])), ["interval out of range"]);
}

fn lists(values: Vec<Option<Vec<Option<i32>>>>) -> ListArray {
    ListArray::from_iter_primitive::<Int32Type, _, _>(values)
}

fn string_lists(values: &[&[Option<&str>]]) -> ListArray {
    let mut builder = ListBuilder::new(StringBuilder::new());
    for value in values {
        builder.append_value(value.iter().copied());
    }
    builder.finish()
}

#[test]
fn arrays_of_scalars() {
    let numbers = || lists(vec![Some(vec![Some(1), None, Some(-3)]), Some(vec![]), None]);
    assert_eq!(text(numbers()), ["{1,NULL,-3}", "{}", "NULL"]);
    // array_send('{1,NULL,-3}'::int[]), array_send('{}'::int[])
    assert_eq!(
        binary(numbers()),
        [
            "00000001000000010000001700000003000000010000000400000001ffffffff00000004fffffffd",
            "000000000000000000000017",
            "NULL"
        ]
    );
    let strings = string_lists(&[&[Some("a"), Some("a b"), Some(""), Some("NULL"), None, Some("x\"y\\z"), Some("{,}")]]);
    assert_eq!(text(strings), [r#"{a,"a b","","NULL",NULL,"x\"y\\z","{,}"}"#]);
    let fixed = FixedSizeListArray::from_iter_primitive::<Int32Type, _, _>([Some([Some(1), Some(2)]), None], 2);
    assert_eq!(text(fixed), ["{1,2}", "NULL"]);
    let sliced = numbers().slice(1, 2);
    assert_eq!(text(sliced), ["{}", "NULL"]);
    let large = LargeListArray::from_iter_primitive::<Int32Type, _, _>([Some([Some(1)])]);
    assert_eq!(text(large), ["{1}"]);
}

#[test]
fn arrays_of_declared_types() {
    assert_eq!(declared_text("int2vector", lists(vec![Some(vec![Some(1), Some(3)]), Some(vec![])])), ["1 3", ""]);
    assert_eq!(
        declared_binary(Some("oidvector"), lists(vec![Some(vec![Some(26)])])),
        ["00000001000000000000001a0000000100000000000000040000001a"]
    );
    assert_eq!(declared_binary(Some("_name"), string_lists(&[&[Some("a")]])), ["00000001000000000000001300000001000000010000000161"]);
    let mut stamps = ListBuilder::new(TimestampMicrosecondBuilder::new());
    stamps.append_value([Some(0)]);
    assert_eq!(text(stamps.finish()), ["{\"1970-01-01 00:00:00\"}"]);
}

#[test]
fn encodings_are_their_values() {
    let dictionary: DictionaryArray<Int8Type> = [Some("a"), None, Some("b"), Some("a")].into_iter().collect();
    assert_eq!(text(dictionary.clone()), ["a", "NULL", "b", "a"]);
    assert_eq!(binary(dictionary.slice(2, 2)), ["62", "61"]);
    let runs = RunArray::try_new(&Int32Array::from(vec![2, 3]), &Int64Array::from(vec![Some(7), None])).unwrap();
    assert_eq!(text(runs.clone()), ["7", "7", "NULL"]);
    assert_eq!(text(runs.slice(1, 2)), ["7", "NULL"]);
}

#[test]
fn everything_else_is_json() {
    let fields = Fields::from(vec![
        Field::new("a", DataType::Int32, true),
        Field::new("b \"q\"", DataType::Utf8, true),
        Field::new("f", DataType::Float64, true),
        Field::new("t", DataType::Timestamp(TimeUnit::Microsecond, Some("UTC".into())), true),
        Field::new("l", lists(vec![]).data_type().clone(), true),
        Field::new("o", DataType::Boolean, true),
        Field::new("d", DataType::Decimal128(10, 2), true),
    ]);
    let columns: Vec<ArrayRef> = vec![
        Arc::new(Int32Array::from(vec![Some(1), None])),
        Arc::new(StringArray::from(vec!["x\n\"\u{1}é", ""])),
        Arc::new(Float64Array::from(vec![f64::NAN, 0.5])),
        Arc::new(TimestampMicrosecondArray::from(vec![0, 1]).with_timezone("UTC")),
        Arc::new(lists(vec![Some(vec![Some(1), None]), None])),
        Arc::new(BooleanArray::from(vec![true, false])),
        Arc::new(decimal(&[150, -1], 10, 2)),
    ];
    let structs = StructArray::new(fields, columns, None);
    assert_eq!(
        text(structs.clone()),
        [
            r#"{"a":1,"b \"q\"":"x\n\"\u0001é","f":"NaN","t":"1970-01-01T00:00:00+00:00","l":[1,null],"o":true,"d":1.50}"#,
            r#"{"a":null,"b \"q\"":"","f":0.5,"t":"1970-01-01T00:00:00.000001+00:00","l":null,"o":false,"d":-0.01}"#
        ]
    );
    let absent = StructArray::new(structs.fields().clone(), structs.columns().to_vec(), Some(NullBuffer::from(vec![true, false])));
    assert_eq!(text(absent)[1], "NULL");

    let mut maps = MapBuilder::new(None, StringBuilder::new(), Int32Builder::new());
    maps.keys().append_value("k");
    maps.values().append_value(1);
    maps.keys().append_value("l");
    maps.values().append_null();
    maps.append(true).unwrap();
    maps.append(false).unwrap();
    assert_eq!(text(maps.finish()), [r#"{"k":1,"l":null}"#, "NULL"]);

    let inner = lists(vec![Some(vec![Some(1)]), None, Some(vec![])]);
    let item = Arc::new(Field::new_list_field(inner.data_type().clone(), true));
    let nested = ListArray::new(item, OffsetBuffer::new(ScalarBuffer::from(vec![0, 2, 3])), Arc::new(inner), None);
    assert_eq!(text(nested), ["[[1],null]", "[[]]"]);

    let union_fields: UnionFields =
        [(0, Arc::new(Field::new("i", DataType::Int32, true))), (1, Arc::new(Field::new("s", DataType::Utf8, true)))]
            .into_iter()
            .collect();
    let children: Vec<ArrayRef> = vec![Arc::new(Int32Array::from(vec![7])), Arc::new(StringArray::from(vec![Some("x"), None]))];
    let offsets = Some(ScalarBuffer::from(vec![0, 0, 1]));
    let union = UnionArray::try_new(union_fields, ScalarBuffer::from(vec![0, 1, 1]), offsets, children).unwrap();
    assert_eq!(text(union), ["7", "\"x\"", "NULL"]);
}

#[test]
fn a_null_of_every_type_is_null_in_both_formats() {
    let item = Arc::new(Field::new_list_field(DataType::Int32, true));
    let types = [
        DataType::Null, DataType::Boolean, DataType::Int8, DataType::Int16, DataType::Int32, DataType::Int64,
        DataType::UInt8, DataType::UInt16, DataType::UInt32, DataType::UInt64, DataType::Float16, DataType::Float32,
        DataType::Float64, DataType::Decimal32(9, 2), DataType::Decimal64(18, 2), DataType::Decimal128(38, 2),
        DataType::Decimal256(76, 2), DataType::Utf8, DataType::LargeUtf8, DataType::Utf8View, DataType::Binary,
        DataType::LargeBinary, DataType::BinaryView, DataType::FixedSizeBinary(3), DataType::Date32, DataType::Date64,
        DataType::Time32(TimeUnit::Second), DataType::Time32(TimeUnit::Millisecond),
        DataType::Time64(TimeUnit::Microsecond), DataType::Time64(TimeUnit::Nanosecond),
        DataType::Timestamp(TimeUnit::Second, None), DataType::Timestamp(TimeUnit::Nanosecond, Some("UTC".into())),
        DataType::Interval(IntervalUnit::YearMonth), DataType::Interval(IntervalUnit::DayTime),
        DataType::Interval(IntervalUnit::MonthDayNano), DataType::Duration(TimeUnit::Nanosecond),
        DataType::List(item.clone()), DataType::LargeList(item.clone()), DataType::FixedSizeList(item.clone(), 2),
        DataType::ListView(item.clone()), DataType::LargeListView(item.clone()), DataType::Struct(vec![item].into()),
        DataType::Dictionary(Box::new(DataType::Int32), Box::new(DataType::Utf8)),
    ];
    for data_type in types {
        let array = new_null_array(&data_type, 2);
        for format in [Format::Text, Format::Binary] {
            let values = encode(&array, None, format, &Settings::default());
            assert_eq!(values, [Ok(b"NULL".to_vec()), Ok(b"NULL".to_vec())], "{data_type} {format:?}");
        }
    }
}
