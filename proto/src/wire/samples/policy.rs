//! Fixed and arbitrary values of policies, as in `samples/mod.rs`: samples may be added; one that has been
//! released is never changed.

use proptest::prelude::*;

use super::{Samples, applied_with, client_id, org, proposal, write_id};
use crate::{
    base::{id::WriteId, time::LogTime},
    command::{Command, Precondition, Proposal},
    records::{
        policy::{DecidedFor, OwnPolicies, PolicySetRecord, PolicyStamp},
        resource::{ResourceBody, ResourceChange, ResourceName},
    },
    refusal::Refusal,
    reply::Applied,
};

fn text() -> String {
    "forbid (principal, action, resource);".to_owned()
}

pub(in crate::wire) fn sets() -> Samples<PolicySetRecord> {
    let (version, changed_at) = (write_id(0x41), LogTime(1_764_000_300_123));
    vec![("set", PolicySetRecord { revision: 300, version, changed_at, text: text() })]
}

pub(in crate::wire) fn proposals() -> Samples<Proposal> {
    let precondition = Some(Precondition::AnyOf(vec![write_id(3)]));
    let put = ResourceChange::Put(ResourceName::policies(), ResourceBody::Policies(text()));
    let (org, change) = (org().id, Box::new(put));
    let stamped = |organization| Proposal {
        policies: Some(PolicyStamp { cluster: 300, organization }),
        ..proposal(Command::NotePolicies(300))
    };
    let decided = |decided_for| Proposal {
        decided_for: Some(decided_for),
        ..stamped(OwnPolicies::Of(write_id(0x42)))
    };
    vec![
        ("set_policies", proposal(Command::SetPolicies { text: text(), precondition })),
        ("note_policies", proposal(Command::NotePolicies(300))),
        ("put_own_policies", proposal(Command::ChangeResource { org, change, precondition: None })),
        ("stamped", stamped(OwnPolicies::Unasked)),
        ("stamped_without_own", stamped(OwnPolicies::Empty)),
        ("stamped_with_own", stamped(OwnPolicies::Of(write_id(0x42)))),
        ("decided_for_none", decided(DecidedFor::NoCredential)),
        ("decided_for_one", decided(DecidedFor::Credential(client_id("a-client")))),
    ]
}

pub(in crate::wire) fn applied() -> Samples<Applied> {
    vec![("policy_changed", applied_with(Err(Refusal::PolicyChanged)))]
}

pub(in crate::wire) fn any_stamp() -> impl Strategy<Value = PolicyStamp> {
    let own = prop_oneof![
        Just(OwnPolicies::Unasked),
        Just(OwnPolicies::Empty),
        any::<[u8; 16]>().prop_map(|id| OwnPolicies::Of(WriteId::from_bytes(id))),
    ];
    (any::<u64>(), own).prop_map(|(cluster, organization)| PolicyStamp { cluster, organization })
}

pub(in crate::wire) fn any_decided_for() -> impl Strategy<Value = DecidedFor> {
    let one = "[a-z0-9.-]{1,40}[a-z]".prop_map(|text| DecidedFor::Credential(client_id(&text)));
    prop_oneof![Just(DecidedFor::NoCredential), one]
}

pub(in crate::wire) fn any_command(
    precondition: impl Strategy<Value = Option<Precondition>>,
) -> impl Strategy<Value = Command> {
    let set = ("[ -~]{0,99}", precondition)
        .prop_map(|(text, precondition)| Command::SetPolicies { text, precondition });
    prop_oneof![set, any::<u64>().prop_map(Command::NotePolicies)]
}
