//! `interval * number` and `interval / number`, which fractions of months and days pass on to smaller units.

use std::sync::Arc;

use datafusion::arrow::array::{ArrayRef, AsArray, Float64Array, IntervalMonthDayNanoArray};
use datafusion::arrow::compute::try_binary;
use datafusion::arrow::datatypes::{DataType, Float64Type, IntervalMonthDayNano, IntervalMonthDayNanoType, IntervalUnit};
use datafusion::arrow::error::ArrowError;
use datafusion::common::Result;
use datafusion::logical_expr::{ColumnarValue, ScalarFunctionArgs, ScalarUDF, ScalarUDFImpl, Signature, Volatility};

pub const INTERVAL_MULTIPLY: &str = "interval_mul";
pub const INTERVAL_DIVIDE: &str = "interval_div";

const DAYS_PER_MONTH: f64 = 30.0;
const SECONDS_PER_DAY: f64 = 86_400.0;
const NANOS_PER_SECOND: f64 = 1e9;
const NANOS_PER_MICRO: f64 = 1e3;

pub fn interval_multiply() -> ScalarUDF {
    ScalarUDF::new_from_impl(IntervalArithmetic::new(INTERVAL_MULTIPLY))
}

pub fn interval_divide() -> ScalarUDF {
    ScalarUDF::new_from_impl(IntervalArithmetic::new(INTERVAL_DIVIDE))
}

#[derive(Debug, PartialEq, Eq, Hash)]
struct IntervalArithmetic {
    name: &'static str,
    signature: Signature,
}

impl IntervalArithmetic {
    fn new(name: &'static str) -> Self {
        let types = vec![DataType::Interval(IntervalUnit::MonthDayNano), DataType::Float64];
        Self { name, signature: Signature::exact(types, Volatility::Immutable) }
    }
}

impl ScalarUDFImpl for IntervalArithmetic {
    fn name(&self) -> &str {
        self.name
    }

    fn signature(&self) -> &Signature {
        &self.signature
    }

    fn return_type(&self, _: &[DataType]) -> Result<DataType> {
        Ok(DataType::Interval(IntervalUnit::MonthDayNano))
    }

    fn invoke_with_args(&self, args: ScalarFunctionArgs) -> Result<ColumnarValue> {
        let is_scalar = args.args.iter().all(|arg| matches!(arg, ColumnarValue::Scalar(_)));
        let arrays = ColumnarValue::values_to_arrays(&args.args)?;
        let intervals: &IntervalMonthDayNanoArray = arrays[0].as_primitive::<IntervalMonthDayNanoType>();
        let numbers: &Float64Array = arrays[1].as_primitive::<Float64Type>();
        let divides = self.name == INTERVAL_DIVIDE;
        let computed: IntervalMonthDayNanoArray = try_binary(intervals, numbers, |interval, number| {
            if divides && number == 0.0 {
                return Err(ArrowError::DivideByZero);
            }
            let out_of_range = || ArrowError::ArithmeticOverflow("interval out of range".into());
            scaled(interval, |value| if divides { value / number } else { value * number }).ok_or_else(out_of_range)
        })?;
        let array: ArrayRef = Arc::new(computed);
        match is_scalar {
            true => Ok(ColumnarValue::Scalar(datafusion::common::ScalarValue::try_from_array(&array, 0)?)),
            false => Ok(ColumnarValue::Array(array)),
        }
    }
}

/// As PostgreSQL's `interval_mul`: what is left of months becomes days, what is left of days time, in microseconds.
fn scaled(interval: IntervalMonthDayNano, scale: impl Fn(f64) -> f64) -> Option<IntervalMonthDayNano> {
    let whole = |value: f64| (value.is_finite() && value.abs() <= f64::from(i32::MAX)).then_some(value.trunc());
    let rounded = |value: f64| (value * 1e6).round() / 1e6;
    let (months, days) = (scale(f64::from(interval.months)), scale(f64::from(interval.days)));
    let (whole_months, whole_days) = (whole(months)?, whole(days)?);
    let left_days = rounded((months - whole_months) * DAYS_PER_MONTH);
    let mut seconds = rounded((days - whole_days + left_days - left_days.trunc()) * SECONDS_PER_DAY);
    let mut all_days = whole_days + left_days.trunc();
    if seconds.abs() >= SECONDS_PER_DAY {
        all_days += (seconds / SECONDS_PER_DAY).trunc();
        seconds -= (seconds / SECONDS_PER_DAY).trunc() * SECONDS_PER_DAY;
    }
    let nanos = ((scale(interval.nanoseconds as f64) + seconds * NANOS_PER_SECOND) / NANOS_PER_MICRO).round() * NANOS_PER_MICRO;
    (nanos.is_finite() && nanos.abs() < i64::MAX as f64)
        .then(|| IntervalMonthDayNano::new(whole_months as i32, all_days as i32, nanos as i64))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn fractions_go_to_smaller_units() {
        let interval = |months, days, hours: i64| IntervalMonthDayNano::new(months, days, hours * 3_600_000_000_000);
        // The answers are those of PostgreSQL 15.
        for (given, factor, expected) in [
            (interval(0, 1, 0), 2.0, interval(0, 2, 0)),
            (interval(0, 1, 0), 0.5, interval(0, 0, 12)),
            (interval(1, 0, 0), 0.5, interval(0, 15, 0)),
            (interval(1, 0, 0), 1.5, interval(1, 15, 0)),
            (interval(14, 3, 4), 2.0, interval(28, 6, 8)),
            (interval(-1, 0, 1), -1.0, interval(1, 0, -1)),
        ] {
            assert_eq!(scaled(given, |value| value * factor), Some(expected), "{given:?} * {factor}");
        }
        assert_eq!(scaled(interval(i32::MAX, 0, 0), |value| value * 2.0), None);
    }
}
