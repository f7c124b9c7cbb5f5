//! Starts the real `arbalest` binary on free ports, with a data directory of its own, and ends it.

use std::fs::File;
use std::io::{BufRead, BufReader, Read};
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, ExitStatus, Stdio};
use std::sync::mpsc;
use std::time::{Duration, Instant};

use tempfile::TempDir;

/// Generating a sample and building the engine on a busy two-core machine.
const READY_TIMEOUT: Duration = Duration::from_secs(120);

/// A running server. Dropping it ends the process and removes its files.
pub struct Server {
    child: Child,
    directory: TempDir,
    ready_line: String,
    standard_output: mpsc::Receiver<String>,
}

/// What a server that did not start left behind.
pub struct Refusal {
    pub code: Option<i32>,
    pub standard_output: String,
    pub standard_error: String,
}

impl Server {
    /// Starts `arbalest serve` with `arguments`, and panics unless it becomes ready.
    pub fn start<S: AsRef<str>>(arguments: &[S]) -> Server {
        Self::start_with(arguments, &[])
    }

    /// The same with environment variables.
    pub fn start_with<S: AsRef<str>>(arguments: &[S], environment: &[(&str, &str)]) -> Server {
        let directory = TempDir::new().expect("a temporary directory");
        let mut child = command(arguments, environment, directory.path()).spawn().expect("arbalest starts");
        let standard_output = lines(child.stdout.take().expect("piped"));
        let mut server = Server { child, directory, ready_line: String::new(), standard_output };
        match server.standard_output.recv_timeout(READY_TIMEOUT) {
            Ok(line) => server.ready_line = line,
            Err(error) => panic!("no ready line ({error}); standard error:\n{}", server.standard_error()),
        }
        assert!(server.ready_line.starts_with("ready "), "unexpected first line: {}", server.ready_line);
        server
    }

    /// Runs `arbalest serve` with `arguments` and returns how it refused; panics when it serves.
    pub fn refused<S: AsRef<str>>(arguments: &[S], environment: &[(&str, &str)]) -> Refusal {
        let directory = TempDir::new().expect("a temporary directory");
        let mut child = command(arguments, environment, directory.path()).spawn().expect("arbalest starts");
        let standard_output = lines(child.stdout.take().expect("piped"));
        let Some(status) = wait(&mut child, READY_TIMEOUT) else {
            end(&mut child);
            panic!("arbalest serves although it should refuse: {:?}", standard_output.try_iter().collect::<Vec<_>>());
        };
        let mut refusal = Refusal {
            code: status.code(),
            standard_output: standard_output.iter().collect::<Vec<_>>().join("\n"),
            standard_error: read(&directory.path().join("stderr")),
        };
        // clap writes the usage below the sentence; assertions look at the sentence.
        refusal.standard_error = refusal.standard_error.trim().to_owned();
        refusal
    }

    pub fn process_id(&self) -> u32 {
        self.child.id()
    }

    pub fn ready_line(&self) -> &str {
        &self.ready_line
    }

    /// The address the ready line names for `service`, when it is enabled.
    pub fn address_of(&self, service: &str) -> Option<SocketAddr> {
        self.ready_line.split_whitespace().find_map(|word| {
            let (name, address) = word.split_once('=')?;
            (name == service).then(|| address.parse().expect("an address in the ready line"))
        })
    }

    pub fn postgres(&self) -> SocketAddr {
        self.address_of("postgres").expect("the Postgres port is open")
    }

    pub fn flight(&self) -> SocketAddr {
        self.address_of("flight").expect("the Flight SQL port is open")
    }

    pub fn web(&self) -> SocketAddr {
        self.address_of("web").expect("the web port is open")
    }

    /// The server's `--data-dir`.
    pub fn data_directory(&self) -> PathBuf {
        self.directory.path().join("data")
    }

    /// What the server logged so far.
    pub fn standard_error(&self) -> String {
        read(&self.directory.path().join("stderr"))
    }

    /// Lines on standard output after the ready line.
    pub fn further_output(&self) -> Vec<String> {
        self.standard_output.try_iter().collect()
    }

    /// Sends SIGTERM.
    pub fn terminate(&self) {
        signal(self.child.id(), "TERM");
    }

    /// Sends SIGINT, as Ctrl-C does.
    pub fn interrupt(&self) {
        signal(self.child.id(), "INT");
    }

    /// Waits for the process to end by itself.
    pub fn wait(&mut self, timeout: Duration) -> Option<ExitStatus> {
        wait(&mut self.child, timeout)
    }

    pub fn is_running(&mut self) -> bool {
        self.child.try_wait().expect("the state of a child").is_none()
    }

    /// Resident memory now, in bytes.
    pub fn resident_bytes(&self) -> u64 {
        let status = read(Path::new(&format!("/proc/{}/status", self.child.id())));
        let line = status.lines().find(|line| line.starts_with("VmRSS:")).expect("a running process");
        line.split_whitespace().nth(1).and_then(|kib| kib.parse::<u64>().ok()).expect("a number of KiB") * 1024
    }

