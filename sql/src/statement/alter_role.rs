//! `ALTER ROLE` and `ALTER USER`.

use std::sync::Arc;

use datafusion::sql::sqlparser::ast::{AlterRoleOperation, Ident, ResetConfig, RoleOption, SetConfigValue};

use super::command;
use super::names::role;
use super::roles::{FirstRoles, check_may_change_roles, check_name, check_superuser, connection_limit, valid_until, verifier};
use super::set::{literal, setting_name};
use crate::catalog::object::{Change, Definition, Object};
use crate::catalog::role::{PREDEFINED, RoleDefinition};
use crate::catalog::{BOOTSTRAP_ROLE, CatalogSnapshot};
use crate::error::{Error, Result};
use crate::privileges::{Rights, is_superuser};
use crate::response::Response;
use crate::session::Session;
use crate::sql_state::SqlState;

pub(super) async fn alter_role(session: &Arc<Session>, name: &Ident, operation: &AlterRoleOperation) -> Result<Response> {
    let snapshot = session.catalog();
    let name = role(session, &snapshot, name)?;
    if PREDEFINED.contains(&name.as_str()) {
        return Err(Error::classified(SqlState::INSUFFICIENT_PRIVILEGE, format!("role \"{name}\" cannot be altered: it is predefined")));
    }
    let is_required = || Error::classified(SqlState::RESERVED_NAME, format!("role \"{name}\" is required by the database system"));
    if name == BOOTSTRAP_ROLE && matches!(operation, AlterRoleOperation::RenameRole { .. }) {
        return Err(is_required());
    }
    if let AlterRoleOperation::RenameRole { role_name } = operation {
        return rename(session, &name, &super::names::folded(role_name)).await;
    }
    let alteration = alteration(session, operation)?;
    if name == BOOTSTRAP_ROLE && alteration.iter().any(|change| matches!(change, Alteration::Superuser(false) | Alteration::Login(false))) {
        return Err(is_required());
    }
    let first = FirstRoles::prepare(session, &snapshot).await?;
    let oid = session.sessions().catalog.new_oid().await?;
    session
        .change_catalog(|snapshot| {
            let rights = Rights::in_session(session, snapshot);
            check_may_alter(&rights, &name, &alteration)?;
            let change = |definition: &mut RoleDefinition| alteration.iter().for_each(|change| change.apply(definition));
            if let Some((object, _)) = snapshot.role(&name) {
                return Ok(vec![Change::alter(object, |object| {
                    if let Definition::Role(role) = &mut object.definition {
                        change(role);
                    }
                })]);
            }
            // Until now it was a superuser because nobody had said what it is. A role that was dropped is none.
            if !is_superuser(snapshot, &name) {
                return Err(Error::UndefinedRole { name: name.clone() });
            }
            let mut definition = RoleDefinition::superuser();
            change(&mut definition);
            let mut changes = first.changes(snapshot, &name);
            changes.push(Change::create(oid, 0, &name, BOOTSTRAP_ROLE, Definition::Role(definition)));
            Ok(changes)
        })
        .await?;
    Ok(command("ALTER ROLE"))
}

/// One change of a role.
enum Alteration {
    Superuser(bool),
    Inherit(bool),
    CreateRole(bool),
    CreateDb(bool),
    Login(bool),
    Replication(bool),
    BypassRls(bool),
    ConnectionLimit(Option<u32>),
    Verifier(Option<String>),
    ValidUntil(Option<String>),
    Setting(String, Option<String>),
    NoSettings,
}

impl Alteration {
    fn apply(&self, role: &mut RoleDefinition) {
        match self {
            Self::Superuser(is) => role.superuser = *is,
            Self::Inherit(is) => role.inherit = *is,
            Self::CreateRole(is) => role.create_role = *is,
            Self::CreateDb(is) => role.create_db = *is,
            Self::Login(is) => role.login = *is,
            Self::Replication(is) => role.replication = *is,
            Self::BypassRls(is) => role.bypass_rls = *is,
            Self::ConnectionLimit(limit) => role.connection_limit = *limit,
            Self::Verifier(verifier) => role.verifier.clone_from(verifier),
            Self::ValidUntil(time) => role.valid_until.clone_from(time),
            Self::Setting(name, Some(value)) => {
                role.settings.insert(name.clone(), value.clone());
            }
            Self::Setting(name, None) => {
                role.settings.remove(name);
            }
            Self::NoSettings => role.settings.clear(),
        }
    }
}

