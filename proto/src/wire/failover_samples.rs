//! Fixed values of failovers and of settings, as in `samples.rs`: they may be added to; one that has been released is
//! never changed.

use super::samples::{Samples, client_id, org, proposal, region, write_id};
use crate::{
    command::{Command, Proposal},
    failover::{ClosedGroup, DivergedWrite, FailoverBasis, Succession},
    id::{GroupId, NodeId},
    log::{LogId, LogIndex, Term},
    org::{Isolation, OrgSettings, StaleSecrets, WhenIsolated},
    record::{InheritedNames, InheritedTerms},
    time::LogTime,
};

pub(super) fn isolation() -> Isolation {
    Isolation { when: WhenIsolated::Fence, generation: 300 }
}

pub(super) fn isolations() -> Samples<Isolation> {
    vec![("serve", Isolation::default()), ("fence", isolation())]
}

pub(super) fn last() -> LogId {
    LogId { term: Term(3), index: LogIndex(70_000) }
}

pub(super) fn closed_groups() -> Samples<ClosedGroup> {
    let (group, founder, last, certain) = (GroupId(4), NodeId(300), last(), LogIndex(69_999));
    let closed = ClosedGroup {
        group: GroupId(1),
        region: region("us-iowa"),
        lost: region("us-iowa"),
        to: region("europe-belgium"),
        basis: FailoverBasis::Fenced,
        absent: vec![NodeId(9)],
        succession: None,
    };
    let succession = Some(Succession { group, founder, last, certain });
    let basis = FailoverBasis::Isolation { generation: 300 };
    vec![("closed", closed.clone()), ("succeeded", ClosedGroup { basis, succession, ..closed })]
}

pub(super) fn inherited_names() -> Samples<InheritedNames> {
    let log_time = LogTime(1_764_000_000_123);
    let names = vec![1, InheritedNames::name(write_id(0x01)), u64::MAX];
    vec![
        ("none", InheritedNames { log_time, names: Vec::new() }),
        ("some", InheritedNames { log_time, names }),
    ]
}

pub(super) fn inherited_terms() -> Samples<InheritedTerms> {
    let (committed, unknown) = (LogIndex(60_000), LogIndex(65_000));
    let earlier = LogId { term: Term(2), index: LogIndex(69_990) };
    let none = InheritedTerms { committed, unknown: committed, runs: Vec::new() };
    vec![
        ("none", none),
        ("some", InheritedTerms { committed, unknown, runs: vec![earlier, last()] }),
    ]
}

pub(super) fn settings() -> OrgSettings {
    OrgSettings { stale_secrets: StaleSecrets::Refuse }
}

pub(super) fn org_settings() -> Samples<OrgSettings> {
    vec![("default", OrgSettings::default()), ("refuse", settings())]
}

/// The steps of a failover, and what organisations set.
pub(super) fn proposals() -> Samples<Proposal> {
    let (lost, to) = (region("us-iowa"), region("europe-belgium"));
    let basis = FailoverBasis::Isolation { generation: 300 };
    let close = Command::CloseGroup {
        region: lost.clone(),
        to: to.clone(),
        basis,
        absent: vec![NodeId(9)],
    };
    let found = Command::FoundSuccessor {
        closed: GroupId(1),
        founder: NodeId(300),
        last: last(),
        certain: LogIndex(69_999),
    };
    let commands = vec![
        ("set_isolation", Command::SetIsolation(WhenIsolated::Fence)),
        ("note_isolation", Command::NoteIsolation(isolation())),
        ("set_seat", Command::SetSeat { region: lost, seat: to }),
        ("close_group", close),
        ("found_successor", found),
        ("set_org_settings", Command::SetOrgSettings { org: org().id, settings: settings() }),
        (
            "raise_feature_level",
            Command::RaiseFeatureLevel { level: 2, known_by: vec![NodeId(9), NodeId(300)] },
        ),
        ("note_feature_level", Command::NoteFeatureLevel(2)),
        ("note_lost", Command::NoteLost { org: org().id, closed: GroupId(1) }),
    ];
    commands.into_iter().map(|(name, command)| (name, proposal(command))).collect()
}

pub(super) fn diverged() -> DivergedWrite {
    DivergedWrite {
        log_id: last(),
        write_id: write_id(0x01),
        at: LogTime(1_764_000_000_123),
        org: Some(org().id),
        operation: "oidc.patch".to_owned(),
        client_id: Some(client_id("123-abc.apps.googleusercontent.com")),
        committed: true,
    }
}
