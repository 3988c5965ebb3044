//! Tests of the rules of suborganizations, and of the ends of organizations.

use std::ops::ControlFlow;

use concordat_proto::{
    command::{Command, Proposal},
    consistency::Position,
    id::GroupId,
    log::{LogIndex, Term},
    movement::{MovedRecord, PreviousHome},
    oidc::Provider,
    org::{ClusterRecord, Org, OrgSettings},
    refusal::Refusal,
    reply::Reply,
    resource::{ResourceBody, ResourceChange, ResourceKind, ResourceName},
    time::LogTime,
};

use super::*;
use crate::{
    machine::{
        export,
        list::Wanted,
        org::suborganization,
        registered, resource,
        testkit::{
            BEGIN, HOME, KEY_LIFE, Replica, api_key, client, credential, form, key_id, keyed, org,
            org_id, proposal, region, write_id,
        },
    },
    store::{Reader, Store},
};

const OTHER: GroupId = GroupId(2);
const SECOND: u64 = 1000;

/// A home group of the level that knows of suborganizations.
fn home() -> Replica {
    let replica = Replica::with_orgs();
    replica.done(210, Command::NoteFeatureLevel(3));
    replica
}

/// An id as nodes draw them for suborganizations.
fn child_id(number: u8) -> OrgId {
    let mut bytes = [number; 16];
    (bytes[6], bytes[8]) = (0x80 | (number & 0x0f), 0x80 | (number & 0x3f));
    OrgId::from_bytes(bytes)
}

fn child(number: u8) -> Org {
    Org { id: child_id(number), home_region: region(7), epoch: 9, ..org(number) }
}

fn create_of(parent: OrgId, number: u8) -> Command {
    Command::CreateSuborganization { parent, child: Box::new(child(number)), admins: Vec::new() }
}

fn create(number: u8) -> Command {
    create_of(org_id(0), number)
}

fn end_of(org: OrgId) -> Command {
    Command::EndOrg { org, by_operator: true }
}

/// By the first key of an organization.
fn by(key: u8, proposal: Proposal) -> Proposal {
    Proposal { authorized_by: Some(key_id(key)), ..proposal }
}

fn end_by_its_key(write: u8) -> Proposal {
    let end = Command::EndOrg { org: org_id(0), by_operator: false };
    by(0, keyed(proposal(write, BEGIN, end), 1, 1, KEY_LIFE))
}

fn add(number: u8) -> Command {
    Command::CreateOidc { org: org_id(0), credential: credential(number, Provider::Google, 1) }
}

fn kinds(replica: &Replica, org: OrgId) -> Vec<Kind> {
    let pairs = replica.store.scan(&keys::org_prefix(HOME, org), None, usize::MAX).unwrap();
    pairs.iter().map(|(key, _)| keys::parse(key).unwrap().kind).collect()
}

fn record(replica: &Replica, org: OrgId) -> HomeRecord {
    query::home(&*replica.store, replica.group, org).unwrap().expect("it is here")
}

fn children(replica: &Replica) -> Vec<(OrgId, OrgId)> {
    suborganization::page(&*replica.store, replica.group, None, usize::MAX).unwrap()
}

#[test]
fn a_suborganization_begins_where_its_parent_is() {
    let replica = home();
    let made = replica.done(1, create(5));
    let begun = Org { home_region: region(0), epoch: 1, ..child(5) };
    assert_eq!(made, Reply::Org(Box::new(begun.clone())));
    assert_eq!(record(&replica, child_id(5)), HomeRecord::begun(begun));
    let profile = registered::profile(&*replica.store, HOME, child_id(5)).unwrap();
    assert_eq!(profile.parent, Some(org_id(0)));
    assert!(!profile.number.is_derived());
    assert_eq!(children(&replica), [(org_id(0), child_id(5))]);
    // Its own first key lets it in, and it may have suborganizations too.
    let own = Command::SetOrgSettings { org: child_id(5), settings: OrgSettings::default() };
    assert_eq!(replica.one(&by(5, proposal(2, BEGIN, own))).outcome, Ok(Reply::Done));
    replica.done(3, create_of(child_id(5), 6));
    assert_eq!(children(&replica).len(), 2);
}

