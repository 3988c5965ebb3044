//! What is stored and what has failed, as the JSON that is answered.

use std::time::Duration;

use base64::{Engine as _, prelude::BASE64_STANDARD_NO_PAD};
use concordat_cluster::machine::registered::Entry;
use concordat_proto::{
    consistency::{Outcome as WriteOutcome, Receipt, RequiredConsistency},
    id::{ClientId, OrgId, WriteId},
    oidc::{
        AppleOptions, ClaimMapping, GenericOptions, OidcCredential, OidcOptions, Provider,
        ProviderOptions,
    },
    refusal::Refusal,
    registration::{CredentialState, Number, Owner, Registration, RegistrationStamp, Styling},
    secret::Sealed,
    time::LogTime,
};
use futures::FutureExt;
use http::{HeaderValue, Request, Response, Version, header::CONTENT_TYPE};
use http_body_util::BodyExt;
use prost_reflect::DynamicMessage;
use serde_json::{Value as Json, json};

use super::{Part, Service, Zitadel};
use crate::{
    api::{
        operation::{EntryFilter, Operation, Page},
        outcome::{
            EntryView, EntryWritten, List, Malformed, OrgFacts, Outcome, Unavailable, Value, What,
            Written,
        },
    },
    dialect::{
        NATIVE,
        traits::{Dialect, ResponseBody, Route},
    },
    grpc::{frame, schema},
    percent,
};

const SERVICES: [Service; 2] = [Service::Admin, Service::Management];

fn render(service: Service, part: Part, operation: Operation, outcome: Outcome) -> (u16, Json) {
    let dialect = Zitadel { service, part, names: NATIVE };
    let answer = read(dialect.render(Some(operation), outcome.clone().into()));
    called(&dialect, operation, outcome, &answer);
    answer
}

/// The same answer by gRPC must say the same: its message is the described one, its status is the one in JSON, and
/// its metadata are the headers.
fn called(dialect: &Zitadel, operation: Operation, outcome: Outcome, (http, json): &(u16, Json)) {
    let mut routes = dialect.routes().iter();
    let is_call = |route: &&Route| route.path.starts_with("/zitadel.");
    let is_same = |route: &&Route| is_call(route) && route.operation == operation;
    let Some(path) = routes.find(is_same).map(|route| route.path) else { return };
    let head = Request::post(path).version(Version::HTTP_2);
    let head = head.header(CONTENT_TYPE, "application/grpc").body(()).expect("a request");
    let rendered = dialect.render(Some(operation), outcome.into());
    let mut metadata = rendered.headers().clone();
    let response = dialect.encode(&head.into_parts().0, rendered);
    let (came, body) = response.into_parts();
    metadata.insert(CONTENT_TYPE, HeaderValue::from_static("application/grpc+proto"));
    metadata.insert("grpc-accept-encoding", HeaderValue::from_static("identity"));
    assert_eq!((came.status.as_u16(), &came.headers), (200, &metadata));
    let body = body.collect().now_or_never().expect("it is whole").expect("it is read");
    let trailers = body.trailers().expect("trailers").clone();
    let bytes = body.to_bytes();
    let written = |descriptor, bytes: &[u8]| {
        let message = DynamicMessage::decode(descriptor, bytes).expect("a message");
        serde_json::to_value(&message).expect("JSON")
    };
    if *http == 200 {
        assert_eq!(trailers["grpc-status"], "0");
        let output = schema::method(path).expect("it is described").output();
        assert_eq!(&written(output, &bytes[frame::HEAD_BYTES..]), json);
        return;
    }
    assert!(bytes.is_empty());
    assert_eq!(trailers["grpc-status"], json["code"].to_string().as_str());
    let text = trailers["grpc-message"].to_str().expect("ASCII");
    assert_eq!(percent::decode(text).as_deref(), json["message"].as_str());
    let details = trailers.get("grpc-status-details-bin");
    assert_eq!(details.is_some(), json.get("details").is_some());
    if let Some(details) = details {
        let details = BASE64_STANDARD_NO_PAD.decode(details).expect("base64");
        let status = schema::message("google.rpc.Status").expect("it is described");
        assert_eq!(&written(status, &details), json);
    }
}

fn read(response: Response<ResponseBody>) -> (u16, Json) {
    let (head, body) = response.into_parts();
    let body = body.collect().now_or_never().expect("it is whole").expect("it is read").to_bytes();
    (head.status.as_u16(), serde_json::from_slice(&body).expect("JSON"))
}

fn version() -> WriteId {
    WriteId::from_bytes([1; 16])
}

