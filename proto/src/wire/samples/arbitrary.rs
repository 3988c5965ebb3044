//! Arbitrary values, within the rules that decoding checks.

use std::time::Duration;

use proptest::{collection::vec, option, prelude::*, sample::select};

use super::{key, organization, policy, registration, resource};
use crate::{
    base::{
        id::{ClientId, ClusterId, GroupId, KeyId, NodeId, OrgId, WriteId},
        log::{LogId, LogIndex, Term},
        region::Region,
        secret::Sealed,
        time::LogTime,
    },
    command::{Command, Idempotency, Precondition, Proposal},
    consistency::Position,
    records::{
        failover::FailoverBasis,
        lease::{LeaseTerms, ReplicaMark},
        movement::{MovedRecord, PreviousHome},
        oidc::{AppleOptions, OidcCredential, OidcOptions, OidcPatch, Provider, ProviderOptions},
        org::{
            ApiKey, ClusterRecord, NodeRecord, NodeState, Org, OrgSettings, PartitionPolicy,
            PartitionPolicyRecord, RegionState, Rights, StaleSecrets, SurvivalGoal, WrappedKey,
        },
        record::{AppliedRecord, KeyRecord, WriteRecord},
    },
    refusal::{FullOf, Refusal},
    reply::{Applied, Reply},
};

fn write_id() -> impl Strategy<Value = WriteId> + Clone {
    any::<[u8; 16]>().prop_map(WriteId::from_bytes)
}

fn org_id() -> impl Strategy<Value = OrgId> + Clone {
    any::<[u8; 16]>().prop_map(OrgId::from_bytes)
}

fn region() -> impl Strategy<Value = Region> {
    "[a-z][a-z0-9-]{0,62}".prop_map(|text| Region::new(text).expect("a region"))
}

fn client_id() -> impl Strategy<Value = ClientId> {
    "\\PC{1,255}".prop_filter_map("a control character", |text| ClientId::new(text).ok())
}

fn sealed() -> impl Strategy<Value = Sealed> {
    (write_id(), vec(any::<u8>(), 0..300))
        .prop_map(|(sealed_by, bytes)| Sealed { sealed_by, bytes })
}

fn provider() -> impl Strategy<Value = Provider> {
    select(&Provider::ALL[..])
}

fn apple(key: impl Strategy<Value = Option<Sealed>>) -> impl Strategy<Value = ProviderOptions> {
    (key, "[A-Za-z0-9]{10}", "[A-Za-z0-9]{10}", 300_u64..15_777_000, 0_u32..1_000_000_000).prop_map(
        |(private_key, team_id, key_id, seconds, nanoseconds)| {
            let secret_lifetime = Duration::new(seconds, nanoseconds);
            ProviderOptions::Apple(AppleOptions { private_key, team_id, key_id, secret_lifetime })
        },
    )
}

fn options(keeps_key: bool) -> impl Strategy<Value = OidcOptions> {
    let specific = provider().prop_flat_map(move |provider| {
        let specific = match provider {
            Provider::Azuread => {
                "[a-z.]{1,40}".prop_map(|tenant| ProviderOptions::Azuread { tenant }).boxed()
            }
            Provider::Okta => "(https://[a-z.]{1,40})?"
                .prop_map(|organization_url| ProviderOptions::Okta { organization_url })
                .boxed(),
            Provider::Oidc => registration::any_generic().prop_map(ProviderOptions::Oidc).boxed(),
            Provider::Apple if keeps_key => apple(option::of(sealed())).boxed(),
            Provider::Apple => apple(sealed().prop_map(Some)).boxed(),
            Provider::Google
            | Provider::Github
            | Provider::Bitbucket
            | Provider::Gitlab
            | Provider::Facebook
            | Provider::Line => Just(ProviderOptions::ScopesOnly).boxed(),
        };
        (Just(provider), specific)
    });
    (specific, vec("[a-zA-Z:./]{1,30}", 0..6))
        .prop_map(|((provider, specific), scopes)| OidcOptions { provider, scopes, specific })
}

fn text() -> impl Strategy<Value = Option<String>> {
    option::of("\\PC{0,256}")
}

pub(in crate::wire) fn credential() -> impl Strategy<Value = OidcCredential> {
    let texts = (text(), text(), option::of(any::<bool>()));
    (client_id(), sealed(), texts, options(false), write_id()).prop_map(
        |(client_id, client_secret, texts, options, version)| OidcCredential {
            client_id,
            provider: options.provider,
            client_secret,
            label: texts.0,
            external_cred_id: texts.1,
            enable_in_authz_server: texts.2,
            options,
            version,
        },
    )
}

