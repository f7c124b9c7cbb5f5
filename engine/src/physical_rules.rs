//! DataFusion's physical optimizer rules with ours among them, for plans of this process and of the cluster.

use std::sync::Arc;

use datafusion::common::config::ConfigOptions;
use datafusion::common::tree_node::{Transformed, TransformedResult, TreeNode};
use datafusion::error::Result;
use datafusion::physical_optimizer::PhysicalOptimizerRule;
use datafusion::physical_optimizer::filter_pushdown::FilterPushdown;
use datafusion::physical_optimizer::optimizer::PhysicalOptimizer;
use datafusion::physical_plan::ExecutionPlan;

use crate::broadcast::BroadcastJoins;
use crate::dimensions::DimensionsFirst;
use crate::dynamic_filters::SelectiveFilters;
use crate::filter_pushdown::FiltersIntoScans;
use crate::{broadcast_side, join_order, marks, offset, selectivity, single_task_joins, task_join, window_sort};

/// DataFusion's rule that puts exchanges and sorts in their places.
const ENFORCEMENT: &str = "EnsureRequirements";

type Rule = Arc<dyn PhysicalOptimizerRule + Send + Sync>;

/// For plans that run in this process.
pub(crate) fn local() -> Vec<Rule> {
    let mut rules = common();
    let dynamic = FilterPushdown::new_post_optimization();
    for rule in &mut rules {
        if rule.name() == dynamic.name() {
            *rule = Arc::new(SelectiveFilters);
        }
    }
    rules
}

/// For plans that are cut into stages.
pub(crate) fn cluster() -> Vec<Rule> {
    let mut rules = common();
    // After the sides of a join are in order, before there are exchanges.
    let after_sides = rules.iter().position(|rule| rule.name() == "join_selection").map_or(0, |index| index + 1);
    rules.insert(after_sides, Arc::new(BroadcastJoins));
    // At the end, when sorts and exchanges are in their places.
    rules.push(Arc::new(Rewrite { name: "single_task_joins", rewrite: single_task_joins::single_task }));
    rules.push(Arc::new(Rewrite { name: "join_order", rewrite: join_order::sorted }));
    rules.push(Arc::new(Rewrite { name: "window_sort", rewrite: window_sort::sorted }));
    // What is still a hash join after this is the scheduler's to cut.
    rules.push(Arc::new(Rewrite { name: "task_joins", rewrite: task_join::in_task }));
    rules.push(Arc::new(Rewrite { name: "numbered_rows", rewrite: marks::numbered_once }));
    // Last: a marked side has no size that a rule could look at.
    rules.push(Arc::new(Rewrite { name: "broadcast_sides", rewrite: broadcast_side::marked }));
    rules
}

fn common() -> Vec<Rule> {
    let pushdown = FilterPushdown::new();
    let replace = |rule: Rule| match rule.name() == pushdown.name() {
        true => Arc::new(FiltersIntoScans),
        false => rule,
    };
    // First: all that looks at the sizes of inputs comes after.
    let estimates: Rule = Arc::new(Rewrite { name: "selectivity", rewrite: selectivity::estimated });
    let dimensions: Rule = Arc::new(DimensionsFirst);
    let mut rules: Vec<Rule> = PhysicalOptimizer::new().rules.into_iter().map(replace).collect();
    if let Some(index) = rules.iter().position(|rule| rule.name() == ENFORCEMENT) {
        rules.insert(index + 1, Arc::new(Rewrite { name: "offsets_as_they_were", rewrite: offset::unguarded }));
        rules.insert(index, Arc::new(Rewrite { name: "offsets", rewrite: offset::guarded }));
    }
    [estimates, dimensions].into_iter().chain(rules).collect()
}

/// A rule that looks at one operator at a time, from the leaves up.
#[derive(Debug)]
struct Rewrite {
    name: &'static str,
    /// What to put in an operator's place; `None` leaves it.
    rewrite: fn(&Arc<dyn ExecutionPlan>) -> Result<Option<Arc<dyn ExecutionPlan>>>,
}

impl PhysicalOptimizerRule for Rewrite {
    fn optimize(&self, plan: Arc<dyn ExecutionPlan>, _config: &ConfigOptions) -> Result<Arc<dyn ExecutionPlan>> {
        plan.transform_up(|node| Ok((self.rewrite)(&node)?.map_or_else(|| Transformed::no(node), Transformed::yes))).data()
    }

    fn name(&self) -> &str {
        self.name
    }

    fn schema_check(&self) -> bool {
        true
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_rule_of_ours_has_its_place() {
        let names = |rules: Vec<Rule>| rules.iter().map(|rule| rule.name().to_owned()).collect::<Vec<_>>();
        let standard = names(PhysicalOptimizer::new().rules);
        let (local, cluster) = (names(local()), names(cluster()));
        let enforcement = local.iter().position(|name| name == ENFORCEMENT).unwrap_or_default();
        assert_eq!([&local[enforcement - 1], &local[enforcement + 1]], ["offsets", "offsets_as_they_were"]);
        assert_eq!(local.len(), standard.len() + 4);
        let replaced = local.iter().filter(|name| !standard.contains(name)).count();
        assert_eq!(replaced, 4 + 2);
        assert_eq!(cluster.len(), standard.len() + 11);
        let place = cluster.iter().position(|name| name == "broadcast_joins").unwrap_or_default();
        assert_eq!(cluster[place - 1], "join_selection");
    }
}
