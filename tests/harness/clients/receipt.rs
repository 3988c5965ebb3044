//! Receipts of writes, as answers have them: in the body, or in the headers of dialects whose bodies have
//! no place for one. What no server may say ends in nothing, never in a guess.

use serde_json::{Value, json};

use super::history::{Outcome, Position, WriteStatus};

/// The receipt in the headers of an answer whose body has no place for one; null without any.
pub(super) fn of_headers(header: impl Fn(&str) -> Option<String>) -> Value {
    let Some(line) = header("concordat-consistency") else { return Value::Null };
    let (members, regions) = line.split_once("regions=\"").unwrap_or((&line, ""));
    let member = |name: &str| {
        let mut all = members.split(';').filter_map(|member| member.trim().split_once('='));
        all.find(|(it, _)| *it == name).map(|(_, value)| value)
    };
    let regions = regions.trim_end_matches('"').split(", ").filter(|region| !region.is_empty());
    let regions = regions.filter_map(|region| {
        let mut parts = region.split(':');
        Some(json!({"region": parts.next()?, "state": parts.next()?}))
    });
    json!({
        "required": member("required"), "achieved": member("achieved") == Some("true"),
        "outcome": member("outcome"), "regions": regions.collect::<Vec<_>>(),
        "write_id": header("concordat-write-id"), "position": header("concordat-position"),
    })
}

/// The outcome in an answer to a write; nothing when no server may give it.
#[must_use]
pub fn judge(status: u16, unmarked: bool, receipt: &Value) -> Option<Outcome> {
    let position = receipt["position"].as_str().and_then(Position::of_token);
    let is_committed = receipt["outcome"] == "committed";
    let is_refused = receipt["outcome"] == "refused";
    let achieved = receipt["achieved"] == true;
    match status {
        200 | 201 | 204 | 408 if is_committed => {
            let is_consistent = achieved == (status != 408);
            is_consistent.then_some(Outcome::Committed {
                achieved,
                version: text(&receipt["write_id"]),
                position: position?,
                applied: applied(receipt),
            })
        }
        408 if receipt["outcome"] == "unknown" && applied(receipt).is_empty() => {
            Some(Outcome::Unknown)
        }
        // A refusal has reached the required consistency, like a success.
        404 | 409 | 412 if is_refused && achieved => {
            Some(Outcome::Refused { achieved, status, position: position? })
        }
        408 if is_refused && !achieved => match refused_as(receipt)? {
            status @ (404 | 409 | 412) => {
                Some(Outcome::Refused { achieved, status, position: position? })
            }
            // It came too late, or the like; a result that had reached one region only may be void.
            _ => Some(Outcome::Unknown),
        },
        // From a replica that is behind and says so.
        401 | 404 if !unmarked => Some(Outcome::Failed),
        429 | 503 => Some(Outcome::Failed),
        500 => Some(Outcome::Unknown),
        _ => None,
    }
}

/// The status in a receipt; nothing when no server may give it.
pub(super) fn write_status(receipt: &Value) -> Option<WriteStatus> {
    let position = receipt["position"].as_str().and_then(Position::of_token);
    match (receipt["outcome"].as_str()?, refused_as(receipt)) {
        ("lost", None) => Some(WriteStatus::Lost),
        ("unknown", None) if position.is_none() => Some(WriteStatus::Nothing),
        ("committed", None) => Some(WriteStatus::Committed {
            version: text(&receipt["write_id"]),
            position: position?,
            applied: applied(receipt),
        }),
        ("refused", Some(status)) => Some(WriteStatus::Refused { status, position: position? }),
        _ => None,
    }
}

/// The refusal in a receipt.
fn refused_as(receipt: &Value) -> Option<u16> {
    u16::try_from(receipt["refused"]["httpcode"].as_u64()?).ok()
}

/// The regions that a receipt lists as applied.
#[must_use]
pub fn applied(receipt: &Value) -> Vec<String> {
    listed(receipt, "applied")
}

pub(super) fn pending(receipt: &Value) -> Vec<String> {
    listed(receipt, "pending")
}

fn listed(receipt: &Value, state: &str) -> Vec<String> {
    let lines = receipt["regions"].as_array().into_iter().flatten();
    lines.filter(|line| line["state"] == state).map(|line| text(&line["region"])).collect()
}

pub(super) fn text(value: &Value) -> String {
    value.as_str().unwrap_or_default().to_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_receipt_is_read_from_headers() {
        let header = |name: &str| {
            let value = match name {
                "concordat-consistency" => {
                    "required=all_regions; achieved=false; outcome=committed; \
                     regions=\"a:pending, b:applied, c:applied:1.2\""
                }
                "concordat-write-id" => "w",
                "concordat-position" => "AQAAAAEAAAACAAAAAAAAAQM",
                _ => return None,
            };
            Some(value.to_owned())
        };
        let receipt = of_headers(header);
        let Some(Outcome::Committed { achieved: false, version, applied, .. }) =
            judge(408, true, &receipt)
        else {
            panic!("{receipt}")
        };
        assert_eq!((version.as_str(), applied), ("w", vec!["b".to_owned(), "c".to_owned()]));
        assert_eq!(of_headers(|_| None), Value::Null);
    }

    #[test]
    fn answers_are_told_apart() {
        let receipt = |outcome, achieved| {
            json!({
                "outcome": outcome, "achieved": achieved, "write_id": "w",
                "position": "AQAAAAEAAAACAAAAAAAAAQM",
                "regions": [{"region": "a", "state": "applied"}, {"region": "b", "state": "pending"}],
            })
        };
        let done = judge(201, true, &receipt("committed", true)).unwrap();
        let Outcome::Committed { achieved: true, position, applied, .. } = done else {
            panic!("{done}")
        };
        assert_eq!((position.index, applied), (259, vec!["a".to_owned()]));
        assert_eq!(judge(408, true, &receipt("committed", true)), None);
        assert_eq!(judge(200, true, &receipt("committed", false)), None);
        assert_eq!(judge(200, true, &receipt("unknown", true)), None);
        assert_eq!(judge(408, true, &receipt("unknown", false)), None, "it names a region");
        assert_eq!(judge(503, false, &Value::Null), Some(Outcome::Failed));
        assert_eq!(judge(401, true, &Value::Null), None, "an unmarked 401 to a key that lives");
        assert_eq!(judge(422, true, &receipt("refused", true)), None);
        let refused = judge(412, true, &receipt("refused", true)).unwrap();
        assert!(matches!(refused, Outcome::Refused { achieved: true, status: 412, .. }));
        assert_eq!(judge(412, true, &receipt("committed", true)), None, "it was not done");
        assert_eq!(judge(412, true, &receipt("refused", false)), None, "it has not traveled");
        let mut late = receipt("refused", false);
        assert_eq!(judge(408, true, &late), None, "it does not say how it was refused");
        late["refused"] = json!({"httpcode": 404});
        let late = judge(408, true, &late).unwrap();
        assert!(matches!(late, Outcome::Refused { achieved: false, status: 404, .. }));
    }
}
