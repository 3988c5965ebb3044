//! Why a step of a membership change was not taken: the reason that is logged, and the step is tried
//! again at a later look.
//!
//! It is never an answer to a client.

use concordat_proto::{
    id::NodeId,
    wire::{WireError, peer::PeerReply},
};

use crate::raft::{fault::Fault, transport::TransportError};

/// Why a step was not taken.
#[derive(Debug, thiserror::Error)]
pub(crate) enum StepError {
    /// The chosen voter's log does not come to equal the leader's.
    #[error("node {0} does not draw level")]
    NotLevel(NodeId),
    /// The chosen voter was not elected in time.
    #[error("node {0} has not taken the lead over yet")]
    NotElected(NodeId),
    /// A node was not reached that must take other timings first.
    #[error("setting the timings of node {node}: {error}")]
    TimingsNotSent {
        /// Which.
        node: NodeId,
        /// Why.
        error: TransportError,
    },
    /// A node does not take other timings now.
    #[error("node {node} does not take the timings: {answer:?}")]
    TimingsNotTaken {
        /// Which.
        node: NodeId,
        /// What it said.
        answer: Result<PeerReply, WireError>,
    },
    /// This node's own replica could not be opened again with other timings.
    #[error("{0}")]
    NotReopened(Fault),
    /// The Raft library refused or failed.
    #[error("{0}")]
    Library(Box<dyn std::error::Error + Send + Sync>),
}

impl StepError {
    pub(crate) fn library(error: impl std::error::Error + Send + Sync + 'static) -> Self {
        Self::Library(Box::new(error))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_reason_has_its_text() {
        let node = NodeId(0x1f);
        let (error, fault) = (TransportError::TimedOut, Fault::caused("opening", "no disk"));
        let answer = Ok(PeerReply::Refused("not now".to_owned()));
        let library = StepError::library(TransportError::Lost);
        for (reason, text) in [
            (StepError::NotLevel(node), "node 000000000000001f does not draw level"),
            (StepError::NotElected(node), "node 000000000000001f has not taken the lead over yet"),
            (
                StepError::TimingsNotSent { node, error },
                "setting the timings of node 000000000000001f: no answer in time",
            ),
            (
                StepError::TimingsNotTaken { node, answer },
                "node 000000000000001f does not take the timings: Ok(Refused(\"not now\"))",
            ),
            (StepError::NotReopened(fault), "opening"),
            (library, "connection lost"),
        ] {
            assert_eq!(reason.to_string(), text);
        }
    }
}
