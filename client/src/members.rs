//! Nodes and regions: `/v1/cluster/nodes` and `/v1/cluster/regions`, for the operator of the cluster.
//!
//! A change is answered when its word is where it was required to be; the cluster then follows it by
//! itself. The lists show how far it is.

use std::time::Duration;

use bytes::Bytes;
use concordat_proto::{lease::LeaseTerms, region::Region};
use http::Method;
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

use crate::{
    client::{Client, Identity},
    envelope::null_as_default,
    error::ClientError,
    page,
    write::{Write, Written, json_body, sealed},
};

const CLUSTER: &str = "/v1/cluster";
const NODES: &str = "/v1/cluster/nodes";
const REGIONS: &str = "/v1/cluster/regions";

/// A node and what it does.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
#[non_exhaustive]
pub struct Member {
    /// Its id.
    pub node_id: String,
    /// Where it is.
    #[serde(deserialize_with = "null_as_default")]
    pub region: String,
    /// Its base URL for clients.
    #[serde(deserialize_with = "null_as_default")]
    pub url: String,
    /// Its address for other nodes.
    #[serde(deserialize_with = "null_as_default")]
    pub peer_address: String,
    /// `member`, `draining`, `leaving`, `removed` or `replaced`.
    #[serde(deserialize_with = "null_as_default")]
    pub state: String,
    /// Whether the answering node believes it up.
    #[serde(deserialize_with = "null_as_default")]
    pub live: bool,
    /// Groups in which it votes.
    #[serde(deserialize_with = "null_as_default")]
    pub votes: Vec<u32>,
    /// Groups that it leads.
    #[serde(deserialize_with = "null_as_default")]
    pub leads: Vec<u32>,
    /// Groups of which it is a member.
    #[serde(deserialize_with = "null_as_default")]
    pub replicas: Vec<u32>,
}

/// A region and its group.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
#[non_exhaustive]
pub struct MemberRegion {
    /// Its name.
    pub region: String,
    /// `open`, `leaving` or `failing_over`; `empty` where nodes may join and none has.
    #[serde(deserialize_with = "null_as_default")]
    pub state: String,
    /// The region in which its group's voters belong.
    #[serde(deserialize_with = "null_as_default")]
    pub seat: String,
    /// The group of the organisations at home there; none before its first node has joined.
    pub group: Option<u32>,
    /// The node that founds, or founded, that group.
    #[serde(deserialize_with = "null_as_default")]
    pub founder: String,
    /// The group's leader, where one is known.
    pub leader: Option<String>,
    /// Its nodes.
    #[serde(deserialize_with = "null_as_default")]
    pub nodes: Vec<String>,
    /// The group's voters, wherever they are.
    #[serde(deserialize_with = "null_as_default")]
    pub voters: Vec<RegionVoter>,
}

/// A voter of a region's group.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
#[non_exhaustive]
pub struct RegionVoter {
    /// Its id.
    pub node_id: String,
    /// Where it is.
    #[serde(deserialize_with = "null_as_default")]
    pub region: String,
}

/// What the nodes had of a lost region that its successor went on without.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
#[non_exhaustive]
pub struct Divergence {
    /// Nodes that have something.
    #[serde(deserialize_with = "null_as_default")]
    pub nodes: Vec<DivergedNode>,
    /// Nodes that did not say.
    #[serde(deserialize_with = "null_as_default")]
    pub silent: Vec<String>,
}

/// What one node has.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
#[non_exhaustive]
pub struct DivergedNode {
    /// The node.
    pub node_id: String,
    /// The closed group.
    pub group: u32,
    /// Entries that it cannot list any more.
    pub unlisted: u64,
    /// The writes, oldest first.
    #[serde(deserialize_with = "null_as_default")]
    pub writes: Vec<DivergedWrite>,
}

/// A write that went with its region. Never holds a secret.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
#[non_exhaustive]
pub struct DivergedWrite {
    /// Its id.
    pub write_id: String,
    /// Its place in the closed group's log.
    pub index: u64,
    /// When it was appended: milliseconds since the Unix epoch, by the clock of the leader.
    pub at_ms: u64,
    /// Whose it was.
    pub organization_id: Option<String>,
    /// What it was, as in `oidc.patch`.
    #[serde(deserialize_with = "null_as_default")]
    pub operation: String,
    /// The credential, if it was of one.
    pub oauth_client_id: Option<String>,
    /// Whether the node knew it to be committed: only then somebody may have been told so.
    pub committed: bool,
}

/// What a region's leaders do when they cannot reach the rest of the cluster.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum WhenIsolated {
    /// They go on.
    Serve,
    /// They stop after ten seconds, so that the region can be failed over on nobody's word.
    Fence,
}

/// What home groups must outlive.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Survive {
    /// The loss of a node.
    Node,
    /// The loss of a region; it takes three.
    Region,
}

/// A change of the cluster's membership.
#[derive(Debug)]
pub struct Operate {
    method: Method,
    path: String,
    body: Option<Value>,
}

impl sealed::Action for Operate {
    type Done = Written;
    const OPERATOR: bool = true;
    fn target(&self) -> (Method, String) {
        (self.method.clone(), self.path.clone())
    }
    fn body(&self) -> Result<Bytes, ClientError> {
        self.body.as_ref().map_or(Ok(Bytes::new()), json_body)
    }
    fn done(&self, written: Written, _body: &[u8]) -> Option<Written> {
        Some(written)
    }
}

pub(crate) fn patch(client: &Client, path: String, body: Value) -> Write<'_, Operate> {
    Write::new(client, Operate { method: Method::PATCH, path, body: Some(body) })
}

