//! The arguments, as clap reads them from the command line and the environment.

use std::{path::PathBuf, time::Duration};

use clap::{ArgAction, Parser, Subcommand, ValueEnum};
use concordat_client::{
    OrgId, Provider, Region, RequiredConsistency, Secret, StaleSecrets, WriteId,
};

use crate::values::{self, Setting};

/// Manages SSO credentials that are replicated over regions, and says how far each write has come.
///
/// Exit codes: 0 done, 1 the output could not be written, 2 usage, 3 refused, 4 unavailable, 5 the
/// required consistency was not reached in time (the write goes on), 6 the outcome is not known, 7
/// `status` found the cluster degraded, 130 interrupted.
///
/// A duration is a number of seconds, or has a unit: 60, 60s, 1500ms, 2m. An empty variable counts as
/// unset.
#[derive(Parser)]
#[command(name = "concordat", version)]
pub(crate) struct Args {
    #[command(flatten)]
    pub(crate) global: Global,
    #[command(subcommand)]
    pub(crate) noun: Noun,
}

/// What every command understands.
#[derive(clap::Args)]
pub(crate) struct Global {
    /// A node, like http://127.0.0.1:8080; repeated in order of preference
    #[arg(
        long = "endpoint",
        value_name = "URL",
        global = true,
        env = "CONCORDAT_ENDPOINTS",
        value_delimiter = ','
    )]
    pub(crate) endpoints: Vec<String>,
    /// The organization whose credentials are managed
    #[arg(
        long,
        value_name = "ID",
        global = true,
        env = "CONCORDAT_ORG",
        value_parser = values::org_id
    )]
    pub(crate) org: Option<OrgId>,
    /// Its API key (visible in the process list: prefer the environment or the config file)
    #[arg(
        long,
        value_name = "KEY",
        global = true,
        env = "CONCORDAT_API_KEY",
        hide_env_values = true,
        value_parser = values::key
    )]
    pub(crate) api_key: Option<Secret>,
    /// The key for `status` and `org` (visible in the process list, like --api-key)
    #[arg(
        long,
        value_name = "KEY",
        global = true,
        env = "CONCORDAT_OPERATOR_KEY",
        hide_env_values = true,
        value_parser = values::key
    )]
    pub(crate) operator_key: Option<Secret>,
    /// A file with that key (a node that founds a cluster writes one)
    #[arg(long, value_name = "PATH", global = true, env = "CONCORDAT_OPERATOR_KEY_FILE")]
    pub(crate) operator_key_file: Option<PathBuf>,
    /// A context of the config file; what is given here or in the environment goes before it
    #[arg(long, value_name = "NAME", global = true, env = "CONCORDAT_CONTEXT")]
    pub(crate) context: Option<String>,
    /// The config file [default: $XDG_CONFIG_HOME/concordat/config.toml]
    #[arg(long, value_name = "PATH", global = true, env = "CONCORDAT_CONFIG")]
    pub(crate) config: Option<PathBuf>,
    /// What to print
    #[arg(short, long, global = true, value_enum, default_value_t = Output::Table)]
    pub(crate) output: Output,
    /// How far a write must have travelled
    #[arg(long, value_name = "LEVEL", global = true, value_parser = values::consistency())]
    pub(crate) consistency: Option<RequiredConsistency>,
    /// How long to wait for that, 1s to 120s in whole seconds [default: 30s]
    #[arg(long, value_name = "DURATION", global = true, value_parser = values::timeout)]
    pub(crate) timeout: Option<Duration>,
    /// The key under which a write happens at most once [default: a new one]. With the key of an
    /// earlier run of the same command (within ten minutes): to learn how that one ended
    #[arg(long, value_name = "KEY", global = true)]
    pub(crate) idempotency_key: Option<String>,
}

/// What to print.
#[derive(Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(crate) enum Output {
    /// For people.
    Table,
    /// For programs.
    Json,
}

/// The first word: what it is about.
#[derive(Subcommand)]
pub(crate) enum Noun {
    /// Shows regions, nodes and groups, and whether writes would succeed now (operator)
    Status,
    /// Manages OIDC credentials
    #[command(subcommand)]
    Credential(Box<Credential>),
    /// Follows a write
    #[command(subcommand)]
    Write(WriteVerb),
    /// Manages organizations (operator)
    #[command(subcommand)]
    Org(Org),
    /// Manages nodes (operator). A node is added by starting it with seeds
    #[command(subcommand)]
    Node(Node),
    /// Manages regions (operator). A region is added by its name, and then by starting nodes in it
    #[command(subcommand)]
    Region(RegionVerb),
    /// Manages settings of the whole cluster (operator)
    #[command(subcommand)]
    Cluster(Cluster),
}

