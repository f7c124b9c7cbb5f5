//! `pg_attrdef`: defaults of columns.

use super::objects::{column_default, generation_expression};
use super::oids::{Part, part};
use super::pg_attribute::number;
use super::{Rows, Source};

pub(super) fn fill(rows: &mut Rows, source: &Source<'_>) {
    for (_, table) in source.snapshot.tables() {
        for (index, field) in table.schema.fields().iter().enumerate() {
            let default = column_default(table, field.name()).or_else(|| generation_expression(table, field.name()));
            if let Some(default) = default {
                rows.push(&[
                    ("oid", part(table.oid, Part::Default, index).into()),
                    ("adrelid", table.oid.into()),
                    ("adnum", number(index).into()),
                    ("adbin", default.into()),
                ]);
            }
        }
    }
}
