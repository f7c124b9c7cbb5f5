//! interval parameters.

use arrow::datatypes::IntervalMonthDayNano;
use sql::interval::{self, IntervalError};

use crate::postgres::error::Error;
use crate::postgres::to_wire::ValueError;

/// Months, days and microseconds as Arrow has them.
pub fn from_parts(months: i32, days: i32, micros: i64) -> Result<IntervalMonthDayNano, Error> {
    Ok(interval::from_parts(months, days, micros).map_err(|_| ValueError::IntervalOutOfRange)?)
}

pub fn parse_text(text: &str) -> Result<IntervalMonthDayNano, Error> {
    interval::parse_interval(text).map_err(|error| match error {
        IntervalError::Syntax => Error::InvalidDateTimeText { pg_type: "interval", text: text.to_owned() },
        IntervalError::OutOfRange => ValueError::IntervalOutOfRange.into(),
    })
}
