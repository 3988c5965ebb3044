//! The builder of a client: it checks everything at the end, and sends nothing.

use std::{
    fmt,
    sync::{Arc, Mutex},
    time::Duration,
};

use concordat_proto::{
    consistency::RequiredConsistency, id::OrgId, limits, region::Region, secret::Secret,
};
use tokio::time::Instant;

use crate::{
    call::{
        core::{Core, OrgAccess, Shared},
        endpoints::{Endpoint, Endpoints},
        session::Session,
        transport::Transport,
        types,
    },
    error::ClientError,
    model::identity::Identity,
};

/// How long a node may take to accept a connection.
const CONNECT_TIMEOUT_DEFAULT: Duration = Duration::from_secs(2);

/// Makes a [`crate::Client`].
#[must_use]
pub struct ClientBuilder {
    endpoints: Vec<(Option<String>, String)>,
    org: Option<(OrgId, Secret)>,
    operator_key: Option<Secret>,
    consistency: RequiredConsistency,
    timeout: Duration,
    connect_timeout: Duration,
    monotonic_reads: bool,
}

impl Default for ClientBuilder {
    fn default() -> Self {
        Self {
            endpoints: Vec::new(),
            org: None,
            operator_key: None,
            consistency: RequiredConsistency::default(),
            timeout: limits::CONSISTENCY_TIMEOUT_DEFAULT,
            connect_timeout: CONNECT_TIMEOUT_DEFAULT,
            monotonic_reads: true,
        }
    }
}

impl fmt::Debug for ClientBuilder {
    /// Without URLs that are not checked yet: there might be a password in one.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ClientBuilder")
            .field("endpoints", &self.endpoints.len())
            .field("org", &self.org.as_ref().map(|(id, _)| id))
            .field("operator", &self.operator_key.is_some())
            .field("consistency", &self.consistency)
            .field("timeout", &self.timeout)
            .finish_non_exhaustive()
    }
}

impl ClientBuilder {
    /// Adds a node, `http://host:port`. The order of all nodes is the order of preference.
    pub fn endpoint(self, url: impl Into<String>) -> Self {
        self.endpoints([url])
    }

    /// Adds nodes, the preferred ones first.
    pub fn endpoints<U: Into<String>>(mut self, urls: impl IntoIterator<Item = U>) -> Self {
        self.endpoints.extend(urls.into_iter().map(|url| (None, url.into())));
        self
    }

    /// Adds a region's nodes. All nodes of a region are tried before the next region's; `local_region`
    /// is the region of the node that answers, so put the nearest one first.
    pub fn region<U: Into<String>>(
        mut self,
        region: &str,
        urls: impl IntoIterator<Item = U>,
    ) -> Self {
        let named = urls.into_iter().map(|url| (Some(region.to_owned()), url.into()));
        self.endpoints.extend(named);
        self
    }

    /// The organization whose credentials are managed, and one of its keys.
    pub fn org(mut self, id: OrgId, api_key: Secret) -> Self {
        self.org = Some((id, api_key));
        self
    }

    /// The key for calls about the cluster.
    pub fn operator_key(mut self, key: Secret) -> Self {
        self.operator_key = Some(key);
        self
    }

    /// The required consistency of writes that set none.
    pub const fn default_consistency(mut self, consistency: RequiredConsistency) -> Self {
        self.consistency = consistency;
        self
    }

    /// The timeout of calls that set none: 1 to 120 s, whole seconds (rounded up).
    pub const fn default_timeout(mut self, timeout: Duration) -> Self {
        self.timeout = timeout;
        self
    }

    /// How long a node may take to accept a connection before the next one is tried.
    pub const fn connect_timeout(mut self, timeout: Duration) -> Self {
        self.connect_timeout = timeout;
        self
    }

    /// Makes reads wait until the node has applied the furthest of this client's writes and earlier
    /// reads of the organization (`Concordat-At-Least`), so that a client which moves between nodes
    /// and regions never reads backwards. On by default; off, a read at a node that is behind is
    /// answered at once with what it has, marked as stale.
    pub const fn monotonic_reads(mut self, on: bool) -> Self {
        self.monotonic_reads = on;
        self
    }

    /// Checks everything and makes the client's parts.
    pub(crate) fn core(self) -> Result<Core, ClientError> {
        let endpoints = self.endpoints.iter().map(|(region, url)| {
            let invalid = |_| ClientError::config(format!("{region:?} is not a region's name"));
            let region = region.as_ref().map(Region::new).transpose().map_err(invalid)?;
            Endpoint::parse(region, url)
        });
        let endpoints = Endpoints::new(endpoints.collect::<Result<_, _>>()?)?;
        types::check_timeout(self.timeout)?;
        let shared = Shared {
            transport: Transport::new(self.connect_timeout),
            endpoints: Mutex::new(endpoints),
            session: Session::new(self.monotonic_reads),
            operator_key: self.operator_key,
            consistency: self.consistency,
            timeout: self.timeout,
            born: Instant::now(),
        };
        let org = self.org.map(|(id, api_key)| OrgAccess { id, api_key });
        let core = Core { shared: Arc::new(shared), org };
        // A key that cannot be a header is found now, not at the first call.
        if core.org.is_some() {
            core.identify(Identity::Org)?;
        }
        if core.shared.operator_key.is_some() {
            core.identify(Identity::Operator)?;
        }
        Ok(core)
    }
}
