//! How plans travel between processes. Whatever we do not know is Ballista's.

use std::sync::Arc;

use ballista_core::serde::{BallistaLogicalExtensionCodec, BallistaPhysicalExtensionCodec};
use datafusion::common::internal_err;
use datafusion::error::Result;
use datafusion::execution::TaskContext;
use datafusion::physical_plan::ExecutionPlan;
use datafusion_proto::logical_plan::LogicalExtensionCodec;
use datafusion_proto::physical_plan::{PhysicalExtensionCodec, PhysicalProtoConverterExtension};

use crate::broadcast_side::BroadcastExec;

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
        self.ballista.try_encode(node, bytes, converter)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use datafusion::arrow::datatypes::{DataType, Field, Schema};
    use datafusion::physical_plan::empty::EmptyExec;
    use datafusion_proto::physical_plan::AsExecutionPlan;
    use datafusion_proto::protobuf::PhysicalPlanNode;
    use prost::Message;

    #[test]
    fn a_marked_side_arrives_marked() {
        let schema = Arc::new(Schema::new(vec![Field::new("x", DataType::Int64, false)]));
        let plan: Arc<dyn ExecutionPlan> = Arc::new(BroadcastExec::new(Arc::new(EmptyExec::new(schema))));
        let codec = physical_codec();
        let sent = PhysicalPlanNode::try_from_physical_plan(plan, codec.as_ref()).expect("encodes").encode_to_vec();
        let received = PhysicalPlanNode::decode(sent.as_slice()).expect("a message");
        let plan = received.try_into_physical_plan(&TaskContext::default(), codec.as_ref()).expect("decodes");
        assert!(plan.is::<BroadcastExec>() && plan.children().iter().all(|input| input.is::<EmptyExec>()));
    }
}
