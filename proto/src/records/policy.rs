//! The cluster-wide set of policies, and which sets a write was authorized under. The texts are in the language
//! Cedar; nothing here reads them.

use crate::base::{
    id::{ClientId, WriteId},
    time::LogTime,
};

/// The cluster-wide set of policies (system group).
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PolicySetRecord {
    /// Counts the sets of this cluster; the first one is 1.
    pub revision: u64,
    /// The write that set it.
    pub version: WriteId,
    /// When, in log time.
    pub changed_at: LogTime,
    /// The text, of at most [`crate::limits::POLICIES_BYTES_MAX`] bytes.
    pub text: String,
}

/// The sets of policies that a write was authorized under. Apply refuses the write where it knows newer ones.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct PolicyStamp {
    /// The revision of the cluster-wide set; 0 where none was ever set.
    pub cluster: u64,
    /// The organization's own set.
    pub organization: OwnPolicies,
}

/// The credential that a write was authorized for, of a command that names one by its number or by a binding.
/// Where the command is applied that may be another one: the node that authorized it may be behind. Apply refuses the
/// write there, as it does where the policies have changed.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub enum DecidedFor {
    /// None was found: it was authorized as a write of the organization.
    NoCredential,
    /// The one of this client id.
    Credential(ClientId),
}

/// The organization's own set, where a write was authorized.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum OwnPolicies {
    /// It was not asked: its caller is not one of the organization's keys, or repairs this set.
    Unasked,
    /// It has none, and never had one.
    Empty,
    /// That of this version.
    Of(WriteId),
}
