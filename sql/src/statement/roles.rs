//! What statements about roles have in common.

use arrow::compute::kernels::cast_utils::string_to_datetime;
use chrono::Utc;
use datafusion::sql::sqlparser::ast::{self, Expr, Password, Value};
use postgres_protocol::password::scram_sha_256;

use crate::catalog::object::{Change, Definition};
use crate::catalog::role::{PREDEFINED, RoleDefinition};
use crate::catalog::{BOOTSTRAP_ROLE, CatalogSnapshot};
use crate::error::{Error, Result};
use crate::privileges::Rights;
use crate::response::{Notice, Severity};
use crate::session::Session;
use crate::sql_state::SqlState;

const VERIFIER: &str = "SCRAM-SHA-256$";

/// Who could do everything as long as there was no role, and can do so afterwards: the one who makes the first, and whoever
/// has made something.
pub(super) struct FirstRoles(Vec<(u32, String)>);

impl FirstRoles {
    pub(super) async fn prepare(session: &Session, snapshot: &CatalogSnapshot) -> Result<Self> {
        if snapshot.roles().next().is_some() {
            return Ok(Self(vec![]));
        }
        let mut names: Vec<String> = snapshot.objects().map(|object| object.owner.clone()).collect();
        names.push(session.user().to_owned());
        names.retain(|name| name != BOOTSTRAP_ROLE && !PREDEFINED.contains(&name.as_str()));
        names.sort_unstable();
        names.dedup();
        let mut roles = Vec::with_capacity(names.len());
        for name in names {
            roles.push((session.sessions().catalog.new_oid().await?, name));
        }
        Ok(Self(roles))
    }

    /// The changes that make them, all but `but`, if there is still no role.
    pub(super) fn changes(&self, snapshot: &CatalogSnapshot, but: &str) -> Vec<Change> {
        if snapshot.roles().next().is_some() {
            return vec![];
        }
        let missing = self.0.iter().filter(|(_, name)| name != but && snapshot.role(name).is_none());
        missing.map(|(oid, name)| Change::create(*oid, 0, name, BOOTSTRAP_ROLE, Definition::Role(RoleDefinition::superuser()))).collect()
    }
}

/// Fails unless the session's role may make roles and change those that are not superusers.
pub(super) fn check_may_change_roles(rights: &Rights<'_>, message: &str) -> Result<()> {
    let creates = rights.snapshot.role(&rights.role).is_some_and(|(_, role)| role.create_role);
    match creates || rights.is_superuser() {
        true => Ok(()),
        false => Err(Error::classified(SqlState::INSUFFICIENT_PRIVILEGE, message)),
    }
}

pub(super) fn check_superuser(rights: &Rights<'_>, message: &str) -> Result<()> {
    match rights.is_superuser() {
        true => Ok(()),
        false => Err(Error::classified(SqlState::INSUFFICIENT_PRIVILEGE, message)),
    }
}

/// Fails for names that no role can have.
pub(super) fn check_name(name: &str) -> Result<()> {
    if name.is_empty() {
        return Err(Error::classified(SqlState::SYNTAX_ERROR, "zero-length delimited identifier at or near \"\"\"\""));
    }
    let is_reserved = name.starts_with("pg_") || ["public", "none", "current_user", "current_role", "session_user", BOOTSTRAP_ROLE].contains(&name);
    match is_reserved {
        true => Err(Error::classified(SqlState::RESERVED_NAME, format!("role name \"{name}\" is reserved"))),
        false => Ok(()),
    }
}

/// What is kept of a password.
pub(super) fn verifier(session: &Session, password: &Password) -> Result<Option<String>> {
    let Password::Password(expr) = password else { return Ok(None) };
    let text = text(expr)?;
    if text.is_empty() {
        let message = "empty string is not a valid password, clearing password".to_owned();
        session.notify(Notice { severity: Severity::Notice, sql_state: SqlState::SUCCESSFUL_COMPLETION, message, detail: None, hint: None });
        return Ok(None);
    }
    if is_verifier(&text) {
        return Ok(Some(text));
    }
    if text.starts_with(VERIFIER) || (text.len() == 35 && text.starts_with("md5") && text[3..].bytes().all(|byte| byte.is_ascii_hexdigit())) {
        return Err(Error::Classified {
            sql_state: SqlState::FEATURE_NOT_SUPPORTED,
            message: "the password looks like a hash that is no SCRAM-SHA-256 verifier".into(),
            detail: None,
            hint: Some("Give the password itself, or a SCRAM-SHA-256 verifier.".into()),
            position: None,
        });
    }
    Ok(Some(scram_sha_256(text.as_bytes())))
}

/// `SCRAM-SHA-256$iterations:salt$stored key:server key`.
fn is_verifier(text: &str) -> bool {
    use base64::Engine as _;
    let decodes = |text: &str, length: Option<usize>| {
        let bytes = base64::engine::general_purpose::STANDARD.decode(text);
        bytes.is_ok_and(|bytes| !bytes.is_empty() && length.is_none_or(|length| bytes.len() == length))
    };
    let parts = || {
        let (first, keys) = text.strip_prefix(VERIFIER)?.split_once('$')?;
        let ((iterations, salt), (stored, server)) = (first.split_once(':')?, keys.split_once(':')?);
        let iterations: u32 = iterations.parse().ok()?;
        Some(iterations > 0 && decodes(salt, None) && decodes(stored, Some(32)) && decodes(server, Some(32)))
    };
    parts().unwrap_or(false)
}

/// A text or a number in an option.
pub(super) fn text(expr: &Expr) -> Result<String> {
    match expr {
        Expr::Value(value) => match &value.value {
            Value::Number(number, _) => Ok(number.clone()),
            other => other.clone().into_string().ok_or_else(|| Error::unsupported(format!("the value {other} of a role"))),
        },
        other => Err(Error::unsupported(format!("the value {other} of a role"))),
    }
}

/// `VALID UNTIL`, as it is kept; `infinity` is none.
pub(super) fn valid_until(expr: &Expr) -> Result<Option<String>> {
    let text = text(expr)?;
    if text.eq_ignore_ascii_case("infinity") {
        return Ok(None);
    }
    let invalid = |_| Error::classified(SqlState::INVALID_DATETIME_FORMAT, format!("invalid input syntax for type timestamp with time zone: \"{text}\""));
    let time = string_to_datetime(&Utc, &text).map_err(invalid)?;
    Ok(Some(time.to_rfc3339()))
}

/// `CONNECTION LIMIT`; -1 is none.
pub(super) fn connection_limit(expr: &Expr) -> Result<Option<u32>> {
    let text = match expr {
        Expr::UnaryOp { op: ast::UnaryOperator::Minus, expr } => format!("-{}", text(expr)?),
        expr => text(expr)?,
    };
    match text.parse::<i32>() {
        Ok(-1) => Ok(None),
        Ok(limit) if limit >= 0 => Ok(Some(limit.unsigned_abs())),
        _ => Err(Error::InvalidParameterValue { message: format!("invalid connection limit: {text}") }),
    }
}

pub(super) fn warn(session: &Session, sql_state: SqlState, message: String) {
    session.notify(Notice { severity: Severity::Warning, sql_state, message, detail: None, hint: None });
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn verifiers_are_known() {
        assert!(is_verifier(&scram_sha_256(b"secret")));
        for other in ["SCRAM-SHA-256$4096:c2FsdA==$AAAA:AAAA", "SCRAM-SHA-256$", "secret"] {
            assert!(!is_verifier(other), "{other}");
        }
    }
}
