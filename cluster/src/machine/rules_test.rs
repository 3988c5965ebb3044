//! The rules one by one, each as a short scenario.

use std::sync::Arc;

use concordat_proto::{
    command::{Command, Precondition},
    id::{GroupId, NodeId},
    limits,
    oidc::{OidcPatch, Provider, ProviderOptions},
    org::{ClusterRecord, NodeRecord, Org},
    refusal::{FullOf, Refusal},
    reply::Reply,
    time::LogTime,
    wire::Wire,
};

use super::{
    ADDRESS_IS_NO_NAME,
    list::Wanted,
    query,
    testkit::{
        BEGIN, HOME, KEY_LIFE, Replica, client, credential, form, key_id, keyed, node, options,
        org, org_id, proposal, region, sealed, write_id,
    },
};
use crate::store::{
    Reader, Store, WriteBatch,
    keys::{self, Kind},
    memory::MemoryStore,
};

fn create(number: u8, provider: Provider) -> Command {
    Command::CreateOidc { org: org_id(0), credential: credential(number, provider, 50) }
}

fn patch(number: u8, patch: OidcPatch, precondition: Option<Precondition>) -> Command {
    Command::PatchOidc { org: org_id(0), client_id: client(number), patch, precondition }
}

fn delete(number: u8, precondition: Option<Precondition>) -> Command {
    Command::DeleteOidc { org: org_id(0), client_id: client(number), precondition }
}

fn label(text: &str) -> OidcPatch {
    OidcPatch { label: Some(text.into()), ..OidcPatch::default() }
}

fn stored(replica: &Replica, number: u8) -> concordat_proto::oidc::OidcCredential {
    query::oidc(&*replica.store, HOME, org_id(0), &client(number)).unwrap().unwrap()
}

#[test]
fn a_cluster_is_formed_once_and_before_its_nodes() {
    let replica = Replica::new(GroupId::SYSTEM);
    assert_eq!(replica.refused(1, Command::RegisterNode(node(0, 0, 0))), Refusal::AlreadyFormed);
    assert_eq!(replica.done(2, form()), Reply::Done);
    assert_eq!(replica.refused(3, form()), Refusal::AlreadyFormed);
    let key = query::operator_key(&*replica.store, &[77; 32]).unwrap().unwrap();
    assert_eq!(key.id, key_id(77));
    assert!(query::cluster(&*replica.store).unwrap().is_some());
}

/// The store keeps what belongs to no organization under the nil id: an organization of that id that
/// moved took the remembered writes of all others in its group with it.
#[test]
fn nothing_is_done_under_an_id_that_means_nobody() {
    use concordat_proto::id::OrgId;
    let home = Replica::with_orgs();
    let system = Replica::formed();
    system.done(1, Command::RegisterNode(node(1, 0, 1)));
    home.done(60, create(1, Provider::Google));
    let remembered = || home.keys_of(Kind::Write);
    let before = remembered();
    assert!(before > 0);
    for id in [OrgId::from_bytes([0; 16]), OrgId::from_bytes([0xff; 16])] {
        let begun = Org { id, ..org(3) };
        assert_eq!(system.refused(61, Command::ClaimOrg(begun.clone())), Refusal::OrgExists);
        assert_eq!(home.refused(61, Command::CreateOrg(begun.clone())), Refusal::OrgExists);
        let release = Command::MoveFreeze { org: id, to: GroupId(2), epoch: 2 };
        assert_eq!(home.refused(62, release), Refusal::OrgNotFound);
        let past = concordat_proto::movement::PreviousHome {
            epoch: 1,
            group: GroupId(2),
            release: concordat_proto::log::LogIndex(1),
        };
        let adopt = Command::ImportBegin {
            org: Org { epoch: 2, ..begun },
            past: vec![past],
            dedup_horizon: LogTime(0),
        };
        assert_eq!(home.refused(63, adopt), Refusal::OrgExists);
        assert_eq!(
            home.refused(64, Command::MoveCleanup { org: id, epoch: 2 }),
            Refusal::OrgNotFound
        );
        assert_eq!(remembered(), before, "another organization's writes are remembered");
    }
}

