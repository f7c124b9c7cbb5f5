//! Configuration: one typed struct of options, read from flags, `ARBALEST_…` variables and a TOML file.
//!
//! A struct that derives `clap::Args` is all a process declares. Every option in it is also a key of the `--config`
//! file and an environment variable: `--data-dir`, `data-dir = "…"`, `ARBALEST_DATA_DIR`. A flag wins over the variable,
//! the variable over the file, the file over the default. A name that is no option is an error that names the nearest.

mod environment;
mod error;
mod file;
mod keys;
mod process_options;
mod value;

use std::ffi::OsString;
use std::path::PathBuf;

use clap::parser::ValueSource;
use clap::{ArgMatches, Args, Command};

pub use error::Error;
pub use process_options::ProcessOptions;
pub use value::{ByteSize, Port, at_least_one, default_cache_bytes, default_memory_bytes, parse_duration, parse_memory};

use keys::{Key, Keys};

/// Where configuration comes from, apart from the file.
pub struct Sources {
    /// The command line, with the program's name first.
    pub arguments: Vec<OsString>,
    pub environment: Vec<(OsString, OsString)>,
}

impl Sources {
    pub fn of_this_process() -> Self {
        Self { arguments: std::env::args_os().collect(), environment: std::env::vars_os().collect() }
    }
}

// The flag that every process has. (A doc comment would become the command's description.)
#[derive(Args)]
struct ConfigFile {
    /// TOML file with any of these options
    #[arg(long, value_name = "FILE")]
    config: Option<PathBuf>,
}

/// Reads the options `T` of `command`, or of its `subcommand` (`arbalest serve`).
///
/// Values from lower layers are put in front of the user's arguments unless the user, or a higher layer, gives that
/// option: so there is one parser, one set of types, and one place for defaults.
pub fn load<T: Args>(command: Command, subcommand: Option<Command>, sources: Sources) -> Result<T, Error> {
    let help = "Every option is also a key of the --config file and an environment variable:\n\
                --data-dir DIR is the key data-dir and the variable ARBALEST_DATA_DIR.";
    let name = subcommand.as_ref().map(|subcommand| subcommand.get_name().to_owned());
    let with_options = |command: Command| ConfigFile::augment_args(T::augment_args(command)).after_help(help);
    let command = match subcommand {
        Some(subcommand) => command.subcommand_required(true).subcommand(with_options(subcommand)),
        None => with_options(command),
    };
    let keys = Keys::of::<T>();

    // What is required may come from a lower layer, so it is not yet missed.
    let given = parse(&nothing_required(command.clone()), &sources.arguments)?;
    let given = innermost(&given);
    let environment = environment::read(&keys, &sources.environment)?;
    let config = match given.get_one::<PathBuf>("config") {
        Some(path) => Some(path.clone()),
        None => environment.config.clone(),
    };
    let file = match &config {
        Some(path) => file::read(&keys, path)?,
        None => Vec::new(),
    };

    let is_given = |key: &Key| given.value_source(&key.id) == Some(ValueSource::CommandLine);
    let in_environment = |key: &Key| environment.values.iter().any(|(other, _)| other.id == key.id);
    let lower = (file.iter().filter(|(key, _)| !in_environment(key)).chain(&environment.values))
        .filter(|(key, _)| !is_given(key))
        .flat_map(|(key, values)| key.arguments(values));
    let place = sources.arguments.len().min(if name.is_some() { 2 } else { 1 });
    let mut arguments = sources.arguments;
    arguments.splice(place..place, lower.collect::<Vec<_>>());

    let matches = parse(&command, &arguments)?;
    T::from_arg_matches(innermost(&matches)).map_err(|error| error::from_clap(&error, &command))
}

fn parse(command: &Command, arguments: &[OsString]) -> Result<ArgMatches, Error> {
    command.clone().try_get_matches_from(arguments).map_err(|error| error::from_clap(&error, command))
}

fn innermost(matches: &ArgMatches) -> &ArgMatches {
    matches.subcommand().map_or(matches, |(_, matches)| matches)
}

fn nothing_required(command: Command) -> Command {
    command
        .mut_args(|argument| argument.required(false))
        .mut_subcommands(|subcommand| subcommand.mut_args(|argument| argument.required(false)))
}

#[cfg(test)]
mod tests;
