//! `pg_rewrite`: the rule that makes a view.

use super::oids::{Part, part};
use super::{Rows, Source};
use crate::catalog::TableKind;

pub(super) fn fill(rows: &mut Rows, source: &Source<'_>) {
    for (_, table) in source.snapshot.tables().filter(|(_, table)| matches!(table.kind, TableKind::View | TableKind::MaterializedView)) {
        rows.push(&[
            ("oid", part(table.oid, Part::Rule, 0).into()),
            ("rulename", "_RETURN".into()),
            ("ev_class", table.oid.into()),
            ("ev_type", "1".into()),
            ("ev_enabled", "O".into()),
            ("is_instead", true.into()),
            ("ev_qual", "<>".into()),
            ("ev_action", "<>".into()),
        ]);
    }
}
