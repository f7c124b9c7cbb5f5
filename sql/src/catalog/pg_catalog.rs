//! The schema `pg_catalog`: PostgreSQL 15's system tables, computed from a catalog snapshot when a statement reads them.

pub mod data;
pub mod format_type;
pub mod objects;
pub mod oids;
pub mod types;

mod acl;
mod pg_attrdef;
mod pg_attribute;
mod pg_class;
pub mod pg_constraint;
mod pg_database;
pub mod pg_description;
pub mod pg_index;
mod pg_namespace;
pub mod pg_proc;
mod pg_depend;
mod pg_rewrite;
mod pg_settings;
mod pg_stat;
mod pg_tables;
mod pg_type;
pub mod roles;
mod rows;
mod system_schema;

pub use objects::Source;
pub use rows::{Rows, schema_of};
pub use system_schema::{SystemSchema, SystemTable};

use arrow::record_batch::RecordBatch;
use datafusion::error::Result;

use data::Relation;

pub const PG_CATALOG: &str = "pg_catalog";

/// Whether a relation's rows follow from the snapshot alone, so that they can be kept for the next statement.
fn depends_on_session(name: &str) -> bool {
    matches!(
        name,
        "pg_settings" | "pg_stat_activity" | "pg_roles" | "pg_authid" | "pg_user" | "pg_shadow" | "pg_group" | "pg_cursors"
            | "pg_prepared_statements" | "pg_database" | "pg_stat_database" | "pg_auth_members"
    )
}

/// The rows of a relation of `pg_catalog`. What we have nothing of is empty.
fn rows_of(relation: &'static Relation, source: &Source<'_>) -> Result<RecordBatch> {
    let mut rows = Rows::new(relation);
    match relation.name {
        "pg_attrdef" => pg_attrdef::fill(&mut rows, source),
        "pg_auth_members" => acl::pg_auth_members(&mut rows, source),
        "pg_default_acl" => acl::pg_default_acl(&mut rows, source),
        "pg_attribute" => pg_attribute::fill(&mut rows, source),
        "pg_authid" => roles::pg_authid(&mut rows, source),
        "pg_class" => pg_class::fill(&mut rows, source),
        "pg_constraint" => pg_constraint::fill(&mut rows, source),
        "pg_database" => pg_database::fill(&mut rows, source),
        "pg_description" => pg_description::fill(&mut rows, source),
        "pg_shdescription" => pg_description::pg_shdescription(&mut rows, source),
        "pg_group" => roles::pg_group(&mut rows, source),
        "pg_index" => pg_index::fill(&mut rows, source),
        "pg_indexes" => pg_index::pg_indexes(&mut rows, source),
        "pg_namespace" => pg_namespace::fill(&mut rows, source),
        "pg_proc" => pg_proc::fill(&mut rows),
        "pg_depend" => pg_depend::fill(&mut rows, source),
        "pg_rewrite" => pg_rewrite::fill(&mut rows, source),
        "pg_roles" => roles::pg_roles(&mut rows, source),
        "pg_settings" => pg_settings::fill(&mut rows, source),
        "pg_shadow" => roles::pg_shadow(&mut rows, source),
        "pg_stat_activity" => pg_stat::pg_stat_activity(&mut rows, source),
        "pg_stat_database" => pg_stat::pg_stat_database(&mut rows, source),
        "pg_stat_all_tables" | "pg_stat_user_tables" => pg_stat::pg_stat_user_tables(&mut rows, source),
        "pg_tables" => pg_tables::pg_tables(&mut rows, source),
        "pg_type" => pg_type::fill(&mut rows, source),
        "pg_user" => roles::pg_user(&mut rows, source),
        "pg_matviews" => pg_tables::pg_matviews(&mut rows, source),
        "pg_views" => pg_tables::pg_views(&mut rows, source),
        name => rows.push_dump(name),
    }
    rows.finish()
}