#[test]
fn a_region_is_refused_where_no_group_has_a_number_left() {
    let replica = Replica::formed();
    replica.done(1, Command::RegisterNode(node(1, 0, 1)));
    let mut last = query::region(&*replica.store, &region(0)).unwrap().unwrap();
    last.group = GroupId::LAST;
    let changes = vec![(keys::region(&region(0)), Some(last.encode()))];
    replica.store.write(WriteBatch { changes, ..WriteBatch::default() }).unwrap();
    let refused = replica.refused(2, Command::RegisterNode(node(2, 1, 2)));
    assert_eq!(refused, Refusal::ClusterFull { what: FullOf::Regions });
}

#[test]
fn the_first_node_of_a_region_founds_its_group() {
    let replica = Replica::formed();
    let register =
        |write, id, of_region| replica.done(write, Command::RegisterNode(node(id, of_region, id)));
    assert_eq!(register(1, 1, 1), Reply::NodeRegistered { group: GroupId(2) });
    assert_eq!(register(2, 2, 0), Reply::NodeRegistered { group: GroupId(1) });
    assert_eq!(register(3, 3, 2), Reply::NodeRegistered { group: GroupId(3) });
    assert_eq!(register(4, 1, 1), Reply::NodeRegistered { group: GroupId(2) });
    let regions = query::regions(&*replica.store).unwrap();
    let found: Vec<_> =
        regions.iter().map(|r| (r.region.as_str(), r.group.0, r.founder.0)).collect();
    assert_eq!(found, [("r0", 1, 0), ("r1", 2, 1), ("r2", 3, 3)]);
}

#[test]
fn a_node_keeps_its_region_and_may_change_its_addresses() {
    let replica = Replica::formed();
    assert_eq!(replica.refused(1, Command::RegisterNode(node(0, 1, 0))), Refusal::NodeRefused);
    let moved = NodeRecord { replaced_by: Some(NodeId(9)), ..node(0, 0, 7) };
    replica.done(2, Command::RegisterNode(moved));
    let nodes = query::nodes(&*replica.store).unwrap();
    assert_eq!(nodes.into_values().collect::<Vec<_>>(), [node(0, 0, 7)]);
}

/// Two nodes that exchanged their addresses, or one that came back elsewhere while another listened at
/// its old one: the first to register ended the other for good.
#[test]
fn an_address_ends_nobody() {
    let replica = Replica::new(GroupId::SYSTEM);
    let Command::Form { cluster, operator_key } = form() else { unreachable!() };
    let cluster = ClusterRecord { feature_level: ADDRESS_IS_NO_NAME, ..cluster };
    replica.done(1, Command::Form { cluster, operator_key });
    // Two exchange theirs, a third one is new at an address that is taken, a fourth names none.
    let steps = [(1, 1), (2, 2), (1, 2), (2, 1), (3, 1), (4, 9), (2, 9), (1, 1)];
    for (write, (id, address)) in (2..).zip(steps) {
        replica.done(write, Command::RegisterNode(node(id, 0, address)));
    }
    let nodes = query::nodes(&*replica.store).unwrap();
    let expected = [node(1, 0, 1), node(2, 0, 9), node(3, 0, 1), node(4, 0, 9)];
    assert_eq!(nodes.into_values().collect::<Vec<_>>(), expected);
}

