//! The scheduler's command line, environment and file.

use std::net::{IpAddr, SocketAddr};
use std::ops::RangeInclusive;
use std::time::Duration;

use clap::{Args, Command};
use process::build_info;
use process::config::{self, Error, Port, ProcessOptions, Sources, parse_duration};

use crate::SchedulerConfig;
use crate::config::RESULT_PATIENCE;

/// Everything `arbalest-scheduler` is configured by.
#[derive(Clone, Debug)]
pub struct ProcessConfig {
    pub scheduler: SchedulerConfig,
    /// Where probes and metrics are answered; `None` is nowhere.
    pub web: Option<SocketAddr>,
    pub process: ProcessOptions,
}

impl ProcessConfig {
    pub fn load(sources: Sources) -> Result<Self, Error> {
        let about = "Cuts queries into stages and spreads their tasks over executors";
        let command = Command::new("arbalest-scheduler").version(build_info::VERSION).about(about);
        let options: SchedulerOptions = config::load(command, None, sources)?;
        let SchedulerOptions { listen, port, web_port, max_jobs, result_patience, process } = options;
        let web = web_port.number().map(|port| SocketAddr::new(listen, port));
        let result_patience = result_patience.unwrap_or(RESULT_PATIENCE);
        let scheduler = SchedulerConfig { listen, port, jobs_max: max_jobs, result_patience };
        Ok(Self { scheduler, web, process })
    }
}

#[derive(Args, Debug)]
struct SchedulerOptions {
    /// Address that all ports listen on. Whoever reaches it can run queries: keep it inside the cluster
    #[arg(long, value_name = "ADDR", default_value = "127.0.0.1")]
    listen: IpAddr,

    /// Port for servers and executors; 0 picks one
    #[arg(long, value_name = "PORT", default_value = "50050")]
    port: u16,

    /// Port for /live, /ready and /metrics; 0 picks one, off disables
    #[arg(long, value_name = "PORT", default_value = "50051")]
    web_port: Port,

    /// Queries that may wait or run at a time; more are refused
    #[arg(long, value_name = "N", default_value = "1000")]
    max_jobs: usize,

    /// How long a result is kept of which no server says that it reads it; servers say so every 3 seconds [default: 60s]
    #[arg(long, value_name = "DURATION", value_parser = parse_result_patience)]
    result_patience: Option<Duration>,

    #[command(flatten)]
    process: ProcessOptions,
}

fn parse_result_patience(text: &str) -> Result<Duration, String> {
    /// Some calls of a server may be lost, or late.
    const RANGE: RangeInclusive<Duration> = Duration::from_secs(10)..=Duration::from_secs(24 * 60 * 60);
    let patience = parse_duration(text)?;
    if !RANGE.contains(&patience) {
        return Err("it must be from 10s to 24h".to_owned());
    }
    Ok(patience)
}
