//! `pg_depend`: what views read.

use std::collections::BTreeSet;

use super::oids::{Part, part};
use super::{Rows, Source};

/// System tables that have an OID in PostgreSQL.
const PG_CLASS: u32 = 1259;
const PG_REWRITE: u32 = 2618;

pub(super) fn fill(rows: &mut Rows, source: &Source<'_>) {
    for (_, table) in source.snapshot.tables() {
        let Some(view) = source.snapshot.object(table.oid).and_then(|object| object.definition.view()) else { continue };
        let named = view.reads.iter().filter_map(|(schema, name)| source.snapshot.schema(schema)?.tables.get(name)).map(|table| table.oid);
        let made_of = view.depends_on.iter().copied().filter(|oid| source.snapshot.table(*oid).is_some());
        let read: BTreeSet<u32> = named.chain(made_of).collect();
        // The rule is a part of the view, and needs what it reads.
        for (referenced, kind) in [(table.oid, "i")].into_iter().chain(read.into_iter().map(|oid| (oid, "n"))) {
            rows.push(&[
                ("classid", PG_REWRITE.into()),
                ("objid", part(table.oid, Part::Rule, 0).into()),
                ("objsubid", 0.into()),
                ("refclassid", PG_CLASS.into()),
                ("refobjid", referenced.into()),
                ("refobjsubid", 0.into()),
                ("deptype", kind.into()),
            ]);
        }
    }
}