fn delete(client: &Client, path: String) -> Write<'_, Operate> {
    Write::new(client, Operate { method: Method::DELETE, path, body: None })
}

/// The nodes of a cluster.
#[derive(Debug, Clone, Copy)]
pub struct Nodes<'a> {
    pub(crate) client: &'a Client,
}

impl<'a> Nodes<'a> {
    /// Lists them, those also that have left and are still being taken out of groups.
    ///
    /// # Errors
    /// When there is no answer, or it is a refusal.
    pub async fn list(self) -> Result<Vec<Member>, ClientError> {
        Ok(page::one(self.client, Identity::Operator, NODES.to_owned()).await?.value)
    }

    /// Takes a node's votes and leads away; it keeps its replicas and goes on serving.
    pub fn drain(self, node_id: &str) -> Write<'a, Operate> {
        patch(self.client, one(NODES, node_id), json!({"state": "draining"}))
    }

    /// Takes a drained node, or one that has not left yet, back.
    pub fn undrain(self, node_id: &str) -> Write<'a, Operate> {
        patch(self.client, one(NODES, node_id), json!({"state": "member"}))
    }

    /// Drains a node and then removes it for good. It is gone once it is not listed any more.
    pub fn remove(self, node_id: &str) -> Write<'a, Operate> {
        delete(self.client, one(NODES, node_id))
    }
}

/// The regions of a cluster.
#[derive(Debug, Clone, Copy)]
pub struct Regions<'a> {
    pub(crate) client: &'a Client,
}

impl<'a> Regions<'a> {
    /// Lists them.
    ///
    /// # Errors
    /// When there is no answer, or it is a refusal.
    pub async fn list(self) -> Result<Vec<MemberRegion>, ClientError> {
        Ok(page::one(self.client, Identity::Operator, REGIONS.to_owned()).await?.value)
    }

    /// Names a further region, so that its nodes may join. Naming it again changes nothing.
    #[expect(clippy::should_implement_trait, reason = "regions are no numbers")]
    pub fn add(self, region: &Region) -> Write<'a, Operate> {
        let body = json!({"region": region.as_str()});
        let (method, path) = (Method::POST, REGIONS.to_owned());
        Write::new(self.client, Operate { method, path, body: Some(body) })
    }

    /// Removes a region that no organisation is at home in, with all its nodes. It is gone once it
    /// is not listed any more.
    pub fn remove(self, region: &Region) -> Write<'a, Operate> {
        delete(self.client, one(REGIONS, region.as_str()))
    }

    /// Lets a region stay whose removal has begun.
    pub fn keep(self, region: &Region) -> Write<'a, Operate> {
        patch(self.client, one(REGIONS, region.as_str()), json!({"state": "open"}))
    }

    /// Gives the region's group its voters and its leader in another region, or back in its own.
    /// Nothing is lost by it; the region must be reachable.
    pub fn seat(self, region: &Region, seat: &Region) -> Write<'a, Operate> {
        patch(self.client, one(REGIONS, region.as_str()), json!({"seat": seat.as_str()}))
    }

    /// Fails a lost region over: its organisations' writes are ordered in another region from then
    /// on. `fenced` is one's word that all nodes of the lost region are stopped; `without` names
    /// nodes elsewhere that are as lost.
    pub fn failover(
        self,
        region: &Region,
        to: &Region,
        fenced: bool,
        without: &[String],
    ) -> Write<'a, Operate> {
        let path = format!("{}/failover", one(REGIONS, region.as_str()));
        let body = json!({"to": to.as_str(), "fenced": fenced, "without": without});
        Write::new(self.client, Operate { method: Method::POST, path, body: Some(body) })
    }

    /// What a lost region had that its successor went on without, as far as nodes say.
    ///
    /// # Errors
    /// When there is no answer, or it is a refusal.
    pub async fn divergence(self, region: &Region) -> Result<Divergence, ClientError> {
        let path = format!("{}/divergence", one(REGIONS, region.as_str()));
        Ok(page::one(self.client, Identity::Operator, path).await?.value)
    }

    /// Lets another node found the group of a region whose first founder was lost before it did.
    /// To call it is to give one's word that the first founder never runs again.
    pub fn found(self, region: &Region, node_id: &str) -> Write<'a, Operate> {
        let body = json!({"founder": node_id, "fenced": true});
        patch(self.client, one(REGIONS, region.as_str()), body)
    }
}

pub(crate) fn survive(client: &Client, survive: Survive) -> Write<'_, Operate> {
    let survive = match survive {
        Survive::Node => "node",
        Survive::Region => "region",
    };
    patch(client, CLUSTER.to_owned(), json!({"survive": survive}))
}

pub(crate) fn isolation(client: &Client, when: WhenIsolated) -> Write<'_, Operate> {
    let when = match when {
        WhenIsolated::Serve => "serve",
        WhenIsolated::Fence => "fence",
    };
    patch(client, CLUSTER.to_owned(), json!({"when_isolated": when}))
}

pub(crate) fn leases(client: &Client, terms: LeaseTerms) -> Write<'_, Operate> {
    let ms = |length: Duration| u64::try_from(length.as_millis()).unwrap_or(u64::MAX);
    let lease = json!({
        "home_ms": ms(terms.home),
        "away_ms": ms(terms.away),
        "clock_drift_percent": terms.drift_percent,
    });
    patch(client, CLUSTER.to_owned(), json!({ "lease": lease }))
}

/// The path of one: nothing but what an id and a region's name are made of gets into it.
fn one(of: &str, name: &str) -> String {
    let plain: String = name.chars().filter(|c| c.is_ascii_alphanumeric() || *c == '-').collect();
    format!("{of}/{plain}")
}
