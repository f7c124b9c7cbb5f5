//! SetSessionOptions, GetSessionOptions and CloseSession.

use std::sync::Arc;

use http::header::SET_COOKIE;
use tonic::Status;
use tonic::metadata::{MetadataMap, MetadataValue};

use super::caller::{COOKIE_NAME, Caller};
use super::error;
use super::messages::{
    CloseSessionResult, CloseSessionStatus, GetSessionOptionsResult, OptionValue, SessionOptionValue, SetSessionOptionError,
    SetSessionOptionErrorValue, SetSessionOptionsRequest, SetSessionOptionsResult,
};
use super::service::Service;
use super::session::{FlightSession, needs_session};
use super::signer::Purpose;

/// The options that every Flight SQL client knows; all others are settings of the session by their own names.
const CATALOG: &str = "catalog";
const SCHEMA: &str = "schema";
const SEARCH_PATH: &str = "search_path";

/// Sets what it can and names what it could not. A new session's cookie goes into `metadata`.
pub(super) fn set(
    service: &Service,
    caller: &Caller,
    request: SetSessionOptionsRequest,
    metadata: &mut MetadataMap,
) -> Result<SetSessionOptionsResult, Status> {
    let session = changeable_session(service, caller, metadata)?;
    let mut options: Vec<_> = request.session_options.into_iter().collect();
    // A map has no order: `catalog` before `schema`, and the same outcome each time.
    options.sort_by(|a, b| a.0.cmp(&b.0));
    let mut result = SetSessionOptionsResult::default();
    for (name, value) in options {
        if let Err(error) = set_option(&session.sql, &name, value.option_value) {
            result.errors.insert(name, SetSessionOptionError { value: error as i32 });
        }
    }
    Ok(result)
}

/// Gives the current catalog and schema. Opens no session.
pub(super) fn get(service: &Service, caller: &Caller) -> Result<GetSessionOptionsResult, Status> {
    let session = service.sessions.current(caller)?;
    let mut result = GetSessionOptionsResult::default();
    let mut add = |name: &str, value: String| {
        let value = SessionOptionValue { option_value: Some(OptionValue::String(value)) };
        result.session_options.insert(name.to_owned(), value);
    };
    add(CATALOG, session.sql.database().to_owned());
    if let Some(schema) = session.sql.setting(SEARCH_PATH).as_deref().and_then(first_of_search_path) {
        add(SCHEMA, schema);
    }
    Ok(result)
}

/// Ends the session. It is no error that there was none: clients close theirs whether it was opened or not.
pub(super) fn close(service: &Service, caller: &Caller, metadata: &mut MetadataMap) -> CloseSessionResult {
    if let Some(key) = service.sessions.close(caller) {
        service.queries.forget_session(key);
        service.prepared.forget_session(key);
        if let Ok(value) = MetadataValue::try_from(format!("{COOKIE_NAME}=; Max-Age=0")) {
            metadata.insert(SET_COOKIE.as_str(), value);
        }
    }
    CloseSessionResult { status: CloseSessionStatus::Closed as i32 }
}

fn changeable_session(service: &Service, caller: &Caller, metadata: &mut MetadataMap) -> Result<Arc<FlightSession>, Status> {
    if let Some(session) = service.sessions.own(caller)? {
        return Ok(session);
    }
    // JDBC sets its catalog with the first call it makes, and keeps the cookie it gets for it. ADBC has made calls
    // before: had it kept cookies, it would have shown one.
    if caller.is_adbc() {
        return Err(needs_session("setting an option"));
    }
    let text = service.signer.issue(Purpose::Cookie, &caller.user);
    let key = service.signer.verify(Purpose::Cookie, &text).ok_or_else(|| error::internal("a new cookie is not valid"))?;
    let value = MetadataValue::try_from(set_cookie(&text)).map_err(|_| error::internal("a new cookie is no header value"))?;
    let session = service.sessions.open_for(caller, key.id)?;
    metadata.insert(SET_COOKIE.as_str(), value);
    Ok(session)
}

pub(super) fn set_cookie(text: &str) -> String {
    format!("{COOKIE_NAME}={text}; HttpOnly; SameSite=Strict")
}

fn set_option(session: &sql::Session, name: &str, value: Option<OptionValue>) -> Result<(), SetSessionOptionErrorValue> {
    use SetSessionOptionErrorValue as E;
    let value = text(value);
    let set = |name: &str, value: &str| {
        session.set_setting(name, value).map_err(|error| match error.sql_state().code() {
            "42704" => E::InvalidName,
            "22023" => E::InvalidValue,
            _ => E::Error,
        })
    };
    match (name, value) {
        // There is one catalog; naming it is allowed.
        (CATALOG, None) => Ok(()),
        (CATALOG, Some(catalog)) if catalog == session.database() => Ok(()),
        (CATALOG, Some(_)) => Err(E::InvalidValue),
        (SCHEMA, None) => set(SEARCH_PATH, DEFAULT_SEARCH_PATH),
        (SCHEMA, Some(schema)) if session.catalog().schemas.iter().any(|known| known.name == schema) => {
            set(SEARCH_PATH, &quoted(&schema))
        }
        (SCHEMA, Some(_)) => Err(E::InvalidValue),
        // `DEFAULT` is what SET takes to go back.
        (name, None) => set(name, "DEFAULT"),
        (name, Some(value)) => set(name, &value),
    }
}

const DEFAULT_SEARCH_PATH: &str = "\"$user\", public";

/// Settings are text. An empty string erases, as no value does.
fn text(value: Option<OptionValue>) -> Option<String> {
    let text = match value? {
        OptionValue::String(text) => text,
        OptionValue::Bool(value) => value.to_string(),
        OptionValue::Int64(value) => value.to_string(),
        OptionValue::Double(value) => value.to_string(),
        OptionValue::StringList(list) => list.values.join(", "),
    };
    Some(text).filter(|text| !text.is_empty())
}

fn quoted(name: &str) -> String {
    format!("\"{}\"", name.replace('"', "\"\""))
}

/// The first schema of a search path that is one: `"$user"` stands for a schema that nobody has.
fn first_of_search_path(path: &str) -> Option<String> {
    path.split(',')
        .map(|name| name.trim())
        .map(|name| match name.strip_prefix('"').and_then(|name| name.strip_suffix('"')) {
            Some(name) => name.replace("\"\"", "\""),
            None => name.to_owned(),
        })
        .find(|name| !name.is_empty() && name != "$user")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_schema_is_the_first_real_one_of_the_search_path() {
        assert_eq!(first_of_search_path("\"$user\", public").as_deref(), Some("public"));
        assert_eq!(first_of_search_path("\"My \"\"schema\"\"\"").as_deref(), Some("My \"schema\""));
        assert_eq!(first_of_search_path(""), None);
    }

    #[test]
    fn values_of_every_kind_are_text() {
        assert_eq!(text(Some(OptionValue::Bool(true))).as_deref(), Some("true"));
        assert_eq!(text(Some(OptionValue::Int64(-5))).as_deref(), Some("-5"));
        assert_eq!(text(Some(OptionValue::String(String::new()))), None);
        assert_eq!(text(None), None);
    }
}
