//! Prometheus metrics of this process: what the code records through `metrics`, the build, and the process itself.

use std::collections::BTreeMap;
use std::sync::{Arc, OnceLock};
use std::time::Duration;

use ::metrics::{describe_gauge, gauge};
use metrics_exporter_prometheus::{BuildError, Matcher, PrometheusBuilder, PrometheusHandle};
use parking_lot::Mutex;
use sysinfo::{Pid, ProcessRefreshKind, ProcessesToUpdate, System};

use crate::build_info;
use crate::shutdown::Shutdown;

/// From a fast point query to a long report: every metric named `…_seconds`.
const SECONDS_BUCKETS: [f64; 14] =
    [0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 1.0, 5.0, 15.0, 60.0, 300.0];
/// 1 KiB to 16 GiB: every metric named `…_bytes`.
const BYTES_BUCKETS: [f64; 13] = [
    1024.0,
    4096.0,
    16384.0,
    65536.0,
    262144.0,
    1048576.0,
    4194304.0,
    16777216.0,
    67108864.0,
    268435456.0,
    1073741824.0,
    4294967296.0,
    17179869184.0,
];
/// The recorder keeps raw samples until it is scraped or kept up; this bounds them when nobody scrapes.
const UPKEEP_INTERVAL: Duration = Duration::from_secs(5);

/// Gives Prometheus text of its own, as the scheduler's collector does.
type Source = Box<dyn Fn() -> String + Send + Sync>;

/// Reads the metrics of this process. Shared by clones.
#[derive(Clone)]
pub struct MetricsHandle {
    prometheus: PrometheusHandle,
    sources: Arc<Mutex<BTreeMap<&'static str, Source>>>,
    system: Arc<Mutex<System>>,
}

/// Makes Prometheus the recorder of this process. The recorder is global: later calls give the same handle.
pub fn install() -> Result<MetricsHandle, BuildError> {
    static INSTALLED: OnceLock<MetricsHandle> = OnceLock::new();
    static INSTALLING: Mutex<()> = Mutex::new(());

    let _installing = INSTALLING.lock();
    if let Some(handle) = INSTALLED.get() {
        return Ok(handle.clone());
    }
    let prometheus = PrometheusBuilder::new()
        .set_buckets_for_metric(Matcher::Suffix("_seconds".into()), &SECONDS_BUCKETS)?
        .set_buckets_for_metric(Matcher::Suffix("_bytes".into()), &BYTES_BUCKETS)?
        .install_recorder()?;
    describe();
    let handle = MetricsHandle { prometheus, sources: Arc::default(), system: Arc::new(Mutex::new(System::new())) };
    Ok(INSTALLED.get_or_init(|| handle).clone())
}

impl MetricsHandle {
    /// Everything in the Prometheus text format.
    pub fn render(&self) -> String {
        let mut text = self.prometheus.render();
        self.render_process(&mut text);
        for source in self.sources.lock().values() {
            text.push_str(&source());
        }
        text
    }

    /// Appends `source`'s text, in the Prometheus format, to what [`Self::render`] gives. One of the same name is
    /// replaced.
    pub fn add_source(&self, name: &'static str, source: impl Fn() -> String + Send + Sync + 'static) {
        self.sources.lock().insert(name, Box::new(source));
    }

    /// Bounds the memory of histograms that nobody scrapes, until the drain.
    pub async fn keep_up(self, shutdown: Shutdown) {
        let mut interval = tokio::time::interval(UPKEEP_INTERVAL);
        loop {
            tokio::select! {
                _ = interval.tick() => self.prometheus.run_upkeep(),
                () = shutdown.draining() => return,
            }
        }
    }

    /// The process's own figures under the names that dashboards expect. They are read when asked for, and the
    /// recorder has no counter of fractions, so they are written here.
    fn render_process(&self, text: &mut String) {
        let pid = Pid::from_u32(std::process::id());
        let mut system = self.system.lock();
        let kind = ProcessRefreshKind::nothing().with_memory().with_cpu();
        system.refresh_processes_specifics(ProcessesToUpdate::Some(&[pid]), false, kind);
        let Some(process) = system.process(pid) else { return };
        let mut line = |name, kind, value: f64| {
            text.push_str(&format!("# TYPE {name} {kind}\n{name} {value}\n"));
        };
        line("process_resident_memory_bytes", "gauge", process.memory() as f64);
        line("process_cpu_seconds_total", "counter", process.accumulated_cpu_time() as f64 / 1000.0);
        line("process_start_time_seconds", "gauge", process.start_time() as f64);
        if let Some(open_files) = process.open_files() {
            line("process_open_fds", "gauge", open_files as f64);
        }
    }
}

fn describe() {
    describe_gauge!("arbalest_build_info", "1, with the build's version and commit as labels");
    gauge!("arbalest_build_info", "version" => build_info::VERSION, "commit" => build_info::COMMIT).set(1.0);
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_recorded_is_rendered() {
        let handle = install().unwrap();
        ::metrics::counter!("test_statements_total").increment(3);
        handle.add_source("elsewhere", || "from_elsewhere 7\n".into());
        let text = install().unwrap().render();
        for expected in ["test_statements_total 3", "arbalest_build_info{version=\"", "from_elsewhere 7"] {
            assert!(text.contains(expected), "{expected} is missing in:\n{text}");
        }
        let resident = text.lines().find_map(|line| line.strip_prefix("process_resident_memory_bytes ")).unwrap();
        assert!(resident.parse::<f64>().unwrap() > 1e6, "{resident}");
    }
}
