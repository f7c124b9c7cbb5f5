//! Who a session is: the role that has connected, and the one whose rights it has.

use super::Session;
use crate::catalog::location::LocationRules;
use crate::catalog::{CatalogSnapshot, Schema, Table};
use crate::error::{Error, Result};
use crate::catalog::role::PREDEFINED;
use crate::privileges::{Rights, secured_relation, secured_schema};
use crate::sql_state::SqlState;

impl Session {
    /// What a role may do that the session is in, or was.
    pub(crate) fn rights_of<'a>(&self, snapshot: &'a CatalogSnapshot, role: &str) -> Rights<'a> {
        match self.is_known_role(snapshot, role) {
            true => Rights::of(snapshot, role),
            // It was dropped, and another one has its name.
            false => Rights::of_everybody(snapshot),
        }
    }

    /// Whether the session's role may know of a schema, or of a table in it.
    pub fn sees<'a>(&self, catalog: &'a CatalogSnapshot) -> impl Fn(&'a Schema, Option<&'a Table>) -> bool + use<'a> {
        let rights = Rights::in_session(self, catalog);
        move |schema, table| match table {
            Some(table) => rights.sees(&secured_relation(catalog, schema, table)),
            None => rights.sees(&secured_schema(catalog, schema)),
        }
    }

    /// Whether the role that the session is in is the one that it was when the session came into it.
    pub(crate) fn is_known_role(&self, snapshot: &CatalogSnapshot, role: &str) -> bool {
        let known = self.known_roles.lock().get(role).copied();
        let now = snapshot.role(role).map(|(object, _)| object.oid);
        known.is_none_or(|known| known == 0 || now.is_none() || now == Some(known))
    }

    /// The session is in a role from now on.
    pub(crate) fn remember_role(&self, snapshot: &CatalogSnapshot, role: &str) {
        let oid = snapshot.role(role).map_or(0, |(object, _)| object.oid);
        self.known_roles.lock().insert(role.to_owned(), oid);
    }

    /// What statements may name of this machine and of others.
    pub(crate) fn location_rules(&self) -> LocationRules {
        let snapshot = self.catalog();
        self.sessions().config.locations.of(&Rights::in_session(self, &snapshot))
    }

    /// `SET ROLE`; nothing or `none` is the role that the session belongs to. `local` ends with the transaction.
    pub(crate) fn set_role(&self, role: Option<&str>, local: bool) -> Result<()> {
        let Some(role) = role.filter(|role| !role.eq_ignore_ascii_case("none")) else {
            self.settings(|settings| settings.set_role(None, local));
            return Ok(());
        };
        let snapshot = self.catalog();
        let session_role = self.settings(|settings| settings.session_authorization().to_owned());
        let is_there = snapshot.role(role).is_some() || PREDEFINED.contains(&role);
        if role != session_role && !is_there {
            return Err(undefined(role));
        }
        if role != session_role && !self.rights_of(&snapshot, &session_role).is_member(role) {
            let message = format!("permission denied to set role \"{role}\"");
            return Err(Error::classified(SqlState::INSUFFICIENT_PRIVILEGE, message));
        }
        if role != session_role {
            self.remember_role(&snapshot, role);
        }
        self.settings(|settings| settings.set_role(Some(role), local));
        Ok(())
    }

    /// `SET SESSION AUTHORIZATION`; nothing is the role that has connected.
    pub(crate) fn set_session_authorization(&self, role: Option<&str>, local: bool) -> Result<()> {
        let snapshot = self.catalog();
        if let Some(role) = role.filter(|role| *role != self.user()) {
            if snapshot.role(role).is_none() {
                return Err(undefined(role));
            }
            if !self.rights_of(&snapshot, self.user()).is_superuser() {
                let message = "permission denied to set session authorization";
                return Err(Error::classified(SqlState::INSUFFICIENT_PRIVILEGE, message));
            }
        }
        if let Some(role) = role.filter(|role| *role != self.user()) {
            self.remember_role(&snapshot, role);
        }
        self.settings(|settings| settings.set_session_authorization(role, local));
        Ok(())
    }
}

/// For PostgreSQL a role in SET is the value of a parameter.
fn undefined(role: &str) -> Error {
    Error::InvalidParameterValue { message: format!("role \"{role}\" does not exist") }
}
