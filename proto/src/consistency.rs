//! Consistency of writes: the required level, positions and receipts.

use std::{fmt, str::FromStr, time::Duration};

use base64::{Engine, engine::general_purpose::URL_SAFE_NO_PAD};

use crate::{
    base::{
        id::{GroupId, IdError, WriteId},
        log::{LogId, LogIndex, Term},
        region::Region,
        schema::text_schema,
        text::{text_enum, text_serde},
    },
    limits, version,
};

/// How far a write must be replicated before it is answered (contract 2).
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default)]
pub enum RequiredConsistency {
    /// Durable on a quorum of the home group and applied in the caller's region.
    #[default]
    LocalRegion,
    /// Applied in every region.
    AllRegions,
}

text_enum!(RequiredConsistency, "required consistency", {
    LocalRegion => "local_region",
    AllRegions => "all_regions",
});

/// The seconds of a consistency timeout: decimal digits only, 1..=120 (contract 2).
///
/// # Errors
/// For anything else: a sign, a fraction, text, nothing, out of range.
pub fn parse_timeout(text: &str) -> Result<Duration, IdError> {
    let error = IdError { kind: "consistency timeout" };
    if text.is_empty() || text.len() > 9 || !text.bytes().all(|b| b.is_ascii_digit()) {
        return Err(error);
    }
    let timeout = Duration::from_secs(text.parse().map_err(|_| error.clone())?);
    if (limits::CONSISTENCY_TIMEOUT_MIN..=limits::CONSISTENCY_TIMEOUT_MAX).contains(&timeout) {
        Ok(timeout)
    } else {
        Err(error)
    }
}

/// The position of a write in its organization's order. Opaque to clients.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Position {
    /// The organization's epoch: counts its moves between groups.
    pub epoch: u32,
    /// The group that holds it in that epoch.
    pub group: GroupId,
    /// The entry.
    pub index: LogIndex,
    /// The entry's term, where it is known. With it the entry has a name that a failover keeps: the
    /// successor of a closed group may have another entry at the same index.
    pub term: Option<Term>,
}

/// Bytes of a token without a term.
const TOKEN_BYTES: usize = 17;

impl Position {
    /// The entry's name, where its term is known.
    #[must_use]
    pub fn log_id(&self) -> Option<LogId> {
        self.term.map(|term| LogId { term, index: self.index })
    }
}

impl fmt::Display for Position {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut bytes = Vec::with_capacity(TOKEN_BYTES + 8);
        bytes.push(if self.term.is_some() { version::POSITION } else { 1 });
        bytes.extend(self.epoch.to_be_bytes());
        bytes.extend(self.group.0.to_be_bytes());
        bytes.extend(self.index.0.to_be_bytes());
        bytes.extend(self.term.into_iter().flat_map(|term| term.0.to_be_bytes()));
        f.write_str(&URL_SAFE_NO_PAD.encode(bytes))
    }
}

impl FromStr for Position {
    type Err = IdError;
    fn from_str(text: &str) -> Result<Self, IdError> {
        let error = IdError { kind: "position" };
        let bytes = URL_SAFE_NO_PAD.decode(text).map_err(|_| error.clone())?;
        let (bytes, rest) =
            bytes.split_first_chunk::<TOKEN_BYTES>().ok_or_else(|| error.clone())?;
        let term = match (bytes[0], rest.is_empty()) {
            (1, true) => None,
            (version::POSITION, false) => {
                let term = rest.try_into().map_err(|_| error)?;
                Some(Term(u64::from_be_bytes(term)))
            }
            (_, _) => return Err(error),
        };
        let word = |at: usize| {
            u32::from_be_bytes([bytes[at], bytes[at + 1], bytes[at + 2], bytes[at + 3]])
        };
        let index = (u64::from(word(9)) << 32) | u64::from(word(13));
        Ok(Self { epoch: word(1), group: GroupId(word(5)), index: LogIndex(index), term })
    }
}

text_serde!(Position);
text_schema!(Position, {
    // 17 bytes that begin with 1, or 25 that begin with 2 (RFC 4648, 5).
    "pattern": "^(A[Q-Za-f][A-Za-z0-9_-]{20}[AEIMQUYcgkosw048]|A[g-v][A-Za-z0-9_-]{31}[AQgw])$",
});

/// Whether it is known that a write is in the log for good.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Outcome {
    /// Durable on a quorum; it cannot be lost or undone.
    Committed,
    /// Decided in the log, and nothing was done. The regions of its receipt are those that know of
    /// the decision.
    Refused,
    /// Not known: it may have happened, may still happen, or never.
    Unknown,
    /// The write was lost with its region: a failover provably does not have it, and it will never
    /// take effect.
    Lost,
}

text_enum!(Outcome, "outcome of a write", {
    Committed => "committed",
    Refused => "refused",
    Unknown => "unknown",
    Lost => "lost",
});

/// One region's line in a receipt.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RegionReceipt {
    /// The region.
    pub region: Region,
    /// Whether the write is visible to every read that starts there from now on.
    pub applied: bool,
    /// Since the request was accepted until that was learned, where this node watched it.
    pub applied_after: Option<Duration>,
}

/// The state of a write when it is answered (contract 3).
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Receipt {
    /// The level that the caller required.
    pub required: RequiredConsistency,
    /// Whether that was reached.
    pub achieved: bool,
    /// Whether the write is known to be committed, or refused.
    pub outcome: Outcome,
    /// The write's name.
    pub write_id: WriteId,
    /// Its place, once committed or refused.
    pub position: Option<Position>,
    /// Since the request was accepted.
    pub elapsed: Duration,
    /// Every region of the group's membership, in order of name.
    pub regions: Vec<RegionReceipt>,
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn timeout_grammar() {
        for bad in ["", "0", "121", "-1", "+5", "1.5", "x", " 5", "5 ", "99999999999"] {
            assert!(parse_timeout(bad).is_err(), "{bad:?}");
        }
        for (good, seconds) in [("1", 1), ("30", 30), ("120", 120), ("007", 7)] {
            assert_eq!(parse_timeout(good), Ok(Duration::from_secs(seconds)));
        }
    }

    #[test]
    fn consistency_is_case_sensitive() {
        assert!("Local_Region".parse::<RequiredConsistency>().is_err());
        assert!("".parse::<RequiredConsistency>().is_err());
        assert_eq!("all_regions".parse(), Ok(RequiredConsistency::AllRegions));
    }

    proptest! {
        #[test]
        fn position_round_trips(epoch: u32, group: u32, index: u64, term: Option<u64>) {
            let (group, index, term) = (GroupId(group), LogIndex(index), term.map(Term));
            let position = Position { epoch, group, index, term };
            prop_assert_eq!(position.to_string().parse(), Ok(position));
        }

        #[test]
        fn a_token_of_any_other_length_is_none(bytes in prop::collection::vec(any::<u8>(), 0..40)) {
            let is_one = matches!((bytes.first(), bytes.len()), (Some(1), 17) | (Some(2), 25));
            let token = URL_SAFE_NO_PAD.encode(&bytes);
            prop_assert_eq!(token.parse::<Position>().is_ok(), is_one);
        }

        #[test]
        fn position_never_panics(text in ".{0,40}") {
            let _ = text.parse::<Position>();
        }
    }
}
