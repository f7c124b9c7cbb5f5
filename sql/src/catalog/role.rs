//! A role as the catalog keeps it.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

/// Who may do what: a user, or a group of them.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct RoleDefinition {
    /// May do everything.
    #[serde(default)]
    pub superuser: bool,
    /// Has the rights of the roles that it is a member of without SET ROLE.
    #[serde(default = "yes")]
    pub inherit: bool,
    #[serde(default)]
    pub create_role: bool,
    #[serde(default)]
    pub create_db: bool,
    /// May connect.
    #[serde(default)]
    pub login: bool,
    #[serde(default)]
    pub replication: bool,
    #[serde(default)]
    pub bypass_rls: bool,
    /// Sessions that it may have at one time.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub connection_limit: Option<u32>,
    /// A SCRAM verifier in PostgreSQL's form; never a password.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub verifier: Option<String>,
    /// Until when the password is good, in the form of RFC 3339.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub valid_until: Option<String>,
    /// The roles that it is a member of.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub member_of: BTreeMap<String, Membership>,
    /// What its sessions begin with.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub settings: BTreeMap<String, String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub comment: Option<String>,
}

impl RoleDefinition {
    /// One that may connect and do everything.
    pub fn superuser() -> Self {
        Self { superuser: true, inherit: true, create_role: true, create_db: true, login: true, ..Self::default() }
    }
}

#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Membership {
    /// May make others members.
    pub admin: bool,
    pub grantor: String,
}

fn yes() -> bool {
    true
}

/// Roles that are always there, whose members may do something with everything.
pub const READ_ALL_DATA: &str = "pg_read_all_data";
pub const WRITE_ALL_DATA: &str = "pg_write_all_data";
/// May see what others run.
pub const READ_ALL_STATS: &str = "pg_read_all_stats";
pub const MONITOR: &str = "pg_monitor";
/// May cancel what others run.
pub const SIGNAL_BACKEND: &str = "pg_signal_backend";

/// The roles of PostgreSQL that nobody makes.
pub const PREDEFINED: [&str; 13] = [
    "pg_checkpoint",
    "pg_database_owner",
    "pg_execute_server_program",
    MONITOR,
    READ_ALL_DATA,
    "pg_read_all_settings",
    READ_ALL_STATS,
    "pg_read_server_files",
    SIGNAL_BACKEND,
    "pg_stat_scan_tables",
    WRITE_ALL_DATA,
    "pg_write_server_files",
    "pg_use_reserved_connections",
];
