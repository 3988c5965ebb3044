//! The arguments, as clap reads them from the command line and the environment.

use std::{path::PathBuf, time::Duration};

use clap::{ArgAction, Parser, Subcommand, ValueEnum};
use concordat_client::{NodeId, OrgId, Provider, Region, RequiredConsistency, Secret, WriteId};

use crate::{
    policy_args::Policy,
    resource_args::{Attribute, Condition, External, Key, Saml, Suborg},
    values::{self, OrgSetting, Setting},
};

/// Manages SSO credentials that are replicated over regions, and reports where each write has arrived.
///
/// Exit codes: 0 done, 1 the output could not be written, 2 usage, 3 refused, 4 unavailable, 5 the
/// required consistency was not reached in time (replication continues), 6 the outcome is unknown, 7
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
    pub(crate) command: Command,
}

/// Arguments of every command.
#[derive(clap::Args)]
pub(crate) struct Global {
    /// A node's base URL, like http://127.0.0.1:8080; repeated in order of preference
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
    /// The organization's API key (visible in the process list: prefer the environment or the config file)
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
    /// A file with the operator key (the node that bootstraps a cluster writes one)
    #[arg(long, value_name = "PATH", global = true, env = "CONCORDAT_OPERATOR_KEY_FILE")]
    pub(crate) operator_key_file: Option<PathBuf>,
    /// A context of the config file; flags and environment variables override it
    #[arg(long, value_name = "NAME", global = true, env = "CONCORDAT_CONTEXT")]
    pub(crate) context: Option<String>,
    /// The config file [default: $XDG_CONFIG_HOME/concordat/config.toml]
    #[arg(long, value_name = "PATH", global = true, env = "CONCORDAT_CONFIG")]
    pub(crate) config: Option<PathBuf>,
    /// Output format
    #[arg(short, long, global = true, value_enum, default_value_t = Output::Table)]
    pub(crate) output: Output,
    /// How far a write must be replicated before the command succeeds
    #[arg(long, value_name = "LEVEL", global = true, value_parser = values::consistency())]
    pub(crate) consistency: Option<RequiredConsistency>,
    /// How long to wait for that consistency, 1s to 120s in whole seconds [default: 30s]
    #[arg(long, value_name = "DURATION", global = true, value_parser = values::timeout)]
    pub(crate) timeout: Option<Duration>,
    /// Idempotency key: the write happens at most once under it [default: a new key]. Repeat a command
    /// with the key of its earlier run, within ten minutes, to see the outcome of that run
    #[arg(long, value_name = "KEY", global = true)]
    pub(crate) idempotency_key: Option<String>,
}

/// Output format.
#[derive(Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(crate) enum Output {
    /// For people.
    Table,
    /// For programs.
    Json,
}

/// A command: the resource that it manages.
#[derive(Subcommand)]
pub(crate) enum Command {
    /// Shows regions, nodes and groups, and whether writes would succeed now (operator)
    Status,
    /// Manages OIDC credentials
    #[command(subcommand)]
    Credential(Box<Credential>),
    /// Manages SAML credentials
    #[command(subcommand)]
    Saml(Saml),
    /// Manages credentials for services outside
    #[command(subcommand)]
    External(External),
    /// Manages attributes of the organization
    #[command(subcommand)]
    Attribute(Attribute),
    /// Manages the organization's API keys
    #[command(subcommand)]
    Key(Key),
    /// Manages suborganizations: organizations of their own that live where yours lives
    #[command(subcommand)]
    Suborg(Suborg),
    /// Manages policies: who may do what, in the language Cedar
    #[command(subcommand)]
    Policy(Policy),
    /// Shows how far a write has been replicated
    #[command(subcommand)]
    Write(WriteVerb),
    /// Manages organizations (operator)
    #[command(subcommand)]
    Org(Org),
    /// Manages nodes (operator). A node is added by starting it with seeds
    #[command(subcommand)]
    Node(NodeVerb),
    /// Manages regions (operator). Add a region by name, then start nodes in it
    #[command(subcommand)]
    Region(RegionVerb),
    /// Manages settings of the whole cluster (operator)
    #[command(subcommand)]
    Cluster(Cluster),
}