fn patch() -> impl Strategy<Value = OidcPatch> {
    let texts = (text(), text(), option::of(any::<bool>()));
    (option::of(provider()), option::of(sealed()), texts, option::of(options(true))).prop_map(
        |(provider, client_secret, texts, options)| OidcPatch {
            provider,
            client_secret,
            label: texts.0,
            external_cred_id: texts.1,
            enable_in_authz_server: texts.2,
            options,
        },
    )
}

fn api_key() -> impl Strategy<Value = ApiKey> {
    (any::<[u8; 16]>(), any::<[u8; 32]>(), 0_u8..=15).prop_map(|(id, hash, rights)| ApiKey {
        id: KeyId::from_bytes(id),
        hash,
        rights: Rights(rights),
    })
}

pub(in crate::wire) fn org() -> impl Strategy<Value = Org> {
    let key = (any::<u32>(), vec(any::<u8>(), 0..100))
        .prop_map(|(keyring_key, bytes)| WrappedKey { keyring_key, bytes });
    let names = ("\\PC{1,256}", "\\PC{1,256}");
    (org_id(), names, region(), any::<u32>(), key, api_key(), sealed()).prop_map(
        |(id, names, home_region, epoch, data_key, first_key, first_key_sealed)| Org {
            id,
            org_name: names.0,
            tenant_name: names.1,
            home_region,
            epoch,
            data_key,
            first_key,
            first_key_sealed,
        },
    )
}

fn node() -> impl Strategy<Value = NodeRecord> {
    (any::<u64>(), region(), "\\PC{0,60}", "\\PC{0,60}", option::of(any::<u64>())).prop_map(
        |(id, region, peer_address, api_url, replaced_by)| NodeRecord {
            id: NodeId(id),
            region,
            peer_address,
            api_url,
            replaced_by: replaced_by.map(NodeId),
            // Commands and messages do not carry it.
            state: NodeState::Member,
        },
    )
}

fn precondition() -> impl Strategy<Value = Option<Precondition>> + Clone {
    option::of(prop_oneof![
        Just(Precondition::Exists),
        vec(write_id(), 0..5).prop_map(Precondition::AnyOf)
    ])
}

const MARKS: [ReplicaMark; 2] = [ReplicaMark::Serving, ReplicaMark::Leaving];

fn command() -> impl Strategy<Value = Command> {
    let cluster = (any::<[u8; 16]>(), any::<u32>()).prop_map(|(id, feature_level)| ClusterRecord {
        id: ClusterId::from_bytes(id),
        feature_level,
        // A beginning does not carry it.
        survival_goal: SurvivalGoal::Node,
        partition_policy: PartitionPolicyRecord::default(),
    });
    prop_oneof![
        (cluster, api_key())
            .prop_map(|(cluster, operator_key)| Command::Form { cluster, operator_key }),
        node().prop_map(Command::RegisterNode),
        org().prop_map(Command::ClaimOrg),
        org().prop_map(Command::CreateOrg),
        (org_id(), credential())
            .prop_map(|(org, credential)| Command::CreateOidc { org, credential }),
        (org_id(), client_id(), patch(), precondition()).prop_map(
            |(org, client_id, patch, precondition)| {
                Command::PatchOidc { org, client_id, patch, precondition }
            }
        ),
        (org_id(), client_id(), precondition()).prop_map(|(org, client_id, precondition)| {
            Command::DeleteOidc { org, client_id, precondition }
        }),
        vec((any::<u64>().prop_map(NodeId), select(&MARKS[..])), 0..9)
            .prop_map(|marks| Command::MarkReplicas { marks }),
        (100_u64..=5000, 100_u64..=5000, 1_u32..=20).prop_map(|(home, away, drift_percent)| {
            let (home, away) = (Duration::from_millis(home), Duration::from_millis(away));
            Command::SetLeases(LeaseTerms { home, away, drift_percent })
        }),
        life(),
        failover(),
        (org_id(), settings())
            .prop_map(|(org, settings)| Command::SetOrgSettings { org, settings }),
        (any::<u32>(), vec(any::<u64>().prop_map(NodeId), 0..4))
            .prop_map(|(level, known_by)| Command::RaiseFeatureLevel { level, known_by }),
        any::<u32>().prop_map(Command::NoteFeatureLevel),
        naming(),
        (org_id(), any::<u32>())
            .prop_map(|(org, closed)| Command::NoteLost { org, closed: GroupId(closed) }),
        move_command(),
        registration::any_command(org_id(), precondition()),
        resource::any_command(org_id(), precondition()),
        key::any_command(org_id()),
        policy::any_command(precondition()),
        organization::any_command(org_id(), org()),
    ]
}

