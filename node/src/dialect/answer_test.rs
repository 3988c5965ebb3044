//! Outcomes and their responses. An input is the outcome's name with its arguments; a second line,
//! if any, is the receipt.

use std::time::Duration;

use concordat_proto::{
    consistency::{Outcome, Position, Receipt, RegionReceipt},
    id::{ClientId, GroupId, KeyId, OrgId, WriteId},
    log::LogIndex,
    oidc::{AppleOptions, GenericOptions, OidcCredential, OidcOptions, Provider, ProviderOptions},
    org::{ApiKey, Org, Rights, WrappedKey},
    refusal::{FullOf, Refusal},
    region::Region,
    reply::Reply,
    scopes,
    secret::{Sealed, Secret},
};
use futures::FutureExt;
use http::{Response, header::CONTENT_TYPE};
use http_body_util::BodyExt;

use super::{
    REGISTRY, script,
    traits::{Dialect, ResponseBody},
};
use crate::api::{
    operation::{Operation, Page},
    outcome::{
        Blocked, Document, List, Malformed, NewOrg, OrgView, Outcome as Answered, Unavailable,
        Value, What, Written,
    },
};

fn write_id() -> WriteId {
    "0194d3f0-5b62-7c11-8a2e-1f0b6a3c9d10".parse().expect("an id")
}

fn sealed() -> Sealed {
    Sealed { sealed_by: write_id(), bytes: b"sealed".to_vec() }
}

fn credential(provider: Provider) -> OidcCredential {
    let specific = match provider {
        Provider::Azuread => ProviderOptions::Azuread { tenant: "common".to_owned() },
        Provider::Okta => ProviderOptions::Okta { organization_url: String::new() },
        Provider::Oidc => ProviderOptions::Oidc(GenericOptions {
            issuer: "https://idp.example".to_owned(),
            use_pkce: true,
            ..GenericOptions::default()
        }),
        Provider::Apple => ProviderOptions::Apple(AppleOptions {
            private_key: Some(sealed()),
            team_id: "ABCDE12345".to_owned(),
            key_id: "KEYID67890".to_owned(),
            secret_lifetime: Duration::from_secs(24 * 3600),
        }),
        Provider::Google
        | Provider::Github
        | Provider::Bitbucket
        | Provider::Gitlab
        | Provider::Facebook
        | Provider::Line => ProviderOptions::ScopesOnly,
    };
    let full = provider == Provider::Google;
    OidcCredential {
        client_id: ClientId::new(format!("{provider}/1 \"ü\"")).expect("a client id"),
        provider,
        client_secret: sealed(),
        label: full.then(|| "a \"label\"".to_owned()),
        external_cred_id: full.then(|| "ext-1".to_owned()),
        enable_in_authz_server: full.then_some(false),
        options: OidcOptions {
            provider,
            scopes: scopes::effective_scopes(provider, &["more".to_owned()]),
            specific,
        },
        version: write_id(),
    }
}

fn view(moving_to: Option<&str>) -> OrgView {
    let moving_to = moving_to.map(|region| Region::new(region).expect("a region"));
    OrgView { org: org(), moving_to, settings: None, parent: None }
}

fn org() -> Org {
    Org {
        id: OrgId::from_bytes([1; 16]),
        org_name: "Acme".to_owned(),
        tenant_name: "acme".to_owned(),
        home_region: Region::new("us-iowa").expect("a region"),
        epoch: 1,
        data_key: WrappedKey { keyring_key: 1, bytes: Vec::new() },
        first_key: ApiKey { id: KeyId::from_bytes([2; 16]), hash: [3; 32], rights: Rights::ALL },
        first_key_sealed: sealed(),
    }
}

/// `all_regions achieved committed 1.2ms us-iowa:applied:1.2 asia-japan:pending`
fn receipt(line: &str) -> Receipt {
    let milliseconds = |text: &str| {
        let ms: f64 = text.trim_end_matches("ms").parse().expect("milliseconds");
        Duration::from_secs_f64(ms / 1000.0)
    };
    let words: Vec<&str> = line.split(' ').collect();
    let known = [Outcome::Committed, Outcome::Refused];
    let known = known.into_iter().find(|outcome| outcome.as_str() == words[2]);
    let outcome = known.unwrap_or(Outcome::Unknown);
    let position = Position { epoch: 1, group: GroupId(2), index: LogIndex(300), term: None };
    let regions = words[4..].iter().map(|word| {
        let parts: Vec<&str> = word.split(':').collect();
        RegionReceipt {
            region: Region::new(parts[0]).expect("a region"),
            applied: parts[1] == "applied",
            applied_after: parts.get(2).map(|text| milliseconds(text)),
        }
    });
    Receipt {
        required: words[0].parse().expect("a consistency"),
        achieved: words[1] == "achieved",
        outcome,
        write_id: write_id(),
        position: known.map(|_| position),
        elapsed: milliseconds(words[3]),
        regions: regions.collect(),
    }
}

