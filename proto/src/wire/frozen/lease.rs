//! The bytes of lease terms, replica marks, lease grants and stale readers.

use super::mirror::{Text, V1Duration, mirror_enum, mirror_struct};
use crate::{
    limits,
    records::lease::{
        LeaseGrant, LeaseRecord, LeaseTerms, RegionStaleReaders, ReplicaMark, StaleReader,
        StaleReaderSet,
    },
    wire::error::{WireError, ensure},
};

mirror_struct! {
    V1LeaseTerms for LeaseTerms, check check_terms {
        home: V1Duration,
        away: V1Duration,
        drift_percent: u32,
    }
    V1LeaseRecord for LeaseRecord { terms: V1LeaseTerms, longest: V1Duration, drift_percent: u32 }
    V1LeaseGrant for LeaseGrant { group: u32, term: u64, covers: u64, length: V1Duration }
    V1StaleReaderSet for StaleReaderSet { regions: Vec<V1RegionStaleReaders> }
    V1RegionStaleReaders for RegionStaleReaders {
        region: Text,
        counts: bool,
        replicas: Vec<V1StaleReader>,
    }
    V1StaleReader for StaleReader { node: u64, left: V1Duration }
}

mirror_enum! {
    V1ReplicaMark for ReplicaMark { Serving, Leaving }
}

fn check_terms(terms: &LeaseTerms) -> Result<(), WireError> {
    for length in [terms.home, terms.away] {
        ensure((limits::LEASE_MIN..=limits::LEASE_MAX).contains(&length), "length of a lease")?;
    }
    let drift = (limits::CLOCK_DRIFT_PERCENT_MIN..=limits::CLOCK_DRIFT_PERCENT_MAX)
        .contains(&terms.drift_percent);
    ensure(drift, "drift of clocks")
}