/// Commands that name regions.
fn naming() -> impl Strategy<Value = Command> {
    let cluster = any::<[u8; 16]>().prop_map(|id| ClusterRecord {
        id: ClusterId::from_bytes(id),
        feature_level: 2,
        survival_goal: SurvivalGoal::Node,
        partition_policy: PartitionPolicyRecord::default(),
    });
    prop_oneof![
        (cluster, api_key(), vec(region(), 0..4)).prop_map(|(cluster, operator_key, regions)| {
            Command::FormWithRegions { cluster, operator_key, regions }
        }),
        region().prop_map(Command::AddRegion),
    ]
}

/// Commands on the life of nodes and regions.
fn life() -> impl Strategy<Value = Command> {
    let node_states =
        [NodeState::Member, NodeState::Draining, NodeState::Leaving, NodeState::Removed];
    let region_states = [RegionState::Open, RegionState::Leaving, RegionState::Removed];
    prop_oneof![
        (any::<u64>(), select(node_states.to_vec()))
            .prop_map(|(node, state)| Command::SetNodeState { node: NodeId(node), state }),
        (region(), select(region_states.to_vec()))
            .prop_map(|(region, state)| Command::SetRegionState { region, state }),
        (region(), any::<u64>()).prop_map(|(region, founder)| Command::RefoundRegion {
            region,
            founder: NodeId(founder)
        }),
        select(vec![SurvivalGoal::Node, SurvivalGoal::Region]).prop_map(Command::SetSurvivalGoal),
    ]
}

fn settings() -> impl Strategy<Value = OrgSettings> {
    let answers = vec![StaleSecrets::Serve, StaleSecrets::Refuse];
    select(answers).prop_map(|stale_secrets| OrgSettings { stale_secrets })
}

/// Commands of failovers.
fn failover() -> impl Strategy<Value = Command> {
    let when = || select(vec![PartitionPolicy::Serve, PartitionPolicy::Fence]);
    let basis = prop_oneof![
        Just(FailoverBasis::Fenced),
        any::<u32>().prop_map(|generation| FailoverBasis::SelfFencing { generation }),
    ];
    let absent = vec(any::<u64>().prop_map(NodeId), 0..4);
    let found = (any::<u32>(), any::<u64>(), any::<(u64, u64)>(), any::<u64>());
    prop_oneof![
        when().prop_map(Command::SetPartitionPolicy),
        (when(), any::<u32>()).prop_map(|(when, generation)| {
            Command::NotePartitionPolicy(PartitionPolicyRecord { when, generation })
        }),
        (region(), region())
            .prop_map(|(region, voter_region)| Command::SetVoterRegion { region, voter_region }),
        (region(), region(), basis, absent).prop_map(|(region, to, basis, absent)| {
            Command::CloseGroup { region, to, basis, absent }
        }),
        found.prop_map(|(closed, founder, (term, index), safe_index)| Command::FoundSuccessor {
            closed: GroupId(closed),
            founder: NodeId(founder),
            last: LogId { term: Term(term), index: LogIndex(index) },
            safe_index: LogIndex(safe_index),
        }),
    ]
}

fn past() -> impl Strategy<Value = Vec<PreviousHome>> {
    let home = (any::<u32>(), any::<u32>(), any::<u64>()).prop_map(|(epoch, group, release)| {
        PreviousHome { epoch, group: GroupId(group), release: LogIndex(release) }
    });
    vec(home, 1..5)
}

fn moved_record() -> impl Strategy<Value = MovedRecord> {
    let write = (write_id(), any::<u64>(), option::of(org_id()), applied());
    let key = ("[ -~]{1,255}", any::<u64>(), any::<[u8; 32]>(), write_id(), applied());
    prop_oneof![
        api_key().prop_map(MovedRecord::ApiKey),
        credential().prop_map(MovedRecord::Oidc),
        write.prop_map(|(write_id, expires, org, applied)| MovedRecord::Write {
            write_id,
            record: WriteRecord { expires: LogTime(expires), org, applied },
        }),
        settings().prop_map(MovedRecord::Settings),
        key::any_org_key().prop_map(|key| MovedRecord::OrgKey(Box::new(key))),
        key.prop_map(|(key, expires, digest, write_id, applied)| MovedRecord::IdempotencyKey {
            key,
            record: KeyRecord { expires: LogTime(expires), digest, write_id, applied },
        }),
    ]
}

