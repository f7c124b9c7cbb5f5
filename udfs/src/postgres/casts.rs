//! What PostgreSQL's casts do otherwise than the engine's: numbers are rounded to integers, and values become the text that their
//! output functions give.

use std::sync::Arc;

use datafusion::arrow::array::{ArrayRef, AsArray};
use datafusion::arrow::compute::kernels::arity::unary;
use datafusion::arrow::datatypes::{DataType, Decimal128Type, Float32Type, Float64Type};
use datafusion::common::{Result, ScalarValue};
use datafusion::logical_expr::{ColumnarValue, ScalarFunctionArgs, ScalarUDF, ScalarUDFImpl, Signature, Volatility};

use super::row_function::{Parameter, RowFunction};
use super::text_output::text_of;

/// A number without its fraction, of the same type: floating point to the nearest even, numeric away from zero.
pub const ROUND_TO_INTEGER: &str = "round_to_integer";
/// `x::text`.
pub const TEXT_OUTPUT: &str = "text_output";

pub fn text_output() -> ScalarUDF {
    RowFunction::new(TEXT_OUTPUT, &[Parameter::Any], DataType::Utf8, |call| Ok(text_of(call.arg(0), call.fields[0].data_type()).into())).build()
}

pub fn round_to_integer() -> ScalarUDF {
    ScalarUDF::new_from_impl(RoundToInteger { signature: Signature::any(1, Volatility::Immutable) })
}

#[derive(Debug, PartialEq, Eq, Hash)]
struct RoundToInteger {
    signature: Signature,
}

impl ScalarUDFImpl for RoundToInteger {
    fn name(&self) -> &str {
        ROUND_TO_INTEGER
    }

    fn signature(&self) -> &Signature {
        &self.signature
    }

    fn return_type(&self, types: &[DataType]) -> Result<DataType> {
        Ok(types[0].clone())
    }

    fn invoke_with_args(&self, args: ScalarFunctionArgs) -> Result<ColumnarValue> {
        let is_scalar = matches!(args.args[0], ColumnarValue::Scalar(_));
        let array = ColumnarValue::values_to_arrays(&args.args)?.remove(0);
        let rounded: ArrayRef = match array.data_type() {
            DataType::Float64 => Arc::new(unary::<_, _, Float64Type>(array.as_primitive::<Float64Type>(), f64::round_ties_even)),
            DataType::Float32 => Arc::new(unary::<_, _, Float32Type>(array.as_primitive::<Float32Type>(), f32::round_ties_even)),
            DataType::Decimal128(precision, scale) if *scale > 0 => {
                let unit = 10_i128.checked_pow(u32::from(scale.unsigned_abs())).unwrap_or(i128::MAX);
                let round = |value: i128| (value + value.signum() * (unit / 2)) / unit * unit;
                let values = unary::<_, _, Decimal128Type>(array.as_primitive::<Decimal128Type>(), round);
                Arc::new(values.with_precision_and_scale(*precision, *scale)?)
            }
            _ => array,
        };
        match is_scalar {
            true => Ok(ColumnarValue::Scalar(ScalarValue::try_from_array(&rounded, 0)?)),
            false => Ok(ColumnarValue::Array(rounded)),
        }
    }
}
