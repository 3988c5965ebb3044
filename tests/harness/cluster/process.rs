//! Processes under test: found beside the test's own executable, with their output in files, and
//! never left behind.
//!
//! **Kill on drop.** Dropping a [`Process`] kills and reaps it. A process kept in a `static` is
//! never dropped, and a test run that is killed drops nothing, so each process also has a watchdog:
//! a shell that reads from a pipe of this process, and kills when the pipe breaks.

use std::{
    ffi::{OsStr, OsString},
    fs::{File, OpenOptions},
    io::Read,
    os::unix::process::CommandExt,
    path::{Path, PathBuf},
    process::{Child, Command, ExitStatus, Output, Stdio},
    time::Duration,
};

use tokio::time::Instant;

use crate::wait;

/// Waits for the end of the pipe, then ends the process and clears up its directory, if any.
const KILL_ON_DROP: &str = r#"read _; kill -9 "$0"; [ -z "$1" ] || rm -rf "$1""#;

/// The path of one of the workspace's binaries.
///
/// # Panics
/// When it has not been built.
#[must_use]
pub fn binary(name: &str) -> PathBuf {
    let own = std::env::current_exe().expect("the path of the test's executable");
    let beside = own.parent().expect("a file is in a directory");
    let directory =
        if beside.ends_with("deps") { beside.parent().expect("target") } else { beside };
    let path = directory.join(name);
    assert!(path.is_file(), "{path:?} is not there: `cargo build --workspace --bins` comes first");
    path
}

/// A process, killed and reaped when dropped.
#[derive(Debug)]
pub struct Process {
    child: Child,
    kill_on_drop: Child,
}

/// What to start.
#[derive(Debug, Default)]
pub struct Start<'a> {
    /// Which of the workspace's binaries.
    pub name: &'a str,
    /// Its arguments.
    pub arguments: Vec<OsString>,
    /// Additional environment variables.
    pub environment: Vec<(&'a str, String)>,
    /// Standard output is added to the end of this file.
    pub stdout: PathBuf,
    /// Standard error is added to the end of this file.
    pub stderr: PathBuf,
    /// A directory to remove after the process when the test cannot clean up itself.
    pub scratch: Option<PathBuf>,
}

impl Process {
    /// Starts it in a process group of its own.
    ///
    /// # Panics
    /// When it cannot be started.
    #[must_use]
    pub fn start(start: &Start<'_>) -> Self {
        let mut command = command(start.name, &start.arguments, &start.environment);
        command.stdin(Stdio::null()).process_group(0);
        command.stdout(append(&start.stdout)).stderr(append(&start.stderr));
        let child = command.spawn().expect("a process starts");
        let kill_on_drop = Command::new("sh")
            .args(["-c", KILL_ON_DROP, &child.id().to_string()])
            .arg(start.scratch.as_deref().map_or(OsStr::new(""), Path::as_os_str))
            .stdin(Stdio::piped())
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .process_group(0)
            .spawn()
            .expect("a shell starts");
        Self { child, kill_on_drop }
    }

    /// The system's number of it.
    #[must_use]
    pub fn id(&self) -> u32 {
        self.child.id()
    }

    /// How it ended, if it did.
    ///
    /// # Panics
    /// When the system does not say.
    pub fn ended(&mut self) -> Option<ExitStatus> {
        self.child.try_wait().expect("the system tells")
    }

    /// `kill -9`, and waits for the end.
    pub fn kill(mut self) {
        self.end();
    }

    /// Asks it to end in order.
    ///
    /// # Panics
    /// When the system does not do it.
    pub fn terminate(&self) {
        self.signal("-TERM");
    }

    /// `kill -STOP`: it is paused, its connections stay open, and its clocks advance.
    ///
    /// # Panics
    /// When the system does not do it.
    pub fn pause(&self) {
        self.signal("-STOP");
    }

    /// `kill -CONT`: it continues unaware.
    ///
    /// # Panics
    /// When the system does not do it.
    pub fn resume(&self) {
        self.signal("-CONT");
    }