/// Verbs of nodes.
#[derive(Subcommand)]
pub(crate) enum Node {
    /// Lists nodes: their state, and the groups that they vote in, lead and have a replica of
    List,
    /// Takes a node's votes and leads away; it goes on serving
    Drain {
        /// The node id
        #[arg(value_parser = values::node_id)]
        id: String,
    },
    /// Takes a drained or leaving node back
    Undrain {
        /// The node id
        #[arg(value_parser = values::node_id)]
        id: String,
    },
    /// Drains a node and removes it for good, and waits until it is gone
    Remove {
        /// The node id
        #[arg(value_parser = values::node_id)]
        id: String,
        #[command(flatten)]
        gone: Gone,
    },
}

/// Verbs of regions.
#[derive(Subcommand)]
pub(crate) enum RegionVerb {
    /// Lists regions, their groups and who votes in them
    List,
    /// Lets the nodes of a further region join; a node of a region that nobody has named is refused
    Add {
        /// Its name
        #[arg(value_parser = values::region)]
        region: Region,
    },
    /// Removes a region and its nodes, and waits until it is gone; organizations must have moved
    Remove {
        /// Its name
        #[arg(value_parser = values::region)]
        region: Region,
        #[command(flatten)]
        gone: Gone,
    },
    /// Gives a region's group its voters in another region, or back in its own; nothing is lost
    Seat {
        /// Its name
        #[arg(value_parser = values::region)]
        region: Region,
        /// Where the voters belong
        #[arg(long = "in", value_name = "REGION", value_parser = values::region)]
        seat: Region,
    },
    /// Goes on without a region that is lost for good, from what the others have of it
    Failover {
        /// The lost region's name
        #[arg(value_parser = values::region)]
        region: Region,
        /// Where its organizations' writes are ordered from now on
        #[arg(long, value_name = "REGION", value_parser = values::region)]
        to: Region,
        /// Your word that all nodes of the lost region are stopped (needed unless
        /// when_isolated=fence was in force there)
        #[arg(long)]
        fenced: bool,
        /// A node elsewhere that is as lost as the region: do not wait for what it has
        #[arg(long, value_name = "NODE_ID", value_parser = values::node_id)]
        without: Vec<String>,
        #[command(flatten)]
        gone: Gone,
    },
    /// Lists what a lost region had that nobody else did, once its nodes are back
    Divergence {
        /// Its name
        #[arg(value_parser = values::region)]
        region: Region,
    },
    /// Lets a region stay whose removal has begun
    Keep {
        /// Its name
        #[arg(value_parser = values::region)]
        region: Region,
    },
    /// Lets another node found a region's group, after the first founder was lost before it did
    Found {
        /// Its name
        #[arg(value_parser = values::region)]
        region: Region,
        /// The new founder's node id
        #[arg(long, value_name = "ID", value_parser = values::node_id)]
        node: String,
        /// Your word that the first founder is stopped and never runs again
        #[arg(long, required = true)]
        fenced: bool,
    },
}

/// How long to wait for an end.
#[derive(clap::Args)]
pub(crate) struct Gone {
    /// How long to wait until it is gone; 0 does not wait
    #[arg(long, value_name = "DURATION", default_value = "120s", value_parser = values::duration)]
    pub(crate) wait: Duration,
}

/// Verbs of the cluster.
#[derive(Subcommand)]
pub(crate) enum Cluster {
    /// Changes a setting
    Set {
        /// survive=node, survive=region, when_isolated=serve, when_isolated=fence, or
        /// lease=HOME,AWAY[,CLOCK_DRIFT_PERCENT] with two durations like 500ms
        #[arg(value_name = "NAME=VALUE", value_parser = values::setting)]
        setting: Setting,
    },
}

