//! The envelope of every answer, `{"meta":…,"errors":…,"result":…}`, read leniently: members that
//! are empty may be there or not, and unknown ones are passed over.

use std::time::Duration;

use concordat_proto::{
    consistency::{Outcome, Receipt, RegionReceipt},
    region::Region,
};
use serde::{
    Deserialize, Deserializer,
    de::{DeserializeOwned, IgnoredAny},
};

/// Everything of an envelope but its result.
#[derive(Debug, Default, Deserialize)]
#[serde(default)]
pub(crate) struct Head {
    meta: Option<Meta>,
    errors: Option<Vec<Message>>,
    #[serde(deserialize_with = "is_present")]
    result: bool,
}

#[derive(Debug, Default, Deserialize)]
#[serde(default)]
struct Meta {
    pagination: Option<Pagination>,
    consistency: Option<ReceiptText>,
}

/// Which part of a list an answer is.
#[derive(Debug, Default, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(default)]
pub(crate) struct Pagination {
    pub(crate) limit: Option<u64>,
    pub(crate) offset: Option<u64>,
    pub(crate) total_count: Option<u64>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(default)]
struct Message {
    httpcode: Option<u16>,
    #[serde(deserialize_with = "null_as_default")]
    message: String,
}

#[derive(Deserialize)]
struct Body<T> {
    result: Option<T>,
}

impl Head {
    /// `None` when the bytes are not an envelope: someone else than a node has answered.
    pub(crate) fn parse(body: &[u8]) -> Option<Self> {
        serde_json::from_slice(body).ok()
    }

    /// Whether it has at least one of an envelope's members. Any JSON object could be parsed as one.
    pub(crate) fn is_marked(&self) -> bool {
        self.meta.is_some() || self.errors.is_some() || self.result
    }

    /// Whether a node says that it fails with this status. Any JSON object looks like an envelope,
    /// but a proxy's has no such error in it.
    pub(crate) fn fails_with(&self, status: u16) -> bool {
        self.errors.iter().flatten().any(|error| error.httpcode == Some(status))
    }

    pub(crate) fn messages(&self) -> Vec<String> {
        self.errors.iter().flatten().map(|error| error.message.clone()).collect()
    }

    /// `None` where there is none that this client understands.
    pub(crate) fn receipt(&self) -> Option<Receipt> {
        self.meta.as_ref()?.consistency.as_ref()?.parse()
    }

    pub(crate) fn pagination(&self) -> Pagination {
        self.meta.as_ref().and_then(|meta| meta.pagination).unwrap_or_default()
    }
}

/// The `result` of an envelope; `None` where it has none.
pub(crate) fn result<T: DeserializeOwned>(body: &[u8]) -> Result<Option<T>, serde_json::Error> {
    serde_json::from_slice::<Body<T>>(body).map(|body| body.result)
}

/// A receipt as it is written in JSON.
#[derive(Debug, Clone, Default, Deserialize)]
#[serde(default)]
pub(crate) struct ReceiptText {
    required: String,
    achieved: bool,
    #[serde(deserialize_with = "null_as_default")]
    outcome: String,
    write_id: String,
    position: Option<String>,
    elapsed_ms: Option<f64>,
    #[serde(deserialize_with = "null_as_default")]
    regions: Vec<RegionText>,
}

#[derive(Debug, Clone, Default, Deserialize)]
#[serde(default)]
struct RegionText {
    region: String,
    state: String,
    applied_ms: Option<f64>,
}

impl ReceiptText {
    /// What a receipt promises is taken only from what is understood: an unknown outcome is
    /// `Unknown`, an unknown state is not `applied`.
    pub(crate) fn parse(&self) -> Option<Receipt> {
        let known = [Outcome::Committed, Outcome::Refused, Outcome::Lost];
        let known = known.into_iter().find(|outcome| outcome.as_str() == self.outcome);
        let regions = self.regions.iter().map(RegionText::parse).collect::<Option<Vec<_>>>()?;
        Some(Receipt {
            required: self.required.parse().ok()?,
            achieved: self.achieved,
            outcome: known.unwrap_or(Outcome::Unknown),
            write_id: self.write_id.parse().ok()?,
            position: self.position.as_ref().and_then(|text| text.parse().ok()),
            elapsed: self.elapsed_ms.and_then(milliseconds).unwrap_or_default(),
            regions,
        })
    }
}

impl RegionText {
    fn parse(&self) -> Option<RegionReceipt> {
        Some(RegionReceipt {
            region: Region::new(self.region.as_str()).ok()?,
            applied: self.state == "applied",
            applied_after: self.applied_ms.and_then(milliseconds),
        })
    }
}

fn milliseconds(value: f64) -> Option<Duration> {
    Duration::try_from_secs_f64(value / 1000.0).ok()
}

/// Whether a member is there, whatever it is.
fn is_present<'de, D: Deserializer<'de>>(deserializer: D) -> Result<bool, D::Error> {
    IgnoredAny::deserialize(deserializer).map(|_| true)
}