#[test]
fn a_suborganization_has_an_id_that_no_other_organization_has() {
    let replica = home();
    let with_id = |id| Command::CreateSuborganization {
        parent: org_id(0),
        child: Box::new(Org { id, ..child(5) }),
        admins: Vec::new(),
    };
    assert_eq!(replica.refused(1, with_id(org_id(9))), Refusal::OrgExists, "not of that kind");
    assert_eq!(replica.refused(2, with_id(keys::NO_ORG)), Refusal::OrgExists);
    replica.done(3, create(5));
    assert_eq!(replica.refused(4, create(5)), Refusal::OrgExists);
    assert_eq!(replica.refused(5, create_of(org_id(1), 5)), Refusal::OrgExists);
    assert_eq!(replica.refused(6, create_of(org_id(2), 6)), Refusal::OrgNotFound);
    replica.done(7, end_of(child_id(5)));
    assert_eq!(replica.refused(8, create(5)), Refusal::OrgExists, "an id is used once");

    let system = Replica::formed();
    let claim = Command::ClaimOrg(Org { home_region: region(0), ..child(5) });
    assert!(matches!(system.done(1, claim.clone()), Reply::Org(_)), "nobody knows of the kind");
    let newer = Replica::new(GroupId::SYSTEM);
    let Command::Form { cluster, operator_key } = form() else { panic!("it forms") };
    let cluster = ClusterRecord { feature_level: 3, ..cluster };
    newer.done(1, Command::Form { cluster, operator_key });
    newer.done(2, Command::RegisterNode(crate::machine::testkit::node(0, 0, 0)));
    assert_eq!(newer.refused(3, claim), Refusal::OrgExists);
}

#[test]
fn an_organization_has_a_limited_number_of_suborganizations() {
    let replica = home();
    let key = keys::resource_count(HOME, org_id(0), ResourceKind::Suborganization);
    let full = concordat_proto::wire::Wire::encode(&limits::RESOURCES_MAX);
    let changes = vec![(key, Some(full))];
    let batch = crate::store::WriteBatch { cleared_prefixes: Vec::new(), changes };
    replica.store.write(batch).unwrap();
    let kind = ResourceKind::Suborganization;
    assert_eq!(replica.refused(1, create(5)), Refusal::ResourcesFull { kind });
    assert_eq!(query::home(&*replica.store, HOME, child_id(5)).unwrap(), None);
}

#[test]
fn an_organization_with_suborganizations_does_not_end() {
    let replica = home();
    replica.done(1, create(5));
    assert_eq!(replica.refused(2, end_of(org_id(0))), Refusal::HasSuborganizations);
    replica.done(3, add(0));
    replica.done(4, end_of(child_id(5)));
    assert_eq!(children(&replica), []);
    let kind = ResourceKind::Suborganization;
    let left = resource::list(&*replica.store, HOME, org_id(0), kind, Wanted::FIRST).unwrap();
    assert_eq!((left.items.len(), left.total_count), (0, 0));
    assert_eq!(replica.done(5, end_of(org_id(0))), Reply::Done);
}

#[test]
fn nothing_is_left_of_an_organization_that_has_ended_but_that_it_was_there() {
    let replica = home();
    replica.done(1, add(0));
    let attribute = ResourceBody::Attribute("1".into());
    let put = ResourceChange::Put(ResourceName::new("tier").unwrap(), attribute);
    let put = Command::ChangeResource { org: org_id(0), change: Box::new(put), precondition: None };
    replica.done(2, put);
    let settings = Command::SetOrgSettings { org: org_id(0), settings: OrgSettings::default() };
    replica.one(&keyed(proposal(3, BEGIN, settings), 9, 9, KEY_LIFE)).outcome.expect("a yes");
    let before = record(&replica, org_id(1));
    replica.done(4, end_of(org_id(0)));
    let mut left = kinds(&replica, org_id(0));
    left.dedup();
    assert_eq!(left, [Kind::Org, Kind::IdempotencyKey, Kind::IdempotencyCount]);
    let ended = record(&replica, org_id(0));
    let index = LogIndex(replica.next_index() as u64);
    assert_eq!(ended.ended, Some(Ended { by: write_id(4), index }));
    assert!(ended.org.data_key.bytes.is_empty() && ended.org.first_key_sealed.bytes.is_empty());
    assert_eq!(record(&replica, org_id(1)), before, "no other one is touched");
}