/// Verbs of nodes.
#[derive(Subcommand)]
pub(crate) enum NodeVerb {
    /// Lists nodes: their state, and the groups in which they vote, lead or have a replica
    List,
    /// Drains a node: takes its votes and leadership; it keeps serving reads
    Drain {
        /// The node id
        #[arg(value_parser = values::node_id)]
        id: NodeId,
    },
    /// Undrains a node, or cancels its removal
    Undrain {
        /// The node id
        #[arg(value_parser = values::node_id)]
        id: NodeId,
    },
    /// Drains a node, removes it permanently, and waits for the end of the removal
    Remove {
        /// The node id
        #[arg(value_parser = values::node_id)]
        id: NodeId,
        #[command(flatten)]
        removal: WaitForRemoval,
    },
}

/// Verbs of regions.
#[derive(Subcommand)]
pub(crate) enum RegionVerb {
    /// Lists regions, their groups and the voters
    List,
    /// Adds a region, so that its nodes may join; a node of a region that was not added is refused
    Add {
        /// The region's name
        #[arg(value_parser = values::region)]
        region: Region,
    },
    /// Removes a region and its nodes, and waits for the end of the removal; its organizations must
    /// have moved to another home before
    Remove {
        /// The region's name
        #[arg(value_parser = values::region)]
        region: Region,
        /// Cancel a removal that has begun
        #[arg(long, conflicts_with = "wait")]
        cancel: bool,
        #[command(flatten)]
        removal: WaitForRemoval,
    },
    /// Moves the voters of a region's group to another region, or back to its own; loses no write
    Relocate {
        /// The region's name
        #[arg(value_parser = values::region)]
        region: Region,
        /// The region to place the voters in
        #[arg(long, value_name = "REGION", value_parser = values::region)]
        to: Region,
    },
    /// Fails a permanently lost region over, from its surviving replicas
    Failover {
        /// The lost region's name
        #[arg(value_parser = values::region)]
        region: Region,
        /// The region that orders the writes of its organizations from now on
        #[arg(long, value_name = "REGION", value_parser = values::region)]
        to: Region,
        /// Confirm that all nodes of the failed region are fenced (stopped and kept from restarting
        /// until the failover is complete). Not needed if partition_policy=fence was in force there
        #[arg(long)]
        confirm_fenced: bool,
        /// Do not wait for this node's log; it is also permanently lost. May be repeated
        #[arg(long = "skip-node", value_name = "NODE_ID", value_parser = values::node_id)]
        skip_nodes: Vec<NodeId>,
        #[command(flatten)]
        completion: WaitForFailover,
    },
    /// Lists the writes that only the failed region had, once its nodes are back. Over HTTP:
    /// GET /v1/cluster/regions/NAME/divergence
    LostWrites {
        /// The region's name
        #[arg(value_parser = values::region)]
        region: Region,
    },
    /// Creates a region's group on another node, after the region's first node was lost before it did
    RecreateGroup {
        /// The region's name
        #[arg(value_parser = values::region)]
        region: Region,
        /// The node that creates the group
        #[arg(long, value_name = "NODE_ID", value_parser = values::node_id)]
        on_node: NodeId,
        /// Confirm that the region's first node is fenced (stopped and never started again)
        #[arg(long, required = true)]
        confirm_fenced: bool,
    },
}

/// The time limit of a removal.
#[derive(clap::Args)]
pub(crate) struct WaitForRemoval {
    /// How long to wait for the end of the removal; 0 does not wait
    #[arg(long, value_name = "DURATION", default_value = "120s", value_parser = values::duration)]
    pub(crate) wait: Duration,
}

/// The time limit of a failover.
#[derive(clap::Args)]
pub(crate) struct WaitForFailover {
    /// How long to wait for the end of the failover; 0 does not wait
    #[arg(long, value_name = "DURATION", default_value = "120s", value_parser = values::duration)]
    pub(crate) wait: Duration,
}

