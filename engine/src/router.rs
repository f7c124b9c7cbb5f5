//! Here, or on the cluster: decided from the physical plan for this process and the exact size of what it would read.

use std::fmt;
use std::sync::Arc;

use datafusion::datasource::physical_plan::FileScanConfig;
use datafusion::datasource::source::DataSourceExec;
use datafusion::physical_plan::ExecutionPlan;

use crate::config::ExecutionMode;

/// Where a query runs, and why: the reason is the last line of EXPLAIN.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Route {
    Local { reason: String },
    Distributed { reason: String },
}

impl Route {
    /// The route of a statement whose session asks for one.
    pub fn forced(mode: ExecutionMode) -> Self {
        let reason = format!("arbalest.execution_mode is {}", mode.name());
        match mode {
            ExecutionMode::Distributed => Self::Distributed { reason },
            ExecutionMode::Local | ExecutionMode::Auto => Self::Local { reason },
        }
    }

    pub(crate) fn name(&self) -> &'static str {
        match self {
            Self::Local { .. } => "local",
            Self::Distributed { .. } => "distributed",
        }
    }
}

impl fmt::Display for Route {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (Self::Local { reason } | Self::Distributed { reason }) = self;
        write!(f, "Execution: {} ({reason})", self.name())
    }
}

/// What the leaves of a plan read.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct ScanSize {
    /// Bytes of the files, or of the parts of files, left after pruning.
    pub bytes: u64,
    pub files: usize,
}

/// The choice for a plan that may run anywhere, before the validator has seen the cluster's plan.
pub(crate) fn choose(plan: &Arc<dyn ExecutionPlan>, local_bytes_max: u64, has_cluster: bool) -> Route {
    let size = scan_size(plan);
    if !has_cluster {
        Route::Local { reason: "no cluster is configured".into() }
    } else if size.files == 0 {
        Route::Local { reason: "reads no files".into() }
    } else if size.bytes <= local_bytes_max {
        Route::Local { reason: format!("reads {}, at most {}", size, Bytes(local_bytes_max)) }
    } else {
        Route::Distributed { reason: format!("reads {}, more than {}", size, Bytes(local_bytes_max)) }
    }
}

impl fmt::Display for ScanSize {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let plural = if self.files == 1 { "" } else { "s" };
        write!(f, "{} in {} file{plural}", Bytes(self.bytes), self.files)
    }
}

/// Adds up the file ranges of all scans. Pruned files and partitions are no longer in the plan.
pub(crate) fn scan_size(plan: &Arc<dyn ExecutionPlan>) -> ScanSize {
    let mut size = ScanSize::default();
    if let Some(scan) = plan.downcast_ref::<DataSourceExec>() {
        let source: &dyn std::any::Any = scan.data_source().as_ref();
        if let Some(config) = source.downcast_ref::<FileScanConfig>() {
            let mut paths = std::collections::HashSet::new();
            for file in config.file_groups.iter().flat_map(|group| group.iter()) {
                let bytes = file.range.as_ref().map_or(file.object_meta.size as i64, |range| range.end - range.start);
                size.bytes += u64::try_from(bytes).unwrap_or(0);
                paths.insert(&file.object_meta.location);
            }
            size.files += paths.len();
        }
    }
    for child in plan.children() {
        let below = scan_size(child);
        size.bytes += below.bytes;
        size.files += below.files;
    }
    size
}

/// Bytes for people: `1.5 GiB`.
struct Bytes(u64);

impl fmt::Display for Bytes {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        const UNITS: [&str; 5] = ["B", "KiB", "MiB", "GiB", "TiB"];
        let mut value = self.0 as f64;
        let mut unit = 0;
        while value >= 1024.0 && unit + 1 < UNITS.len() {
            value /= 1024.0;
            unit += 1;
        }
        match unit {
            0 => write!(f, "{} B", self.0),
            _ => write!(f, "{value:.1} {}", UNITS[unit]),
        }
    }
}
