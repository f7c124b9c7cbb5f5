//! interval as text, in the four styles of `IntervalStyle`.

use bytes::{BufMut, BytesMut};

const SECOND_MICROS: i64 = 1_000_000;

/// `IntervalStyle`.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum IntervalStyle {
    /// `1 year 2 mons 3 days 04:05:06.5`
    #[default]
    Postgres,
    /// `@ 1 year 2 mons 3 days 4 hours 5 mins 6.5 secs`
    Verbose,
    /// `+1-2 +3 +4:05:06.5`
    SqlStandard,
    /// `P1Y2M3DT4H5M6.5S`
    Iso8601,
}

impl IntervalStyle {
    pub fn of_setting(setting: &str) -> Self {
        match setting {
            "postgres_verbose" => Self::Verbose,
            "sql_standard" => Self::SqlStandard,
            "iso_8601" => Self::Iso8601,
            _ => Self::Postgres,
        }
    }
}

/// The fields of an interval as PostgreSQL prints them: each with its own sign, as whole division leaves them.
struct Fields {
    years: i64,
    months: i64,
    days: i64,
    hours: i64,
    minutes: i64,
    seconds: i64,
    micros: i64,
}

pub fn put_interval(months: i32, days: i32, micros: i64, style: IntervalStyle, out: &mut BytesMut) {
    let seconds = micros / SECOND_MICROS;
    let fields = Fields {
        years: (months / 12).into(),
        months: (months % 12).into(),
        days: days.into(),
        hours: seconds / 3_600,
        minutes: seconds / 60 % 60,
        seconds: seconds % 60,
        micros: micros % SECOND_MICROS,
    };
    match style {
        IntervalStyle::Postgres => fields.put_postgres(out),
        IntervalStyle::Verbose => fields.put_verbose(out),
        IntervalStyle::SqlStandard => fields.put_sql_standard(out),
        IntervalStyle::Iso8601 => fields.put_iso_8601(out),
    }
}

impl Fields {
    fn time(&self) -> [i64; 4] {
        [self.hours, self.minutes, self.seconds, self.micros]
    }

    fn has_time(&self) -> bool {
        self.time() != [0; 4]
    }

    fn has_negative_time(&self) -> bool {
        self.time().iter().any(|field| *field < 0)
    }

    fn put_postgres(&self, out: &mut BytesMut) {
        let (mut is_zero, mut is_before) = (true, false);
        for (value, unit) in [(self.years, "year"), (self.months, "mon"), (self.days, "day")] {
            if value == 0 {
                continue;
            }
            if !is_zero {
                out.put_u8(b' ');
            }
            if is_before && value > 0 {
                out.put_u8(b'+');
            }
            put_counted(value, unit, out);
            (is_zero, is_before) = (false, value < 0);
        }
        if !is_zero && !self.has_time() {
            return;
        }
        if !is_zero {
            out.put_u8(b' ');
        }
        if self.has_negative_time() {
            out.put_u8(b'-');
        } else if is_before {
            out.put_u8(b'+');
        }
        put_padded(self.hours, out);
        out.put_u8(b':');
        self.put_minutes_and_seconds(out);
    }

    fn put_verbose(&self, out: &mut BytesMut) {
        let (mut is_zero, mut is_before) = (true, false);
        out.put_u8(b'@');
        let units = ["year", "mon", "day", "hour", "min"];
        let values = [self.years, self.months, self.days, self.hours, self.minutes];
        for (value, unit) in values.into_iter().zip(units).filter(|(value, _)| *value != 0) {
            // The first field decides whether it all is in the past; the others are relative to that.
            if is_zero {
                is_before = value < 0;
            }
            is_zero = false;
            out.put_u8(b' ');
            put_counted(if is_before { -value } else { value }, unit, out);
        }
        if self.seconds != 0 || self.micros != 0 {
            out.put_u8(b' ');
            if self.seconds < 0 || self.micros < 0 {
                if is_zero {
                    is_before = true;
                } else if !is_before {
                    out.put_u8(b'-');
                }
            } else if is_before {
                out.put_u8(b'-');
            }
            put_number(self.seconds.abs(), out);
            self.put_fraction(out);
            out.put_slice(if self.seconds.abs() == 1 && self.micros == 0 { b" sec" } else { b" secs" });
            is_zero = false;
        }
        if is_zero {
            out.put_slice(b" 0");
        }
        if is_before {
            out.put_slice(b" ago");
        }
    }

