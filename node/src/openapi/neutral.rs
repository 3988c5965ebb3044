//! What the table of operations implies for every operation, in whatever dialect: the headers that it
//! takes and answers with, the statuses of its failures, and who may ask.

use concordat_proto::{
    consistency::{Position, RequiredConsistency},
    header, limits,
    org::Rights,
};
use serde_json::{Map, Value, json};

use super::schemas::Schemas;
use crate::{
    api::operation::{Caller, Kind, Spec},
    dialect::{
        NATIVE,
        common::terms::{self, Name},
        describe::of,
    },
};

/// A status, and when it is answered.
pub(super) const STATUSES: [(u16, &str); 22] = [
    (200, "Done, with the required consistency; or the answer to a read."),
    (201, "Created, with the required consistency."),
    (202, "Recorded. It continues in the background."),
    (204, "Done, with the required consistency."),
    (304, "`If-None-Match` names the current version."),
    (400, "The request is malformed, or impossible whatever is stored."),
    (401, "The key is missing, unknown, or of another organization."),
    (403, "The key lacks the right."),
    (404, "There is no such object."),
    (405, "The path does not know this method."),
    (
        408,
        "The required consistency, or the position, was not reached in time. Nothing is canceled.",
    ),
    (409, "It conflicts with what is stored, or the cluster's state does not allow it."),
    (410, "The position was lost in a failover."),
    (412, "`If-Match` or `If-None-Match` is false. Nothing was done."),
    (413, "The body is too large."),
    (414, "The target is too long."),
    (415, "The body has another media type or a content coding."),
    (422, "The `Idempotency-Key` was used for another request."),
    (429, "Too many requests, writes or moves wait, or the cluster is full."),
    (431, "The headers are too large."),
    (501, "The transfer coding is not known."),
    (503, "Certainly nothing was done, or nothing fresh can be said here."),
];

/// When a status is answered.
pub(super) fn meaning(status: u16) -> &'static str {
    STATUSES.iter().find(|(known, _)| *known == status).map_or("", |(_, meaning)| *meaning)
}

/// The statuses of failures that an operation may have in every dialect.
pub(super) fn failures(spec: &Spec, path: &str) -> Vec<u16> {
    let mut all = vec![400, 401, 403, 503];
    if path.contains('{') {
        all.push(404);
    }
    match spec.kind {
        Kind::Read => all.extend([408, 410, 412, 429]),
        Kind::Write => all.extend([408, 409, 412, 422, 429]),
        Kind::Local => {}
    }
    if spec.has_body {
        all.extend([413, 415]);
    }
    all
}

/// The statuses of failures that are found before the path is looked at: their bodies are those of the
/// first dialect, whatever the path.
pub(super) const OF_ANY_PATH: [u16; 3] = [414, 431, 501];

/// Who may ask, as a sentence.
pub(super) fn caller(caller: Caller) -> String {
    let right = match caller {
        Caller::Operator => return "For an operator's key.".to_owned(),
        Caller::Either => {
            return "For any key of an organization, or for an operator's key.".to_owned();
        }
        Caller::Organization(Rights::NONE) => return "For any key of an organization.".to_owned(),
        Caller::Organization(Rights::WRITE) => "to write",
        Caller::Organization(Rights::SECRETS_READ) => "to read secrets",
        Caller::Organization(Rights::ADMIN) => "to administrate",
        Caller::Organization(_) => "to read",
    };
    format!("For an organization's key with the right {right}.")
}

/// The names of the request headers that an operation takes, among [`parameters`].
pub(super) fn taken(kind: Kind) -> &'static [&'static str] {
    match kind {
        Kind::Read => &["AtLeast", "ReadMode", "IfMatch", "IfNoneMatch", "Timeout"],
        Kind::Write => &[
            "RequiredConsistency",
            "Timeout",
            "IdempotencyKey",
            "IdempotencyLifetime",
            "IfMatch",
            "IfNoneMatch",
        ],
        Kind::Local => &[],
    }
}

