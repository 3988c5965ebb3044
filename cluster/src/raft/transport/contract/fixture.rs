//! The interface of an implementation for the suite: endpoints of one network.
//!
//! Nothing here knows a case.

use std::{fmt, sync::Arc};

use concordat_proto::region::Region;
use futures::future::BoxFuture;

use crate::raft::transport::{PeerService, PeerTransport};

/// One transport on the network under test.
pub struct Endpoint {
    /// To send with.
    pub transport: Arc<dyn PeerTransport>,
    /// Its address for peers.
    pub address: String,
    /// Its region.
    pub region: Region,
    /// Makes it leave as a killed process does.
    pub stop: Box<dyn Fn() + Send + Sync>,
}

impl fmt::Debug for Endpoint {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Endpoint").field("address", &self.address).finish_non_exhaustive()
    }
}

/// Makes endpoints of one network.
pub trait Fixture: Sync {
    /// Starts an endpoint without a name: at the address, which a stopped one may have had, or at
    /// any that is free.
    fn start<'a>(
        &'a self,
        address: Option<&'a str>,
        service: Arc<dyn PeerService>,
    ) -> BoxFuture<'a, Endpoint>;
}
