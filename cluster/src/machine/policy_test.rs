//! Sets of policies, their revisions, and writes that were authorized under earlier ones.

use std::ops::ControlFlow;

use concordat_proto::{
    command::{Command, Precondition, Proposal},
    id::{GroupId, WriteId},
    limits,
    log::LogIndex,
    movement::PreviousHome,
    oidc::Provider,
    org::Org,
    policy::{DecidedFor, OwnPolicies, PolicyStamp},
    refusal::Refusal,
    registration::{Binding, CredentialChange, CredentialTarget},
    reply::Reply,
    resource::{ResourceBody, ResourceChange, ResourceKind, ResourceName},
    time::LogTime,
};

use super::*;
use crate::machine::{
    export,
    testkit::{BEGIN, HOME, Replica, client, credential, org, org_id, proposal, write_id},
};

const TEXT: &str = "forbid (principal, action, resource);";

fn set(text: &str, precondition: Option<Precondition>) -> Command {
    Command::SetPolicies { text: text.to_owned(), precondition }
}

fn own(text: &str) -> Command {
    let body = ResourceBody::Policies(text.to_owned());
    let change = Box::new(ResourceChange::Put(ResourceName::policies(), body));
    Command::ChangeResource { org: org_id(0), change, precondition: None }
}

fn create(number: u8) -> Command {
    Command::CreateOidc { org: org_id(0), credential: credential(number, Provider::Google, 1) }
}

fn stamped(write: u8, command: Command, cluster: u64, organization: OwnPolicies) -> Proposal {
    let policies = Some(PolicyStamp { cluster, organization });
    Proposal { policies, ..proposal(write, BEGIN, command) }
}

fn home() -> Replica {
    let replica = Replica::with_orgs();
    replica.done(200, Command::NoteFeatureLevel(3));
    replica
}

#[test]
fn the_cluster_wide_set_has_a_version_and_a_revision() {
    let replica = Replica::formed();
    let read = || super::set(&*replica.store).unwrap();
    assert_eq!((read(), revision(&*replica.store, GroupId::SYSTEM).unwrap()), (None, 0));
    assert_eq!(
        replica.refused(101, set(TEXT, Some(Precondition::Exists))),
        Refusal::VersionMismatch
    );
    let none = Some(Precondition::AnyOf(Vec::new()));
    assert_eq!(replica.done(102, set(TEXT, none.clone())), Reply::Version(write_id(102)));
    assert_eq!(replica.refused(103, set("", none)), Refusal::VersionMismatch);
    let first = read().unwrap();
    assert_eq!((first.revision, first.version, &*first.text), (1, write_id(102), TEXT));
    let of = |write| Some(Precondition::AnyOf(vec![write_id(write)]));
    assert_eq!(replica.refused(104, set("", of(101))), Refusal::VersionMismatch);
    replica.done(105, set("", of(102)));
    replica.done(106, set("", None));
    assert_eq!(read().map(|set| set.revision), Some(3), "each is a revision of its own");
    assert_eq!(revision(&*replica.store, GroupId::SYSTEM).unwrap(), 3);
}

#[test]
fn an_operators_write_is_authorized_under_the_newest_set() {
    let replica = Replica::formed();
    replica.done(101, set(TEXT, None));
    let of = |write, revision| stamped(write, set("", None), revision, OwnPolicies::Unasked);
    assert_eq!(replica.one(&of(102, 0)).outcome, Err(Refusal::PolicyChanged));
    assert!(replica.one(&of(102, 1)).outcome.is_ok(), "the same write, authorized again");
    assert!(replica.one(&of(102, 0)).outcome.is_ok(), "a late copy gets the first result");
}

#[test]
fn a_home_group_refuses_what_was_authorized_before_the_noted_revision() {
    let replica = home();
    let of = |write, revision| stamped(write, create(write), revision, OwnPolicies::Empty);
    assert!(replica.one(&of(1, 0)).outcome.is_ok(), "none was noted");
    replica.done(231, Command::NotePolicies(5));
    replica.done(232, Command::NotePolicies(4));
    assert_eq!(revision(&*replica.store, HOME).unwrap(), 5, "it never goes back");
    assert_eq!(replica.one(&of(2, 4)).outcome, Err(Refusal::PolicyChanged));
    assert!(replica.one(&of(2, 5)).outcome.is_ok());
    assert!(replica.one(&of(3, 6)).outcome.is_ok(), "a node may know more than the group");
    assert!(replica.one(&proposal(4, BEGIN, create(4))).outcome.is_ok(), "of an earlier release");
    assert!(replica.one(&of(1, 0)).outcome.is_ok(), "what is done stays done");
}

#[test]
fn a_write_is_authorized_under_the_organizations_present_set() {
    let replica = home();
    let of = |write, organization| stamped(write, create(write), 0, organization);
    let outcome = |write, organization| replica.one(&of(write, organization)).outcome;
    assert!(outcome(1, OwnPolicies::Empty).is_ok());
    assert_eq!(outcome(2, OwnPolicies::Of(write_id(9))), Err(Refusal::PolicyChanged));
    replica.done(10, own(TEXT));
    assert_eq!(own_version(&*replica.store, HOME, org_id(0)).unwrap(), Some(write_id(10)));
    assert_eq!(outcome(3, OwnPolicies::Empty), Err(Refusal::PolicyChanged));
    assert!(outcome(3, OwnPolicies::Of(write_id(10))).is_ok());
    assert!(outcome(4, OwnPolicies::Unasked).is_ok(), "an operator's");
    replica.done(11, own("forbid (principal, action, resource) when { true };"));
    assert_eq!(outcome(5, OwnPolicies::Of(write_id(10))), Err(Refusal::PolicyChanged));
    replica.done(12, own(" \n"));
    assert!(outcome(5, OwnPolicies::Of(write_id(12))).is_ok(), "an empty set is one");
}

