//! `GRANT` and `REVOKE` of privileges on objects.

use std::collections::BTreeMap;
use std::sync::Arc;

use datafusion::sql::sqlparser::ast::{Ident, ObjectName};

use super::command;
use super::names::{folded, relation_in, role, schema_name, unquoted};
use super::roles::{check_superuser, warn};
use crate::catalog::grants::{Circular, Dependent, Grant, Grants, Privilege, Securable, check_circular, defaults, grant, passes_on, revoke};
use crate::catalog::location::granted_location;
use crate::catalog::object::{Change, Definition, Object};
use crate::catalog::{BOOTSTRAP_ROLE, CatalogSnapshot};
use crate::error::{Error, Result};
use crate::parser::grant::{GrantChange, GrantedOn};
use crate::privileges::{Rights, Secured, denied, secured_database, secured_object, secured_relation, secured_schema};
use crate::response::Response;
use crate::session::Session;
use crate::sql_state::SqlState;

/// Privileges on a whole object, and on columns of it.
#[derive(Debug, Default)]
pub(super) struct Wanted {
    pub(super) object: Vec<Privilege>,
    pub(super) columns: BTreeMap<String, Vec<Privilege>>,
}

/// What is granted on.
#[derive(PartialEq, Eq, PartialOrd, Ord)]
enum Target {
    Relation(u32),
    Schema(u32),
    Database,
    Location { name: String, real: Option<String> },
    Secret(String),
}

pub(super) async fn grant_privileges(session: &Arc<Session>, change: &GrantChange) -> Result<Response> {
    let snapshot = session.catalog();
    let grantees = grantees(session, &snapshot, change)?;
    if let Some(grantor) = &change.granted_by
        && role(session, &snapshot, grantor)? != session.role()
    {
        return Err(Error::classified(SqlState::FEATURE_NOT_SUPPORTED, "grantor must be current user"));
    }
    let mut targets = targets(session, &snapshot, &change.on)?;
    targets.sort();
    targets.dedup();
    // For those whose owner and grants are kept apart from them.
    let oids = session.sessions().catalog.new_oids(u32::try_from(targets.len()).unwrap_or(u32::MAX)).await?;
    session
        .change_catalog(|snapshot| {
            let rights = Rights::in_session(session, snapshot);
            let mut changes = vec![];
            for (target, oid) in targets.iter().zip(oids.clone()) {
                changes.extend(target.change(session, &rights, change, &grantees, oid)?);
            }
            Ok(changes)
        })
        .await?;
    Ok(command(if change.grants { "GRANT" } else { "REVOKE" }))
}

/// Who is granted something; `None` is everybody.
pub(super) fn grantees(session: &Session, snapshot: &CatalogSnapshot, change: &GrantChange) -> Result<Vec<Option<String>>> {
    let grantee = |name: &Ident| match name.quote_style.is_none() && folded(name) == "public" {
        true if change.grants && change.option => {
            Err(Error::classified(SqlState::INVALID_GRANT_OPERATION, "grant options can only be granted to roles"))
        }
        true => Ok(None),
        false => role(session, snapshot, name).map(Some),
    };
    change.grantees.iter().map(grantee).collect()
}

