//! The session settings that change how values are written, read once per statement.

use std::str::FromStr;

use chrono::{Offset, TimeZone as _, Utc};
use chrono_tz::{TZ_VARIANTS, Tz};

use super::interval::IntervalStyle;

/// What PostgreSQL writes with `extra_float_digits` at its default: the shortest text that reads back as the same.
const EXTRA_FLOAT_DIGITS_DEFAULT: i32 = 1;

#[derive(Clone, Debug, PartialEq)]
pub struct Settings {
    pub time_zone: TimeZone,
    /// Above 0: shortest round trip. Otherwise 15 (float8) or 6 (float4) digits plus this.
    pub extra_float_digits: i32,
    pub bytea_output: ByteaOutput,
    pub interval_style: IntervalStyle,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ByteaOutput {
    Hex,
    Escape,
}

impl Default for Settings {
    fn default() -> Self {
        Self {
            time_zone: TimeZone::Fixed(0),
            extra_float_digits: EXTRA_FLOAT_DIGITS_DEFAULT,
            bytea_output: ByteaOutput::Hex,
            interval_style: IntervalStyle::Postgres,
        }
    }
}

impl Settings {
    /// Reads what a session has set; `setting` gives a value by name.
    pub fn read(setting: impl Fn(&str) -> Option<String>) -> Self {
        let time_zone = setting("TimeZone").and_then(|name| name.parse().ok()).unwrap_or(TimeZone::Fixed(0));
        let extra_float_digits = setting("extra_float_digits").and_then(|digits| digits.parse().ok());
        let bytea_output = match setting("bytea_output") {
            Some(output) if output.eq_ignore_ascii_case("escape") => ByteaOutput::Escape,
            _ => ByteaOutput::Hex,
        };
        let extra_float_digits = extra_float_digits.unwrap_or(EXTRA_FLOAT_DIGITS_DEFAULT);
        let interval_style = setting("IntervalStyle").map_or(IntervalStyle::Postgres, |style| IntervalStyle::of_setting(&style));
        Self { time_zone, extra_float_digits, bytea_output, interval_style }
    }
}

/// The zone that `timestamp with time zone` is shown in.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum TimeZone {
    /// Seconds east of Greenwich.
    Fixed(i32),
    Named(Tz),
}

impl TimeZone {
    /// Seconds east of Greenwich at an instant, given in seconds since 1970.
    pub fn offset_seconds(self, instant_seconds: i64) -> i32 {
        match self {
            TimeZone::Fixed(seconds) => seconds,
            TimeZone::Named(zone) => match Utc.timestamp_opt(instant_seconds, 0).single() {
                Some(instant) => zone.offset_from_utc_datetime(&instant.naive_utc()).fix().local_minus_utc(),
                // Beyond the years chrono knows no zone has rules.
                None => 0,
            },
        }
    }
}

impl FromStr for TimeZone {
    type Err = ();

    /// A name of the IANA database, an offset east of Greenwich such as `+05:30`, or PostgreSQL's own spelling of such
    /// an offset, `<+05:30>-05:30`.
    fn from_str(name: &str) -> Result<Self, ()> {
        if name.eq_ignore_ascii_case("utc") || name.eq_ignore_ascii_case("gmt") {
            return Ok(TimeZone::Fixed(0));
        }
        if let Some(label) = name.strip_prefix('<').and_then(|rest| rest.split('>').next()) {
            return parse_offset(label).map(TimeZone::Fixed).ok_or(());
        }
        if let Some(seconds) = parse_offset(name) {
            return Ok(TimeZone::Fixed(seconds));
        }
        let named = || TZ_VARIANTS.iter().find(|zone| zone.name().eq_ignore_ascii_case(name)).copied();
        name.parse().ok().or_else(named).map(TimeZone::Named).ok_or(())
    }
}

/// `+05`, `-05:30`, `+0530`, `+05:21:10` as seconds.
fn parse_offset(text: &str) -> Option<i32> {
    let (sign, digits) = match text.split_at_checked(1)? {
        ("+", digits) => (1, digits),
        ("-", digits) => (-1, digits),
        _ => return None,
    };
    let digits: String = digits.split(':').collect();
    if !matches!(digits.len(), 1 | 2 | 4 | 6) || !digits.bytes().all(|digit| digit.is_ascii_digit()) {
        return None;
    }
    let part = |at: usize| digits.get(at..at + 2).map_or(Some(0), |pair| pair.parse::<i32>().ok());
    let hours = if digits.len() == 1 { digits.parse().ok()? } else { part(0)? };
    Some(sign * (hours * 3600 + part(2)? * 60 + part(4)?))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn zones_have_offsets() {
        let offset = |name: &str, instant| name.parse::<TimeZone>().unwrap().offset_seconds(instant);
        assert_eq!(offset("UTC", 0), 0);
        assert_eq!(offset("Europe/Berlin", 1_720_000_000), 7200);
        assert_eq!(offset("europe/berlin", 1_704_000_000), 3600);
        assert_eq!(offset("+05:30", 0), 19_800);
        assert_eq!(offset("<-05>+05", 0), -18_000);
        assert_eq!(offset("Asia/Kolkata", -5_000_000_000), 21_208);
        assert!("Mars/Olympus".parse::<TimeZone>().is_err());
    }
}
