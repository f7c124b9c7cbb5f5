//! Intervals as PostgreSQL writes them: `1 year 2 mons -3 days 04:05:06.5`, `P1Y2M3DT4H`, `1-2`.

use std::fmt;

use arrow::datatypes::IntervalMonthDayNano;

const SECOND_MICROS: f64 = 1e6;
const DAY_MICROS: f64 = 86_400e6;
/// What a fraction of a month is counted in.
const MONTH_DAYS: f64 = 30.0;

/// Why a text is not an interval.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum IntervalError {
    Syntax,
    OutOfRange,
}

impl fmt::Display for IntervalError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Syntax => "invalid input syntax for type interval",
            Self::OutOfRange => "interval out of range",
        })
    }
}

/// Months, days and microseconds as Arrow has them.
pub fn from_parts(months: i32, days: i32, micros: i64) -> Result<IntervalMonthDayNano, IntervalError> {
    let nanos = micros.checked_mul(1_000).ok_or(IntervalError::OutOfRange)?;
    Ok(IntervalMonthDayNano::new(months, days, nanos))
}

/// Reads an interval in any of PostgreSQL's forms.
pub fn parse_interval(text: &str) -> Result<IntervalMonthDayNano, IntervalError> {
    let trimmed = text.trim();
    let mut sum = Sum::default();
    let (signless, sign) = match trimmed.strip_prefix('-').filter(|rest| rest.starts_with('P')) {
        Some(rest) => (rest, -1.0),
        None => (trimmed, 1.0),
    };
    match signless.strip_prefix('P') {
        Some(designators) => sum.add_iso(designators).ok_or(IntervalError::Syntax)?,
        None => sum.add_words(trimmed).ok_or(IntervalError::Syntax)?,
    }
    let ago = trimmed.to_ascii_lowercase().ends_with("ago");
    sum.interval(if ago { -sign } else { sign })
}

/// Whole months and days, and microseconds; fractions have gone to the next smaller.
#[derive(Default)]
struct Sum {
    months: f64,
    days: f64,
    micros: f64,
}

impl Sum {
    fn add_months(&mut self, months: f64) {
        self.months += months.trunc();
        self.add_days(months.fract() * MONTH_DAYS);
    }

    fn add_days(&mut self, days: f64) {
        self.days += days.trunc();
        self.micros += days.fract() * DAY_MICROS;
    }

    fn add(&mut self, amount: f64, unit: &str) -> Option<()> {
        let singular = unit.strip_suffix('s').filter(|unit| unit.len() > 1).unwrap_or(unit);
        match singular {
            "microsecond" | "usec" | "u" | "us" => self.micros += amount,
            "millisecond" | "msec" | "ms" => self.micros += amount * 1e3,
            "second" | "sec" | "s" => self.micros += amount * SECOND_MICROS,
            "minute" | "min" | "m" => self.micros += amount * 60.0 * SECOND_MICROS,
            "hour" | "hr" | "h" => self.micros += amount * 3600.0 * SECOND_MICROS,
            "day" | "d" => self.add_days(amount),
            "week" | "w" => self.add_days(amount * 7.0),
            "month" | "mon" => self.add_months(amount),
            "year" | "yr" | "y" => self.add_months(amount * 12.0),
            "decade" | "dec" => self.add_months(amount * 120.0),
            "century" | "centurie" | "c" => self.add_months(amount * 1_200.0),
            "millennium" | "millennia" | "mil" => self.add_months(amount * 12_000.0),
            _ => return None,
        }
        Some(())
    }

    /// Amounts with units, clock times, and `years-months`.
    fn add_words(&mut self, text: &str) -> Option<()> {
        let lower = text.to_ascii_lowercase();
        let mut words = lower.split_ascii_whitespace().peekable();
        words.peek()?;
        while let Some(word) = words.next() {
            let (sign, unsigned) = match word.as_bytes() {
                [b'-', ..] => (-1.0, &word[1..]),
                [b'+', ..] => (1.0, &word[1..]),
                _ => (1.0, word),
            };
            if word == "ago" && words.peek().is_none() {
                continue;
            } else if word == "@" {
                continue;
            } else if unsigned.contains(':') {
                self.micros += sign * clock_micros(unsigned, false)? as f64;
            } else if let Some((years, months)) = unsigned.split_once('-') {
                let (years, months): (u32, u32) = (years.parse().ok()?, months.parse().ok()?);
                self.months += sign * (f64::from(years) * 12.0 + f64::from(months));
            } else {
                let digits = unsigned.find(|c: char| !c.is_ascii_digit() && c != '.').unwrap_or(unsigned.len());
                let amount = sign * unsigned[..digits].parse::<f64>().ok()?;
                let unit = match &unsigned[digits..] {
                    "" => words.next_if(|word| word.starts_with(|c: char| c.is_ascii_alphabetic()) && *word != "ago"),
                    unit => Some(unit),
                };
                self.add(amount, unit.unwrap_or("s"))?;
            }
        }
        Some(())
    }