fn targets(session: &Session, snapshot: &CatalogSnapshot, on: &GrantedOn) -> Result<Vec<Target>> {
    let schema = |name: &ObjectName| {
        let name = schema_name(name, snapshot)?;
        snapshot.schema(&name).ok_or(Error::UndefinedSchema { name })
    };
    match on {
        GrantedOn::Tables(names) => names
            .iter()
            .map(|name| {
                let undefined = || Error::UndefinedTable { name: unquoted(name), nearest: None, position: None };
                Ok(Target::Relation(relation_in(session, name, snapshot)?.ok_or_else(undefined)?.1.oid))
            })
            .collect(),
        GrantedOn::AllTablesIn(schemas) => {
            let mut targets = vec![];
            for name in schemas {
                targets.extend(schema(name)?.tables.values().map(|table| Target::Relation(table.oid)));
            }
            Ok(targets)
        }
        GrantedOn::NothingIn(schemas) => schemas.iter().map(schema).collect::<Result<Vec<_>>>().map(|_| vec![]),
        GrantedOn::Schemas(names) => names.iter().map(|name| Ok(Target::Schema(schema(name)?.oid))).collect(),
        GrantedOn::Databases(names) => names
            .iter()
            .map(|name| match unquoted(name) {
                name if name == snapshot.database => Ok(Target::Database),
                name => Err(Error::UndefinedDatabase { name }),
            })
            .collect(),
        GrantedOn::Locations(locations) => locations.iter().map(|location| granted_location(location).map(|(name, real)| Target::Location { name, real })).collect(),
        GrantedOn::Secrets(names) => names
            .iter()
            .map(|name| {
                let name = folded(name);
                snapshot.secret(&name).map(|_| Target::Secret(name.clone())).ok_or(Error::UndefinedSecret { name })
            })
            .collect(),
        GrantedOn::Roles(_) | GrantedOn::NewTables | GrantedOn::NewSchemas | GrantedOn::NewOthers => {
            Err(Error::internal("a GRANT of privileges is one of something else"))
        }
    }
}

impl Target {
    /// What makes the change; nothing if it changes nothing. `oid` is for an object that keeps the grants.
    fn change(&self, session: &Session, rights: &Rights<'_>, change: &GrantChange, grantees: &[Option<String>], oid: u32) -> Result<Option<Change>> {
        let snapshot = rights.snapshot;
        match self {
            Self::Relation(relation) => {
                let gone = || Error::UndefinedTable { name: relation.to_string(), nearest: None, position: None };
                let (schema, table) = snapshot.table(*relation).ok_or_else(gone)?;
                let secured = secured_relation(snapshot, schema, table);
                let wanted = wanted(change, Securable::Relation, |column| table.schema.index_of(column).is_ok(), &table.name)?;
                let new = || Change::create(oid, 0, &table.name, &secured.owner, Definition::Served).object;
                apply(session, rights, change, grantees, &secured, &wanted, snapshot.rights_of(table).map(AsRef::as_ref), new)
            }
            Self::Schema(schema) => {
                let found = snapshot.schemas.iter().find(|found| found.oid == *schema);
                let found = found.ok_or_else(|| Error::UndefinedSchema { name: schema.to_string() })?;
                let wanted = wanted(change, Securable::Schema, |_| false, &found.name)?;
                let object = snapshot.object(*schema);
                let new = || Change::create(oid, 0, &found.name, &found.owner, Definition::Schema { comment: None }).object;
                apply(session, rights, change, grantees, &secured_schema(snapshot, found), &wanted, object.map(AsRef::as_ref), new)
            }
            Self::Database => {
                let wanted = wanted(change, Securable::Database, |_| false, &snapshot.database)?;
                let object = snapshot.database_rights().map(AsRef::as_ref);
                let new = || Change::create(oid, 0, &snapshot.database, BOOTSTRAP_ROLE, Definition::Database).object;
                apply(session, rights, change, grantees, &secured_database(snapshot), &wanted, object, new)
            }
            Self::Secret(name) => {
                let (object, _) = snapshot.secret(name).ok_or_else(|| Error::UndefinedSecret { name: name.clone() })?;
                let wanted = wanted(change, Securable::Secret, |_| false, name)?;
                apply(session, rights, change, grantees, &secured_object(object), &wanted, Some(object), || object.clone())
            }
            Self::Location { name: location, real } => {
                let wanted = wanted(change, Securable::Location, |_| false, location)?;
                let object = snapshot.locations().find(|object| object.name == *location).map(AsRef::as_ref);
                let made = Change::create(oid, 0, location, &rights.role, Definition::Location { real: real.clone() }).object;
                if object.is_none() {
                    check_superuser(rights, &format!("permission denied for location {location}"))?;
                }
                apply(session, rights, change, grantees, &secured_object(object.unwrap_or(&made)), &wanted, object, || made.clone())
            }
        }
    }
}

