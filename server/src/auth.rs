//! Who a client is: what it must show to be the user that it says.

mod host_rules;
mod password_file;
mod verifier;

use std::net::SocketAddr;
use std::path::PathBuf;
use std::sync::Arc;

use process::reload::Reloaded;
use sql::Sessions;

pub use host_rules::Method;
pub use verifier::Verifier;

use host_rules::{Client, HostRules};
use password_file::PasswordFile;
use verifier::Mocks;

/// How clients are to show who they are.
#[derive(Clone, Debug, Default)]
pub struct AuthSettings {
    /// Rules by host, user and database.
    pub host_rules: Option<PathBuf>,
    /// Users beside those of the catalog.
    pub passwords: Option<PathBuf>,
    /// Where there are no rules; `None` is trust, unless there are passwords.
    pub method: Option<Method>,
}

impl AuthSettings {
    /// Whether anybody has said how clients are to show who they are.
    pub fn is_configured(&self) -> bool {
        self.host_rules.is_some() || self.passwords.is_some() || self.method.is_some_and(|method| method != Method::Trust)
    }
}

/// Decides who may connect.
#[derive(Debug)]
pub struct Authenticator {
    rules: Rules,
    passwords: Option<Reloaded<PasswordFile>>,
    mocks: Mocks,
    sessions: Arc<Sessions>,
}

#[derive(Debug)]
enum Rules {
    Fixed(Arc<HostRules>),
    File(Reloaded<HostRules>),
}

/// A client that wants to connect.
#[derive(Clone, Copy, Debug)]
pub struct Applicant<'a> {
    pub user: &'a str,
    pub database: &'a str,
    pub address: SocketAddr,
    pub is_encrypted: bool,
    /// The name in the certificate that it has shown.
    pub certificate: Option<&'a str>,
}

/// What an applicant still has to show.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Proof {
    Nothing,
    Scram,
    /// The password itself.
    Password,
}

/// Why an applicant is turned away.
#[derive(Debug, thiserror::Error)]
pub enum AuthError {
    #[error("no rule lets user \"{user}\" connect to database \"{database}\" from {address}, {}", encryption(*.is_encrypted))]
    NoRule { user: String, database: String, address: String, is_encrypted: bool },

    #[error("a rule rejects user \"{user}\" for database \"{database}\" from {address}, {}", encryption(*.is_encrypted))]
    Rejected { user: String, database: String, address: String, is_encrypted: bool },

    #[error("a password in clear text is taken on an encrypted connection only")]
    ClearPassword,

    #[error("password authentication failed for user \"{user}\"")]
    Password { user: String },

    #[error("connection requires a valid client certificate")]
    NoCertificate,

    #[error("certificate authentication failed for user \"{user}\"")]
    Certificate { user: String },
}

fn encryption(is_encrypted: bool) -> &'static str {
    if is_encrypted { "encrypted" } else { "no encryption" }
}

impl Authenticator {
    /// The error says which file is wrong, and how.
    pub fn new(settings: &AuthSettings, sessions: Arc<Sessions>) -> Result<Self, String> {
        let rules = match &settings.host_rules {
            Some(path) => Rules::File(read_file("the host rules", path.clone(), |text| HostRules::parse(&text))?),
            None => {
                let method = if settings.passwords.is_some() { Method::ScramSha256 } else { Method::Trust };
                Rules::Fixed(Arc::new(HostRules::of(settings.method.unwrap_or(method))))
            }
        };
        let passwords = settings.passwords.clone();
        let passwords = passwords.map(|path| read_file("the password file", path, |text| PasswordFile::parse(&text))).transpose()?;
        Ok(Self { rules, passwords, mocks: Mocks::new(), sessions })
    }

    fn rules(&self) -> Arc<HostRules> {
        match &self.rules {
            Rules::Fixed(rules) => Arc::clone(rules),
            Rules::File(rules) => rules.current(),
        }
    }

    /// What the applicant still has to show.
    pub fn demand(&self, applicant: &Applicant<'_>) -> Result<Proof, AuthError> {
        let Applicant { user, database, address, is_encrypted, certificate } = *applicant;
        let client = Client { address: address.ip(), is_encrypted, user, database };
        let named = || (user.to_owned(), database.to_owned(), address.ip().to_canonical().to_string());
        let rules = self.rules();
        let Some(demand) = rules.demand(&client, |role| self.sessions.is_member(user, role)) else {
            let (user, database, address) = named();
            return Err(AuthError::NoRule { user, database, address, is_encrypted });
        };
        if demand.needs_certificate || demand.method == Method::Certificate {
            let name = certificate.ok_or(AuthError::NoCertificate)?;
            if !demand.names(name, user) {
                return Err(AuthError::Certificate { user: user.to_owned() });
            }
        }
        match demand.method {
            Method::Trust | Method::Certificate => Ok(Proof::Nothing),
            Method::ScramSha256 => Ok(Proof::Scram),
            Method::Password if is_encrypted || address.ip().to_canonical().is_loopback() => Ok(Proof::Password),
            Method::Password => Err(AuthError::ClearPassword),
            Method::Reject => {
                let (user, database, address) = named();
                Err(AuthError::Rejected { user, database, address, is_encrypted })
            }
        }
    }

    /// What the user's password is checked with. One that nobody can have, always the same, for a user without password.
    pub fn verifier(&self, user: &str) -> Verifier {
        let from_file = self.passwords.as_ref().and_then(|passwords| passwords.current().verifier(user));
        let from_catalog = || self.sessions.password_verifier(user).and_then(|verifier| verifier.parse().ok());
        from_file.or_else(from_catalog).unwrap_or_else(|| self.mocks.verifier(user))
    }

    /// Checks a password that was given in clear text.
    pub fn check_password(&self, user: &str, password: &str) -> Result<(), AuthError> {
        match self.verifier(user).is_of(password) {
            true => Ok(()),
            false => Err(AuthError::Password { user: user.to_owned() }),
        }
    }
}

fn read_file<T: 'static>(
    what: &'static str,
    path: PathBuf,
    parse: impl Fn(String) -> Result<T, String> + Send + Sync + 'static,
) -> Result<Reloaded<T>, String> {
    let file = path.clone();
    Reloaded::new(what, vec![path], move || {
        let text = std::fs::read_to_string(&file).map_err(|error| format!("{}: {error}", file.display()))?;
        parse(text).map_err(|error| format!("{}: {error}", file.display()))
    })
}
