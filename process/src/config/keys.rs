//! The options of a process as keys of a file and names of variables.

use std::ffi::OsString;

use clap::{ArgAction, Args, Command};

/// Every option of a process, except `--help` and `--config`.
pub(super) struct Keys {
    command: Command,
    keys: Vec<Key>,
}

#[derive(Clone)]
pub(super) struct Key {
    /// clap's name for it.
    pub(super) id: String,
    /// As in the file: `data-dir`. A flag is spelled so too, after `--`.
    pub(super) name: String,
    /// LOCATION stands on the command line without a flag.
    positional: bool,
    /// May be given more than once.
    pub(super) list: bool,
    /// A flag without a value; `true` and `false` elsewhere.
    switch: bool,
}

impl Keys {
    pub(super) fn of<T: Args>() -> Self {
        let command = T::augment_args(Command::new("options"))
            .mut_args(|argument| argument.required(false))
            .disable_help_flag(true);
        let keys = command
            .get_arguments()
            .map(|argument| Key {
                id: argument.get_id().to_string(),
                name: argument.get_long().unwrap_or(argument.get_id().as_str()).replace('_', "-"),
                positional: argument.is_positional(),
                list: matches!(argument.get_action(), ArgAction::Append),
                switch: matches!(argument.get_action(), ArgAction::SetTrue),
            })
            .collect();
        Self { command, keys }
    }

    /// `name` as in the file; underscores are as good as hyphens.
    pub(super) fn find(&self, name: &str) -> Option<&Key> {
        let name = name.replace('_', "-");
        self.keys.iter().find(|key| key.name == name)
    }

    pub(super) fn names(&self) -> impl Iterator<Item = &str> {
        self.keys.iter().map(|key| key.name.as_str())
    }

    /// Whether the option takes these values, and why not.
    pub(super) fn check(&self, key: &Key, values: &[String]) -> Result<(), clap::Error> {
        let arguments = std::iter::once(OsString::from("options")).chain(key.arguments(values));
        self.command.clone().try_get_matches_from(arguments).map(|_| ())
    }
}

impl Key {
    /// The option with these values, as on a command line.
    pub(super) fn arguments(&self, values: &[String]) -> Vec<OsString> {
        values
            .iter()
            .filter_map(|value| match value {
                value if self.positional => Some(value.into()),
                value if self.switch && value == "false" => None,
                value if self.switch && value == "true" => Some(format!("--{}", self.name).into()),
                // A switch that is given anything else: clap says what is wrong.
                value => Some(format!("--{}={value}", self.name).into()),
            })
            .collect()
    }
}
