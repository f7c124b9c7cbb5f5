//! Operators that mean something else in PostgreSQL than in the engine: of intervals, of dates with intervals, and with texts of no
//! type yet.

use std::sync::Arc;

use arrow::datatypes::{DataType, IntervalUnit, TimeUnit};
use datafusion::common::{DFSchema, Result, ScalarValue};
use datafusion::logical_expr::expr::ScalarFunction;
use datafusion::logical_expr::planner::{ExprPlanner, PlannerResult, RawBinaryExpr};
use datafusion::logical_expr::{Expr, ExprSchemable, Operator, ScalarUDF, binary_expr, cast};
use datafusion::sql::sqlparser::ast::BinaryOperator;
use udfs::postgres::interval_arithmetic::{interval_divide, interval_multiply};

#[derive(Debug)]
pub(super) struct PostgresOperators {
    multiply: Arc<ScalarUDF>,
    divide: Arc<ScalarUDF>,
}

impl Default for PostgresOperators {
    fn default() -> Self {
        Self { multiply: Arc::new(interval_multiply()), divide: Arc::new(interval_divide()) }
    }
}

impl ExprPlanner for PostgresOperators {
    fn plan_binary_op(&self, expr: RawBinaryExpr, schema: &DFSchema) -> Result<PlannerResult<RawBinaryExpr>> {
        use BinaryOperator as O;
        // Of parameters nobody knows the type yet.
        let (Ok(left), Ok(right)) = (expr.left.get_type(schema), expr.right.get_type(schema)) else {
            return Ok(PlannerResult::Original(expr));
        };
        let RawBinaryExpr { op, left: left_expr, right: right_expr } = expr;
        let of_interval = |function: &Arc<ScalarUDF>, interval: Expr, number: Expr| {
            let args = vec![cast(interval, interval_type()), cast(number, DataType::Float64)];
            Expr::ScalarFunction(ScalarFunction::new_udf(Arc::clone(function), args))
        };
        Ok(match (&op, is_interval(&left), is_interval(&right)) {
            (O::Multiply, true, false) if is_number(&right) => PlannerResult::Planned(of_interval(&self.multiply, left_expr, right_expr)),
            (O::Multiply, false, true) if is_number(&left) => PlannerResult::Planned(of_interval(&self.multiply, right_expr, left_expr)),
            (O::Divide, true, false) if is_number(&right) => PlannerResult::Planned(of_interval(&self.divide, left_expr, right_expr)),
            (O::Divide, ..) if is_exact_quotient(&left, &right) => PlannerResult::Planned(quotient(left_expr, &left, right_expr, &right)),
            // Days between them.
            (O::Minus, ..) if left == DataType::Date32 && right == DataType::Date32 => {
                PlannerResult::Planned(cast(binary_expr(left_expr, Operator::Minus, right_expr), DataType::Int32))
            }
            // A date is its midnight.
            (O::Plus | O::Minus, false, true) if is_date(&left) => {
                PlannerResult::Original(RawBinaryExpr { op, left: cast(left_expr, timestamp()), right: right_expr })
            }
            (O::Plus, true, false) if is_date(&right) => {
                PlannerResult::Original(RawBinaryExpr { op, left: left_expr, right: cast(right_expr, timestamp()) })
            }
            (O::Plus | O::Minus | O::Multiply | O::Divide | O::Modulo, ..) if is_number(&left) && is_text_literal(&right_expr) => {
                PlannerResult::Original(RawBinaryExpr { op, left: left_expr, right: cast(right_expr, left) })
            }
            (O::Plus | O::Minus | O::Multiply | O::Divide | O::Modulo, ..) if is_number(&right) && is_text_literal(&left_expr) => {
                PlannerResult::Original(RawBinaryExpr { op, left: cast(left_expr, right), right: right_expr })
            }
            _ => PlannerResult::Original(RawBinaryExpr { op, left: left_expr, right: right_expr }),
        })
    }
}

/// Whether the quotient is numeric.
fn is_exact_quotient(left: &DataType, right: &DataType) -> bool {
    let is_exact = |data_type: &DataType| data_type.is_integer() || matches!(data_type, DataType::Decimal128(..));
    is_exact(left) && is_exact(right) && (left.is_decimal() || right.is_decimal())
}

/// With sixteen digits after the point, or more: the engine's division adds four to those of the dividend.
fn quotient(left: Expr, left_type: &DataType, right: Expr, right_type: &DataType) -> Expr {
    const ADDED: i8 = 4;
    const SCALE_MIN: i8 = 16 - ADDED;
    /// The most digits of Decimal128 and Decimal256.
    const DIGITS: (u8, u8) = (38, 76);
    let decimal = |data_type: &DataType| match *data_type {
        DataType::Decimal128(precision, scale) => (precision, scale),
        DataType::Int64 | DataType::UInt64 => (20, 0),
        _ => (10, 0),
    };
    let ((precision, scale), (right_precision, right_scale)) = (decimal(left_type), decimal(right_type));
    let wide = scale.max(SCALE_MIN);
    let whole = i16::from(precision) - i16::from(scale);
    // While it divides, the dividend has this many digits.
    let digits = whole + i16::from(wide) + i16::from(ADDED) + i16::from(right_scale);
    let right = cast(right, DataType::Decimal128(right_precision, right_scale));
    if digits <= i16::from(DIGITS.0) {
        return binary_expr(cast(left, DataType::Decimal128(DIGITS.0, wide)), Operator::Divide, right);
    }
    let right = cast(right, DataType::Decimal256(DIGITS.1, right_scale));
    let wide_quotient = binary_expr(cast(left, DataType::Decimal256(DIGITS.1, wide)), Operator::Divide, right);
    cast(wide_quotient, DataType::Decimal128(DIGITS.0, wide + ADDED))
}

fn is_interval(data_type: &DataType) -> bool {
    matches!(data_type, DataType::Interval(_))
}

fn is_date(data_type: &DataType) -> bool {
    matches!(data_type, DataType::Date32 | DataType::Date64)
}

fn is_number(data_type: &DataType) -> bool {
    data_type.is_numeric()
}

fn is_text_literal(expr: &Expr) -> bool {
    matches!(expr, Expr::Literal(ScalarValue::Utf8(Some(_)), _))
}

fn interval_type() -> DataType {
    DataType::Interval(IntervalUnit::MonthDayNano)
}

fn timestamp() -> DataType {
    DataType::Timestamp(TimeUnit::Microsecond, None)
}
