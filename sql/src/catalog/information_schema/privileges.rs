//! `role_table_grants` and `table_privileges`: what owners may do. There are no other grants.

use super::yes_or_no;
use crate::catalog::pg_catalog::{Rows, Source};

const TABLE_PRIVILEGES: [&str; 7] = ["INSERT", "SELECT", "UPDATE", "DELETE", "TRUNCATE", "REFERENCES", "TRIGGER"];

pub(super) fn fill(rows: &mut Rows, source: &Source<'_>) {
    for (schema, table) in source.snapshot.tables() {
        for privilege in TABLE_PRIVILEGES {
            rows.push(&[
                ("grantor", schema.owner.as_str().into()),
                ("grantee", schema.owner.as_str().into()),
                ("table_catalog", source.snapshot.database.as_str().into()),
                ("table_schema", schema.name.as_str().into()),
                ("table_name", table.name.as_str().into()),
                ("privilege_type", privilege.into()),
                ("is_grantable", yes_or_no(true)),
                ("with_hierarchy", yes_or_no(privilege == "SELECT")),
            ]);
        }
    }
}
