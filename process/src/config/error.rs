//! What is wrong with a configuration: one sentence that names the flag, variable or key, and exit code 2.

use std::error::Error as _;
use std::io;
use std::path::PathBuf;
use std::process::ExitCode;

use clap::Command;
use clap::error::{ContextKind, ContextValue, ErrorKind};

/// Names less alike than this (Jaro-Winkler, 0 to 1) are no help as a suggestion.
const SUGGESTION_SIMILARITY_MIN: f64 = 0.7;

#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// Not wrong at all: the text of `--help` or `--version`.
    #[error("{text}")]
    Help { text: String },
    #[error("{sentence}")]
    CommandLine { sentence: String },
    #[error("unknown environment variable {name}{}", did_you_mean(.nearest))]
    UnknownVariable { name: String, nearest: Option<String> },
    #[error("the environment variable {name} is not valid UTF-8")]
    VariableNotText { name: String },
    #[error("cannot read the configuration file \"{}\": {source}", path.display())]
    ReadFile { path: PathBuf, source: io::Error },
    #[error("line {line} of the configuration file \"{}\" is not valid TOML: {message}", path.display())]
    FileSyntax { path: PathBuf, line: usize, message: String },
    #[error("unknown key \"{name}\" in the configuration file \"{}\"{}", path.display(), did_you_mean(.nearest))]
    UnknownKey { path: PathBuf, name: String, nearest: Option<String> },
    #[error("{place} must be {expected}")]
    FileValue { place: String, expected: &'static str },
    #[error("invalid value {value:?} for {place}: {reason}")]
    InvalidValue { value: String, place: String, reason: String },
}

impl Error {
    /// Tells the user and gives the exit code: help goes to standard output and is a success.
    pub fn report(&self) -> ExitCode {
        match self {
            Self::Help { text } => {
                print!("{text}");
                ExitCode::SUCCESS
            }
            error => {
                eprintln!("error: {error}");
                ExitCode::from(2)
            }
        }
    }
}

fn did_you_mean(nearest: &Option<String>) -> String {
    nearest.as_ref().map(|name| format!("; did you mean {name}?")).unwrap_or_default()
}

/// The name most like `name`, if any is like it at all. The prefix that all have in common tells nothing.
pub(super) fn nearest(name: &str, names: impl Iterator<Item = String>) -> Option<String> {
    let distinct = |name: &str| {
        let name = name.trim_start_matches('-').to_lowercase().replace('_', "-");
        name.strip_prefix("arbalest-").map(str::to_owned).unwrap_or(name)
    };
    let wanted = distinct(name);
    names
        .map(|candidate| (strsim::jaro_winkler(&wanted, &distinct(&candidate)), candidate))
        .filter(|(similarity, _)| *similarity >= SUGGESTION_SIMILARITY_MIN)
        .max_by(|(left, _), (right, _)| left.total_cmp(right))
        .map(|(_, candidate)| candidate)
}

/// A value that clap refused for an option given in a file or a variable, which `place` names.
pub(super) fn invalid_value(error: &clap::Error, values: &[String], place: String) -> Error {
    let value = match text(error, ContextKind::InvalidValue) {
        value if value.is_empty() => values.join(","),
        value => value,
    };
    Error::InvalidValue { value, place, reason: reason(error) }
}

/// clap's errors are paragraphs with usage and hints; ours are sentences.
pub(super) fn from_clap(error: &clap::Error, command: &Command) -> Error {
    let argument = text(error, ContextKind::InvalidArg);
    // `--data-dir <DIR>` is the option's usage; its name is enough.
    let flag = argument.split_whitespace().next().unwrap_or_default();
    let value = text(error, ContextKind::InvalidValue);
    let sentence = match error.kind() {
        ErrorKind::DisplayHelp | ErrorKind::DisplayVersion => return Error::Help { text: error.render().to_string() },
        ErrorKind::UnknownArgument if flag.starts_with('-') => {
            format!("unknown flag {flag}{}", did_you_mean(&nearest(flag, flags(command))))
        }
        ErrorKind::UnknownArgument => format!("unexpected argument {argument:?}"),
        ErrorKind::InvalidSubcommand => {
            let name = text(error, ContextKind::InvalidSubcommand);
            let commands = command.get_subcommands().map(|command| command.get_name().to_owned());
            let nearest = nearest(&name, commands.chain(["help".into()]));
            format!("unknown command {name:?}{}", did_you_mean(&nearest))
        }
        ErrorKind::MissingSubcommand => {
            let commands: Vec<_> = command.get_subcommands().map(Command::get_name).collect();
            format!("a command is missing: {} (see --help)", commands.join(", "))
        }
        ErrorKind::MissingRequiredArgument => {
            format!("{flag} is required (or its key in the --config file, or its ARBALEST_ variable)",)
        }
        ErrorKind::InvalidValue if value.is_empty() => format!("{flag} needs a value"),
        ErrorKind::InvalidValue | ErrorKind::ValueValidation => {
            return Error::InvalidValue { value, place: flag.into(), reason: reason(error) };
        }
        ErrorKind::ArgumentConflict if text(error, ContextKind::PriorArg) == argument => {
            format!("{flag} is given more than once")
        }
        _ => {
            let paragraph = error.to_string();
            paragraph.lines().next().unwrap_or_default().trim_start_matches("error: ").to_owned()
        }
    };
    Error::CommandLine { sentence }
}

fn reason(error: &clap::Error) -> String {
    if let Some(ContextValue::Strings(values)) = error.get(ContextKind::ValidValue)
        && !values.is_empty()
    {
        return format!("it is one of {}", values.join(", "));
    }
    match error.source() {
        Some(source) => source.to_string(),
        None => "it cannot be understood".into(),
    }
}

fn text(error: &clap::Error, kind: ContextKind) -> String {
    match error.get(kind) {
        Some(ContextValue::String(text)) => text.clone(),
        Some(ContextValue::Strings(texts)) => texts.join(", "),
        _ => String::new(),
    }
}

fn flags(command: &Command) -> impl Iterator<Item = String> {
    std::iter::once(command)
        .chain(command.get_subcommands())
        .flat_map(Command::get_arguments)
        .filter_map(|argument| argument.get_long())
        .chain(["help", "version"])
        .map(|name| format!("--{name}"))
}