fn facts() -> OrgFacts {
    OrgFacts {
        id: OrgId::from_bytes([2; 16]),
        number: Number(42),
        sequence: 9,
        domain: None,
        as_of: LogTime(1_600_000_000_500),
    }
}

fn sealed() -> Sealed {
    Sealed { sealed_by: version(), bytes: b"sealed".to_vec() }
}

fn entry(provider: Provider, specific: ProviderOptions) -> Entry {
    let options = OidcOptions { provider, scopes: vec!["one".to_owned()], specific };
    let credential = OidcCredential {
        client_id: ClientId::new("client").expect("a client id"),
        provider,
        client_secret: sealed(),
        label: None,
        external_cred_id: None,
        enable_in_authz_server: None,
        options,
        version: version(),
    };
    let registration = Registration {
        number: Number(7),
        created_at: LogTime(1_600_000_000_000),
        changed_at: LogTime(1_600_000_000_120),
        sequence: 3,
        ..Registration::of_earlier(version())
    };
    Entry { credential, registration }
}

fn found(part: Part, entry: Entry) -> Json {
    let view = EntryView { entry, org: facts(), secret_tail: None };
    let outcome = Outcome::Found(Value::Entry(Box::new(view)));
    let (status, mut body) = render(Service::Admin, part, Operation::EntryGet, outcome);
    assert_eq!(status, 200);
    body["idp"].take()
}

fn details() -> Json {
    json!({"sequence": "3", "creationDate": "2020-09-13T12:26:40Z",
           "changeDate": "2020-09-13T12:26:40.120Z", "resourceOwner": "42"})
}

fn full() -> Entry {
    let generic = GenericOptions {
        issuer: "https://idp.example".to_owned(),
        use_pkce: true,
        is_id_token_mapping: true,
        display_name_mapping: ClaimMapping::Email,
        username_mapping: ClaimMapping::PreferredUsername,
        ..GenericOptions::default()
    };
    let mut entry = entry(Provider::Oidc, ProviderOptions::Oidc(generic));
    entry.credential.label = Some("Acme".to_owned());
    entry.registration.owner = Owner::System;
    entry.registration.state = CredentialState::Inactive;
    entry.registration.styling = Styling::Google;
    entry.registration.auto_register = true;
    entry.registration.provisioning.is_auto_update = true;
    entry
}

#[test]
fn every_field_has_its_place_and_zeros_are_left_out() {
    let shown = json!({"id": "7", "details": details(), "state": "IDP_STATE_INACTIVE",
        "name": "Acme", "owner": "IDP_OWNER_TYPE_SYSTEM", "type": "PROVIDER_TYPE_OIDC",
        "config": {"options": {"isAutoUpdate": true}, "oidc": {"issuer": "https://idp.example",
        "clientId": "client", "scopes": ["one"], "isIdTokenMapping": true, "usePkce": true}}});
    assert_eq!(found(Part::Generic, full()), shown);
    let shown = json!({"id": "7", "details": details(), "state": "IDP_STATE_INACTIVE",
        "name": "Acme", "owner": "IDP_OWNER_TYPE_SYSTEM", "stylingType": "STYLING_TYPE_GOOGLE",
        "autoRegister": true, "oidcConfig": {"clientId": "client", "issuer": "https://idp.example",
        "scopes": ["one"], "displayNameMapping": "OIDC_MAPPING_FIELD_EMAIL",
        "usernameMapping": "OIDC_MAPPING_FIELD_PREFERRED_USERNAME"}});
    assert_eq!(found(Part::Legacy, full()), shown);
    let mut least = entry(Provider::Oidc, ProviderOptions::Oidc(GenericOptions::default()));
    least.credential.options.scopes.clear();
    least.registration.sequence = 0;
    let shown = found(Part::Generic, least.clone());
    assert_eq!(shown["config"], json!({"options": {}, "oidc": {"clientId": "client"}}));
    assert_eq!(shown["details"].get("sequence"), None);
    assert_eq!(shown["name"], "client", "one without a name has its client id");
    let shown = found(Part::Legacy, least);
    assert_eq!(shown["oidcConfig"], json!({"clientId": "client"}));
    assert_eq!(shown.get("stylingType").or(shown.get("autoRegister")), None);
}

