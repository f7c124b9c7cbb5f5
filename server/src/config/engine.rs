//! Where queries run, and what they may use of this machine.

use std::path::{Path, PathBuf};

use clap::Args;
use engine::Secrets;
use process::config::{ByteSize, at_least_one, default_cache_bytes, default_memory_bytes, parse_memory};
use process::machine;
use url::Url;

/// A query that reads no more is answered before a cluster of other machines has cut it into stages.
const LOCAL_BYTES_MAX_WITH_CLUSTER: u64 = 256 << 20;

#[derive(Clone, Debug)]
pub struct EngineSettings {
    /// Memory that running queries may hold in this process, together, before they spill.
    pub memory_bytes: u64,
    /// Partitions of queries that run in this process at a time.
    pub vcores: usize,
    /// Scratch directories of this process are made under it.
    pub spill_parent: PathBuf,
    /// A query that reads no more than this many bytes runs in this process.
    pub local_bytes_max: u64,
    pub secrets: Secrets,
    pub secret_key: PathBuf,
    /// Other servers have the catalog too, and nothing was said of its key.
    pub shares_secrets: bool,
    /// Where `secrets` are from.
    pub secrets_file: Option<PathBuf>,
    /// Of remote files, kept in memory.
    pub cache_bytes: u64,
    /// A directory in which statements may write files.
    pub export_dir: Option<PathBuf>,
    /// Whether statements may name HTTP URLs of this machine or its own network.
    pub private_urls: bool,
    /// The cluster to use instead of the embedded scheduler and executor.
    pub scheduler: Option<Url>,
}

impl EngineSettings {
    /// The memory of queries run by this process itself, and of tasks run by its embedded executor. Each has a pool of
    /// its own, so that neither starves the other, and together they stay within what was allowed.
    pub(crate) fn split_memory(&self) -> [usize; 2] {
        let share = |bytes| usize::try_from(bytes).unwrap_or(usize::MAX);
        match self.scheduler {
            Some(_) => [share(self.memory_bytes), 0],
            None => [share(self.memory_bytes / 2); 2],
        }
    }
}

#[derive(Args, Debug)]
pub(super) struct EngineOptions {
    /// Memory that queries may hold before they spill: 4GiB [default: 60 % of the machine's, or of the container's limit]
    #[arg(long, value_name = "SIZE", value_parser = parse_memory)]
    memory: Option<ByteSize>,

    /// Threads that run queries [default: the cores of the machine, or of the container's limit]
    #[arg(long, value_name = "N", value_parser = at_least_one)]
    vcores: Option<usize>,

    /// Where queries spill [default: spill under --data-dir]
    #[arg(long, value_name = "DIR")]
    spill_dir: Option<PathBuf>,

    /// Queries that read at most this much run in this process, larger ones on the scheduler's executors [default: 256MiB
    /// with --scheduler, else a quarter of --memory]
    #[arg(long, value_name = "SIZE")]
    local_max_bytes: Option<ByteSize>,

    /// Memory for parts of remote files that were read before; 0 keeps none [default: a sixteenth of --memory]
    #[arg(long, value_name = "SIZE")]
    cache_memory: Option<ByteSize>,

    /// TOML file of named credentials and endpoints of object stores, for locations such as s3://NAME@bucket/path
    #[arg(long, value_name = "FILE", value_parser = Secrets::read)]
    secrets: Option<Secrets>,

    /// File with the key that seals secrets made in SQL, the same for all servers of a catalog; made if it is not there
    /// [default: secret.key in --data-dir]
    #[arg(long, value_name = "FILE")]
    secret_key: Option<PathBuf>,

    /// Directory in which COPY … TO may write files; they may be read too
    #[arg(long, value_name = "DIR")]
    export_dir: Option<PathBuf>,

    /// Let statements read URLs of this machine and of private networks
    #[arg(long)]
    allow_private_urls: bool,

    /// Use this cluster's scheduler instead of the embedded engine
    #[arg(long, value_name = "URL", value_parser = parse_scheduler)]
    scheduler: Option<Url>,
}

impl EngineOptions {
    pub(super) fn into_settings(self, data_dir: &Path, shares_catalog: bool) -> EngineSettings {
        let memory_bytes = self.memory.map_or_else(default_memory_bytes, |ByteSize(bytes)| bytes);
        let local_bytes_max = match (self.local_max_bytes, &self.scheduler) {
            (Some(ByteSize(bytes)), _) => bytes,
            (None, Some(_)) => LOCAL_BYTES_MAX_WITH_CLUSTER,
            // The embedded executor has the same cores, so that stages gain nothing but that each has the memory alone:
            // what is passed between them is in files.
            (None, None) => memory_bytes / 4,
        };
        EngineSettings {
            memory_bytes,
            vcores: self.vcores.unwrap_or_else(machine::cores),
            spill_parent: self.spill_dir.unwrap_or_else(|| data_dir.join("spill")),
            local_bytes_max,
            secrets_file: self.secrets.as_ref().and_then(Secrets::file).map(Path::to_owned),
            secrets: self.secrets.unwrap_or_default(),
            cache_bytes: self.cache_memory.map_or_else(|| default_cache_bytes(memory_bytes), |ByteSize(bytes)| bytes),
            shares_secrets: shares_catalog && self.secret_key.is_none(),
            secret_key: self.secret_key.unwrap_or_else(|| data_dir.join("secret.key")),
            export_dir: self.export_dir,
            private_urls: self.allow_private_urls,
            scheduler: self.scheduler,
        }
    }
}

fn parse_scheduler(text: &str) -> Result<Url, &'static str> {
    Url::parse(text)
        .ok()
        .filter(|url| matches!(url.scheme(), "http" | "https") && url.has_host())
        .ok_or("a scheduler is a URL such as http://scheduler:50050")
}