    fn put_sql_standard(&self, out: &mut BytesMut) {
        let all = [self.years, self.months, self.days, self.hours, self.minutes, self.seconds, self.micros];
        let has_negative = all.iter().any(|field| *field < 0);
        let has_positive = all.iter().any(|field| *field > 0);
        let has_year_month = self.years != 0 || self.months != 0;
        let has_day_time = self.days != 0 || self.has_time();
        if !has_negative && !has_positive {
            return out.put_u8(b'0');
        }
        // The standard knows one sign, and either years and months or days and time.
        if (has_negative && has_positive) || (has_year_month && has_day_time) {
            out.put_u8(if self.years < 0 || self.months < 0 { b'-' } else { b'+' });
            self.put_years_and_months(out);
            out.put_slice(if self.days < 0 { b" -" } else { b" +" });
            put_number(self.days.abs(), out);
            out.put_slice(if self.has_negative_time() { b" -" } else { b" +" });
            put_number(self.hours.abs(), out);
            out.put_u8(b':');
            return self.put_minutes_and_seconds(out);
        }
        if has_negative {
            out.put_u8(b'-');
        }
        if has_year_month {
            return self.put_years_and_months(out);
        }
        if self.days != 0 {
            put_number(self.days.abs(), out);
            out.put_u8(b' ');
        }
        put_number(self.hours.abs(), out);
        out.put_u8(b':');
        self.put_minutes_and_seconds(out);
    }

    fn put_iso_8601(&self, out: &mut BytesMut) {
        out.put_u8(b'P');
        put_designated(&[(self.years, b'Y'), (self.months, b'M'), (self.days, b'D')], out);
        let has_date = self.years != 0 || self.months != 0 || self.days != 0;
        if !has_date && !self.has_time() {
            return out.put_slice(b"T0S");
        }
        if self.has_time() {
            out.put_u8(b'T');
            put_designated(&[(self.hours, b'H'), (self.minutes, b'M')], out);
        }
        if self.seconds != 0 || self.micros != 0 {
            if self.seconds < 0 || self.micros < 0 {
                out.put_u8(b'-');
            }
            put_number(self.seconds.abs(), out);
            self.put_fraction(out);
            out.put_u8(b'S');
        }
    }

    fn put_years_and_months(&self, out: &mut BytesMut) {
        put_number(self.years.abs(), out);
        out.put_u8(b'-');
        put_number(self.months.abs(), out);
    }

    /// `05:06.5`
    fn put_minutes_and_seconds(&self, out: &mut BytesMut) {
        put_padded(self.minutes, out);
        out.put_u8(b':');
        put_padded(self.seconds, out);
        self.put_fraction(out);
    }

    /// `.5`, or nothing.
    fn put_fraction(&self, out: &mut BytesMut) {
        if self.micros == 0 {
            return;
        }
        let digits = format!(".{:06}", self.micros.abs());
        out.put_slice(digits.trim_end_matches('0').as_bytes());
    }
}

fn put_number(value: i64, out: &mut BytesMut) {
    out.put_slice(itoa::Buffer::new().format(value).as_bytes());
}

/// At least two digits, without the sign.
fn put_padded(value: i64, out: &mut BytesMut) {
    if value.abs() < 10 {
        out.put_u8(b'0');
    }
    put_number(value.abs(), out);
}