#[test]
fn each_provider_has_its_type_and_its_config() {
    let apple = ProviderOptions::Apple(AppleOptions {
        private_key: Some(sealed()),
        team_id: "ABCDE12345".to_owned(),
        key_id: "KEYID67890".to_owned(),
        secret_lifetime: Duration::from_secs(300),
    });
    let azure = |tenant: &str| ProviderOptions::Azuread { tenant: tenant.to_owned() };
    let okta = ProviderOptions::Okta { organization_url: "https://acme.okta.com".to_owned() };
    let client = json!({"clientId": "client", "scopes": ["one"]});
    let plain = |name: &str| json!({"options": {}, name: client});
    let azure_ad = |tenant: Json| json!({"options": {}, "azureAd": {"clientId": "client", "scopes": ["one"], "tenant": tenant}});
    let scopes = || ProviderOptions::ScopesOnly;
    for (provider, specific, kind, config) in [
        (Provider::Google, scopes(), "GOOGLE", plain("google")),
        (Provider::Github, scopes(), "GITHUB", plain("github")),
        (Provider::Gitlab, scopes(), "GITLAB", plain("gitlab")),
        (Provider::Bitbucket, scopes(), "OAUTH", plain("oauth")),
        (Provider::Facebook, scopes(), "OAUTH", plain("oauth")),
        (Provider::Line, scopes(), "OAUTH", plain("oauth")),
        (
            Provider::Azuread,
            azure("common"),
            "AZURE_AD",
            azure_ad(json!({"tenantType": "AZURE_AD_TENANT_TYPE_COMMON"})),
        ),
        (
            Provider::Azuread,
            azure("organizations"),
            "AZURE_AD",
            azure_ad(json!({"tenantType": "AZURE_AD_TENANT_TYPE_ORGANISATIONS"})),
        ),
        (
            Provider::Azuread,
            azure("consumer"),
            "AZURE_AD",
            azure_ad(json!({"tenantType": "AZURE_AD_TENANT_TYPE_CONSUMERS"})),
        ),
        (
            Provider::Azuread,
            azure("acme.example"),
            "AZURE_AD",
            azure_ad(json!({"tenantId": "acme.example"})),
        ),
        (
            Provider::Okta,
            okta,
            "OIDC",
            json!({"options": {}, "oidc": {"issuer": "https://acme.okta.com", "clientId": "client", "scopes": ["one"]}}),
        ),
        (
            Provider::Apple,
            apple,
            "APPLE",
            json!({"options": {}, "apple": {"clientId": "client", "scopes": ["one"], "teamId": "ABCDE12345", "keyId": "KEYID67890"}}),
        ),
    ] {
        let entry = entry(provider, specific);
        let shown = found(Part::Generic, entry.clone());
        assert_eq!(shown["type"], format!("PROVIDER_TYPE_{kind}"));
        assert_eq!(shown["config"], config);
        let shown = found(Part::Legacy, entry);
        assert_eq!(shown.get("oidcConfig").is_some(), kind == "OIDC", "{provider}");
    }
}

#[test]
fn a_list_counts_all_and_says_how_old_it_is() {
    let list = |part, by_name, items: Vec<Entry>| {
        let total_count = items.len() * 5;
        let list = List { items, page: Page::default(), total_count, next: None };
        let filter = EntryFilter { by_name, ..EntryFilter::default() };
        let value = Value::Entries(Box::new(facts()), list, Box::new(filter));
        render(Service::Management, part, Operation::EntryList, Outcome::Found(value)).1
    };
    let mut shown = list(Part::Legacy, true, vec![full()]);
    assert_eq!(shown["result"].take()[0]["id"], "7");
    let details = json!({"totalResult": "5", "processedSequence": "9",
                         "viewTimestamp": "2020-09-13T12:26:40.500Z"});
    let expected =
        json!({"details": details, "sortingColumn": "IDP_FIELD_NAME_NAME", "result": null});
    assert_eq!(shown, expected);
    let shown = list(Part::Generic, false, Vec::new());
    let details = json!({"processedSequence": "9", "viewTimestamp": "2020-09-13T12:26:40.500Z"});
    assert_eq!(shown, json!({"details": details}));
}

fn written(service: Service, part: Part, operation: Operation) -> Json {
    let stamp = RegistrationStamp {
        number: Number(7),
        created_at: LogTime(1_600_000_000_000),
        changed_at: LogTime(1_600_000_000_120),
        sequence: 3,
    };
    let entry = EntryWritten { version: version(), stamp, org: facts(), now: None };
    let value = Written::Entry(Box::new(entry));
    let outcome = Outcome::Written { value, follows: false, receipt: receipt() };
    let (status, body) = render(service, part, operation, outcome);
    assert_eq!(status, 200);
    body
}

