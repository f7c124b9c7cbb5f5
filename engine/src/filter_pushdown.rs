//! Filters that scans apply themselves. DataFusion's rule pushes them through joins too, and finds a column below by its name:
//! where both sides have one of that name it filters the wrong side. What may go through a join has gone through it in the
//! logical plan, so this pushes within what lies below the joins.

use std::sync::Arc;

use datafusion::common::config::ConfigOptions;
use datafusion::common::tree_node::{Transformed, TransformedResult, TreeNode, TreeNodeRecursion};
use datafusion::error::Result;
use datafusion::physical_optimizer::PhysicalOptimizerRule;
use datafusion::physical_optimizer::filter_pushdown::FilterPushdown;
use datafusion::physical_plan::ExecutionPlan;
use datafusion::physical_plan::filter::FilterExec;

/// Moves filters into the scans below them.
#[derive(Debug)]
pub(crate) struct FiltersIntoScans;

impl PhysicalOptimizerRule for FiltersIntoScans {
    fn optimize(&self, plan: Arc<dyn ExecutionPlan>, config: &ConfigOptions) -> Result<Arc<dyn ExecutionPlan>> {
        let standard = FilterPushdown::new();
        plan.transform_down(|node| {
            if !node.is::<FilterExec>() || is_branched(&node)? {
                return Ok(Transformed::no(node));
            }
            Ok(Transformed::new(standard.optimize(node, config)?, true, TreeNodeRecursion::Jump))
        })
        .data()
    }

    fn name(&self) -> &str {
        "filters_into_scans"
    }

    fn schema_check(&self) -> bool {
        true
    }
}

fn is_branched(plan: &Arc<dyn ExecutionPlan>) -> Result<bool> {
    plan.exists(|node| Ok(node.children().len() > 1))
}

/// Whether columns of one name meet anywhere in a plan.
pub(crate) fn has_repeated_names(plan: &Arc<dyn ExecutionPlan>) -> Result<bool> {
    plan.exists(|node| {
        let schema = node.schema();
        let names: std::collections::HashSet<&String> = schema.fields().iter().map(|field| field.name()).collect();
        Ok(names.len() < schema.fields().len())
    })
}
