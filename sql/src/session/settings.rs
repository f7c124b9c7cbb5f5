//! The configuration parameters of a session: PostgreSQL's that clients use, `arbalest.*`, `datafusion.*`, and free
//! `prefix.name` storage.

use std::collections::BTreeMap;
use std::str::FromStr;
use std::time::Duration;

use datafusion::config::ConfigOptions;
use engine::ExecutionMode;

use crate::error::{Error, Result};
use crate::planner::nearest::nearest_name;
use crate::sessions::SqlConfig;

/// The version of PostgreSQL whose catalogs and behaviour clients may expect.
pub(crate) const POSTGRES_VERSION: &str = "15.0";

/// How a value is checked and written.
#[derive(Clone, Copy, Debug)]
enum Kind {
    Text,
    Bool,
    Integer { min: i64, max: i64 },
    /// Kept in milliseconds, shown with the largest whole unit.
    Milliseconds,
    OneOf(&'static [&'static str]),
    TimeZone,
    /// `UTF8` and its spellings, the only encoding there is.
    Utf8,
    /// `ISO` with a field order.
    DateStyle,
    /// Cannot be set.
    Fixed,
}

struct Definition {
    name: &'static str,
    kind: Kind,
    default: &'static str,
    description: &'static str,
}

const fn definition(name: &'static str, kind: Kind, default: &'static str, description: &'static str) -> Definition {
    Definition { name, kind, default, description }
}

const ROLE: &str = "role";
const SESSION_AUTHORIZATION: &str = "session_authorization";
/// What `role` is while it was not set.
const NO_ROLE: &str = "none";

const ISOLATION_LEVELS: &[&str] = &["read committed", "read uncommitted", "repeatable read", "serializable"];

