//! The names of Concordat's own headers, which every dialect has, and the grammar of their values.
//! A dialect's further names are in its folder.
//!
//! Names are in lower case, as HTTP/2 sends them and the `http` crate requires. A dialect decides
//! which header belongs to which request, and how an ill-formed one is answered.

use std::{fmt::Write, str::FromStr, time::Duration};

use crate::{
    base::id::{IdError, WriteId},
    command::Precondition,
    consistency::{Outcome, Position, Receipt, RegionReceipt},
    limits,
};

/// A client's own name for a write.
pub const IDEMPOTENCY_KEY: &str = "idempotency-key";
/// For how many seconds that name is remembered.
pub const IDEMPOTENCY_LIFETIME: &str = "concordat-idempotency-lifetime";
/// The write's own name, on its answer.
pub const WRITE_ID: &str = "concordat-write-id";
/// The write's place, on its answer.
pub const POSITION: &str = "concordat-position";
/// The receipt of an answer without a body.
pub const CONSISTENCY: &str = "concordat-consistency";
/// A read is answered from this position or a later one.
pub const AT_LEAST: &str = "concordat-at-least";
/// On an answer from replicated state: how fresh it is.
pub const READ: &str = "concordat-read";
/// On a read: which freshness will do.
pub const READ_MODE: &str = "concordat-read-mode";
/// What the policies that determined a decision say to the caller.
pub const POLICY_NOTICES: &str = "concordat-policy-notices";
/// The version of a credential.
pub const ETAG: &str = "etag";
/// Write only if the version is this.
pub const IF_MATCH: &str = "if-match";
/// Answer only if the version is another.
pub const IF_NONE_MATCH: &str = "if-none-match";
/// Seconds until another attempt makes sense.
pub const RETRY_AFTER: &str = "retry-after";
/// The methods that a route knows.
pub const ALLOW: &str = "allow";
/// How a body is compressed.
pub const CONTENT_ENCODING: &str = "content-encoding";
/// Which content codings are taken.
pub const ACCEPT_ENCODING: &str = "accept-encoding";
/// Whether an answer may be kept.
pub const CACHE_CONTROL: &str = "cache-control";
/// What of a request an answer depends on.
pub const VARY: &str = "vary";

/// [`READ`]: provably current.
pub const READ_CURRENT: &str = "current";
/// [`READ_MODE`]: current or nothing.
pub const READ_MODE_CURRENT: &str = "current";

/// [`READ`]: not current, and of no time: nothing is there.
pub const READ_STALE: &str = "stale";

/// [`READ`]: perhaps not current; `as_of` is a time of RFC 3339.
#[must_use]
pub fn read_stale(as_of: &str) -> String {
    format!("stale; as-of={as_of}")
}

/// Whether a text can be an idempotency key: 1..=255 printable ASCII characters.
#[must_use]
pub fn is_idempotency_key(text: &str) -> bool {
    (1..=limits::IDEMPOTENCY_KEY_CHARS_MAX).contains(&text.len())
        && text.bytes().all(|b| (b' '..=b'~').contains(&b))
}

/// The prefix of the cluster's own names among an organization's idempotency keys. 64 hex digits
/// follow.
pub const OPERATORS_KEY_PREFIX: &str = "operator ";

/// Whether an idempotency key has the form of the cluster's own: an operator's write about an
/// organization is remembered beside the organization's own keys, under a hash of the operator's
/// key.
#[must_use]
pub fn is_operators_key(text: &str) -> bool {
    text.strip_prefix(OPERATORS_KEY_PREFIX)
        .is_some_and(|hash| hash.len() == 64 && hash.bytes().all(|byte| byte.is_ascii_hexdigit()))
}

/// The seconds of [`IDEMPOTENCY_LIFETIME`]: decimal digits only, 60..=86400.
///
/// # Errors
/// For anything else.
pub fn parse_idempotency_lifetime(text: &str) -> Result<Duration, IdError> {
    let lifetime = parse_seconds(text).ok_or(IdError { kind: "idempotency lifetime" })?;
    if (limits::IDEMPOTENCY_LIFETIME_MIN..=limits::IDEMPOTENCY_LIFETIME_MAX).contains(&lifetime) {
        Ok(lifetime)
    } else {
        Err(IdError { kind: "idempotency lifetime" })
    }
}

/// Whole seconds in decimal digits, at most nine of them.
#[must_use]
pub fn parse_seconds(text: &str) -> Option<Duration> {
    let digits = (1..=9).contains(&text.len()) && text.bytes().all(|b| b.is_ascii_digit());
    let seconds = if digits { text.parse().ok() } else { None };
    seconds.map(Duration::from_secs)
}