/// For clusters of the first feature level, whose replicas of both builds must agree.
#[test]
fn at_the_first_feature_level_who_takes_an_address_over_replaces_its_node_for_good() {
    let replica = Replica::formed();
    replica.done(1, Command::RegisterNode(node(1, 0, 0)));
    let old = query::node(&*replica.store, NodeId(0)).unwrap().unwrap();
    assert_eq!(old.replaced_by, Some(NodeId(1)));
    assert_eq!(replica.refused(2, Command::RegisterNode(node(0, 0, 0))), Refusal::NodeRemoved);
    assert_eq!(replica.refused(3, Command::RegisterNode(node(0, 0, 5))), Refusal::NodeRemoved);
    // The same address in another region is in another network.
    replica.done(4, Command::RegisterNode(node(2, 1, 0)));
    assert_eq!(query::node(&*replica.store, NodeId(1)).unwrap().unwrap().replaced_by, None);
    // The second replacement leaves the first one's mark alone.
    replica.done(5, Command::RegisterNode(node(3, 0, 0)));
    let replaced = |id| query::node(&*replica.store, NodeId(id)).unwrap().unwrap().replaced_by;
    assert_eq!((replaced(0), replaced(1)), (Some(NodeId(1)), Some(NodeId(3))));
}

#[test]
fn a_cluster_has_so_many_regions_and_nodes_and_no_more() {
    let replica = Replica::formed();
    let register = |id: usize, of_region: usize| {
        let record = NodeRecord {
            id: NodeId(id as u64),
            region: concordat_proto::region::Region::new(format!("r{of_region}")).unwrap(),
            ..node(0, 0, 0)
        };
        let record = NodeRecord { peer_address: format!("{id}:1"), ..record };
        let mut made = proposal(0, BEGIN, Command::RegisterNode(record));
        made.write_id = concordat_proto::id::WriteId::from_bytes((id as u128).to_be_bytes());
        replica.one(&made).outcome
    };
    for id in 1..limits::REGIONS_MAX {
        assert!(register(id, id).is_ok());
    }
    let full = |what| Err(Refusal::ClusterFull { what });
    assert_eq!(register(900, 900), full(FullOf::Regions));
    for id in limits::REGIONS_MAX..limits::NODES_MAX {
        assert!(register(id, 0).is_ok());
    }
    assert_eq!(register(901, 0), full(FullOf::Nodes));
    let replacement = NodeRecord { peer_address: "5:1".into(), ..node(250, 5, 0) };
    let replacement = NodeRecord { id: NodeId(902), ..replacement };
    assert!(matches!(
        replica.done(250, Command::RegisterNode(replacement)),
        Reply::NodeRegistered { .. }
    ));
}

#[test]
fn an_id_is_claimed_once_and_a_repeat_is_told_of_the_first() {
    let replica = Replica::formed();
    let claim = |number| Command::ClaimOrg(org(number));
    let nowhere = Org { home_region: region(9), ..org(0) };
    assert_eq!(replica.refused(1, Command::ClaimOrg(nowhere)), Refusal::RegionNotFound);
    let first = replica.one(&keyed(proposal(2, BEGIN, claim(0)), 1, 1, KEY_LIFE));
    assert_eq!(first.outcome, Ok(Reply::Org(Box::new(org(0)))));
    assert_eq!(replica.refused(3, claim(0)), Refusal::OrgExists);
    // The repeat of the request was given another id on its way.
    let repeat = replica.one(&keyed(proposal(4, BEGIN, claim(1)), 1, 1, KEY_LIFE));
    assert_eq!(repeat, first);
    assert_eq!(replica.one(&proposal(2, BEGIN, claim(0))), first);
    let claims = query::claims(&*replica.store, None, 9).unwrap();
    assert_eq!(claims.iter().map(|claim| &claim.org).collect::<Vec<_>>(), [&org(0)]);
}

#[test]
fn an_organization_begins_once_with_its_first_key() {
    let replica = Replica::with_orgs();
    let yes = Reply::Org(Box::new(org(0)));
    let hash = org(0).first_key.hash;
    assert!(query::api_key(&*replica.store, HOME, org_id(0), &hash).unwrap().is_some());
    assert_eq!(replica.done(1, Command::CreateOrg(org(0))), yes);
    let other = Org { org_name: "other".into(), ..org(0) };
    assert_eq!(replica.refused(2, Command::CreateOrg(other)), Refusal::OrgExists);
    // A late duplicate does not bring the first key back.
    let key = keys::api_key(HOME, org_id(0), &hash);
    let gone = WriteBatch { cleared_prefixes: vec![key], changes: vec![] };
    replica.store.write(gone).unwrap();
    assert_eq!(replica.done(3, Command::CreateOrg(org(0))), yes);
    assert!(query::api_key(&*replica.store, HOME, org_id(0), &hash).unwrap().is_none());
}

