//! The envelope of every answer: `{"errors":[…],"meta":{…},"result":…}` (contract 1.4 and 3).

use std::time::Duration;

use concordat_proto::{
    consistency::{Receipt, RegionReceipt},
    refusal::Refusal,
};
use serde::{Serialize, Serializer};
use serde_json::value::RawValue;

use super::status;

/// The envelope. Members stand in this order: a log that cuts answers off shows the error.
#[derive(Serialize)]
pub(in crate::dialect) struct Envelope<'a, R> {
    errors: Vec<ErrorItem<'a>>,
    meta: Meta<'a>,
    #[serde(skip_serializing_if = "Option::is_none")]
    result: Option<R>,
}

#[derive(Serialize)]
struct Meta<'a> {
    #[serde(skip_serializing_if = "Option::is_none")]
    pagination: Option<Pagination>,
    #[serde(skip_serializing_if = "Option::is_none")]
    consistency: Option<Consistency<'a>>,
}

/// Which part of a list an answer holds.
#[derive(Serialize)]
pub(in crate::dialect) struct Pagination {
    pub(in crate::dialect) limit: usize,
    pub(in crate::dialect) offset: usize,
    pub(in crate::dialect) total_count: usize,
}

#[derive(Serialize)]
struct ErrorItem<'a> {
    httpcode: u16,
    message: &'a str,
}

/// A receipt as `meta.consistency` and as the result of `GET /v1/writes/…` show it.
#[derive(Serialize)]
pub(in crate::dialect) struct Consistency<'a> {
    required: &'static str,
    achieved: bool,
    outcome: &'static str,
    write_id: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    position: Option<String>,
    elapsed_ms: Milliseconds,
    regions: Vec<RegionLine<'a>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    refused: Option<Refused>,
}

/// What a refused write is answered, where the answer itself does not say it.
#[derive(Serialize)]
struct Refused {
    httpcode: u16,
    message: String,
}

#[derive(Serialize)]
struct RegionLine<'a> {
    region: &'a str,
    state: &'static str,
    #[serde(skip_serializing_if = "Option::is_none")]
    applied_ms: Option<Milliseconds>,
}

/// Milliseconds with at most one decimal place, rounded down: never more than has passed.
struct Milliseconds(Duration);

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

impl<'a> From<&'a Receipt> for Consistency<'a> {
    fn from(receipt: &'a Receipt) -> Self {
        Self {
            required: receipt.required.as_str(),
            achieved: receipt.achieved,
            outcome: receipt.outcome.as_str(),
            write_id: receipt.write_id.to_string(),
            position: receipt.position.map(|position| position.to_string()),
            elapsed_ms: Milliseconds(receipt.elapsed),
            regions: receipt.regions.iter().map(RegionLine::from).collect(),
            refused: None,
        }
    }
}

impl Consistency<'_> {
    /// With what a refused write is answered.
    pub(in crate::dialect) fn refused_as(self, refusal: Option<&Refusal>) -> Self {
        let refused = refusal.map(|refusal| Refused {
            httpcode: status::of_refusal(refusal.class()),
            message: refusal.to_string(),
        });
        Self { refused, ..self }
    }
}

impl<'a> From<&'a RegionReceipt> for RegionLine<'a> {
    fn from(region: &'a RegionReceipt) -> Self {
        Self {
            region: region.region.as_str(),
            state: if region.applied { "applied" } else { "pending" },
            applied_ms: region.applied_after.filter(|_| region.applied).map(Milliseconds),
        }
    }
}

/// A success: with or without a result, a receipt, a page.
pub(in crate::dialect) fn success<R: Serialize>(
    result: Option<R>,
    receipt: Option<&Receipt>,
    pagination: Option<Pagination>,
) -> Vec<u8> {
    let consistency = receipt.map(Consistency::from);
    to_json(&Envelope { errors: Vec::new(), meta: Meta { pagination, consistency }, result })
}

/// A failure.
pub(in crate::dialect) fn failure(
    status: u16,
    message: &str,
    receipt: Option<&Receipt>,
) -> Vec<u8> {
    failure_of(status, message, receipt.map(Consistency::from))
}

/// A failure with a receipt that is ready.
pub(in crate::dialect) fn failure_of(
    status: u16,
    message: &str,
    consistency: Option<Consistency<'_>>,
) -> Vec<u8> {
    let meta = Meta { pagination: None, consistency };
    let errors = vec![ErrorItem { httpcode: status, message }];
    to_json(&Envelope::<()> { errors, meta, result: None })
}

/// Plain data as JSON.
fn to_json<T: Serialize>(value: &T) -> Vec<u8> {
    serde_json::to_vec(value).expect("plain data is JSON")
}

/// Plain data as JSON, to be put into an envelope as it is.
pub(in crate::dialect) fn raw<T: Serialize>(value: &T) -> Box<RawValue> {
    serde_json::value::to_raw_value(value).expect("plain data is JSON")
}
