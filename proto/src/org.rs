//! Organisations, their keys, and the cluster's own records.

use crate::{
    id::{ClusterId, GroupId, KeyId, NodeId, OrgId},
    region::Region,
    secret::Sealed,
};

/// SHA-256 of a whole API key text. The key has 256 random bits, so a plain hash hides it.
pub type KeyHash = [u8; 32];

/// What a key may do, as a set of bits.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Rights(pub u8);

impl Rights {
    /// See settings, never secrets.
    pub const READ: Self = Self(1);
    /// Change them.
    pub const WRITE: Self = Self(2);
    /// Read secrets in the clear.
    pub const SECRETS_READ: Self = Self(4);
    /// Sub-organisations and keys.
    pub const ADMIN: Self = Self(8);
    /// Everything: an organisation's first key.
    pub const ALL: Self = Self(15);

    /// Whether all of `needed` are in here.
    #[must_use]
    pub const fn contain(self, needed: Self) -> bool {
        self.0 & needed.0 == needed.0
    }
}

/// An organisation's data key, wrapped by a key of the keyring.
#[derive(Clone, PartialEq, Eq)]
pub struct WrappedKey {
    /// Which key of the keyring wraps it.
    pub keyring_key: u32,
    /// Nonce and ciphertext with tag.
    pub bytes: Vec<u8>,
}

impl std::fmt::Debug for WrappedKey {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "WrappedKey(by {}, {} bytes)", self.keyring_key, self.bytes.len())
    }
}

/// Everything that makes an organisation: kept first as its claim in the system group, then as its
/// record in its home group. The second follows from the first, so whoever sees a claim without its
/// record may finish the work.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Org {
    /// Its id, unique in the cluster.
    pub id: OrgId,
    /// Shown to people.
    pub org_name: String,
    /// Shown to people.
    pub tenant_name: String,
    /// Where its writes are ordered.
    pub home_region: Region,
    /// Counts its moves between groups; 1 at first.
    pub epoch: u32,
    /// Seals its secrets.
    pub data_key: WrappedKey,
    /// Its first key.
    pub first_key: ApiKey,
    /// The first key's text, sealed, so that a repeat of the creating request gets it again.
    pub first_key_sealed: Sealed,
}

/// What an organisation has set for itself, beside its credentials.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct OrgSettings {
    /// What is answered to who asks for a secret.
    pub stale_secrets: StaleSecrets,
}

/// What a node does that is asked for a secret and cannot prove that it is current.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum StaleSecrets {
    /// It gives the one that it has, marked: logins go on.
    #[default]
    Serve,
    /// It gives none: a secret that was withdrawn is never given out again.
    Refuse,
}

impl StaleSecrets {
    /// Its name.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Serve => "serve",
            Self::Refuse => "refuse",
        }
    }
}

/// An API key as it is stored: never the key itself.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ApiKey {
    /// Its public name, carried by every write it authorised.
    pub id: KeyId,
    /// SHA-256 of its text.
    pub hash: KeyHash,
    /// What it may do.
    pub rights: Rights,
}

/// A region of the cluster and the group whose home it is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RegionRecord {
    /// Its name.
    pub region: Region,
    /// The group of the organisations at home there.
    pub group: GroupId,
    /// The node that founds the group, alone; placement adds the others.
    pub founder: NodeId,
    /// Where it is in its life.
    pub state: RegionState,
    /// Where the group's voters stand and its leader belongs: the region itself, unless it was
    /// failed over or seated elsewhere.
    pub seat: Region,
}

/// Where a region is in its life.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum RegionState {
    /// Organisations may be at home there.
    #[default]
    Open,
    /// It takes no organisation and no node any more, and its nodes vote in no group but its own.
    Leaving,
    /// Gone, with its group and its nodes. The record stays, so that no later group takes the
    /// number of its group.
    Removed,
}

/// Where a node is in its life.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum NodeState {
    /// It may vote and lead.
    #[default]
    Member,
    /// It keeps its replicas, serves, and neither votes nor leads.
    Draining,
    /// Draining, to be removed as soon as no group needs its vote.
    Leaving,
    /// Gone for good: peers refuse it, and it stops when it learns of it.
    Removed,
}

impl NodeState {
    /// Its name.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Member => "member",
            Self::Draining => "draining",
            Self::Leaving => "leaving",
            Self::Removed => "removed",
        }
    }
}

impl RegionState {
    /// Its name.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Open => "open",
            Self::Leaving => "leaving",
            Self::Removed => "removed",
        }
    }
}

/// What the home groups must outlive.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Survive {
    /// The loss of a node: voters stand in the home region, and a commit crosses no region.
    #[default]
    Node,
    /// The loss of a region: voters stand in several, and a commit crosses one.
    Region,
}

impl Survive {
    /// Its name.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Node => "node",
            Self::Region => "region",
        }
    }
}

/// What a home group's leader does when its region cannot reach the rest of the cluster.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum WhenIsolated {
    /// It goes on. Then a failover takes the operator's word that the region's nodes are stopped.
    #[default]
    Serve,
    /// It stops proposing and granting leases, for it may have been failed over.
    Fence,
}

impl WhenIsolated {
    /// Its name.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Serve => "serve",
            Self::Fence => "fence",
        }
    }
}

/// The setting as it was set for the so-many-th time: a group that noted this generation has not
/// noted a later one unless the system group's state has it too.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Isolation {
    /// What holds.
    pub when: WhenIsolated,
    /// How often it was changed.
    pub generation: u32,
}

/// A node of the cluster.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct NodeRecord {
    /// Made once, never reused.
    pub id: NodeId,
    /// Never changes.
    pub region: Region,
    /// `host:port` for other nodes.
    pub peer_address: String,
    /// Base URL for clients.
    pub api_url: String,
    /// The node that has taken this one's peer address over, in a cluster of the first feature level:
    /// this one is gone for good, and placement removes it. Later levels end nobody by an address.
    pub replaced_by: Option<NodeId>,
    /// Where it is in its life. A registration says nothing of it: only operators change it.
    pub state: NodeState,
}

impl NodeRecord {
    /// Whether it still belongs to the cluster.
    #[must_use]
    pub const fn is_there(&self) -> bool {
        self.replaced_by.is_none() && !matches!(self.state, NodeState::Removed)
    }

    /// Whether votes may be given to it.
    #[must_use]
    pub const fn may_vote(&self) -> bool {
        self.replaced_by.is_none() && matches!(self.state, NodeState::Member)
    }
}

/// What is true of the whole cluster.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ClusterRecord {
    /// Checked on every connection between nodes.
    pub id: ClusterId,
    /// Behaviours switched on through the log.
    pub feature_level: u32,
    /// What the home groups must outlive.
    pub survive: Survive,
    /// What a leader does that is cut off with its region.
    pub isolation: Isolation,
}
