//! How plans travel between processes. Whatever we do not know is Ballista's.

use std::sync::Arc;

use ballista_core::serde::{BallistaLogicalExtensionCodec, BallistaPhysicalExtensionCodec};
use datafusion::common::internal_err;
use datafusion::error::{DataFusionError, Result};
use datafusion::execution::TaskContext;
use datafusion::physical_plan::ExecutionPlan;
use datafusion::physical_plan::empty::EmptyExec;
use datafusion::physical_plan::execution_plan::{ChildrenPropertiesMode, ReplaceChildrenOptions};
use datafusion_proto::logical_plan::LogicalExtensionCodec;
use datafusion_proto::physical_plan::{AsExecutionPlan, PhysicalExtensionCodec, PhysicalProtoConverterExtension};
use datafusion_proto::protobuf::PhysicalPlanNode;

use crate::broadcast_side::BroadcastExec;
use crate::task_join::TaskJoinExec;
use crate::write::WriteExec;

/// The codec of logical plans sent to a scheduler.
pub fn logical_codec() -> Arc<dyn LogicalExtensionCodec> {
    Arc::new(BallistaLogicalExtensionCodec::default())
}

/// The codec of stages sent to executors.
pub fn physical_codec() -> Arc<dyn PhysicalExtensionCodec> {
    Arc::new(StageCodec::default())
}

/// A [`BroadcastExec`], in place of Ballista's description of an operator.
const BROADCAST: &[u8] = b"arbalest.broadcast";
/// A [`TaskJoinExec`]; its join follows, with empty inputs.
const TASK_JOIN: &[u8] = b"arbalest.task_join";
/// A [`WriteExec`]; its target follows, as JSON.
const WRITE: &[u8] = b"arbalest.write";

#[derive(Debug, Default)]
struct StageCodec {
    ballista: BallistaPhysicalExtensionCodec,
}

impl PhysicalExtensionCodec for StageCodec {
    fn try_decode(
        &self,
        bytes: &[u8],
        inputs: &[Arc<dyn ExecutionPlan>],
        context: &TaskContext,
        converter: &dyn PhysicalProtoConverterExtension,
    ) -> Result<Arc<dyn ExecutionPlan>> {
        if let Some(join) = bytes.strip_prefix(TASK_JOIN) {
            let join = PhysicalPlanNode::try_decode(join)?.try_into_physical_plan(context, self)?;
            let options = ReplaceChildrenOptions::new(ChildrenPropertiesMode::Recompute);
            return Ok(Arc::new(TaskJoinExec::new(join.replace_children(inputs.to_vec(), options)?)));
        }
        if let (Some(target), [input]) = (bytes.strip_prefix(WRITE), inputs) {
            let target = serde_json::from_slice(target).map_err(|error| DataFusionError::External(Box::new(error)))?;
            return Ok(Arc::new(WriteExec::try_new(Arc::clone(input), target)?));
        }
        match (bytes, inputs) {
            (BROADCAST, [input]) => Ok(Arc::new(BroadcastExec::new(Arc::clone(input)))),
            (BROADCAST, inputs) => internal_err!("BroadcastExec takes one input, not {}", inputs.len()),
            _ => self.ballista.try_decode(bytes, inputs, context, converter),
        }
    }

    fn try_encode(
        &self,
        node: Arc<dyn ExecutionPlan>,
        bytes: &mut Vec<u8>,
        converter: &dyn PhysicalProtoConverterExtension,
    ) -> Result<()> {
        if node.is::<BroadcastExec>() {
            bytes.extend_from_slice(BROADCAST);
            return Ok(());
        }
        if let Some(task_join) = node.downcast_ref::<TaskJoinExec>() {
            bytes.extend_from_slice(TASK_JOIN);
            let join = without_inputs(task_join.join())?;
            return PhysicalPlanNode::try_from_physical_plan(join, self)?.try_encode(bytes);
        }
        if let Some(write) = node.downcast_ref::<WriteExec>() {
            bytes.extend_from_slice(WRITE);
            return serde_json::to_writer(bytes, write.target()).map_err(|error| DataFusionError::External(Box::new(error)));
        }
        self.ballista.try_encode(node, bytes, converter)
    }
}

/// Inputs travel beside an operator, so that those of its join would travel twice.
fn without_inputs(join: &Arc<dyn ExecutionPlan>) -> Result<Arc<dyn ExecutionPlan>> {
    let empty = join.children().into_iter().map(|input| Arc::new(EmptyExec::new(input.schema())) as _).collect();
    Arc::clone(join).replace_children(empty, ReplaceChildrenOptions::new(ChildrenPropertiesMode::Recompute))
}

#[cfg(test)]
mod tests {
    use super::*;
    use datafusion::arrow::datatypes::{DataType, Field, Schema};
    use datafusion::common::{JoinType, NullEquality};
    use datafusion::physical_expr::expressions::col;
    use datafusion::physical_plan::joins::{HashJoinExec, PartitionMode};
    use prost::Message;

    use crate::write::{SortColumn, WriteTarget};

    fn empty(name: &str) -> Arc<dyn ExecutionPlan> {
        Arc::new(EmptyExec::new(Arc::new(Schema::new(vec![Field::new(name, DataType::Int64, false)]))))
    }

    fn sent(plan: Arc<dyn ExecutionPlan>) -> Arc<dyn ExecutionPlan> {
        let codec = physical_codec();
        let sent = PhysicalPlanNode::try_from_physical_plan(plan, codec.as_ref()).expect("encodes").encode_to_vec();
        let received = PhysicalPlanNode::decode(sent.as_slice()).expect("a message");
        received.try_into_physical_plan(&TaskContext::default(), codec.as_ref()).expect("decodes")
    }

    #[test]
    fn a_marked_side_arrives_marked() {
        let plan = sent(Arc::new(BroadcastExec::new(empty("x"))));
        assert!(plan.is::<BroadcastExec>() && plan.children().iter().all(|input| input.is::<EmptyExec>()));
    }

    #[test]
    fn what_is_to_be_written_arrives() {
        let sort_columns = vec![SortColumn { name: "x".into(), descending: true, nulls_first: false }];
        let target = WriteTarget { location: "s3://lake/t/".into(), partition_columns: vec!["x".into()], sort_columns };
        let plan = sent(Arc::new(WriteExec::try_new(empty("x"), target.clone()).expect("a plan")));
        let write = plan.downcast_ref::<WriteExec>().expect("ours");
        assert_eq!(write.target(), &target);
        assert!(write.children().iter().all(|input| input.is::<EmptyExec>()));
    }

    #[test]
    fn a_join_in_a_task_arrives_with_its_inputs() {
        let (left, right) = (Arc::new(BroadcastExec::new(empty("x"))) as Arc<dyn ExecutionPlan>, empty("y"));
        let on = vec![(col("x", &left.schema()).expect("a column"), col("y", &right.schema()).expect("a column"))];
        let (join_type, mode) = (JoinType::RightAnti, PartitionMode::CollectLeft);
        let join = HashJoinExec::try_new(left, right, on, None, &join_type, None, mode, NullEquality::NullEqualsNothing, false);
        let plan = sent(Arc::new(TaskJoinExec::new(Arc::new(join.expect("a join")))));
        let join = plan.downcast_ref::<TaskJoinExec>().expect("ours").join().downcast_ref::<HashJoinExec>().expect("a hash join");
        assert_eq!((join.join_type(), join.partition_mode()), (&join_type, &mode));
        assert!(join.left().is::<BroadcastExec>() && join.right().is::<EmptyExec>());
    }
}
