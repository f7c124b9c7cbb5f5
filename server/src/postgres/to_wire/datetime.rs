//! date, time, timestamp with and without time zone, interval: ISO text, or counts since the year 2000.

use arrow::array::{Array, ArrayRef, ArrowPrimitiveType, AsArray, PrimitiveArray};
use arrow::datatypes::{
    DataType, Date32Type, Date64Type, DurationMicrosecondType, DurationMillisecondType, DurationNanosecondType,
    DurationSecondType, IntervalDayTimeType, IntervalMonthDayNanoType, IntervalUnit, IntervalYearMonthType,
    Time32MillisecondType, Time32SecondType, Time64MicrosecondType, Time64NanosecondType, TimeUnit,
    TimestampMicrosecondType, TimestampMillisecondType, TimestampNanosecondType, TimestampSecondType,
};
use bytes::{BufMut, BytesMut};

use super::integer::Primitive;
use super::interval::{IntervalStyle, put_interval};
use super::settings::TimeZone;
use super::{Column, Format, Nulls, Settings, ValueError};

/// Days from 1970-01-01 to 2000-01-01, where PostgreSQL's binary dates start.
const EPOCH_DAYS: i32 = 10_957;
const EPOCH_MICROS: i64 = EPOCH_DAYS as i64 * DAY_MICROS;

const SECOND_MICROS: i64 = 1_000_000;
const DAY_MICROS: i64 = 86_400 * SECOND_MICROS;
const DAY_MILLIS: i64 = 86_400_000;

/// `00` to `99`.
const PAIRS: &[u8; 200] = b"0001020304050607080910111213141516171819\
2021222324252627282930313233343536373839\
4041424344454647484950515253545556575859\
6061626364656667686970717273747576777879\
8081828384858687888990919293949596979899";

pub fn column(array: &ArrayRef, format: Format, style: Style, settings: &Settings) -> Box<dyn Column> {
    match array.data_type() {
        DataType::Date32 => dates(array.as_primitive::<Date32Type>(), format, Ok),
        DataType::Date64 => dates(array.as_primitive::<Date64Type>(), format, |millis| {
            i32::try_from(millis.div_euclid(DAY_MILLIS)).map_err(|_| ValueError::DateOutOfRange)
        }),
        DataType::Time32(TimeUnit::Second) => {
            times(array.as_primitive::<Time32SecondType>(), format, |seconds| i64::from(seconds) * SECOND_MICROS)
        }
        DataType::Time32(_) => {
            times(array.as_primitive::<Time32MillisecondType>(), format, |millis| i64::from(millis) * 1000)
        }
        DataType::Time64(TimeUnit::Nanosecond) => {
            times(array.as_primitive::<Time64NanosecondType>(), format, |nanos| nanos.div_euclid(1000))
        }
        DataType::Time64(_) => times(array.as_primitive::<Time64MicrosecondType>(), format, |micros| micros),
        DataType::Timestamp(unit, zone) => {
            let zone = zone.as_ref().map(|_| settings.time_zone);
            timestamps(array, *unit, TimestampForm { format, style, zone })
        }
        DataType::Duration(unit) => durations(array, *unit, IntervalForm { format, style: settings.interval_style }),
        DataType::Interval(unit) => intervals(array, *unit, IntervalForm { format, style: settings.interval_style }),
        _ => Box::new(Nulls),
    }
}

fn dates<T: ArrowPrimitiveType>(
    array: &PrimitiveArray<T>,
    format: Format,
    days: impl Fn(T::Native) -> Result<i32, ValueError> + Send + 'static,
) -> Box<dyn Column> {
    match format {
        Format::Text => Primitive::column(array, move |value, out| {
            put_date(days(value)?, out);
            Ok(())
        }),
        Format::Binary => Primitive::column(array, move |value, out| {
            let days = match days(value)? {
                // PostgreSQL's infinities are the same extremes.
                infinity @ (i32::MIN | i32::MAX) => infinity,
                days => days.checked_sub(EPOCH_DAYS).ok_or(ValueError::DateOutOfRange)?,
            };
            out.put_i32(days);
            Ok(())
        }),
    }
}

fn times<T: ArrowPrimitiveType>(
    array: &PrimitiveArray<T>,
    format: Format,
    micros: impl Fn(T::Native) -> i64 + Send + 'static,
) -> Box<dyn Column> {
    Primitive::column(array, move |value, out| {
        let micros = micros(value);
        if !(0..=DAY_MICROS).contains(&micros) {
            return Err(ValueError::TimeOutOfRange);
        }
        match format {
            Format::Text => put_time(micros, out),
            Format::Binary => out.put_i64(micros),
        }
        Ok(())
    })
}

/// How the timestamps of a column are written.
#[derive(Clone, Copy)]
struct TimestampForm {
    format: Format,
    style: Style,
    zone: Option<TimeZone>,
}