    /// Processor time used so far by all threads.
    pub fn processor_time(&self) -> Duration {
        let stat = read(Path::new(&format!("/proc/{}/stat", self.child.id())));
        // The command name, in parentheses, may hold spaces.
        let fields: Vec<&str> = stat.rsplit(')').next().expect("a stat line").split_whitespace().collect();
        let ticks: u64 = fields[11].parse::<u64>().expect("utime") + fields[12].parse::<u64>().expect("stime");
        // Linux reports hundredths of a second to user space on every architecture.
        Duration::from_millis(ticks * 10)
    }

    /// Every regular file in the data directory, relative to it, in order.
    pub fn files(&self) -> Vec<PathBuf> {
        let mut files = vec![];
        collect_files(&self.data_directory(), &self.data_directory(), &mut files);
        files.sort();
        files
    }

    /// Files that were removed but are still held open: spilled rows of a query that is not really over.
    pub fn deleted_open_files(&self) -> Vec<PathBuf> {
        let Ok(entries) = std::fs::read_dir(format!("/proc/{}/fd", self.child.id())) else { return vec![] };
        entries
            .filter_map(|entry| std::fs::read_link(entry.ok()?.path()).ok())
            .filter(|path| path.to_string_lossy().ends_with(" (deleted)"))
            .filter(|path| path.starts_with("/") && !path.starts_with("/memfd:") && !path.starts_with("/dev"))
            .collect()
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        end(&mut self.child);
        if std::thread::panicking() {
            let log = self.standard_error();
            let tail: Vec<&str> = log.lines().rev().take(40).collect();
            eprintln!("--- end of the server's log");
            for line in tail.iter().rev() {
                eprintln!("{line}");
            }
            eprintln!("---");
        }
    }
}

/// `arbalest serve` on free loopback ports; standard error goes to a file, so that it never blocks the server.
fn command<S: AsRef<str>>(arguments: &[S], environment: &[(&str, &str)], directory: &Path) -> Command {
    let mut command = Command::new(binary("arbalest"));
    command.arg("serve");
    for port in ["--postgres-port", "--flight-port", "--web-port"] {
        if !arguments.iter().any(|argument| argument.as_ref().starts_with(port)) {
            command.args([port, "0"]);
        }
    }
    if !arguments.iter().any(|argument| argument.as_ref() == "--data-dir") {
        command.arg("--data-dir").arg(directory.join("data"));
    }
    command.args(arguments.iter().map(AsRef::as_ref));
    for (name, _) in std::env::vars().filter(|(name, _)| name.starts_with("ARBALEST_")) {
        command.env_remove(name);
    }
    command.envs(environment.iter().copied());
    command.current_dir(directory);
    command.stdin(Stdio::null()).stdout(Stdio::piped());
    command.stderr(File::create(directory.join("stderr")).expect("a writable temporary directory"));
    command
}

/// The binary that cargo put beside this test's directory.
pub fn binary(name: &str) -> PathBuf {
    let test = std::env::current_exe().expect("the path of this test");
    let profile = test.parent().and_then(Path::parent).expect("target/<profile>/deps");
    let binary = profile.join(name);
    assert!(binary.exists(), "{} is missing: `cargo build --release --bins` first, or use tests/run", binary.display());
    binary
}

pub fn lines(output: impl Read + Send + 'static) -> mpsc::Receiver<String> {
    let (sender, receiver) = mpsc::channel();
    std::thread::spawn(move || {
        for line in BufReader::new(output).lines() {
            let Ok(line) = line else { return };
            if sender.send(line).is_err() {
                return;
            }
        }
    });
    receiver
}

pub fn read(path: &Path) -> String {
    std::fs::read(path).map(|bytes| String::from_utf8_lossy(&bytes).into_owned()).unwrap_or_default()
}

pub fn collect_files(root: &Path, directory: &Path, files: &mut Vec<PathBuf>) {
    let Ok(entries) = std::fs::read_dir(directory) else { return };
    for entry in entries.flatten() {
        let path = entry.path();
        if path.is_dir() {
            collect_files(root, &path, files);
        } else if let Ok(relative) = path.strip_prefix(root) {
            files.push(relative.to_path_buf());
        }
    }
}

/// The standard library sends no signal but SIGKILL; the shell does.
pub fn signal(process_id: u32, name: &str) {
    let status = Command::new("sh").args(["-c", &format!("kill -{name} {process_id}")]).status();
    assert!(status.is_ok_and(|status| status.success()), "kill -{name} {process_id}");
}

pub fn wait(child: &mut Child, timeout: Duration) -> Option<ExitStatus> {
    let deadline = Instant::now() + timeout;
    loop {
        if let Some(status) = child.try_wait().expect("the state of a child") {
            return Some(status);
        }
        if Instant::now() >= deadline {
            return None;
        }
        std::thread::sleep(Duration::from_millis(10));
    }
}

pub fn end(child: &mut Child) {
    // It may have ended already; both calls then do nothing.
    let _ = child.kill();
    let _ = child.wait();
}
