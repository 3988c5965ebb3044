//! The client: who it is, where its nodes are, and the doors to the resources.

use std::{
    fmt,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::Duration,
};

use concordat_proto::{
    consistency::{Position, RequiredConsistency},
    id::{OrgId, WriteId},
    lease::LeaseTerms,
    secret::Secret,
};
use http::{HeaderMap, HeaderValue};
use tokio::time::Instant;

use crate::{
    builder::ClientBuilder,
    cluster::ClusterStatus,
    credentials::OidcCredentials,
    endpoints::Endpoints,
    error::ClientError,
    header,
    members::{Nodes, Operate, Regions, Survive, WhenIsolated},
    orgs::Organizations,
    session::Session,
    transport::Transport,
    write::Write,
    writes::WriteHandle,
};

/// A client of one cluster. Cheap to clone; clones share connections and what they know of nodes.
#[derive(Clone)]
pub struct Client {
    pub(crate) shared: Arc<Shared>,
    pub(crate) org: Option<OrgAccess>,
}

/// An organisation and a key to it.
#[derive(Clone)]
pub(crate) struct OrgAccess {
    pub(crate) id: OrgId,
    pub(crate) api_key: Secret,
}

/// As whom a call is made.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Identity {
    /// The client's organisation.
    Org,
    /// The operator of the cluster.
    Operator,
}

pub(crate) struct Shared {
    pub(crate) transport: Transport,
    pub(crate) endpoints: Mutex<Endpoints>,
    pub(crate) session: Session,
    pub(crate) operator_key: Option<Secret>,
    pub(crate) consistency: RequiredConsistency,
    pub(crate) timeout: Duration,
    pub(crate) born: Instant,
}

impl Shared {
    pub(crate) fn endpoints(&self) -> MutexGuard<'_, Endpoints> {
        self.endpoints.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The time that [`Endpoints`] counts in.
    pub(crate) fn now(&self) -> Duration {
        self.born.elapsed()
    }
}

impl Client {
    /// Begins a client.
    pub fn builder() -> ClientBuilder {
        ClientBuilder::default()
    }

    /// The same client for another organisation.
    #[must_use]
    pub fn with_org(&self, id: OrgId, api_key: Secret) -> Self {
        Self { shared: Arc::clone(&self.shared), org: Some(OrgAccess { id, api_key }) }
    }

    /// The OIDC credentials of the client's organisation.
    #[must_use]
    pub const fn oidc(&self) -> OidcCredentials<'_> {
        OidcCredentials { client: self }
    }

    /// The cluster's organisations; needs an operator key.
    #[must_use]
    pub const fn organizations(&self) -> Organizations<'_> {
        Organizations { client: self }
    }

    /// The cluster's nodes; needs an operator key.
    #[must_use]
    pub const fn nodes(&self) -> Nodes<'_> {
        Nodes { client: self }
    }

    /// The cluster's regions; needs an operator key.
    #[must_use]
    pub const fn regions(&self) -> Regions<'_> {
        Regions { client: self }
    }

    /// Lets home groups outlive the loss of a node or of a region; needs an operator key.
    pub fn set_survive(&self, survive: Survive) -> Write<'_, Operate> {
        crate::members::survive(self, survive)
    }

    /// Sets how long read leases are, and how far clocks may run apart; needs an operator key.
    pub fn set_leases(&self, terms: LeaseTerms) -> Write<'_, Operate> {
        crate::members::leases(self, terms)
    }

    /// Sets what a region's leaders do that cannot reach the rest of the cluster; needs an operator
    /// key.
    pub fn set_isolation(&self, when: WhenIsolated) -> Write<'_, Operate> {
        crate::members::isolation(self, when)
    }

    /// A write that was made before.
    #[must_use]
    pub const fn write(&self, write_id: WriteId) -> WriteHandle<'_> {
        WriteHandle::new(self, write_id)
    }

    /// The state of the cluster as the answering node sees it; needs an operator key.
    ///
    /// # Errors
    /// When there is no answer, or it is a refusal.
    pub async fn cluster_status(&self) -> Result<ClusterStatus, ClientError> {
        crate::cluster::status(self).await
    }

    /// The furthest position that a write of this client to its organisation has reached.
    #[must_use]
    pub fn last_position(&self) -> Option<Position> {
        self.org.as_ref().and_then(|org| self.shared.session.position(org.id))
    }

    /// The headers that say who is calling.
    pub(crate) fn identify(&self, identity: Identity) -> Result<HeaderMap, ClientError> {
        let mut headers = HeaderMap::new();
        let key = match identity {
            Identity::Org => {
                let missing = || ClientError::config("no organisation and API key were given");
                let org = self.org.as_ref().ok_or_else(missing)?;
                headers.insert(header::ORG_ID, header::value("org", &org.id.to_string())?);
                &org.api_key
            }
            Identity::Operator => {
                let missing = || ClientError::config("no operator key was given");
                self.shared.operator_key.as_ref().ok_or_else(missing)?
            }
        };
        let mut key: HeaderValue = header::value("the key", key.expose())?;
        key.set_sensitive(true);
        headers.insert(header::API_KEY, key);
        Ok(headers)
    }
}

impl fmt::Debug for Client {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Client")
            .field("endpoints", &self.shared.endpoints().all())
            .field("org", &self.org.as_ref().map(|org| org.id))
            .field("operator", &self.shared.operator_key.is_some())
            .finish_non_exhaustive()
    }
}
