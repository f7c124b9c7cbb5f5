//! `pg_namespace`: schemas.

use super::acl::{list_of, usable_by_all};
use super::oids;
use super::roles::role_oid;
use super::{PG_CATALOG, Rows, Source};
use crate::catalog::information_schema::INFORMATION_SCHEMA;
use crate::privileges::secured_schema;

pub(super) fn fill(rows: &mut Rows, source: &Source<'_>) {
    for (oid, name) in [(oids::PG_CATALOG_SCHEMA, PG_CATALOG), (oids::INFORMATION_SCHEMA, INFORMATION_SCHEMA)] {
        rows.push(&[("oid", oid.into()), ("nspname", name.into()), ("nspowner", oids::BOOTSTRAP_ROLE.into()), ("nspacl", usable_by_all())]);
    }
    for schema in &source.snapshot.schemas {
        rows.push(&[
            ("oid", schema.oid.into()),
            ("nspname", schema.name.as_str().into()),
            ("nspowner", role_oid(source, &schema.owner).into()),
            ("nspacl", list_of(&secured_schema(source.snapshot, schema))),
        ]);
    }
}
