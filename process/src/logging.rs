//! Structured logs on standard error: for people on a terminal, JSON otherwise.

use std::backtrace::{Backtrace, BacktraceStatus};
use std::io::{self, IsTerminal};
use std::str::FromStr;

use tracing::error;
use tracing::level_filters::LevelFilter;
use tracing_subscriber::Registry;
use tracing_subscriber::filter::Targets;
use tracing_subscriber::fmt;
use tracing_subscriber::layer::{Layer, SubscriberExt};
use tracing_subscriber::util::{SubscriberInitExt, TryInitError};

/// Crates whose information is noise to an operator: they say `warn` and above unless asked for by name.
const QUIET_CRATES: [&str; 21] = [
    "buoyant_kernel",
    "buoyant_kernel_engine",
    "ballista_core",
    "ballista_executor",
    "ballista_scheduler",
    "datafusion",
    "datafusion_catalog_listing",
    "datafusion_datasource",
    "datafusion_datasource_parquet",
    "datafusion_execution",
    "datafusion_optimizer",
    "datafusion_physical_optimizer",
    "datafusion_physical_plan",
    "h2",
    "hyper",
    "hyper_util",
    "object_store",
    "pgwire",
    "rustls",
    "sqlparser",
    "tonic",
];

/// Of which a warning is noise too: it warns of commits that are tried again, which is nothing that anybody could mend.
const SILENT_CRATE: &str = "deltalake_core";
/// Where it takes the same for an error.
const MUTE_MODULE: &str = "deltalake_core::kernel::transaction";

/// How log lines look.
#[derive(Clone, Copy, Debug, PartialEq, Eq, clap::ValueEnum)]
pub enum LogFormat {
    /// Human when standard error is a terminal, JSON otherwise.
    Auto,
    Human,
    Json,
}

/// Which log lines are written: `info`, or with exceptions by module `info,sql=debug,h2=trace`.
#[derive(Clone, Debug)]
pub struct LogLevel(Targets);

/// Starts logging. `tracing` events and `log` records go the same way, and so do panics.
///
/// Fails when this process logs already.
pub fn init(format: LogFormat, level: &LogLevel) -> Result<(), TryInitError> {
    let terminal = io::stderr().is_terminal();
    let human = match format {
        LogFormat::Auto => terminal,
        LogFormat::Human => true,
        LogFormat::Json => false,
    };
    let colours = terminal && std::env::var_os("NO_COLOR").is_none_or(|value| value.is_empty());
    let lines: Box<dyn Layer<Registry> + Send + Sync> = if human {
        Box::new(fmt::layer().with_writer(io::stderr).with_ansi(colours))
    } else {
        Box::new(fmt::layer().json().flatten_event(true).with_current_span(false).with_writer(io::stderr))
    };
    tracing_subscriber::registry().with(lines).with(level.0.clone()).try_init()?;
    log_panics();
    Ok(())
}

/// Panics are contained where they happen; this is where they are seen.
fn log_panics() {
    std::panic::set_hook(Box::new(|panic| {
        let thread = std::thread::current();
        let thread = thread.name().unwrap_or("unnamed");
        let location = panic.location().map(ToString::to_string).unwrap_or_default();
        let message = panic.payload_as_str().unwrap_or("a value that is not text");
        let backtrace = Backtrace::capture();
        let backtrace = (backtrace.status() == BacktraceStatus::Captured).then(|| backtrace.to_string());
        error!(reason = message, location, thread, backtrace, "panic");
    }));
}

impl FromStr for LogLevel {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let quiet = QUIET_CRATES.map(|name| (name, LevelFilter::WARN));
        let mut targets = Targets::new().with_targets(quiet).with_default(LevelFilter::INFO);
        targets = targets.with_target(SILENT_CRATE, LevelFilter::ERROR).with_target(MUTE_MODULE, LevelFilter::OFF);
        for directive in text.split(',').map(str::trim) {
            targets = match directive.split_once('=') {
                None => targets.with_default(parse_level(directive)?),
                Some((target, level)) => targets.with_target(target.trim(), parse_level(level.trim())?),
            };
        }
        Ok(Self(targets))
    }
}

fn parse_level(text: &str) -> Result<LevelFilter, String> {
    // `LevelFilter` would take numbers and the empty string as well.
    match text.to_ascii_lowercase().as_str() {
        "off" => Ok(LevelFilter::OFF),
        "error" => Ok(LevelFilter::ERROR),
        "warn" => Ok(LevelFilter::WARN),
        "info" => Ok(LevelFilter::INFO),
        "debug" => Ok(LevelFilter::DEBUG),
        "trace" => Ok(LevelFilter::TRACE),
        _ => Err(format!("\"{text}\" is not one of off, error, warn, info, debug, trace")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use tracing::Level;

    fn enabled(level: &str, target: &str) -> Option<Level> {
        let LogLevel(targets) = level.parse().unwrap();
        [Level::TRACE, Level::DEBUG, Level::INFO, Level::WARN, Level::ERROR]
            .into_iter()
            .find(|level| targets.would_enable(target, level))
    }

    #[test]
    fn noisy_crates_stay_quiet_until_named() {
        assert_eq!(enabled("info", "sql::session"), Some(Level::INFO));
        assert_eq!(enabled("debug", "sql::session"), Some(Level::DEBUG));
        assert_eq!(enabled("debug", "h2::codec"), Some(Level::WARN));
        assert_eq!(enabled("info, h2=trace", "h2::codec"), Some(Level::TRACE));
        assert_eq!(enabled("off", "sql"), None);
    }

    #[test]
    fn what_is_no_level_is_refused() {
        for text in ["verbose", "", "info,sql=loud", "3"] {
            assert!(text.parse::<LogLevel>().is_err(), "{text}");
        }
    }
}
