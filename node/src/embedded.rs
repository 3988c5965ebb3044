//! A node without sockets, files and threads of its own: everything it needs is passed in, so that
//! a simulation can run whole clusters of the real code.
//!
//! A request enters where the server passes it on, once its head and body are complete. It must
//! never answer anything that the server would not.

use std::{net::Ipv4Addr, sync::Arc};

use bytes::Bytes;
use concordat_cluster::{
    raft::{self, Freshness, Groups, GroupsConfig},
    store::{Reader, StoreError},
};
use concordat_proto::{
    id::{GroupId, OrgId},
    org::ApiKey,
    secret::Secret,
};
use http::{Request, Response};
use http_body_util::{BodyExt, Collected};
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;

use crate::{
    auth,
    boot::{assemble, config::HttpLimits, failure::Failure, keyring_check},
    entropy::Entropy,
    environment::Environment,
    http::body::Body,
    keyring::Keyring,
    node::Node,
    request::{
        freshness, locate,
        serve::{self, Call},
    },
};

/// A node, its API called as a function.
#[derive(Debug, Clone)]
pub struct EmbeddedNode {
    node: Arc<Node>,
}

impl EmbeddedNode {
    /// Starts the replicas. The caller gives their service to the transport.
    ///
    /// # Errors
    /// When the log or the state cannot be read.
    pub async fn start(
        environment: Environment,
        replicas: raft::Environment,
        config: GroupsConfig,
        keyring: Arc<Keyring>,
    ) -> Result<Self, Failure> {
        let log = replicas.log.clone();
        let groups = Groups::start(replicas, config).await;
        let groups = groups.map_err(|error| Failure::fault("starting the replicas", error))?;
        let http = HttpLimits::default();
        let node = assemble::of_groups(groups, log, keyring, environment, (http, None));
        if let Err(foreign) = keyring_check::at_start(&node) {
            node.groups.shutdown().await;
            return Err(foreign);
        }
        Ok(Self { node: Arc::new(node) })
    }

    /// The replicas.
    #[must_use]
    pub fn groups(&self) -> &Groups {
        &self.node.groups
    }

    /// The replicated state as this node has it.
    #[must_use]
    pub fn state(&self) -> &dyn Reader {
        self.node.state()
    }

    /// The epoch in which this node would answer reads of an organization, and their freshness;
    /// none when it does not know the organization.
    ///
    /// # Errors
    /// When the state cannot be read.
    pub fn reading(&self, org: OrgId) -> Result<Option<(u32, Freshness)>, StoreError> {
        let Some(located) = locate::now(&self.node, org)? else { return Ok(None) };
        let fresh = locate::freshness(&self.node, &located)?;
        Ok(Some((located.home.org.epoch, fresh)))
    }

    /// Whether this process has been current with a group, or with all groups that an answer about
    /// all organizations needs: otherwise it must not answer that an object does not exist.
    #[must_use]
    pub fn knows_absence(&self, group: Option<GroupId>) -> bool {
        let fresh = match group {
            Some(group) => self.node.groups.freshness(group),
            None => freshness::of_all(&self.node),
        };
        fresh.knows_absence()
    }

    /// Answers a request. Dropping it is like a client that hangs up.
    pub async fn call(&self, request: Request<Bytes>) -> Response<Bytes> {
        let accepted = Instant::now();
        let (head, body) = request.into_parts();
        let mut call =
            Call { accepted, source: Ipv4Addr::LOCALHOST.into(), head, body: Body::Bytes(body) };
        let (head, body) = serve::serve(&self.node, &mut call).await.into_parts();
        // A body that is whole is always read.
        let body = body.collect().await.map(Collected::to_bytes).unwrap_or_default();
        Response::from_parts(head, body)
    }

    /// Completes interrupted creations, keeps suborganizations where their parents are, ends claims, and checks
    /// the keyring against the state, for as long as it is polled.
    ///
    /// # Errors
    /// When the state cannot be read, or the keyring is not the cluster's.
    pub async fn finish(&self) -> Result<(), Failure> {
        let stop = CancellationToken::new();
        let checked = keyring_check::run(Arc::clone(&self.node), stop.clone());
        let followed = assemble::follow(Arc::clone(&self.node), stop.clone());
        let finished = assemble::finish(Arc::clone(&self.node), stop);
        tokio::select! {
            followed = followed => followed,
            checked = checked => checked,
            finished = finished => finished,
        }
    }
}

/// A new operator key: its text, and the record that the cluster stores.
#[must_use]
pub fn operator_key(entropy: &dyn Entropy) -> (Secret, ApiKey) {
    auth::new_operator_key(entropy)
}
