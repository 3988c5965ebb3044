//! Fixed values of failovers and of settings, as in `samples/mod.rs`: samples may be added; one
//! that has been released is never changed.

use super::{Samples, client_id, org, proposal, region, write_id};
use crate::{
    base::{
        id::{GroupId, NodeId},
        log::{LogId, LogIndex, Term},
        time::LogTime,
    },
    command::{Command, Proposal},
    records::{
        failover::{ClosedGroup, DivergedWrite, FailoverBasis, Succession},
        org::{OrgSettings, PartitionPolicy, PartitionPolicyRecord, StaleSecrets},
        record::{InheritedNames, InheritedTerms},
    },
};

pub(in crate::wire) fn partition_policy() -> PartitionPolicyRecord {
    PartitionPolicyRecord { when: PartitionPolicy::Fence, generation: 300 }
}

pub(in crate::wire) fn isolations() -> Samples<PartitionPolicyRecord> {
    vec![("serve", PartitionPolicyRecord::default()), ("fence", partition_policy())]
}

pub(in crate::wire) fn last() -> LogId {
    LogId { term: Term(3), index: LogIndex(70_000) }
}

pub(in crate::wire) fn closed_groups() -> Samples<ClosedGroup> {
    let (group, founder, last, safe_index) = (GroupId(4), NodeId(300), last(), LogIndex(69_999));
    let closed = ClosedGroup {
        group: GroupId(1),
        region: region("us-iowa"),
        lost: region("us-iowa"),
        to: region("europe-belgium"),
        basis: FailoverBasis::Fenced,
        absent: vec![NodeId(9)],
        succession: None,
    };
    let succession = Some(Succession { group, founder, last, safe_index });
    let basis = FailoverBasis::SelfFencing { generation: 300 };
    vec![("closed", closed.clone()), ("succeeded", ClosedGroup { basis, succession, ..closed })]
}

pub(in crate::wire) fn inherited_names() -> Samples<InheritedNames> {
    let log_time = LogTime(1_764_000_000_123);
    let names = vec![1, InheritedNames::name(write_id(0x01)), u64::MAX];
    vec![
        ("none", InheritedNames { log_time, names: Vec::new() }),
        ("some", InheritedNames { log_time, names }),
    ]
}

pub(in crate::wire) fn inherited_terms() -> Samples<InheritedTerms> {
    let (committed, unknown) = (LogIndex(60_000), LogIndex(65_000));
    let earlier = LogId { term: Term(2), index: LogIndex(69_990) };
    let none = InheritedTerms { committed, unknown: committed, runs: Vec::new() };
    vec![
        ("none", none),
        ("some", InheritedTerms { committed, unknown, runs: vec![earlier, last()] }),
    ]
}

pub(in crate::wire) fn settings() -> OrgSettings {
    OrgSettings { stale_secrets: StaleSecrets::Refuse }
}

pub(in crate::wire) fn org_settings() -> Samples<OrgSettings> {
    vec![("default", OrgSettings::default()), ("refuse", settings())]
}

/// The steps of a failover, and what organizations set.
pub(in crate::wire) fn proposals() -> Samples<Proposal> {
    let (lost, to) = (region("us-iowa"), region("europe-belgium"));
    let basis = FailoverBasis::SelfFencing { generation: 300 };
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
        safe_index: LogIndex(69_999),
    };
    let commands = vec![
        ("set_isolation", Command::SetPartitionPolicy(PartitionPolicy::Fence)),
        ("note_isolation", Command::NotePartitionPolicy(partition_policy())),
        ("set_seat", Command::SetVoterRegion { region: lost, voter_region: to }),
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

pub(in crate::wire) fn diverged() -> DivergedWrite {
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