/// The entity tag of a version.
#[must_use]
pub fn etag(version: WriteId) -> String {
    format!("\"{version}\"")
}

/// The value of [`IF_MATCH`]: compared strongly, so that a weak tag matches nothing. A tag that is
/// no version of ours matches nothing either, and is well-formed all the same.
///
/// # Errors
/// When it is neither `*` nor a list of entity tags.
pub fn parse_if_match(text: &str) -> Result<Precondition, IdError> {
    parse_precondition(text, "If-Match", |tag| !tag.weak)
}

/// The value of [`IF_NONE_MATCH`]: compared weakly.
///
/// # Errors
/// When it is neither `*` nor a list of entity tags.
pub fn parse_if_none_match(text: &str) -> Result<Precondition, IdError> {
    parse_precondition(text, "If-None-Match", |_| true)
}

struct EntityTag<'a> {
    weak: bool,
    opaque: &'a str,
}

fn parse_precondition(
    text: &str,
    kind: &'static str,
    counts: impl Fn(&EntityTag<'_>) -> bool,
) -> Result<Precondition, IdError> {
    if text.trim_matches([' ', '\t']) == "*" {
        return Ok(Precondition::Exists);
    }
    let tags = entity_tags(text).ok_or(IdError { kind })?;
    let versions = tags.iter().filter(|tag| counts(tag)).filter_map(|tag| {
        let version = WriteId::from_str(tag.opaque).ok()?;
        // Tags are compared as text: one version, one spelling.
        (version.to_string() == tag.opaque).then_some(version)
    });
    Ok(Precondition::AnyOf(versions.collect()))
}

/// `#entity-tag` of RFC 9110: at least one, at most [`limits::ETAGS_MAX`]; empty elements are
/// passed over. An opaque tag may hold commas.
fn entity_tags(text: &str) -> Option<Vec<EntityTag<'_>>> {
    let mut tags = Vec::new();
    let mut rest = text;
    loop {
        rest = rest.trim_start_matches([' ', '\t']);
        if !rest.is_empty() && !rest.starts_with(',') {
            let (weak, quoted) = match rest.strip_prefix("W/") {
                Some(quoted) => (true, quoted),
                None => (false, rest),
            };
            let (opaque, after) = quoted.strip_prefix('"')?.split_once('"')?;
            if opaque.bytes().any(|b| b <= b' ' || b == 0x7f) || tags.len() == limits::ETAGS_MAX {
                return None;
            }
            tags.push(EntityTag { weak, opaque });
            rest = after.trim_start_matches([' ', '\t']);
        }
        match rest.strip_prefix(',') {
            Some(after) => rest = after,
            None => break,
        }
    }
    (rest.is_empty() && !tags.is_empty()).then_some(tags)
}

/// Milliseconds with at most one decimal place, rounded down: never more than has passed.
#[must_use]
pub fn milliseconds(span: Duration) -> String {
    let tenths = span.as_micros() / 100;
    match tenths % 10 {
        0 => format!("{}", tenths / 10),
        tenth => format!("{}.{tenth}", tenths / 10),
    }
}

/// The value of [`CONSISTENCY`]: a receipt in one line.
#[must_use]
pub fn consistency_line(receipt: &Receipt) -> String {
    let mut line = format!(
        "required={}; achieved={}; outcome={}; regions=\"",
        receipt.required,
        receipt.achieved,
        receipt.outcome.as_str()
    );
    for (place, region) in receipt.regions.iter().enumerate() {
        let comma = if place == 0 { "" } else { ", " };
        let state = if region.applied { "applied" } else { "pending" };
        let after = region.applied_after.filter(|_| region.applied).map(milliseconds);
        let after = after.map(|after| format!(":{after}")).unwrap_or_default();
        write!(line, "{comma}{}:{state}{after}", region.region).expect("a String takes all");
    }
    line.push('"');
    line
}

/// A receipt from its line, for answers without a body. The line does not say how long the write took:
/// `elapsed` is the greatest time that it names for a region.
/// What is promised is taken only from what is understood: an unknown outcome is
/// [`Outcome::Unknown`], an unknown state is not applied. `None` where it is no such line.
#[must_use]
pub fn parse_consistency_line(
    line: &str,
    write_id: WriteId,
    position: Option<Position>,
) -> Option<Receipt> {
    let (members, regions) = line.split_once("regions=\"")?;
    let member = |name: &str| {
        let mut members = members.split(';').filter_map(|member| member.trim().split_once('='));
        members.find(|(found, _)| *found == name).map(|(_, value)| value)
    };
    let regions = regions.strip_suffix('"')?.split(", ").filter(|region| !region.is_empty());
    let regions = regions.map(region_of_line).collect::<Option<Vec<_>>>()?;
    Some(Receipt {
        required: member("required")?.parse().ok()?,
        achieved: member("achieved")? == "true",
        outcome: member("outcome")?.parse().unwrap_or(Outcome::Unknown),
        write_id,
        position,
        elapsed: regions.iter().filter_map(|it| it.applied_after).max().unwrap_or_default(),
        regions,
    })
}

