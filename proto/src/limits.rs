//! Every maximum, in one place, with the relations between them asserted at compile time.

use std::time::Duration;

/// Characters of an OAuth client id (contract 1.7).
pub const CLIENT_ID_CHARS_MAX: usize = 255;
/// Bytes of a client secret.
pub const CLIENT_SECRET_BYTES_MAX: usize = 4096;
/// Characters of a label.
pub const LABEL_CHARS_MAX: usize = 256;
/// Characters of an external credential's id.
pub const EXTERNAL_CRED_ID_CHARS_MAX: usize = 256;
/// Characters of one scope.
pub const SCOPE_CHARS_MAX: usize = 256;
/// Scopes of one credential.
pub const SCOPES_MAX: usize = 64;
/// Effective scopes of one credential: the given ones and those that are always requested.
pub const EFFECTIVE_SCOPES_MAX: usize = SCOPES_MAX + 4;
/// Characters of an Azure AD tenant: a domain name at most.
pub const TENANT_CHARS_MAX: usize = 253;
/// Bytes of a URL.
pub const URL_BYTES_MAX: usize = 2048;
/// Bytes of an Apple private key (PEM).
pub const PRIVATE_KEY_BYTES_MAX: usize = 8 * 1024;
/// Bytes of one sealed secret or wrapped key.
pub const SEALED_BYTES_MAX: usize = 16 * 1024;
/// Shortest life of a client secret minted for Apple (contract 4).
pub const APPLE_SECRET_LIFETIME_MIN: Duration = Duration::from_secs(300);
/// Longest life of a client secret minted for Apple: half a year.
pub const APPLE_SECRET_LIFETIME_MAX: Duration = Duration::from_secs(15_777_000);
/// The life of a client secret minted for Apple when none is given: 30 days.
pub const APPLE_SECRET_LIFETIME_DEFAULT: Duration = Duration::from_secs(30 * 86_400);
/// Entity tags of one `If-Match` or `If-None-Match`.
pub const ETAGS_MAX: usize = 64;
/// Bytes of a request body.
pub const BODY_BYTES_MAX: usize = 64 * 1024;
/// Bytes of a refused request that are read and dropped, so that its sender sees the refusal.
pub const DISCARD_BYTES_MAX: usize = 1024 * 1024;
/// Longest time for that.
pub const DISCARD_TIME_MAX: Duration = Duration::from_secs(5);
/// Streams of gRPC calls of one node at once.
pub const CALL_STREAMS_MAX: usize = 256;
/// Messages that a caller sends on one of them.
pub const CALL_STREAM_MESSAGES_MAX: usize = 1000;
/// The longest silence of a caller on one of them.
pub const CALL_STREAM_IDLE_MAX: Duration = Duration::from_secs(60);
/// Characters of an organization's name.
pub const ORG_NAME_CHARS_MAX: usize = 256;
/// Dialects of one credential that are bound to one, of an organization.
pub const BINDINGS_MAX: usize = 8;
/// Bytes of the name of a resource beside credentials (contract 9: an attribute's).
pub const RESOURCE_NAME_BYTES_MAX: usize = 70;
/// Characters of the label of an API key.
pub const KEY_LABEL_CHARS_MAX: usize = 64;
/// Living API keys of an organization, and as many replaced ones.
pub const API_KEYS_MAX: usize = 32;
/// How long a replaced key may repeat the write that replaced it, and read its receipt, in log time.
pub const REPLACED_KEY_LIFETIME: Duration = Duration::from_secs(600);
/// Resources of one kind, of an organization; its suborganizations among them.
pub const RESOURCES_MAX: u64 = 1000;
/// Administrators that a request names for a suborganization.
pub const SUBORGANIZATION_ADMINS_MAX: usize = 32;
/// Characters of an administrator's email address, phone number or user name.
pub const HANDLE_CHARS_MAX: usize = 256;
/// Bytes of an attribute's value, as JSON text.
pub const ATTRIBUTE_BYTES_MAX: usize = BODY_BYTES_MAX;
/// Claims of a SAML credential that hold an email address (contract 5).
pub const EMAIL_CLAIMS_MAX: usize = 3;
/// Characters of one such claim.
pub const EMAIL_CLAIM_CHARS_MAX: usize = 256;
/// Bytes of the JSON object of an external credential.
pub const JSON_BLOB_BYTES_MAX: usize = 12 * 1024;
/// Bytes of a set of policies.
pub const POLICIES_BYTES_MAX: usize = BODY_BYTES_MAX;
/// Policies of the cluster-wide set.
pub const POLICIES_MAX: usize = 256;
/// Policies of an organization's own set.
pub const ORG_POLICIES_MAX: usize = 64;
/// Characters of a policy's `@id`.
pub const POLICY_ID_CHARS_MAX: usize = 64;
/// Characters of a policy's `@notice`.
pub const POLICY_NOTICE_CHARS_MAX: usize = 256;
/// Reasons that the refusal of a set names.
pub const POLICY_PROBLEMS_MAX: usize = 8;
/// Bytes of the header of the notices that reach the caller of one request: those that are beyond it are left
/// out.
pub const POLICY_NOTICES_BYTES_MAX: usize = 4096;
/// Sets of policies that one node keeps compiled.
pub const POLICY_CACHE_SETS_MAX: usize = 1024;
/// Bytes of the texts of the sets that one node keeps compiled.
pub const POLICY_CACHE_BYTES_MAX: usize = 4 * 1024 * 1024;
/// Decisions by policies that one node remembers.
pub const POLICY_DECISIONS_MAX: usize = 16_384;
/// Keys that one node remembers to have let in.
pub const REMEMBERED_KEYS_MAX: usize = 16_384;
/// How often one write is authorized: again each time that policies change before it is carried out.
pub const POLICY_AUTHORIZATIONS_MAX: usize = 8;
/// Bytes of a region's name.
pub const REGION_BYTES_MAX: usize = 63;
/// Regions of a cluster.
pub const REGIONS_MAX: usize = 64;
/// Nodes of a cluster.
pub const NODES_MAX: usize = 512;

