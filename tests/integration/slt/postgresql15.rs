//! A throw-away PostgreSQL 15 with the same tables, to hold the scripts' answers against.

use std::net::{SocketAddr, TcpListener};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use tempfile::TempDir;

use crate::data;

/// Where Debian puts the programs of this version.
const PROGRAMS: &str = "/usr/lib/postgresql/15/bin";

pub struct Cluster {
    server: Child,
    _directory: TempDir,
    address: SocketAddr,
}

impl Cluster {
    /// A cluster that holds the tables of `tests/data`; `None` when PostgreSQL 15 is not installed.
    pub fn start() -> Option<Cluster> {
        if !Path::new(PROGRAMS).join("initdb").exists() {
            return None;
        }
        let directory = TempDir::new().expect("a temporary directory");
        // initdb and postgres refuse to run as root, and their account must reach the directory.
        run(Command::new("chmod").arg("755").arg(directory.path()));
        let files = directory.path().join("cluster");
        std::fs::create_dir(&files).expect("a directory for the cluster");
        if is_root() {
            run(Command::new("chown").arg("postgres").arg(&files));
        }
        run(program("initdb").args(["--auth=trust", "--username=tester", "--no-sync", "--encoding=UTF8", "--locale=C", "-D"]).arg(&files));
        let port = free_port();
        let server = program("postgres")
            .arg("-D")
            .arg(&files)
            .args(["-p", &port.to_string(), "-k", "", "-c", "fsync=off", "-c", "timezone=UTC"])
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .spawn()
            .expect("postgres starts");
        let address = SocketAddr::from(([127, 0, 0, 1], port));
        let mut cluster = Cluster { server, _directory: directory, address };
        cluster.load();
        Some(cluster)
    }

    pub fn address(&self) -> SocketAddr {
        self.address
    }

    fn load(&mut self) {
        let deadline = Instant::now() + Duration::from_secs(60);
        let create = ["-d", "postgres", "-c", "CREATE DATABASE arbalest"];
        while !self.psql().args(create).stderr(Stdio::null()).status().is_ok_and(|status| status.success()) {
            assert!(Instant::now() < deadline, "PostgreSQL does not accept connections");
            std::thread::sleep(Duration::from_millis(100));
        }
        run(self.psql().args(["-d", "arbalest", "-f"]).arg(data::postgresql_script()));
    }

    fn psql(&self) -> Command {
        let mut command = Command::new(Path::new(PROGRAMS).join("psql"));
        command.args(["-X", "-q", "-h", "127.0.0.1", "-U", "tester", "-v", "ON_ERROR_STOP=1"]);
        command.arg("-p").arg(self.address.port().to_string()).stdin(Stdio::null());
        command
    }
}

impl Drop for Cluster {
    fn drop(&mut self) {
        // SIGQUIT ends the postmaster and its children at once; the files go with the directory.
        let _ = Command::new("sh").args(["-c", &format!("kill -QUIT {}", self.server.id())]).status();
        let _ = self.server.wait();
    }
}

fn program(name: &str) -> Command {
    let path: PathBuf = Path::new(PROGRAMS).join(name);
    if !is_root() {
        return Command::new(path);
    }
    let mut command = Command::new("setpriv");
    command.args(["--reuid=postgres", "--regid=postgres", "--clear-groups", "--"]).arg(path);
    command.current_dir("/");
    command
}

fn run(command: &mut Command) {
    let output = command.output().unwrap_or_else(|error| panic!("{command:?}: {error}"));
    assert!(output.status.success(), "{command:?}: {}", String::from_utf8_lossy(&output.stderr));
}

fn is_root() -> bool {
    let output = Command::new("id").arg("-u").output().expect("id");
    output.stdout.trim_ascii() == b"0"
}

/// PostgreSQL cannot pick a free port itself.
fn free_port() -> u16 {
    let listener = TcpListener::bind("127.0.0.1:0").expect("a free port");
    listener.local_addr().expect("an address").port()
}
