//! `pg_database`: the one database there is.

use udfs::postgres::value::Value;

use super::{Rows, Source, oids};

/// Number of the encoding UTF8.
pub const UTF8: i64 = 6;

pub(super) fn fill(rows: &mut Rows, source: &Source<'_>) {
    rows.push(&[
        ("oid", oids::DATABASE.into()),
        ("datname", source.snapshot.database.as_str().into()),
        ("datdba", oids::BOOTSTRAP_ROLE.into()),
        ("encoding", UTF8.into()),
        ("datlocprovider", "c".into()),
        ("datallowconn", true.into()),
        ("datconnlimit", Value::Int(-1)),
        ("dattablespace", oids::DEFAULT_TABLESPACE.into()),
        ("datcollate", "C".into()),
        ("datctype", "C".into()),
    ]);
}