/// `region:applied:1.2`, `region:applied` or `region:pending`.
fn region_of_line(text: &str) -> Option<RegionReceipt> {
    let mut parts = text.split(':');
    let region = parts.next()?.parse().ok()?;
    let applied = parts.next()? == "applied";
    let after = parts.next().and_then(parse_milliseconds).filter(|_| applied);
    Some(RegionReceipt { region, applied, applied_after: after })
}

/// A span as [`milliseconds`] writes it.
fn parse_milliseconds(text: &str) -> Option<Duration> {
    let (whole, tenths) = text.split_once('.').unwrap_or((text, "0"));
    let tenths: u64 = if tenths.len() == 1 { tenths.parse().ok()? } else { return None };
    let tenths = whole.parse::<u64>().ok()?.checked_mul(10)?.checked_add(tenths)?;
    tenths.checked_mul(100).map(Duration::from_micros)
}

/// What determining policies say to the caller, as a header's value: a JSON array of strings, in ASCII.
/// Notices beyond [`limits::POLICY_NOTICES_BYTES_MAX`] are left out. `None` without any.
#[must_use]
pub fn policy_notices(notices: &[String]) -> Option<String> {
    let mut line = String::new();
    for notice in notices {
        let quoted = quoted(notice);
        if line.len() + quoted.len() + 2 > limits::POLICY_NOTICES_BYTES_MAX {
            break;
        }
        line.push(if line.is_empty() { '[' } else { ',' });
        line.push_str(&quoted);
    }
    (!line.is_empty()).then(|| line + "]")
}

/// The notices of such a value; `None` where it is none.
#[must_use]
pub fn parse_policy_notices(line: &str) -> Option<Vec<String>> {
    serde_json::from_str(line).ok()
}

