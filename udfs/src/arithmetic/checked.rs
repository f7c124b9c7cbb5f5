//! `checked_add`, `checked_subtract`, `checked_multiply`: `+`, `-`, `*` of two integers of one type, with an error instead
//! of a wrapped result. DataFusion's own operators wrap, which no SQL user expects.

use std::hash::{DefaultHasher, Hash, Hasher};

use datafusion::arrow::array::{ArrayRef, Datum};
use datafusion::arrow::compute::kernels::numeric;
use datafusion::arrow::datatypes::DataType;
use datafusion::arrow::error::ArrowError;
use datafusion::common::{Result, ScalarValue, plan_err};
use datafusion::logical_expr::{
    ColumnarValue, Expr, ScalarFunctionArgs, ScalarUDF, ScalarUDFImpl, Signature, Volatility,
};

/// Longer names of columns are cut to a hash.
const NAME_BYTES_MAX: usize = 256;

/// The three operations.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Operation {
    Add,
    Subtract,
    Multiply,
}

impl Operation {
    pub const ALL: [Self; 3] = [Self::Add, Self::Subtract, Self::Multiply];

    fn name(self) -> &'static str {
        match self {
            Self::Add => "checked_add",
            Self::Subtract => "checked_subtract",
            Self::Multiply => "checked_multiply",
        }
    }

    fn apply(self, left: &dyn Datum, right: &dyn Datum) -> Result<ArrayRef, ArrowError> {
        match self {
            Self::Add => numeric::add(left, right),
            Self::Subtract => numeric::sub(left, right),
            Self::Multiply => numeric::mul(left, right),
        }
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
            [left, right] if left == right && left.is_integer() => Ok(left.clone()),
            _ => plan_err!("{} takes two integers of one type, not {types:?}", self.name()),
        }
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
