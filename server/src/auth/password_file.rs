//! Passwords of a fixed set of users: a line `user:verifier` each, where the verifier is one of PostgreSQL's
//! (`SCRAM-SHA-256$…`) or the password itself.

use std::collections::BTreeMap;

use super::verifier::Verifier;

#[derive(Debug)]
pub(super) struct PasswordFile(BTreeMap<String, Verifier>);

impl PasswordFile {
    /// The error names the line, and nothing that is in it.
    pub(super) fn parse(text: &str) -> Result<Self, String> {
        let mut users = BTreeMap::new();
        for (index, line) in text.lines().enumerate() {
            if line.trim().is_empty() || line.starts_with('#') {
                continue;
            }
            let Some((user, secret)) = line.split_once(':') else { return Err(format!("line {} is not user:password", index + 1)) };
            if user.is_empty() || secret.is_empty() {
                return Err(format!("line {} has no user, or no password", index + 1));
            }
            let verifier = match secret.starts_with("SCRAM-SHA-256$") {
                true => secret.trim_end().parse().map_err(|()| format!("line {} has a verifier that cannot be read", index + 1))?,
                false => Verifier::new(secret),
            };
            if users.insert(user.to_owned(), verifier).is_some() {
                return Err(format!("line {} names a user for the second time", index + 1));
            }
        }
        Ok(Self(users))
    }

    pub(super) fn verifier(&self, user: &str) -> Option<Verifier> {
        self.0.get(user).cloned()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn users_have_passwords_or_verifiers() {
        let made = Verifier::new("secret").to_string();
        let file = PasswordFile::parse(&format!("# users\nann:a:b c\n\nbob:{made}\n")).expect("users");
        assert!(file.verifier("ann").is_some_and(|verifier| verifier.is_of("a:b c")));
        assert!(file.verifier("bob").is_some_and(|verifier| verifier.is_of("secret") && !verifier.is_of("Secret")));
        assert!(file.verifier("eve").is_none());
        for (text, error) in [("x", "is not user:password"), (":x", "has no user"), ("a:1\na:2", "line 2"), ("a:SCRAM-SHA-256$1", "cannot be read")] {
            assert!(PasswordFile::parse(text).expect_err(text).contains(error), "{text}");
        }
    }
}
