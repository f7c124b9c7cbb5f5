//! What all kinds of `DROP` have in common: what depends on an object goes with it, or keeps it.

use crate::catalog::CatalogSnapshot;
use crate::catalog::object::{Change, Definition, Object};
use crate::error::{Error, Result};
use crate::response::{Notice, Severity};
use crate::session::Session;
use crate::sql_state::SqlState;

/// The changes that drop `oids`, and with `cascade` what depends on them.
pub(super) fn drop_objects(session: &Session, snapshot: &CatalogSnapshot, oids: &[u32], cascade: bool) -> Result<Vec<Change>> {
    let all: Vec<&Object> = snapshot.with_dependents(oids).iter().filter_map(|oid| snapshot.object(*oid)).map(AsRef::as_ref).collect();
    let (wanted, dependents): (Vec<&Object>, Vec<&Object>) = all.iter().partition(|object| oids.contains(&object.oid));
    // What would be granted in a schema that goes is no reason to keep it.
    let is_reason = |object: &&Object| !matches!(object.definition, Definition::Defaults { .. });
    let dependents: Vec<&Object> = dependents.into_iter().filter(is_reason).collect();
    if !dependents.is_empty() && !cascade {
        let what = match wanted.as_slice() {
            [object] => described(session, snapshot, object),
            _ => "desired object(s)".into(),
        };
        let because = |dependent: &&Object| {
            let on = all.iter().find(|object| depends(snapshot, dependent, object));
            let on = on.map_or_else(String::new, |object| described(session, snapshot, object));
            format!("{} depends on {on}", described(session, snapshot, dependent))
        };
        return Err(Error::Dependents { what, dependents: dependents.iter().map(because).collect() });
    }
    if !dependents.is_empty() {
        let names: Vec<String> = dependents.iter().map(|object| described(session, snapshot, object)).collect();
        let (message, detail) = match names.as_slice() {
            [name] => (format!("drop cascades to {name}"), None),
            names => {
                let lines: Vec<String> = names.iter().map(|name| format!("drop cascades to {name}")).collect();
                (format!("drop cascades to {} other objects", names.len()), Some(lines.join("\n")))
            }
        };
        let sql_state = SqlState::SUCCESSFUL_COMPLETION;
        session.notify(Notice { severity: Severity::Notice, sql_state, message, detail, hint: None });
    }
    Ok(all.into_iter().map(Change::drop).collect())
}

fn depends(snapshot: &CatalogSnapshot, dependent: &Object, object: &Object) -> bool {
    let is_inside = dependent.definition.is_relation() && dependent.parent == object.oid;
    is_inside || dependent.definition.view().is_some_and(|view| snapshot.reads(view, object.oid))
}

/// Such as `view sales.orders`, with the schema where the search path does not lead there.
pub(super) fn described(session: &Session, snapshot: &CatalogSnapshot, object: &Object) -> String {
    match &object.definition {
        Definition::Role(_) => format!("role {}", object.name),
        Definition::Served => format!("table {}", object.name),
        Definition::Database => format!("database {}", object.name),
        Definition::Location { .. } => format!("location {}", object.name),
        Definition::Secret(_) => format!("secret {}", object.name),
        Definition::Defaults { .. } => format!("default privileges of objects of role {}", object.name),
        Definition::Schema { .. } => format!("schema {}", object.name),
        Definition::View(_) | Definition::Table(_) | Definition::External(_) => {
            let kind = match &object.definition {
                Definition::View(_) => "view",
                Definition::Table(table) if table.materialized.is_some() => "materialized view",
                _ => "table",
            };
            let path = session.lookup_path();
            let first = path.iter().filter_map(|name| snapshot.schema(name)).find(|schema| schema.tables.contains_key(&object.name));
            match (first, snapshot.object(object.parent)) {
                (Some(schema), _) if schema.oid == object.parent => format!("{kind} {}", object.name),
                (_, Some(schema)) => format!("{kind} {}.{}", schema.name, object.name),
                (_, None) => format!("{kind} {}", object.name),
            }
        }
    }
}