/// Steps of a move.
fn move_command() -> impl Strategy<Value = Command> {
    let begin = (org(), past(), any::<u64>());
    let part = (org_id(), write_id(), any::<u32>(), vec(moved_record(), 0..4), any::<bool>());
    prop_oneof![
        (org_id(), any::<u32>(), any::<u32>()).prop_map(|(org, to, epoch)| Command::MoveFreeze {
            org,
            to: GroupId(to),
            epoch
        }),
        (org_id(), any::<u32>()).prop_map(|(org, epoch)| Command::MoveCommit { org, epoch }),
        (org_id(), any::<u32>()).prop_map(|(org, epoch)| Command::MoveAbort { org, epoch }),
        begin.prop_map(|(org, past, dedup_horizon)| {
            Command::ImportBegin { org, past, dedup_horizon: LogTime(dedup_horizon) }
        }),
        part.prop_map(|(org, attempt, sequence, moved_records, is_last)| {
            Command::ImportChunk { org, attempt, sequence, moved_records, is_last }
        }),
        (org_id(), write_id(), any::<[u8; 32]>())
            .prop_map(|(org, attempt, digest)| Command::ImportFinish { org, attempt, digest }),
        (org_id(), any::<u32>()).prop_map(|(org, epoch)| Command::MoveCleanup { org, epoch }),
    ]
}

fn idempotency() -> impl Strategy<Value = Idempotency> {
    ("[ -~]{1,255}", any::<[u8; 32]>(), 60_u64..=86_400).prop_map(|(key, digest, seconds)| {
        Idempotency { key, digest, lifetime: Duration::from_secs(seconds) }
    })
}

pub(in crate::wire) fn proposal() -> impl Strategy<Value = Proposal> {
    let times = (any::<u64>(), any::<u64>(), any::<u64>());
    let policies = (option::of(policy::any_stamp()), option::of(policy::any_decided_for()));
    let keys = (option::of(any::<[u8; 16]>()), policies);
    (write_id(), times, option::of(idempotency()), keys, command()).prop_map(
        |(write_id, times, idempotency, (key, (policies, decided_for)), command)| Proposal {
            write_id,
            stamped: LogTime(times.0),
            not_after: LogTime(times.1),
            origin: NodeId(times.2),
            idempotency,
            authorized_by: key.map(KeyId::from_bytes),
            policies,
            decided_for: policies.and(decided_for),
            command,
        },
    )
}

fn refusal() -> impl Strategy<Value = Refusal> {
    let simple = [
        Refusal::CredentialNotFound,
        Refusal::OrgExists,
        Refusal::VersionMismatch,
        Refusal::Expired,
        Refusal::ClusterFull { what: FullOf::Nodes },
        Refusal::Moved { to: GroupId(3), epoch: 2 },
        Refusal::StaleMove,
        Refusal::Lost,
    ];
    prop_oneof![
        select(simple.to_vec()),
        (provider(), provider())
            .prop_map(|(given, actual)| Refusal::ForeignOptions { given, actual }),
        (region(), vec(region(), 0..4))
            .prop_map(|(region, named)| Refusal::RegionNotNamed { region, named }),
    ]
}

pub(in crate::wire) fn applied() -> impl Strategy<Value = Applied> {
    let reply = prop_oneof![
        Just(Reply::Done),
        write_id().prop_map(Reply::Version),
        org().prop_map(|org| Reply::Org(Box::new(org))),
        any::<u32>().prop_map(|group| Reply::NodeRegistered { group: GroupId(group) }),
    ];
    let outcome = prop_oneof![reply.prop_map(Ok), refusal().prop_map(Err)];
    let term = option::of(any::<u64>());
    let position =
        (any::<u32>(), any::<u32>(), any::<u64>(), term).prop_map(|(epoch, group, index, term)| {
            let (group, index) = (GroupId(group), LogIndex(index));
            Position { epoch, group, index, term: term.map(Term) }
        });
    (write_id(), any::<u64>(), option::of(position), outcome).prop_map(
        |(write_id, index, position, outcome)| Applied {
            write_id,
            index: LogIndex(index),
            position,
            outcome,
        },
    )
}

pub(in crate::wire) fn applied_record() -> impl Strategy<Value = AppliedRecord> {
    let log_id = option::of((any::<u64>(), any::<u64>()));
    (log_id, any::<u64>(), vec(any::<u8>(), 0..300)).prop_map(|(log_id, log_time, membership)| {
        AppliedRecord {
            log_id: log_id.map(|(term, index)| LogId { term: Term(term), index: LogIndex(index) }),
            log_time: LogTime(log_time),
            membership,
        }
    })
}
