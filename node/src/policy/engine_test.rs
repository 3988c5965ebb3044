//! The default set is the rights; what sets of operators and organizations add; what a checked text may be.

use std::net::IpAddr;

use concordat_proto::{
    id::{KeyId, OrgId},
    org::Rights,
    region::Region,
    time::LogTime,
};
use proptest::prelude::*;

use super::{
    cache::{PolicyCache, Revisions},
    check::{Place, check},
    compiled::{Compiled, Verdict},
    question::{Asker, Circumstances, Question, Target},
    reads::Reads,
    schema,
};
use crate::api::operation::{Caller, Operation, TABLE};

const ORG: OrgId = OrgId::from_bytes([2; 16]);
const REVISIONS: Revisions = Revisions { cluster: 1, organization: None };
const KEY: KeyId = KeyId::from_bytes([1; 16]);

fn key(rights: Rights) -> Asker {
    Asker::Key { key: KEY, org: ORG, rights: rights.0 }
}

fn circumstances(source: &str, time: u64) -> Circumstances {
    Circumstances {
        region: Region::new("us").unwrap(),
        required: concordat_proto::consistency::RequiredConsistency::LocalRegion,
        source: source.parse::<IpAddr>().unwrap(),
        time: LogTime(time),
    }
}

/// What an operation is about, at least.
fn target(operation: Operation) -> Target {
    if matches!(
        operation,
        Operation::OrgGet | Operation::OrgPatch | Operation::OrgMove | Operation::OrgDelete
    ) {
        return Target::Organization(ORG);
    }
    match operation.spec().caller {
        Caller::Organization(_) | Caller::Either => Target::Organization(ORG),
        Caller::Operator => Target::Cluster,
    }
}

fn question(asker: Asker, operation: Operation) -> Question {
    let circumstances = circumstances("192.0.2.1", 1_700_000_000_123);
    Question { asker, operation, target: target(operation), circumstances }
}

fn credential(operation: Operation, name: &str) -> Question {
    let target = Target::Credential { org: ORG, kind: "oidc", name: name.to_owned() };
    Question { target, ..question(key(Rights::ALL), operation) }
}

fn with(cluster: &str, organization: &str) -> Compiled {
    Compiled::new(cluster, Some(organization)).unwrap()
}

fn ids(verdict: &Verdict) -> Vec<&str> {
    verdict.determining.iter().map(|policy| policy.id.as_str()).collect()
}

#[test]
fn the_schema_has_every_operation_under_its_right() {
    let named: Vec<String> = TABLE
        .iter()
        .map(|row| {
            let right = match row.caller {
                Caller::Organization(Rights::READ) => "read",
                Caller::Organization(Rights::WRITE) => "write",
                Caller::Organization(Rights::SECRETS_READ) => "secrets:read",
                Caller::Organization(Rights::ADMIN) => "admin",
                Caller::Organization(Rights::NONE) => "own_key",
                Caller::Organization(_) => "another right",
                Caller::Operator => "operate",
                Caller::Either => "receipts",
            };
            let group = format!("Action::\"{right}\"").parse().unwrap();
            let with_groups = &schema::ACTIONS[row.name];
            let is_in = with_groups.iter().any(|it| it.uid() == group);
            assert!(is_in, "{} {right}", row.name);
            row.name.to_owned()
        })
        .collect();
    assert_eq!(schema::ACTIONS.len(), named.len() + 8, "the groups beside the operations");
    assert_eq!(check(schema::DEFAULT, Place::Cluster), Ok(()));
}