fn timestamps(array: &ArrayRef, unit: TimeUnit, form: TimestampForm) -> Box<dyn Column> {
    match unit {
        TimeUnit::Second => timestamp(array.as_primitive::<TimestampSecondType>(), form, |seconds| {
            seconds.checked_mul(SECOND_MICROS).ok_or(ValueError::TimestampOutOfRange)
        }),
        TimeUnit::Millisecond => timestamp(array.as_primitive::<TimestampMillisecondType>(), form, |millis| {
            millis.checked_mul(1000).ok_or(ValueError::TimestampOutOfRange)
        }),
        TimeUnit::Microsecond => timestamp(array.as_primitive::<TimestampMicrosecondType>(), form, Ok),
        TimeUnit::Nanosecond => {
            timestamp(array.as_primitive::<TimestampNanosecondType>(), form, |nanos| Ok(nanos.div_euclid(1000)))
        }
    }
}

fn timestamp<T: ArrowPrimitiveType>(
    array: &PrimitiveArray<T>,
    form: TimestampForm,
    micros: impl Fn(T::Native) -> Result<i64, ValueError> + Send + 'static,
) -> Box<dyn Column> {
    match form.format {
        Format::Text => Primitive::column(array, move |value, out| {
            put_timestamp(micros(value)?, form.zone, form.style, out);
            Ok(())
        }),
        Format::Binary => Primitive::column(array, move |value, out| {
            let micros = match micros(value)? {
                infinity @ (i64::MIN | i64::MAX) => infinity,
                micros => micros.checked_sub(EPOCH_MICROS).ok_or(ValueError::TimestampOutOfRange)?,
            };
            out.put_i64(micros);
            Ok(())
        }),
    }
}

/// How the intervals of a column are written.
#[derive(Clone, Copy)]
struct IntervalForm {
    format: Format,
    style: IntervalStyle,
}

fn durations(array: &ArrayRef, unit: TimeUnit, form: IntervalForm) -> Box<dyn Column> {
    match unit {
        TimeUnit::Second => duration(array.as_primitive::<DurationSecondType>(), form, |seconds| {
            seconds.checked_mul(SECOND_MICROS).ok_or(ValueError::IntervalOutOfRange)
        }),
        TimeUnit::Millisecond => duration(array.as_primitive::<DurationMillisecondType>(), form, |millis| {
            millis.checked_mul(1000).ok_or(ValueError::IntervalOutOfRange)
        }),
        TimeUnit::Microsecond => duration(array.as_primitive::<DurationMicrosecondType>(), form, Ok),
        TimeUnit::Nanosecond => {
            duration(array.as_primitive::<DurationNanosecondType>(), form, |nanos| Ok(nanos.div_euclid(1000)))
        }
    }
}

fn duration<T: ArrowPrimitiveType>(
    array: &PrimitiveArray<T>,
    form: IntervalForm,
    micros: impl Fn(T::Native) -> Result<i64, ValueError> + Send + 'static,
) -> Box<dyn Column> {
    interval(array, form, move |value| {
        // The difference of two timestamps counts its days, as in PostgreSQL.
        let micros = micros(value)?;
        let days = i32::try_from(micros / DAY_MICROS).map_err(|_| ValueError::IntervalOutOfRange)?;
        Ok((0, days, micros % DAY_MICROS))
    })
}

fn intervals(array: &ArrayRef, unit: IntervalUnit, form: IntervalForm) -> Box<dyn Column> {
    match unit {
        IntervalUnit::YearMonth => {
            interval(array.as_primitive::<IntervalYearMonthType>(), form, |months| Ok((months, 0, 0)))
        }
        IntervalUnit::DayTime => interval(array.as_primitive::<IntervalDayTimeType>(), form, |value| {
            Ok((0, value.days, i64::from(value.milliseconds) * 1000))
        }),
        IntervalUnit::MonthDayNano => interval(array.as_primitive::<IntervalMonthDayNanoType>(), form, |value| {
            Ok((value.months, value.days, value.nanoseconds.div_euclid(1000)))
        }),
    }
}

/// `parts` gives months, days and microseconds.
fn interval<T: ArrowPrimitiveType>(
    array: &PrimitiveArray<T>,
    form: IntervalForm,
    parts: impl Fn(T::Native) -> Result<(i32, i32, i64), ValueError> + Send + 'static,
) -> Box<dyn Column> {
    Primitive::column(array, move |value, out| {
        let (months, days, micros) = parts(value)?;
        match form.format {
            Format::Text => put_interval(months, days, micros, form.style, out),
            Format::Binary => {
                out.put_i64(micros);
                out.put_i32(days);
                out.put_i32(months);
            }
        }
        Ok(())
    })
}

/// A date and its era. `days` count from 1970-01-01.
pub fn put_date(days: i32, out: &mut BytesMut) {
    match days {
        i32::MIN => out.put_slice(b"-infinity"),
        i32::MAX => out.put_slice(b"infinity"),
        days => {
            let year = put_year_month_day(i64::from(days), out);
            put_era(year, out);
        }
    }
}

/// How a timestamp is laid out.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Style {
    /// `2024-01-02 03:04:05+00`
    Sql,
    /// `2024-01-02T03:04:05+00:00`, as inside JSON.
    Xsd,
}