#[test]
fn organizations_are_paged_in_order_of_id() {
    let replica = Replica::with_orgs();
    replica.done(1, create(0, Provider::Google));
    let page = |after, limit| {
        let homes = query::homes(&*replica.store, HOME, after, limit).unwrap();
        homes.into_iter().map(|home| home.org).collect::<Vec<_>>()
    };
    assert_eq!(page(None, 9), [org(0), org(1)]);
    assert_eq!(page(None, 1), [org(0)]);
    assert_eq!(page(Some(org_id(0)), 9), [org(1)]);
    assert!(page(Some(org_id(1)), 9).is_empty());
}

#[test]
fn credentials_are_listed_by_client_id_filtered_and_paged() {
    let replica = Replica::with_orgs();
    for (number, provider) in
        [(3, Provider::Google), (1, Provider::Apple), (2, Provider::Google), (0, Provider::Github)]
    {
        replica.done(number, create(number, provider));
    }
    let page = |provider, offset, limit: Option<usize>| {
        let wanted = Wanted { offset, items_max: limit.unwrap_or(1000), ..Wanted::FIRST };
        let page = query::oidc_part(&*replica.store, HOME, org_id(0), provider, wanted).unwrap();
        let ids: Vec<_> = page.items.into_iter().map(|item| item.client_id.to_string()).collect();
        (ids.join(" "), page.total_count)
    };
    assert_eq!(page(None, 0, None), ("client-0 client-1 client-2 client-3".into(), 4));
    assert_eq!(page(None, 1, Some(2)), ("client-1 client-2".into(), 4));
    assert_eq!(page(Some(Provider::Google), 1, None), ("client-3".into(), 2));
    assert_eq!(page(None, 9, None), (String::new(), 4));
    assert_eq!(page(Some(Provider::Line), 0, Some(0)), (String::new(), 0));
}

#[test]
fn an_etag_is_the_write_that_made_the_version() {
    let replica = Replica::with_orgs();
    assert_eq!(replica.done(1, create(0, Provider::Google)), Reply::Version(write_id(1)));
    assert_eq!(replica.done(2, patch(0, label("a"), None)), Reply::Version(write_id(2)));
    let any = |versions: &[u8]| {
        Some(Precondition::AnyOf(versions.iter().map(|number| write_id(*number)).collect()))
    };
    assert_eq!(replica.refused(3, patch(0, label("b"), any(&[1]))), Refusal::VersionMismatch);
    assert_eq!(replica.refused(4, delete(0, any(&[]))), Refusal::VersionMismatch);
    let empty = OidcPatch::default;
    assert_eq!(replica.refused(5, patch(0, empty(), any(&[1]))), Refusal::VersionMismatch);
    assert_eq!(replica.done(6, patch(0, empty(), any(&[1, 2]))), Reply::Version(write_id(2)));
    assert_eq!(stored(&replica, 0).label.as_deref(), Some("a"));
    assert_eq!(replica.done(7, delete(0, any(&[2]))), Reply::Done);
    // Nothing is resurrected, whatever the precondition says.
    let exists = Some(Precondition::Exists);
    assert_eq!(replica.refused(8, patch(0, label("c"), exists)), Refusal::CredentialNotFound);
    assert_eq!(replica.refused(9, delete(0, any(&[2]))), Refusal::CredentialNotFound);
    assert_eq!(replica.done(10, create(0, Provider::Github)), Reply::Version(write_id(10)));
}

