//! Outcomes and how they are answered. An input is the answer's name with what it is about; a second
//! line, where there is one, is the receipt.

use std::time::Duration;

use concordat_proto::{
    consistency::{Outcome, Position, Receipt, RegionReceipt},
    id::{ClientId, GroupId, KeyId, OrgId, WriteId},
    log::LogIndex,
    oidc::{AppleOptions, OidcCredential, OidcOptions, Provider, ProviderOptions},
    org::{ApiKey, Org, Rights, WrappedKey},
    refusal::{FullOf, Refusal},
    region::Region,
    reply::Reply,
    scopes,
    secret::{Sealed, Secret},
};

use super::{render, script};
use crate::dialect::{Answer, Operation, Page, Rejection};

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

fn standing(moving_to: Option<&str>) -> render::OrgStanding {
    let moving_to = moving_to.map(|region| Region::new(region).expect("a region"));
    render::OrgStanding { org: org(), moving_to, settings: None }
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
    let position = Position { epoch: 1, group: GroupId(2), index: LogIndex(300) };
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

fn write_answer(words: &[&str], receipt: &Receipt) -> Answer {
    match *words {
        ["write", name, result] => render::write(operation(name), &outcome(result), receipt),
        ["timed_out"] => render::timed_out(receipt),
        ["receipt"] => render::receipt(receipt, None),
        ["receipt", name] => render::receipt(receipt, Some(&refusal(name))),
        ["org_created"] => {
            render::org_created(&org(), &Secret::new("ck_the_key".to_owned()), receipt)
        }
        _ => unreachable!("no such write: {words:?}"),
    }
}

fn plain_answer(words: &[&str]) -> Answer {
    let second = Duration::from_millis(1500);
    let all = Page { limit: None, offset: 0 };
    let page = Page { limit: Some(2), offset: 4 };
    match *words {
        ["credential", provider] => {
            render::credential(&credential(provider.parse().expect("a provider")))
        }
        ["list"] => {
            render::credential_list(&[Provider::Github, Provider::Line].map(credential), all, 2)
        }
        ["list", "page"] => render::credential_list(&[credential(Provider::Line)], page, 5),
        ["list", "empty"] => render::credential_list(&[], all, 0),
        ["orgs"] => render::org_list(&[standing(None)], page, 5),
        ["org"] => render::org(&standing(Some("asia-japan"))),
        ["not_modified"] => render::not_modified(write_id()),
        ["refused", name] => render::refused(&refusal(name), None),
        ["rejected"] => {
            let message = "provider is required".to_owned();
            render::rejected(&Rejection { status: 400, message })
        }
        ["unauthorized"] => render::unauthorized(),
        ["forbidden"] => render::forbidden(),
        ["route_not_found"] => render::route_not_found(),
        ["not_found"] => render::not_found("write"),
        ["method_not_allowed"] => render::method_not_allowed(&["GET", "POST"]),
        ["read_timed_out"] => render::read_timed_out(),
        ["too_large"] => render::too_large(),
        ["unsupported_media_type"] => render::unsupported_media_type(),
        ["unsupported_content_coding"] => render::unsupported_content_coding(),
        ["too_many"] => render::too_many("too many requests wait here", second),
        ["unavailable"] => render::unavailable("no leader can be reached", Duration::ZERO),
        ["done"] => render::done(),
        ["result"] => render::result(&["any", "thing"]),
        _ => unreachable!("no such answer: {words:?}"),
    }
}

fn answer(input: &str) -> String {
    let mut lines = input.lines();
    let words: Vec<&str> = lines.next().expect("an answer's name").split(' ').collect();
    let answer = match lines.next() {
        Some(line) => write_answer(&words, &receipt(line)),
        None => plain_answer(&words),
    };
    let mut shown = format!("{}\n", answer.status);
    for (name, value) in &answer.headers {
        shown.push_str(&format!("{name}: {value}\n"));
    }
    let body = answer.body.map(|body| String::from_utf8(body).expect("UTF-8")).unwrap_or_default();
    if !answer.headers.iter().any(|(name, _)| *name == "content-type") && !body.is_empty() {
        let _: serde_json::Value = serde_json::from_str(&body).expect("JSON");
    }
    shown + &body
}

#[test]
fn outcomes_are_answered_as_written() {
    script::run("answer_", answer);
}