fn outcome(name: &str) -> Result<Reply, Refusal> {
    match name {
        "done" => Ok(Reply::Done),
        "version" => Ok(Reply::Version(write_id())),
        "org" => Ok(Reply::Org(Box::new(org()))),
        name => Err(refusal(name)),
    }
}

fn refusal(name: &str) -> Refusal {
    let (given, actual) = (Provider::Google, Provider::Okta);
    let all = [
        Refusal::CredentialNotFound,
        Refusal::CredentialExists,
        Refusal::OrgNotFound,
        Refusal::OrgExists,
        Refusal::RegionNotFound,
        Refusal::ProviderFixed { actual },
        Refusal::ForeignOptions { given, actual },
        Refusal::VersionMismatch,
        Refusal::KeyRevoked,
        Refusal::IdempotencyKeyReused,
        Refusal::IdempotencyKeysFull,
        Refusal::Expired,
        Refusal::AlreadyFormed,
        Refusal::NodeRefused,
        Refusal::ClusterFull { what: FullOf::Regions },
        Refusal::Moved { to: GroupId(2), epoch: 2 },
        Refusal::HandedOver,
    ];
    all.into_iter()
        .find(|refusal| format!("{refusal:?}").split(' ').next() == Some(name))
        .expect("a refusal's name")
}

fn operation(name: &str) -> Operation {
    [Operation::OidcCreate, Operation::OidcPatch, Operation::OidcDelete, Operation::OrgCreate]
        .into_iter()
        .find(|operation| format!("{operation:?}") == name)
        .expect("a write's name")
}

/// The outcome of a write that the log has decided, for a receipt.
fn decided(outcome: Result<Reply, Refusal>, receipt: Receipt) -> Answered {
    match outcome {
        Err(refusal) if receipt.achieved => Answered::Refused { refusal, receipt: Some(receipt) },
        Err(refusal) => Answered::Pending { receipt, refusal: Some(refusal) },
        Ok(_) if !receipt.achieved => Answered::Pending { receipt, refusal: None },
        Ok(Reply::Org(org)) => written(Written::Organization(org), receipt),
        Ok(Reply::Version(version)) => written(Written::Version(version), receipt),
        Ok(_) => written(Written::Done, receipt),
    }
}

fn written(value: Written, receipt: Receipt) -> Answered {
    Answered::Written { value, follows: false, receipt }
}

fn write_outcome(words: &[&str], receipt: Receipt) -> (Operation, Answered) {
    match *words {
        ["write", name, result] => (operation(name), decided(outcome(result), receipt)),
        ["timed_out"] => (Operation::OidcPatch, Answered::Pending { receipt, refusal: None }),
        ["receipt"] => (Operation::ReceiptGet, Answered::Found(Value::Receipt(receipt, None))),
        ["receipt", name] => {
            let found = Value::Receipt(receipt, Some(refusal(name)));
            (Operation::ReceiptGet, Answered::Found(found))
        }
        ["org_created"] if !receipt.achieved => {
            (Operation::OrgCreate, Answered::Pending { receipt, refusal: None })
        }
        ["org_created"] => {
            let key = Secret::new("ck_the_key".to_owned());
            let new = NewOrg { org: org(), parent: None, key, domain: None };
            let value = Written::NewOrganization(Box::new(new));
            (Operation::OrgCreate, written(value, receipt))
        }
        _ => unreachable!("no such write: {words:?}"),
    }
}

fn list<T>(items: Vec<T>, page: Page, total_count: usize) -> List<T> {
    let next = page.limit.filter(|limit| items.len() < *limit).map(|_| "line/1".to_owned());
    List { items, page, total_count, next }
}

