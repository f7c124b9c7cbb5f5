//! A cluster of real processes on free ports: one scheduler, executors that come and go, servers that share them.

use std::fs::File;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, ExitStatus, Stdio};
use std::sync::mpsc;
use std::time::{Duration, Instant};

use tempfile::TempDir;

use crate::server::{Server, binary, end, lines, read, signal, wait};

/// What anything that must happen may take on a busy machine.
pub const PATIENCE: Duration = Duration::from_secs(60);

/// A scheduler or an executor. Dropping it kills it.
pub struct Process {
    child: Child,
    ready_line: String,
    _standard_output: mpsc::Receiver<String>,
}

impl Process {
    /// Starts the binary `name`, and panics unless it becomes ready. Its log goes to a file in `directory`.
    pub fn start(name: &str, arguments: &[String], directory: &Path) -> Self {
        Self::spawn(Command::new(binary(name)), name, arguments, directory)
    }

    /// The same, seeing a file system of its own of so many bytes at the existing directory `disk`.
    pub fn start_on_small_disk(name: &str, arguments: &[String], directory: &Path, disk: &Path, bytes: u64) -> Self {
        let mut command = Command::new("unshare");
        let script = format!("mount -t tmpfs -o size={bytes} none \"$0\" && exec \"$@\"");
        command.args(["--map-root-user", "--mount", "sh", "-c", &script]).arg(disk).arg(binary(name));
        Self::spawn(command, name, arguments, directory)
    }

    fn spawn(mut command: Command, name: &str, arguments: &[String], directory: &Path) -> Self {
        let log = directory.join(format!("{name}-{:x}.log", rand::random::<u64>()));
        command.args(arguments).current_dir(directory).stdin(Stdio::null()).stdout(Stdio::piped());
        command.stderr(File::create(&log).expect("a writable temporary directory"));
        for (variable, _) in std::env::vars().filter(|(variable, _)| variable.starts_with("ARBALEST_")) {
            command.env_remove(variable);
        }
        let mut child = command.spawn().expect("the process starts");
        let standard_output = lines(child.stdout.take().expect("piped"));
        let ready_line = match standard_output.recv_timeout(PATIENCE) {
            Ok(line) => line,
            Err(error) => {
                end(&mut child);
                panic!("{name}: no ready line ({error}); standard error:\n{}", read(&log));
            }
        };
        assert!(ready_line.starts_with("ready "), "unexpected first line: {ready_line}");
        Self { child, ready_line, _standard_output: standard_output }
    }

    pub fn address_of(&self, service: &str) -> SocketAddr {
        let mut words = self.ready_line.split_whitespace().filter_map(|word| word.split_once('='));
        let address = words.find(|(name, _)| *name == service).map(|(_, address)| address.parse());
        address.expect("the service is in the ready line").expect("an address")
    }

    /// Files that the process sees below a directory.
    pub fn files(&self, directory: &Path) -> Vec<PathBuf> {
        let seen = PathBuf::from(format!("/proc/{}/root{}", self.child.id(), directory.display()));
        let mut files = vec![];
        crate::server::collect_files(&seen, &seen, &mut files);
        files.retain(|file| file.file_name().is_some_and(|name| name != "lock"));
        files
    }

    pub fn signal(&self, name: &str) {
        signal(self.child.id(), name);
    }

    /// SIGKILL; the operating system closes its ports before this returns.
    pub fn kill(&mut self) {
        end(&mut self.child);
    }

    pub fn wait(&mut self, timeout: Duration) -> Option<ExitStatus> {
        wait(&mut self.child, timeout)
    }

    /// The answer of the web port: status and text.
    pub async fn get(&self, path: &str) -> (u16, String) {
        get(self.address_of("web"), path).await
    }

    /// The sum of a metric over its labels.
    pub async fn metric(&self, name: &str) -> f64 {
        metric(&self.get("/metrics").await.1, name)
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        end(&mut self.child);
    }
}

pub async fn get(address: SocketAddr, path: &str) -> (u16, String) {
    let response = reqwest::get(format!("http://{address}{path}")).await.expect("the web port answers");
    (response.status().as_u16(), response.text().await.expect("text"))
}

pub fn metric(text: &str, name: &str) -> f64 {
    let is_it = |line: &&str| line.strip_prefix(name).is_some_and(|rest| rest.starts_with([' ', '{']));
    text.lines().filter(is_it).filter_map(|line| line.rsplit(' ').next()?.parse::<f64>().ok()).sum()
}

fn start_scheduler(port: &str, arguments: &[String], directory: &Path) -> Process {
    let mut all = strings(&["--port", port, "--web-port", "0"]);
    all.extend_from_slice(arguments);
    Process::start("arbalest-scheduler", &all, directory)
}

pub struct Cluster {
    pub scheduler: Process,
    pub executors: Vec<Process>,
    /// Of the scheduler, beside its ports.
    arguments: Vec<String>,
    directory: TempDir,
}

impl Cluster {
    /// One scheduler and `executors` executors of one vcore each, which it knows.
    pub async fn start(executors: usize) -> Self {
        Self::start_with(executors, &[]).await
    }

    /// The same with more arguments for each executor.
    pub async fn start_with(executors: usize, arguments: &[&str]) -> Self {
        Self::start_scheduled(&[], executors, arguments).await
    }