#[test]
fn a_late_copy_of_a_refused_write_stays_refused_when_the_set_has_ended() {
    let replica = home();
    replica.done(10, own(TEXT));
    let late = stamped(1, create(1), 0, OwnPolicies::Empty);
    assert_eq!(replica.one(&late).outcome, Err(Refusal::PolicyChanged));
    replica.done(11, own(""));
    assert_eq!(replica.one(&late).outcome, Err(Refusal::PolicyChanged));
}

#[test]
fn the_end_of_an_organizations_set_ends_its_version() {
    let replica = home();
    let (kind, name) = (ResourceKind::Policies, ResourceName::policies());
    for (write, change) in [
        (20, ResourceChange::Delete { kind, name, is_absent_ok: false }),
        (30, ResourceChange::DeleteAll(kind)),
    ] {
        replica.done(write, own(TEXT));
        let (org, change) = (org_id(0), Box::new(change));
        replica.done(write + 1, Command::ChangeResource { org, change, precondition: None });
        assert_eq!(own_version(&*replica.store, HOME, org_id(0)).unwrap(), None);
    }
}

#[test]
fn a_set_moves_with_its_organization() {
    let (source, target) = (home(), Replica::new(GroupId(2)));
    source.done(10, own(TEXT));
    let record = query::home(&*source.store, HOME, org_id(0)).unwrap().expect("it is here");
    let mut parts = Vec::new();
    let mut take = |part: export::Part| {
        parts.push(part);
        ControlFlow::Continue(())
    };
    export::parts(&*source.store, HOME, &record, &mut take).unwrap();
    let [part] = <[_; 1]>::try_from(parts).expect("little is one part");
    let (id, attempt) = (org_id(0), write_id(1));
    let past = vec![PreviousHome { epoch: 1, group: HOME, release: LogIndex(9) }];
    let moved = Org { epoch: 2, ..org(0) };
    target.done(1, Command::ImportBegin { org: moved, past, dedup_horizon: LogTime(BEGIN) });
    let export::Part { sequence, moved_records, is_last, digest } = part;
    target.done(2, Command::ImportChunk { org: id, attempt, sequence, moved_records, is_last });
    target.done(3, Command::ImportFinish { org: id, attempt, digest });
    assert_eq!(own_version(&*target.store, GroupId(2), id).unwrap(), Some(write_id(10)));
}

#[test]
fn a_refused_write_keeps_its_idempotency_key_free() {
    let replica = home();
    replica.done(231, Command::NotePolicies(1));
    let mut made = stamped(1, create(1), 0, OwnPolicies::Empty);
    made.idempotency = Some(concordat_proto::command::Idempotency {
        key: "once".to_owned(),
        digest: [7; 32],
        lifetime: limits::IDEMPOTENCY_LIFETIME_MIN,
    });
    assert_eq!(replica.one(&made).outcome, Err(Refusal::PolicyChanged));
    made.policies = Some(PolicyStamp { cluster: 1, organization: OwnPolicies::Empty });
    let done = replica.one(&made);
    assert!(done.outcome.is_ok());
    made.write_id = WriteId::from_bytes([3; 16]);
    made.policies = Some(PolicyStamp { cluster: 0, organization: OwnPolicies::Empty });
    assert_eq!(
        replica.one(&made),
        done,
        "a repeat is answered by the first, whatever was set since"
    );
}

#[test]
fn a_write_is_refused_where_it_names_another_credential_than_was_decided_for() {
    let replica = home();
    let binding = Binding::new("a-dialect").expect("a binding");
    let target = CredentialTarget::Bound(binding.clone());
    let relabel = |label: &str| {
        let change =
            CredentialChange { label: Some(Some(label.to_owned())), ..CredentialChange::default() };
        let (target, change) = (target.clone(), Box::new(change));
        Command::ChangeCredential { org: org_id(0), target, change, precondition: None }
    };
    let outcome = |write, command, decided_for| {
        let policies = stamped(write, command, 0, OwnPolicies::Empty);
        replica.one(&Proposal { decided_for, ..policies }).outcome
    };
    let of = |number| Some(DecidedFor::Credential(client(number)));
    let bind = |number| Command::BindCredential {
        org: org_id(0),
        binding: binding.clone(),
        client_id: client(number),
    };
    replica.done(1, create(1));
    replica.done(2, create(2));
    replica.done(3, bind(1));
    let none = Some(DecidedFor::NoCredential);
    assert_eq!(outcome(10, relabel("none found"), none), Err(Refusal::PolicyChanged));
    assert!(outcome(10, relabel("this one"), of(1)).is_ok(), "it has left no record");
    replica.done(4, bind(2));
    assert_eq!(outcome(11, relabel("bound anew"), of(1)), Err(Refusal::PolicyChanged));
    let remove =
        Command::RemoveCredential { org: org_id(0), target: target.clone(), precondition: None };
    assert_eq!(outcome(12, remove.clone(), of(1)), Err(Refusal::PolicyChanged));
    assert!(outcome(13, relabel("not asked"), None).is_ok(), "the default set");
    assert!(outcome(12, remove, of(2)).is_ok());
}
