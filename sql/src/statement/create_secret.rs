//! `CREATE SECRET`: credentials of an object store, which locations name.

use std::sync::Arc;

use datafusion::sql::sqlparser::ast::{Ident, SecretOption};
use engine::MadeSecret;

use super::names::folded;
use super::{command, skipped};
use crate::catalog::CatalogSnapshot;
use crate::catalog::grants::Privilege;
use crate::catalog::object::{Change, Definition};
use crate::catalog::secret::SecretDefinition;
use crate::error::{Error, Result};
use crate::privileges::{Rights, secured_database, secured_object};
use crate::response::Response;
use crate::session::Session;
use crate::sql_state::SqlState;

pub(super) async fn create_secret(
    session: &Arc<Session>,
    name: &Ident,
    kind: &Ident,
    options: &[SecretOption],
    or_replace: bool,
    if_not_exists: bool,
) -> Result<Response> {
    let name = folded(name);
    let invalid = |message: String| Error::InvalidParameterValue { message: format!("secret \"{name}\": {message}") };
    let may = |snapshot: &CatalogSnapshot| {
        let rights = Rights::in_session(session, snapshot);
        match snapshot.secret(&name) {
            None => rights.check(&secured_database(snapshot), Privilege::Create),
            Some((object, _)) => rights.check_owner(&secured_object(object)),
        }
    };
    may(&session.catalog())?;
    if !engine::is_secret_name(&name) {
        return Err(invalid("its name may have letters, digits, - and _ only".into()));
    }
    let options = options.iter().map(|option| (option.key.value.clone(), option.value.value.clone()));
    let secret = MadeSecret::new(&kind.value, options).map_err(invalid)?;
    if let Some(endpoint) = secret.endpoint() {
        session.location_rules().check_endpoint(endpoint).await?;
    }
    let sessions = session.sessions();
    if sessions.engine.object_stores().secrets().is_told(&name) {
        let message = format!("secret \"{name}\" already exists: it is in the file that --secrets names");
        return Err(Error::classified(SqlState::DUPLICATE_OBJECT, message));
    }
    let definition = SecretDefinition::seal(&sessions.config.sealing_key, &name, &secret).map_err(invalid)?;
    let oid = sessions.catalog.new_oid().await?;
    let created = session.change_catalog(|snapshot| {
        let definition = Definition::Secret(definition.clone());
        may(snapshot)?;
        match snapshot.secret(&name) {
            None => Ok(vec![Change::create(oid, 0, &name, &session.role(), definition)]),
            Some((object, _)) if or_replace => Ok(vec![Change::alter(object, |object| object.definition = definition)]),
            Some(_) => Err(Error::classified(SqlState::DUPLICATE_OBJECT, format!("secret \"{name}\" already exists"))),
        }
    });
    match created.await {
        Err(error) if if_not_exists && error.sql_state() == SqlState::DUPLICATE_OBJECT => {
            skipped(session, SqlState::DUPLICATE_OBJECT, &error);
        }
        outcome => outcome?,
    }
    Ok(command("CREATE SECRET"))
}