#[test]
fn the_default_set_is_the_rights() {
    let default = with("", "");
    assert_eq!(default.reads(), Reads::Steady);
    for row in TABLE {
        for rights in 0..=Rights::ALL.0 {
            let rights = Rights(rights);
            let by_rights = match row.caller {
                Caller::Organization(needed) => rights.contain(needed),
                Caller::Operator => false,
                Caller::Either => rights != Rights::NONE,
            };
            let verdict = default.verdict(&question(key(rights), row.operation));
            assert_eq!(verdict.is_allowed, by_rights, "{} {rights:?} {verdict:?}", row.name);
        }
        let by_kind = matches!(row.caller, Caller::Operator | Caller::Either);
        let verdict = default.verdict(&question(Asker::Operator(KEY), row.operation));
        assert_eq!(verdict.is_allowed, by_kind, "{} by an operator {verdict:?}", row.name);
    }
}

#[test]
fn a_key_is_for_its_own_organization() {
    let other = Target::Organization(OrgId::from_bytes([9; 16]));
    let asked = Question { target: other, ..question(key(Rights::ALL), Operation::OidcList) };
    assert!(!with("", "").verdict(&asked).is_allowed);
}

#[test]
fn forbid_wins_and_its_notice_is_heard() {
    let cluster = r#"@id("freeze") @notice("writes are frozen until Monday")
        forbid (principal, action in Action::"write", resource);"#;
    let set = with(cluster, "");
    let denied = set.verdict(&question(key(Rights::ALL), Operation::OidcCreate));
    assert!(!denied.is_allowed);
    assert_eq!(denied.notices(), ["writes are frozen until Monday"]);
    assert_eq!(ids(&denied), ["freeze"]);
    let allowed = set.verdict(&question(key(Rights::ALL), Operation::OidcList));
    assert!(allowed.is_allowed && allowed.notices().is_empty());
    assert_eq!(ids(&allowed), ["key-reads"]);
    let lacking = set.verdict(&question(key(Rights::WRITE), Operation::OidcList));
    assert_eq!((lacking.is_allowed, lacking.determining), (false, Vec::new()));
}

#[test]
fn a_permit_of_the_cluster_widens_and_speaks_on_success() {
    let cluster = r#"@notice("emergency access is logged")
        permit (principal is Key, action == Action::"secret_get", resource) when { principal.rights.admin };"#;
    let asked = question(key(Rights::ADMIN), Operation::SecretGet);
    assert!(!with("", "").verdict(&asked).is_allowed);
    let allowed = with(cluster, "").verdict(&asked);
    assert!(allowed.is_allowed);
    assert_eq!(allowed.notices(), ["emergency access is logged"]);
    let forbidden =
        with(cluster, "forbid (principal, action == Action::\"secret_get\", resource);");
    assert!(!forbidden.verdict(&asked).is_allowed, "the organization forbids it");
}

#[test]
fn an_error_denies() {
    // An overflow is found only when it is computed.
    let cluster = r#"forbid (principal, action, resource)
        when { context.time.toTime().toMilliseconds() * 9223372036854775807 > 0 };"#;
    assert_eq!(check(cluster, Place::Cluster), Ok(()));
    let verdict = with(cluster, "").verdict(&question(key(Rights::ALL), Operation::OidcList));
    assert!(!verdict.is_allowed);
    assert_eq!((verdict.determining.len(), verdict.errors.len()), (0, 1), "{verdict:?}");
    assert!(verdict.errors[0].starts_with("cluster policy policy0: "), "{:?}", verdict.errors);
}

#[test]
fn circumstances_are_read() {
    let cluster = r#"forbid (principal is Key, action, resource) unless
        { context.source_address.isInRange(ip("192.0.2.0/24")) };
        forbid (principal, action, resource) when { context.time > datetime("2030-01-01") };
        forbid (principal, action in Action::"write", resource) when { context.required_consistency != "all_regions" };
        forbid (principal, action, resource == Credential::"locked");"#;
    assert_eq!(check(cluster, Place::Cluster), Ok(()));
    let set = with(cluster, "");
    assert_eq!(set.reads(), Reads::All);
    let asked = question(key(Rights::ALL), Operation::OidcList);
    let at = |source: &str, time| {
        let circumstances = circumstances(source, time);
        set.verdict(&Question { circumstances, ..asked.clone() }).is_allowed
    };
    assert!(at("192.0.2.77", 0) && at("::ffff:192.0.2.77", 1));
    assert!(!at("198.51.100.1", 0) && !at("::1", 0));
    assert!(!at("192.0.2.77", 1_900_000_000_000));
    assert!(!set.verdict(&question(key(Rights::ALL), Operation::OidcCreate)).is_allowed);
    assert!(set.verdict(&credential(Operation::OidcGet, "open")).is_allowed);
    assert!(!set.verdict(&credential(Operation::OidcGet, "locked")).is_allowed);
}