static DEFINITIONS: &[Definition] = &[
    definition("application_name", Kind::Text, "", "Sets the application name to be reported in statistics and logs."),
    definition("arbalest.execution_mode", Kind::OneOf(&ExecutionMode::NAMES), "auto", "Where queries run: auto, local or distributed."),
    definition("arbalest.vacuum_retention", Kind::Milliseconds, "604800000", "How old files are that VACUUM removes when no table has them any more."),
    definition("bytea_output", Kind::OneOf(&["hex", "escape"]), "hex", "Sets the output format for bytea."),
    definition("client_encoding", Kind::Utf8, "UTF8", "Sets the client's character set encoding."),
    definition("client_min_messages", Kind::OneOf(&["debug5", "debug4", "debug3", "debug2", "debug1", "log", "notice", "warning", "error"]), "notice", "Sets the message levels that are sent to the client."),
    definition("DateStyle", Kind::DateStyle, "ISO, MDY", "Sets the display format for date and time values."),
    definition("default_table_access_method", Kind::Text, "heap", "Sets the default table access method for new tables."),
    definition("default_tablespace", Kind::Text, "", "Sets the default tablespace to create tables and indexes in."),
    definition("default_transaction_isolation", Kind::OneOf(ISOLATION_LEVELS), "read committed", "Sets the transaction isolation level of each new transaction."),
    definition("default_transaction_read_only", Kind::Bool, "off", "Sets the default read-only status of new transactions."),
    definition("default_transaction_deferrable", Kind::Bool, "off", "Sets the default deferrable status of new transactions."),
    definition("extra_float_digits", Kind::Integer { min: -15, max: 3 }, "1", "Sets the number of digits displayed for floating-point values."),
    definition("geqo", Kind::Bool, "on", "Enables genetic query optimization; has no effect."),
    definition("idle_in_transaction_session_timeout", Kind::Milliseconds, "0", "Sets the maximum allowed idle time between queries, when in a transaction."),
    definition("idle_session_timeout", Kind::Milliseconds, "0", "Sets the maximum allowed idle time between queries, when not in a transaction."),
    definition("in_hot_standby", Kind::Fixed, "off", "Shows whether hot standby is currently active."),
    definition("integer_datetimes", Kind::Fixed, "on", "Shows whether datetimes are integer based."),
    definition("IntervalStyle", Kind::OneOf(&["postgres", "postgres_verbose", "sql_standard", "iso_8601"]), "postgres", "Sets the display format for interval values."),
    definition("is_superuser", Kind::Fixed, "on", "Shows whether the current user is a superuser."),
    definition("jit", Kind::Bool, "off", "Allow JIT compilation; has no effect."),
    definition("lc_collate", Kind::Fixed, "C", "Shows the collation order locale."),
    definition("lc_ctype", Kind::Fixed, "C", "Shows the character classification and case conversion locale."),
    definition("lc_messages", Kind::Text, "C", "Sets the language in which messages are displayed."),
    definition("lc_monetary", Kind::Text, "C", "Sets the locale for formatting monetary amounts."),
    definition("lc_numeric", Kind::Text, "C", "Sets the locale for formatting numbers."),
    definition("lc_time", Kind::Text, "C", "Sets the locale for formatting date and time values."),
    definition("lock_timeout", Kind::Milliseconds, "0", "Sets the maximum allowed duration of any wait for a lock."),
    definition("max_identifier_length", Kind::Fixed, "63", "Shows the maximum identifier length."),
    definition("max_index_keys", Kind::Fixed, "32", "Shows the maximum number of index keys."),
    definition("password_encryption", Kind::OneOf(&["scram-sha-256"]), "scram-sha-256", "Chooses the algorithm for encrypting passwords."),
    definition("role", Kind::Fixed, "none", "Sets the current role."),
    definition("row_security", Kind::Bool, "on", "Enable row security."),
    definition("search_path", Kind::Text, "\"$user\", public", "Sets the schema search order for names that are not schema-qualified."),
    definition("server_encoding", Kind::Fixed, "UTF8", "Shows the server (database) character set encoding."),
    definition("server_version", Kind::Fixed, "", "Shows the server version."),
    definition("server_version_num", Kind::Fixed, "150000", "Shows the server version as an integer."),
    definition("session_authorization", Kind::Fixed, "", "Shows the current user name."),
    definition("standard_conforming_strings", Kind::OneOf(&["on"]), "on", "Causes '...' strings to treat backslashes literally."),
    definition("statement_timeout", Kind::Milliseconds, "0", "Sets the maximum allowed duration of any statement."),
    definition("synchronous_commit", Kind::Text, "on", "Sets the current transaction's synchronization level; has no effect."),
    definition("TimeZone", Kind::TimeZone, "UTC", "Sets the time zone for displaying and interpreting time stamps."),
    definition("transaction_isolation", Kind::OneOf(ISOLATION_LEVELS), "read committed", "Sets the current transaction's isolation level."),
    definition("transaction_read_only", Kind::Bool, "off", "Sets the current transaction's read-only status."),
    definition("transaction_deferrable", Kind::Bool, "off", "Sets the current transaction's deferrable status."),
    definition("work_mem", Kind::Text, "4MB", "Accepted for PostgreSQL's clients; has no effect."),
    definition("xmloption", Kind::OneOf(&["content", "document"]), "content", "Accepted for PostgreSQL's clients; has no effect."),
];

/// DataFusion's options that a session may change: how queries run, never where files are.
const DATAFUSION_PREFIXES: [&str; 3] = ["datafusion.execution.", "datafusion.optimizer.", "datafusion.explain."];

/// The values of a session. A clone is what a transaction restores.
#[derive(Clone, Debug)]
pub struct Settings {
    /// What RESET goes back to: the built-in defaults, then what the client asked for when it connected.
    defaults: BTreeMap<String, String>,
    values: BTreeMap<String, String>,
    /// Names changed with SET LOCAL and what they had before.
    local: Vec<(String, Option<String>)>,
}

impl Settings {
    pub(crate) fn new(config: &SqlConfig, user: &str) -> Self {
        let mut defaults: BTreeMap<String, String> =
            DEFINITIONS.iter().map(|definition| (key(definition.name), definition.default.to_owned())).collect();
        defaults.insert("server_version".into(), format!("{POSTGRES_VERSION} (Arbalest {})", config.version));
        defaults.insert("session_authorization".into(), user.to_owned());
        Self { defaults, values: BTreeMap::new(), local: Vec::new() }
    }