/// `1 day`, `2 days`, `-1 days`.
fn put_counted(value: i64, unit: &str, out: &mut BytesMut) {
    put_number(value, out);
    out.put_u8(b' ');
    out.put_slice(unit.as_bytes());
    if value != 1 {
        out.put_u8(b's');
    }
}

fn put_designated(fields: &[(i64, u8)], out: &mut BytesMut) {
    for (value, designator) in fields.iter().filter(|(value, _)| *value != 0) {
        put_number(*value, out);
        out.put_u8(*designator);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_style_is_what_postgres_writes() {
        let written = |months, days, micros, style| {
            let mut out = BytesMut::new();
            put_interval(months, days, micros, style, &mut out);
            String::from_utf8(out.to_vec()).unwrap()
        };
        use IntervalStyle::*;
        for (months, days, micros, postgres, verbose, sql_standard, iso_8601) in CASES {
            assert_eq!(written(months, days, micros, Postgres), postgres);
            assert_eq!(written(months, days, micros, Verbose), verbose);
            assert_eq!(written(months, days, micros, SqlStandard), sql_standard);
            assert_eq!(written(months, days, micros, Iso8601), iso_8601);
        }
    }

    type Case = (i32, i32, i64, &'static str, &'static str, &'static str, &'static str);

    /// What PostgreSQL 15 writes for months, days and microseconds.
    const CASES: [Case; 16] = [
        (14, 3, 14_706_500_000, "1 year 2 mons 3 days 04:05:06.5", "@ 1 year 2 mons 3 days 4 hours 5 mins 6.5 secs", "+1-2 +3 +4:05:06.5", "P1Y2M3DT4H5M6.5S"),
        (0, 0, 0, "00:00:00", "@ 0", "0", "PT0S"),
        (0, -1, -1_000_000, "-1 days -00:00:01", "@ 1 day 1 sec ago", "-1 0:00:01", "P-1DT-1S"),
        (-13, 0, 0, "-1 years -1 mons", "@ 1 year 1 mon ago", "-1-1", "P-1Y-1M"),
        (-1, 1, 1_000_000, "-1 mons +1 day 00:00:01", "@ 1 mon -1 days -1 sec ago", "-0-1 +1 +0:00:01", "P-1M1DT1S"),
        (0, 1, 0, "1 day", "@ 1 day", "1 0:00:00", "P1D"),
        (0, 0, 360_000_000_000, "100:00:00", "@ 100 hours", "100:00:00", "PT100H"),
        (24, 0, 0, "2 years", "@ 2 years", "2-0", "P2Y"),
        (0, -2, 0, "-2 days", "@ 2 days ago", "-2 0:00:00", "P-2D"),
        (1, 0, -1, "1 mon -00:00:00.000001", "@ 1 mon -0.000001 secs", "+0-1 +0 -0:00:00.000001", "P1MT-0.000001S"),
        (0, 0, -9_223_372_036_854_776, "-2562047:47:16.854776", "@ 2562047 hours 47 mins 16.854776 secs ago", "-2562047:47:16.854776", "PT-2562047H-47M-16.854776S"),
        (-14, -3, -14_706_500_000, "-1 years -2 mons -3 days -04:05:06.5", "@ 1 year 2 mons 3 days 4 hours 5 mins 6.5 secs ago", "-1-2 -3 -4:05:06.5", "P-1Y-2M-3DT-4H-5M-6.5S"),
        (0, 0, 1_000_000, "00:00:01", "@ 1 sec", "0:00:01", "PT1S"),
        (0, 2, 3_661_000_000, "2 days 01:01:01", "@ 2 days 1 hour 1 min 1 sec", "2 1:01:01", "P2DT1H1M1S"),
        (14, 0, -60_000_000, "1 year 2 mons -00:01:00", "@ 1 year 2 mons -1 mins", "+1-2 +0 -0:01:00", "P1Y2MT-1M"),
        (0, 0, -1_500_000, "-00:00:01.5", "@ 1.5 secs ago", "-0:00:01.5", "PT-1.5S"),
    ];
}
