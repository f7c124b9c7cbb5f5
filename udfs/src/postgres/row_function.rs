//! A scalar function written as a closure over the values of one row.

use std::fmt;
use std::hash::{Hash, Hasher};
use std::sync::Arc;

use datafusion::arrow::array::ArrayRef;
use datafusion::arrow::datatypes::{DataType, Field, FieldRef};
use datafusion::common::{Result, ScalarValue, plan_err};
use datafusion::logical_expr::{
    ColumnarValue, ReturnFieldArgs, ScalarFunctionArgs, ScalarUDF, ScalarUDFImpl, Signature, Volatility,
};

use super::pg_type;
use super::text_output::type_name;
use super::value::{Value, array_of, values_of};

/// What a parameter accepts; arguments of other types are cast to it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Parameter {
    /// Whatever is given, uncast: the function looks at the value.
    Any,
    Bool,
    Int2,
    Int4,
    Int8,
    Oid,
    Float8,
    Text,
    TextArray,
}

impl Parameter {
    fn coerce(self, given: &DataType) -> DataType {
        match self {
            // A parameter or NULL of unknown type is text, as in PostgreSQL.
            Self::Any if *given == DataType::Null => DataType::Utf8,
            Self::Any => given.clone(),
            Self::Bool => DataType::Boolean,
            Self::Int2 => DataType::Int16,
            Self::Int4 => DataType::Int32,
            Self::Int8 => DataType::Int64,
            Self::Oid => DataType::UInt32,
            Self::Float8 => DataType::Float64,
            Self::Text => DataType::Utf8,
            Self::TextArray => DataType::List(Arc::new(Field::new_list_field(DataType::Utf8, true))),
        }
    }
}

/// The arguments of one row.
pub struct Call<'a> {
    pub args: &'a [Value],
    /// Their fields: type and metadata.
    pub fields: &'a [FieldRef],
}

impl Call<'_> {
    /// An argument, NULL if it was not given.
    pub fn arg(&self, index: usize) -> &Value {
        self.args.get(index).unwrap_or(&Value::Null)
    }

    /// A text argument; empty if it is NULL or not given.
    pub fn text(&self, index: usize) -> &str {
        self.arg(index).as_text().unwrap_or_default()
    }

    /// A number argument; 0 if it is NULL or not given.
    pub fn int(&self, index: usize) -> i64 {
        self.arg(index).as_int().unwrap_or_default()
    }
}