#[test]
fn nothing_brings_an_organization_back_that_has_ended() {
    let replica = home();
    replica.done(1, add(0));
    replica.done(2, end_of(org_id(0)));
    let begin = Command::ImportBegin {
        org: Org { epoch: 3, ..org(0) },
        past: vec![PreviousHome { epoch: 2, group: OTHER, release: LogIndex(9) }],
        dedup_horizon: LogTime(BEGIN),
    };
    assert_eq!(replica.refused(3, begin), Refusal::OrgExists);
    assert_eq!(replica.refused(4, Command::CreateOrg(org(0))), Refusal::OrgExists);
    let freeze = Command::MoveFreeze { org: org_id(0), to: OTHER, epoch: 2 };
    for (write, command) in [freeze, add(1), create(5), end_of(org_id(0))].into_iter().enumerate() {
        let write = u8::try_from(write).unwrap() + 5;
        assert_eq!(replica.refused(write, command), Refusal::OrgNotFound);
    }
    let lost = Command::NoteLost { org: org_id(0), closed: OTHER };
    assert_eq!(replica.refused(20, lost), Refusal::Lost);
    assert_eq!(replica.one(&by(0, proposal(21, BEGIN, add(1)))).outcome, Err(Refusal::KeyRevoked));
}

#[test]
fn the_key_that_ends_an_organization_opens_the_answer_for_a_while() {
    let replica = home();
    let first = replica.one(&end_by_its_key(1));
    assert_eq!(first.outcome, Ok(Reply::Done));
    let found = || query::api_key(&*replica.store, HOME, org_id(0), &api_key(0).hash).unwrap();
    let replaced = found().expect("it is kept").replaced.expect("it opens nothing else");
    assert_eq!(replaced.by, write_id(1));
    let repeat = replica.one(&end_by_its_key(2));
    assert_eq!((repeat.write_id, &repeat.outcome), (write_id(1), &first.outcome));
    let position = Position { epoch: 1, group: HOME, index: first.index, term: Some(Term(1)) };
    assert_eq!(first.position, Some(position));
    // Once it is over, its record goes with the next entry.
    let later = BEGIN + limits::REPLACED_KEY_LIFETIME.as_secs() * SECOND + 1;
    replica.one(&proposal(3, later, add(1)));
    assert_eq!(found(), None);
}

#[test]
fn a_frozen_organization_does_not_end_here() {
    let replica = home();
    replica.done(1, Command::MoveFreeze { org: org_id(0), to: OTHER, epoch: 2 });
    let moved = Refusal::Moved { to: OTHER, epoch: 2 };
    assert_eq!(replica.refused(2, end_of(org_id(0))), moved);
    assert_eq!(replica.refused(3, create(5)), moved);
}

/// The moved records of organization 0.
fn exported(replica: &Replica) -> Vec<MovedRecord> {
    let released = record(replica, org_id(0));
    let mut moved = Vec::new();
    export::parts(&*replica.store, HOME, &released, &mut |part| {
        moved.extend(part.moved_records);
        ControlFlow::Continue(())
    })
    .unwrap();
    moved
}

