//! The settings of queries. Each task brings all of its query's as text, of which most queries have the same.

use ballista_core::extension::SessionConfigHelperExt;
use ballista_core::serde::protobuf::KeyValuePair;
use datafusion::prelude::SessionConfig;
use parking_lot::Mutex;

/// Settings of so many queries are remembered.
const KNOWN_MAX: usize = 16;

/// Settings that tasks brought lately, the last ones first.
#[derive(Debug)]
pub(crate) struct Settings {
    memory_bytes: usize,
    vcores: usize,
    known: Mutex<Vec<(Vec<KeyValuePair>, SessionConfig)>>,
}

impl Settings {
    /// Tasks for `vcores` at a time share `memory_bytes`.
    pub(crate) fn new(memory_bytes: usize, vcores: usize) -> Self {
        Self { memory_bytes, vcores, known: Mutex::default() }
    }

    /// What to run tasks with that bring `pairs`.
    pub(crate) fn of(&self, pairs: Vec<KeyValuePair>) -> SessionConfig {
        let mut known = self.known.lock();
        if let Some(position) = known.iter().position(|(brought, _)| *brought == pairs) {
            known[..=position].rotate_right(1);
            return known[0].1.clone();
        }
        let config = engine::cluster_session_config().update_from_key_value_pair(&pairs);
        let mut config = engine::fit_to_memory(config, self.memory_bytes, self.vcores);
        // The scheduler plans without, because a filter cannot cross from one task to another.
        if let Err(error) = config.options_mut().set("datafusion.optimizer.enable_dynamic_filter_pushdown", "true") {
            // Slower, not wrong.
            tracing::warn!(%error, "tasks run without dynamic filters");
        }
        known.truncate(KNOWN_MAX - 1);
        known.insert(0, (pairs, config.clone()));
        config
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn batch_size(settings: &Settings, rows: usize) -> usize {
        let pair = KeyValuePair { key: "datafusion.execution.batch_size".into(), value: Some(rows.to_string()) };
        settings.of(vec![pair]).options().execution.batch_size.get()
    }

    #[test]
    fn each_query_has_its_own() {
        let settings = Settings::new(16 << 20, 1);
        for _ in 0..2 {
            for rows in 1..=KNOWN_MAX + 2 {
                assert_eq!(batch_size(&settings, rows), rows);
            }
        }
        assert_eq!(settings.known.lock().len(), KNOWN_MAX);
        assert_eq!(batch_size(&settings, KNOWN_MAX), KNOWN_MAX);
        // What it has not the memory for.
        assert_eq!(batch_size(&settings, 8_192), 2_048);
        let options = settings.of(vec![]);
        assert_eq!(options.options().execution.sort_spill_reservation_bytes, 1 << 20);
        let optimizer = &options.options().optimizer;
        assert!(optimizer.enable_join_dynamic_filter_pushdown && optimizer.enable_topk_dynamic_filter_pushdown);
    }
}
