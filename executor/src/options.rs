//! The executor's command line, environment and file.

use std::net::{IpAddr, SocketAddr};
use std::num::NonZero;
use std::path::PathBuf;

use clap::{Args, Command};
use engine::Secrets;
use process::config::{
    self, ByteSize, Error, Port, ProcessOptions, Sources, at_least_one, default_cache_bytes, default_memory_bytes,
    parse_memory,
};
use process::{build_info, machine};

/// Everything `arbalest-executor` is configured by.
#[derive(Clone, Debug)]
pub struct ProcessConfig {
    /// `http://host:port`.
    pub scheduler: String,
    pub listen: IpAddr,
    pub port: u16,
    pub advertise_host: Option<String>,
    pub advertise_port: Option<u16>,
    /// Where probes and metrics are answered; `None` is nowhere.
    pub web: Option<SocketAddr>,
    /// Directories of this process are made under it.
    pub work_dir: PathBuf,
    pub vcores: usize,
    pub memory_bytes: u64,
    pub secrets: Secrets,
    /// Of remote files, kept in memory.
    pub cache_bytes: u64,
    pub process: ProcessOptions,
}

impl ProcessConfig {
    pub fn load(sources: Sources) -> Result<Self, Error> {
        let about = "Runs tasks of queries, keeps their shuffle files and serves their results";
        let command = Command::new("arbalest-executor").version(build_info::VERSION).about(about);
        let options: ExecutorOptions = config::load(command, None, sources)?;
        let memory_bytes = options.memory.map_or_else(default_memory_bytes, |ByteSize(bytes)| bytes);
        Ok(Self {
            scheduler: options.scheduler,
            listen: options.listen,
            port: options.port,
            advertise_host: options.advertise_host,
            advertise_port: options.advertise_port.map(NonZero::get),
            web: options.web_port.number().map(|port| SocketAddr::new(options.listen, port)),
            work_dir: options.work_dir.unwrap_or_else(|| std::env::temp_dir().join("arbalest-executor")),
            vcores: options.vcores.unwrap_or_else(machine::cores),
            memory_bytes,
            secrets: options.secrets.unwrap_or_default(),
            cache_bytes: options.cache_memory.map_or_else(|| default_cache_bytes(memory_bytes), |ByteSize(bytes)| bytes),
            process: options.process,
        })
    }
}

#[derive(Args, Debug)]
struct ExecutorOptions {
    /// The scheduler to take tasks from, such as http://scheduler:50050
    #[arg(long, value_name = "URL", value_parser = parse_scheduler)]
    scheduler: String,

    /// Address that all ports listen on. Whoever reaches it can read results: keep it inside the cluster
    #[arg(long, value_name = "ADDR", default_value = "127.0.0.1")]
    listen: IpAddr,

    /// Port for tasks and for readers of shuffle files and results; 0 picks one
    #[arg(long, value_name = "PORT", default_value = "0")]
    port: u16,

    /// Host name or address that the others reach this executor by [default: the address it listens on]
    #[arg(long, value_name = "HOST")]
    advertise_host: Option<String>,

    /// Port that the others reach this executor by, where it is mapped to another [default: the one it listens on]
    #[arg(long, value_name = "PORT")]
    advertise_port: Option<NonZero<u16>>,

    /// Port for /live, /ready and /metrics; 0 picks one, off disables
    #[arg(long, value_name = "PORT", default_value = "0")]
    web_port: Port,

    /// Where shuffle files and what tasks spill are kept, a fast disk or tmpfs [default: arbalest-executor in the
    /// system's directory for temporary files]
    #[arg(long, value_name = "DIR")]
    work_dir: Option<PathBuf>,

    /// Partitions that run at a time [default: the cores of the machine, or of the container's limit]
    #[arg(long, value_name = "N", value_parser = at_least_one)]
    vcores: Option<usize>,

    /// Memory that tasks may hold before they spill, shared evenly by the vcores: 4GiB [default: 60 % of the machine's, or
    /// of the container's limit]
    #[arg(long, value_name = "SIZE", value_parser = parse_memory)]
    memory: Option<ByteSize>,

    /// Memory for parts of remote files that were read before; 0 keeps none [default: a sixteenth of --memory]
    #[arg(long, value_name = "SIZE")]
    cache_memory: Option<ByteSize>,

    /// TOML file of named credentials and endpoints of object stores, for locations such as s3://NAME@bucket/path
    #[arg(long, value_name = "FILE", value_parser = Secrets::read)]
    secrets: Option<Secrets>,

    #[command(flatten)]
    process: ProcessOptions,
}

fn parse_scheduler(text: &str) -> Result<String, &'static str> {
    let host = text.strip_prefix("http://").ok_or("a scheduler is a URL such as http://scheduler:50050")?;
    match host.is_empty() {
        true => Err("the URL names no host"),
        false => Ok(text.to_owned()),
    }
}