/// What a statement names, checked against what there is of objects of this kind.
pub(super) fn wanted(change: &GrantChange, kind: Securable, has_column: impl Fn(&str) -> bool, name: &str) -> Result<Wanted> {
    let mut wanted = Wanted::default();
    let mut add = |privileges: &[Privilege], columns: &[Ident]| {
        if columns.is_empty() {
            wanted.object.extend_from_slice(privileges);
            return Ok(());
        }
        for column in columns {
            let column = folded(column);
            if kind == Securable::Relation && !has_column(&column) {
                return Err(Error::UndefinedColumnOf { column, relation: name.to_owned() });
            }
            wanted.columns.entry(column).or_default().extend_from_slice(privileges);
        }
        Ok(())
    };
    let Some(named) = &change.privileges else {
        let all = if change.all_columns.is_empty() { kind } else { Securable::Column };
        add(all.privileges(), &change.all_columns)?;
        return Ok(wanted);
    };
    for given in named {
        let kind = if given.columns.is_empty() { kind } else { Securable::Column };
        let unknown = || Error::classified(SqlState::SYNTAX_ERROR, format!("unrecognized privilege type \"{}\"", given.name.to_lowercase()));
        let privilege = Privilege::named(&given.name).ok_or_else(unknown)?;
        if !kind.privileges().contains(&privilege) {
            let kind = match kind {
                Securable::Relation => "relation",
                Securable::Column => "column",
                Securable::Schema => "schema",
                Securable::Database => "database",
                Securable::Location => "location",
                Securable::Secret => "secret",
            };
            let message = format!("invalid privilege type {} for {kind}", privilege.name());
            return Err(Error::classified(SqlState::INVALID_GRANT_OPERATION, message));
        }
        add(&[privilege], &given.columns)?;
    }
    Ok(wanted)
}

#[expect(clippy::too_many_arguments, reason = "an object, what it is to become, and who says so")]
fn apply(
    session: &Session,
    rights: &Rights<'_>,
    change: &GrantChange,
    grantees: &[Option<String>],
    secured: &Secured<'_>,
    wanted: &Wanted,
    object: Option<&Object>,
    new: impl FnOnce() -> Object,
) -> Result<Option<Change>> {
    let grantor = grantor(rights, secured, wanted);
    let allowed = allowed(rights, secured, wanted, &grantor);
    let asked = wanted.object.len() + wanted.columns.values().map(Vec::len).sum::<usize>();
    let given = allowed.object.len() + allowed.columns.values().map(Vec::len).sum::<usize>();
    let name = secured.name();
    if given == 0 {
        let has_any = secured.kind.privileges().iter().any(|privilege| rights.may_some_column(secured, *privilege));
        if !has_any {
            return Err(denied(secured));
        }
    }
    if given < asked && change.privileges.is_some() || given == 0 {
        let (sql_state, done) = match change.grants {
            true => (SqlState::WARNING_PRIVILEGE_NOT_GRANTED, "were granted"),
            false => (SqlState::WARNING_PRIVILEGE_NOT_REVOKED, "could be revoked"),
        };
        let how_many = if given == 0 { "no privileges" } else { "not all privileges" };
        warn(session, sql_state, format!("{how_many} {done} for \"{name}\""));
    }
    if given == 0 {
        return Ok(None);
    }
    let mut changed = match object {
        Some(object) => Change::alter(object, |_| {}),
        None if !change.grants && secured.kind == Securable::Location => return Ok(None),
        None => Change { object: new(), seen: None },
    };
    let grants = std::mem::take(&mut changed.object.grants);
    changed.object.grants = change_grants(grants, change, grantees, secured, &allowed, &grantor)?;
    Ok(Some(changed))
}

