//! Tests of the rules of organizations' keys.

use std::collections::{BTreeMap, BTreeSet};

use concordat_proto::{
    command::{Command, Proposal},
    reply::Applied,
    time::LogTime,
};
use proptest::{collection::vec, option, prelude::*};

use super::*;
use crate::machine::testkit::{
    BEGIN, HOME, KEY_LIFE, Replica, api_key, key_id, keyed, org, org_id, proposal, sealed, write_id,
};

const REPLACED: u64 = limits::REPLACED_KEY_LIFETIME.as_secs() * 1000;

fn replica() -> Replica {
    let replica = Replica::new(HOME);
    replica.done(200, Command::NoteFeatureLevel(3));
    replica.done(201, Command::CreateOrg(org(0)));
    replica
}

fn command(change: KeyChange) -> Command {
    Command::ChangeKeys { org: org_id(0), change: Box::new(change) }
}

fn issue(number: u8, rights: Rights, expires_at: Option<u64>) -> Command {
    let key = ApiKey { rights, ..api_key(number) };
    let (label, expires_at) = (Some(format!("key {number}")), expires_at.map(LogTime));
    command(KeyChange::Issue { key, label, expires_at, sealed: sealed(number) })
}

fn revoke(number: u8) -> Command {
    command(KeyChange::Revoke(key_id(number)))
}

fn rotate(from: u8, to: u8) -> Command {
    let ApiKey { id, hash, .. } = api_key(to);
    command(KeyChange::Rotate { replaces: key_id(from), id, hash, sealed: sealed(to) })
}

/// Of the organization's own key of this number.
fn by(key: u8, proposal: Proposal) -> Proposal {
    Proposal { authorized_by: Some(key_id(key)), ..proposal }
}

fn outcome(replica: &Replica, proposal: &Proposal) -> Result<Reply, Refusal> {
    replica.one(proposal).outcome
}

fn found(replica: &Replica, number: u8) -> Option<OrgKey> {
    query::api_key(&*replica.store, HOME, org_id(0), &api_key(number).hash).expect("it reads")
}

fn made(applied: &Applied) -> NewKey {
    let Ok(Reply::Key(new)) = &applied.outcome else { panic!("{applied:?}") };
    (**new).clone()
}

#[test]
fn a_new_key_opens_until_it_is_revoked_or_expires() {
    let replica = replica();
    let at = BEGIN + 5;
    let new = made(&replica.one(&by(0, proposal(1, at, issue(1, Rights::ADMIN, None)))));
    let key = ApiKey { rights: Rights::ADMIN, ..api_key(1) };
    let expected =
        OrgKey { label: Some("key 1".into()), created_at: Some(LogTime(at)), ..OrgKey::plain(key) };
    assert_eq!(new, NewKey { key: expected.clone(), sealed: sealed(1) });
    assert_eq!(found(&replica, 1), Some(expected));
    let limit = at + 1000;
    assert!(outcome(&replica, &by(1, proposal(2, at, issue(2, Rights::ALL, Some(limit))))).is_ok());
    // At the last moment, and at the first one after it.
    let at_last = by(2, proposal(3, limit - 1, issue(3, Rights::READ, None)));
    assert!(outcome(&replica, &at_last).is_ok());
    let expired = by(2, proposal(4, limit, issue(4, Rights::READ, None)));
    assert_eq!(outcome(&replica, &expired), Err(Refusal::KeyRevoked));
    assert_eq!(outcome(&replica, &by(0, proposal(5, limit, revoke(1)))), Ok(Reply::Done));
    let revoked = by(1, proposal(6, limit, issue(5, Rights::READ, None)));
    assert_eq!(outcome(&replica, &revoked), Err(Refusal::KeyRevoked));
    assert_eq!((found(&replica, 1), found(&replica, 2)), (None, None), "what is over was dropped");
    assert_eq!(outcome(&replica, &proposal(7, limit, revoke(2))), Err(Refusal::KeyNotFound));
}

#[test]
fn the_expiry_counts_at_apply_and_not_at_the_proposal() {
    let replica = replica();
    replica.done(1, issue(1, Rights::ALL, Some(BEGIN + 1000)));
    // Another entry has advanced the group's time.
    replica.one(&proposal(2, BEGIN + 1000, Command::NoteFeatureLevel(3)));
    let late = by(1, proposal(3, BEGIN + 10, revoke(9)));
    assert_eq!(outcome(&replica, &late), Err(Refusal::KeyRevoked));
}

