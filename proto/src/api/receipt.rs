//! A write's receipt as a document: `meta.consistency` of the response to a write, the result of
//! `GET /v1/writes/{write_id}`, and what the CLI prints.

use std::time::Duration;

use serde::{Deserialize, Deserializer, Serialize, Serializer};

use super::{
    OpenEnum,
    error_item::ErrorItem,
    lenient::{null_as_default, understood},
};
use crate::{
    base::{id::WriteId, region::Region, text::text_enum},
    consistency::{self, Outcome, Position, RequiredConsistency},
};

/// What is known of a write.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct Receipt {
    /// The consistency that the caller required.
    pub required: RequiredConsistency,
    /// Whether that was reached.
    #[serde(default, deserialize_with = "null_as_default")]
    pub achieved: bool,
    /// Whether the write is known to be committed, refused or lost.
    #[serde(default, deserialize_with = "null_as_default")]
    pub outcome: OpenEnum<Outcome>,
    /// The write's id.
    pub write_id: WriteId,
    /// The write's position, once it is committed or refused; opaque, for reads that must see the write.
    #[serde(default, skip_serializing_if = "Option::is_none", deserialize_with = "understood")]
    pub position: Option<Position>,
    /// Since the node accepted the request. Milliseconds with at most one decimal place.
    #[serde(default, deserialize_with = "null_as_default")]
    pub elapsed_ms: Milliseconds,
    /// The regions of the group's membership, in order of name.
    #[serde(default, deserialize_with = "null_as_default")]
    pub regions: Vec<RegionReceipt>,
    /// How a refused write was answered, where the response itself does not say it.
    #[serde(default, skip_serializing_if = "Option::is_none", deserialize_with = "understood")]
    pub refused: Option<ErrorItem>,
}

/// One region's line in a receipt.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct RegionReceipt {
    /// The region.
    pub region: Region,
    /// Whether the write is visible to every read that starts there from now on.
    #[serde(default, deserialize_with = "null_as_default")]
    pub state: OpenEnum<ReceiptState>,
    /// Since the node accepted the request until it learned that the region applied the write; only where
    /// it did and this node watched it. Milliseconds with at most one decimal place.
    #[serde(default, skip_serializing_if = "Option::is_none", deserialize_with = "understood")]
    pub applied_ms: Option<Milliseconds>,
}

/// How far a write is in a region.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum ReceiptState {
    /// Every read that starts there from now on sees it.
    Applied,
    /// It is on its way, as far as the answering node knows.
    Pending,
}

text_enum!(ReceiptState, "receipt state", { Applied => "applied", Pending => "pending" });

impl From<&consistency::Receipt> for Receipt {
    fn from(receipt: &consistency::Receipt) -> Self {
        Self {
            required: receipt.required,
            achieved: receipt.achieved,
            outcome: receipt.outcome.into(),
            write_id: receipt.write_id,
            position: receipt.position,
            elapsed_ms: Milliseconds(receipt.elapsed),
            regions: receipt.regions.iter().map(RegionReceipt::from).collect(),
            refused: None,
        }
    }
}

impl From<&consistency::RegionReceipt> for RegionReceipt {
    fn from(line: &consistency::RegionReceipt) -> Self {
        let state = if line.applied { ReceiptState::Applied } else { ReceiptState::Pending };
        Self {
            region: line.region.clone(),
            state: state.into(),
            applied_ms: line.applied_after.filter(|_| line.applied).map(Milliseconds),
        }
    }
}

/// What a receipt promises is taken only from what is understood: an unknown outcome is
/// [`Outcome::Unknown`], an unknown state is not applied.
impl From<Receipt> for consistency::Receipt {
    fn from(receipt: Receipt) -> Self {
        Self {
            required: receipt.required,
            achieved: receipt.achieved,
            outcome: receipt.outcome.known().unwrap_or(Outcome::Unknown),
            write_id: receipt.write_id,
            position: receipt.position,
            elapsed: receipt.elapsed_ms.0,
            regions: receipt.regions.into_iter().map(Into::into).collect(),
        }
    }
}

impl From<RegionReceipt> for consistency::RegionReceipt {
    fn from(line: RegionReceipt) -> Self {
        Self {
            region: line.region,
            applied: line.state == ReceiptState::Applied,
            applied_after: line.applied_ms.map(|after| after.0),
        }
    }
}

/// A span as a number of milliseconds with at most one decimal place, rounded down: never more than has
/// passed.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Milliseconds(pub Duration);

#[cfg(feature = "schema")]
impl schemars::JsonSchema for Milliseconds {
    fn inline_schema() -> bool {
        true
    }
    fn schema_name() -> std::borrow::Cow<'static, str> {
        "Milliseconds".into()
    }
    fn json_schema(_: &mut schemars::SchemaGenerator) -> schemars::Schema {
        schemars::json_schema!({ "type": "number", "minimum": 0 })
    }
}

impl Serialize for Milliseconds {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let tenths = u64::try_from(self.0.as_micros() / 100).unwrap_or(u64::MAX);
        if tenths % 10 == 0 {
            serializer.serialize_u64(tenths / 10)
        } else {
            serializer.serialize_f64(tenths as f64 / 10.0)
        }
    }
}

impl<'de> Deserialize<'de> for Milliseconds {
    /// What is no span (a negative number) is none at all.
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let milliseconds = f64::deserialize(deserializer)?;
        Ok(Self(Duration::try_from_secs_f64(milliseconds / 1000.0).unwrap_or_default()))
    }
}