/// Shortest and longest consistency timeout (contract 2).
pub const CONSISTENCY_TIMEOUT_MIN: Duration = Duration::from_secs(1);
/// Longest consistency timeout.
pub const CONSISTENCY_TIMEOUT_MAX: Duration = Duration::from_secs(120);
/// The timeout when none is given.
pub const CONSISTENCY_TIMEOUT_DEFAULT: Duration = Duration::from_secs(30);
/// Longest `?wait=` of a receipt.
pub const RECEIPT_WAIT_MAX: Duration = Duration::from_secs(120);
/// How long after its acceptance a proposal may still be applied.
pub const NOT_AFTER: Duration = Duration::from_secs(300);

/// Shortest lease that can be set: below it a busy machine renews too late.
pub const LEASE_MIN: Duration = Duration::from_millis(100);
/// Longest lease that can be set: the delay that a dead replica may cause to a write.
pub const LEASE_MAX: Duration = Duration::from_secs(5);
/// Least drift of monotonic clocks that can be assumed, in per cent.
pub const CLOCK_DRIFT_PERCENT_MIN: u32 = 1;
/// Greatest drift of monotonic clocks that can be assumed, in per cent.
pub const CLOCK_DRIFT_PERCENT_MAX: u32 = 20;

/// Characters of an `Idempotency-Key`.
pub const IDEMPOTENCY_KEY_CHARS_MAX: usize = 255;
/// Shortest life of an idempotency key.
pub const IDEMPOTENCY_LIFETIME_MIN: Duration = Duration::from_secs(60);
/// Longest and default life of an idempotency key.
pub const IDEMPOTENCY_LIFETIME_MAX: Duration = Duration::from_secs(86_400);
/// Live idempotency keys of an organization.
pub const IDEMPOTENCY_KEYS_MAX: u64 = 100_000;
/// Remembered writes and keys forgotten by one applied entry, so that one entry's cost is bounded.
pub const FORGET_PER_ENTRY_MAX: usize = 64;

/// Bytes of one encoded command.
pub const COMMAND_BYTES_MAX: usize = 256 * 1024;
/// Encoded bytes of the records in one part of an adoption, unless one alone has more.
pub const IMPORT_CHUNK_BYTES_MAX: usize = 120 * 1024;
/// Records in one part of an adoption, so that one entry's cost is bounded.
pub const IMPORT_CHUNK_ITEMS_MAX: usize = 512;
/// Organizations that are on their way from one home group to another at once: released there, and
/// not yet at home here. Each cannot be written to, so the others wait before they are released.
pub const MOVES_MAX: usize = 8;
/// The number of these whose records may be copied at the same time (before `MoveCommit`).
pub const MOVES_COPIED_MAX: usize = 4;
/// Moves that have a place in the queue of one home group's leader.
pub const MOVES_QUEUED_MAX: usize = 1024;
/// Requests of one node that wait for their turn to begin a move (then 429).
pub const MOVES_ASKED_MAX: usize = 256;
/// Organizations on the move that are looked at in one look, so that its cost is bounded.
pub const MOVES_LOOKED_AT_MAX: usize = 64;
/// Steps of moves that one group's leader has under way at once.
pub const MOVE_STEPS_MAX: usize = 32;
/// Earlier homes that are remembered of an organization.
pub const PAST_HOMES_MAX: usize = 64;
/// Names in one record of the writes that a successor has inherited.
pub const INHERITED_NAMES_MAX: usize = 16_384;
/// Terms of the log that a successor was made from which it keeps: the newest ones.
pub const INHERITED_RUNS_MAX: usize = 1024;
/// How long a lost write is remembered as lost, in log time.
pub const LOST_LIFETIME: Duration = Duration::from_secs(86_400);
/// Questions for writes that a lost region may have had, which one node asks others at once.
pub const DIVERGED_QUESTIONS_MAX: usize = 32;
/// Writes of a closed group that one node lists as its own alone.
pub const DIVERGED_WRITES_MAX: usize = 10_000;

