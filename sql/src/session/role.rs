//! Who a session is: the role that has connected, and the one whose rights it has.

use super::Session;
use crate::catalog::location::LocationRules;
use crate::error::{Error, Result};
use crate::privileges::{Rights, is_superuser};
use crate::sql_state::SqlState;

impl Session {
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
        if role != session_role && snapshot.role(role).is_none() {
            return Err(undefined(role));
        }
        if role != session_role && !Rights::of(&snapshot, &session_role).is_member(role) {
            let message = format!("permission denied to set role \"{role}\"");
            return Err(Error::classified(SqlState::INSUFFICIENT_PRIVILEGE, message));
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
            if !is_superuser(&snapshot, self.user()) {
                let message = "permission denied to set session authorization";
                return Err(Error::classified(SqlState::INSUFFICIENT_PRIVILEGE, message));
            }
        }
        self.settings(|settings| settings.set_session_authorization(role, local));
        Ok(())
    }
}

/// For PostgreSQL a role in SET is the value of a parameter.
fn undefined(role: &str) -> Error {
    Error::InvalidParameterValue { message: format!("role \"{role}\" does not exist") }
}