#[test]
fn the_last_admin_key_that_does_not_expire_stays() {
    let replica = replica();
    replica.done(1, issue(1, Rights::ADMIN, Some(BEGIN + KEY_LIFE)));
    replica.done(2, issue(2, Rights(7), None));
    assert_eq!(replica.refused(3, revoke(0)), Refusal::LastAdminKey);
    replica.done(4, issue(3, Rights::ADMIN, None));
    assert_eq!(replica.done(5, revoke(0)), Reply::Done);
    assert_eq!(replica.refused(6, revoke(3)), Refusal::LastAdminKey);
    // Its rotation leaves another one in its place.
    replica.done(7, rotate(3, 4));
    assert_eq!(replica.refused(8, revoke(4)), Refusal::LastAdminKey);
    // One that was replaced is none any more.
    assert_eq!(replica.done(9, revoke(3)), Reply::Done);
    for other in [1, 2] {
        assert_eq!(replica.done(10 + other, revoke(other)), Reply::Done);
    }
}

#[test]
fn a_replaced_key_authorizes_nothing_and_its_write_can_be_repeated() {
    let replica = replica();
    replica.done(1, issue(1, Rights::READ, Some(BEGIN + 10 * REPLACED)));
    let rotation = by(1, keyed(proposal(2, BEGIN, rotate(1, 2)), 1, 1, KEY_LIFE));
    let first = replica.one(&rotation);
    let new = made(&first);
    assert_eq!(new.sealed, sealed(2));
    let before = found(&replica, 1).expect("its record stays for a while");
    assert_eq!((new.key.key.rights, &new.key.label), (Rights::READ, &before.label));
    assert_eq!(new.key.expires_at, before.expires_at);
    let replaced = Replaced { by: write_id(2), until: LogTime(BEGIN + REPLACED) };
    assert_eq!((before.replaced, before.lives(LogTime(BEGIN))), (Some(replaced), false));
    // The repeat was given another key on its way.
    let repeat = by(1, keyed(proposal(3, BEGIN + 9, rotate(1, 3)), 1, 1, KEY_LIFE));
    assert_eq!(replica.one(&repeat), first, "the first one's text is shown again");
    let another = by(1, proposal(4, BEGIN, rotate(1, 3)));
    assert_eq!(outcome(&replica, &another), Err(Refusal::KeyRevoked));
    assert_eq!(replica.refused(5, rotate(1, 3)), Refusal::KeyRevoked);
    assert_eq!(found(&replica, 3), None);
    // Its record goes with the next change after its time.
    let at = BEGIN + REPLACED;
    replica.one(&proposal(6, at, issue(4, Rights::READ, None)));
    assert!(found(&replica, 1).is_some());
    replica.one(&proposal(7, at + 1, issue(5, Rights::READ, None)));
    assert_eq!(found(&replica, 1), None);
}

#[test]
fn the_first_key_can_be_replaced() {
    let replica = replica();
    replica.one(&by(0, proposal(1, BEGIN, rotate(0, 1))));
    let old = by(0, proposal(2, BEGIN, issue(2, Rights::READ, None)));
    assert_eq!(outcome(&replica, &old), Err(Refusal::KeyRevoked));
    let new = by(1, proposal(3, BEGIN, issue(2, Rights::READ, None)));
    assert!(outcome(&replica, &new).is_ok());
    // A late duplicate of the creation does not bring it back.
    replica.done(4, Command::CreateOrg(org(0)));
    assert!(found(&replica, 0).is_some_and(|key| key.replaced.is_some()));
}

#[test]
fn living_keys_and_replaced_ones_are_bounded() {
    let replica = replica();
    let most = u8::try_from(limits::API_KEYS_MAX).expect("a small number");
    for number in 1..most {
        replica.done(number, issue(number, Rights::READ, None));
    }
    assert_eq!(replica.refused(90, issue(90, Rights::READ, None)), Refusal::KeysFull);
    replica.done(91, revoke(1));
    replica.done(92, issue(90, Rights::READ, None));
    // Each rotation leaves a replaced key.
    for number in 0..most {
        replica.done(100 + number, rotate(if number == 0 { 0 } else { 99 + number }, 100 + number));
    }
    let last = 99 + most;
    assert_eq!(replica.refused(180, rotate(last, 180)), Refusal::KeysFull);
    let later = proposal(181, BEGIN + REPLACED + 1, rotate(last, 181));
    assert!(outcome(&replica, &later).is_ok());
    let left = all(&*replica.store, HOME, org_id(0)).expect("they read");
    assert_eq!(left.len(), limits::API_KEYS_MAX + 1);
}

