//! `checked_add`, `checked_subtract`, `checked_multiply`, `checked_divide`: the operators for two integers or two floats of
//! one type, with an error instead of a wrapped or an infinite result. DataFusion's own operators wrap, which no SQL user
//! expects.

use std::hash::{DefaultHasher, Hash, Hasher};
use std::sync::Arc;

use datafusion::arrow::array::{Array, ArrayRef, ArrowPrimitiveType, AsArray, Datum};
use datafusion::arrow::compute::kernels::numeric;
use datafusion::arrow::datatypes::{DataType, Field, FieldRef, Float32Type, Float64Type};
use datafusion::arrow::error::ArrowError;
use datafusion::common::{Result, ScalarValue, plan_err};
use datafusion::logical_expr::{
    ColumnarValue, Expr, ReturnFieldArgs, ScalarFunctionArgs, ScalarUDF, ScalarUDFImpl, Signature, Volatility,
};
use num_traits::Float;

/// Longer names of columns are cut to a hash.
const NAME_BYTES_MAX: usize = 256;

/// The operations.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Operation {
    Add,
    Subtract,
    Multiply,
    /// Of floats only: integers fail by themselves.
    Divide,
}

impl Operation {
    pub const ALL: [Self; 4] = [Self::Add, Self::Subtract, Self::Multiply, Self::Divide];

    fn name(self) -> &'static str {
        match self {
            Self::Add => "checked_add",
            Self::Subtract => "checked_subtract",
            Self::Multiply => "checked_multiply",
            Self::Divide => "checked_divide",
        }
    }

    /// Whether two operands of a type are checked.
    pub fn takes(self, data_type: &DataType) -> bool {
        matches!(data_type, DataType::Float32 | DataType::Float64) || (data_type.is_integer() && self != Self::Divide)
    }

    fn apply(self, left: &dyn Datum, right: &dyn Datum) -> Result<ArrayRef, ArrowError> {
        let result = match self {
            Self::Add => numeric::add(left, right),
            Self::Subtract => numeric::sub(left, right),
            Self::Multiply => numeric::mul(left, right),
            Self::Divide => numeric::div(left, right),
        }?;
        match result.data_type() {
            DataType::Float64 => self.check_floats::<Float64Type>(left, right, &result)?,
            DataType::Float32 => self.check_floats::<Float32Type>(left, right, &result)?,
            _ => {}
        }
        Ok(result)
    }

    /// Infinite and undefined results may come from operands that were so, not from others.
    fn check_floats<T: ArrowPrimitiveType<Native: Float>>(
        self,
        left: &dyn Datum,
        right: &dyn Datum,
        result: &ArrayRef,
    ) -> Result<(), ArrowError> {
        let result = result.as_primitive::<T>();
        if result.values().iter().all(|value| value.is_finite()) {
            return Ok(());
        }
        let ((left, left_is_scalar), (right, right_is_scalar)) = (left.get(), right.get());
        let (left, right) = (left.as_primitive::<T>(), right.as_primitive::<T>());
        for (row, value) in result.iter().enumerate() {
            if value.is_none_or(|value| value.is_finite()) {
                continue;
            }
            let left = left.value(if left_is_scalar { 0 } else { row });
            let right = right.value(if right_is_scalar { 0 } else { row });
            if self == Self::Divide && right == T::default_value() && !left.is_nan() {
                return Err(ArrowError::DivideByZero);
            }
            if left.is_finite() && right.is_finite() {
                return Err(ArrowError::ArithmeticOverflow("value out of range: overflow".into()));
            }
        }
        Ok(())
    }
}

/// The function of an operation, for registration and for rewriting operators.
pub fn checked(operation: Operation) -> ScalarUDF {
    ScalarUDF::from(Checked { operation, signature: Signature::any(2, Volatility::Immutable) })
}

#[derive(Debug, PartialEq, Eq, Hash)]
struct Checked {
    operation: Operation,
    signature: Signature,
}

impl ScalarUDFImpl for Checked {
    fn name(&self) -> &str {
        self.operation.name()
    }

    fn signature(&self) -> &Signature {
        &self.signature
    }

    fn return_type(&self, types: &[DataType]) -> Result<DataType> {
        match types {
            [left, right] if left == right && self.operation.takes(left) => Ok(left.clone()),
            _ => plan_err!("{} takes two numbers of one type, not {types:?}", self.name()),
        }
    }

    /// NULL where an operand is: as for the operator that it stands for, whose nullability the plan relies on.
    fn return_field_from_args(&self, args: ReturnFieldArgs) -> Result<FieldRef> {
        let types: Vec<DataType> = args.arg_fields.iter().map(|field| field.data_type().clone()).collect();
        let is_nullable = args.arg_fields.iter().any(|field| field.is_nullable());
        Ok(Arc::new(Field::new(self.name(), self.return_type(&types)?, is_nullable)))
    }

    /// The default is as long as the expression at every level of it, which makes planning a sum of 400 terms take minutes.
    fn schema_name(&self, args: &[Expr]) -> Result<String> {
        let arguments: Vec<_> = args.iter().map(|argument| argument.schema_name().to_string()).collect();
        let name = format!("{}({})", self.name(), arguments.join(","));
        if name.len() <= NAME_BYTES_MAX {
            return Ok(name);
        }
        let mut hasher = DefaultHasher::new();
        name.hash(&mut hasher);
        Ok(format!("{}#{:016x}", self.name(), hasher.finish()))
    }

    fn invoke_with_args(&self, args: ScalarFunctionArgs) -> Result<ColumnarValue> {
        let [left, right] = args.args.as_slice() else {
            return plan_err!("{} takes two arguments", self.name());
        };
        let array = match (left, right) {
            (ColumnarValue::Array(left), ColumnarValue::Array(right)) => self.operation.apply(left, right)?,
            (ColumnarValue::Array(left), ColumnarValue::Scalar(right)) => self.operation.apply(left, &right.to_scalar()?)?,
            (ColumnarValue::Scalar(left), ColumnarValue::Array(right)) => self.operation.apply(&left.to_scalar()?, right)?,
            (ColumnarValue::Scalar(left), ColumnarValue::Scalar(right)) => {
                let result = self.operation.apply(&left.to_scalar()?, &right.to_scalar()?)?;
                return Ok(ColumnarValue::Scalar(ScalarValue::try_from_array(&result, 0)?));
            }
        };
        Ok(ColumnarValue::Array(array))
    }
}