    /// A value from the start-up packet: what RESET will go back to.
    pub(crate) fn set_default(&mut self, name: &str, value: &str) -> Result<()> {
        let value = check(name, value)?;
        self.defaults.insert(key(name), value);
        Ok(())
    }

    pub(crate) fn set(&mut self, name: &str, value: &str) -> Result<()> {
        let value = check(name, value)?;
        self.values.insert(key(name), value);
        Ok(())
    }

    /// Like [`Settings::set`], until [`Settings::end_local`].
    pub(crate) fn set_local(&mut self, name: &str, value: &str) -> Result<()> {
        let before = self.values.get(&key(name)).cloned();
        self.set(name, value)?;
        self.local.push((key(name), before));
        Ok(())
    }

    /// Undoes SET LOCAL at the end of a transaction.
    pub(crate) fn end_local(&mut self) {
        for (name, before) in std::mem::take(&mut self.local).into_iter().rev() {
            match before {
                Some(value) => self.values.insert(name, value),
                None => self.values.remove(&name),
            };
        }
    }

    pub(crate) fn reset(&mut self, name: &str) -> Result<()> {
        match find(name) {
            Some(Definition { kind: Kind::Fixed, .. }) => return Err(Error::FixedSetting { name: name.to_owned() }),
            Some(_) => {}
            None if name.contains('.') => {}
            None => return Err(undefined(name)),
        }
        self.values.remove(&key(name));
        Ok(())
    }

    /// Who the session is stays as it is.
    pub(crate) fn reset_all(&mut self) {
        self.values.retain(|name, _| name == ROLE || name == SESSION_AUTHORIZATION);
    }

    /// The role whose rights the session has.
    pub(crate) fn role(&self) -> &str {
        match self.raw(ROLE) {
            Some(role) if role != NO_ROLE => role,
            _ => self.session_authorization(),
        }
    }

    /// Who the session belongs to.
    pub(crate) fn session_authorization(&self) -> &str {
        self.raw(SESSION_AUTHORIZATION).unwrap_or_default()
    }

    /// `SET ROLE`; `None` is the role that the session belongs to. `local` ends with the transaction.
    pub(crate) fn set_role(&mut self, role: Option<&str>, local: bool) {
        self.set_checked(ROLE, role.unwrap_or(NO_ROLE), local);
    }

    /// `SET SESSION AUTHORIZATION`; `None` is the role that has connected.
    pub(crate) fn set_session_authorization(&mut self, role: Option<&str>, local: bool) {
        let role = role.or_else(|| self.defaults.get(SESSION_AUTHORIZATION).map(String::as_str)).unwrap_or_default().to_owned();
        self.set_checked(SESSION_AUTHORIZATION, &role, local);
        self.set_role(None, local);
    }

    fn set_checked(&mut self, key: &str, value: &str, local: bool) {
        let before = self.values.insert(key.to_owned(), value.to_owned());
        if local {
            self.local.push((key.to_owned(), before));
        }
    }

    pub(crate) fn show(&self, name: &str) -> Option<String> {
        let value = self.raw(&key(name))?;
        Some(match find(name).map(|definition| definition.kind) {
            Some(Kind::Milliseconds) => show_milliseconds(value),
            _ => value.to_owned(),
        })
    }

    /// Like [`Settings::show`], for users: the error has a hint.
    pub(crate) fn require(&self, name: &str) -> Result<String> {
        match self.show(name) {
            Some(value) => Ok(value),
            None if is_datafusion(name) => datafusion_default(name),
            None => Err(undefined(name)),
        }
    }

    /// Every defined parameter: name, value, description.
    pub(crate) fn all(&self) -> Vec<(String, String, &'static str)> {
        DEFINITIONS
            .iter()
            .map(|d| (d.name.to_owned(), self.show(d.name).unwrap_or_default(), d.description))
            .collect()
    }

