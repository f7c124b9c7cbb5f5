//! May this role do this to that object.
//!
//! The rules are PostgreSQL's. While no role has been made everybody may do everything; so may superusers, and owners with
//! what is theirs unless they have taken it from themselves.

use std::borrow::Cow;
use std::collections::BTreeSet;

use crate::catalog::grants::{self, Grant, Grants, Privilege, Securable};
use crate::catalog::object::{Definition, Object};
use crate::catalog::role::{READ_ALL_DATA, WRITE_ALL_DATA};
use crate::catalog::{BOOTSTRAP_ROLE, CatalogSnapshot, PUBLIC_SCHEMA_OID, Schema, Table, TableKind};
use crate::error::{Error, Result};
use crate::session::Session;
use crate::session::temporary::TEMPORARY_SCHEMA_OID;
use crate::sql_state::SqlState;

/// What a role may do, by a catalog.
pub(crate) struct Rights<'a> {
    pub(crate) snapshot: &'a CatalogSnapshot,
    pub(crate) role: String,
    is_superuser: bool,
    /// The role and those whose rights it has.
    roles: BTreeSet<String>,
}

/// An object as far as privileges go.
#[derive(Clone)]
pub(crate) struct Secured<'a> {
    pub(crate) kind: Securable,
    /// For messages: `table`, `orders`.
    what: &'static str,
    name: &'a str,
    pub(crate) owner: Cow<'a, str>,
    grants: Option<&'a Grants>,
    /// In the place of those of `grants`.
    list: Option<&'a [Grant]>,
    is_public_schema: bool,
    /// Of the session itself.
    is_temporary: bool,
}

/// Whether a role may do everything. Nobody has less than all rights before there are roles.
pub(crate) fn is_superuser(snapshot: &CatalogSnapshot, role: &str) -> bool {
    match snapshot.role(role) {
        Some((_, definition)) => definition.superuser,
        None => role == BOOTSTRAP_ROLE || snapshot.roles().next().is_none(),
    }
}

/// A role and all that it is a member of, directly or not; those only whose rights it has without SET ROLE if it `inherits`.
pub(crate) fn memberships(snapshot: &CatalogSnapshot, role: &str, inherits: bool) -> BTreeSet<String> {
    let mut all = BTreeSet::from([role.to_owned()]);
    let mut open = vec![role.to_owned()];
    while let Some(role) = open.pop() {
        let Some((_, definition)) = snapshot.role(&role) else { continue };
        if inherits && !definition.inherit {
            continue;
        }
        open.extend(definition.member_of.keys().filter(|group| all.insert((*group).clone())).cloned().collect::<Vec<_>>());
    }
    all
}

impl<'a> Rights<'a> {
    pub(crate) fn of(snapshot: &'a CatalogSnapshot, role: &str) -> Self {
        let (is_superuser, roles) = (is_superuser(snapshot, role), memberships(snapshot, role, true));
        Self { snapshot, role: role.to_owned(), is_superuser, roles }
    }

    /// What everybody may do.
    pub(crate) fn of_everybody(snapshot: &'a CatalogSnapshot) -> Self {
        Self { snapshot, role: String::new(), is_superuser: false, roles: BTreeSet::new() }
    }

    /// Those of the role that a session is in.
    pub(crate) fn in_session(session: &Session, snapshot: &'a CatalogSnapshot) -> Self {
        session.rights_of(snapshot, &session.role())
    }

    pub(crate) fn is_superuser(&self) -> bool {
        self.is_superuser
    }

    /// The role and those whose rights it has.
    pub(crate) fn roles(&self) -> impl Iterator<Item = &String> {
        self.roles.iter()
    }

    /// Whether it is this role or has its rights.
    pub(crate) fn has_role(&self, role: &str) -> bool {
        self.is_superuser || self.roles.contains(role)
    }

    /// Whether it may become this role.
    pub(crate) fn is_member(&self, role: &str) -> bool {
        self.is_superuser || memberships(self.snapshot, &self.role, false).contains(role)
    }

    pub(crate) fn owns(&self, object: &Secured<'_>) -> bool {
        object.is_temporary || self.has_role(&object.owner)
    }

    fn has(&self, list: &[Grant], privilege: Privilege) -> bool {
        list.iter().any(|grant| {
            grant.privileges.contains_key(&privilege) && grant.grantee.as_ref().is_none_or(|role| self.roles.contains(role))
        })
    }