#[test]
fn a_patch_never_wipes_a_secret_by_leaving_it_out() {
    let replica = Replica::with_orgs();
    replica.done(1, create(0, Provider::Apple));
    replica.done(2, patch(0, label("a"), None));
    assert_eq!(stored(&replica, 0).client_secret, sealed(50));
    let redacted =
        OidcPatch { options: Some(options(Provider::Apple, 51, false)), ..OidcPatch::default() };
    replica.done(3, patch(0, redacted, None));
    let kept = stored(&replica, 0);
    assert_eq!(kept.label.as_deref(), Some("a"));
    assert_eq!(kept.options.scopes, ["scope51"]);
    let ProviderOptions::Apple(apple) = kept.options.specific else { unreachable!() };
    assert_eq!((apple.private_key, apple.team_id), (Some(sealed(50)), "TEAM000051".into()));
}

#[test]
fn a_provider_stays_and_brings_its_own_options() {
    let replica = Replica::with_orgs();
    replica.done(1, create(0, Provider::Google));
    let other = OidcPatch { provider: Some(Provider::Github), ..OidcPatch::default() };
    let fixed = Refusal::ProviderFixed { actual: Provider::Google };
    assert_eq!(replica.refused(2, patch(0, other, None)), fixed);
    let foreign =
        OidcPatch { options: Some(options(Provider::Line, 1, false)), ..OidcPatch::default() };
    let refusal = Refusal::ForeignOptions { given: Provider::Line, actual: Provider::Google };
    // An invalid value is refused before a mismatch of If-Match.
    let mismatch = Some(Precondition::AnyOf(vec![]));
    assert_eq!(replica.refused(3, patch(0, foreign, mismatch)), refusal);
    let same = OidcPatch { provider: Some(Provider::Google), ..OidcPatch::default() };
    assert_eq!(replica.done(4, patch(0, same, None)), Reply::Version(write_id(1)));
}

#[test]
fn a_write_happens_once_and_not_after_its_time() {
    let replica = Replica::with_orgs();
    let first = replica.one(&proposal(1, BEGIN, create(0, Provider::Google)));
    assert_eq!(replica.one(&proposal(1, BEGIN + 1, create(0, Provider::Google))), first);
    let mut late = proposal(2, BEGIN, create(1, Provider::Google));
    late.stamped = LogTime(late.not_after.0 + 1);
    assert_eq!(replica.one(&late).outcome, Err(Refusal::Expired));
    // Log time does not go back.
    late.stamped = LogTime(BEGIN);
    assert_eq!(replica.one(&late).outcome, Err(Refusal::Expired));
    assert_eq!(replica.keys_of(Kind::Oidc), 1);
    // By now the first write is forgotten, and would be refused too.
    let repeat = replica.one(&proposal(1, BEGIN, create(0, Provider::Google)));
    assert_eq!(repeat.outcome, Err(Refusal::Expired));
}

#[test]
fn an_idempotency_key_repeats_its_request_and_no_other() {
    let replica = Replica::with_orgs();
    let create = || create(0, Provider::Google);
    let first = replica.one(&keyed(proposal(1, BEGIN, create()), 1, 1, KEY_LIFE));
    let repeat =
        |write, at, digest| replica.one(&keyed(proposal(write, at, create()), 1, digest, KEY_LIFE));
    assert_eq!(repeat(2, BEGIN, 1), first);
    assert_eq!(repeat(3, BEGIN, 2).outcome, Err(Refusal::IdempotencyKeyReused));
    assert_eq!(repeat(4, BEGIN + KEY_LIFE, 1), first, "to its last moment");
    let after = repeat(5, BEGIN + KEY_LIFE + 1, 2);
    assert_eq!(after.outcome, Err(Refusal::CredentialExists));
    assert_eq!(repeat(6, BEGIN + KEY_LIFE + 1, 2), after, "a conflict is remembered");
    assert_eq!(repeat(7, BEGIN + KEY_LIFE + 1, 1).outcome, Err(Refusal::IdempotencyKeyReused));
    // Another organization's keys are its own.
    let elsewhere =
        Command::CreateOidc { org: org_id(1), credential: credential(0, Provider::Google, 1) };
    let other = keyed(proposal(8, BEGIN + KEY_LIFE + 1, elsewhere), 1, 1, KEY_LIFE);
    assert!(replica.one(&other).outcome.is_ok());
}

