//! DataFusion's physical optimizer rules with ours among them, for plans of this process and of the cluster.

use std::sync::Arc;

use datafusion::physical_optimizer::PhysicalOptimizerRule;
use datafusion::physical_optimizer::filter_pushdown::FilterPushdown;
use datafusion::physical_optimizer::optimizer::PhysicalOptimizer;

use crate::broadcast::BroadcastJoins;
use crate::dynamic_filters::SelectiveFilters;
use crate::filter_pushdown::FiltersIntoScans;
use crate::join_order::JoinOrder;
use crate::single_task_joins::SingleTaskJoins;
use crate::window_sort::WindowSort;

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
    rules.push(Arc::new(SingleTaskJoins));
    rules.push(Arc::new(JoinOrder));
    rules.push(Arc::new(WindowSort));
    rules
}

fn common() -> Vec<Rule> {
    let pushdown = FilterPushdown::new();
    let replace = |rule: Rule| match rule.name() == pushdown.name() {
        true => Arc::new(FiltersIntoScans),
        false => rule,
    };
    PhysicalOptimizer::new().rules.into_iter().map(replace).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_rule_of_ours_has_its_place() {
        let names = |rules: Vec<Rule>| rules.iter().map(|rule| rule.name().to_owned()).collect::<Vec<_>>();
        let standard = names(PhysicalOptimizer::new().rules);
        let (local, cluster) = (names(local()), names(cluster()));
        assert_eq!(local.len(), standard.len());
        assert_eq!(local.iter().zip(&standard).filter(|(ours, theirs)| ours != theirs).count(), 2);
        assert_eq!(cluster.len(), standard.len() + 4);
        let place = cluster.iter().position(|name| name == "broadcast_joins").unwrap_or_default();
        assert_eq!(cluster[place - 1], "join_selection");
    }
}