#[test]
fn a_parent_takes_the_records_of_its_suborganizations_along() {
    let replica = home();
    replica.done(1, create(5));
    replica.done(2, create(6));
    replica.done(3, Command::MoveFreeze { org: org_id(0), to: OTHER, epoch: 2 });
    // One that ends while its parent is elsewhere is found by the parent's leader.
    replica.done(4, end_of(child_id(6)));
    let moved_records = exported(&replica);
    let there = Replica::new(OTHER);
    there.done(210, Command::NoteFeatureLevel(3));
    let past = vec![PreviousHome { epoch: 1, group: HOME, release: LogIndex(9) }];
    let moving = Org { epoch: 2, ..org(0) };
    there.done(1, Command::ImportBegin { org: moving, past, dedup_horizon: LogTime(BEGIN) });
    let digest = crate::machine::movement::digest_part(&Default::default(), &moved_records);
    let (org, attempt) = (org_id(0), write_id(1));
    let part = Command::ImportChunk { org, attempt, sequence: 0, moved_records, is_last: true };
    there.done(2, part);
    assert_eq!(there.done(3, Command::ImportFinish { org, attempt, digest }), Reply::Done);
    let both = [(org_id(0), child_id(5)), (org_id(0), child_id(6))];
    assert_eq!(children(&there), both);
    replica.done(5, Command::MoveCommit { org, epoch: 2 });
    replica.done(6, Command::MoveCleanup { org, epoch: 2 });
    assert_eq!(children(&replica), []);
    assert_eq!(there.refused(4, end_of(org)), Refusal::HasSuborganizations);
    for (write, number) in [(5, 5), (6, 6)] {
        let (kind, name) = (ResourceKind::Suborganization, suborganization::name(child_id(number)));
        let change = Box::new(ResourceChange::Delete { kind, name, is_absent_ok: true });
        there.done(write, Command::ChangeResource { org, change, precondition: None });
    }
    assert_eq!(there.done(7, end_of(org)), Reply::Done);
}

#[test]
fn the_claim_of_one_that_has_ended_frees_its_domain_and_keeps_its_id() {
    let replica = Replica::formed();
    let claim = |number| Command::ClaimOrg(org(number));
    let domain = |number| Command::ClaimDomain { org: org_id(number), domain: "a.example".into() };
    replica.done(1, claim(0));
    replica.done(2, claim(1));
    replica.done(3, domain(0));
    assert_eq!(replica.refused(4, domain(1)), Refusal::DomainTaken);
    assert_eq!(replica.done(5, Command::EndClaim(org_id(0))), Reply::Done);
    assert_eq!(replica.done(6, Command::EndClaim(org_id(0))), Reply::Done, "a repeat");
    let ended = query::claim(&*replica.store, org_id(0)).unwrap().expect("its id stays");
    assert_eq!(ended.ended.map(|ended| ended.by), Some(write_id(5)));
    assert!(ended.org.data_key.bytes.is_empty());
    assert_eq!(replica.done(7, domain(1)), Reply::Done);
    assert_eq!(replica.refused(8, domain(0)), Refusal::OrgNotFound);
    assert_eq!(replica.refused(9, claim(0)), Refusal::OrgExists);
    // One without a claim may have a domain too.
    let of_child = Command::ClaimDomain { org: child_id(5), domain: "b.example".into() };
    replica.done(10, of_child);
    replica.done(11, Command::EndClaim(child_id(5)));
    assert_eq!(registered::domain_of(&*replica.store, child_id(5)).unwrap(), None);
    assert_eq!(query::claim(&*replica.store, child_id(5)).unwrap(), None);
}

#[test]
fn a_leader_finds_the_ends_whose_claims_are_to_end() {
    let replica = home();
    let unsettled = || unsettled(&*replica.store, HOME, None, 9).unwrap();
    assert_eq!(replica.refused(1, Command::SettleEnd(org_id(0))), Refusal::OrgNotFound);
    replica.done(2, end_of(org_id(1)));
    replica.done(3, end_of(org_id(0)));
    assert_eq!(unsettled(), [org_id(0), org_id(1)]);
    for write in [4, 5] {
        assert_eq!(replica.done(write, Command::SettleEnd(org_id(0))), Reply::Done);
    }
    assert_eq!(unsettled(), [org_id(1)]);
}

#[test]
fn a_credential_of_one_that_has_ended_is_not_found() {
    let replica = home();
    replica.done(1, add(0));
    replica.done(2, end_of(org_id(0)));
    assert_eq!(query::oidc(&*replica.store, HOME, org_id(0), &client(0)).unwrap(), None);
}