#[test]
fn what_an_answer_depends_on_is_seen() {
    let steady = [
        "forbid (principal, action, resource) when { context.region == \"us\" };",
        "forbid (principal, action, resource) unless { context.required_consistency == \"all_regions\" };",
        "@notice(\"context\") forbid (principal, action, resource) when { resource in Organization::\"time\" };",
    ];
    for text in steady {
        assert_eq!(with(text, "").reads(), Reads::Steady, "{text}");
    }
    let others = [
        "forbid (principal, action, resource) when { context.time < datetime(\"2030-01-01\") };",
        "forbid (principal, action, resource) when { {c: context}.c.source_address.isLoopback() };",
        "forbid (principal, action, resource) when { (if true then context else context).region == \"us\" };",
    ];
    for text in others {
        assert_eq!(with(text, "").reads(), Reads::All, "{text}");
        assert_eq!(with("", text).reads(), Reads::All, "{text}");
    }
    let of_source = [
        "forbid (principal, action, resource) when { context[\"source_address\"].isLoopback() };",
        "forbid (principal, action, resource) unless { context has source_address };",
    ];
    for text in of_source {
        assert_eq!(with(text, "").reads(), Reads::Source, "{text}");
        assert_eq!(with(others[0], text).reads(), Reads::All, "{text}");
    }
}

#[test]
fn a_decision_by_the_source_holds_for_that_source_only() {
    let text = "forbid (principal, action, resource) when { context.source_address.isLoopback() };";
    let (set, cache) = (with(text, ""), PolicyCache::default());
    let asked = question(key(Rights::ALL), Operation::OidcList);
    let at = |source: &str, time| {
        let circumstances = circumstances(source, time);
        let asked = Question { circumstances, ..asked.clone() };
        cache.verdict(REVISIONS, &set, &asked).is_allowed
    };
    assert!(at("192.0.2.77", 0) && at("192.0.2.77", 1) && at("198.51.100.1", 2));
    assert!(!at("127.0.0.1", 3) && !at("127.0.0.1", 4));
    assert_eq!(cache.evaluations(), 3);
}

/// So that a question need not be compared with the schema each time.
#[test]
fn all_questions_fit_the_schema() {
    for row in &TABLE {
        let askers = match row.caller {
            Caller::Organization(_) if schema::is_open_to_operators(row.operation) => {
                vec![key(Rights::ALL), Asker::Operator(KEY)]
            }
            Caller::Organization(_) => vec![key(Rights::ALL)],
            Caller::Operator => vec![Asker::Operator(KEY)],
            Caller::Either => vec![key(Rights::ALL), Asker::Operator(KEY)],
        };
        for asker in askers {
            let asked = question(asker, row.operation);
            let posed = asked.posed_with(Some(&schema::PARSED));
            assert!(posed.is_ok(), "{}: {:?}", row.name, posed.err());
        }
    }
}

fn problem(text: &str, place: Place) -> String {
    let problems = check(text, place).unwrap_err();
    problems.iter().map(ToString::to_string).collect::<Vec<_>>().join("; ")
}