/// Reads an explicit `null` like an absent member.
pub(crate) fn null_as_default<'de, D, T>(deserializer: D) -> Result<T, D::Error>
where
    D: Deserializer<'de>,
    T: Default + Deserialize<'de>,
{
    Ok(Option::deserialize(deserializer)?.unwrap_or_default())
}

#[cfg(test)]
mod tests {
    use concordat_proto::{
        consistency::{Position, RequiredConsistency},
        id::GroupId,
        log::LogIndex,
    };
    use proptest::prelude::*;
    use serde_json::json;

    use super::*;

    const WRITE: &str = "0193a1b2-0000-7000-8000-000000000001";

    #[test]
    fn empty_members_may_be_there_or_not() {
        for body in ["{}", r#"{"meta":{},"errors":[]}"#, r#"{"meta":null,"errors":null}"#] {
            let head = Head::parse(body.as_bytes()).expect(body);
            assert!(head.messages().is_empty() && head.receipt().is_none(), "{body}");
            assert_eq!(head.pagination(), Pagination::default());
            assert_eq!(result::<Vec<u8>>(body.as_bytes()).expect(body), None);
        }
        for (body, marked) in
            [("{}", false), (r#"{"status":"ok"}"#, false), (r#"{"meta":{}}"#, true)]
        {
            assert_eq!(Head::parse(body.as_bytes()).expect(body).is_marked(), marked, "{body}");
        }
        assert!(Head::parse(br#"{"result":null}"#).expect("an object").is_marked());
        assert!(Head::parse(b"404 page not found").is_none());
        assert!(Head::parse(b"[]x").is_none());
    }

    #[test]
    fn messages_and_pagination() {
        let body = json!({
            "meta": {"pagination": {"limit": 2, "offset": 4, "total_count": 9}, "later": 1},
            "errors": [{"httpcode": 400, "message": "a"}, {"httpcode": 400}],
        });
        let head = Head::parse(body.to_string().as_bytes()).expect("an envelope");
        assert_eq!(head.messages(), ["a", ""]);
        assert!(head.fails_with(400) && !head.fails_with(503));
        let expected = Pagination { limit: Some(2), offset: Some(4), total_count: Some(9) };
        assert_eq!(head.pagination(), expected);
    }

    #[test]
    fn a_receipt() {
        let position = Position { epoch: 1, group: GroupId(2), index: LogIndex(300), term: None };
        let body = json!({"meta": {"consistency": {
            "required": "all_regions", "achieved": false, "outcome": "committed",
            "write_id": WRITE, "position": position.to_string(), "elapsed_ms": 1200.5,
            "regions": [
                {"region": "asia-japan", "state": "pending"},
                {"region": "us-iowa", "state": "applied", "applied_ms": 1.2},
            ],
        }}});
        let head = Head::parse(body.to_string().as_bytes()).expect("an envelope");
        let receipt = head.receipt().expect("a receipt");
        assert_eq!(receipt.required, RequiredConsistency::AllRegions);
        assert_eq!((receipt.achieved, receipt.outcome), (false, Outcome::Committed));
        assert_eq!(receipt.write_id.to_string(), WRITE);
        assert_eq!(receipt.position, Some(position));
        assert_eq!(receipt.elapsed, Duration::from_micros(1_200_500));
        let regions: Vec<_> =
            receipt.regions.iter().map(|r| (r.applied, r.applied_after)).collect();
        assert_eq!(regions, [(false, None), (true, Some(Duration::from_micros(1200)))]);
    }

    #[test]
    fn what_is_not_understood_promises_nothing() {
        let text = |outcome: &str, state: &str, elapsed_ms: f64| ReceiptText {
            required: "local_region".into(),
            outcome: outcome.into(),
            write_id: WRITE.into(),
            elapsed_ms: Some(elapsed_ms),
            regions: vec![RegionText { region: "a".into(), state: state.into(), applied_ms: None }],
            ..ReceiptText::default()
        };
        let lost = text("lost", "pending", 0.0).parse().expect("a receipt");
        assert_eq!(lost.outcome, Outcome::Lost);
        let refused = text("refused", "applied", 0.0).parse().expect("a receipt");
        assert_eq!(refused.outcome, Outcome::Refused);
        let receipt = text("mislaid", "half", -1.0).parse().expect("a receipt");
        assert_eq!(receipt.outcome, Outcome::Unknown);
        assert!(!receipt.regions[0].applied && !receipt.achieved);
        assert_eq!(receipt.elapsed, Duration::ZERO);
        assert!(text("committed", "applied", f64::INFINITY).parse().is_some());
        assert!(ReceiptText::default().parse().is_none());
    }

    proptest! {
        #[test]
        fn never_panics(body in proptest::collection::vec(any::<u8>(), 0..200)) {
            let _ = Head::parse(&body);
        }
    }
}
