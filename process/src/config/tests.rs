//! Precedence of the layers, and a sentence for everything that can be wrong in them.

use std::io::Write;

use clap::{Args, Command};

use super::{ByteSize, Port, ProcessOptions, Sources, load};

#[derive(Args, Debug)]
struct Options {
    #[arg(value_name = "LOCATION")]
    locations: Vec<String>,
    #[arg(long, default_value = "arbalest-data")]
    data_dir: String,
    #[arg(long, default_value = "5432")]
    postgres_port: Port,
    #[arg(long)]
    memory: Option<ByteSize>,
    #[arg(long)]
    read_only: bool,
    #[arg(long, required = true)]
    scheduler: String,
    #[command(flatten)]
    process: ProcessOptions,
}

fn load_options(file: Option<&str>, environment: &[(&str, &str)], flags: &[&str]) -> Result<Options, String> {
    let mut config = tempfile::Builder::new().suffix(".toml").tempfile().unwrap();
    let mut arguments = vec!["arbalest".into(), "serve".into()];
    if let Some(text) = file {
        config.write_all(text.as_bytes()).unwrap();
        arguments.extend(["--config".into(), config.path().into()]);
    }
    arguments.extend(flags.iter().map(Into::into));
    let environment = environment.iter().map(|(name, value)| (name.into(), value.into())).collect();
    load::<Options>(Command::new("arbalest"), Some(Command::new("serve")), Sources { arguments, environment })
        .map_err(|error| error.to_string().replace(&config.path().display().to_string(), "FILE"))
}

fn check_error(file: Option<&str>, environment: &[(&str, &str)], flags: &[&str], expected: &str) {
    let flags: Vec<_> = flags.iter().chain(&["--scheduler=s"]).copied().collect();
    assert_eq!(load_options(file, environment, &flags).unwrap_err(), expected);
}

#[test]
fn flag_over_variable_over_file_over_default() {
    let file = "data_dir = 'file'\npostgres-port = 1\nscheduler = 'file'\nmemory = '1GiB'\nlocations = ['a', 'b']";
    let environment = [("ARBALEST_DATA_DIR", "variable"), ("ARBALEST_POSTGRES_PORT", "2"), ("PATH", "/bin")];
    let options = load_options(Some(file), &environment, &["--data-dir", "flag"]).unwrap();
    assert_eq!(options.data_dir, "flag");
    assert_eq!(options.postgres_port, Port::Number(2));
    assert_eq!(options.scheduler, "file");
    assert_eq!(options.memory, Some(ByteSize(1 << 30)));
    assert_eq!(options.locations, ["a", "b"]);
    assert!(!options.read_only);
    assert_eq!(options.process.shutdown_grace.as_secs(), 30);

    let options = load_options(Some(file), &[("ARBALEST_LOCATIONS", "c, d")], &["--", "-e"]).unwrap();
    assert_eq!(options.locations, ["-e"]);
    assert_eq!(options.data_dir, "file");
    let options = load_options(Some(file), &[("ARBALEST_LOCATIONS", "c, d")], &["--data-dir=x", "--"]).unwrap();
    assert_eq!(options.locations, ["c", "d"]);
}

#[test]
fn switches_are_true_or_false_outside_the_command_line() {
    let file = "read-only = true\nscheduler = 's'";
    assert!(load_options(Some(file), &[], &[]).unwrap().read_only);
    assert!(!load_options(Some(file), &[("ARBALEST_READ_ONLY", "false")], &[]).unwrap().read_only);
    let error = load_options(Some(file), &[("ARBALEST_READ_ONLY", "maybe")], &[]).unwrap_err();
    assert!(error.contains("ARBALEST_READ_ONLY"), "{error}");
}

#[test]
fn the_file_may_be_named_by_a_variable() {
    let mut config = tempfile::NamedTempFile::new().unwrap();
    config.write_all(b"scheduler = 'file'").unwrap();
    let path = config.path().to_str().unwrap();
    assert_eq!(load_options(None, &[("ARBALEST_CONFIG", path)], &[]).unwrap().scheduler, "file");
    check_error(
        None,
        &[("ARBALEST_CONFIG", "/nowhere.toml")],
        &[],
        "cannot read the configuration file \"/nowhere.toml\": No such file or directory (os error 2)",
    );
}

