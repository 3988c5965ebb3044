//! The envelope of every answer, `{"errors":…,"meta":…,"result":…}`, as a client reads it: first
//! everything but the result, then the result that the call must have.

use concordat_proto::{
    api::envelope::{Envelope, ErrorItem, Meta, Pagination},
    consistency::Receipt,
};
use serde::de::{DeserializeOwned, IgnoredAny};

/// Everything of an envelope but its result.
#[derive(Debug)]
pub(crate) struct Head(Envelope<IgnoredAny>);

impl Head {
    /// `None` when the bytes are not an envelope: someone else than a node has answered.
    pub(crate) fn parse(body: &[u8]) -> Option<Self> {
        serde_json::from_slice(body).ok().map(Self)
    }

    /// The envelope of an answer without a body, with the receipt of its headers.
    pub(crate) fn of_receipt(receipt: &Receipt) -> Self {
        let meta = Meta { pagination: None, consistency: Some(receipt.into()) };
        Self(Envelope { errors: None, meta: Some(meta), result: None })
    }

    /// Whether it has at least one of an envelope's members. Any JSON object could be parsed as one.
    pub(crate) fn is_marked(&self) -> bool {
        let Envelope { errors, meta, result } = &self.0;
        meta.is_some() || errors.is_some() || result.is_some()
    }

    /// Whether a node reports a failure with this status. Any JSON object looks like an envelope,
    /// but a proxy's has no such error in it.
    pub(crate) fn fails_with(&self, status: u16) -> bool {
        self.errors().any(|error| error.httpcode == status)
    }

    pub(crate) fn messages(&self) -> Vec<String> {
        self.errors().map(|error| error.message.clone()).collect()
    }

    /// `None` where there is none that this client understands.
    pub(crate) fn receipt(&self) -> Option<Receipt> {
        self.0.meta.as_ref()?.consistency.clone().map(Receipt::from)
    }

    pub(crate) fn pagination(&self) -> Pagination {
        self.0.meta.as_ref().and_then(|meta| meta.pagination.clone()).unwrap_or_default()
    }

    fn errors(&self) -> impl Iterator<Item = &ErrorItem> {
        self.0.errors.iter().flatten()
    }
}

/// The `result` of an envelope; `None` where it has none, or null.
pub(crate) fn result<T: DeserializeOwned>(body: &[u8]) -> Result<Option<T>, serde_json::Error> {
    serde_json::from_slice::<Envelope<Option<T>>>(body).map(|body| body.result.flatten())
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use concordat_proto::{
        consistency::{Outcome, Position, RequiredConsistency},
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
        let expected = Pagination { limit: 2, offset: 4, total_count: Some(9), cursor: None };
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

    proptest! {
        #[test]
        fn never_panics(body in proptest::collection::vec(any::<u8>(), 0..200)) {
            let _ = Head::parse(&body);
        }
    }
}