type Body = dyn Fn(&Call<'_>) -> Result<Value> + Send + Sync;
type Returns = dyn Fn(&[FieldRef]) -> Result<FieldRef> + Send + Sync;

/// Builds a [`ScalarUDF`].
pub struct RowFunction {
    name: String,
    parameters: Vec<Parameter>,
    /// How many of them must be given.
    required: usize,
    /// The last parameter may be repeated.
    variadic: bool,
    /// NULL in, NULL out.
    strict: bool,
    returns: Arc<Returns>,
    body: Arc<Body>,
    signature: Signature,
}

impl RowFunction {
    /// An immutable, strict function of these parameters that returns `data_type`.
    pub fn new(
        name: impl Into<String>,
        parameters: &[Parameter],
        data_type: DataType,
        body: impl Fn(&Call<'_>) -> Result<Value> + Send + Sync + 'static,
    ) -> Self {
        let returns = pg_type::field("", data_type, None);
        Self {
            name: name.into(),
            parameters: parameters.to_vec(),
            required: parameters.len(),
            variadic: false,
            strict: true,
            returns: Arc::new(move |_| Ok(Arc::clone(&returns))),
            body: Arc::new(body),
            signature: Signature::user_defined(Volatility::Immutable),
        }
    }

    /// Its result depends on the session or the catalog: it may be computed while planning, but not be kept.
    pub fn stable(mut self) -> Self {
        self.signature = Signature::user_defined(Volatility::Stable);
        self
    }

    /// It has an effect, or its result changes within a statement.
    pub fn volatile(mut self) -> Self {
        self.signature = Signature::user_defined(Volatility::Volatile);
        self
    }

    /// The parameters after the first `required` may be left out.
    pub fn required(mut self, required: usize) -> Self {
        self.required = required;
        self
    }

    /// The last parameter may be repeated.
    pub fn variadic(mut self) -> Self {
        self.variadic = true;
        self
    }

    /// The body sees NULL arguments.
    pub fn called_on_null(mut self) -> Self {
        self.strict = false;
        self
    }

    /// Returns a PostgreSQL type that Arrow does not have.
    pub fn returns_pg_type(self, data_type: DataType, pg_type: &str) -> Self {
        let field = pg_type::field("", data_type, Some(pg_type));
        self.returns(move |_| Ok(Arc::clone(&field)))
    }

    /// The type of the result depends on the arguments.
    pub fn returns(mut self, returns: impl Fn(&[FieldRef]) -> Result<FieldRef> + Send + Sync + 'static) -> Self {
        self.returns = Arc::new(returns);
        self
    }

    pub fn build(self) -> ScalarUDF {
        ScalarUDF::new_from_impl(self)
    }

    fn arguments_fit(&self, count: usize) -> bool {
        count >= self.required && (self.variadic || count <= self.parameters.len())
    }
}

impl fmt::Debug for RowFunction {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("RowFunction").field("name", &self.name).finish_non_exhaustive()
    }
}

impl PartialEq for RowFunction {
    fn eq(&self, other: &Self) -> bool {
        // Bodies cannot be compared; within one session a name has one body.
        self.name == other.name && self.parameters == other.parameters
    }
}

impl Eq for RowFunction {}

impl Hash for RowFunction {
    fn hash<H: Hasher>(&self, state: &mut H) {
        self.name.hash(state);
    }
}

impl ScalarUDFImpl for RowFunction {
    fn name(&self) -> &str {
        &self.name
    }

    fn signature(&self) -> &Signature {
        &self.signature
    }

    fn coerce_types(&self, arg_types: &[DataType]) -> Result<Vec<DataType>> {
        if !self.arguments_fit(arg_types.len()) {
            let given = arg_types.iter().map(type_name).collect::<Vec<_>>().join(", ");
            return plan_err!("function {}({given}) does not exist", self.name);
        }
        let last = self.parameters.last().copied().unwrap_or(Parameter::Any);
        let parameters = self.parameters.iter().copied().chain(std::iter::repeat(last));
        Ok(arg_types.iter().zip(parameters).map(|(given, parameter)| parameter.coerce(given)).collect())
    }

    fn return_type(&self, arg_types: &[DataType]) -> Result<DataType> {
        let fields: Vec<FieldRef> = arg_types.iter().map(|t| Arc::new(Field::new("", t.clone(), true))).collect();
        Ok((self.returns)(&fields)?.data_type().clone())
    }

    fn return_field_from_args(&self, args: ReturnFieldArgs) -> Result<FieldRef> {
        let field = (self.returns)(args.arg_fields)?;
        Ok(Arc::new(field.as_ref().clone().with_name(&self.name)))
    }

    fn invoke_with_args(&self, args: ScalarFunctionArgs) -> Result<ColumnarValue> {
        // A call with constant arguments is evaluated once, unless it has effects.
        let constant = self.signature.volatility != Volatility::Volatile
            && args.args.iter().all(|arg| matches!(arg, ColumnarValue::Scalar(_)));
        let rows = if constant { 1 } else { args.number_rows };
        let columns = args
            .args
            .iter()
            .map(|arg| {
                let array: ArrayRef = arg.to_array(rows)?;
                values_of(&array)
            })
            .collect::<Result<Vec<_>>>()?;
        let mut results = Vec::with_capacity(rows);
        let mut row_args = Vec::with_capacity(columns.len());
        for row in 0..rows {
            row_args.clear();
            row_args.extend(columns.iter().map(|column| column[row].clone()));
            if self.strict && row_args.iter().any(Value::is_null) {
                results.push(Value::Null);
            } else {
                results.push((self.body)(&Call { args: &row_args, fields: &args.arg_fields })?);
            }
        }
        let array = array_of(&results, args.return_field.data_type())?;
        if constant { Ok(ColumnarValue::Scalar(ScalarValue::try_from_array(&array, 0)?)) } else { Ok(ColumnarValue::Array(array)) }
    }
}
