//! `sum`: DataFusion's, except that a sum of bigints that is too large is an error. DataFusion's own wraps around.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use datafusion::arrow::array::{Array, ArrayRef, AsArray, BooleanArray};
use datafusion::arrow::datatypes::{DataType, FieldRef, Int64Type};
use datafusion::arrow::error::ArrowError;
use datafusion::common::{Result, ScalarValue, internal_err};
use datafusion::functions_aggregate::sum::Sum;
use datafusion::logical_expr::function::{AccumulatorArgs, StateFieldsArgs};
use datafusion::logical_expr::utils::AggregateOrderSensitivity;
use datafusion::logical_expr::{
    Accumulator, AggregateUDF, AggregateUDFImpl, EmitTo, GroupsAccumulator, ReversedUDAF, SetMonotonicity, Signature,
    StatisticsArgs,
};
use datafusion_functions_aggregate_common::aggregate::groups_accumulator::prim_op::PrimitiveGroupsAccumulator;
use datafusion_functions_aggregate_common::utils::GenericDistinctBuffer;

pub fn sum() -> AggregateUDF {
    AggregateUDF::new_from_impl(CheckedSum(Sum::new()))
}

#[derive(Debug, PartialEq, Eq, Hash)]
struct CheckedSum(Sum);

impl AggregateUDFImpl for CheckedSum {
    fn name(&self) -> &str {
        self.0.name()
    }

    fn signature(&self) -> &Signature {
        self.0.signature()
    }

    fn return_type(&self, arg_types: &[DataType]) -> Result<DataType> {
        self.0.return_type(arg_types)
    }

    fn accumulator(&self, args: AccumulatorArgs) -> Result<Box<dyn Accumulator>> {
        match (is_bigint(&args), args.is_distinct) {
            (true, false) => Ok(Box::<SumAccumulator>::default()),
            (true, true) => Ok(Box::new(DistinctSumAccumulator(GenericDistinctBuffer::new(DataType::Int64)))),
            (false, _) => self.0.accumulator(args),
        }
    }

    fn create_sliding_accumulator(&self, args: AccumulatorArgs) -> Result<Box<dyn Accumulator>> {
        match is_checked(&args) {
            true => Ok(Box::<SumAccumulator>::default()),
            false => self.0.create_sliding_accumulator(args),
        }
    }

    fn groups_accumulator_supported(&self, args: AccumulatorArgs) -> bool {
        self.0.groups_accumulator_supported(args)
    }

    fn create_groups_accumulator(&self, args: AccumulatorArgs) -> Result<Box<dyn GroupsAccumulator>> {
        match is_checked(&args) {
            true => Ok(Box::new(sums())),
            false => self.0.create_groups_accumulator(args),
        }
    }

    fn state_fields(&self, args: StateFieldsArgs) -> Result<Vec<FieldRef>> {
        self.0.state_fields(args)
    }

    fn reverse_expr(&self) -> ReversedUDAF {
        self.0.reverse_expr()
    }

    fn order_sensitivity(&self) -> AggregateOrderSensitivity {
        self.0.order_sensitivity()
    }

    fn set_monotonicity(&self, data_type: &DataType) -> SetMonotonicity {
        self.0.set_monotonicity(data_type)
    }

    fn value_from_stats(&self, args: &StatisticsArgs) -> Option<ScalarValue> {
        self.0.value_from_stats(args)
    }
}

fn is_checked(args: &AccumulatorArgs) -> bool {
    !args.is_distinct && is_bigint(args)
}

fn is_bigint(args: &AccumulatorArgs) -> bool {
    args.return_field.data_type() == &DataType::Int64
}

fn overflow() -> ArrowError {
    ArrowError::ArithmeticOverflow("the sum is out of range of bigint".into())
}

/// The sum of one group or of a window, which may be too large for a while.
#[derive(Debug, Default)]
struct SumAccumulator {
    sum: i128,
    /// How many values are in it: the sum of none is NULL.
    values: i64,
}

impl SumAccumulator {
    /// Adds all values `sign` times.
    fn add(&mut self, values: &[ArrayRef], sign: i8) -> Result<()> {
        let [values] = values else { return internal_err!("sum takes one argument") };
        let values = values.as_primitive::<Int64Type>();
        self.values += i64::from(sign) * (values.len() - values.null_count()) as i64;
        let sum: i128 = match values.null_count() {
            0 => values.values().iter().map(|value| i128::from(*value)).sum(),
            _ => values.iter().flatten().map(i128::from).sum(),
        };
        self.sum += i128::from(sign) * sum;
        Ok(())
    }
}