    fn raw(&self, key: &str) -> Option<&str> {
        self.values.get(key).or_else(|| self.defaults.get(key)).map(String::as_str)
    }

    /// What `set_config` and SHOW call the parameter: its own spelling.
    pub(crate) fn canonical_name(name: &str) -> String {
        find(name).map_or_else(|| name.to_ascii_lowercase(), |definition| definition.name.to_owned())
    }

    pub(crate) fn execution_mode(&self) -> ExecutionMode {
        self.raw("arbalest.execution_mode").and_then(|mode| ExecutionMode::from_str(mode).ok()).unwrap_or_default()
    }

    /// Whether a transaction may change nothing: as its block says, else as the session does.
    pub(crate) fn is_read_only(&self) -> bool {
        let of_block = self.local.iter().any(|(name, _)| name == "transaction_read_only");
        let name = if of_block { "transaction_read_only" } else { "default_transaction_read_only" };
        self.raw(name) == Some("on")
    }

    pub(crate) fn statement_timeout(&self) -> Option<Duration> {
        self.timeout("statement_timeout")
    }

    /// A setting in milliseconds, whose 0 is no limit.
    pub(crate) fn timeout(&self, key: &str) -> Option<Duration> {
        let milliseconds = self.raw(key)?.parse().ok()?;
        (milliseconds > 0).then(|| Duration::from_millis(milliseconds))
    }

    pub(crate) fn time_zone(&self) -> &str {
        self.raw("timezone").unwrap_or("UTC")
    }

    /// The DataFusion options that were set.
    pub(crate) fn datafusion_options(&self) -> impl Iterator<Item = (&str, &str)> {
        let values = self.defaults.iter().filter(|(name, _)| !self.values.contains_key(*name)).chain(&self.values);
        values.filter(|(name, _)| is_datafusion(name)).map(|(name, value)| (name.as_str(), value.as_str()))
    }

    /// The schemas that names without one are looked up in, without those that PostgreSQL adds by itself.
    pub(crate) fn search_path(&self, user: &str) -> Vec<String> {
        split_list(self.raw("search_path").unwrap_or_default())
            .into_iter()
            .map(|name| if name == "$user" { user.to_owned() } else { name })
            .collect()
    }
}

/// `a, "B c"` → `a`, `B c`.
fn split_list(list: &str) -> Vec<String> {
    let mut names = vec![];
    let mut rest = list.trim();
    while !rest.is_empty() {
        let (name, after) = match rest.strip_prefix('"') {
            Some(quoted) => {
                let end = quoted.find('"').unwrap_or(quoted.len());
                (quoted[..end].to_owned(), quoted.get(end + 1..).unwrap_or_default())
            }
            None => {
                let end = rest.find(',').unwrap_or(rest.len());
                (rest[..end].trim().to_lowercase(), &rest[end..])
            }
        };
        if !name.is_empty() {
            names.push(name);
        }
        rest = after.trim_start().trim_start_matches(',').trim_start();
    }
    names
}

fn key(name: &str) -> String {
    name.to_ascii_lowercase()
}

fn find(name: &str) -> Option<&'static Definition> {
    DEFINITIONS.iter().find(|definition| definition.name.eq_ignore_ascii_case(name))
}

fn is_datafusion(name: &str) -> bool {
    DATAFUSION_PREFIXES.iter().any(|prefix| key(name).starts_with(prefix))
}

fn undefined(name: &str) -> Error {
    let nearest = nearest_name(&key(name), DEFINITIONS.iter().map(|definition| definition.name.to_owned()));
    Error::UndefinedSetting { name: name.to_owned(), nearest }
}

