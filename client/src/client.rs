//! The client: the handle of an application, and the entry to the resources. It adds nothing to
//! `call` and `api`.

use std::{fmt, sync::Arc, time::Duration};

use concordat_proto::{
    api::cluster::ClusterStatus,
    consistency::{Position, Receipt},
    id::{OrgId, WriteId},
    lease::LeaseTerms,
    org::{PartitionPolicy, SurvivalGoal},
    secret::Secret,
};

use crate::{
    api::{
        admin::AdminWrite,
        bindings::Bindings,
        cluster,
        credentials::OidcCredentials,
        keys::ApiKeys,
        nodes::Nodes,
        orgs::Organizations,
        own::OwnOrganization,
        policies::PolicySets,
        regions::Regions,
        resources::{Attributes, ExternalCredentials, SamlCredentials},
        write::Write,
        writes::{self, WriteHandle},
    },
    builder::ClientBuilder,
    call::core::{Core, OrgAccess},
    error::ClientError,
    model::pending::Pending,
};

/// A client of one cluster. Cheap to clone; clones share connections and knowledge about nodes.
#[derive(Clone)]
pub struct Client {
    core: Core,
}

impl Client {
    /// Begins a client.
    pub fn builder() -> ClientBuilder {
        ClientBuilder::default()
    }

    /// The same client for another organization.
    #[must_use]
    pub fn with_org(&self, id: OrgId, api_key: Secret) -> Self {
        let shared = Arc::clone(&self.core.shared);
        Self { core: Core { shared, org: Some(OrgAccess { id, api_key }) } }
    }

    /// The OIDC credentials of the client's organization.
    #[must_use]
    pub const fn oidc(&self) -> OidcCredentials<'_> {
        OidcCredentials { core: &self.core }
    }

    /// The cluster's organizations; needs an operator key.
    #[must_use]
    pub const fn organizations(&self) -> Organizations<'_> {
        Organizations { core: &self.core }
    }

    /// The SAML credentials of the organization.
    #[must_use]
    pub const fn saml(&self) -> SamlCredentials<'_> {
        SamlCredentials { core: &self.core }
    }

    /// The external credentials of the organization.
    #[must_use]
    pub const fn external_credentials(&self) -> ExternalCredentials<'_> {
        ExternalCredentials { core: &self.core }
    }

    /// The attributes of the organization.
    #[must_use]
    pub const fn attributes(&self) -> Attributes<'_> {
        Attributes { core: &self.core }
    }

    /// The API keys of the organization.
    #[must_use]
    pub const fn api_keys(&self) -> ApiKeys<'_> {
        ApiKeys { core: &self.core }
    }

    /// The organization itself, and its suborganizations.
    #[must_use]
    pub const fn own_organization(&self) -> OwnOrganization<'_> {
        OwnOrganization { core: &self.core }
    }

    /// Sets of policies.
    #[must_use]
    pub const fn policies(&self) -> PolicySets<'_> {
        PolicySets { core: &self.core }
    }

    /// The credentials that dialects of one credential are bound to.
    #[must_use]
    pub const fn bindings(&self) -> Bindings<'_> {
        Bindings { core: &self.core }
    }

    /// The cluster's nodes; needs an operator key.
    #[must_use]
    pub const fn nodes(&self) -> Nodes<'_> {
        Nodes { core: &self.core }
    }

    /// The cluster's regions; needs an operator key.
    #[must_use]
    pub const fn regions(&self) -> Regions<'_> {
        Regions { core: &self.core }
    }

    /// Lets home groups outlive the loss of a node or of a region; needs an operator key.
    pub fn set_survival_goal(&self, goal: SurvivalGoal) -> Write<'_, AdminWrite> {
        cluster::set_survival_goal(&self.core, goal)
    }

    /// Sets how long read leases are, and how far clocks may run apart; needs an operator key.
    pub fn set_leases(&self, terms: LeaseTerms) -> Write<'_, AdminWrite> {
        cluster::set_leases(&self.core, terms)
    }

    /// Sets the partition policy: the behavior of a region's leaders that cannot reach the rest of
    /// the cluster. Needs an operator key.
    pub fn set_partition_policy(&self, policy: PartitionPolicy) -> Write<'_, AdminWrite> {
        cluster::set_partition_policy(&self.core, policy)
    }

    /// A write that was made before.
    #[must_use]
    pub const fn write(&self, write_id: WriteId) -> WriteHandle<'_> {
        WriteHandle::new(&self.core, write_id)
    }

    /// The state of the cluster as the answering node sees it; needs an operator key.
    ///
    /// # Errors
    /// When there is no answer, or it is a refusal.
    pub async fn cluster_status(&self) -> Result<ClusterStatus, ClientError> {
        cluster::status(&self.core).await
    }

    /// The furthest position that a write of this client to its organization has reached.
    #[must_use]
    pub fn last_position(&self) -> Option<Position> {
        self.core.org.as_ref().and_then(|org| self.core.shared.session.position(org.id))
    }
}

impl ClientBuilder {
    /// Checks everything and makes the client.
    ///
    /// # Errors
    /// [`ClientError::Config`] for invalid settings.
    pub fn build(self) -> Result<Client, ClientError> {
        self.core().map(|core| Client { core })
    }
}

impl Pending {
    /// Waits for the write's required consistency, up to `timeout` (at most two minutes), and
    /// returns the receipt at that time, achieved or not. `local_region` is the region of the
    /// answering node. To wait for more than was required, use [`Client::write`].
    ///
    /// # Errors
    /// As of [`crate::WriteHandle::wait`].
    pub async fn wait(&self, client: &Client, timeout: Duration) -> Result<Receipt, ClientError> {
        let required = self.receipt.required;
        writes::wait(&client.core, self.identity, self.write_id(), required, timeout).await
    }
}

impl fmt::Debug for Client {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Client").field("core", &self.core).finish()
    }
}