impl Accumulator for SumAccumulator {
    fn update_batch(&mut self, values: &[ArrayRef]) -> Result<()> {
        self.add(values, 1)
    }

    fn merge_batch(&mut self, states: &[ArrayRef]) -> Result<()> {
        self.add(states, 1)
    }

    fn retract_batch(&mut self, values: &[ArrayRef]) -> Result<()> {
        self.add(values, -1)
    }

    fn supports_retract_batch(&self) -> bool {
        true
    }

    fn state(&mut self) -> Result<Vec<ScalarValue>> {
        Ok(vec![self.evaluate()?])
    }

    fn evaluate(&mut self) -> Result<ScalarValue> {
        match self.values {
            0 => Ok(ScalarValue::Int64(None)),
            _ => Ok(ScalarValue::Int64(Some(i64::try_from(self.sum).map_err(|_| overflow())?))),
        }
    }

    fn size(&self) -> usize {
        size_of_val(self)
    }
}

/// The sum of the distinct values of one group.
#[derive(Debug)]
struct DistinctSumAccumulator(GenericDistinctBuffer<Int64Type>);

impl Accumulator for DistinctSumAccumulator {
    fn update_batch(&mut self, values: &[ArrayRef]) -> Result<()> {
        self.0.update_batch(values)
    }

    fn merge_batch(&mut self, states: &[ArrayRef]) -> Result<()> {
        self.0.merge_batch(states)
    }

    fn state(&mut self) -> Result<Vec<ScalarValue>> {
        self.0.state()
    }

    fn evaluate(&mut self) -> Result<ScalarValue> {
        if self.0.values.is_empty() {
            return Ok(ScalarValue::Int64(None));
        }
        let sum: i128 = self.0.values.iter().map(|value| i128::from(value.0)).sum();
        Ok(ScalarValue::Int64(Some(i64::try_from(sum).map_err(|_| overflow())?)))
    }

    fn size(&self) -> usize {
        size_of_val(self) + self.0.size()
    }
}

/// The sums of many groups.
struct SumsAccumulator<Add: Fn(&mut i64, i64) + Send + Sync + 'static> {
    sums: PrimitiveGroupsAccumulator<Int64Type, Add>,
    has_overflowed: Arc<AtomicBool>,
}

fn sums() -> impl GroupsAccumulator {
    let has_overflowed = Arc::new(AtomicBool::new(false));
    let flag = Arc::clone(&has_overflowed);
    let add = move |sum: &mut i64, value: i64| {
        let (wrapped, overflows) = sum.overflowing_add(value);
        *sum = wrapped;
        if overflows {
            flag.store(true, Ordering::Relaxed);
        }
    };
    SumsAccumulator { sums: PrimitiveGroupsAccumulator::new(&DataType::Int64, add), has_overflowed }
}

impl<Add: Fn(&mut i64, i64) + Send + Sync + 'static> SumsAccumulator<Add> {
    fn check(&self) -> Result<()> {
        if self.has_overflowed.load(Ordering::Relaxed) { Err(overflow().into()) } else { Ok(()) }
    }
}

impl<Add: Fn(&mut i64, i64) + Send + Sync + 'static> GroupsAccumulator for SumsAccumulator<Add> {
    fn update_batch(
        &mut self,
        values: &[ArrayRef],
        groups: &[usize],
        filter: Option<&BooleanArray>,
        groups_total: usize,
    ) -> Result<()> {
        self.sums.update_batch(values, groups, filter, groups_total)?;
        self.check()
    }

    fn merge_batch(
        &mut self,
        values: &[ArrayRef],
        groups: &[usize],
        groups_total: usize,
    ) -> Result<()> {
        self.sums.merge_batch(values, groups, groups_total)?;
        self.check()
    }

    fn evaluate(&mut self, emit_to: EmitTo) -> Result<ArrayRef> {
        self.sums.evaluate(emit_to)
    }

    fn state(&mut self, emit_to: EmitTo) -> Result<Vec<ArrayRef>> {
        self.sums.state(emit_to)
    }

    fn convert_to_state(&self, values: &[ArrayRef], filter: Option<&BooleanArray>) -> Result<Vec<ArrayRef>> {
        self.sums.convert_to_state(values, filter)
    }

    fn size(&self) -> usize {
        self.sums.size()
    }
}