#[test]
fn a_repeat_outlives_its_key_under_its_own_name() {
    let replica = Replica::with_orgs();
    let at = |write, at| {
        let mut made = keyed(proposal(write, at, create(0, Provider::Google)), 1, 1, KEY_LIFE);
        made.not_after = LogTime(BEGIN + 10 * KEY_LIFE);
        made
    };
    let first = replica.one(&at(1, BEGIN));
    assert_eq!(replica.one(&at(2, BEGIN)), first);
    replica.done(3, delete(0, None));
    // The key is forgotten; the repeat under the second write id must still not happen.
    assert_eq!(replica.one(&at(2, BEGIN + 2 * KEY_LIFE)), first);
    assert_eq!(replica.keys_of(Kind::Oidc), 0);
}

#[test]
fn bad_requests_do_not_stick_to_a_key() {
    let replica = Replica::with_orgs();
    replica.done(1, create(0, Provider::Google));
    let other = OidcPatch { provider: Some(Provider::Github), ..OidcPatch::default() };
    let bad = keyed(proposal(2, BEGIN, patch(0, other, None)), 1, 1, KEY_LIFE);
    assert!(replica.one(&bad).outcome.is_err());
    let good = keyed(proposal(3, BEGIN, delete(0, None)), 1, 2, KEY_LIFE);
    assert_eq!(replica.one(&good).outcome, Ok(Reply::Done));
    // But the refused write itself is not tried again.
    assert_eq!(replica.one(&bad).index, replica.one(&bad).index);
}

#[test]
fn a_dead_key_authorizes_nothing() {
    let replica = Replica::with_orgs();
    let by = |write, key| {
        let mut made = proposal(write, BEGIN, create(write, Provider::Google));
        made.authorized_by = Some(key_id(key));
        replica.one(&made).outcome
    };
    assert!(by(0, 0).is_ok());
    assert_eq!(by(1, 1), Err(Refusal::KeyRevoked), "another organization's key");
    // A second key lives as well as the first.
    let second = concordat_proto::org::ApiKey { id: key_id(30), ..org(0).first_key };
    let second = concordat_proto::org::ApiKey { hash: [30; 32], ..second };
    let key = keys::api_key(HOME, org_id(0), &second.hash);
    let first = keys::api_key(HOME, org_id(0), &org(0).first_key.hash);
    let changes = vec![(key, Some(second.encode())), (first, None)];
    replica.store.write(WriteBatch { cleared_prefixes: vec![], changes }).unwrap();
    assert!(by(2, 30).is_ok());
    assert_eq!(by(3, 0), Err(Refusal::KeyRevoked));
}

#[test]
fn live_idempotency_keys_are_bounded() {
    let replica = Replica::with_orgs();
    let first = keyed(proposal(1, BEGIN, create(0, Provider::Google)), 1, 1, KEY_LIFE);
    assert!(replica.one(&first).outcome.is_ok());
    let count = keys::idempotency_count(HOME, org_id(0));
    let full = vec![(count, Some(limits::IDEMPOTENCY_KEYS_MAX.encode()))];
    replica.store.write(WriteBatch { cleared_prefixes: vec![], changes: full }).unwrap();
    let more = |write, at| keyed(proposal(write, at, create(1, Provider::Google)), 2, 1, KEY_LIFE);
    let refused = replica.one(&more(2, BEGIN)).outcome;
    assert_eq!(refused, Err(Refusal::IdempotencyKeysFull));
    assert!(replica.one(&first).outcome.is_ok(), "a repeat needs no room");
    assert!(replica.one(&more(3, BEGIN + KEY_LIFE + 1)).outcome.is_ok(), "one was forgotten");
}

