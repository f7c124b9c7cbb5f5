//! date, time and timestamp parameters as text: ISO 8601 and what PostgreSQL prints.

use chrono::{NaiveDate, Offset, TimeZone as _};
use sql::interval::clock_micros;

use crate::postgres::error::Error;
use crate::postgres::to_wire::TimeZone;

const SECOND_MICROS: i64 = 1_000_000;
const DAY_MICROS: i64 = 86_400 * SECOND_MICROS;

/// A date as days since 1970-01-01; a time of day after it is dropped.
pub fn date(text: &str) -> Result<i32, Error> {
    let parsed = Parsed::read(text, "date")?;
    i32::try_from(parsed.days).map_err(|_| out_of_range(text))
}

/// A time of day in microseconds; a date before it is dropped.
pub fn time(text: &str) -> Result<i64, Error> {
    let clock = text.trim().rsplit(['T', ' ']).find(|word| word.contains(':')).unwrap_or(text.trim());
    let (clock, _) = split_offset(clock);
    let micros = clock_micros(clock, true).ok_or_else(|| syntax("time", text))?;
    if micros > DAY_MICROS {
        return Err(out_of_range(text));
    }
    Ok(micros)
}

/// Microseconds since 1970 on a clock without a zone; a zone is ignored, as in PostgreSQL.
pub fn timestamp(text: &str) -> Result<i64, Error> {
    Parsed::read(text, "timestamp")?.local_micros().ok_or_else(|| out_of_range(text))
}

/// An instant in microseconds since 1970. Without a zone of its own it is in `time_zone`.
pub fn timestamptz(text: &str, time_zone: TimeZone) -> Result<i64, Error> {
    let parsed = Parsed::read(text, "timestamp with time zone")?;
    let local = parsed.local_micros().ok_or_else(|| out_of_range(text))?;
    let offset = match parsed.zone {
        Some(TimeZone::Fixed(seconds)) => seconds,
        Some(zone) => local_offset(zone, local),
        None => local_offset(time_zone, local),
    };
    local.checked_sub(i64::from(offset) * SECOND_MICROS).ok_or_else(|| out_of_range(text))
}

/// The offset of `zone` when its clocks show `local`. As in PostgreSQL, a time that occurs twice is the second one, and
/// one that is skipped is read with the offset before.
fn local_offset(zone: TimeZone, local: i64) -> i32 {
    let TimeZone::Named(named) = zone else { return zone.offset_seconds(0) };
    let seconds = local.div_euclid(SECOND_MICROS);
    let Some(clock) = chrono::DateTime::from_timestamp(seconds, 0).map(|utc| utc.naive_utc()) else {
        return zone.offset_seconds(seconds);
    };
    match named.offset_from_local_datetime(&clock).latest() {
        Some(offset) => offset.fix().local_minus_utc(),
        None => zone.offset_seconds(seconds - i64::from(zone.offset_seconds(seconds)) - 3_600),
    }
}

struct Parsed {
    days: i64,
    micros: i64,
    zone: Option<TimeZone>,
}

impl Parsed {
    fn read(text: &str, pg_type: &'static str) -> Result<Parsed, Error> {
        let syntax = || syntax(pg_type, text);
        let trimmed = text.trim();
        if ["infinity", "-infinity"].contains(&trimmed.to_ascii_lowercase().as_str()) {
            return Err(Error::Unsupported { feature: format!("{trimmed} as a {pg_type}") });
        }
        if trimmed.eq_ignore_ascii_case("epoch") {
            return Ok(Parsed { days: 0, micros: 0, zone: Some(TimeZone::Fixed(0)) });
        }
        let (trimmed, before_christ) = match trimmed.strip_suffix(" BC").or_else(|| trimmed.strip_suffix(" bc")) {
            Some(rest) => (rest.trim_end(), true),
            None => (trimmed.strip_suffix(" AD").unwrap_or(trimmed), false),
        };
        let end = trimmed.find(['T', 't', ' ']).unwrap_or(trimmed.len());
        let (date, rest) = (&trimmed[..end], trimmed[end..].trim_start_matches(['T', 't', ' ']));
        let (year, month, day) = year_month_day(date).ok_or_else(syntax)?;
        let year = match (before_christ, year) {
            (_, 0) => return Err(out_of_range(text)),
            (true, year) => 1 - year,
            (false, year) => year,
        };
        // chrono knows 262 000 years either side, PostgreSQL 294 276 after Christ.
        let date = NaiveDate::from_ymd_opt(year, month, day).ok_or_else(|| out_of_range(text))?;
        let days = date.signed_duration_since(NaiveDate::default()).num_days();
        if rest.is_empty() {
            return Ok(Parsed { days, micros: 0, zone: None });
        }
        let (clock, zone) = split_offset(rest);
        let zone = match zone.trim() {
            "" => None,
            "Z" | "z" => Some(TimeZone::Fixed(0)),
            name => Some(name.parse::<TimeZone>().map_err(|()| syntax())?),
        };
        let micros = match clock.trim_end() {
            // A date with a zone, as pgjdbc sends it.
            "" => 0,
            clock => clock_micros(clock, true).ok_or_else(syntax)?,
        };
        if micros > DAY_MICROS {
            return Err(out_of_range(text));
        }
        Ok(Parsed { days, micros, zone })
    }

    fn local_micros(&self) -> Option<i64> {
        self.days.checked_mul(DAY_MICROS)?.checked_add(self.micros)
    }
}

/// `2024-01-02`, `2024/1/2`, `20240102`, `1/2/2024`: with the year last, the month is first.
fn year_month_day(date: &str) -> Option<(i32, u32, u32)> {
    let separator = if date.contains('/') { '/' } else { '-' };
    let parts: Vec<&str> = date.split(separator).collect();
    if !parts.iter().all(|part| !part.is_empty() && part.bytes().all(|digit| digit.is_ascii_digit())) {
        return None;
    }
    match parts[..] {
        [packed] if packed.len() == 8 => {
            Some((packed[..4].parse().ok()?, packed[4..6].parse().ok()?, packed[6..].parse().ok()?))
        }
        [year, month, day] if year.len() > 2 => Some((year.parse().ok()?, month.parse().ok()?, day.parse().ok()?)),
        [month, day, year] if year.len() > 2 => Some((year.parse().ok()?, month.parse().ok()?, day.parse().ok()?)),
        _ => None,
    }
}

/// The clock and what names a zone after it: `+05:30`, `Z`, ` Europe/Berlin`.
fn split_offset(text: &str) -> (&str, &str) {
    let end = text.find(|c: char| !c.is_ascii_digit() && c != ':' && c != '.').unwrap_or(text.len());
    text.split_at(end)
}

fn syntax(pg_type: &'static str, text: &str) -> Error {
    Error::InvalidDateTimeText { pg_type, text: text.to_owned() }
}

fn out_of_range(text: &str) -> Error {
    Error::DateTimeOutOfRange { text: text.to_owned() }
}
