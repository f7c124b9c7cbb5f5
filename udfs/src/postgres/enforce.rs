//! A value of a row that is written, if the row may be.

use std::sync::Arc;

use datafusion::arrow::array::{Array, AsArray};
use datafusion::arrow::datatypes::{DataType, FieldRef};
use datafusion::common::{Result, ScalarValue, exec_err, plan_err};
use datafusion::logical_expr::{
    ColumnarValue, ReturnFieldArgs, ScalarFunctionArgs, ScalarUDF, ScalarUDFImpl, Signature, Volatility,
};

/// `arbalest_enforce(value, condition, sqlstate, message)` is the value where the condition is true or NULL, and else the
/// error `message` of the class `sqlstate`.
pub const ENFORCE: &str = "arbalest_enforce";
/// Comes before the class in the text of such an error; `] ` and the message follow.
pub const ENFORCED: &str = "[sqlstate ";

pub(super) fn enforce() -> ScalarUDF {
    // Whether a row can be written is asked once for each row that is.
    ScalarUDF::new_from_impl(Enforce { signature: Signature::any(4, Volatility::Volatile) })
}

#[derive(Debug, PartialEq, Eq, Hash)]
struct Enforce {
    signature: Signature,
}

impl ScalarUDFImpl for Enforce {
    fn name(&self) -> &str {
        ENFORCE
    }

    fn signature(&self) -> &Signature {
        &self.signature
    }

    fn return_type(&self, arg_types: &[DataType]) -> Result<DataType> {
        match arg_types {
            [value, ..] => Ok(value.clone()),
            [] => plan_err!("{ENFORCE} takes a value"),
        }
    }

    fn return_field_from_args(&self, args: ReturnFieldArgs) -> Result<FieldRef> {
        match args.arg_fields {
            [value, ..] => Ok(Arc::new(value.as_ref().clone().with_name(ENFORCE))),
            [] => plan_err!("{ENFORCE} takes a value"),
        }
    }

    fn invoke_with_args(&self, args: ScalarFunctionArgs) -> Result<ColumnarValue> {
        let rows = args.number_rows;
        let [value, condition, ColumnarValue::Scalar(sql_state), ColumnarValue::Scalar(message)] = args.args.as_slice() else {
            return exec_err!("{ENFORCE} takes a value, a condition and two constants");
        };
        let is_kept = match condition {
            ColumnarValue::Scalar(ScalarValue::Boolean(kept)) => *kept != Some(false) || rows == 0,
            ColumnarValue::Scalar(ScalarValue::Null) => true,
            ColumnarValue::Array(conditions) if *conditions.data_type() == DataType::Boolean => {
                let conditions = conditions.as_boolean();
                conditions.true_count() + conditions.null_count() == conditions.len()
            }
            _ => return exec_err!("the condition of {ENFORCE} is not a truth value"),
        };
        match is_kept {
            true => Ok(value.clone()),
            false => exec_err!("{ENFORCED}{sql_state}] {message}"),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use datafusion::arrow::array::{ArrayRef, BooleanArray, Int32Array};
    use datafusion::arrow::datatypes::Field;
    use datafusion::config::ConfigOptions;

    fn call(conditions: Vec<Option<bool>>) -> Result<ColumnarValue> {
        let values: ArrayRef = Arc::new(Int32Array::from_iter_values(0..conditions.len() as i32));
        let conditions: ArrayRef = Arc::new(BooleanArray::from(conditions));
        let text = |text: &str| ColumnarValue::Scalar(ScalarValue::Utf8(Some(text.into())));
        enforce().invoke_with_args(ScalarFunctionArgs {
            number_rows: values.len(),
            args: vec![ColumnarValue::Array(values), ColumnarValue::Array(conditions), text("23514"), text("it is wrong")],
            arg_fields: vec![],
            return_field: Arc::new(Field::new("x", DataType::Int32, true)),
            config_options: Arc::new(ConfigOptions::default()),
        })
    }

    #[test]
    fn only_false_is_an_error() {
        assert!(call(vec![Some(true), None]).is_ok());
        assert!(call(vec![]).is_ok());
        let error = call(vec![Some(true), Some(false)]).expect_err("false").to_string();
        assert!(error.contains("[sqlstate 23514] it is wrong"), "{error}");
    }
}
