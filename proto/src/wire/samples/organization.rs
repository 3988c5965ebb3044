//! Fixed and arbitrary values of suborganizations and of ends of organizations, as in `samples/mod.rs`:
//! samples may be added; one that has been released is never changed.

use proptest::{collection::vec, prelude::*};

use super::{Samples, applied_with, org, proposal};
use crate::{
    base::id::OrgId,
    command::{Command, Proposal},
    records::{
        org::Org,
        resource::{Administrator, HandleType, ResourceBody, Suborganization},
    },
    refusal::Refusal,
    reply::Applied,
};

fn admins() -> Vec<Administrator> {
    let admin = |handle, value: &str| Administrator { handle, value: value.to_owned() };
    vec![
        admin(HandleType::EmailAddress, "admin@example.com"),
        admin(HandleType::PhoneNumber, "+41440000000"),
        admin(HandleType::Username, "admin"),
    ]
}

pub(in crate::wire) fn suborganization() -> ResourceBody {
    ResourceBody::Suborganization(Suborganization { name: "A part".to_owned(), admins: admins() })
}

pub(in crate::wire) fn proposals() -> Samples<Proposal> {
    let parent = OrgId::from_bytes([0x61; 16]);
    let create =
        Command::CreateSuborganization { parent, child: Box::new(org()), admins: admins() };
    let end = |by_operator| proposal(Command::EndOrg { org: org().id, by_operator });
    vec![
        ("create_suborganization", proposal(create)),
        ("end_org", end(false)),
        ("end_org_by_operator", end(true)),
        ("end_claim", proposal(Command::EndClaim(org().id))),
        ("settle_end", proposal(Command::SettleEnd(org().id))),
    ]
}

pub(in crate::wire) fn applied() -> Samples<Applied> {
    vec![("has_suborganizations", applied_with(Err(Refusal::HasSuborganizations)))]
}

fn any_admin() -> impl Strategy<Value = Administrator> {
    let handle = prop_oneof![
        Just(HandleType::EmailAddress),
        Just(HandleType::PhoneNumber),
        Just(HandleType::Username),
    ];
    (handle, "[a-z@.+0-9]{1,40}").prop_map(|(handle, value)| Administrator { handle, value })
}

pub(in crate::wire) fn any_body() -> impl Strategy<Value = ResourceBody> {
    ("[A-Za-z ]{1,40}", vec(any_admin(), 0..4))
        .prop_map(|(name, admins)| ResourceBody::Suborganization(Suborganization { name, admins }))
}

pub(in crate::wire) fn any_command(
    id: impl Strategy<Value = OrgId> + Clone,
    child: impl Strategy<Value = Org>,
) -> impl Strategy<Value = Command> {
    prop_oneof![
        (id.clone(), child, vec(any_admin(), 0..4)).prop_map(|(parent, child, admins)| {
            Command::CreateSuborganization { parent, child: Box::new(child), admins }
        }),
        (id.clone(), any::<bool>())
            .prop_map(|(org, by_operator)| Command::EndOrg { org, by_operator }),
        id.clone().prop_map(Command::EndClaim),
        id.prop_map(Command::SettleEnd),
    ]
}
