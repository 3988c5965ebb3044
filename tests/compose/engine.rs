//! A Docker Compose project of this test's own, by the engine's command line: started, inspected,
//! broken, and always taken down again with its volumes, also when the test is killed.
//!
//! It never touches another project. Each command has a limit.

use std::{
    collections::BTreeMap,
    io::Read,
    net::{Ipv4Addr, TcpListener},
    os::unix::process::CommandExt,
    path::{Path, PathBuf},
    process::{Child, Command, Stdio},
    time::Duration,
};

use concordat_tests::{demo::REGIONS, http::Request, rng::Rng, wait::within};
use serde_json::Value;

/// For nine containers to be started or stopped on a slow machine.
const COMMAND_LIMIT: &str = "300";
/// For the cluster to be healthy or ready.
pub(crate) const LIMIT: Duration = Duration::from_secs(120);
/// Waits for the end of its input, then takes the project down, with everything in it.
const KILL_ON_DROP: &str =
    r#"read _; exec "$@" down --volumes --rmi all --remove-orphans --timeout 5"#;

/// The project's command line. Any holder may inspect the project; the holder of its [`Leash`] ends
/// it.
#[derive(Clone)]
pub(crate) struct Engine {
    project: String,
    ports: u16,
    /// `docker compose` or `docker-compose`.
    compose: Vec<&'static str>,
}

/// Takes the project down when it is dropped, or when this process has ended.
pub(crate) struct Leash {
    engine: Engine,
    shell: Child,
}

impl Drop for Leash {
    fn drop(&mut self) {
        if std::thread::panicking() {
            for node in nodes() {
                println!("--- {node}\n{}", self.engine.log(&node));
            }
        }
        drop(self.shell.stdin.take());
        // A shell that cannot be waited for takes the project down all the same.
        let _ = self.shell.wait();
    }
}

/// The services that are nodes, in order of their ports.
pub(crate) fn nodes() -> Vec<String> {
    let of = |region: &&str| (1..=3).map(|place| format!("{region}-{place}")).collect::<Vec<_>>();
    REGIONS.iter().flat_map(of).collect()
}

fn repository() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR")).parent().expect("the repository")
}

fn command(environment: &BTreeMap<&str, String>, words: &[&str]) -> Command {
    let mut command = Command::new("timeout");
    command.arg(COMMAND_LIMIT).args(words).current_dir(repository());
    // A developer's own settings are no part of a test.
    for (key, _) in std::env::vars_os() {
        let key = key.to_string_lossy();
        if key.starts_with("CONCORDAT_") || key.starts_with("COMPOSE_") {
            command.env_remove(&*key);
        }
    }
    command.envs(environment);
    command
}

/// The output of a command, or its error.
fn said(mut command: Command) -> Result<String, String> {
    let ended = command.stdin(Stdio::null()).output().map_err(|error| error.to_string())?;
    let text = String::from_utf8_lossy(&ended.stdout).into_owned();
    if ended.status.success() {
        return Ok(text);
    }
    let why = String::from_utf8_lossy(&ended.stderr).into_owned();
    Err(format!("{command:?}: {}\n{text}{why}", ended.status))
}

/// The first digits of nine free ports in a row.
fn free_ports() -> u16 {
    let mut rng = Rng::new(u64::from(std::process::id()));
    loop {
        let first = 1200 + u16::try_from(rng.below(1900)).expect("it fits");
        let free = |port| TcpListener::bind((Ipv4Addr::LOCALHOST, port)).is_ok();
        if (first * 10..first * 10 + 9).all(free) {
            return first;
        }
    }
}

impl Engine {
    /// Prepares a project; nothing is started yet.
    pub(crate) fn new() -> (Self, Leash) {
        let nothing = BTreeMap::new();
        let plugin = said(command(&nothing, &["docker", "compose", "version"])).is_ok();
        let compose = if plugin { vec!["docker", "compose"] } else { vec!["docker-compose"] };
        let (project, ports) = (format!("concordat-test-{}", std::process::id()), free_ports());
        let mut shell = Command::new("sh");
        shell.args(["-c", KILL_ON_DROP, "leash"]).args(&compose).current_dir(repository());
        let shell = shell
            .envs(Self::environment(&project, ports))
            .stdin(Stdio::piped())
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .process_group(0)
            .spawn()
            .expect("a shell starts");
        let engine = Self { project, ports, compose };
        (engine.clone(), Leash { engine, shell })
    }