/// Verbs of the cluster.
#[derive(Subcommand)]
pub(crate) enum Cluster {
    /// Changes a setting
    Set {
        /// survival_goal=node, survival_goal=region, partition_policy=serve, partition_policy=fence,
        /// or lease=LOCAL,REMOTE[,CLOCK_DRIFT_PERCENT] with two durations like 500ms
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
    /// Shows a credential's client secret (needs a key with secrets:read)
    Secret {
        /// The OAuth client id
        client_id: String,
    },
    /// Creates a credential
    Create(CreateCredential),
    /// Changes the given members of a credential and no other
    Patch(PatchCredential),
    /// Deletes a credential
    Delete(DeleteCredential),
}

#[derive(clap::Args)]
pub(crate) struct ListCredentials {
    /// Only credentials of this provider
    #[arg(long, value_parser = values::provider())]
    pub(crate) provider: Option<Provider>,
    #[command(flatten)]
    pub(crate) page: Page,
}

#[derive(clap::Args)]
pub(crate) struct Page {
    /// Show at most this many items
    #[arg(long, value_name = "COUNT")]
    pub(crate) limit: Option<u64>,
    /// Skip this many items
    #[arg(long, value_name = "COUNT")]
    pub(crate) offset: Option<u64>,
}

#[derive(clap::Args)]
pub(crate) struct CreateCredential {
    /// The OAuth client id
    pub(crate) client_id: String,
    /// The identity provider
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
    /// The provider of the given options (needed for --scope alone); it cannot be changed
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

/// Source of the client secret.
#[derive(clap::Args)]
#[group(multiple = false)]
pub(crate) struct SecretSource {
    /// Reads the client secret from a file, or from standard input (-); one trailing newline is removed
    #[arg(long, value_name = "PATH")]
    pub(crate) client_secret_file: Option<PathBuf>,
    /// Reads the client secret from an environment variable; one trailing newline is removed
    #[arg(long, value_name = "VAR")]
    pub(crate) client_secret_env: Option<String>,
    /// The client secret itself: every user of this machine can see it in the process list
    #[arg(long, value_name = "SECRET", value_parser = values::secret)]
    pub(crate) client_secret: Option<Secret>,
}

/// The common fields of a creation and a change.
#[derive(clap::Args)]
pub(crate) struct Members {
    /// Free text
    #[arg(long)]
    pub(crate) label: Option<String>,
    /// An external credential's id
    #[arg(long, value_name = "ID")]
    pub(crate) external_cred_id: Option<String>,
    /// Whether the authorization server may use this credential
    #[arg(long, value_name = "BOOL", action = ArgAction::Set)]
    pub(crate) enable_in_authz_server: Option<bool>,
    /// A scope to request beside the provider's default scopes; may be repeated
    #[arg(long = "scope", value_name = "SCOPE")]
    pub(crate) scopes: Vec<String>,
    /// Azure AD: a GUID, a domain, common, organizations or consumers
    #[arg(long)]
    pub(crate) tenant: Option<String>,
    /// Okta: the organization's https URL
    #[arg(long, value_name = "URL")]
    pub(crate) organization_url: Option<String>,
    /// Another OpenID provider: its issuer, an https URL
    #[arg(long, value_name = "URL")]
    pub(crate) issuer: Option<String>,
    /// Another OpenID provider: use PKCE
    #[arg(long, requires = "issuer")]
    pub(crate) use_pkce: bool,
    /// Another OpenID provider: the URL of its discovery document
    #[arg(long, value_name = "URL", requires = "issuer")]
    pub(crate) discovery_url: Option<String>,
    /// Apple: the team id, 10 characters
    #[arg(long, value_name = "ID", requires = "apple_key_id")]
    pub(crate) apple_team_id: Option<String>,
    /// Apple: the key id, 10 characters
    #[arg(long, value_name = "ID", requires = "apple_team_id")]
    pub(crate) apple_key_id: Option<String>,
    /// Apple: the private key (PKCS#8 PEM); without it a change keeps the stored one
    #[arg(long, value_name = "PATH", requires = "apple_team_id")]
    pub(crate) apple_private_key_file: Option<PathBuf>,
    /// Apple: lifetime of generated client secrets, like 24h
    #[arg(
        long,
        value_name = "DURATION",
        requires = "apple_team_id",
        value_parser = values::duration
    )]
    pub(crate) apple_secret_lifetime: Option<Duration>,
}