    /// ISO 8601 after its `P`: `1Y2M3W4DT5H6M7.5S`.
    fn add_iso(&mut self, designators: &str) -> Option<()> {
        let (date, time) = match designators.split_once('T') {
            Some((date, time)) if !time.is_empty() => (date, time),
            Some(_) => return None,
            None => (designators, ""),
        };
        if date.is_empty() && time.is_empty() {
            return None;
        }
        for (part, units) in [(date, [("Y", "y"), ("M", "mon"), ("W", "w"), ("D", "d")].as_slice()), (time, &[("H", "h"), ("M", "m"), ("S", "s")])] {
            let mut rest = part;
            while !rest.is_empty() {
                let end = rest.find(|c: char| c.is_ascii_alphabetic())?;
                let (_, unit) = units.iter().find(|(letter, _)| *letter == &rest[end..=end])?;
                self.add(rest[..end].parse().ok()?, unit)?;
                rest = &rest[end + 1..];
            }
        }
        Some(())
    }

    fn interval(&self, sign: f64) -> Result<IntervalMonthDayNano, IntervalError> {
        let whole = |value: f64, max: f64| match (sign * value).round() {
            value if value.abs() <= max => Ok(value),
            _ => Err(IntervalError::OutOfRange),
        };
        let months = whole(self.months, i32::MAX.into())? as i32;
        let days = whole(self.days, i32::MAX.into())? as i32;
        from_parts(months, days, whole(self.micros, i64::MAX as f64)? as i64)
    }
}

/// `04:05:06.5` in microseconds, rounded. Hours of a day are checked, those of an interval may be any number.
pub fn clock_micros(clock: &str, of_a_day: bool) -> Option<i64> {
    let mut parts = clock.split(':');
    let (hours, minutes, seconds) = (parts.next()?, parts.next()?, parts.next().unwrap_or("0"));
    if parts.next().is_some() {
        return None;
    }
    let (seconds, fraction) = seconds.split_once('.').unwrap_or((seconds, ""));
    let number = |digits: &str| match digits.bytes().all(|digit| digit.is_ascii_digit()) {
        true => digits.parse::<i64>().ok(),
        false => None,
    };
    let (hours, minutes, seconds) = (number(hours)?, number(minutes)?, number(seconds)?);
    if minutes > 59 || seconds > 60 || (of_a_day && hours > 24) {
        return None;
    }
    if !fraction.bytes().all(|digit| digit.is_ascii_digit()) {
        return None;
    }
    let fraction = if fraction.is_empty() { 0.0 } else { format!("0.{fraction}").parse::<f64>().ok()? };
    let seconds = hours.checked_mul(3_600)?.checked_add(minutes * 60 + seconds)?;
    seconds.checked_mul(CLOCK_SECOND_MICROS)?.checked_add((fraction * CLOCK_SECOND_MICROS as f64).round() as i64)
}

const CLOCK_SECOND_MICROS: i64 = 1_000_000;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn all_forms_of_postgresql() {
        let second = 1_000_000_000;
        for (text, months, days, nanos) in [
            ("1 year 2 mons -3 days 04:05:06.789", 14, -3, 14_706_789_000_000),
            ("-1 second", 0, 0, -second),
            ("P1Y2M3DT4H5M6S", 14, 3, 14_706 * second),
            ("1-2", 14, 0, 0),
            ("1.5 days ago", 0, -1, -43_200 * second),
        ] {
            assert_eq!(parse_interval(text), Ok(IntervalMonthDayNano::new(months, days, nanos)), "{text}");
        }
        assert_eq!(parse_interval("soon"), Err(IntervalError::Syntax));
        assert_eq!(parse_interval("9999999999 years"), Err(IntervalError::OutOfRange));
    }
}