    fn is_granted(&self, object: &Secured<'_>, privilege: Privilege) -> bool {
        match object.has_list() {
            true => self.has(&object.list(), privilege),
            // As in the list that there would be.
            false => {
                let is_owner = self.roles.contains(object.owner.as_ref()) && object.kind.privileges().contains(&privilege);
                is_owner || grants::of_everybody(object.kind, object.is_public_schema).contains(&privilege)
            }
        }
    }

    /// Whether it may do this to an object.
    pub(crate) fn may(&self, object: &Secured<'_>, privilege: Privilege) -> bool {
        if self.is_superuser || object.is_temporary || self.is_granted(object, privilege) {
            return true;
        }
        let of_all = |role: &str| self.roles.contains(role);
        match (object.kind, privilege) {
            (Securable::Relation, Privilege::Select) => of_all(READ_ALL_DATA),
            (Securable::Relation, Privilege::Insert | Privilege::Update | Privilege::Delete) => of_all(WRITE_ALL_DATA),
            (Securable::Schema, Privilege::Usage) => of_all(READ_ALL_DATA) || of_all(WRITE_ALL_DATA),
            _ => false,
        }
    }

    /// Whether it may do this to a column of a relation, to all of which it perhaps may not.
    pub(crate) fn may_column(&self, relation: &Secured<'_>, column: &str, privilege: Privilege) -> bool {
        let list = relation.grants.and_then(|grants| grants.columns.get(column));
        list.is_some_and(|list| self.has(list, privilege)) || self.may(relation, privilege)
    }

    /// Whether it may do this to some column of a relation or to all.
    pub(crate) fn may_some_column(&self, relation: &Secured<'_>, privilege: Privilege) -> bool {
        let lists = relation.grants.into_iter().flat_map(|grants| grants.columns.values());
        self.may(relation, privilege) || lists.into_iter().any(|list| self.has(list, privilege))
    }

    /// Whether it may do this and let others do it.
    pub(crate) fn may_pass_on(&self, object: &Secured<'_>, column: Option<&str>, privilege: Privilege) -> bool {
        let passes = |list: &[Grant]| self.roles.iter().any(|role| grants::passes_on(list, role, privilege));
        let of_column = column.and_then(|column| object.grants?.columns.get(column));
        self.owns(object) || passes(&object.list()) || of_column.is_some_and(|list| passes(list))
    }

    pub(crate) fn check(&self, object: &Secured<'_>, privilege: Privilege) -> Result<()> {
        match self.may(object, privilege) {
            true => Ok(()),
            false => Err(denied(object)),
        }
    }

    pub(crate) fn check_owner(&self, object: &Secured<'_>) -> Result<()> {
        match self.owns(object) {
            true => Ok(()),
            false => Err(Error::classified(SqlState::INSUFFICIENT_PRIVILEGE, format!("must be owner of {} {}", object.what, object.name))),
        }
    }

    /// Whether it may know of a relation or schema: its owner, and who may do something with it.
    pub(crate) fn sees(&self, object: &Secured<'_>) -> bool {
        self.owns(object) || object.kind.privileges().iter().any(|privilege| self.may_some_column(object, *privilege))
    }

    /// Fails where nothing may be looked up.
    pub(crate) fn check_usage(&self, schema: &Schema) -> Result<()> {
        self.check(&secured_schema(self.snapshot, schema), Privilege::Usage)
    }

    /// Whether a relation may be changed or dropped: by its owner or that of its schema.
    pub(crate) fn check_drop(&self, schema: &Schema, table: &Table) -> Result<()> {
        match self.has_role(&schema.owner) {
            true => Ok(()),
            false => self.check_owner(&secured_relation(self.snapshot, schema, table)),
        }
    }

    /// Fails unless something may be made in a schema.
    pub(crate) fn check_create_in(&self, schema: &Schema) -> Result<()> {
        self.check(&secured_schema(self.snapshot, schema), Privilege::Create)
    }

    /// Fails unless this role may give something to `role`.
    pub(crate) fn check_member(&self, role: &str) -> Result<()> {
        match self.is_member(role) {
            true => Ok(()),
            false => Err(Error::classified(SqlState::INSUFFICIENT_PRIVILEGE, format!("must be member of role \"{role}\""))),
        }
    }
}

impl<'a> Secured<'a> {
    /// What is to be granted on objects that `owner` makes.
    pub(crate) fn of_list(kind: Securable, owner: &'a str, list: &'a [Grant]) -> Self {
        let (owner, list) = (owner.into(), Some(list));
        Self { kind, what: "", name: "", owner, grants: None, list, is_public_schema: false, is_temporary: false }
    }

    pub(crate) fn name(&self) -> &str {
        self.name
    }