/// Verbs of writes.
#[derive(Subcommand)]
pub(crate) enum WriteVerb {
    /// Waits until every region has applied a write (or until --consistency is reached), up to
    /// --timeout, and shows its receipt
    Wait {
        /// The write id
        #[arg(value_parser = values::write_id)]
        write_id: WriteId,
        /// The write was made with the operator key, not by the organization
        #[arg(long)]
        operator: bool,
    },
}

/// Verbs of organizations.
#[derive(Subcommand)]
pub(crate) enum Org {
    /// Creates an organization and shows its API key, only this once
    Create(CreateOrg),
    /// Lists organizations
    List(Page),
    /// Deletes an organization with all its data, for good; one with suborganizations is kept
    Delete {
        /// The organization's id
        #[arg(value_parser = values::org_id)]
        id: OrgId,
    },
    /// Deletes the organization of your own API key with all its data, for good
    DeleteOwn,
    /// Moves an organization's home to another region; its writes wait during the move
    Move(MoveOrg),
    /// Changes a setting of an organization
    Set {
        /// The organization's id
        #[arg(value_parser = values::org_id)]
        id: OrgId,
        /// stale-secrets=serve or stale-secrets=refuse: whether a node without a valid lease may
        /// return client secrets; enterprise-domain=DOMAIN: its domain, which no other one has
        #[arg(value_name = "NAME=VALUE", value_parser = values::org_setting)]
        setting: OrgSetting,
    },
}

#[derive(clap::Args)]
#[command(group = clap::ArgGroup::new("where").required(true).args(["to", "cancel"]))]
pub(crate) struct MoveOrg {
    /// The organization's id
    #[arg(value_parser = values::org_id)]
    pub(crate) id: OrgId,
    /// The new home region
    #[arg(long, value_name = "REGION", value_parser = values::region)]
    pub(crate) to: Option<Region>,
    /// Cancel the move in progress; refused once the new home region has taken over
    #[arg(long)]
    pub(crate) cancel: bool,
    /// How long to wait for the end of the move [default: do not wait]
    #[arg(
        long,
        value_name = "DURATION",
        value_parser = values::duration,
        conflicts_with = "cancel"
    )]
    pub(crate) wait: Option<Duration>,
}

#[derive(clap::Args)]
pub(crate) struct CreateOrg {
    /// The organization's name
    pub(crate) name: String,
    /// The tenant name [default: the organization's name]
    #[arg(long, value_name = "NAME")]
    pub(crate) tenant_name: Option<String>,
    /// The home region, which orders its writes [default: the region of the answering node]
    #[arg(long, value_name = "REGION", value_parser = values::region)]
    pub(crate) home_region: Option<Region>,
    /// The id to use [default: a new UUID]
    #[arg(long, value_parser = values::org_id)]
    pub(crate) id: Option<OrgId>,
    /// Its enterprise domain, which no other organization has
    #[arg(long, value_name = "DOMAIN")]
    pub(crate) enterprise_domain: Option<String>,
}

impl Command {
    /// Whether it makes a write that has an idempotency key.
    pub(crate) const fn is_keyed_write(&self) -> bool {
        match self {
            Self::Status | Self::Write(_) => false,
            Self::Credential(verb) => matches!(
                **verb,
                Credential::Create(_) | Credential::Patch(_) | Credential::Delete(_)
            ),
            Self::Saml(verb) => !matches!(verb, Saml::List | Saml::Get { .. }),
            Self::External(verb) => !matches!(verb, External::List | External::Get { .. }),
            Self::Policy(verb) => matches!(verb, Policy::Put { .. }),
            Self::Attribute(verb) => !matches!(verb, Attribute::List | Attribute::Get { .. }),
            Self::Key(verb) => !matches!(verb, Key::List),
            Self::Suborg(verb) => matches!(verb, Suborg::Create { .. }),
            // A move is not: a repeat of it changes nothing.
            Self::Org(verb) => !matches!(verb, Org::List(_) | Org::Move(_)),
            Self::Node(verb) => !matches!(verb, NodeVerb::List),
            Self::Region(verb) => !matches!(verb, RegionVerb::List | RegionVerb::LostWrites { .. }),
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