    fn signal(&self, name: &str) {
        let id = self.child.id().to_string();
        let sent = Command::new("sh").args(["-c", r#"kill "$0" "$1""#, name, &id]).status();
        assert!(sent.expect("a shell runs").success(), "kill {name} {id}");
    }

    /// Waits for it to end by itself.
    ///
    /// # Panics
    /// When it has not within the limit.
    pub async fn wait(&mut self, limit: Duration) -> ExitStatus {
        let look = async || self.ended().ok_or_else(|| "it runs".to_owned());
        wait::within("the process ends", limit, look).await
    }

    fn end(&mut self) {
        // The watchdog first: its process id must not be another process's by then.
        for child in [&mut self.kill_on_drop, &mut self.child] {
            // An error means that it has ended and was reaped.
            let _ = child.kill();
            let _ = child.wait();
        }
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        self.end();
    }
}

fn command(name: &str, arguments: &[OsString], environment: &[(&str, String)]) -> Command {
    let mut command = Command::new(binary(name));
    command.args(arguments);
    // A developer's own settings are no part of a test.
    for (key, _) in std::env::vars_os() {
        if key.to_string_lossy().starts_with("CONCORDAT_") {
            command.env_remove(key);
        }
    }
    command.envs(environment.iter().map(|(key, value)| (key, value)));
    command
}

fn append(path: &Path) -> File {
    let opened = OpenOptions::new().create(true).append(true).open(path);
    opened.unwrap_or_else(|error| panic!("{path:?}: {error}"))
}

/// Runs one of the workspace's binaries to its end.
///
/// # Panics
/// When it cannot be started, or does not end within the limit.
pub async fn run(
    name: &str,
    arguments: &[&str],
    environment: &[(&str, String)],
    limit: Duration,
) -> Output {
    let directory = tempfile::tempdir().expect("a temporary directory");
    let [stdout, stderr] = ["stdout", "stderr"].map(|file| directory.path().join(file));
    let mut process = Process::start(&Start {
        name,
        arguments: arguments.iter().map(OsString::from).collect(),
        environment: environment.to_vec(),
        stdout: stdout.clone(),
        stderr: stderr.clone(),
        scratch: Some(directory.path().to_owned()),
    });
    let deadline = Instant::now() + limit;
    let status = loop {
        if let Some(status) = process.ended() {
            break status;
        }
        let late = Instant::now() >= deadline;
        assert!(!late, "{name} {arguments:?} runs on after {limit:?}: {}", text(&stderr));
        tokio::time::sleep(Duration::from_millis(5)).await;
    };
    Output { status, stdout: bytes(&stdout), stderr: bytes(&stderr) }
}

/// The whole of a file; nothing where there is none.
#[must_use]
pub fn bytes(path: &Path) -> Vec<u8> {
    let mut bytes = Vec::new();
    if let Ok(mut file) = File::open(path) {
        // The bytes up to an error are the best available.
        let _ = file.read_to_end(&mut bytes);
    }
    bytes
}

/// The whole of a text file; nothing where there is none.
#[must_use]
pub fn text(path: &Path) -> String {
    String::from_utf8_lossy(&bytes(path)).into_owned()
}

/// The last lines of a text file, for messages.
#[must_use]
pub fn tail(path: &Path) -> String {
    let text = text(path);
    let lines: Vec<&str> = text.lines().collect();
    lines[lines.len().saturating_sub(30)..].join("\n")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn is_running(id: &str) -> bool {
        // A zombie has no command line.
        !bytes(&Path::new("/proc").join(id).join("cmdline")).is_empty()
    }

    #[tokio::test]
    async fn a_leash_ends_its_process_and_clears_up() {
        let scratch = tempfile::tempdir().unwrap();
        let directory = scratch.path().join("gone");
        std::fs::create_dir(&directory).unwrap();
        let mut child = Command::new("sleep").arg("600").spawn().unwrap();
        let id = child.id().to_string();
        let mut kill_on_drop = Command::new("sh")
            .args(["-c", KILL_ON_DROP, &id])
            .arg(&directory)
            .stdin(Stdio::piped())
            .spawn()
            .unwrap();
        assert!(child.try_wait().unwrap().is_none(), "it ended by itself");
        drop(kill_on_drop.stdin.take());
        kill_on_drop.wait().unwrap();
        assert!(!directory.exists());
        wait::eventually("the process ends", async || {
            child.try_wait().unwrap().ok_or_else(|| "it runs".to_owned())
        })
        .await;
        assert!(!is_running(&id));
    }
}
