//! Helpers of the machine's tests: a replica of one group over a store in memory, and proposals
//! made of small numbers, so that random ones collide.

use std::{sync::Arc, time::Duration};

use concordat_proto::{
    command::{Command, Idempotency, Precondition, Proposal},
    id::{ClientId, ClusterId, GroupId, KeyId, NodeId, OrgId, WriteId},
    log::{LogId, LogIndex, Term},
    oidc::{AppleOptions, OidcCredential, OidcOptions, OidcPatch, Provider, ProviderOptions},
    org::{
        ApiKey, ClusterRecord, NodeRecord, NodeState, Org, PartitionPolicyRecord, RegionState,
        Rights, SurvivalGoal, WrappedKey,
    },
    record::AppliedRecord,
    refusal::Refusal,
    region::Region,
    reply::{Applied, Reply},
    secret::Sealed,
    time::LogTime,
    wire::Wire,
};
use proptest::{collection::vec, option, prelude::*};

use super::{ApplyContext, Overlay, apply, digest, query};
use crate::store::{Reader, Store, StoreError, WriteBatch, keys, memory::MemoryStore};

/// The home group that the tests use.
pub(super) const HOME: GroupId = GroupId(1);
/// Log time at which the tests begin.
pub(super) const BEGIN: u64 = 1_000_000;
/// The shortest life of an idempotency key, in milliseconds.
pub(super) const KEY_LIFE: u64 = 60_000;

/// One replica of one group.
#[derive(Debug, Clone)]
pub(super) struct Replica {
    pub(super) group: GroupId,
    pub(super) store: Arc<MemoryStore>,
}

impl Replica {
    pub(super) fn new(group: GroupId) -> Self {
        Self { group, store: Arc::new(MemoryStore::default()) }
    }

    /// A home group with organizations 0 and 1 in it.
    pub(super) fn with_orgs() -> Self {
        let replica = Self::new(HOME);
        for number in 0..2 {
            let command = Command::CreateOrg(org(number));
            let made = replica.one(&proposal(200 + number, BEGIN, command));
            assert!(made.outcome.is_ok(), "{made:?}");
        }
        replica
    }

    /// A formed system group with region `r0`.
    pub(super) fn formed() -> Self {
        let replica = Self::new(GroupId::SYSTEM);
        replica.done(200, form());
        replica.done(201, Command::RegisterNode(node(0, 0, 0)));
        replica
    }

    pub(super) fn done(&self, write: u8, command: Command) -> Reply {
        self.one(&proposal(write, BEGIN, command)).outcome.expect("a yes")
    }

    pub(super) fn refused(&self, write: u8, command: Command) -> Refusal {
        self.one(&proposal(write, BEGIN, command)).outcome.expect_err("a no")
    }

    pub(super) fn one(&self, proposal: &Proposal) -> Applied {
        self.batch(std::slice::from_ref(proposal)).remove(0)
    }

    pub(super) fn batch(&self, proposals: &[Proposal]) -> Vec<Applied> {
        self.try_batch(proposals).expect("apply does not fail")
    }

    /// Applies the next proposals of the log, as one batch, from the stored position on.
    pub(super) fn try_batch(&self, proposals: &[Proposal]) -> Result<Vec<Applied>, StoreError> {
        let mut record = self.applied();
        let mut overlay = Overlay::new(&*self.store);
        let mut replies = Vec::new();
        for proposal in proposals {
            let index = LogIndex(record.log_id.map_or(0, |id| id.index.0) + 1);
            let log_id = LogId { term: Term(1), index };
            let context =
                ApplyContext { group: self.group, log_id, log_time_before: record.log_time };
            let (applied, changes) = apply(&overlay, &context, proposal)?;
            overlay.add(changes);
            record.log_id = Some(log_id);
            record.log_time = context.log_time(proposal);
            replies.push(applied);
        }
        let mut batch = overlay.into_batch();
        batch.changes.push((keys::applied(self.group), Some(record.encode())));
        self.store.write(batch)?;
        Ok(replies)
    }

    pub(super) fn applied(&self) -> AppliedRecord {
        query::applied(&*self.store, self.group).unwrap()
    }

    pub(super) fn next_index(&self) -> usize {
        usize::try_from(self.applied().log_id.map_or(0, |id| id.index.0)).unwrap()
    }

    pub(super) fn digest(&self) -> digest::StateDigest {
        digest::of_group(&*self.store, self.group).unwrap()
    }

    /// Another replica that installs a snapshot of this one into a store.
    pub(super) fn copied_into(&self, store: MemoryStore) -> Self {
        let mut changes = Vec::new();
        query::each(&*self.store, &keys::group_prefix(self.group), |key, value| {
            changes.push((key.to_vec(), Some(value.to_vec())));
            Ok(())
        })
        .unwrap();
        store.write(WriteBatch { cleared_prefixes: Vec::new(), changes }).unwrap();
        Self { group: self.group, store: Arc::new(store) }
    }