/// The value as it is kept, or why it cannot be.
fn check(name: &str, value: &str) -> Result<String> {
    let Some(definition) = find(name) else {
        if is_datafusion(name) {
            return check_datafusion(name, value);
        }
        let reserved = ["arbalest.", "datafusion."].iter().any(|prefix| key(name).starts_with(prefix));
        return match name.contains('.') && !reserved {
            true => Ok(value.to_owned()),
            false => Err(undefined(name)),
        };
    };
    let invalid = |hint: Option<String>| Error::InvalidSetting {
        name: definition.name.to_owned(),
        value: value.to_owned(),
        hint,
    };
    match definition.kind {
        Kind::Text => Ok(value.to_owned()),
        Kind::Fixed => match value == definition.default {
            true => Ok(value.to_owned()),
            false => Err(Error::FixedSetting { name: definition.name.to_owned() }),
        },
        Kind::Bool => match value.to_ascii_lowercase().as_str() {
            "on" | "true" | "yes" | "1" | "t" | "y" => Ok("on".into()),
            "off" | "false" | "no" | "0" | "f" | "n" => Ok("off".into()),
            _ => Err(invalid(Some("The value must be on or off.".into()))),
        },
        Kind::Integer { min, max } => match value.trim().parse::<i64>() {
            Ok(number) if (min..=max).contains(&number) => Ok(number.to_string()),
            _ => Err(invalid(Some(format!("The value must be an integer between {min} and {max}.")))),
        },
        Kind::Milliseconds => {
            parse_milliseconds(value).map(|ms| ms.to_string()).ok_or_else(|| {
                invalid(Some("Valid units for this parameter are \"us\", \"ms\", \"s\", \"min\", \"h\", and \"d\".".into()))
            })
        }
        Kind::OneOf(values) => match values.iter().find(|known| known.eq_ignore_ascii_case(value.trim())) {
            Some(known) => Ok((*known).to_owned()),
            None => Err(invalid(Some(format!("Available values: {}.", values.join(", "))))),
        },
        Kind::TimeZone => parse_time_zone(value).ok_or_else(|| invalid(None)),
        // As in PostgreSQL only letters and digits count: asyncpg sends 'utf-8' with its quotes.
        Kind::Utf8 => match value.to_ascii_uppercase().replace(|c: char| !c.is_ascii_alphanumeric(), "").as_str() {
            "UTF8" | "UNICODE" => Ok("UTF8".into()),
            _ => Err(invalid(Some("The only encoding is UTF8.".into()))),
        },
        Kind::DateStyle => {
            let upper = value.to_ascii_uppercase();
            let mut order = "MDY";
            for word in upper.split(',').map(str::trim) {
                match word {
                    "ISO" => {}
                    "MDY" | "US" | "NONEURO" | "NONEUROPEAN" => order = "MDY",
                    "DMY" | "EURO" | "EUROPEAN" => order = "DMY",
                    "YMD" => order = "YMD",
                    _ => return Err(invalid(Some("The only output style is ISO.".into()))),
                }
            }
            Ok(format!("ISO, {order}"))
        }
    }
}

/// DataFusion knows `true` and `false` only.
fn check_datafusion(name: &str, value: &str) -> Result<String> {
    let mut options = ConfigOptions::new();
    let Err(error) = options.set(&key(name), value) else { return Ok(value.to_owned()) };
    let boolean = match value.to_ascii_lowercase().as_str() {
        "on" | "yes" | "1" => "true",
        "off" | "no" | "0" => "false",
        _ => value,
    };
    options.set(&key(name), boolean).map(|()| boolean.to_owned()).map_err(|_| Error::InvalidSetting {
        name: name.to_owned(),
        value: value.to_owned(),
        hint: Some(error.strip_backtrace()),
    })
}

/// A number of milliseconds, or a number with a unit.
fn parse_milliseconds(value: &str) -> Option<u64> {
    let value = value.trim();
    let digits = value.find(|c: char| !c.is_ascii_digit() && c != '.').unwrap_or(value.len());
    let number: f64 = value[..digits].parse().ok()?;
    let factor = match value[digits..].trim() {
        "" | "ms" => 1.0,
        "us" => 0.001,
        "s" => 1_000.0,
        "min" => 60_000.0,
        "h" => 3_600_000.0,
        "d" => 86_400_000.0,
        _ => return None,
    };
    let milliseconds = (number * factor).round();
    (milliseconds <= f64::from(i32::MAX)).then_some(milliseconds as u64)
}

