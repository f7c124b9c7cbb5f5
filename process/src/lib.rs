//! What any of our processes needs: configuration, logs, metrics, admin endpoint, readiness, shutdown.
//!
//! A binary loads its configuration with [`config::load`], hands the rest to [`runtime::run`], and keeps the
//! [`shutdown::Shutdown`] it is given. Nothing here knows SQL.

pub mod admin;
pub mod build_info;
pub mod config;
pub mod data_dir;
pub mod logging;
pub mod machine;
pub mod metrics;
pub mod readiness;
pub mod reload;
pub mod resident;
pub mod runtime;
pub mod shutdown;
pub mod task;
pub mod tls;
