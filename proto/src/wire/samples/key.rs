//! Fixed and arbitrary values of organizations' keys, as in `samples/mod.rs`: samples may be added; one
//! that has been released is never changed.

use proptest::{option, prelude::*};

use super::{Samples, api_key, applied_with, bytes, org, proposal, sealed, write_id};
use crate::{
    base::{
        id::{KeyId, OrgId},
        time::LogTime,
    },
    command::{Command, Proposal},
    records::{
        key::{KeyChange, NewKey, OrgKey, Replaced},
        movement::MovedRecord,
        org::{ApiKey, Rights},
    },
    refusal::Refusal,
    reply::{Applied, Reply},
};

fn issued() -> OrgKey {
    OrgKey {
        key: ApiKey { rights: Rights::READ, ..api_key() },
        label: Some("Müller / CI".to_owned()),
        created_at: Some(LogTime(1_764_000_000_123)),
        expires_at: Some(LogTime(1_795_536_000_000)),
        replaced: None,
    }
}

fn replaced() -> OrgKey {
    let replaced = Replaced { by: write_id(0x41), until: LogTime(1_764_000_600_123) };
    OrgKey { replaced: Some(replaced), ..OrgKey::plain(api_key()) }
}

pub(in crate::wire) fn org_keys() -> Samples<OrgKey> {
    vec![("plain", OrgKey::plain(api_key())), ("issued", issued()), ("replaced", replaced())]
}

pub(in crate::wire) fn moved_records() -> Samples<MovedRecord> {
    vec![("org_key", MovedRecord::OrgKey(Box::new(replaced())))]
}

pub(in crate::wire) fn proposals() -> Samples<Proposal> {
    let change = |change| proposal(Command::ChangeKeys { org: org().id, change: Box::new(change) });
    let OrgKey { key, label, expires_at, .. } = issued();
    let issue = KeyChange::Issue { key, label, expires_at, sealed: sealed(0x71) };
    let rotate = KeyChange::Rotate {
        replaces: api_key().id,
        id: KeyId::from_bytes(bytes(0x21)),
        hash: bytes(0x31),
        sealed: sealed(0x72),
    };
    vec![
        ("issue_key", change(issue)),
        ("revoke_key", change(KeyChange::Revoke(api_key().id))),
        ("rotate_key", change(rotate)),
    ]
}

pub(in crate::wire) fn applied() -> Samples<Applied> {
    let new = NewKey { key: issued(), sealed: sealed(0x71) };
    vec![
        ("new_key", applied_with(Ok(Reply::Key(Box::new(new))))),
        ("key_not_found", applied_with(Err(Refusal::KeyNotFound))),
        ("key_exists", applied_with(Err(Refusal::KeyExists))),
        ("keys_full", applied_with(Err(Refusal::KeysFull))),
        ("last_admin_key", applied_with(Err(Refusal::LastAdminKey))),
    ]
}

fn any_api_key() -> impl Strategy<Value = ApiKey> {
    (any::<[u8; 16]>(), any::<[u8; 32]>(), 0_u8..=15).prop_map(|(id, hash, rights)| ApiKey {
        id: KeyId::from_bytes(id),
        hash,
        rights: Rights(rights),
    })
}

fn any_time() -> impl Strategy<Value = Option<LogTime>> {
    option::of(any::<u64>().prop_map(LogTime))
}

fn any_label() -> impl Strategy<Value = Option<String>> {
    option::of("\\PC{0,64}")
}

pub(in crate::wire) fn any_org_key() -> impl Strategy<Value = OrgKey> {
    let replaced = option::of(
        (any::<u8>(), any::<u64>())
            .prop_map(|(by, until)| Replaced { by: write_id(by), until: LogTime(until) }),
    );
    (any_api_key(), any_label(), any_time(), any_time(), replaced).prop_map(
        |(key, label, created_at, expires_at, replaced)| OrgKey {
            key,
            label,
            created_at,
            expires_at,
            replaced,
        },
    )
}

pub(in crate::wire) fn any_command(
    org: impl Strategy<Value = OrgId>,
) -> impl Strategy<Value = Command> {
    let id = || any::<[u8; 16]>().prop_map(KeyId::from_bytes);
    let change = prop_oneof![
        (any_api_key(), any_label(), any_time()).prop_map(|(key, label, expires_at)| {
            KeyChange::Issue { key, label, expires_at, sealed: sealed(7) }
        }),
        id().prop_map(KeyChange::Revoke),
        (id(), id(), any::<[u8; 32]>()).prop_map(|(replaces, id, hash)| KeyChange::Rotate {
            replaces,
            id,
            hash,
            sealed: sealed(8),
        }),
    ];
    (org, change).prop_map(|(org, change)| Command::ChangeKeys { org, change: Box::new(change) })
}