/// `micros` count from 1970; with a zone they are an instant, shown in that zone.
pub fn put_timestamp(micros: i64, zone: Option<TimeZone>, style: Style, out: &mut BytesMut) {
    match micros {
        i64::MIN => return out.put_slice(b"-infinity"),
        i64::MAX => return out.put_slice(b"infinity"),
        _ => {}
    }
    let offset = zone.map(|zone| zone.offset_seconds(micros.div_euclid(SECOND_MICROS)));
    // In 128 bits an offset cannot overflow.
    let local = i128::from(micros) + i128::from(offset.unwrap_or(0)) * i128::from(SECOND_MICROS);
    let (days, time) = match i64::try_from(local) {
        Ok(local) => (local.div_euclid(DAY_MICROS), local.rem_euclid(DAY_MICROS)),
        Err(_) => {
            let day = i128::from(DAY_MICROS);
            (local.div_euclid(day) as i64, local.rem_euclid(day) as i64)
        }
    };
    let year = put_year_month_day(days, out);
    out.put_u8(if style == Style::Sql { b' ' } else { b'T' });
    put_time(time, out);
    if let Some(offset) = offset {
        put_offset(offset, style, out);
    }
    put_era(year, out);
}

/// `04:05:06.5`: the fraction without trailing zeros.
pub fn put_time(micros: i64, out: &mut BytesMut) {
    let seconds = micros / SECOND_MICROS;
    let mut text = *b"00:00:00.000000";
    put_pair(&mut text[0..2], seconds / 3600);
    put_pair(&mut text[3..5], seconds / 60 % 60);
    put_pair(&mut text[6..8], seconds % 60);
    let length = put_fraction(&mut text[8..], micros % SECOND_MICROS);
    out.put_slice(&text[..8 + length]);
}

/// Fills `.000000`, and gives the length up to the last digit that is not 0.
fn put_fraction(text: &mut [u8], micros: i64) -> usize {
    if micros == 0 {
        return 0;
    }
    put_pair(&mut text[1..3], micros / 10_000);
    put_pair(&mut text[3..5], micros / 100 % 100);
    put_pair(&mut text[5..7], micros % 100);
    7 - text[1..7].iter().rev().take_while(|digit| **digit == b'0').count()
}

/// Writes `2024-01-02` and returns the astronomical year, where 1 BC is 0.
fn put_year_month_day(days: i64, out: &mut BytesMut) -> i64 {
    let (year, month, day) = civil(days);
    let shown = if year > 0 { year } else { 1 - year };
    let mut text = *b"0000-00-00";
    put_pair(&mut text[5..7], month);
    put_pair(&mut text[8..10], day);
    if shown < 10_000 {
        put_pair(&mut text[0..2], shown / 100);
        put_pair(&mut text[2..4], shown % 100);
        out.put_slice(&text);
    } else {
        out.put_slice(itoa::Buffer::new().format(shown).as_bytes());
        out.put_slice(&text[4..]);
    }
    year
}

fn put_era(year: i64, out: &mut BytesMut) {
    if year <= 0 {
        out.put_slice(b" BC");
    }
}

/// `+00`, `+05:30`, `+05:21:10`.
fn put_offset(seconds: i32, style: Style, out: &mut BytesMut) {
    let east = seconds >= 0;
    let seconds = i64::from(seconds.unsigned_abs());
    let mut text = *b"+00:00:00";
    if !east {
        text[0] = b'-';
    }
    put_pair(&mut text[1..3], seconds / 3600);
    put_pair(&mut text[4..6], seconds / 60 % 60);
    put_pair(&mut text[7..9], seconds % 60);
    let length = match (seconds / 60 % 60, seconds % 60) {
        (0, 0) if style == Style::Sql => 3,
        (_, 0) => 6,
        _ => 9,
    };
    out.put_slice(&text[..length]);
}

/// Two decimal digits of `value`, which is below 100.
fn put_pair(text: &mut [u8], value: i64) {
    let at = 2 * value as usize;
    text.copy_from_slice(&PAIRS[at..at + 2]);
}

/// Year (1 BC is 0), month and day of a count of days since 1970-01-01 in the proleptic Gregorian calendar.
/// After Howard Hinnant, "chrono-Compatible Low-Level Date Algorithms", `civil_from_days`.
fn civil(days: i64) -> (i64, i64, i64) {
    let days = days + 719_468;
    let era = days.div_euclid(146_097);
    let day_of_era = days.rem_euclid(146_097);
    let year_of_era = (day_of_era - day_of_era / 1_460 + day_of_era / 36_524 - day_of_era / 146_096) / 365;
    let day_of_year = day_of_era - (365 * year_of_era + year_of_era / 4 - year_of_era / 100);
    let shifted_month = (5 * day_of_year + 2) / 153;
    let day = day_of_year - (153 * shifted_month + 2) / 5 + 1;
    let month = if shifted_month < 10 { shifted_month + 3 } else { shifted_month - 9 };
    let year = year_of_era + era * 400 + i64::from(month <= 2);
    (year, month, day)
}