/// Bytes of one frame between nodes.
pub const FRAME_BYTES_MAX: usize = 8 * 1024 * 1024;
/// Bytes of one chunk of a snapshot.
pub const SNAPSHOT_CHUNK_BYTES_MAX: usize = 1024 * 1024;
/// Bytes of one record in a store.
pub const RECORD_BYTES_MAX: usize = 256 * 1024;
/// Items on a page of a list, and where no limit is asked for.
pub const PAGE_ITEMS_MAX: usize = 1000;
/// Bytes of the records on a page of a list, but for a page of one item.
pub const PAGE_BYTES_MAX: usize = 1024 * 1024;
/// Writes of one node that wait for their consistency at once (then 429).
pub const WAITERS_MAX: usize = 20_000;
/// Concurrent writes of one organization at one node (then 429): one organization that writes to an
/// unreachable region must not use up the limit of all.
pub const ORG_WRITES_MAX: usize = 5_000;
/// Requests of one organization that wait at one node, for the rest of a write or for a position (then 429).
pub const ORG_WAITS_MAX: usize = 256;
/// The same of all organizations.
pub const WAITS_MAX: usize = 4096;
/// Requests of operators at one node beyond those that it takes of all callers.
pub const OPERATOR_REQUESTS_MAX: usize = 64;
/// Writes of organizations that the leader of a group has under way at once, of all nodes: some seconds of its
/// work. One more is refused as certainly not stored.
pub const PROPOSALS_MAX: usize = 16_384;
/// The bytes of their entries.
pub const PROPOSALS_BYTES_MAX: usize = 64 * 1024 * 1024;

const _: () = {
    assert!(SEALED_BYTES_MAX > PRIVATE_KEY_BYTES_MAX, "a sealed key fits");
    assert!(ORG_WRITES_MAX < WAITERS_MAX, "one organization leaves room for others");
    assert!(SEALED_BYTES_MAX > CLIENT_SECRET_BYTES_MAX, "a sealed secret fits");
    assert!(SEALED_BYTES_MAX > JSON_BLOB_BYTES_MAX, "a sealed object fits");
    assert!(COMMAND_BYTES_MAX > BODY_BYTES_MAX, "a sealed body must fit a command");
    assert!(DISCARD_BYTES_MAX > BODY_BYTES_MAX, "more is dropped than is taken");
    assert!(COMMAND_BYTES_MAX > 2 * IMPORT_CHUNK_BYTES_MAX, "a part fits, the greatest record too");
    assert!(MOVES_COPIED_MAX <= MOVES_MAX, "an organization that is copied is also moving");
    assert!(MOVES_ASKED_MAX <= MOVES_QUEUED_MAX, "one node's requests have a place each");
    assert!(WAITS_MAX >= 16 * ORG_WAITS_MAX, "nor one that waits those of all");
    assert!(PROPOSALS_MAX > 2 * ORG_WRITES_MAX, "nor the leader's of all nodes");
    assert!(PROPOSALS_BYTES_MAX > 16 * COMMAND_BYTES_MAX, "large entries pass");
    assert!(FRAME_BYTES_MAX > 4 * COMMAND_BYTES_MAX, "frames carry batches");
    assert!(SNAPSHOT_CHUNK_BYTES_MAX > RECORD_BYTES_MAX, "a chunk holds a record");
    assert!(SNAPSHOT_CHUNK_BYTES_MAX < FRAME_BYTES_MAX, "a chunk fits a frame");
    assert!(RECORD_BYTES_MAX > 10 * INHERITED_NAMES_MAX, "a record holds its names");
    assert!(NOT_AFTER.as_secs() > CONSISTENCY_TIMEOUT_MAX.as_secs(), "a retry outlives its wait");
    assert!(
        IDEMPOTENCY_LIFETIME_MAX.as_secs() > NOT_AFTER.as_secs(),
        "a key outlives its proposal"
    );
    assert!(
        REPLACED_KEY_LIFETIME.as_secs() > NOT_AFTER.as_secs(),
        "its write is over before it is"
    );
    assert!(LOST_LIFETIME.as_secs() > NOT_AFTER.as_secs(), "no copy outlives what was said of it");
};
