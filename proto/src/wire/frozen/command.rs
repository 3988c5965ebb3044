//! A log entry's bytes and the command.

use serde::{Deserialize, Serialize};

use super::{
    cluster::{
        V1ClusterRecord, V1NodeRecord, V1NodeState, V1PartitionPolicy, V1PartitionPolicyRecord,
        V1RegionState, V1SurvivalGoal,
    },
    failover::V1FailoverBasis,
    key::V1KeyChange,
    lease::{V1LeaseTerms, V1ReplicaMark},
    mirror::{Mirror, Text, V1Duration, V1Id, V1LogId, mirror_enum, mirror_struct},
    movement::{V1MovedRecord, V1PreviousHome, check_past},
    oidc::{V1OidcCredential, V1OidcPatch},
    org::{V1ApiKey, V1Org, V1OrgSettings},
    policy::{V1DecidedFor, V1PolicyStamp, check_text},
    record::check_key,
    registration::{V1CredentialChange, V1CredentialTarget},
    resource::{V1Administrator, V1ResourceChange},
};
use crate::{
    command::{Command, Idempotency, Precondition, Proposal},
    limits,
    records::{
        policy::{DecidedFor, PolicyStamp},
        registration::is_domain,
    },
    version,
    wire::{
        codec::{self, Wire},
        error::{WireError, ensure},
    },
};

/// The bytes of a proposal without a stamp of policies.
#[derive(Debug, Serialize, Deserialize)]
struct V1Proposal {
    write_id: V1Id,
    stamped: u64,
    not_after: u64,
    origin: u64,
    idempotency: Option<V1Idempotency>,
    authorized_by: Option<V1Id>,
    command: V1Command,
}

impl V1Proposal {
    fn of(proposal: &Proposal) -> Self {
        let Proposal {
            write_id,
            stamped,
            not_after,
            origin,
            idempotency,
            authorized_by,
            policies: _,
            decided_for: _,
            command,
        } = proposal;
        Self {
            write_id: write_id.freeze(),
            stamped: stamped.freeze(),
            not_after: not_after.freeze(),
            origin: origin.freeze(),
            idempotency: idempotency.freeze(),
            authorized_by: authorized_by.freeze(),
            command: command.freeze(),
        }
    }

    fn thaw(
        self,
        policies: Option<PolicyStamp>,
        decided_for: Option<DecidedFor>,
    ) -> Result<Proposal, WireError> {
        Ok(Proposal {
            write_id: Mirror::thaw(self.write_id)?,
            stamped: Mirror::thaw(self.stamped)?,
            not_after: Mirror::thaw(self.not_after)?,
            origin: Mirror::thaw(self.origin)?,
            idempotency: Mirror::thaw(self.idempotency)?,
            authorized_by: Mirror::thaw(self.authorized_by)?,
            policies,
            decided_for,
            command: Mirror::thaw(self.command)?,
        })
    }
}

/// The bytes of a proposal with a stamp of policies.
#[derive(Debug, Serialize, Deserialize)]
struct V2Proposal {
    policies: V1PolicyStamp,
    proposal: V1Proposal,
}

/// The bytes of a proposal with a stamp of policies, and with the credential that they were asked about.
#[derive(Debug, Serialize, Deserialize)]
struct V3Proposal {
    policies: V1PolicyStamp,
    decided_for: V1DecidedFor,
    proposal: V1Proposal,
}

/// A proposal without a stamp keeps the bytes from before stamps existed, which every build reads.
impl Wire for Proposal {
    fn encode(&self) -> Vec<u8> {
        let proposal = V1Proposal::of(self);
        match (&self.policies, &self.decided_for) {
            (None, _) => codec::encode(1, &proposal, limits::COMMAND_BYTES_MAX),
            (Some(stamp), None) => {
                let stamped = V2Proposal { policies: stamp.freeze(), proposal };
                codec::encode(2, &stamped, limits::COMMAND_BYTES_MAX)
            }
            (Some(stamp), Some(decided_for)) => {
                let (policies, decided_for) = (stamp.freeze(), decided_for.freeze());
                let stamped = V3Proposal { policies, decided_for, proposal };
                codec::encode(version::COMMAND, &stamped, limits::COMMAND_BYTES_MAX)
            }
        }
    }

