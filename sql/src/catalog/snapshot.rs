//! All objects at one moment.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use super::object::{Definition, Object};
use super::pg_catalog::objects::COMMENT;
use super::planned_relation::PlannedRelation;
use super::role::RoleDefinition;
use super::secret::SecretDefinition;
use super::{PUBLIC_SCHEMA_OID, Schema, Table, TableDefinition, TableKind, ViewDefinition};

/// All schemas and tables at one moment. Never changes.
#[derive(Debug)]
pub struct CatalogSnapshot {
    pub database: String,
    /// No two snapshots of a process have the same.
    pub version: u64,
    /// In the order of their names.
    pub schemas: Vec<Arc<Schema>>,
    /// The version of the store that it has all of.
    stored_version: u64,
    objects: BTreeMap<u32, Arc<Object>>,
    /// Those of `objects` that queries can name.
    relations: BTreeMap<u32, Arc<Table>>,
    /// Tables that are not in the store, in the schema that was made as `public`.
    served: Arc<[Arc<Table>]>,
    /// Oids of what is found by its kind and name.
    named: BTreeMap<(&'static str, String), u32>,
}

impl CatalogSnapshot {
    pub(super) fn new(database: &str, served: Vec<Arc<Table>>) -> Self {
        Self {
            database: database.to_owned(),
            version: next_version(),
            schemas: vec![],
            stored_version: 0,
            objects: BTreeMap::new(),
            relations: BTreeMap::new(),
            served: served.into(),
            named: BTreeMap::new(),
        }
    }

    /// The snapshot with `changed` objects as they are now.
    pub(crate) fn with(&self, changed: impl IntoIterator<Item = Object>, stored_version: u64) -> Self {
        let (mut objects, mut relations) = (self.objects.clone(), self.relations.clone());
        for object in changed {
            relations.remove(&object.oid);
            if object.dropped {
                objects.remove(&object.oid);
                continue;
            }
            if let Some(table) = relation(&object) {
                relations.insert(object.oid, Arc::new(table));
            }
            objects.insert(object.oid, Arc::new(object));
        }
        let schemas = schemas(&objects, &relations, &self.served);
        let is_found_so = |object: &&Arc<Object>| !object.definition.is_relation() && !matches!(object.definition, Definition::Schema { .. } | Definition::Defaults { .. });
        let others = objects.values().filter(is_found_so);
        let named = others.map(|object| ((object.definition.name_space(), object.name.clone()), object.oid)).collect();
        let (database, served) = (self.database.clone(), Arc::clone(&self.served));
        Self { database, version: next_version(), schemas, stored_version, objects, relations, served, named }
    }

    pub(crate) fn stored_version(&self) -> u64 {
        self.stored_version
    }

    /// An object of the store.
    pub(crate) fn object(&self, oid: u32) -> Option<&Arc<Object>> {
        self.objects.get(&oid)
    }

    /// The definition of a table that can be written.
    pub(crate) fn table_definition(&self, oid: u32) -> Option<&TableDefinition> {
        match &self.object(oid)?.definition {
            Definition::Table(table) => Some(table),
            _ => None,
        }
    }

    /// `object` and what cannot be without it: what is in a schema, and views of a table.
    pub(crate) fn with_dependents(&self, oids: &[u32]) -> Vec<u32> {
        let mut all = oids.to_vec();
        let mut known = 0;
        while known < all.len() {
            known = all.len();
            let depends = |object: &Object| {
                let is_inside = object.definition.is_relation() || matches!(object.definition, Definition::Defaults { .. });
                (is_inside && all.contains(&object.parent)) || object.definition.view().is_some_and(|view| all.iter().any(|oid| self.reads(view, *oid)))
            };
            let more: Vec<u32> = self.objects.values().filter(|object| depends(object)).map(|object| object.oid).collect();
            for oid in more {
                if !all.contains(&oid) {
                    all.push(oid);
                }
            }
        }
        all
    }

    /// Whether a view was made of a table or another view, as PostgreSQL's are, or reads it now by its name.
    pub(crate) fn reads(&self, view: &ViewDefinition, oid: u32) -> bool {
        if view.depends_on.contains(&oid) {
            return true;
        }
        let Some((schema, table)) = self.table(oid) else { return false };
        view.reads.iter().any(|(parent, name)| *parent == schema.name && *name == table.name)
    }

    /// All objects of the store.
    pub(crate) fn objects(&self) -> impl Iterator<Item = &Arc<Object>> {
        self.objects.values()
    }

    fn named(&self, name_space: &'static str, name: &str) -> Option<&Arc<Object>> {
        self.object(*self.named.get(&(name_space, name.to_owned()))?)
    }

    /// A role that was made.
    pub(crate) fn role(&self, name: &str) -> Option<(&Object, &RoleDefinition)> {
        let object = self.named("role", name)?;
        match &object.definition {
            Definition::Role(role) => Some((object, role)),
            _ => None,
        }
    }

    /// The roles that were made.
    pub(crate) fn roles(&self) -> impl Iterator<Item = (&Object, &RoleDefinition)> {
        self.named.range(("role", String::new())..).take_while(|((kind, _), _)| *kind == "role").filter_map(|((_, name), _)| self.role(name))
    }