    pub(super) fn keys_under(&self, prefix: &[u8]) -> usize {
        self.store.scan(prefix, None, usize::MAX).unwrap().len()
    }

    pub(super) fn keys_of(&self, kind: keys::Kind) -> usize {
        let pairs = self.store.scan(&keys::group_prefix(self.group), None, usize::MAX).unwrap();
        pairs.iter().filter(|(key, _)| keys::parse(key).unwrap().kind == kind).count()
    }
}

pub(super) fn write_id(number: u8) -> WriteId {
    WriteId::from_bytes([number; 16])
}

pub(super) fn org_id(number: u8) -> OrgId {
    OrgId::from_bytes([number + 1; 16])
}

pub(super) fn client(number: u8) -> ClientId {
    ClientId::new(format!("client-{number}")).unwrap()
}

pub(super) fn region(number: u8) -> Region {
    Region::new(format!("r{number}")).unwrap()
}

pub(super) fn key_id(number: u8) -> KeyId {
    KeyId::from_bytes([number; 16])
}

pub(super) fn sealed(number: u8) -> Sealed {
    Sealed { sealed_by: write_id(number), bytes: vec![number; 3] }
}

pub(super) fn api_key(number: u8) -> ApiKey {
    ApiKey { id: key_id(number), hash: [number; 32], rights: Rights::ALL }
}

pub(super) fn org(number: u8) -> Org {
    Org {
        id: org_id(number),
        org_name: format!("org {number}"),
        tenant_name: "tenant".into(),
        home_region: region(0),
        epoch: 1,
        data_key: WrappedKey { keyring_key: 1, bytes: vec![number] },
        first_key: api_key(number),
        first_key_sealed: sealed(number),
    }
}

pub(super) fn form() -> Command {
    Command::Form {
        cluster: ClusterRecord {
            id: ClusterId::from_bytes([9; 16]),
            feature_level: 1,
            survival_goal: SurvivalGoal::Node,
            partition_policy: PartitionPolicyRecord::default(),
        },
        operator_key: api_key(77),
    }
}

pub(super) fn node(id: u8, of_region: u8, address: u8) -> NodeRecord {
    NodeRecord {
        id: NodeId(u64::from(id)),
        region: region(of_region),
        peer_address: format!("host-{address}:1"),
        api_url: format!("http://host-{id}:2"),
        replaced_by: None,
        state: NodeState::Member,
    }
}

/// Options of a provider, distinguished by a number; Apple's with a key only on request.
pub(super) fn options(provider: Provider, number: u8, with_key: bool) -> OidcOptions {
    let specific = if provider == Provider::Apple {
        ProviderOptions::Apple(AppleOptions {
            private_key: with_key.then(|| sealed(number)),
            team_id: format!("TEAM{number:06}"),
            key_id: "KEY0000001".into(),
            secret_lifetime: Duration::from_secs(300),
        })
    } else {
        ProviderOptions::ScopesOnly
    };
    OidcOptions { provider, scopes: vec![format!("scope{number}")], specific }
}

pub(super) fn credential(number: u8, provider: Provider, secret: u8) -> OidcCredential {
    OidcCredential {
        client_id: client(number),
        provider,
        client_secret: sealed(secret),
        label: None,
        external_cred_id: None,
        enable_in_authz_server: None,
        options: options(provider, secret, true),
        version: write_id(0),
    }
}

/// A proposal that stays valid for ten seconds, without a key of any sort.
pub(super) fn proposal(write: u8, stamped: u64, command: Command) -> Proposal {
    Proposal {
        write_id: write_id(write),
        stamped: LogTime(stamped),
        not_after: LogTime(stamped.saturating_add(10_000)),
        origin: NodeId(1),
        idempotency: None,
        authorized_by: None,
        policies: None,
        decided_for: None,
        command,
    }
}

pub(super) fn keyed(mut proposal: Proposal, key: u8, digest: u8, life: u64) -> Proposal {
    proposal.idempotency = Some(Idempotency {
        key: format!("key-{key}"),
        digest: [digest; 32],
        lifetime: Duration::from_millis(life),
    });
    proposal
}

fn provider() -> impl Strategy<Value = Provider> {
    prop_oneof![Just(Provider::Google), Just(Provider::Github), Just(Provider::Apple)]
}

fn precondition() -> impl Strategy<Value = Option<Precondition>> {
    option::weighted(
        0.3,
        prop_oneof![
            Just(Precondition::Exists),
            vec((0_u8..24).prop_map(write_id), 0..8).prop_map(Precondition::AnyOf),
        ],
    )
}