    fn decode(bytes: &[u8]) -> Result<Self, WireError> {
        match codec::split(bytes, limits::COMMAND_BYTES_MAX)? {
            (1, payload) => codec::decode::<V1Proposal>(payload)?.thaw(None, None),
            (2, payload) => {
                let V2Proposal { policies, proposal } = codec::decode(payload)?;
                proposal.thaw(Some(Mirror::thaw(policies)?), None)
            }
            (3, payload) => {
                let V3Proposal { policies, decided_for, proposal } = codec::decode(payload)?;
                proposal.thaw(Some(Mirror::thaw(policies)?), Some(Mirror::thaw(decided_for)?))
            }
            (found, _) => Err(WireError::Version { found }),
        }
    }
}

mirror_struct! {
    V1Idempotency for Idempotency, check check_idempotency {
        key: Text,
        digest: [u8; 32],
        lifetime: V1Duration,
    }
}

mirror_enum! {
    V1Precondition for Precondition, check check_precondition {
        Exists,
        AnyOf(versions: Vec<V1Id>),
    }
    V1Command for Command, check check_command {
        Form { cluster: V1ClusterRecord, operator_key: V1ApiKey },
        RegisterNode(node: V1NodeRecord),
        ClaimOrg(org: V1Org),
        CreateOrg(org: V1Org),
        CreateOidc { org: V1Id, credential: V1OidcCredential },
        PatchOidc {
            org: V1Id,
            client_id: Text,
            patch: V1OidcPatch,
            precondition: Option<V1Precondition>,
        },
        DeleteOidc { org: V1Id, client_id: Text, precondition: Option<V1Precondition> },
        MarkReplicas { marks: Vec<(u64, V1ReplicaMark)> },
        SetLeases(terms: V1LeaseTerms),
        SetNodeState { node: u64, state: V1NodeState },
        SetRegionState { region: Text, state: V1RegionState },
        RefoundRegion { region: Text, founder: u64 },
        SetSurvivalGoal(survival_goal: V1SurvivalGoal),
        MoveFreeze { org: V1Id, to: u32, epoch: u32 },
        MoveCommit { org: V1Id, epoch: u32 },
        MoveAbort { org: V1Id, epoch: u32 },
        ImportBegin { org: V1Org, past: Vec<V1PreviousHome>, dedup_horizon: u64 },
        ImportChunk {
            org: V1Id,
            attempt: V1Id,
            sequence: u32,
            moved_records: Vec<V1MovedRecord>,
            is_last: bool,
        },
        ImportFinish { org: V1Id, attempt: V1Id, digest: [u8; 32] },
        MoveCleanup { org: V1Id, epoch: u32 },
        SetPartitionPolicy(when: V1PartitionPolicy),
        NotePartitionPolicy(partition_policy: V1PartitionPolicyRecord),
        SetVoterRegion { region: Text, voter_region: Text },
        CloseGroup { region: Text, to: Text, basis: V1FailoverBasis, absent: Vec<u64> },
        FoundSuccessor { closed: u32, founder: u64, last: V1LogId, safe_index: u64 },
        SetOrgSettings { org: V1Id, settings: V1OrgSettings },
        RaiseFeatureLevel { level: u32, known_by: Vec<u64> },
        NoteFeatureLevel(level: u32),
        FormWithRegions {
            cluster: V1ClusterRecord,
            operator_key: V1ApiKey,
            regions: Vec<Text>,
        },
        AddRegion(region: Text),
        NoteLost { org: V1Id, closed: u32 },
        ChangeCredential {
            org: V1Id,
            target: V1CredentialTarget,
            change: V1CredentialChange,
            precondition: Option<V1Precondition>,
        },
        RemoveCredential {
            org: V1Id,
            target: V1CredentialTarget,
            precondition: Option<V1Precondition>,
        },
        BindCredential { org: V1Id, binding: Text, client_id: Text },
        ClaimDomain { org: V1Id, domain: Text },
        ChangeResource {
            org: V1Id,
            change: V1ResourceChange,
            precondition: Option<V1Precondition>,
        },
        ChangeKeys { org: V1Id, change: V1KeyChange },
        SetPolicies { text: Text, precondition: Option<V1Precondition> },
        NotePolicies(revision: u64),
        CreateSuborganization { parent: V1Id, child: V1Org, admins: Vec<V1Administrator> },
        EndOrg { org: V1Id, by_operator: bool },
        EndClaim(org: V1Id),
        SettleEnd(org: V1Id),
    }
}