/// Verbs of credentials.
#[derive(Subcommand)]
pub(crate) enum Credential {
    /// Lists credentials, ordered by client id
    List(ListCredentials),
    /// Shows a credential and its version
    Get {
        /// The OAuth client id
        client_id: String,
    },
    /// Shows a credential's client secret in the clear (a key with secrets:read)
    Secret {
        /// The OAuth client id
        client_id: String,
    },
    /// Makes a credential
    Create(CreateCredential),
    /// Changes what is given and leaves the rest as it is
    Patch(PatchCredential),
    /// Removes a credential
    Delete(DeleteCredential),
}

#[derive(clap::Args)]
pub(crate) struct ListCredentials {
    /// Only those of this provider
    #[arg(long, value_parser = values::provider())]
    pub(crate) provider: Option<Provider>,
    #[command(flatten)]
    pub(crate) page: Page,
}

#[derive(clap::Args)]
pub(crate) struct Page {
    /// At most so many
    #[arg(long, value_name = "COUNT")]
    pub(crate) limit: Option<u64>,
    /// Passes over so many
    #[arg(long, value_name = "COUNT")]
    pub(crate) offset: Option<u64>,
}

#[derive(clap::Args)]
pub(crate) struct CreateCredential {
    /// The OAuth client id
    pub(crate) client_id: String,
    /// Whose credential it is
    #[arg(long, value_parser = values::provider())]
    pub(crate) provider: Provider,
    #[command(flatten)]
    pub(crate) secret: SecretSource,
    #[command(flatten)]
    pub(crate) members: Members,
}

#[derive(clap::Args)]
pub(crate) struct PatchCredential {
    /// The OAuth client id
    pub(crate) client_id: String,
    /// Whose options are given (needed for --scope alone); a credential's provider never changes
    #[arg(long, value_parser = values::provider())]
    pub(crate) provider: Option<Provider>,
    #[command(flatten)]
    pub(crate) secret: SecretSource,
    #[command(flatten)]
    pub(crate) members: Members,
    #[command(flatten)]
    pub(crate) condition: Condition,
}

#[derive(clap::Args)]
pub(crate) struct DeleteCredential {
    /// The OAuth client id
    pub(crate) client_id: String,
    #[command(flatten)]
    pub(crate) condition: Condition,
}

/// Where the client secret comes from.
#[derive(clap::Args)]
#[group(multiple = false)]
pub(crate) struct SecretSource {
    /// Reads the client secret from a file, or from standard input (-); a line's end is taken off
    #[arg(long, value_name = "PATH")]
    pub(crate) client_secret_file: Option<PathBuf>,
    /// Takes the client secret from an environment variable; a line's end is taken off
    #[arg(long, value_name = "VAR")]
    pub(crate) client_secret_env: Option<String>,
    /// The client secret itself: every user of this machine can see it in the process list
    #[arg(long, value_name = "SECRET", value_parser = values::secret)]
    pub(crate) client_secret: Option<Secret>,
}

/// What a creation and a change may set.
#[derive(clap::Args)]
pub(crate) struct Members {
    /// Free text
    #[arg(long)]
    pub(crate) label: Option<String>,
    /// An external credential's id
    #[arg(long, value_name = "ID")]
    pub(crate) external_cred_id: Option<String>,
    /// Whether the authorization server may use it
    #[arg(long, value_name = "BOOL", action = ArgAction::Set)]
    pub(crate) enable_in_authz_server: Option<bool>,
    /// A scope beside those that are always requested; may be repeated
    #[arg(long = "scope", value_name = "SCOPE")]
    pub(crate) scopes: Vec<String>,
    /// Azure AD: a GUID, a domain, common, organizations or consumers
    #[arg(long)]
    pub(crate) tenant: Option<String>,
    /// Okta: the organization's https URL
    #[arg(long, value_name = "URL")]
    pub(crate) organization_url: Option<String>,
    /// Apple: 10 characters
    #[arg(long, value_name = "ID", requires = "apple_key_id")]
    pub(crate) apple_team_id: Option<String>,
    /// Apple: 10 characters
    #[arg(long, value_name = "ID", requires = "apple_team_id")]
    pub(crate) apple_key_id: Option<String>,
    /// Apple: the private key (PKCS#8 PEM); without it a change keeps the stored one
    #[arg(long, value_name = "PATH", requires = "apple_team_id")]
    pub(crate) apple_private_key_file: Option<PathBuf>,
    /// Apple: how long minted client secrets live, like 24h
    #[arg(
        long,
        value_name = "DURATION",
        requires = "apple_team_id",
        value_parser = values::duration
    )]
    pub(crate) apple_secret_lifetime: Option<Duration>,
}

