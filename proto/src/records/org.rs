//! Organizations, their keys, and the cluster's own records.

use crate::base::{
    id::{ClusterId, GroupId, KeyId, NodeId, OrgId},
    region::Region,
    secret::Sealed,
    text::text_enum,
};

/// SHA-256 of a whole API key text. The key has 256 random bits, so a plain hash hides it.
pub type KeyHash = [u8; 32];

/// The rights of a key, as a set of bits.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Rights(pub u8);

impl Rights {
    /// Nothing.
    pub const NONE: Self = Self(0);
    /// See settings, never secrets.
    pub const READ: Self = Self(1);
    /// Change them.
    pub const WRITE: Self = Self(2);
    /// Read secrets in plaintext.
    pub const SECRETS_READ: Self = Self(4);
    /// Sub-organizations and keys.
    pub const ADMIN: Self = Self(8);
    /// Everything: an organization's first key.
    pub const ALL: Self = Self(15);

    /// Whether all of `needed` are in here.
    #[must_use]
    pub const fn contain(self, needed: Self) -> bool {
        self.0 & needed.0 == needed.0
    }
}

/// An organization's data key, wrapped by a key of the keyring.
#[derive(Clone, PartialEq, Eq)]
pub struct WrappedKey {
    /// The keyring key that wraps it.
    pub keyring_key: u32,
    /// Nonce and ciphertext with tag.
    pub bytes: Vec<u8>,
}

impl std::fmt::Debug for WrappedKey {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "WrappedKey(by {}, {} bytes)", self.keyring_key, self.bytes.len())
    }
}

/// Everything that makes an organization: first its claim in the system group, then its record in
/// its home group. The second follows from the first, so any node that sees a claim without its
/// record may finish the creation.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Org {
    /// Its id, unique in the cluster.
    pub id: OrgId,
    /// Shown to people.
    pub org_name: String,
    /// Shown to people.
    pub tenant_name: String,
    /// The region whose group orders its writes.
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

impl Org {
    /// What is kept of an organization that has ended: its id, its place, and its first key's id. Without
    /// its data key nothing opens that was sealed for it.
    #[must_use]
    pub fn without_data(&self) -> Self {
        let name = || "deleted".to_owned();
        let no_key = |key: &ApiKey| ApiKey { hash: [0; 32], rights: Rights::NONE, ..key.clone() };
        Self {
            org_name: name(),
            tenant_name: name(),
            data_key: WrappedKey { bytes: Vec::new(), ..self.data_key.clone() },
            first_key: no_key(&self.first_key),
            first_key_sealed: Sealed { bytes: Vec::new(), ..self.first_key_sealed.clone() },
            ..self.clone()
        }
    }
}

/// The settings that an organization has chosen, beside its credentials.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct OrgSettings {
    /// How a request for a secret is answered on a node that cannot prove that it is current.
    pub stale_secrets: StaleSecrets,
}

/// How a node that cannot prove that it is current answers a request for a secret.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum StaleSecrets {
    /// It returns its copy, marked as stale: logins continue to work.
    #[default]
    Serve,
    /// It gives none: a secret that was withdrawn is never given out again.
    Refuse,
}

text_enum!(StaleSecrets, "stale-secrets policy", {
    Serve => "serve",
    Refuse => "refuse",
});

/// An API key as it is stored: never the key itself. [`crate::key::OrgKey`] is that of an organization
/// with what is known beside it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ApiKey {
    /// Its public name, carried by every write it authorized.
    pub id: KeyId,
    /// SHA-256 of its text.
    pub hash: KeyHash,
    /// Its rights.
    pub rights: Rights,
}

/// A region of the cluster and the group whose home it is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RegionRecord {
    /// Its name.
    pub region: Region,
    /// The group of the organizations at home there.
    pub group: GroupId,
    /// The node that founds the group, alone; placement adds the others.
    pub founder: NodeId,
    /// The region's state.
    pub state: RegionState,
    /// The region that has the group's voters and normally its leader: the region itself, unless
    /// the group was failed over or relocated.
    pub voter_region: Region,
}

/// The state of a region.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum RegionState {
    /// Organizations may be at home there.
    #[default]
    Open,
    /// It takes no organization and no node any more, and its nodes vote in no group but its own.
    Leaving,
    /// Gone, with its group and its nodes. The record stays, so that no later group takes the
    /// number of its group.
    Removed,
}

/// The state of a node.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum NodeState {
    /// It may vote and lead.
    #[default]
    Member,
    /// It keeps its replicas, serves, and neither votes nor leads.
    Draining,
    /// Draining, to be removed as soon as no group needs its vote.
    Leaving,
    /// Removed for good: peers refuse it, and it stops when it learns that.
    Removed,
}

text_enum!(NodeState, "node state", {
    Member => "member",
    Draining => "draining",
    Leaving => "leaving",
    Removed => "removed",
});

text_enum!(RegionState, "region state", {
    Open => "open",
    Leaving => "leaving",
    Removed => "removed",
});

/// The survival goal of the home groups.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum SurvivalGoal {
    /// The loss of a node: the voters are in the home region, and a commit needs no round trip to
    /// another region.
    #[default]
    Node,
    /// The loss of a region: the voters are in several regions, and a commit needs one round trip
    /// to another.
    Region,
}

text_enum!(SurvivalGoal, "survival goal", {
    Node => "node",
    Region => "region",
});

/// The behavior of a home group's leader when its region cannot reach the rest of the cluster.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum PartitionPolicy {
    /// It continues to serve. A failover then needs the operator's confirmation that the region's
    /// nodes are stopped.
    #[default]
    Serve,
    /// It stops proposing and granting leases, for it may have been failed over.
    Fence,
}

text_enum!(PartitionPolicy, "partition policy", {
    Serve => "serve",
    Fence => "fence",
});

/// The setting as it was set for the so-many-th time: a group that noted this generation has not
/// noted a later one unless the system group's state has it too.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct PartitionPolicyRecord {
    /// The present policy.
    pub when: PartitionPolicy,
    /// How often the policy was changed.
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
    /// The node that has taken this one's peer address over, in a cluster of the first feature
    /// level: this one is removed for good, and placement removes it. From level 2 on an address
    /// ends no node.
    pub replaced_by: Option<NodeId>,
    /// The node's state. A registration does not change it: only operators do.
    pub state: NodeState,
}

impl NodeRecord {
    /// Whether it is a member of the cluster.
    #[must_use]
    pub const fn is_there(&self) -> bool {
        self.replaced_by.is_none() && !matches!(self.state, NodeState::Removed)
    }

    /// Whether it may vote.
    #[must_use]
    pub const fn may_vote(&self) -> bool {
        self.replaced_by.is_none() && matches!(self.state, NodeState::Member)
    }
}

/// The cluster-wide settings and identity.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ClusterRecord {
    /// Checked on every connection between nodes.
    pub id: ClusterId,
    /// Behaviors switched on through the log.
    pub feature_level: u32,
    /// The survival goal of the home groups.
    pub survival_goal: SurvivalGoal,
    /// The partition policy.
    pub partition_policy: PartitionPolicyRecord,
}
