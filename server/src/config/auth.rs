//! How clients show who they are.

use std::path::PathBuf;

use clap::Args;

use crate::auth::{AuthSettings, Method};

#[derive(Args, Debug)]
pub(super) struct AuthOptions {
    /// Who may connect from where, and how they show who they are: a file in the form of pg_hba.conf, read again when it changes
    #[arg(long, value_name = "FILE")]
    host_rules: Option<PathBuf>,

    /// Users and their passwords, beside those of the catalog: lines of user:password or user:SCRAM-SHA-256$…, read again when the file changes
    #[arg(long, value_name = "FILE")]
    password_file: Option<PathBuf>,

    /// How clients show who they are where no --host-rules are given: scram-sha-256, password, or trust, which is for this machine only [default: trust, or scram-sha-256 with --password-file]
    #[arg(long, value_name = "METHOD")]
    authentication: Option<Method>,
}

impl AuthOptions {
    pub(super) fn into_settings(self) -> AuthSettings {
        AuthSettings { host_rules: self.host_rules, passwords: self.password_file, method: self.authentication }
    }
}
