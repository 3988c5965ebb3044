//! The bytes of closed groups and of lost writes.

use super::mirror::{Text, V1Id, V1LogId, mirror_enum, mirror_struct};
use crate::{
    limits,
    records::failover::{ClosedGroup, DivergedWrite, FailoverBasis, Succession},
    wire::error::{WireError, ensure},
};

mirror_struct! {
    V1ClosedGroup for ClosedGroup, check check_closed {
        group: u32,
        region: Text,
        lost: Text,
        to: Text,
        basis: V1FailoverBasis,
        absent: Vec<u64>,
        succession: Option<V1Succession>,
    }
    V1Succession for Succession { group: u32, founder: u64, last: V1LogId, safe_index: u64 }
    V1DivergedWrite for DivergedWrite {
        log_id: V1LogId,
        write_id: V1Id,
        at: u64,
        org: Option<V1Id>,
        operation: Text,
        client_id: Option<Text>,
        committed: bool,
    }
}

mirror_enum! {
    V1FailoverBasis for FailoverBasis { Fenced, SelfFencing { generation: u32 } }
}

fn check_closed(closed: &ClosedGroup) -> Result<(), WireError> {
    ensure(closed.absent.len() <= limits::NODES_MAX, "number of absent nodes")
}
