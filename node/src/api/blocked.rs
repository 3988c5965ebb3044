//! Why the cluster is not in a state in which something may be begun. Each reason is one of the rules that decide
//! it, so that a dialect can tell them apart; their text is for a person to read.

use concordat_cluster::{
    placement::{RecreateBlocker, RegionBlocker, RemovalBlocker},
    raft::FailoverBlocker,
};

/// The reason.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Blocked {
    /// A node cannot leave.
    #[error(transparent)]
    Removal(#[from] RemovalBlocker),
    /// A region cannot leave.
    #[error(transparent)]
    Region(#[from] RegionBlocker),
    /// A region's group cannot be founded anew.
    #[error(transparent)]
    Recreate(#[from] RecreateBlocker),
    /// A region's group cannot be failed over.
    #[error("{0}")]
    Failover(FailoverBlocker),
    /// Regions have no names yet.
    #[error(
        "the cluster is at feature level {level}: until every node is upgraded and it has come to level \
         {needed}, a node of any region joins without this"
    )]
    NoNamesYet {
        /// The cluster's feature level.
        level: u32,
        /// That of the names of regions.
        needed: u32,
    },
    /// The evaluation of policies has ended before its result.
    #[error("the policies cannot be evaluated")]
    PoliciesNotEvaluated,
}

impl From<FailoverBlocker> for Blocked {
    fn from(blocker: FailoverBlocker) -> Self {
        Self::Failover(blocker)
    }
}