/// A text as a JSON string in ASCII.
fn quoted(text: &str) -> String {
    let json = serde_json::Value::from(text).to_string();
    let mut line = String::with_capacity(json.len());
    for character in json.chars() {
        if character.is_ascii() {
            line.push(character);
        } else {
            for unit in character.encode_utf16(&mut [0; 2]) {
                write!(line, "\\u{unit:04x}").expect("a String takes all");
            }
        }
    }
    line
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::{base::region::Region, consistency::RequiredConsistency};

    #[test]
    fn notices_are_ascii_and_bounded() {
        let notices = ["frozen until \"Monday\"".to_owned(), "gesperrt für 𝄞".to_owned()];
        let line = policy_notices(&notices).expect("two");
        assert!(line.bytes().all(|byte| (b' '..=b'~').contains(&byte)), "{line}");
        assert_eq!(parse_policy_notices(&line).as_deref(), Some(&notices[..]));
        assert_eq!(policy_notices(&[]), None);
        let many = vec!["ü".repeat(limits::POLICY_NOTICE_CHARS_MAX); 9];
        let line = policy_notices(&many).expect("some");
        assert!(line.len() <= limits::POLICY_NOTICES_BYTES_MAX);
        assert_eq!(parse_policy_notices(&line).map(|it| it.len()), Some(2));
    }

    const ONE: &str = "0194d3f0-5b62-7c11-8a2e-1f0b6a3c9d10";
    const TWO: &str = "0194d3f0-5b62-7c11-8a2e-1f0b6a3c9d11";

    fn any_of(versions: &[&str]) -> Result<Precondition, IdError> {
        versions.iter().map(|v| v.parse()).collect::<Result<_, _>>().map(Precondition::AnyOf)
    }

    #[test]
    fn if_match_is_strong() {
        assert_eq!(parse_if_match("*"), Ok(Precondition::Exists));
        assert_eq!(parse_if_match(&format!("\"{ONE}\"")), any_of(&[ONE]));
        assert_eq!(parse_if_match(&format!(" \"{ONE}\" ,, \"{TWO}\"\t")), any_of(&[ONE, TWO]));
        assert_eq!(parse_if_match(&format!("W/\"{ONE}\"")), any_of(&[]));
        assert_eq!(parse_if_match(&format!("W/\"{ONE}\", \"{TWO}\"")), any_of(&[TWO]));
        assert_eq!(parse_if_match("\"other, with a comma\""), Err(IdError { kind: "If-Match" }));
        assert_eq!(parse_if_match("\"other,with-a-comma\""), any_of(&[]));
        assert_eq!(parse_if_match(&format!("\"{}\"", ONE.to_uppercase())), any_of(&[]));
        assert_eq!(parse_if_none_match(&format!("W/\"{ONE}\"")), any_of(&[ONE]));
    }

    #[test]
    fn ill_formed_lists_of_tags() {
        let many = vec!["\"x\""; limits::ETAGS_MAX + 1].join(",");
        for bad in [
            "",
            " ",
            ",",
            ONE,
            "\"",
            "\"x",
            "x\"",
            "* , \"x\"",
            "w/\"x\"",
            "\"x\"\"y\"",
            "\"x\" y",
            &many,
        ] {
            assert!(parse_if_match(bad).is_err(), "{bad:?}");
        }
    }

    #[test]
    fn idempotency_lifetimes() {
        for bad in ["", "59", "86401", "-60", "+60", "60.0", "1h", "99999999999"] {
            assert!(parse_idempotency_lifetime(bad).is_err(), "{bad:?}");
        }
        assert_eq!(parse_idempotency_lifetime("60"), Ok(Duration::from_secs(60)));
        assert_eq!(parse_idempotency_lifetime("86400"), Ok(Duration::from_secs(86_400)));
    }

    #[test]
    fn idempotency_keys() {
        assert!(is_idempotency_key("a key, printable: ~"));
        assert!(is_operators_key(&format!("operator {}", "0aF".repeat(22).split_at(64).0)));
        for own in ["operator ", "operator 1", "an operator", &"a".repeat(73)] {
            assert!(!is_operators_key(own), "{own:?}");
        }
        for bad in ["", "a\tb", "ü", &"x".repeat(256)] {
            assert!(!is_idempotency_key(bad), "{bad:?}");
        }
    }

    #[test]
    fn a_receipt_in_one_line() {
        let region = |name: &str, applied, micros: Option<u64>| RegionReceipt {
            region: Region::new(name).expect("a region"),
            applied,
            applied_after: micros.map(Duration::from_micros),
        };
        let receipt = Receipt {
            required: RequiredConsistency::AllRegions,
            achieved: false,
            outcome: Outcome::Committed,
            write_id: ONE.parse().expect("an id"),
            position: None,
            elapsed: Duration::from_secs(1),
            regions: vec![
                region("asia-japan", false, None),
                region("europe-belgium", true, None),
                region("us-iowa", true, Some(1_299)),
            ],
        };
        assert_eq!(
            consistency_line(&receipt),
            "required=all_regions; achieved=false; outcome=committed; \
             regions=\"asia-japan:pending, europe-belgium:applied, us-iowa:applied:1.2\""
        );
    }

    fn any_region() -> impl Strategy<Value = RegionReceipt> {
        ("[a-z][a-z0-9-]{0,20}", any::<bool>(), proptest::option::of(0_u64..9_000_000)).prop_map(
            |(name, applied, tenths)| RegionReceipt {
                region: Region::new(name).expect("a region"),
                applied,
                applied_after: tenths
                    .filter(|_| applied)
                    .map(|tenths| Duration::from_micros(tenths * 100)),
            },
        )
    }

    proptest! {
        #[test]
        fn a_line_has_the_receipt_but_for_its_duration(
            all: bool,
            achieved: bool,
            outcome in proptest::sample::select(&Outcome::ALL[..]),
            regions in proptest::collection::vec(any_region(), 0..5),
        ) {
            let level = [RequiredConsistency::LocalRegion, RequiredConsistency::AllRegions];
            let receipt = Receipt {
                required: level[usize::from(all)],
                achieved,
                outcome,
                write_id: ONE.parse().expect("a write id"),
                position: None,
                elapsed: regions.iter().filter_map(|it| it.applied_after).max().unwrap_or_default(),
                regions,
            };
            let line = consistency_line(&receipt);
            let parsed = parse_consistency_line(&line, receipt.write_id, None);
            prop_assert_eq!(parsed, Some(receipt));
        }

        #[test]
        fn grammars_never_panic(text in "[*W/\", \\t0-9a-f-]{0,60}|\\PC{0,30}") {
            let _ = parse_if_match(&text);
            let _ = parse_idempotency_lifetime(&text);
            let _ = is_idempotency_key(&text);
            let _ = parse_consistency_line(&text, ONE.parse().expect("a write id"), None);
        }
    }
}
