//! What part of its rows a filter is expected to pass, where DataFusion has one answer for all: 20 %.
//!
//! DataFusion estimates ranges of numbers and dates by itself; a term it does not know, such as `LIKE` or an equality of
//! texts, makes it give up on the whole predicate. Here every term has its guess, after Selinger et al., *Access Path
//! Selection in a Relational Database Management System* (SIGMOD 1979), and ranges of one column are taken together.

use std::collections::HashMap;
use std::sync::Arc;

use datafusion::arrow::datatypes::DataType;
use datafusion::common::{ColumnStatistics, ScalarValue};
use datafusion::config::ConfigOptions;
use datafusion::error::Result;
use datafusion::logical_expr::Operator;
use datafusion::physical_expr::expressions::{
    BinaryExpr, CastExpr, Column, InListExpr, IsNotNullExpr, IsNullExpr, LikeExpr, Literal, NotExpr,
};
use datafusion::physical_expr::{PhysicalExpr, split_conjunction};
use datafusion::physical_plan::ExecutionPlan;
use datafusion::physical_plan::aggregates::AggregateExec;
use datafusion::physical_plan::filter::{FilterExec, FilterExecBuilder};
use datafusion::physical_plan::projection::ProjectionExec;
use datafusion::physical_plan::statistics::{StatisticsArgs, StatisticsContext};

/// Equality with a value of a column whose number of values is not known.
const EQUAL: f64 = 0.05;
/// A range without known bounds, and a comparison of two columns.
const RANGE: f64 = 1.0 / 3.0;
const LIKE: f64 = 0.05;
/// Equality with a text of one letter: codes of a state or a kind, of which there are few.
const CODE: f64 = 1.0 / 3.0;
/// HAVING: who groups by a key and filters groups looks for the few that stand out.
const GROUPS: f64 = 0.01;
const UNKNOWN: f64 = 0.2;

/// A filter with an estimate of its own; `None` if the operator is none or has one.
pub(crate) fn estimated(plan: &Arc<dyn ExecutionPlan>) -> Result<Option<Arc<dyn ExecutionPlan>>> {
    let Some(filter) = plan.downcast_ref::<FilterExec>() else { return Ok(None) };
    if filter.default_selectivity() != ConfigOptions::default().optimizer.default_filter_selectivity {
        return Ok(None);
    }
    let fraction = match is_aggregate(filter.input()) {
        true => GROUPS,
        false => {
            let statistics = StatisticsContext::new().compute(filter.input().as_ref(), &StatisticsArgs::new())?;
            conjunction(filter.predicate(), &statistics.column_statistics)
        }
    };
    // Percent, of which it takes whole ones; none would be taken for no rows.
    let percent = (fraction * 100.0).round().clamp(1.0, 100.0) as u8;
    Ok(Some(Arc::new(FilterExecBuilder::from(filter).with_default_selectivity(percent).build()?)))
}

fn is_aggregate(plan: &Arc<dyn ExecutionPlan>) -> bool {
    match plan.downcast_ref::<ProjectionExec>() {
        Some(projection) => is_aggregate(projection.input()),
        None => plan.is::<AggregateExec>(),
    }
}

/// Bounds that comparisons set to a column, with its own.
struct Bounds {
    own: (f64, f64),
    low: f64,
    high: f64,
}

fn conjunction(predicate: &Arc<dyn PhysicalExpr>, columns: &[ColumnStatistics]) -> f64 {
    let mut bounds: HashMap<usize, Bounds> = HashMap::new();
    let mut fraction = 1.0;
    for term in split_conjunction(predicate) {
        if !narrow(term, columns, &mut bounds) {
            fraction *= term_fraction(term, columns);
        }
    }
    for Bounds { own: (min, max), low, high } in bounds.into_values() {
        fraction *= ((high - low) / (max - min)).clamp(0.0, 1.0);
    }
    fraction
}

/// Takes a comparison of a column of known range with a number into its bounds; `false` if a term is none.
fn narrow(term: &Arc<dyn PhysicalExpr>, columns: &[ColumnStatistics], bounds: &mut HashMap<usize, Bounds>) -> bool {
    let Some(comparison) = term.downcast_ref::<BinaryExpr>() else { return false };
    let (column, value, operator) = match (column(comparison.left()), number(comparison.right())) {
        (Some(column), Some(value)) => (column, value, *comparison.op()),
        _ => match (column_and_number(comparison.right(), comparison.left()), comparison.op().swap()) {
            (Some((column, value)), Some(operator)) => (column, value, operator),
            _ => return false,
        },
    };
    let Some(own) = columns.get(column).and_then(range) else { return false };
    let entry = bounds.entry(column).or_insert(Bounds { own, low: own.0, high: own.1 });
    match operator {
        Operator::Lt | Operator::LtEq => entry.high = entry.high.min(value),
        Operator::Gt | Operator::GtEq => entry.low = entry.low.max(value),
        _ => return false,
    }
    true
}

fn column_and_number(left: &Arc<dyn PhysicalExpr>, right: &Arc<dyn PhysicalExpr>) -> Option<(usize, f64)> {
    Some((column(left)?, number(right)?))
}