fn receipt() -> Receipt {
    Receipt {
        required: RequiredConsistency::default(),
        achieved: false,
        outcome: WriteOutcome::Committed,
        write_id: version(),
        position: None,
        elapsed: Duration::ZERO,
        regions: Vec::new(),
    }
}

#[test]
fn a_write_has_its_own_time_only() {
    let created =
        json!({"sequence": "3", "creationDate": "2020-09-13T12:26:40Z", "resourceOwner": "42"});
    let changed =
        json!({"sequence": "3", "changeDate": "2020-09-13T12:26:40.120Z", "resourceOwner": "42"});
    let changed = json!({"details": changed});
    for service in SERVICES {
        let add = |part| written(service, part, Operation::EntryCreate);
        assert_eq!(add(Part::Legacy), json!({"details": created, "idpId": "7"}));
        assert_eq!(add(Part::Generic), json!({"details": created, "id": "7"}));
        for part in [Part::Legacy, Part::Deactivate, Part::Reactivate, Part::Generic] {
            assert_eq!(written(service, part, Operation::EntryChange), changed);
        }
        assert_eq!(written(service, Part::Generic, Operation::EntryDelete), changed);
    }
    assert_eq!(written(Service::Admin, Part::Legacy, Operation::EntryDelete), changed);
    assert_eq!(written(Service::Management, Part::Legacy, Operation::EntryDelete), json!({}));
}

fn error(code: u8, text: &str, id: &str) -> Json {
    let detail =
        json!({"@type": "type.googleapis.com/zitadel.v1.ErrorDetail", "id": id, "message": text});
    json!({"code": code, "message": format!("{text} ({id})"), "details": [detail]})
}

fn failed(service: Service, part: Part, outcome: Outcome) -> (u16, Json) {
    render(service, part, Operation::EntryChange, outcome)
}

#[test]
fn published_errors_have_their_texts_and_ids() {
    let (admin, management) = (Service::Admin, Service::Management);
    let missing = || Outcome::NotFound(What::Credential);
    let unchanged = || Outcome::refused(Refusal::Unchanged);
    let (iam, org) = ("Errors.IAM.IDPConfig", "Errors.Org.IDPConfig");
    for (service, part, outcome, status, code, text, id) in [
        (admin, Part::Legacy, missing(), 404, 5, format!("{iam}.NotExisting"), "INSTANCE-67J9d"),
        (
            management,
            Part::Deactivate,
            missing(),
            404,
            5,
            format!("{org}.NotExisting"),
            "Org-67J9d",
        ),
        (admin, Part::Generic, missing(), 404, 5, format!("{iam}.NotExisting"), "INST-Dg331"),
        (
            management,
            Part::Generic,
            Outcome::refused(Refusal::CredentialNotFound),
            404,
            5,
            format!("{org}.NotExisting"),
            "ORG-Dg331",
        ),
        (admin, Part::Legacy, unchanged(), 409, 9, format!("{iam}.NotChanged"), "INSTANCE-d8kwF"),
        (management, Part::Legacy, unchanged(), 409, 9, format!("{org}.NotChanged"), "Org-10ods"),
        (
            admin,
            Part::Deactivate,
            unchanged(),
            400,
            9,
            format!("{iam}.NotActive"),
            "INSTANCE-2n0fs",
        ),
        (
            management,
            Part::Deactivate,
            unchanged(),
            400,
            9,
            format!("{org}.NotActive"),
            "Org-BBmd0",
        ),
        (
            admin,
            Part::Reactivate,
            unchanged(),
            400,
            9,
            format!("{iam}.NotInactive"),
            "INSTANCE-5Mo0d",
        ),
        (
            management,
            Part::Reactivate,
            unchanged(),
            400,
            9,
            format!("{org}.NotInactive"),
            "Org-5Mo0d",
        ),
    ] {
        assert_eq!(failed(service, part, outcome), (status, error(code, &text, id)));
    }
}

#[test]
fn errors_of_every_call_have_one_text_and_id() {
    for (outcome, status, code, text, id) in [
        (Outcome::Unauthenticated, 401, 16, "Errors.Token.Invalid", "AUTH-7fs1e"),
        (Outcome::refused(Refusal::KeyRevoked), 401, 16, "Errors.Token.Invalid", "AUTH-7fs1e"),
        (Outcome::Forbidden(Vec::new()), 403, 7, "No matching permissions found", "AUTH-5mWD2"),
        (Outcome::OtherOrganization, 403, 7, "Organisation doesn't exist", "AUTH-Bs7Ds"),
        (
            Outcome::refused(Refusal::CredentialExists),
            409,
            6,
            "Identity provider with this client id already exists",
            "V3-DKcYh",
        ),
        (
            Outcome::Malformed(super::error::ID_MISSING.malformed()),
            400,
            3,
            "ID missing",
            "INSTANCE-9djf8",
        ),
        (
            Outcome::Malformed(super::error::LIMIT_EXCEEDED.malformed()),
            400,
            3,
            "Errors.Query.LimitExceeded",
            "QUERY-4M0fs",
        ),
    ] {
        for service in SERVICES {
            let answered = failed(service, Part::Generic, outcome.clone());
            assert_eq!(answered, (status, error(code, text, id)));
        }
    }
}

