//! Options that every process has, to be flattened into its own.

use std::time::Duration;

use clap::Args;

use super::value::parse_duration;
use crate::logging::{LogFormat, LogLevel};

#[derive(Args, Clone, Debug)]
pub struct ProcessOptions {
    /// How long running work may go on after SIGTERM or Ctrl-C
    #[arg(long, value_name = "DURATION", default_value = "30s", value_parser = parse_duration)]
    pub shutdown_grace: Duration,

    /// Format of log lines on standard error; auto is human on a terminal, JSON elsewhere
    #[arg(long, value_name = "FORMAT", default_value = "auto")]
    pub log_format: LogFormat,

    /// Least level of log lines, with exceptions by module: info,sql=debug
    #[arg(long, value_name = "LEVEL", default_value = "info")]
    pub log_level: LogLevel,
}