fn term_fraction(term: &Arc<dyn PhysicalExpr>, columns: &[ColumnStatistics]) -> f64 {
    if let Some(binary) = term.downcast_ref::<BinaryExpr>() {
        return match binary.op() {
            Operator::And => conjunction(term, columns),
            Operator::Or => {
                let (left, right) = (conjunction(binary.left(), columns), conjunction(binary.right(), columns));
                left + right - left * right
            }
            Operator::Eq if is_code(binary.left()) || is_code(binary.right()) => CODE,
            Operator::Eq => equal(binary.left(), columns).min(equal(binary.right(), columns)),
            Operator::NotEq => 1.0 - EQUAL,
            Operator::Lt | Operator::LtEq | Operator::Gt | Operator::GtEq => RANGE,
            Operator::RegexMatch | Operator::RegexIMatch => LIKE,
            _ => UNKNOWN,
        };
    }
    if let Some(list) = term.downcast_ref::<InListExpr>() {
        let fraction = (equal(list.expr(), columns) * list.list().len() as f64).min(0.5);
        return if list.negated() { 1.0 - fraction } else { fraction };
    }
    if let Some(like) = term.downcast_ref::<LikeExpr>() {
        return if like.negated() { 1.0 - LIKE } else { LIKE };
    }
    if let Some(not) = term.downcast_ref::<NotExpr>() {
        return 1.0 - conjunction(not.arg(), columns);
    }
    match (term.is::<IsNullExpr>(), term.is::<IsNotNullExpr>()) {
        (true, _) => EQUAL,
        (_, true) => 1.0,
        _ => UNKNOWN,
    }
}

/// The part of rows that have one value of a column.
fn equal(expr: &Arc<dyn PhysicalExpr>, columns: &[ColumnStatistics]) -> f64 {
    let Some(statistics) = column(expr).and_then(|index| columns.get(index)) else { return EQUAL };
    let distinct = statistics.distinct_count.get_value().map(|count| *count as f64);
    let is_whole = |value: &ScalarValue| value.data_type().is_integer() || matches!(value.data_type(), DataType::Date32);
    let values = distinct.or_else(|| {
        let (min, max) = range(statistics)?;
        statistics.min_value.get_value().is_some_and(is_whole).then_some(max - min + 1.0)
    });
    values.map_or(EQUAL, |values| 1.0 / values.max(1.0))
}

fn column(expr: &Arc<dyn PhysicalExpr>) -> Option<usize> {
    match expr.downcast_ref::<CastExpr>() {
        Some(cast) => column(cast.expr()),
        None => Some(expr.downcast_ref::<Column>()?.index()),
    }
}

fn is_code(expr: &Arc<dyn PhysicalExpr>) -> bool {
    let literal = expr.downcast_ref::<Literal>().and_then(|literal| literal.value().try_as_str().flatten());
    literal.is_some_and(|text| text.len() <= 1)
}

fn number(expr: &Arc<dyn PhysicalExpr>) -> Option<f64> {
    as_number(expr.downcast_ref::<Literal>()?.value())
}

/// The least and the greatest value, if they differ and are numbers or times.
fn range(statistics: &ColumnStatistics) -> Option<(f64, f64)> {
    let (min, max) = (as_number(statistics.min_value.get_value()?)?, as_number(statistics.max_value.get_value()?)?);
    (min < max).then_some((min, max))
}

fn as_number(value: &ScalarValue) -> Option<f64> {
    let value = match value {
        ScalarValue::Utf8(_) | ScalarValue::Utf8View(_) | ScalarValue::LargeUtf8(_) | ScalarValue::Boolean(_) => return None,
        ScalarValue::Date32(days) => ScalarValue::Int32(*days),
        ScalarValue::TimestampMicrosecond(micros, _) => ScalarValue::Int64(*micros),
        ScalarValue::TimestampNanosecond(nanos, _) => ScalarValue::Int64(*nanos),
        value => value.clone(),
    };
    match value.cast_to(&DataType::Float64) {
        Ok(ScalarValue::Float64(number)) => number,
        // Not a number: no estimate comes from it.
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use datafusion::common::stats::Precision;
    use datafusion::physical_expr::expressions::{binary, col, in_list, lit};
    use datafusion::arrow::datatypes::{Field, Schema};

    use super::*;

    #[test]
    fn terms_multiply_and_ranges_of_a_column_are_one() -> Result<()> {
        let schema = Schema::new(vec![Field::new("n", DataType::Int64, false), Field::new("t", DataType::Utf8, false)]);
        let bounds = |min: i64, max: i64| ColumnStatistics {
            min_value: Precision::Exact(ScalarValue::from(min)),
            max_value: Precision::Exact(ScalarValue::from(max)),
            ..ColumnStatistics::new_unknown()
        };
        let columns = [bounds(0, 100), ColumnStatistics::new_unknown()];
        let compare = |op, value: i64| binary(col("n", &schema)?, op, lit(value), &schema);
        let and = |left, right| binary(left, Operator::And, right, &schema);
        let between = and(compare(Operator::GtEq, 40)?, compare(Operator::Lt, 60)?)?;
        assert!((conjunction(&between, &columns) - 0.2).abs() < 1e-9);
        let texts = in_list(col("t", &schema)?, vec![lit("a"), lit("b")], &false, &schema)?;
        assert!((conjunction(&and(between, texts)?, &columns) - 0.2 * 2.0 * EQUAL).abs() < 1e-9);
        assert!((conjunction(&compare(Operator::Eq, 7)?, &columns) - 1.0 / 101.0).abs() < 1e-9);
        Ok(())
    }
}