/// A write that depends on a version.
#[derive(clap::Args)]
pub(crate) struct Condition {
    /// Only if the stored version still has this tag (`credential get` shows it)
    #[arg(long, value_name = "ETAG")]
    pub(crate) if_match: Option<String>,
}

/// Verbs of writes.
#[derive(Subcommand)]
pub(crate) enum WriteVerb {
    /// Waits until a write is in every region (or as far as --consistency says), up to --timeout, and
    /// shows its receipt
    Wait {
        /// The write id
        #[arg(value_parser = values::write_id)]
        write_id: WriteId,
        /// It is a write of the operator, not of the organization
        #[arg(long)]
        operator: bool,
    },
}

/// Verbs of organizations.
#[derive(Subcommand)]
pub(crate) enum Org {
    /// Makes an organization and shows its API key, this once
    Create(CreateOrg),
    /// Lists organizations
    List(Page),
    /// Moves an organization's home to another region; its writes wait meanwhile
    Move(MoveOrg),
    /// Changes a setting of an organization
    Set {
        /// Its id
        #[arg(value_parser = values::org_id)]
        id: OrgId,
        /// stale-secrets=serve or stale-secrets=refuse: whether nodes that cannot prove that they
        /// are current give secrets out
        #[arg(value_name = "NAME=VALUE", value_parser = values::stale_secrets)]
        setting: StaleSecrets,
    },
}

#[derive(clap::Args)]
#[command(group = clap::ArgGroup::new("where").required(true).args(["to", "back"]))]
pub(crate) struct MoveOrg {
    /// Its id
    #[arg(value_parser = values::org_id)]
    pub(crate) id: OrgId,
    /// The region of its new home
    #[arg(long, value_name = "REGION", value_parser = values::region)]
    pub(crate) to: Option<Region>,
    /// Take the move back that is under way, while its new home has not taken it over
    #[arg(long)]
    pub(crate) back: bool,
    /// Wait so long for the move's end
    #[arg(
        long,
        value_name = "DURATION",
        value_parser = values::duration,
        conflicts_with = "back"
    )]
    pub(crate) wait: Option<Duration>,
}

#[derive(clap::Args)]
pub(crate) struct CreateOrg {
    /// Its name
    pub(crate) name: String,
    /// A second name
    #[arg(long, value_name = "NAME")]
    pub(crate) tenant_name: Option<String>,
    /// Where its writes are ordered [default: the region of the answering node]
    #[arg(long, value_name = "REGION", value_parser = values::region)]
    pub(crate) home_region: Option<Region>,
    /// An id of your choice
    #[arg(long, value_parser = values::org_id)]
    pub(crate) id: Option<OrgId>,
}

impl Noun {
    /// Whether it makes a write that has an idempotency key.
    pub(crate) const fn is_keyed_write(&self) -> bool {
        match self {
            Self::Status | Self::Write(_) => false,
            Self::Credential(verb) => matches!(
                **verb,
                Credential::Create(_) | Credential::Patch(_) | Credential::Delete(_)
            ),
            // A move is not: a repeat of it changes nothing.
            Self::Org(verb) => matches!(verb, Org::Create(_) | Org::Set { .. }),
            Self::Node(verb) => !matches!(verb, Node::List),
            Self::Region(verb) => !matches!(verb, RegionVerb::List | RegionVerb::Divergence { .. }),
            Self::Cluster(_) => true,
        }
    }

    /// Whether it changes something.
    pub(crate) const fn is_write(&self) -> bool {
        self.is_keyed_write() || matches!(self, Self::Org(Org::Move(_)))
    }
}

#[cfg(test)]
mod tests {
    use clap::CommandFactory;

    use super::*;

    #[test]
    fn the_definition_holds_together() {
        Args::command().debug_assert();
    }

    #[test]
    fn one_source_of_the_secret() {
        let twice = ["concordat", "credential", "patch", "x", "--client-secret", "a"];
        assert!(Args::try_parse_from(twice).is_ok());
        let twice = twice.into_iter().chain(["--client-secret-env", "B"]);
        assert!(Args::try_parse_from(twice).is_err());
    }
}