#[test]
fn forgetting_is_bounded_and_loses_nothing() {
    let replica = Replica::with_orgs();
    for number in 0..200 {
        let made = keyed(proposal(number, BEGIN, delete(0, None)), number, 1, KEY_LIFE);
        replica.one(&made);
    }
    let remembered = || replica.keys_of(Kind::Write) + replica.keys_of(Kind::IdempotencyKey);
    assert_eq!(remembered(), 402);
    let later = BEGIN + KEY_LIFE + 1;
    let mut left = 402;
    for step in 0..8 {
        replica.one(&proposal(210, later + step, delete(0, None)));
        left -= limits::FORGET_PER_ENTRY_MAX.min(left);
        assert_eq!(remembered(), left + 1, "and the one that is remembered now");
        assert_eq!(replica.keys_of(Kind::Expiry), left + 1);
    }
    assert_eq!(query::idempotency_keys(&*replica.store, HOME, org_id(0)).unwrap(), 0);
}

#[test]
fn a_due_key_that_is_not_yet_forgotten_is_taken_over() {
    let replica = Replica::with_orgs();
    for number in 0..150 {
        let made = keyed(proposal(number, BEGIN, delete(0, None)), number, 1, KEY_LIFE);
        replica.one(&made);
    }
    let later = BEGIN + KEY_LIFE + 1;
    let text = |number| format!("key-{number}");
    let present = |number| {
        let key = keys::idempotency_key(HOME, org_id(0), &text(number));
        replica.store.get(&key).unwrap().is_some()
    };
    replica.one(&proposal(200, later, delete(0, None)));
    let due = (0..150).find(|number| present(*number)).unwrap();
    let counted = || query::idempotency_keys(&*replica.store, HOME, org_id(0)).unwrap();
    let before = counted();
    let again = keyed(proposal(201, later, create(0, Provider::Google)), due, 2, KEY_LIFE);
    assert_eq!(replica.one(&again).outcome, Ok(Reply::Version(write_id(201))));
    assert_eq!(counted(), before);
    for step in 1..9 {
        replica.one(&proposal(202, later + step, delete(9, None)));
    }
    assert_eq!(counted(), 1);
    assert!(present(due));
}

#[test]
fn a_command_in_the_wrong_group_is_refused_and_leaves_nothing() {
    let home = Replica::with_orgs();
    let system = Replica::formed();
    let before = (home.digest(), system.digest());
    assert_eq!(home.refused(1, form()), Refusal::AlreadyFormed);
    assert_eq!(home.refused(2, Command::RegisterNode(node(0, 0, 0))), Refusal::NodeRefused);
    assert_eq!(home.refused(3, Command::ClaimOrg(org(0))), Refusal::RegionNotFound);
    assert_eq!(system.refused(4, Command::CreateOrg(org(0))), Refusal::OrgNotFound);
    assert_eq!(system.refused(5, delete(0, None)), Refusal::OrgNotFound);
    assert_eq!((home.digest(), system.digest()), before);
}

#[test]
fn bytes_that_cannot_be_read_are_a_fault() {
    let replica = Replica::with_orgs();
    let broken = vec![(keys::org(HOME, org_id(0)), Some(vec![0xff, 1]))];
    replica.store.write(WriteBatch { cleared_prefixes: vec![], changes: broken }).unwrap();
    assert!(replica.try_batch(&[proposal(1, BEGIN, create(0, Provider::Google))]).is_err());
}

#[test]
fn a_digest_sees_every_difference_but_the_position() {
    let replica = Replica::with_orgs();
    let before = replica.digest();
    let copy = Replica { group: HOME, store: Arc::new(MemoryStore::default()) };
    assert_ne!(copy.digest(), before);
    let copy = replica.copied_into(MemoryStore::default());
    let write = |changes| {
        copy.store.write(WriteBatch { cleared_prefixes: vec![], changes }).unwrap();
        copy.digest()
    };
    assert_eq!(write(vec![(keys::applied(HOME), Some(vec![1]))]), before);
    let key = keys::oidc(HOME, org_id(0), &client(0));
    let one = write(vec![(key.clone(), Some(vec![1]))]);
    assert_ne!(one, before);
    let mut kept = before;
    kept.add(&key, &[1]);
    assert_eq!(one, kept);
    assert_eq!(write(vec![(key, None)]), before);
}
