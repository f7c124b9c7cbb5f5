//! What an executor needs to know.

use std::net::IpAddr;
use std::path::PathBuf;
use std::sync::Arc;

use engine::ObjectStores;

#[derive(Clone, Debug)]
pub struct ExecutorConfig {
    /// `http://host:port` of the scheduler.
    pub scheduler: String,
    pub listen: IpAddr,
    /// 0 lets the operating system choose.
    pub port: u16,
    /// The host that schedulers and other executors dial; `None` is `listen`.
    pub advertise_host: Option<String>,
    /// The port that they dial; `None` is the one that is bound.
    pub advertise_port: Option<u16>,
    /// Shuffle and spill files. Emptied at start.
    pub work_dir: PathBuf,
    /// Partitions that run at the same time.
    pub vcores: usize,
    /// Memory that tasks may hold before they spill, in bytes, shared evenly by the vcores.
    pub memory_bytes: usize,
    pub object_stores: Arc<ObjectStores>,
}

impl ExecutorConfig {
    pub(crate) fn advertised_host(&self) -> String {
        self.advertise_host.clone().unwrap_or_else(|| self.listen.to_string())
    }
}