fn check_command(command: &Command) -> Result<(), WireError> {
    match command {
        Command::ImportBegin { past, .. } => check_past(past),
        Command::ImportChunk { moved_records, .. } => {
            ensure(moved_records.len() <= limits::IMPORT_CHUNK_ITEMS_MAX, "number of records")
        }
        Command::CloseGroup { absent, .. } => {
            ensure(absent.len() <= limits::NODES_MAX, "number of absent nodes")
        }
        Command::RaiseFeatureLevel { known_by, .. } => {
            ensure(known_by.len() <= limits::NODES_MAX, "number of nodes that know a level")
        }
        Command::FormWithRegions { regions, .. } => {
            ensure(regions.len() <= limits::REGIONS_MAX, "number of regions")
        }
        Command::ClaimDomain { domain, .. } => ensure(is_domain(domain), "domain"),
        Command::SetPolicies { text, .. } => check_text(text),
        Command::CreateSuborganization { admins, .. } => {
            ensure(admins.len() <= limits::SUBORGANIZATION_ADMINS_MAX, "number of administrators")
        }
        Command::Form { .. }
        | Command::RegisterNode(_)
        | Command::ClaimOrg(_)
        | Command::CreateOrg(_)
        | Command::CreateOidc { .. }
        | Command::PatchOidc { .. }
        | Command::DeleteOidc { .. }
        | Command::MoveFreeze { .. }
        | Command::MoveCommit { .. }
        | Command::MoveAbort { .. }
        | Command::ImportFinish { .. }
        | Command::MoveCleanup { .. }
        | Command::MarkReplicas { .. }
        | Command::SetLeases(_)
        | Command::SetNodeState { .. }
        | Command::SetRegionState { .. }
        | Command::RefoundRegion { .. }
        | Command::SetSurvivalGoal(_)
        | Command::SetPartitionPolicy(_)
        | Command::NotePartitionPolicy(_)
        | Command::SetVoterRegion { .. }
        | Command::FoundSuccessor { .. }
        | Command::SetOrgSettings { .. }
        | Command::NoteFeatureLevel(_)
        | Command::AddRegion(_)
        | Command::ChangeCredential { .. }
        | Command::RemoveCredential { .. }
        | Command::BindCredential { .. }
        | Command::ChangeResource { .. }
        | Command::ChangeKeys { .. }
        | Command::NotePolicies(_)
        | Command::EndOrg { .. }
        | Command::EndClaim(_)
        | Command::SettleEnd(_)
        | Command::NoteLost { .. } => Ok(()),
    }
}

fn check_idempotency(idempotency: &Idempotency) -> Result<(), WireError> {
    check_key(&idempotency.key)?;
    ensure(
        (limits::IDEMPOTENCY_LIFETIME_MIN..=limits::IDEMPOTENCY_LIFETIME_MAX)
            .contains(&idempotency.lifetime),
        "lifetime of an idempotency key",
    )
}

fn check_precondition(precondition: &Precondition) -> Result<(), WireError> {
    match precondition {
        Precondition::Exists => Ok(()),
        Precondition::AnyOf(versions) => {
            ensure(versions.len() <= limits::ETAGS_MAX, "number of versions")
        }
    }
}