/// The request headers, by the names that operations refer to.
pub(super) fn parameters(schemas: &mut Schemas) -> Value {
    let seconds =
        |least: u64, most: u64| json!({ "type": "integer", "minimum": least, "maximum": most });
    let one = |name: &Name, about: &str, schema: Value| json!({ "name": name.shown, "in": "header", "description": about, "schema": schema });
    let tags = json!({
        "type": "string",
        "pattern": r#"^(\*|(W/)?"[!#-~]*"(, (W/)?"[!#-~]*")*)$"#,
        "maxLength": 2048,
    });
    let idempotency = [limits::IDEMPOTENCY_LIFETIME_MIN, limits::IDEMPOTENCY_LIFETIME_MAX];
    let key = format!("^[!-~]{{1,{}}}$", limits::IDEMPOTENCY_KEY_CHARS_MAX);
    json!({
        "RequiredConsistency": one(
            &NATIVE.required,
            "How far the write must be replicated before it is answered.",
            schemas.request(of::<RequiredConsistency>()),
        ),
        "Timeout": one(
            &NATIVE.timeout,
            "How many seconds to wait for that. On a read: for the position.",
            seconds(
                limits::CONSISTENCY_TIMEOUT_MIN.as_secs(),
                limits::CONSISTENCY_TIMEOUT_MAX.as_secs(),
            ),
        ),
        "IdempotencyKey": one(
            &terms::IDEMPOTENCY_KEY,
            "The caller's own name for the write. A repeat of it gets the same answer.",
            json!({ "type": "string", "pattern": key }),
        ),
        "IdempotencyLifetime": one(
            &terms::IDEMPOTENCY_LIFETIME,
            "For how many seconds that name is remembered.",
            seconds(idempotency[0].as_secs(), idempotency[1].as_secs()),
        ),
        "IfMatch": one(&terms::IF_MATCH, "Only if this is the version.", tags.clone()),
        "IfNoneMatch": one(&terms::IF_NONE_MATCH, "Only if the version is another.", tags),
        "AtLeast": one(
            &terms::AT_LEAST,
            "A `Concordat-Position`. The node answers once it has applied it.",
            schemas.request(of::<Position>()),
        ),
        "ReadMode": one(
            &terms::READ_MODE,
            "`current`: a fresh answer, or 503.",
            json!({ "type": "string", "enum": [header::READ_MODE_CURRENT] }),
        ),
    })
}

/// The response headers, by the names that responses refer to.
pub(super) fn headers() -> Value {
    let one = |about: &str, schema: Value| json!({ "description": about, "schema": schema });
    let text = || json!({ "type": "string" });
    let seconds = json!({ "type": "integer", "minimum": 1 });
    json!({
        "Concordat-Read": one("`current`, or `stale; as-of=TIME`.", json!({
            "type": "string", "pattern": "^(current|stale(; as-of=.+)?)$",
        })),
        "Concordat-Position": one(
            "The place of the write, or a position that the read includes.",
            text(),
        ),
        "Concordat-Write-Id": one("The write's id.", json!({ "type": "string", "format": "uuid" })),
        "Concordat-Consistency": one("The receipt in one line, where the body has none.", text()),
        "ETag": one("The version.", json!({ "type": "string", "pattern": "^\"[^\"]*\"$" })),
        "Retry-After": { "description": "Seconds.", "required": true, "schema": seconds },
        "Allow": { "description": "The methods of the path.", "required": true, "schema": text() },
    })
}

/// The names of the headers that a response may have.
pub(super) fn marks(kind: Option<Kind>, status: u16, has_version: bool) -> Value {
    let mut names = match kind {
        Some(Kind::Read) => vec!["Concordat-Read", "Concordat-Position"],
        Some(Kind::Write) => {
            vec!["Concordat-Write-Id", "Concordat-Position", "Concordat-Consistency"]
        }
        Some(Kind::Local) => Vec::new(),
        // Of a failure, which reads and writes have in common.
        None => vec![
            "Concordat-Read",
            "Concordat-Position",
            "Concordat-Write-Id",
            "Concordat-Consistency",
        ],
    };
    if has_version {
        names.push("ETag");
    }
    match status {
        429 | 503 => names.push("Retry-After"),
        405 => names.push("Allow"),
        _ => {}
    }
    let refer =
        |name: &str| (name.to_owned(), json!({ "$ref": format!("#/components/headers/{name}") }));
    Value::Object(names.into_iter().map(refer).collect::<Map<_, _>>())
}