#[test]
fn unknown_names_suggest_the_nearest() {
    check_error(None, &[], &["--postgres-prot", "1"], "unknown flag --postgres-prot; did you mean --postgres-port?");
    check_error(None, &[], &["--zzz"], "unknown flag --zzz");
    check_error(
        None,
        &[("ARBALEST_DATADIR", "x")],
        &[],
        "unknown environment variable ARBALEST_DATADIR; did you mean ARBALEST_DATA_DIR?",
    );
    check_error(None, &[("ARBALEST_FOO", "x")], &[], "unknown environment variable ARBALEST_FOO");
    check_error(
        Some("postgres_prot = 1"),
        &[],
        &[],
        "unknown key \"postgres_prot\" in the configuration file \"FILE\"; did you mean postgres-port?",
    );
    check_error(Some("config = 'x'"), &[], &[], "unknown key \"config\" in the configuration file \"FILE\"");
}

#[test]
fn a_wrong_value_is_named_with_its_place() {
    let reason = "a port is a number from 0 to 65535, or off";
    let flags = ["--postgres-port", "http"];
    check_error(None, &[], &flags, &format!("invalid value \"http\" for --postgres-port: {reason}"));
    let environment = [("ARBALEST_POSTGRES_PORT", "http")];
    check_error(None, &environment, &[], &format!("invalid value \"http\" for ARBALEST_POSTGRES_PORT: {reason}"));
    let file = Some("postgres-port = 70000");
    check_error(file, &[], &[], &format!("invalid value \"70000\" for \"postgres-port\" in \"FILE\": {reason}"));
    // A wrong value is an error even where another one wins.
    let expected = format!("invalid value \"70000\" for \"postgres-port\" in \"FILE\": {reason}");
    check_error(file, &[("ARBALEST_POSTGRES_PORT", "1")], &[], &expected);
    check_error(
        None,
        &[],
        &["--log-format", "xml"],
        "invalid value \"xml\" for --log-format: it is one of auto, human, json",
    );
    check_error(None, &[], &["--memory"], "--memory needs a value");
    check_error(None, &[], &["--memory=1", "--memory=2"], "--memory is given more than once");
    check_error(Some("[memory]\nlocal = 1"), &[], &[], "\"memory\" in \"FILE\" must be one value");
    check_error(Some("data-dir = ['a']"), &[], &[], "\"data-dir\" in \"FILE\" must be one value");
    check_error(
        Some("# comment\ndata-dir = "),
        &[],
        &[],
        "line 2 of the configuration file \"FILE\" is not valid TOML: string values must be quoted, expected literal string",
    );
}

#[test]
fn a_required_option_may_come_from_any_layer() {
    assert_eq!(load_options(None, &[("ARBALEST_SCHEDULER", "v")], &[]).unwrap().scheduler, "v");
    assert_eq!(
        load_options(None, &[("ARBALEST_SCHEDULER", "")], &[]).unwrap_err(),
        "--scheduler is required (or its key in the --config file, or its ARBALEST_ variable)",
    );
}

#[test]
fn variables_that_kubernetes_makes_for_services_are_not_ours() {
    let environment = [
        ("ARBALEST_SERVICE_HOST", "10.0.0.1"),
        ("ARBALEST_SERVICE_PORT_POSTGRES", "5432"),
        ("ARBALEST_PORT", "tcp://10.0.0.1:5432"),
        ("ARBALEST_PORT_5432_TCP", "tcp://10.0.0.1:5432"),
        ("ARBALEST_PORT_5432_TCP_ADDR", "10.0.0.1"),
        ("ARBALEST_EXECUTOR_PORT_50051_TCP_PROTO", "tcp"),
    ];
    load_options(None, &environment, &["--scheduler=s"]).unwrap();
    check_error(
        None,
        &[("ARBALEST_POSTGRES_PORT_TCP", "1")],
        &[],
        "unknown environment variable ARBALEST_POSTGRES_PORT_TCP; did you mean ARBALEST_POSTGRES_PORT?",
    );
}

#[test]
fn commands() {
    let run = |arguments: &[&str]| {
        let arguments = arguments.iter().map(Into::into).collect();
        let command = Command::new("arbalest").version("1.2.3");
        load::<Options>(command, Some(Command::new("serve")), Sources { arguments, environment: Vec::new() })
            .unwrap_err()
            .to_string()
    };
    assert_eq!(run(&["arbalest"]), "a command is missing: serve (see --help)");
    assert_eq!(run(&["arbalest", "server"]), "unknown command \"server\"; did you mean serve?");
    assert_eq!(run(&["arbalest", "--version"]), "arbalest 1.2.3\n");
    assert!(run(&["arbalest", "serve", "--help"]).contains("ARBALEST_DATA_DIR"));
}
