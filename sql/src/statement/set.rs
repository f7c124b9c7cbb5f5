//! `SET`, `SET LOCAL`, `SET TIME ZONE`, `SET TRANSACTION`, `RESET`.

use std::sync::Arc;

use datafusion::sql::sqlparser::ast::{
    self, ContextModifier, Expr, ObjectName, Set, SetSessionAuthorizationParam, SetSessionAuthorizationParamKind, TransactionMode,
    UnaryOperator, Value,
};

use super::names::folded;
use crate::error::{Error, Result};
use crate::response::{Notice, Response, Severity};
use crate::session::{Session, TransactionStatus};
use crate::sql_state::SqlState;

pub(super) fn set(session: &Arc<Session>, set: &Set) -> Result<Response> {
    match set {
        Set::SingleAssignment { scope, variable, values, .. } => {
            assign(session, *scope, &setting_name(variable), values)?;
        }
        Set::SetTimeZone { local, value } => {
            let scope = local.then_some(ContextModifier::Local);
            assign(session, scope, "TimeZone", std::slice::from_ref(value))?;
        }
        Set::SetNames { charset_name, .. } => session.set_setting("client_encoding", &charset_name.value)?,
        Set::SetTransaction { modes, session: for_session, .. } => {
            set_transaction_modes(session, modes, *for_session)?;
        }
        Set::SetRole { role_name, context_modifier } => {
            let is_local = matches!(context_modifier, Some(ContextModifier::Local));
            if !is_local || in_block(session, "SET LOCAL") {
                session.set_role(role_name.as_ref().map(folded).as_deref(), is_local)?;
            }
        }
        Set::SetSessionAuthorization(SetSessionAuthorizationParam { scope, kind }) => {
            let is_local = *scope == ContextModifier::Local;
            let role = match kind {
                SetSessionAuthorizationParamKind::Default => None,
                SetSessionAuthorizationParamKind::User(name) => Some(folded(name)),
            };
            if !is_local || in_block(session, "SET LOCAL") {
                session.set_session_authorization(role.as_deref(), is_local)?;
            }
        }
        other => return Err(Error::unsupported(format!("\"{other}\""))),
    }
    Ok(done("SET"))
}

pub(super) fn reset(session: &Arc<Session>, statement: &ast::ResetStatement) -> Result<Response> {
    match &statement.reset {
        ast::Reset::ALL => session.settings(|settings| settings.reset_all()),
        ast::Reset::ConfigurationParameter(name) if is_role(&setting_name(name)) => session.set_role(None, false)?,
        ast::Reset::ConfigurationParameter(name) => {
            session.settings(|settings| settings.reset(&setting_name(name)))?;
        }
    }
    Ok(done("RESET"))
}

fn done(tag: &str) -> Response {
    Response::Command { tag: tag.to_owned(), rows: None }
}

/// `TIME ZONE` is parsed into an assignment of `TIMEZONE`; dotted names stay dotted.
pub(super) fn setting_name(name: &ObjectName) -> String {
    name.0.iter().map(|part| part.as_ident().map_or_else(|| part.to_string(), |ident| ident.value.clone())).collect::<Vec<_>>().join(".")
}

fn assign(session: &Arc<Session>, scope: Option<ContextModifier>, name: &str, values: &[Expr]) -> Result<()> {
    let values: Vec<String> = values.iter().map(literal).collect::<Result<_>>()?;
    let is_default = matches!(values.as_slice(), [value] if value.eq_ignore_ascii_case("default"));
    if is_default && is_role(name) {
        return session.set_role(None, false);
    }
    if is_default {
        return session.settings(|settings| settings.reset(name));
    }
    let value = values.join(", ");
    let is_local = matches!(scope, Some(ContextModifier::Local));
    if is_local && !in_block(session, "SET LOCAL") {
        return Ok(());
    }
    if is_role(name) {
        return session.set_role(Some(&value), is_local);
    }
    if is_local {
        return session.settings(|settings| settings.set_local(name, &value));
    }
    session.settings(|settings| settings.set(name, &value))
}

fn is_role(name: &str) -> bool {
    name.eq_ignore_ascii_case("role")
}

/// Whether there is a transaction block; a warning if what only lasts as long as one would have no effect.
fn in_block(session: &Session, command: &str) -> bool {
    let is_idle = session.transaction_status() == TransactionStatus::Idle;
    if is_idle {
        session.notify(Notice {
            severity: Severity::Warning,
            sql_state: SqlState::NO_ACTIVE_SQL_TRANSACTION,
            message: format!("{command} can only be used in transaction blocks"),
            detail: None,
            hint: None,
        });
    }
    !is_idle
}

/// What a value in SET stands for: a string, a number, a bare word.
pub(super) fn literal(expr: &Expr) -> Result<String> {
    Ok(match expr {
        Expr::Value(value) => match &value.value {
            Value::Number(number, _) => number.clone(),
            Value::Boolean(true) => "on".into(),
            Value::Boolean(false) => "off".into(),
            Value::Null => "default".into(),
            other => match other.clone().into_string() {
                Some(text) => text,
                None => return Err(Error::unsupported(format!("the value {other} in SET"))),
            },
        },
        Expr::Identifier(ident) => ident.value.clone(),
        Expr::CompoundIdentifier(parts) => parts.iter().map(|part| part.value.as_str()).collect::<Vec<_>>().join("."),
        Expr::UnaryOp { op: UnaryOperator::Minus, expr } => format!("-{}", literal(expr)?),
        Expr::UnaryOp { op: UnaryOperator::Plus, expr } => literal(expr)?,
        Expr::Interval(interval) => match interval.value.as_ref() {
            Expr::Value(value) => value.value.clone().into_string().unwrap_or_default(),
            other => return Err(Error::unsupported(format!("the interval {other} in SET"))),
        },
        other => return Err(Error::unsupported(format!("the expression {other} in SET"))),
    })
}

/// Isolation levels are accepted and reported; every statement sees one snapshot.
pub(super) fn set_transaction_modes(session: &Arc<Session>, modes: &[TransactionMode], for_session: bool) -> Result<()> {
    let prefix = if for_session { "default_transaction_" } else { "transaction_" };
    if !for_session && !modes.is_empty() && !in_block(session, "SET TRANSACTION") {
        return Ok(());
    }
    for mode in modes {
        let (name, value) = match mode {
            TransactionMode::AccessMode(access) => {
                let read_only = matches!(access, ast::TransactionAccessMode::ReadOnly);
                ("read_only", if read_only { "on".to_owned() } else { "off".to_owned() })
            }
            TransactionMode::IsolationLevel(level) => ("isolation", level.to_string().to_lowercase()),
        };
        let name = format!("{prefix}{name}");
        session.settings(|settings| match for_session {
            true => settings.set(&name, &value),
            false => settings.set_local(&name, &value),
        })?;
    }
    Ok(())
}
