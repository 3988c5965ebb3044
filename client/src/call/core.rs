//! The shared state of a client's calls: connections, knowledge about the nodes, and the keys.

use std::{
    fmt,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::Duration,
};

use concordat_proto::{consistency::RequiredConsistency, id::OrgId, secret::Secret};
use http::{HeaderMap, HeaderValue};
use tokio::time::Instant;

use crate::{
    call::{endpoints::Endpoints, header, session::Session, transport::Transport},
    error::ClientError,
    model::identity::Identity,
};

/// The part of a client that a call needs. Cheap to clone; clones share everything but the
/// organization.
#[derive(Clone)]
pub(crate) struct Core {
    pub(crate) shared: Arc<Shared>,
    pub(crate) org: Option<OrgAccess>,
}

/// An organization and a key to it.
#[derive(Clone)]
pub(crate) struct OrgAccess {
    pub(crate) id: OrgId,
    pub(crate) api_key: Secret,
}

/// The state that clones of a client share.
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

impl Core {
    /// The headers that identify the caller.
    pub(crate) fn identify(&self, identity: Identity) -> Result<HeaderMap, ClientError> {
        let mut headers = HeaderMap::new();
        let key = match identity {
            Identity::Org => {
                let missing = || ClientError::config("no organization and API key were given");
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

impl fmt::Debug for Core {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Core")
            .field("endpoints", &self.shared.endpoints().all())
            .field("org", &self.org.as_ref().map(|org| org.id))
            .field("operator", &self.shared.operator_key.is_some())
            .finish_non_exhaustive()
    }
}
