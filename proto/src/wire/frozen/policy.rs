//! The bytes of the cluster-wide set of policies, and of what a write was authorized under and for.

use super::mirror::{Text, V1Id, mirror_enum, mirror_struct};
use crate::{
    limits,
    records::policy::{DecidedFor, OwnPolicies, PolicySetRecord, PolicyStamp},
    wire::error::{WireError, ensure},
};

mirror_struct! {
    V1PolicySetRecord for PolicySetRecord, check check_set {
        revision: u64,
        version: V1Id,
        changed_at: u64,
        text: Text,
    }
    V1PolicyStamp for PolicyStamp { cluster: u64, organization: V1OwnPolicies }
}

mirror_enum! {
    V1DecidedFor for DecidedFor { NoCredential, Credential(client_id: Text) }
    V1OwnPolicies for OwnPolicies { Unasked, Empty, Of(version: V1Id) }
}

fn check_set(set: &PolicySetRecord) -> Result<(), WireError> {
    check_text(&set.text)
}

/// Whether a set's text has no more bytes than one may have.
pub(super) fn check_text(text: &str) -> Result<(), WireError> {
    ensure(text.len() <= limits::POLICIES_BYTES_MAX, "policies")
}
