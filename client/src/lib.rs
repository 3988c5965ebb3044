//! The SDK and CLI of Concordat. The SDK does not hide what it knows about consistency.
//!
//! Every write has a required consistency and a timeout and is answered by a receipt with a line
//! per region. A write that has not reached its required consistency in time is a [`Pending`],
//! which can be waited for; one with an ambiguous result is [`ClientError::OutcomeUnknown`], never
//! a plain failure. Writes have a generated idempotency key, so that a retry, at any node, is safe.
//!
//! A refusal that a log has decided has reached the required consistency, like a success. When a
//! region is permanently lost and failed over, every answer that had reached only that region is
//! void, successes and refusals alike: writes that must survive that require `AllRegions`.
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
//!     // Five seconds were not enough. The write continues; wait for it.
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
//! The nodes are asked in the given order, those of a region before the next region's; one that
//! failed recently comes last. Only an answer with a node's envelope counts: after a refused or
//! broken connection, a truncated answer, a proxy's error, a redirect or HTML the next node is asked
//! at once. A silent node is not abandoned, since it may legitimately wait as long as the caller;
//! after half a second (a read), a second (a write) or three (another region's node, for a write)
//! the next one is asked as well, and the first answer counts. A write is always sent under one
//! idempotency key, so it happens at most once, however many nodes are asked.
//!
//! `local_region` means the region of the node that answers, so failing over to another region
//! changes that region; the receipt says which regions have applied the write.
//!
//! # Not here
//! TLS (connections are plain HTTP until nodes have certificates), and any state on disk. Only
//! `call/transport.rs` names hyper; pure functions in `retry.rs`, `endpoints.rs` and `classify.rs`
//! beside it decide whether and where a call is retried.
//!
//! # Documents
//! What nodes answer is described once, in `concordat_proto::api`, for nodes and for this crate; the types
//! are exported here. Ids are types. An enum value that a newer node knows and this crate does not is an
//! [`OpenEnum::Unknown`] with its text, and members that this crate does not know are ignored. Documents
//! gain members: take them apart with `..`.
//!
//! # Layout
//! `model` has the values, `call` makes any call, `api` has one file per resource. Each
//! imports only those before it; `client.rs` and `builder.rs` are above them.

mod api;
mod builder;
mod call;
mod client;
mod error;
mod model;

pub use concordat_proto::{
    api::{
        OpenEnum,
        cluster::{
            ClusterStatus, DiskStatus, Forecast, GroupStatus, LeaseSettings, NodeStatus, RegionLag,
            RegionStatus, ReplicaRole, ReplicaStatus, ThisNode, WriteAvailable,
        },
        credential::{
            Binding as BoundCredential, ClientSecret, GenericOptions, OidcCredential,
            OptionsByProvider, PrivateKey, ProviderOptions,
        },
        node::{Node, NodeLife},
        organization::{
            ApiKey, NewApiKey, NewSuborganization, Organization, Suborganization,
            SuborganizationAdmin,
        },
        policy::{Policies, PolicyName, PolicyTest, PolicyVerdict},
        region::{DivergedNode, DivergedWrite, LostWrites, MemberRegion, RegionLife, RegionVoter},
        resource::{
            Attribute, AttributeSet, ExternalCreate, ExternalCredential, ExternalPatch, JsonText,
            SamlCreate, SamlCredential, SamlMembers, SamlPatch,
        },
    },
    consistency::{Outcome, Position, Receipt, RegionReceipt, RequiredConsistency},
    id::{ClientId, ClusterId, GroupId, KeyId, NodeId, OrgId, WriteId},
    key::Right,
    lease::LeaseTerms,
    log::{LogIndex, Term},
    oidc::Provider,
    org::{NodeState, PartitionPolicy, RegionState, StaleSecrets, SurvivalGoal},
    region::Region,
    registration::Binding,
    resource::{ExternalProvider, ExternalType, HandleType, ResourceName},
    secret::Secret,
    time::LogTime,
};

pub use crate::{
    api::{
        admin::AdminWrite,
        bindings::{Bindings, SetBinding},
        credentials::{CreateOidc, DeleteOidc, ListOidc, OidcCredentials, PatchOidc},
        keys::{ApiKeys, CreatedKey, IssueKey, RevokeKey, RotateKey},
        nodes::Nodes,
        orgs::{CreateOrg, CreatedOrganization, ListOrgs, Organizations},
        own::{
            CreateSuborganization, CreatedSuborganization, DeleteOwnOrganization, OwnOrganization,
        },
        policies::{PolicySets, SetOwnPolicies, SetPolicies},
        regions::Regions,
        resources::{
            Attributes, ChangeResource, CreateExternal, CreateSaml, CreatedExternal, CreatedSaml,
            ExternalCredentials, SamlCredentials,
        },
        write::{Action, Conditional, Write, Written},
        writes::WriteHandle,
    },
    builder::ClientBuilder,
    client::Client,
    error::{ClientError, TransportError},
    model::{
        freshness::Freshness,
        options::OidcOptions,
        pending::Pending,
        read::{Page, Read},
    },
};
