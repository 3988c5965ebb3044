//! What a writer asks for and what it is told: the required consistency, positions and receipts.

use std::{fmt, str::FromStr, time::Duration};

use base64::{Engine, engine::general_purpose::URL_SAFE_NO_PAD};

use crate::{
    id::{GroupId, IdError, WriteId},
    limits,
    log::LogIndex,
    region::Region,
    version,
};

/// How far a write must have travelled before it is answered (contract 2).
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default)]
pub enum RequiredConsistency {
    /// Durable on a quorum of the home group and applied in the caller's region.
    #[default]
    LocalRegion,
    /// Applied in every region.
    AllRegions,
}

impl RequiredConsistency {
    /// The header's spelling.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::LocalRegion => "local_region",
            Self::AllRegions => "all_regions",
        }
    }
}

impl fmt::Display for RequiredConsistency {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

impl FromStr for RequiredConsistency {
    type Err = IdError;
    fn from_str(text: &str) -> Result<Self, IdError> {
        match text {
            "local_region" => Ok(Self::LocalRegion),
            "all_regions" => Ok(Self::AllRegions),
            _ => Err(IdError { kind: "required consistency" }),
        }
    }
}

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

/// Where a write stands in the order of its organisation. Opaque to clients.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Position {
    /// The organisation's epoch: counts its moves between groups.
    pub epoch: u32,
    /// The group that holds it in that epoch.
    pub group: GroupId,
    /// The entry.
    pub index: LogIndex,
}

impl fmt::Display for Position {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut bytes = [0; 17];
        bytes[0] = version::POSITION;
        bytes[1..5].copy_from_slice(&self.epoch.to_be_bytes());
        bytes[5..9].copy_from_slice(&self.group.0.to_be_bytes());
        bytes[9..].copy_from_slice(&self.index.0.to_be_bytes());
        f.write_str(&URL_SAFE_NO_PAD.encode(bytes))
    }
}

impl FromStr for Position {
    type Err = IdError;
    fn from_str(text: &str) -> Result<Self, IdError> {
        let error = IdError { kind: "position" };
        let bytes = URL_SAFE_NO_PAD.decode(text).map_err(|_| error.clone())?;
        let bytes: [u8; 17] = bytes.try_into().map_err(|_| error.clone())?;
        if bytes[0] != version::POSITION {
            return Err(error);
        }
        let word = |at: usize| {
            u32::from_be_bytes([bytes[at], bytes[at + 1], bytes[at + 2], bytes[at + 3]])
        };
        let index = (u64::from(word(9)) << 32) | u64::from(word(13));
        Ok(Self { epoch: word(1), group: GroupId(word(5)), index: LogIndex(index) })
    }
}

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
    /// It went with its region: a failover provably went on without it, and it never counts any more.
    Lost,
}

impl Outcome {
    /// The receipt's spelling.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Committed => "committed",
            Self::Refused => "refused",
            Self::Unknown => "unknown",
            Self::Lost => "lost",
        }
    }
}

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

/// What is known of a write when it is answered (contract 3).
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Receipt {
    /// What the caller asked for.
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
        fn position_round_trips(epoch: u32, group: u32, index: u64) {
            let position = Position { epoch, group: GroupId(group), index: LogIndex(index) };
            prop_assert_eq!(position.to_string().parse(), Ok(position));
        }

        #[test]
        fn position_never_panics(text in ".{0,40}") {
            let _ = text.parse::<Position>();
        }
    }
}