    /// The same with more arguments for the scheduler.
    pub async fn start_scheduled(scheduler: &[&str], executors: usize, arguments: &[&str]) -> Self {
        let directory = TempDir::new().expect("a temporary directory");
        let scheduler_arguments = strings(scheduler);
        let scheduler = start_scheduler("0", &scheduler_arguments, directory.path());
        let mut cluster = Self { scheduler, executors: vec![], arguments: scheduler_arguments, directory };
        for _ in 0..executors {
            cluster.add_executor(arguments);
        }
        cluster.until_ready().await;
        cluster
    }

    pub fn scheduler_url(&self) -> String {
        format!("http://{}", self.scheduler.address_of("scheduler"))
    }

    /// The parent of the executors' work directories.
    pub fn work_directory(&self) -> PathBuf {
        self.directory.path().join("work")
    }

    pub fn add_executor(&mut self, arguments: &[&str]) {
        let work = self.work_directory().display().to_string();
        let url = self.scheduler_url();
        let own = ["--scheduler", &url, "--work-dir", &work, "--vcores", "1", "--memory", "256MiB"];
        // Of an option given twice the last counts nowhere, so that a test's own value replaces ours.
        let own = own.chunks(2).filter(|option| !arguments.contains(&option[0])).flatten().copied();
        let arguments: Vec<&str> = own.chain(arguments.iter().copied()).collect();
        self.executors.push(Process::start("arbalest-executor", &strings(&arguments), self.directory.path()));
    }

    /// An executor whose work directory is a disk of `bytes` bytes; also gives that directory.
    pub fn add_executor_on_small_disk(&mut self, bytes: u64) -> PathBuf {
        let disk = self.directory.path().join("disk");
        std::fs::create_dir(&disk).expect("a writable temporary directory");
        let (work, url) = (disk.display().to_string(), self.scheduler_url());
        let arguments = ["--scheduler", &url, "--work-dir", &work, "--vcores", "1", "--memory", "64MiB"];
        let directory = self.directory.path();
        self.executors.push(Process::start_on_small_disk("arbalest-executor", &strings(&arguments), directory, &disk, bytes));
        disk
    }

    /// Starts the scheduler again on its old port, as a supervisor does.
    pub fn restart_scheduler(&mut self) {
        let port = self.scheduler.address_of("scheduler").port().to_string();
        self.scheduler.kill();
        self.scheduler = start_scheduler(&port, &self.arguments, self.directory.path());
    }

    /// Waits until all executors have registered.
    pub async fn until_ready(&self) {
        for executor in &self.executors {
            until("the executor is ready", async || executor.get("/ready").await.0 == 200).await;
        }
        if !self.executors.is_empty() {
            until("the scheduler is ready", async || self.scheduler.get("/ready").await.0 == 200).await;
        }
    }

    /// A server that uses this cluster for everything it may.
    pub fn server(&self, arguments: &[&str]) -> Server {
        let url = self.scheduler_url();
        let own = ["--scheduler", &url, "--local-max-bytes", "0"];
        Server::start(&own.iter().chain(arguments).copied().collect::<Vec<_>>())
    }

    /// What all its processes logged so far.
    pub fn logs(&self) -> String {
        let entries = std::fs::read_dir(self.directory.path()).expect("a directory");
        let paths = entries.map(|entry| entry.expect("an entry").path());
        paths.filter(|path| path.extension().is_some_and(|suffix| suffix == "log")).map(|path| read(&path)).collect()
    }

    /// Tasks that the executors are busy with now.
    pub async fn tasks(&self) -> f64 {
        let mut sum = 0.0;
        for executor in &self.executors {
            sum += executor.metric("arbalest_executor_tasks").await;
        }
        sum
    }

    /// Files of jobs in the work directories.
    pub fn files(&self) -> Vec<PathBuf> {
        let mut files = vec![];
        crate::server::collect_files(&self.work_directory(), &self.work_directory(), &mut files);
        files.retain(|file| file.file_name().is_some_and(|name| name != "lock"));
        files
    }

    /// The jobs that have a directory at any executor.
    pub fn jobs(&self) -> Vec<String> {
        let entries = |directory: PathBuf| std::fs::read_dir(directory).into_iter().flatten().flatten();
        let jobs = entries(self.work_directory()).flat_map(|executor| entries(executor.path().join("work")));
        let mut jobs: Vec<String> = jobs.filter_map(|job| job.file_name().into_string().ok()).collect();
        jobs.retain(|job| job != "spill");
        jobs.sort();
        jobs.dedup();
        jobs
    }

    /// A directory of a job at one executor, with a file in it.
    pub fn add_job(&self, job: &str) -> PathBuf {
        let executor = std::fs::read_dir(self.work_directory()).expect("it is there").flatten().next().expect("an executor");
        let directory = executor.path().join("work").join(job);
        std::fs::create_dir(&directory).expect("a directory that may be written to");
        std::fs::write(directory.join("data"), "data").expect("a file");
        directory
    }
}

fn strings(words: &[&str]) -> Vec<String> {
    words.iter().map(|word| (*word).to_owned()).collect()
}

/// Waits until `holds`, and panics after a while if it does not.
pub async fn until(what: &str, holds: impl AsyncFn() -> bool) {
    let deadline = Instant::now() + PATIENCE;
    while !holds().await {
        assert!(Instant::now() < deadline, "it does not happen that {what}");
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
}