    pub(crate) fn is_public_schema(&self) -> bool {
        self.is_public_schema
    }

    /// What was granted, or what there is before anything was.
    pub(crate) fn list(&self) -> Cow<'_, [Grant]> {
        match self.list.or_else(|| self.grants?.object.as_deref()) {
            Some(list) => Cow::Borrowed(list),
            None => Cow::Owned(grants::defaults(self.kind, &self.owner, self.is_public_schema)),
        }
    }

    /// Whether anything was said of the object.
    pub(crate) fn has_list(&self) -> bool {
        self.list.is_some() || self.grants.is_some_and(|grants| grants.object.is_some())
    }

    pub(crate) fn column_list(&self, column: &str) -> Option<&[Grant]> {
        self.grants?.columns.get(column).map(Vec::as_slice)
    }
}

/// The error of somebody who may not do what it takes.
pub(crate) fn denied(object: &Secured<'_>) -> Error {
    Error::classified(SqlState::INSUFFICIENT_PRIVILEGE, format!("permission denied for {} {}", object.what, object.name))
}

pub(crate) fn secured_relation<'a>(snapshot: &'a CatalogSnapshot, schema: &'a Schema, table: &'a Table) -> Secured<'a> {
    let kind = match table.kind {
        TableKind::View => "view",
        TableKind::MaterializedView => "materialized view",
        TableKind::Table | TableKind::External => "table",
    };
    Secured {
        kind: Securable::Relation,
        what: kind,
        name: &table.name,
        owner: snapshot.owner_of(schema, table).into(),
        grants: snapshot.rights_of(table).map(|object| &object.grants),
        list: None,
        is_public_schema: false,
        is_temporary: schema.oid == TEMPORARY_SCHEMA_OID,
    }
}

pub(crate) fn secured_schema<'a>(snapshot: &'a CatalogSnapshot, schema: &'a Schema) -> Secured<'a> {
    Secured {
        kind: Securable::Schema,
        what: "schema",
        name: &schema.name,
        owner: schema.owner.as_str().into(),
        grants: snapshot.object(schema.oid).map(|object| &object.grants),
        list: None,
        is_public_schema: schema.oid == PUBLIC_SCHEMA_OID,
        is_temporary: schema.oid == TEMPORARY_SCHEMA_OID,
    }
}

pub(crate) fn secured_database(snapshot: &CatalogSnapshot) -> Secured<'_> {
    let object = snapshot.database_rights();
    Secured {
        kind: Securable::Database,
        what: "database",
        name: &snapshot.database,
        owner: object.map_or(BOOTSTRAP_ROLE, |object| &object.owner).into(),
        grants: object.map(|object| &object.grants),
        list: None,
        is_public_schema: false,
        is_temporary: false,
    }
}

/// Of what is kept as an object with grants of its own.
pub(crate) fn secured_object(object: &Object) -> Secured<'_> {
    let kind = object.definition.securable().unwrap_or(Securable::Relation);
    let what = match kind {
        Securable::Location => "location",
        Securable::Secret => "secret",
        Securable::Schema => "schema",
        Securable::Database => "database",
        Securable::Relation | Securable::Column => "table",
    };
    Secured {
        kind,
        what,
        name: &object.name,
        owner: object.owner.as_str().into(),
        grants: Some(&object.grants),
        list: None,
        is_public_schema: object.oid == PUBLIC_SCHEMA_OID,
        is_temporary: false,
    }
}

/// What is granted on something that `role` makes in a schema, or outside of all.
pub(crate) fn initial_grants(snapshot: &CatalogSnapshot, role: &str, on: Securable, schema: u32) -> Grants {
    let lists: Vec<(u32, &Vec<Grant>)> = snapshot
        .objects()
        .filter(|object| object.owner == role && object.definition == Definition::Defaults { on })
        .filter_map(|object| Some((object.parent, object.grants.object.as_ref()?)))
        .collect();
    let of = |parent: u32| lists.iter().find(|(known, _)| *known == parent).map(|(_, list)| *list);
    let (all, here) = (of(0), of(schema).filter(|_| schema != 0));
    if all.is_none() && here.is_none() {
        return Grants::default();
    }
    let mut list = all.cloned().unwrap_or_else(|| grants::defaults(on, role, false));
    for more in here.into_iter().flatten() {
        for (privilege, option) in &more.privileges {
            grants::grant(&mut list, more.grantee.as_deref(), &more.grantor, &[*privilege], *option);
        }
    }
    Grants { object: Some(list), ..Grants::default() }
}