#[test]
fn a_wrong_text_is_refused_with_its_place() {
    let starts = |text: &str, place, start: &str| {
        let problem = problem(text, place);
        assert!(problem.starts_with(start), "{text}: {problem}");
    };
    starts("permit (principal, action, resource)", Place::Cluster, "line 1, column 37: ");
    starts("\n  forbid (principal, action, thing);", Place::Cluster, "line 2, column 30: ");
    starts(
        "forbid (principal, action == Action::\"oidc_gett\", resource);",
        Place::Cluster,
        "line 1, column ",
    );
    starts(
        "forbid (principal, action, resource)\nwhen { context.colour == 1 };",
        Place::Cluster,
        "line 2, column ",
    );
    let permit = "forbid (principal, action, resource);\npermit (principal, action, resource);";
    starts(
        permit,
        Place::Organization,
        "line 2, column 1: an organization's own set may only forbid",
    );
    assert_eq!(check(permit, Place::Cluster), Ok(()));
    starts("forbid (principal == ?principal, action, resource);", Place::Cluster, "templates");
    let long = "n".repeat(257);
    let text = format!("@notice(\"{long}\") forbid (principal, action, resource);");
    starts(&text, Place::Cluster, "line 1, column 1: @notice takes at most 256 characters");
    let twice = "@id(\"a\") forbid (principal, action, resource);\n@id(\"a\") permit (principal, action, resource);";
    starts(twice, Place::Cluster, "line 2, column 1: two policies have the id a");
    let many = |count| "forbid (principal, action, resource);".repeat(count);
    starts(&many(257), Place::Cluster, "a set may have at most 256 policies");
    starts(&many(65), Place::Organization, "a set may have at most 64 policies");
    starts(&"/".repeat(65537), Place::Cluster, "a set may have at most 65536 bytes");
    assert_eq!(check("", Place::Cluster), Ok(()));
}

#[test]
fn an_operators_permit_never_fits_a_keys_operation() {
    // The schema lets it be said; no operator can ask.
    let text = "permit (principal is Operator, action == Action::\"secret_get\", resource);";
    let asked = question(Asker::Operator(KEY), Operation::SecretGet);
    assert!(!with(text, "").verdict(&asked).is_allowed);
}

#[test]
fn an_operator_acts_for_organizations_where_a_policy_permits_it() {
    let text = "permit (principal is Operator, action in [Action::\"read\", Action::\"write\"], resource);";
    let by_operator = |operation| question(Asker::Operator(KEY), operation);
    for row in TABLE {
        let operation = row.operation;
        let is_open = schema::is_open_to_operators(operation);
        let may_anyway = with("", "").verdict(&by_operator(operation)).is_allowed;
        let verdict = with(text, "").verdict(&by_operator(operation));
        assert_eq!(verdict.is_allowed, may_anyway || is_open, "{}", row.name);
        // What an organization forbids its own set forbids operators, too.
        let own = "forbid (principal, action in Action::\"write\", resource);";
        let is_write = matches!(row.caller, Caller::Organization(Rights::WRITE));
        let verdict = with(text, own).verdict(&by_operator(operation));
        assert_eq!(verdict.is_allowed, may_anyway || (is_open && !is_write), "{}", row.name);
    }
}

#[test]
fn one_reason_is_named_for_each_place() {
    let text = "forbid (principal, action, resource)\nwhen { context.colour == 1 };";
    assert_eq!(problem(text, Place::Cluster).matches("line ").count(), 1);
}

proptest! {
    #[test]
    fn no_text_breaks_the_check(text in "\\PC{0,200}") {
        let _ = check(&text, Place::Organization);
    }

    #[test]
    fn an_organizations_set_only_takes_away(rights in 0_u8..16, place in 0..TABLE.len(), forbidden in 0..TABLE.len()) {
        let (asked, forbidden) = (TABLE[place], TABLE[forbidden]);
        let text = format!("forbid (principal, action == Action::\"{}\", resource);", forbidden.name);
        let question = question(key(Rights(rights)), asked.operation);
        let before = with("", "").verdict(&question).is_allowed;
        let after = with("", &text).verdict(&question).is_allowed;
        prop_assert!(before || !after);
        prop_assert_eq!(after, before && asked.name != forbidden.name);
    }
}
