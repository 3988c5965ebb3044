//! The command line of `concordatd`, and the action of each command.

use std::{
    io::{self, Write},
    path::PathBuf,
};

use clap::{Args, CommandFactory, FromArgMatches, Parser, Subcommand};

use crate::{
    boot::{
        config::{LogFormat, Settings},
        failure::Failure,
        start,
    },
    demo::{self, DemoArgs},
    entropy::OsEntropy,
    environment::Environment,
    keyring::Keyring,
    observe,
};

/// Keeps the SSO credentials of organizations in every region of a cluster.
#[derive(Debug, Parser)]
#[command(name = "concordatd", version)]
pub struct Cli {
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// Run a node
    Start(StartArgs),
    /// Run a whole cluster in this process, with delays between its regions
    Demo(DemoArgs),
    /// Check the health of a node on this machine; the exit code is 0 if it is healthy
    Health(HealthArgs),
    /// Validate or print a configuration
    #[command(subcommand)]
    Config(ConfigCommand),
    /// Create a keyring
    #[command(subcommand)]
    Keyring(KeyringCommand),
}

#[derive(Debug, Args)]
struct StartArgs {
    /// Configuration file (TOML); flags and CONCORDAT_* variables override it
    #[arg(long, env = "CONCORDAT_CONFIG")]
    config: Option<PathBuf>,
    #[command(flatten)]
    settings: Settings,
}

#[derive(Debug, Args)]
struct HealthArgs {
    /// The node's configuration file, for its address
    #[arg(long, env = "CONCORDAT_CONFIG")]
    config: Option<PathBuf>,
    /// Address of the node's HTTP API
    #[arg(long, env = "CONCORDAT_LISTEN")]
    listen: Option<String>,
    /// Check /readyz: the node is a member and can serve reads. A node that is partitioned from the
    /// others is still ready
    #[arg(long)]
    ready: bool,
    /// Check /readyz?for=writes: the node sees a leader and all voters of every group. A rolling
    /// restart checks this on every node before it restarts the next one
    #[arg(long, conflicts_with = "ready")]
    writes: bool,
}

#[derive(Debug, Subcommand)]
enum ConfigCommand {
    /// Validate a configuration; starts nothing
    Check(StartArgs),
    /// Print the effective configuration, with flags and variables applied
    Show(StartArgs),
}

#[derive(Debug, Subcommand)]
enum KeyringCommand {
    /// Create a keyring file with one key; never overwrites a file
    New {
        /// The file
        file: PathBuf,
        /// Do nothing if a valid keyring exists
        #[arg(long)]
        if_missing: bool,
    },
}

impl StartArgs {
    fn settings(self) -> Result<Settings, Failure> {
        let file = self.config.as_deref().map(Settings::read).transpose()?;
        Ok(self.settings.over(file.unwrap_or_default()))
    }
}

impl HealthArgs {
    fn run(self) -> Result<(), Failure> {
        let file = self.config.as_deref().map(Settings::read).transpose()?;
        let given = Settings { listen: self.listen, ..Settings::default() };
        let listen = given.over(file.unwrap_or_default()).api_address()?;
        let path = match (self.ready, self.writes) {
            (true, _) => "/readyz?verbose",
            (_, true) => "/readyz?for=writes&verbose",
            (false, false) => "/livez",
        };
        let answer = observe::probe::ask(listen, path);
        say(&answer
            .map_err(|error| Failure::fault(format!("asking {listen} for {path}"), error))?)
    }
}

/// Without the variables that are set to nothing: `CONCORDAT_PEER_ADDRESS=` is how compose files and
/// shells leave one out, and no setting has an empty value.
fn without_empty_variables(
    command: clap::Command,
    is_empty: fn(&std::ffi::OsStr) -> bool,
) -> clap::Command {
    let command = command.mut_args(|arg| match arg.get_env() {
        Some(name) if is_empty(name) => arg.env(None::<&'static str>),
        Some(_) | None => arg,
    });
    command.mut_subcommands(|below| without_empty_variables(below, is_empty))
}

fn is_empty_variable(name: &std::ffi::OsStr) -> bool {
    std::env::var_os(name).is_some_and(|value| value.is_empty())
}

impl Cli {
    /// The command line of this process, over its environment. Ends the process if there is nothing
    /// to run.
    #[must_use]
    pub fn read() -> Self {
        let command = without_empty_variables(Self::command(), is_empty_variable);
        let matches = command.get_matches();
        Self::from_arg_matches(&matches).unwrap_or_else(|error| error.exit())
    }

    /// Runs the command.
    ///
    /// # Errors
    /// With the reason for another exit code than 0.
    pub fn run(self) -> Result<(), Failure> {
        match self.command {
            Command::Start(args) => {
                let config = args.settings()?.check()?;
                observe::log::init(&config.log_level, config.log_format)?;
                start::run(config, Environment::default())
            }
            Command::Demo(args) => {
                observe::log::init(&args.log_level, LogFormat::Text)?;
                demo::run(args, Environment::default())
            }
            Command::Health(args) => args.run(),
            Command::Config(ConfigCommand::Check(args)) => {
                start::check(&args.settings()?.check()?)?;
                say("the configuration is complete\n")
            }
            Command::Config(ConfigCommand::Show(args)) => {
                let settings = args.settings()?;
                let shown = toml::to_string(&settings);
                say(&shown.map_err(|error| Failure::fault("showing the configuration", error))?)
            }
            Command::Keyring(KeyringCommand::New { file, if_missing }) => {
                if if_missing && file.exists() {
                    return Keyring::read(&file).map(drop);
                }
                Keyring::create(&file, &OsEntropy)
            }
        }
    }
}

fn say(text: &str) -> Result<(), Failure> {
    let mut out = io::stdout();
    let said = out.write_all(text.as_bytes()).and_then(|()| out.flush());
    said.map_err(|error| Failure::fault("writing to standard output", error))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_command_line_is_sound() {
        Cli::command().debug_assert();
    }

    #[test]
    fn a_variable_that_is_set_to_nothing_is_not_set() {
        let all = without_empty_variables(Cli::command(), |_| true);
        let start = all.find_subcommand("start").unwrap();
        assert!(start.get_arguments().all(|arg| arg.get_env().is_none()));
        let some = without_empty_variables(Cli::command(), |name| name == "CONCORDAT_SEEDS");
        let start = some.find_subcommand("start").unwrap();
        let of = |id: &str| start.get_arguments().find(|arg| arg.get_id() == id).unwrap();
        assert!(of("seeds").get_env().is_none() && of("peer_address").get_env().is_some());
        let health = some.find_subcommand("health").unwrap();
        assert!(health.get_arguments().any(|arg| arg.get_env().is_some()));
    }

    #[test]
    fn flags_of_start_win_over_its_file() {
        let directory = tempfile::tempdir().unwrap();
        let file = directory.path().join("node.toml");
        std::fs::write(&file, "region = \"us\"\nlisten = \"127.0.0.1:1\"\n").unwrap();
        let path = file.to_str().unwrap();
        let line = ["concordatd", "start", "--config", path, "--region", "eu", "--bootstrap"];
        let Command::Start(args) = Cli::parse_from(line).command else { panic!("start") };
        let settings = args.settings().unwrap();
        assert_eq!(settings.region.as_deref(), Some("eu"));
        assert_eq!(settings.listen.as_deref(), Some("127.0.0.1:1"));
        assert_eq!(settings.bootstrap, Some(true));
    }
}