fn patch() -> impl Strategy<Value = OidcPatch> {
    let options =
        option::of((provider(), any::<u8>(), any::<bool>()).prop_map(|(p, n, k)| options(p, n, k)));
    let text = || option::weighted(0.3, "[a-z]{0,2}");
    let provider = option::weighted(0.2, provider());
    let secret = option::weighted(0.3, any::<u8>().prop_map(sealed));
    (provider, secret, text(), text(), option::weighted(0.3, any::<bool>()), options).prop_map(
        |(provider, client_secret, label, external_cred_id, enable_in_authz_server, options)| {
            OidcPatch {
                provider,
                client_secret,
                label,
                external_cred_id,
                enable_in_authz_server,
                options,
            }
        },
    )
}

/// Commands of organizations.
pub(super) fn home_command() -> impl Strategy<Value = Command> {
    let org_number = 0_u8..3;
    prop_oneof![
        1 => (0_u8..3, 0_u8..2).prop_map(|(number, name)| Command::CreateOrg(Org {
            org_name: format!("name {name}"),
            ..org(number)
        })),
        5 => (org_number.clone(), 0_u8..3, provider(), any::<u8>()).prop_map(
            |(org, number, provider, secret)| Command::CreateOidc {
                org: org_id(org),
                credential: credential(number, provider, secret),
            }
        ),
        5 => (org_number.clone(), 0_u8..3, patch(), precondition()).prop_map(
            |(org, number, patch, precondition)| Command::PatchOidc {
                org: org_id(org),
                client_id: client(number),
                patch,
                precondition,
            }
        ),
        3 => (org_number, 0_u8..3, precondition()).prop_map(|(org, number, precondition)| {
            Command::DeleteOidc { org: org_id(org), client_id: client(number), precondition }
        }),
    ]
}

/// Commands of the cluster itself.
pub(super) fn system_command() -> impl Strategy<Value = Command> {
    prop_oneof![
        1 => Just(form()),
        4 => (0_u8..6, 0_u8..3, 0_u8..5)
            .prop_map(|(id, region, address)| Command::RegisterNode(node(id, region, address))),
        3 => (0_u8..4, 0_u8..4).prop_map(|(number, home)| Command::ClaimOrg(Org {
            home_region: region(home),
            ..org(number)
        })),
        1 => (0_u8..4).prop_map(|number| Command::AddRegion(region(number))),
        3 => life_command(),
    ]
}

/// Commands on the lives of nodes and regions.
fn life_command() -> impl Strategy<Value = Command> {
    let node_state = prop_oneof![
        Just(NodeState::Member),
        Just(NodeState::Draining),
        Just(NodeState::Leaving),
        Just(NodeState::Removed),
    ];
    let region_state = prop_oneof![
        Just(RegionState::Open),
        Just(RegionState::Leaving),
        Just(RegionState::Removed)
    ];
    prop_oneof![
        3 => (0_u64..6, node_state)
            .prop_map(|(node, state)| Command::SetNodeState { node: NodeId(node), state }),
        2 => (0_u8..3, region_state)
            .prop_map(|(number, state)| Command::SetRegionState { region: region(number), state }),
        1 => (0_u8..3, 0_u64..6).prop_map(|(number, node)| Command::RefoundRegion {
            region: region(number),
            founder: NodeId(node),
        }),
        1 => prop_oneof![Just(SurvivalGoal::Node), Just(SurvivalGoal::Region)]
            .prop_map(Command::SetSurvivalGoal),
    ]
}

/// Proposals of these commands: with repeated writes and keys, dead keys, times that jump.
pub(super) fn proposals(
    command: impl Strategy<Value = Command>,
    count: impl Into<proptest::collection::SizeRange>,
) -> impl Strategy<Value = Vec<Proposal>> {
    let stamp = prop_oneof![20 => 0_u64..40, 5 => 0..200_u64, 1 => Just(u64::MAX / 2_000)];
    let life = prop_oneof![Just(KEY_LIFE), Just(2 * KEY_LIFE)];
    let key = option::weighted(0.4, (0_u8..4, 0_u8..2, life));
    let authorized = prop_oneof![3 => Just(None), 3 => (0_u8..4).prop_map(|n| Some(key_id(n)))];
    let one = (0_u8..24, stamp, -5_i64..60, key, authorized, command);
    let one = one.prop_map(|(write, seconds, valid_seconds, key, authorized_by, command)| {
        let stamped = BEGIN + seconds * 1000;
        let mut made = proposal(write, stamped, command);
        made.not_after = LogTime(stamped.saturating_add_signed(valid_seconds * 1000));
        made.authorized_by = authorized_by;
        if let Some((key, digest, life)) = key {
            made = keyed(made, key, digest, life);
        }
        assert_eq!(Proposal::decode(&made.encode()).as_ref(), Ok(&made), "only real ones");
        made
    });
    vec(one, count)
}