    fn environment(project: &str, ports: u16) -> BTreeMap<&'static str, String> {
        BTreeMap::from([
            ("COMPOSE_PROJECT_NAME", project.to_owned()),
            ("CONCORDAT_PORTS", ports.to_string()),
            // No registry is needed for it.
            ("CONCORDAT_TARGET", "prebuilt".to_owned()),
            ("CONCORDAT_BASE", "scratch".to_owned()),
        ])
    }

    fn command(&self, words: &[&str]) -> Command {
        command(&Self::environment(&self.project, self.ports), words)
    }

    fn run(&self, first: &[&str], words: &[&str]) -> Result<String, String> {
        said(self.command(&[first, words].concat()))
    }

    /// The output of a Compose command.
    pub(crate) fn compose(&self, words: &[&str]) -> String {
        self.run(&self.compose, words).unwrap_or_else(|why| panic!("{why}"))
    }

    /// The output of an engine command.
    pub(crate) fn docker(&self, words: &[&str]) -> String {
        self.run(&["docker"], words).unwrap_or_else(|why| panic!("{why}"))
    }

    /// The last lines that a node has logged.
    pub(crate) fn log(&self, node: &str) -> String {
        let mut logs = self.command(&["docker", "logs", "--tail", "20", &self.container(node)]);
        match logs.stdin(Stdio::null()).output() {
            // It comes the way it was written: by standard error.
            Ok(ended) => String::from_utf8_lossy(&ended.stderr).into_owned(),
            Err(error) => error.to_string(),
        }
    }

    /// The name of a node's container.
    pub(crate) fn container(&self, node: &str) -> String {
        format!("{}-{node}", self.project)
    }

    /// Where a node is reached from here.
    pub(crate) fn url(&self, place: usize) -> String {
        format!("http://127.0.0.1:{}{place}", self.ports)
    }

    /// Builds the image, starts everything, and waits until all nodes are healthy.
    pub(crate) async fn up(&self) {
        if self.compose.len() == 2 {
            self.compose(&["up", "--build", "--wait"]);
        } else {
            self.compose(&["up", "--build", "--detach"]);
        }
        within("all nodes are healthy", LIMIT, async || {
            for node in nodes() {
                let health = self.inspect(&node)["State"]["Health"]["Status"].take();
                if health != "healthy" {
                    return Err(format!("{node} is {health}"));
                }
            }
            Ok(())
        })
        .await;
    }

    /// Waits until a node reports that it is ready.
    pub(crate) async fn ready(&self, place: usize) {
        let url = self.url(place);
        within("a node is ready", LIMIT, async || {
            match Request::new("GET", "/readyz?for=writes&verbose").try_send(&url).await {
                Ok(answer) if answer.status == 200 => Ok(()),
                other => Err(format!("{}: {other:?}", nodes()[place])),
            }
        })
        .await;
    }

    /// Waits until all nodes report that they are ready.
    pub(crate) async fn all_ready(&self) {
        for place in 0..nodes().len() {
            self.ready(place).await;
        }
    }

    /// All that the engine knows of a node's container.
    pub(crate) fn inspect(&self, node: &str) -> Value {
        let text = self.docker(&["inspect", &self.container(node)]);
        let mut all: Value = serde_json::from_str(&text).expect("JSON");
        all[0].take()
    }

    /// A node's address in the network that joins the regions.
    pub(crate) fn address(&self, node: &str) -> Ipv4Addr {
        let between = format!("{}-between", self.project);
        let networks = self.inspect(node)["NetworkSettings"]["Networks"].take();
        let address = networks[&between]["IPAddress"].as_str().and_then(|text| text.parse().ok());
        address.unwrap_or_else(|| panic!("{node} has no address in {between}: {networks}"))
    }

    /// Takes a region's nodes off the network that joins the regions, or puts them back.
    pub(crate) fn join(&self, verb: &str, region: &str) {
        let between = format!("{}-between", self.project);
        for node in nodes().iter().filter(|node| node.starts_with(region)) {
            self.docker(&["network", verb, &between, &self.container(node)]);
        }
    }

    /// Bytes of memory that each node uses, without what the system would give back.
    pub(crate) fn memory(&self) -> Result<BTreeMap<String, u64>, String> {
        let names: Vec<String> = nodes().iter().map(|node| self.container(node)).collect();
        let mut words = vec!["stats", "--no-stream", "--format", "{{.Name}} {{.MemUsage}}"];
        words.extend(names.iter().map(String::as_str));
        let text = self.run(&["docker"], &words)?;
        let line = |line: &str| {
            let (name, used) = line.split_once(' ')?;
            let used = used.split_whitespace().next()?;
            Some((name.to_owned(), bytes(used)?))
        };
        Ok(text.lines().filter_map(line).collect())
    }

    /// The operator's key, out of the volume of the node that founded the cluster.
    pub(crate) fn operator_key(&self) -> String {
        let directory = tempfile::tempdir().expect("a temporary directory");
        let file: PathBuf = directory.path().join("operator.key");
        let from = format!("{}:/var/lib/concordat/operator.key", self.container(&nodes()[0]));
        self.docker(&["cp", &from, file.to_str().expect("a path of text")]);
        let mut key = String::new();
        let opened = std::fs::File::open(&file);
        opened.and_then(|mut file| file.read_to_string(&mut key)).expect("the key is copied");
        key.trim().to_owned()
    }
}

/// `42.5MiB` as bytes.
fn bytes(text: &str) -> Option<u64> {
    let unit = text.find(|c: char| c.is_ascii_alphabetic())?;
    let factor: u64 = match &text[unit..] {
        "B" => 1,
        "KiB" => 1 << 10,
        "MiB" => 1 << 20,
        "GiB" => 1 << 30,
        _ => return None,
    };
    let (whole, part) = text[..unit].split_once('.').unwrap_or((&text[..unit], "0"));
    let tenths = 10 * whole.parse::<u64>().ok()? + part.get(..1)?.parse::<u64>().ok()?;
    Some(tenths * factor / 10)
}

#[test]
fn sizes_are_read_as_the_engine_writes_them() {
    for (text, expected) in [
        ("0B", Some(0)),
        ("42.56MiB", Some(44_564_480)),
        ("512KiB", Some(524_288)),
        ("1.5GiB", Some(1_610_612_736)),
        ("--", None),
    ] {
        assert_eq!(bytes(text), expected, "{text}");
    }
}