fn show_milliseconds(value: &str) -> String {
    let milliseconds: u64 = value.parse().unwrap_or(0);
    const UNITS: [(u64, &str); 5] = [(86_400_000, "d"), (3_600_000, "h"), (60_000, "min"), (1_000, "s"), (1, "ms")];
    match UNITS.iter().find(|(size, _)| milliseconds > 0 && milliseconds.is_multiple_of(*size)) {
        Some((size, unit)) => format!("{}{unit}", milliseconds / size),
        None => "0".into(),
    }
}

/// The canonical name of a zone, or an offset from UTC in the form `+05:30`. A bare number counts hours east of Greenwich.
fn parse_time_zone(value: &str) -> Option<String> {
    let value = value.trim();
    if value.eq_ignore_ascii_case("default") || value.eq_ignore_ascii_case("local") {
        return Some("UTC".into());
    }
    if let Some(zone) = chrono_tz::TZ_VARIANTS.iter().find(|zone| zone.name().eq_ignore_ascii_case(value)) {
        return Some(zone.name().to_owned());
    }
    let (sign, digits) = match value.as_bytes().first()? {
        b'-' => ('-', &value[1..]),
        b'+' => ('+', &value[1..]),
        _ => ('+', value),
    };
    let (hours, minutes) = match digits.split_once(':') {
        Some((hours, minutes)) => (hours.parse::<u32>().ok()?, minutes.parse::<u32>().ok()?),
        None => {
            let hours: f64 = digits.parse().ok()?;
            (hours.trunc() as u32, (hours.fract() * 60.0).round() as u32)
        }
    };
    (hours <= 15 && minutes < 60).then(|| format!("{sign}{hours:02}:{minutes:02}"))
}

fn datafusion_default(name: &str) -> Result<String> {
    let entries = ConfigOptions::new().entries();
    let entry = entries.into_iter().find(|entry| entry.key == key(name)).ok_or_else(|| undefined(name))?;
    Ok(entry.value.unwrap_or_default())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::catalog::location::LocationRules;
    use crate::catalog::sealing::SealingKey;

    fn settings() -> Settings {
        Settings::new(&SqlConfig { version: "1".into(), warehouse: "file:///tmp/".parse().expect("a URL"), locations: LocationRules::default(), sealing_key: SealingKey::in_file("/nowhere".into()) }, "ada")
    }

    #[test]
    fn durations_have_units() {
        let mut s = settings();
        for (given, shown, ms) in [("5s", "5s", 5_000), ("1500", "1500ms", 1_500), ("2min", "2min", 120_000), ("0", "0", 0)] {
            s.set("statement_timeout", given).expect("valid");
            assert_eq!(s.show("STATEMENT_TIMEOUT").as_deref(), Some(shown));
            assert_eq!(s.statement_timeout().unwrap_or_default().as_millis(), ms);
        }
        assert_eq!(s.set("statement_timeout", "soon").expect_err("invalid").sql_state().code(), "22023");
    }

    #[test]
    fn unknown_names_have_a_hint() {
        let error = settings().set("arbalest.execution_mod", "local").expect_err("unknown");
        assert_eq!(error.sql_state().code(), "42704");
        assert!(error.hint().is_some_and(|hint| hint.contains("arbalest.execution_mode")));
        assert!(settings().set("my.variable", "1").is_ok());
    }

    #[test]
    fn local_values_end_with_the_transaction() {
        let mut s = settings();
        s.set("application_name", "a").expect("valid");
        s.set_local("application_name", "b").expect("valid");
        assert_eq!(s.show("application_name").as_deref(), Some("b"));
        s.end_local();
        assert_eq!(s.show("application_name").as_deref(), Some("a"));
    }

    #[test]
    fn time_zones() {
        let mut s = settings();
        for (given, kept) in [("europe/berlin", "Europe/Berlin"), ("-8", "-08:00"), ("+05:30", "+05:30"), ("utc", "UTC")] {
            s.set("timezone", given).expect("valid");
            assert_eq!(s.time_zone(), kept);
        }
        assert!(s.set("timezone", "Mars/Olympus").is_err());
    }
}
