//! Which build this is: version, commit, profile.

/// The version of the workspace, as in `arbalest --version`.
pub const VERSION: &str = env!("CARGO_PKG_VERSION");

/// The commit the build was made from, when whoever built it set `GIT_COMMIT`; `unknown` otherwise.
pub const COMMIT: &str = match option_env!("GIT_COMMIT") {
    Some(commit) => commit,
    None => "unknown",
};