/// The grants of an object after a change.
pub(super) fn change_grants(
    mut grants: Grants,
    change: &GrantChange,
    grantees: &[Option<String>],
    secured: &Secured<'_>,
    wanted: &Wanted,
    grantor: &str,
) -> Result<Grants> {
    let dependent = |Dependent| Error::Classified {
        sql_state: SqlState::DEPENDENT_OBJECTS_STILL_EXIST,
        message: "dependent privileges exist".into(),
        detail: None,
        hint: Some("Use CASCADE to revoke them too.".into()),
        position: None,
    };
    let circular = |Circular| {
        let message = "grant options cannot be granted back to your own grantor";
        Error::classified(SqlState::INVALID_GRANT_OPERATION, message)
    };
    let owner = secured.owner.as_ref();
    for grantee in grantees.iter().map(Option::as_deref) {
        if !wanted.object.is_empty() {
            let list = grants.object.get_or_insert_with(|| secured.list().into_owned());
            if change.grants {
                check_circular(list, owner, grantee, grantor, &wanted.object, change.option).map_err(circular)?;
                grant(list, grantee, grantor, &wanted.object, change.option);
            } else {
                revoke(list, owner, grantee, grantor, &wanted.object, change.option, change.cascade).map_err(dependent)?;
                // What goes for the whole goes for its parts.
                for list in grants.columns.values_mut() {
                    revoke(list, owner, grantee, grantor, &wanted.object, change.option, change.cascade).map_err(dependent)?;
                }
            }
        }
        for (column, privileges) in &wanted.columns {
            let list = grants.columns.entry(column.clone()).or_default();
            match change.grants {
                true => {
                    check_circular(list, owner, grantee, grantor, privileges, change.option).map_err(circular)?;
                    grant(list, grantee, grantor, privileges, change.option);
                }
                false => revoke(list, owner, grantee, grantor, privileges, change.option, change.cascade).map_err(dependent)?,
            }
        }
    }
    grants.columns.retain(|_, list| !list.is_empty());
    if grants.object.as_deref().is_some_and(|list| same(list, &defaults(secured.kind, owner, secured.is_public_schema()))) {
        grants.object = None;
    }
    Ok(grants)
}

fn same(one: &[Grant], other: &[Grant]) -> bool {
    one.len() == other.len() && one.iter().all(|grant| other.contains(grant))
}

/// In whose name the session's role grants: the owner's if it has its rights, else that of the role that may pass on most.
fn grantor(rights: &Rights<'_>, secured: &Secured<'_>, wanted: &Wanted) -> String {
    if rights.owns(secured) {
        return secured.owner.clone().into_owned();
    }
    let passed = |role: &String| {
        let of_object = wanted.object.iter().filter(|privilege| passes_on(&secured.list(), role, **privilege)).count();
        let of_columns = wanted.columns.iter().flat_map(|(column, privileges)| privileges.iter().map(move |privilege| (column, privilege)));
        of_object + of_columns.filter(|(column, privilege)| passes_on_column(secured, role, column, **privilege)).count()
    };
    let others = rights.roles().filter(|role| **role != rights.role);
    // The last of equals is found: the role itself.
    others.chain([&rights.role]).max_by_key(|role| passed(role)).cloned().unwrap_or_default()
}

fn passes_on_column(secured: &Secured<'_>, role: &str, column: &str, privilege: Privilege) -> bool {
    passes_on(&secured.list(), role, privilege) || secured.column_list(column).is_some_and(|list| passes_on(list, role, privilege))
}

/// What of `wanted` the grantor may pass on.
fn allowed(rights: &Rights<'_>, secured: &Secured<'_>, wanted: &Wanted, grantor: &str) -> Wanted {
    let owns = rights.owns(secured);
    let of_object = wanted.object.iter().copied().filter(|privilege| owns || passes_on(&secured.list(), grantor, *privilege));
    let of_column = |(column, privileges): (&String, &Vec<Privilege>)| {
        let may = |privilege: &Privilege| owns || passes_on_column(secured, grantor, column, *privilege);
        let privileges: Vec<Privilege> = privileges.iter().copied().filter(may).collect();
        (!privileges.is_empty()).then(|| (column.clone(), privileges))
    };
    Wanted { object: of_object.collect(), columns: wanted.columns.iter().filter_map(of_column).collect() }
}
