//! Fixed values whose bytes are in `golden/`. Samples may be added; one that has been released is
//! never changed.

pub(super) mod arbitrary;
pub(super) mod failover;
pub(super) mod key;
pub(super) mod organization;
pub(super) mod peer;
pub(super) mod policy;
pub(super) mod registration;
pub(super) mod resource;

use std::time::Duration;

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
        lease::{LeaseRecord, LeaseTerms, ReplicaMark},
        movement::{
            Arrival, Ended, HomeRecord, Import, MovedAwayRecord, MovedRecord, PreviousHome, Release,
        },
        oidc::{AppleOptions, OidcCredential, OidcOptions, OidcPatch, Provider, ProviderOptions},
        org::{
            ApiKey, ClusterRecord, NodeRecord, NodeState, Org, PartitionPolicyRecord, RegionRecord,
            RegionState, Rights, SurvivalGoal, WrappedKey,
        },
        record::{AppliedRecord, KeyRecord, WriteRecord},
        scopes,
    },
    refusal::{FullOf, Refusal},
    reply::{Applied, Reply},
};

/// Values and the names of their samples.
pub(super) type Samples<T> = Vec<(&'static str, T)>;

pub(super) fn bytes<const N: usize>(first: u8) -> [u8; N] {
    let mut next = first;
    [0; N].map(|_: u8| {
        let this = next;
        next = next.wrapping_add(1);
        this
    })
}

pub(super) fn write_id(first: u8) -> WriteId {
    WriteId::from_bytes(bytes(first))
}

fn sealed(first: u8) -> Sealed {
    Sealed { sealed_by: write_id(first), bytes: bytes::<40>(first).to_vec() }
}

pub(super) fn region(name: &str) -> Region {
    Region::new(name).expect("a region")
}

pub(super) fn client_id(text: &str) -> ClientId {
    ClientId::new(text).expect("a client id")
}

fn api_key() -> ApiKey {
    ApiKey { id: KeyId::from_bytes(bytes(0x20)), hash: bytes(0x30), rights: Rights::ALL }
}

pub(super) fn org() -> Org {
    Org {
        id: OrgId::from_bytes(bytes(0x10)),
        org_name: "Bücher GmbH".to_owned(),
        tenant_name: "buecher".to_owned(),
        home_region: region("europe-belgium"),
        epoch: 1,
        data_key: WrappedKey { keyring_key: 7, bytes: bytes::<60>(0x60).to_vec() },
        first_key: api_key(),
        first_key_sealed: sealed(0x90),
    }
}

pub(super) fn node() -> NodeRecord {
    NodeRecord {
        id: NodeId(0x0123_4567_89ab_cdef),
        region: region("us-iowa"),
        peer_address: "10.0.0.1:7070".to_owned(),
        api_url: "https://a.us-iowa.example.com".to_owned(),
        replaced_by: Some(NodeId(1)),
        state: NodeState::Member,
    }
}

fn cluster() -> ClusterRecord {
    ClusterRecord {
        id: ClusterId::from_bytes(bytes(0xc0)),
        feature_level: 1,
        survival_goal: SurvivalGoal::Node,
        partition_policy: PartitionPolicyRecord::default(),
    }
}

fn options(provider: Provider, given: &[&str], specific: ProviderOptions) -> OidcOptions {
    let given: Vec<String> = given.iter().map(|&scope| scope.to_owned()).collect();
    OidcOptions { provider, scopes: scopes::effective_scopes(provider, &given), specific }
}

fn apple(private_key: Option<Sealed>) -> OidcOptions {
    let specific = ProviderOptions::Apple(AppleOptions {
        private_key,
        team_id: "ABCDE12345".to_owned(),
        key_id: "0987654321".to_owned(),
        secret_lifetime: Duration::new(4530, 918_273_645),
    });
    options(Provider::Apple, &[], specific)
}

fn credential(options: OidcOptions) -> OidcCredential {
    OidcCredential {
        client_id: client_id("123-abc.apps.googleusercontent.com"),
        provider: options.provider,
        client_secret: sealed(0x50),
        label: Some("Müller / prod".to_owned()),
        external_cred_id: None,
        enable_in_authz_server: Some(false),
        options,
        version: write_id(0x01),
    }
}

pub(super) fn credentials() -> Samples<OidcCredential> {
    let azuread = ProviderOptions::Azuread { tenant: "contoso.onmicrosoft.com".to_owned() };
    let okta = ProviderOptions::Okta { organization_url: "https://x.okta.com".to_owned() };
    let scopes_only = [
        ("google", Provider::Google),
        ("github", Provider::Github),
        ("bitbucket", Provider::Bitbucket),
        ("gitlab", Provider::Gitlab),
        ("facebook", Provider::Facebook),
        ("line", Provider::Line),
    ];
    let mut samples: Samples<OidcCredential> = scopes_only
        .map(|(name, provider)| {
            (name, credential(options(provider, &["more"], ProviderOptions::ScopesOnly)))
        })
        .to_vec();
    samples.push(("azuread", credential(options(Provider::Azuread, &[], azuread))));
    samples.push(("okta", credential(options(Provider::Okta, &[], okta))));
    samples.push(("apple", credential(apple(Some(sealed(0x70))))));
    let generic = ProviderOptions::Oidc(registration::generic());
    samples.push(("oidc", credential(options(Provider::Oidc, &["openid"], generic))));
    samples
}

pub(super) fn proposal(command: Command) -> Proposal {
    Proposal {
        write_id: write_id(0x01),
        stamped: LogTime(1_764_000_000_123),
        not_after: LogTime(1_764_000_300_123),
        origin: NodeId(u64::MAX),
        idempotency: None,
        authorized_by: Some(KeyId::from_bytes(bytes(0x20))),
        policies: None,
        decided_for: None,
        command,
    }
}

fn past() -> Vec<PreviousHome> {
    let home = |epoch, group, release| PreviousHome {
        epoch,
        group: GroupId(group),
        release: LogIndex(release),
    };
    vec![home(1, 2, 9), home(2, 1, 70_000)]
}

fn moved_org() -> Org {
    Org { epoch: 3, home_region: region("us-iowa"), ..org() }
}

fn import() -> Import {
    Import {
        attempt: write_id(0x0a),
        org: moved_org(),
        dedup_horizon: LogTime(1_764_000_000_123),
        past: past(),
        next: 2,
        digest: bytes(0xd0),
        is_whole: true,
    }
}

/// The steps of a move.
fn move_proposals() -> Samples<Proposal> {
    let org = org().id;
    let attempt = write_id(0x0a);
    // As many as there were when this sample was released.
    let moved_records =
        moved_records().into_iter().take(4).map(|(_, moved_record)| moved_record).collect();
    let begin = Command::ImportBegin {
        org: moved_org(),
        past: past(),
        dedup_horizon: LogTime(1_764_000_000_123),
    };
    let part = Command::ImportChunk { org, attempt, sequence: 300, moved_records, is_last: true };
    let commands = vec![
        ("release", Command::MoveFreeze { org, to: GroupId(2), epoch: 3 }),
        ("hand_over", Command::MoveCommit { org, epoch: 3 }),
        ("restore", Command::MoveAbort { org, epoch: 4 }),
        ("adopt_begin", begin),
        ("adopt_part", part),
        ("adopt_end", Command::ImportFinish { org, attempt, digest: bytes(0xd0) }),
        ("forget", Command::MoveCleanup { org, epoch: 3 }),
    ];
    commands.into_iter().map(|(name, command)| (name, proposal(command))).collect()
}

pub(super) fn moved_records() -> Samples<MovedRecord> {
    let credential = credential(options(Provider::Google, &[], ProviderOptions::ScopesOnly));
    let (write_id, record) = (write_id(0x0b), write_records().remove(0).1);
    let key = MovedRecord::IdempotencyKey {
        key: "order 66".to_owned(),
        record: key_records().remove(0).1,
    };
    let mut samples = vec![
        ("api_key", MovedRecord::ApiKey(api_key())),
        ("oidc", MovedRecord::Oidc(credential)),
        ("write", MovedRecord::Write { write_id, record }),
        ("idempotency_key", key),
        ("settings", MovedRecord::Settings(failover::settings())),
    ];
    samples.extend(registration::moved_records());
    samples.extend(resource::moved_records());
    samples.extend(key::moved_records());
    samples
}

pub(super) fn home_records() -> Samples<HomeRecord> {
    let ended = |by| Some(Ended { by: write_id(by), index: LogIndex(70_000) });
    let arrival =
        Arrival { index: LogIndex(4), dedup_horizon: LogTime(1_764_000_000_123), past: past() };
    let release = Release { to: GroupId(2), epoch: 4, index: LogIndex(70_000), handed_over: true };
    let arrived =
        HomeRecord { org: moved_org(), arrival: Some(arrival), release: None, ended: None };
    vec![
        ("begun", HomeRecord::begun(org())),
        ("arrived", arrived.clone()),
        ("released", HomeRecord { release: Some(release), ..arrived.clone() }),
        ("ended", HomeRecord { ended: ended(0x42), ..HomeRecord::begun(org()) }),
        ("ended_after_a_move", HomeRecord { ended: ended(0x43), ..arrived }),
    ]
}

pub(super) fn away_records() -> Samples<MovedAwayRecord> {
    let to = Some(GroupId(2));
    vec![
        ("gone", MovedAwayRecord { epoch: 2, to, import: None }),
        ("adopting", MovedAwayRecord { epoch: 2, to, import: Some(import()) }),
    ]
}

/// Every member of a credential, changed.
fn patch() -> OidcPatch {
    OidcPatch {
        provider: Some(Provider::Apple),
        client_secret: Some(sealed(0x51)),
        label: Some(String::new()),
        external_cred_id: Some("ext-1".to_owned()),
        enable_in_authz_server: Some(true),
        options: Some(apple(None)),
    }
}

pub(super) fn proposals() -> Samples<Proposal> {
    let org_id = OrgId::from_bytes(bytes(0x10));
    let credential = credential(options(Provider::Google, &[], ProviderOptions::ScopesOnly));
    let client_id = credential.client_id.clone();
    let idempotency = Idempotency {
        key: "order 66".to_owned(),
        digest: bytes(0xd0),
        lifetime: Duration::from_secs(86_400),
    };
    let mut create = proposal(Command::CreateOidc { org: org_id, credential });
    create.idempotency = Some(idempotency);
    let mut form = proposal(Command::Form { cluster: cluster(), operator_key: api_key() });
    form.authorized_by = None;
    let mut samples = vec![
        ("form", form),
        ("register_node", proposal(Command::RegisterNode(node()))),
        ("claim_org", proposal(Command::ClaimOrg(org()))),
        ("create_org", proposal(Command::CreateOrg(org()))),
        ("create_oidc", create),
        (
            "patch_oidc",
            proposal(Command::PatchOidc {
                org: org_id,
                client_id: client_id.clone(),
                patch: patch(),
                precondition: Some(Precondition::AnyOf(vec![write_id(1), write_id(2)])),
            }),
        ),
        (
            "patch_oidc_empty",
            proposal(Command::PatchOidc {
                org: org_id,
                client_id: client_id.clone(),
                patch: OidcPatch::default(),
                precondition: None,
            }),
        ),
        (
            "delete_oidc",
            proposal(Command::DeleteOidc {
                org: org_id,
                client_id,
                precondition: Some(Precondition::Exists),
            }),
        ),
        (
            "mark_replicas",
            proposal(Command::MarkReplicas {
                marks: vec![(NodeId(7), ReplicaMark::Serving), (NodeId(9), ReplicaMark::Leaving)],
            }),
        ),
        ("set_leases", proposal(Command::SetLeases(LeaseTerms::DEFAULT))),
        ("set_node_state", proposal(set_node_state(NodeState::Leaving))),
        ("remove_node", proposal(set_node_state(NodeState::Removed))),
        ("set_region_state", proposal(set_region_state(RegionState::Leaving))),
        ("remove_region", proposal(set_region_state(RegionState::Removed))),
        (
            "refound_region",
            proposal(Command::RefoundRegion { region: region("us-iowa"), founder: NodeId(300) }),
        ),
        ("survive_region", proposal(Command::SetSurvivalGoal(SurvivalGoal::Region))),
    ];
    samples.extend(further_proposals().concat());
    samples
}

fn further_proposals() -> [Samples<Proposal>; 8] {
    [
        naming_proposals(),
        move_proposals(),
        failover::proposals(),
        registration::proposals(),
        resource::proposals(),
        key::proposals(),
        policy::proposals(),
        organization::proposals(),
    ]
}

/// Commands that name regions.
fn naming_proposals() -> Samples<Proposal> {
    let mut form = proposal(Command::FormWithRegions {
        cluster: cluster(),
        operator_key: api_key(),
        regions: vec![region("us-iowa"), region("asia-japan")],
    });
    form.authorized_by = None;
    let add = proposal(Command::AddRegion(region("europe-belgium")));
    vec![("form_with_regions", form), ("add_region", add)]
}

fn set_node_state(state: NodeState) -> Command {
    Command::SetNodeState { node: node().id, state }
}

fn set_region_state(state: RegionState) -> Command {
    Command::SetRegionState { region: region("us-iowa"), state }
}

pub(super) fn applied_with(outcome: Result<Reply, Refusal>) -> Applied {
    Applied { write_id: write_id(0x01), index: LogIndex(70_000), position: None, outcome }
}

/// Results for organizations that have moved.
fn applied_elsewhere() -> Samples<Applied> {
    let at = |outcome| Applied { position: Some(position(None)), ..applied_with(outcome) };
    let of_a_term = Some(position(Some(Term(300))));
    vec![
        ("earlier_version", at(Ok(Reply::Version(write_id(0x02))))),
        ("earlier_refusal", at(Err(Refusal::CredentialExists))),
        ("adoption_dropped", applied_with(Ok(Reply::ImportDropped))),
        ("moved", applied_with(Err(Refusal::Moved { to: GroupId(2), epoch: 3 }))),
        ("moving", applied_with(Err(Refusal::Moving { epoch: 3 }))),
        ("stale_move", applied_with(Err(Refusal::StaleMove))),
        ("not_released", applied_with(Err(Refusal::NotReleased))),
        ("handed_over", applied_with(Err(Refusal::HandedOver))),
        ("failing_over", applied_with(Err(Refusal::FailingOver))),
        ("not_fenced", applied_with(Err(Refusal::NotFenced))),
        ("seat_of_others", applied_with(Err(Refusal::HostsOtherGroup))),
        ("seated_there", applied_with(Err(Refusal::AlreadyHosted))),
        ("stale_failover", applied_with(Err(Refusal::StaleFailover))),
        (
            "feature_level_unknown",
            applied_with(Err(Refusal::FeatureLevelUnknown { node: NodeId(5) })),
        ),
        (
            "region_not_named",
            applied_with(Err(Refusal::RegionNotNamed {
                region: region("asia-jpan"),
                named: vec![region("asia-japan"), region("us-iowa")],
            })),
        ),
        (
            "version_of_a_term",
            Applied { position: of_a_term, ..applied_with(Ok(Reply::Version(write_id(0x02)))) },
        ),
        (
            "refusal_of_a_term",
            Applied { position: of_a_term, ..applied_with(Err(Refusal::CredentialNotFound)) },
        ),
        ("lost", applied_with(Err(Refusal::Lost))),
    ]
}

fn position(term: Option<Term>) -> Position {
    Position { epoch: 1, group: GroupId(2), index: LogIndex(9), term }
}

/// Tokens of positions, in their text.
pub(super) fn positions() -> Samples<Position> {
    vec![("without_a_term", position(None)), ("with_a_term", position(Some(Term(300))))]
}

pub(super) fn applied() -> Samples<Applied> {
    let (given, actual) = (Provider::Google, Provider::Apple);
    let outcomes = vec![
        ("done", Ok(Reply::Done)),
        ("version", Ok(Reply::Version(write_id(0x02)))),
        ("org", Ok(Reply::Org(Box::new(org())))),
        ("node_registered", Ok(Reply::NodeRegistered { group: GroupId(3) })),
        ("credential_not_found", Err(Refusal::CredentialNotFound)),
        ("credential_exists", Err(Refusal::CredentialExists)),
        ("org_not_found", Err(Refusal::OrgNotFound)),
        ("org_exists", Err(Refusal::OrgExists)),
        ("region_not_found", Err(Refusal::RegionNotFound)),
        ("provider_fixed", Err(Refusal::ProviderFixed { actual })),
        ("foreign_options", Err(Refusal::ForeignOptions { given, actual })),
        ("version_mismatch", Err(Refusal::VersionMismatch)),
        ("key_revoked", Err(Refusal::KeyRevoked)),
        ("idempotency_key_reused", Err(Refusal::IdempotencyKeyReused)),
        ("idempotency_keys_full", Err(Refusal::IdempotencyKeysFull)),
        ("expired", Err(Refusal::Expired)),
        ("already_formed", Err(Refusal::AlreadyFormed)),
        ("node_refused", Err(Refusal::NodeRefused)),
        ("regions_full", Err(Refusal::ClusterFull { what: FullOf::Regions })),
        ("nodes_full", Err(Refusal::ClusterFull { what: FullOf::Nodes })),
        ("node_not_found", Err(Refusal::NodeNotFound)),
        ("node_gone", Err(Refusal::NodeRemoved)),
        ("last_voter_of_region", Err(Refusal::LastVoterOfRegion)),
        ("node_not_leaving", Err(Refusal::NodeNotLeaving)),
        ("last_region", Err(Refusal::LastRegion)),
        ("region_leaving", Err(Refusal::RegionLeaving)),
        ("region_not_leaving", Err(Refusal::RegionNotLeaving)),
        ("founder_stands", Err(Refusal::FounderIsMember)),
        ("not_of_region", Err(Refusal::NotOfRegion)),
        ("too_few_regions", Err(Refusal::TooFewRegions)),
    ];
    let samples = outcomes.into_iter().map(|(name, outcome)| (name, applied_with(outcome)));
    samples
        .chain(applied_elsewhere())
        .chain(registration::applied())
        .chain(resource::applied())
        .chain(key::applied())
        .chain(policy::applied())
        .chain(organization::applied())
        .collect()
}

pub(super) fn orgs() -> Samples<Org> {
    vec![("org", org())]
}

pub(super) fn api_keys() -> Samples<ApiKey> {
    vec![("all_rights", api_key())]
}

pub(super) fn write_records() -> Samples<WriteRecord> {
    let applied = applied_with(Ok(Reply::Version(write_id(0x01))));
    let expires = LogTime(1_764_000_300_123);
    vec![
        ("organization", WriteRecord { expires, org: Some(org().id), applied: applied.clone() }),
        ("cluster", WriteRecord { expires, org: None, applied }),
    ]
}

pub(super) fn key_records() -> Samples<KeyRecord> {
    let record = KeyRecord {
        expires: LogTime(1_764_086_400_123),
        digest: bytes(0xd0),
        write_id: write_id(0x01),
        applied: applied_with(Err(Refusal::CredentialExists)),
    };
    vec![("refused", record)]
}

pub(super) fn applied_records() -> Samples<AppliedRecord> {
    let record = AppliedRecord {
        log_id: Some(LogId { term: Term(3), index: LogIndex(70_000) }),
        log_time: LogTime(1_764_000_000_123),
        membership: bytes::<20>(0x80).to_vec(),
    };
    vec![("new", AppliedRecord::default()), ("later", record)]
}

pub(super) fn region_records() -> Samples<RegionRecord> {
    let in_state = |state| RegionRecord {
        region: region("us-iowa"),
        group: GroupId(1),
        founder: NodeId(300),
        state,
        voter_region: region("us-iowa"),
    };
    let seated =
        RegionRecord { voter_region: region("europe-belgium"), ..in_state(RegionState::Open) };
    vec![
        ("seated_elsewhere", seated),
        ("region", in_state(RegionState::Open)),
        ("leaving", in_state(RegionState::Leaving)),
        ("removed", in_state(RegionState::Removed)),
    ]
}

pub(super) fn node_records() -> Samples<NodeRecord> {
    let in_state = |state| NodeRecord { replaced_by: None, state, ..node() };
    vec![
        ("alive", in_state(NodeState::Member)),
        ("replaced", node()),
        ("draining", in_state(NodeState::Draining)),
        ("leaving", in_state(NodeState::Leaving)),
        ("removed", in_state(NodeState::Removed)),
    ]
}

pub(super) fn cluster_records() -> Samples<ClusterRecord> {
    let survives_a_region = ClusterRecord { survival_goal: SurvivalGoal::Region, ..cluster() };
    let fences = ClusterRecord { partition_policy: failover::partition_policy(), ..cluster() };
    vec![("cluster", cluster()), ("survives_a_region", survives_a_region), ("fences", fences)]
}

pub(super) fn counters() -> Samples<u64> {
    vec![("zero", 0), ("small", 250), ("large", 100_000), ("greatest", u64::MAX)]
}

pub(super) fn lease_records() -> Samples<LeaseRecord> {
    vec![("default", LeaseRecord::default())]
}

pub(super) fn replica_marks() -> Samples<ReplicaMark> {
    vec![("serving", ReplicaMark::Serving), ("leaving", ReplicaMark::Leaving)]
}