    /// What keeps owner and grants of a relation; `None` as long as it has those of its schema's owner.
    pub(crate) fn rights_of(&self, table: &Table) -> Option<&Arc<Object>> {
        self.object(table.oid).or_else(|| self.named("served", &table.name))
    }

    pub(crate) fn owner_of<'a>(&'a self, schema: &'a Schema, table: &'a Table) -> &'a str {
        self.rights_of(table).map_or(&schema.owner, |object| &object.owner)
    }

    pub(crate) fn database_rights(&self) -> Option<&Arc<Object>> {
        self.named("database", &self.database)
    }

    /// A secret that was made.
    pub(crate) fn secret(&self, name: &str) -> Option<(&Object, &SecretDefinition)> {
        let object = self.named("secret", name)?;
        match &object.definition {
            Definition::Secret(secret) => Some((object, secret)),
            _ => None,
        }
    }

    /// The secrets that were made.
    pub(crate) fn secrets(&self) -> impl Iterator<Item = (&Object, &SecretDefinition)> {
        self.named.range(("secret", String::new())..).take_while(|((kind, _), _)| *kind == "secret").filter_map(|((_, name), _)| self.secret(name))
    }

    /// Grants on locations.
    pub(crate) fn locations(&self) -> impl Iterator<Item = &Arc<Object>> {
        let all = self.named.range(("location", String::new())..).take_while(|((kind, _), _)| *kind == "location");
        all.filter_map(|(_, oid)| self.object(*oid))
    }

    pub fn schema(&self, name: &str) -> Option<&Arc<Schema>> {
        self.schemas.iter().find(|schema| schema.name == name)
    }

    /// A table with its schema.
    pub(crate) fn table(&self, oid: u32) -> Option<(&Arc<Schema>, &Arc<Table>)> {
        let in_schema = |schema: u32| self.schemas.iter().find(|known| known.oid == schema);
        match self.relations.get(&oid) {
            Some(table) => Some((in_schema(self.objects.get(&oid)?.parent)?, table)),
            None => Some((in_schema(PUBLIC_SCHEMA_OID)?, self.served.iter().find(|table| table.oid == oid)?)),
        }
    }

    /// Every table, with its schema.
    pub fn tables(&self) -> impl Iterator<Item = (&Arc<Schema>, &Arc<Table>)> {
        self.schemas.iter().flat_map(|schema| schema.tables.values().map(move |table| (schema, table)))
    }
}

fn next_version() -> u64 {
    static LAST: AtomicU64 = AtomicU64::new(0);
    LAST.fetch_add(1, Ordering::Relaxed) + 1
}

fn schemas(
    objects: &BTreeMap<u32, Arc<Object>>,
    relations: &BTreeMap<u32, Arc<Table>>,
    served: &[Arc<Table>],
) -> Vec<Arc<Schema>> {
    let mut tables: BTreeMap<u32, BTreeMap<String, Arc<Table>>> = BTreeMap::new();
    let stored = relations.values().filter_map(|table| Some((objects.get(&table.oid)?.parent, table)));
    for (schema, table) in stored.chain(served.iter().map(|table| (PUBLIC_SCHEMA_OID, table))) {
        tables.entry(schema).or_default().insert(table.name.clone(), Arc::clone(table));
    }
    let mut by_name = BTreeMap::new();
    for object in objects.values() {
        let Definition::Schema { comment } = &object.definition else { continue };
        let tables = tables.remove(&object.oid).unwrap_or_default();
        let (name, owner) = (object.name.clone(), object.owner.clone());
        let schema = Schema { oid: object.oid, name: name.clone(), owner, comment: comment.clone(), tables };
        by_name.insert(name, Arc::new(schema));
    }
    by_name.into_values().collect()
}

fn relation(object: &Object) -> Option<Table> {
    let (kind, columns, comment, query, location) = match &object.definition {
        Definition::View(view) => (TableKind::View, &view.columns, &view.comment, Some(view.query.clone()), None),
        Definition::Table(table) => {
            let query = table.materialized.as_ref().map(|view| view.query.clone());
            let kind = if query.is_some() { TableKind::MaterializedView } else { TableKind::Table };
            (kind, &table.columns, &table.comment, query, Some(table.location.clone()))
        }
        Definition::External(table) => (TableKind::External, &table.columns, &table.comment, None, Some(table.location.clone())),
        _ => return None,
    };
    let definition = match &object.definition {
        Definition::Table(table) => Some(table.clone()),
        _ => None,
    };
    let metadata = comment.iter().map(|comment| (COMMENT.to_owned(), comment.clone())).collect();
    let schema = Arc::new(columns.clone().with_metadata(metadata));
    Some(Table {
        oid: object.oid,
        name: object.name.clone(),
        kind,
        schema: Arc::clone(&schema),
        location,
        provider: Arc::new(PlannedRelation { schema, query }),
        delta: None,
        definition,
        row_count: None,
        size_bytes: None,
    })
}