#[test]
fn a_known_id_or_text_is_refused() {
    let replica = replica();
    assert_eq!(replica.refused(1, issue(0, Rights::READ, None)), Refusal::KeyExists);
    assert_eq!(replica.refused(2, rotate(0, 0)), Refusal::KeyExists);
    let same_id = ApiKey { id: key_id(0), ..api_key(1) };
    let (label, expires_at) = (None, None);
    let change = KeyChange::Issue { key: same_id, label, expires_at, sealed: sealed(1) };
    assert_eq!(replica.refused(3, command(change)), Refusal::KeyExists);
}

#[derive(Debug, Clone, Copy)]
enum Step {
    Issue { is_admin: bool, life: Option<u64> },
    Revoke(usize),
    Rotate(usize),
}

/// A change, the key that asks for it, and the time that has passed.
fn step() -> impl Strategy<Value = (Step, usize, u64)> {
    let life = option::weighted(0.3, 1_u64..20_000);
    let change = prop_oneof![
        (any::<bool>(), life).prop_map(|(is_admin, life)| Step::Issue { is_admin, life }),
        (0_usize..6).prop_map(Step::Revoke),
        (0_usize..6).prop_map(Step::Rotate),
    ];
    (change, 0_usize..6, prop_oneof![3 => 0_u64..9_000, 1 => Just(REPLACED)])
}

/// A naive second set of rules. Keys are numbers.
struct Model {
    time: u64,
    /// All that ever were.
    ever: Vec<u8>,
    /// Whether a living key is an admin's, and when it expires.
    living: BTreeMap<u8, (bool, Option<u64>)>,
    /// Until when a replaced key is known.
    replaced: BTreeMap<u8, u64>,
}

impl Model {
    fn pick(&self, which: usize) -> u8 {
        self.ever[which % self.ever.len()]
    }

    fn lasting(&self) -> usize {
        self.living.values().filter(|key| **key == (true, None)).count()
    }

    fn pass(&mut self, time: u64) {
        self.time += time;
        let now = self.time;
        self.living.retain(|_, (_, expires)| expires.is_none_or(|expires| now < expires));
        self.replaced.retain(|_, until| now <= *until);
    }

    fn carry_out(&mut self, step: Step, new: u8) -> Result<(), Refusal> {
        match step {
            Step::Issue { is_admin, life } => {
                self.living.insert(new, (is_admin, life.map(|life| self.time + life)));
                self.ever.push(new);
            }
            Step::Revoke(which) => {
                let key = self.pick(which);
                if self.living.get(&key) == Some(&(true, None)) && self.lasting() == 1 {
                    return Err(Refusal::LastAdminKey);
                }
                let ended =
                    self.living.remove(&key).is_some() || self.replaced.remove(&key).is_some();
                return if ended { Ok(()) } else { Err(Refusal::KeyNotFound) };
            }
            Step::Rotate(which) => {
                let key = self.pick(which);
                let old = self.living.remove(&key).ok_or(Refusal::KeyRevoked)?;
                // It is dropped when it would have expired.
                let until = self.time + REPLACED;
                let expires = old.1.map_or(until, |expires| expires - 1);
                self.replaced.insert(key, until.min(expires));
                self.living.insert(new, old);
                self.ever.push(new);
            }
        }
        Ok(())
    }
}

proptest! {
    /// Who may write, what is refused, and who is left.
    #[test]
    fn only_living_keys_authorize(steps in vec(step(), 1..30)) {
        let replica = replica();
        let living = BTreeMap::from([(0, (true, None))]);
        let mut model = Model { time: BEGIN, ever: vec![0], living, replaced: BTreeMap::new() };
        for (write, (step, caller, passed)) in (1_u8..).zip(steps) {
            let new = 10 + write;
            model.pass(passed);
            let change = match step {
                Step::Issue { is_admin, life } => {
                    let rights = if is_admin { Rights::ALL } else { Rights::READ };
                    issue(new, rights, life.map(|life| model.time + life))
                }
                Step::Revoke(which) => revoke(model.pick(which)),
                Step::Rotate(which) => rotate(model.pick(which), new),
            };
            let caller = model.pick(caller);
            let answer = outcome(&replica, &by(caller, proposal(write, model.time, change)));
            let expected = match model.living.contains_key(&caller) {
                true => model.carry_out(step, new),
                false => Err(Refusal::KeyRevoked),
            };
            prop_assert_eq!(answer.map(drop), expected);
            let now = LogTime(model.time);
            let stored = all(&*replica.store, HOME, org_id(0)).expect("they read");
            let living: BTreeSet<_> =
                stored.iter().filter(|key| key.lives(now)).map(|key| key.key.id).collect();
            let expected: BTreeSet<_> = model.living.keys().map(|key| key_id(*key)).collect();
            prop_assert_eq!(living, expected);
            prop_assert!(model.lasting() > 0, "no key can be made any more");
        }
    }
}
