//! The hand: a client of Concordat that does not hide what it knows about consistency.
//!
//! Every write takes a required consistency and a timeout and is answered by a receipt with a line
//! per region. One that is not far enough in time is a [`Pending`], which can be waited for; one
//! whose outcome nobody can tell is [`ClientError::OutcomeUnknown`], never a plain failure. Writes
//! carry an idempotency key of their own making, so that trying again, at any node, is safe.
//!
//! A refusal that a log has decided has travelled as far as was required, like a success. When a region
//! is lost for good and failed over, every answer that had reached only that region is void, successes
//! and refusals alike: what must outlive that asks for `AllRegions`.
//!
//! ```no_run
//! use std::time::Duration;
//!
//! use concordat_client::{Client, ClientError, Provider, RequiredConsistency, Secret};
//!
//! # async fn example() -> Result<(), Box<dyn std::error::Error>> {
//! let client = Client::builder()
//!     .region("us-iowa", ["http://127.0.0.1:8080", "http://127.0.0.1:8081"])
//!     .region("asia-japan", ["http://127.0.0.1:8086"])
//!     .org("af5fbd30-7ce7-4548-8b30-4cd59cb2aba1".parse()?, Secret::new("ck_…".into()))
//!     .build()?;
//!
//! client.oidc().create("my-app", Secret::new("first".into()), Provider::Google).send().await?;
//!
//! let rotated = client
//!     .oidc()
//!     .patch("my-app")
//!     .client_secret(Secret::new("second".into()))
//!     .consistency(RequiredConsistency::AllRegions)
//!     .timeout(Duration::from_secs(5))
//!     .send()
//!     .await;
//! let receipt = match rotated {
//!     Ok(written) => written.receipt,
//!     // Five seconds were not enough. The write goes on; wait for the rest of it.
//!     Err(ClientError::Pending(pending)) => {
//!         pending.wait(&client, Duration::from_secs(60)).await?
//!     }
//!     Err(error) => return Err(error.into()),
//! };
//! for region in &receipt.regions {
//!     println!("{}: {}", region.region, if region.applied { "applied" } else { "pending" });
//! }
//!
//! let read = client.oidc().get("my-app").await?;
//! println!("{} ({:?})", read.value.provider, read.freshness);
//! # Ok(())
//! # }
//! ```
//!
//! # Which node
//! The nodes are asked in the order in which they were given, those of a region before the next
//! region's; one that failed lately is asked last. Only an answer with a node's envelope counts:
//! after a refused or broken connection, half an answer, a proxy's error, a redirect or HTML the next
//! node is asked at once. A node that is silent is not given up, since it may rightly wait as long as
//! the caller does; after half a second (a read), a second (a write) or three (another region's
//! node, for a write) the next one is asked as well, and the first answer counts. A write is always
//! sent under one idempotency key, so it happens at most once, however many nodes are asked.
//!
//! `local_region` means the region of the node that answers, so failing over to another region
//! changes which region it is; the receipt says what was reached where.
//!
//! # What is absent
//! TLS (plain HTTP for now), SAML and external credentials, and any state on disk. hyper is known
//! to `transport.rs` alone; whether and where a call is tried again is decided by pure functions in
//! `retry.rs`, `endpoints.rs` and `judge.rs`.

mod builder;
mod call;
mod client;
mod cluster;
mod credentials;
mod endpoints;
mod entropy;
mod envelope;
mod error;
mod header;
mod judge;
mod members;
mod options;
mod orgs;
mod page;
mod pending;
mod retry;
mod session;
mod transport;
mod write;
mod writes;

pub use concordat_proto::{
    consistency::{Outcome, Position, Receipt, RegionReceipt, RequiredConsistency},
    id::{OrgId, WriteId},
    lease::LeaseTerms,
    oidc::Provider,
    region::Region,
    secret::Secret,
};

pub use crate::{
    builder::ClientBuilder,
    client::Client,
    cluster::{
        ClusterStatus, Forecast, GroupStatus, NodeStatus, RegionLag, RegionStatus, ReplicaStatus,
        WouldSucceed,
    },
    credentials::{
        ClientSecret, CreateOidc, DeleteOidc, ListOidc, OidcCredential, OidcCredentials, PatchOidc,
    },
    error::{ClientError, TransportError},
    header::Freshness,
    members::{
        DivergedNode, DivergedWrite, Divergence, Member, MemberRegion, Nodes, Operate, RegionVoter,
        Regions, Survive, WhenIsolated,
    },
    options::{OidcOptions, ShownOptions},
    orgs::{CreateOrg, CreatedOrganization, ListOrgs, Organization, Organizations, StaleSecrets},
    page::{Page, Read},
    pending::Pending,
    write::{Action, Conditional, Write, Written},
    writes::WriteHandle,
};
