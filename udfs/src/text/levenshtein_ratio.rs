//! `levenshtein_ratio(a, b)`: how alike two strings are, from 0 (nothing in common) to 1 (equal).

use std::sync::Arc;

use datafusion::arrow::array::{Array, Float64Array};
use datafusion::arrow::datatypes::DataType;
use datafusion::common::{Result, cast::as_string_view_array};
use datafusion::arrow::compute::cast;
use datafusion::logical_expr::{
    ColumnarValue, ScalarFunctionArgs, ScalarUDF, ScalarUDFImpl, Signature, Volatility,
};

/// The function, for registration.
pub fn levenshtein_ratio() -> ScalarUDF {
    ScalarUDF::from(LevenshteinRatio::new())
}

/// 1 − d / max(|a|, |b|), where d is the Levenshtein distance and lengths are in characters (Yujian and Bo, "A
/// Normalized Levenshtein Distance Metric", 2007, the common normalisation by the longer string). Two empty strings are
/// equal: 1. NULL if either argument is NULL.
#[derive(Debug, PartialEq, Eq, Hash)]
struct LevenshteinRatio {
    signature: Signature,
}

impl LevenshteinRatio {
    fn new() -> Self {
        Self { signature: Signature::string(2, Volatility::Immutable) }
    }
}

impl ScalarUDFImpl for LevenshteinRatio {
    fn name(&self) -> &str {
        "levenshtein_ratio"
    }

    fn signature(&self) -> &Signature {
        &self.signature
    }

    fn return_type(&self, _argument_types: &[DataType]) -> Result<DataType> {
        Ok(DataType::Float64)
    }

    fn invoke_with_args(&self, args: ScalarFunctionArgs) -> Result<ColumnarValue> {
        let all_scalar = args.args.iter().all(|argument| matches!(argument, ColumnarValue::Scalar(_)));
        let rows = if all_scalar { 1 } else { args.number_rows };
        let [left, right] = [&args.args[0], &args.args[1]].map(|argument| {
            argument.to_array(rows).and_then(|array| Ok(cast(&array, &DataType::Utf8View)?))
        });
        let (left, right) = (left?, right?);
        let (left, right) = (as_string_view_array(&left)?, as_string_view_array(&right)?);
        let ratios: Float64Array =
            left.iter().zip(right.iter()).map(|(a, b)| Some(strsim::normalized_levenshtein(a?, b?))).collect();
        if all_scalar {
            let value = ratios.is_valid(0).then(|| ratios.value(0));
            return Ok(ColumnarValue::Scalar(value.into()));
        }
        Ok(ColumnarValue::Array(Arc::new(ratios)))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use datafusion::arrow::array::{ArrayRef, AsArray, StringArray};
    use datafusion::arrow::datatypes::Field;
    use datafusion::config::ConfigOptions;

    /// Distances checked by hand: kitten → sitting is 3 edits of 7 characters.
    #[test]
    fn ratios() {
        let left: ArrayRef = Arc::new(StringArray::from(vec![Some("kitten"), Some(""), Some("é"), None]));
        let right: ArrayRef = Arc::new(StringArray::from(vec![Some("sitting"), Some(""), Some("e"), Some("x")]));
        let result = LevenshteinRatio::new()
            .invoke_with_args(ScalarFunctionArgs {
                args: vec![ColumnarValue::Array(left), ColumnarValue::Array(right)],
                arg_fields: vec![],
                number_rows: 4,
                return_field: Arc::new(Field::new("r", DataType::Float64, true)),
                config_options: Arc::new(ConfigOptions::default()),
            })
            .expect("two strings")
            .into_array(4)
            .expect("array");
        let result = result.as_primitive::<datafusion::arrow::datatypes::Float64Type>();
        assert!((result.value(0) - (1.0 - 3.0 / 7.0)).abs() < 1e-12);
        assert_eq!((result.value(1), result.value(2)), (1.0, 0.0));
        assert!(result.is_null(3));
    }
}