fn alteration(session: &Session, operation: &AlterRoleOperation) -> Result<Vec<Alteration>> {
    use AlterRoleOperation as O;
    match operation {
        O::WithOptions { options } => options.iter().map(|option| option_of(session, option)).collect(),
        O::Set { in_database: Some(_), .. } | O::Reset { in_database: Some(_), .. } => Err(Error::unsupported("ALTER ROLE … IN DATABASE")),
        O::Set { config_name, config_value, .. } => {
            let name = setting_name(config_name).to_ascii_lowercase();
            let value = match config_value {
                SetConfigValue::Default => None,
                SetConfigValue::FromCurrent => Some(session.settings(|settings| settings.require(&name))?),
                SetConfigValue::Value(value) => Some(literal(value)?),
            };
            if let Some(value) = &value {
                // Fails for what no session could begin with.
                session.settings(|settings| settings.clone().set(&name, value))?;
            }
            Ok(vec![Alteration::Setting(name, value)])
        }
        O::Reset { config_name: ResetConfig::ALL, .. } => Ok(vec![Alteration::NoSettings]),
        O::Reset { config_name: ResetConfig::ConfigName(name), .. } => {
            Ok(vec![Alteration::Setting(setting_name(name).to_ascii_lowercase(), None)])
        }
        other => Err(Error::unsupported(format!("ALTER ROLE … {other}"))),
    }
}

fn option_of(session: &Session, option: &RoleOption) -> Result<Alteration> {
    Ok(match option {
        RoleOption::SuperUser(is) => Alteration::Superuser(*is),
        RoleOption::Inherit(is) => Alteration::Inherit(*is),
        RoleOption::CreateRole(is) => Alteration::CreateRole(*is),
        RoleOption::CreateDB(is) => Alteration::CreateDb(*is),
        RoleOption::Login(is) => Alteration::Login(*is),
        RoleOption::Replication(is) => Alteration::Replication(*is),
        RoleOption::BypassRLS(is) => Alteration::BypassRls(*is),
        RoleOption::ConnectionLimit(limit) => Alteration::ConnectionLimit(connection_limit(limit)?),
        RoleOption::Password(password) => Alteration::Verifier(verifier(session, password)?),
        RoleOption::ValidUntil(time) => Alteration::ValidUntil(valid_until(time)?),
    })
}

/// A role may change its own password and settings; who makes roles, everything of roles that are no superusers.
fn check_may_alter(rights: &Rights<'_>, name: &str, alteration: &[Alteration]) -> Result<()> {
    let is_superuser = is_superuser(rights.snapshot, name);
    let of_superusers = |change: &Alteration| matches!(change, Alteration::Superuser(_) | Alteration::Replication(_) | Alteration::BypassRls(_));
    if is_superuser || alteration.iter().any(of_superusers) {
        return check_superuser(rights, "must be superuser to alter superuser roles or change superuser attribute");
    }
    let is_own = |change: &Alteration| matches!(change, Alteration::Verifier(_) | Alteration::Setting(..) | Alteration::NoSettings);
    if name == rights.role && alteration.iter().all(is_own) {
        return Ok(());
    }
    check_may_change_roles(rights, "permission denied")
}

async fn rename(session: &Arc<Session>, name: &str, new_name: &str) -> Result<Response> {
    check_name(new_name)?;
    if name == session.user() || name == session.role() {
        return Err(Error::unsupported("renaming the role of the session"));
    }
    session
        .change_catalog(|snapshot| {
            let rights = Rights::in_session(session, snapshot);
            check_may_alter(&rights, name, &[Alteration::Login(true)])?;
            if snapshot.role(new_name).is_some() || new_name == session.user() {
                return Err(Error::classified(SqlState::DUPLICATE_OBJECT, format!("role \"{new_name}\" already exists")));
            }
            if snapshot.role(name).is_none() {
                return Err(Error::UndefinedRole { name: name.to_owned() });
            }
            Ok(renamed(snapshot, name, new_name))
        })
        .await?;
    Ok(command("ALTER ROLE"))
}

/// The name of a role is in all that it owns, was granted and granted.
fn renamed(snapshot: &CatalogSnapshot, name: &str, new_name: &str) -> Vec<Change> {
    let names_it = |object: &Object| match &object.definition {
        Definition::Role(role) => {
            object.name == name || role.member_of.iter().any(|(group, membership)| group == name || membership.grantor == name)
        }
        Definition::Defaults { .. } => object.name == name || object.grants.names(name),
        _ => object.owner == name || object.grants.names(name),
    };
    let changed = snapshot.objects().filter(|object| names_it(object)).map(|object| {
        Change::alter(object, |object| {
            object.grants.rename(name, new_name);
            if object.owner == name {
                new_name.clone_into(&mut object.owner);
            }
            let is_named = matches!(object.definition, Definition::Role(_) | Definition::Defaults { .. });
            if is_named && object.name == name {
                new_name.clone_into(&mut object.name);
            }
            if let Definition::Role(role) = &mut object.definition {
                if let Some(membership) = role.member_of.remove(name) {
                    role.member_of.insert(new_name.to_owned(), membership);
                }
                for membership in role.member_of.values_mut().filter(|membership| membership.grantor == name) {
                    new_name.clone_into(&mut membership.grantor);
                }
            }
        })
    });
    changed.collect()
}
