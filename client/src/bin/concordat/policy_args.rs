//! The arguments of sets of policies.

use std::{net::IpAddr, path::PathBuf};

use clap::Subcommand;
use concordat_client::{OrgId, Region, RequiredConsistency, Right};

use crate::{resource_args::Condition, values};

/// Verbs of sets of policies.
#[derive(Subcommand)]
pub(crate) enum Policy {
    /// Shows the cluster-wide set (operator), or the organization's own one
    Get {
        /// The organization's own set
        #[arg(long)]
        own: bool,
        /// The default set, which is always in force
        #[arg(long, conflicts_with_all = ["own", "schema"])]
        default: bool,
        /// The schema that a set must fit
        #[arg(long, conflicts_with = "own")]
        schema: bool,
    },
    /// Replaces the cluster-wide set (operator), or the organization's own one
    Put {
        /// The set: a file in the language Cedar, or standard input (-)
        #[arg(value_name = "PATH")]
        file: PathBuf,
        /// The organization's own set, which may only forbid
        #[arg(long)]
        own: bool,
        #[command(flatten)]
        condition: Condition,
    },
    /// Decides on a request without carrying it out (operator)
    Test(Box<Trial>),
}

/// A request that is decided and not carried out.
#[derive(clap::Args)]
pub(crate) struct Trial {
    /// The operation, by its name in the schema, like oidc_get
    pub(crate) operation: String,
    /// The organization whose key asks, or that an operator's request is about
    #[arg(long, value_name = "ID", value_parser = values::org_id)]
    pub(crate) organization: Option<OrgId>,
    /// A right of the key that asks; none for an operator
    #[arg(
        long = "right",
        value_name = "RIGHT",
        requires = "organization",
        value_parser = values::right()
    )]
    pub(crate) rights: Vec<Right>,
    /// The credential that the request is about
    #[arg(long, value_name = "ID", requires = "organization")]
    pub(crate) credential: Option<String>,
    /// The kind of that credential: oidc, saml or external
    #[arg(long, value_name = "KIND", requires = "credential")]
    pub(crate) kind: Option<String>,
    /// The region of the node that is asked [default: that of the answering node]
    #[arg(long, value_name = "REGION", value_parser = values::region)]
    pub(crate) region: Option<Region>,
    /// The required consistency of the request
    #[arg(long, value_name = "LEVEL", value_parser = values::consistency())]
    pub(crate) required: Option<RequiredConsistency>,
    /// The address that the request comes from [default: that of this command]
    #[arg(long, value_name = "ADDRESS")]
    pub(crate) source: Option<IpAddr>,
    /// When the request is made, in RFC 3339 [default: now]
    #[arg(long, value_name = "TIME")]
    pub(crate) time: Option<String>,
    /// A cluster-wide set to try in place of the present one: a file, or standard input (-)
    #[arg(long, value_name = "PATH")]
    pub(crate) policies: Option<PathBuf>,
    /// An organization's own set to try in place of the present one: a file
    #[arg(long, value_name = "PATH", requires = "organization")]
    pub(crate) own_policies: Option<PathBuf>,
}
