//! ParameterStatus: the settings that clients are told, at start-up and whenever they change.

use bytes::BytesMut;
use pgwire::messages::startup::ParameterStatus;
use sql::Session;

use super::error::{put_message, without_nul};

/// The settings PostgreSQL 15 reports, with what holds where a session has no such setting.
const REPORTED_SETTINGS: [(&str, &str); 13] = [
    ("application_name", ""),
    ("client_encoding", "UTF8"),
    ("DateStyle", "ISO, MDY"),
    ("default_transaction_read_only", "off"),
    ("in_hot_standby", "off"),
    ("integer_datetimes", "on"),
    ("IntervalStyle", "postgres"),
    ("is_superuser", "off"),
    ("server_encoding", "UTF8"),
    ("server_version", concat!("15.0 (Arbalest ", env!("CARGO_PKG_VERSION"), ")")),
    ("session_authorization", ""),
    ("standard_conforming_strings", "on"),
    ("TimeZone", "UTC"),
];

/// What the client was told last.
pub struct ReportedSettings {
    values: [Option<String>; REPORTED_SETTINGS.len()],
}

impl ReportedSettings {
    pub fn new() -> Self {
        Self { values: Default::default() }
    }

    /// Appends a ParameterStatus for every setting that the client does not know as it is now.
    pub fn put_changes(&mut self, session: &Session, out: &mut BytesMut) {
        for ((name, default), reported) in REPORTED_SETTINGS.iter().zip(&mut self.values) {
            let value = session.setting(name).unwrap_or_else(|| match *name {
                "session_authorization" => session.user().to_owned(),
                _ => (*default).to_owned(),
            });
            if reported.as_ref() != Some(&value) {
                put_message(&ParameterStatus::new((*name).to_owned(), without_nul(value.clone())), out);
                *reported = Some(value);
            }
        }
    }
}