fn plain_outcome(words: &[&str]) -> (Operation, Answered) {
    let all = Page::default();
    let page = Page { limit: Some(2), offset: 4, after: None };
    let credentials = |items: Vec<OidcCredential>, page, total| {
        (Operation::OidcList, Answered::Found(Value::Credentials(list(items, page, total))))
    };
    let get = |outcome| (Operation::OidcGet, outcome);
    let malformed = |why| (Operation::OidcCreate, Answered::Malformed(why));
    match *words {
        ["credential", provider] => {
            let found = credential(provider.parse().expect("a provider"));
            get(Answered::Found(Value::Credential(Box::new(found))))
        }
        ["list"] => credentials([Provider::Github, Provider::Line].map(credential).into(), all, 2),
        ["list", "page"] => credentials(vec![credential(Provider::Line)], page, 5),
        ["list", "empty"] => credentials(Vec::new(), all, 0),
        ["orgs"] => {
            let found = Value::Organizations(list(vec![view(None)], page, 5));
            (Operation::OrgList, Answered::Found(found))
        }
        ["org"] => {
            let found = Value::Organization(Box::new(view(Some("asia-japan"))));
            (Operation::OrgGet, Answered::Found(found))
        }
        ["own_org"] => {
            let found = Value::Organization(Box::new(view(Some("asia-japan"))));
            (Operation::OwnOrgGet, Answered::Found(found))
        }
        ["not_modified"] => get(Answered::NotModified(write_id())),
        ["refused", name] => get(Answered::refused(refusal(name))),
        ["rejected"] => malformed(Malformed::Syntax("provider is required".to_owned())),
        ["unauthorized"] => get(Answered::Unauthenticated),
        ["forbidden"] => get(Answered::Forbidden(Vec::new())),
        ["not_found"] => get(Answered::NotFound(What::Write)),
        ["read_timed_out"] => get(Answered::PositionPending),
        ["position_lost"] => get(Answered::PositionLost),
        ["blocked"] => (Operation::NodeDelete, Answered::Blocked(Blocked::PoliciesNotEvaluated)),
        ["too_large"] => malformed(Malformed::BodyTooLarge),
        ["unsupported_media_type"] => {
            let message = "content-type must be application/json".to_owned();
            malformed(Malformed::MediaType(message))
        }
        ["unsupported_content_coding"] => malformed(Malformed::ContentCoding),
        ["organization_missing"] => malformed(Malformed::OrganizationMissing),
        ["too_many"] => get(Answered::Unavailable(Unavailable::TooManyWrites)),
        ["unavailable"] => get(Answered::Unavailable(Unavailable::NoLeader)),
        ["done"] => (Operation::DemoCut, Answered::DONE),
        ["result"] => {
            let document = Document::of(&["any", "thing"]);
            (Operation::ClusterGet, Answered::Found(Value::Document(document)))
        }
        _ => unreachable!("no such answer: {words:?}"),
    }
}

fn dialect_of(operation: Operation) -> &'static dyn Dialect {
    let has = |it: &&dyn Dialect| it.routes().iter().any(|route| route.operation == operation);
    REGISTRY.into_iter().find(has).expect("every operation has a route")
}

fn answer(input: &str) -> String {
    let mut lines = input.lines();
    let words: Vec<&str> = lines.next().expect("an answer's name").split(' ').collect();
    if words == ["method_not_allowed"] {
        return show(REGISTRY[0].method_not_allowed(&["GET", "POST"]));
    }
    let (operation, outcome) = match lines.next() {
        Some(line) => write_outcome(&words, receipt(line)),
        None => plain_outcome(&words),
    };
    show(dialect_of(operation).render(Some(operation), outcome.into()))
}

fn show(response: Response<ResponseBody>) -> String {
    let (head, body) = response.into_parts();
    let mut shown = format!("{}\n", head.status.as_u16());
    for (name, value) in head.headers.iter().filter(|(name, _)| *name != CONTENT_TYPE) {
        shown.push_str(&format!("{name}: {}\n", value.to_str().expect("text")));
    }
    let body = body.collect().now_or_never().expect("it is whole").expect("it is read");
    let body = String::from_utf8(body.to_bytes().into()).expect("UTF-8");
    if !body.is_empty() {
        let _: serde_json::Value = serde_json::from_str(&body).expect("JSON");
    }
    shown + &body
}

#[test]
fn outcomes_are_answered_as_written() {
    script::run("answer_", answer);
}
