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

#[cfg(test)]
impl ExecutorConfig {
    /// For an executor that nobody reaches.
    pub(crate) fn for_tests(work_dir: &std::path::Path, vcores: usize, memory_bytes: usize) -> Self {
        Self {
            scheduler: String::new(),
            listen: std::net::Ipv4Addr::LOCALHOST.into(),
            port: 0,
            advertise_host: None,
            advertise_port: None,
            work_dir: work_dir.to_owned(),
            vcores,
            memory_bytes,
            object_stores: ObjectStores::unread(),
        }
    }
}
