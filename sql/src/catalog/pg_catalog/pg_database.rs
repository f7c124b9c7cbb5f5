//! `pg_database`: the one database there is.

use udfs::postgres::value::Value;

use super::acl::list_of;
use super::roles::role_oid;
use super::{Rows, Source, oids};
use crate::privileges::secured_database;

/// Number of the encoding UTF8.
pub const UTF8: i64 = 6;

pub(super) fn fill(rows: &mut Rows, source: &Source<'_>) {
    let database = secured_database(source.snapshot);
    rows.push(&[
        ("oid", oids::DATABASE.into()),
        ("datname", source.snapshot.database.as_str().into()),
        ("datdba", role_oid(source, &database.owner).into()),
        ("encoding", UTF8.into()),
        ("datlocprovider", "c".into()),
        ("datallowconn", true.into()),
        ("datconnlimit", Value::Int(-1)),
        ("dattablespace", oids::DEFAULT_TABLESPACE.into()),
        ("datcollate", "C".into()),
        ("datctype", "C".into()),
        ("datacl", list_of(&database)),
    ]);
}