#[test]
fn other_errors_have_a_code_and_no_details() {
    let syntax = |text: &str| Outcome::Malformed(Malformed::Syntax(text.to_owned()));
    let rule = "invalid X.Name: value length must be between 1 and 200 runes, inclusive";
    let media = Malformed::MediaType("content-type must be application/json".to_owned());
    let timed_out = Outcome::Pending { receipt: receipt(), refusal: None };
    let late = Outcome::Pending { receipt: receipt(), refusal: Some(Refusal::Unchanged) };
    let actual = Provider::Okta;
    for (outcome, status, code, text) in [
        (Outcome::KeyMissing, 401, 16, "auth header missing"),
        (syntax(rule), 400, 3, rule),
        (
            syntax("the body is malformed JSON (line 1, column 2)"),
            400,
            3,
            "the body is malformed JSON (line 1, column 2)",
        ),
        (Outcome::Malformed(media), 415, 3, "content-type must be application/json"),
        (
            Outcome::Malformed(Malformed::BodyTooLarge),
            413,
            8,
            "the body may have at most 65536 bytes",
        ),
        (
            Outcome::Malformed(Malformed::OrganizationMissing),
            400,
            3,
            "the organization must be named, once",
        ),
        (timed_out, 408, 4, "the required consistency was not reached"),
        (late, 408, 4, "the write was refused"),
        (Outcome::PositionPending, 408, 4, "the position of Concordat-At-Least"),
        (Outcome::PositionLost, 410, 9, "the position of Concordat-At-Least"),
        (Outcome::refused(Refusal::VersionMismatch), 412, 9, "the condition of If-Match"),
        (Outcome::refused(Refusal::IdempotencyKeyReused), 422, 3, "this Idempotency-Key was used"),
        (Outcome::refused(Refusal::IdempotencyKeysFull), 429, 8, "too many live idempotency keys"),
        (
            Outcome::refused(Refusal::GenericOnly { actual }),
            400,
            3,
            "a credential of provider okta",
        ),
        (Outcome::Unavailable(Unavailable::TooManyWrites), 429, 8, "too many pending writes"),
        (Outcome::Unavailable(Unavailable::NoLeader), 503, 14, "no leader could be reached"),
        (Outcome::Unavailable(Unavailable::FeatureLevel), 503, 14, "not all nodes of this cluster"),
    ] {
        let (came, body) = failed(Service::Admin, Part::Legacy, outcome);
        assert_eq!((came, &body["code"]), (status, &json!(code)), "{text}");
        assert!(body["message"].as_str().expect("a text").starts_with(text), "{body}");
        assert_eq!(body.get("details"), None, "{text}");
    }
    let dialect = Zitadel { service: Service::Admin, part: Part::Generic, names: NATIVE };
    let answered = read(dialect.method_not_allowed(&["PUT"]));
    assert_eq!(answered, (405, json!({"code": 12, "message": "Method Not Allowed"})));
}

#[test]
fn a_path_that_is_unknown_has_the_form_of_its_service() {
    let of = |service, path: &str| {
        let dialect = Zitadel { service, part: Part::Legacy, names: NATIVE };
        dialect.unknown_path(path).map(read)
    };
    let (admin, management) = (Service::Admin, Service::Management);
    for (service, path) in [
        (admin, "/admin/v1"),
        (admin, "/admin/v1/idps/1/more"),
        (admin, "/idps"),
        (admin, "/idps/1"),
        (management, "/management/v1/orgs/me"),
    ] {
        let expected = (404, json!({"code": 5, "message": "Not Found"}));
        assert_eq!(of(service, path), Some(expected), "{path}");
    }
    for path in ["/admin", "/admin/v10", "/idps2", "/", "", "/v1/idps", "/management/v1x"] {
        assert!(SERVICES.into_iter().all(|service| of(service, path).is_none()), "{path}");
    }
    assert!(of(admin, "/management/v1/idps").is_none(), "it is the other one's");
}
