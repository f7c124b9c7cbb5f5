//! What the catalog keeps: objects with an oid that never changes, a name, an owner and a definition.

use serde::{Deserialize, Serialize};

use super::external_table::ExternalTableDefinition;
use super::grants::{Grants, Securable};
use super::role::RoleDefinition;
use super::secret::SecretDefinition;
use super::table::TableDefinition;
use super::view::ViewDefinition;

/// One object as it is kept.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Object {
    pub oid: u32,
    /// The schema of what is in one; 0 for others.
    pub parent: u32,
    pub name: String,
    pub owner: String,
    pub grants: Grants,
    pub definition: Definition,
    /// Of the transaction that changed it last; 0 while that has not committed.
    pub version: u64,
    pub dropped: bool,
}

#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "kind", rename_all = "snake_case")]
pub enum Definition {
    Schema {
        #[serde(default, skip_serializing_if = "Option::is_none")]
        comment: Option<String>,
    },
    View(ViewDefinition),
    Table(TableDefinition),
    External(ExternalTableDefinition),
    Role(RoleDefinition),
    /// Owner and grants of a table that is not in the catalog and has this name.
    Served,
    /// Grants on the database.
    Database,
    /// Grants on what is below a URL or path, which is the name.
    Location {
        /// Where a path is whose name has symbolic links.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        real: Option<String>,
    },
    /// Credentials of an object store.
    Secret(SecretDefinition),
    /// What its owner grants on tables or schemas that it makes, those of a schema if there is a parent.
    Defaults { on: Securable },
}

impl Definition {
    /// Objects of one name space and parent have different names.
    pub fn name_space(&self) -> &'static str {
        match self {
            Self::Schema { .. } => "schema",
            Self::View(_) | Self::Table(_) | Self::External(_) => "relation",
            Self::Role(_) => "role",
            Self::Served => "served",
            Self::Database => "database",
            Self::Location { .. } => "location",
            Self::Secret(_) => "secret",
            Self::Defaults { on: Securable::Schema } => "default schema",
            Self::Defaults { .. } => "default",
        }
    }

    /// A location of this name, and where it is.
    pub fn locations(&self, name: &str) -> Vec<String> {
        match self {
            Self::Location { real } => [name.to_owned()].into_iter().chain(real.clone()).collect(),
            _ => vec![],
        }
    }

    /// Oids of what a view reads.
    /// The query of a view or a materialized view.
    pub fn view(&self) -> Option<&ViewDefinition> {
        match self {
            Self::View(view) => Some(view),
            Self::Table(TableDefinition { materialized: Some(view), .. }) => Some(view),
            _ => None,
        }
    }

    pub fn depends_on(&self) -> &[u32] {
        match self {
            Self::View(view) => &view.depends_on,
            Self::Table(TableDefinition { materialized: Some(view), .. }) => &view.depends_on,
            _ => &[],
        }
    }

    pub fn is_relation(&self) -> bool {
        matches!(self, Self::View(_) | Self::Table(_) | Self::External(_))
    }

    /// What privileges on such an object are called after; `None` if there are none.
    pub fn securable(&self) -> Option<Securable> {
        match self {
            Self::View(_) | Self::Table(_) | Self::External(_) | Self::Served => Some(Securable::Relation),
            Self::Schema { .. } => Some(Securable::Schema),
            Self::Database => Some(Securable::Database),
            Self::Location { .. } => Some(Securable::Location),
            Self::Secret(_) => Some(Securable::Secret),
            Self::Role(_) | Self::Defaults { .. } => None,
        }
    }
}

/// An object to be created or changed; dropping it is a change.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Change {
    /// As it will be.
    pub object: Object,
    /// The version of the object that was changed; `None` creates it.
    pub seen: Option<u64>,
}

impl Change {
    /// Makes an object that has never been.
    pub fn create(oid: u32, parent: u32, name: &str, owner: &str, definition: Definition) -> Self {
        let (name, owner) = (name.to_owned(), owner.to_owned());
        let grants = Grants::default();
        Self { object: Object { oid, parent, name, owner, grants, definition, version: 0, dropped: false }, seen: None }
    }

    /// `object` after `change`.
    pub fn alter(object: &Object, change: impl FnOnce(&mut Object)) -> Self {
        let mut changed = object.clone();
        change(&mut changed);
        // One that the same transaction made is made as it is in the end.
        Self { object: changed, seen: (object.version > 0).then_some(object.version) }
    }

    pub fn drop(object: &Object) -> Self {
        Self::alter(object, |object| object.dropped = true)
    }
}

/// `changes` after those of the same transaction that came before: one for each object.
pub fn merge(before: &[Change], changes: &[Change]) -> Vec<Change> {
    let mut merged: Vec<Change> = before.to_vec();
    for change in changes {
        match merged.iter_mut().find(|other| other.object.oid == change.object.oid) {
            Some(other) => other.object = change.object.clone(),
            None => merged.push(change.clone()),
        }
    }
    // What was made and dropped has never been.
    merged.retain(|change| change.seen.is_some() || !change.object.dropped);
    merged
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_kept_is_read_as_it_was() {
        let secret = SecretDefinition { kind: "s3".into(), sealed: "AAAA".into() };
        for definition in [
            Definition::Schema { comment: Some("why".into()) },
            Definition::Role(RoleDefinition { inherit: true, ..RoleDefinition::default() }),
            Definition::Served,
            Definition::Database,
            Definition::Location { real: Some("/real".into()) },
            Definition::Secret(secret),
            Definition::Defaults { on: Securable::Relation },
        ] {
            let text = serde_json::to_string(&definition).expect("written");
            assert_eq!(serde_json::from_str::<Definition>(&text).expect(&text), definition);
        }
    }

    #[test]
    fn a_transaction_has_one_change_for_each_object() {
        let schema = Definition::Schema { comment: None };
        let create = Change::create(20_000, 0, "a", "me", schema.clone());
        let rename = Change::alter(&create.object, |object| object.name = "b".into());
        let stored = Object { version: 7, ..Change::create(20_001, 0, "c", "me", schema).object };
        let drop = Change::drop(&stored);
        let merged = merge(&merge(&[], std::slice::from_ref(&create)), &[rename.clone(), drop.clone()]);
        assert_eq!(merged, [rename.clone(), drop]);
        assert_eq!(merge(&[create], &[Change::drop(&rename.object)]), []);
    }
}
