//! The calls for what an organization has beside its OIDC credentials: their requests, and the parsing of their
//! answers.

use concordat_client::{
    AttributeSet, ClientId, ExternalCreate, ExternalPatch, Freshness, JsonText, ResourceName,
    Right, SamlCreate, SamlMembers, SamlPatch,
};
use serde_json::{Value, json};

use crate::fake::{API_KEY, Fake, ORG, Reply, Seen, WRITE, position, receipt};

const SAML: &str = "/organizations/sso/saml/provider-credentials";
const EXTERNAL: &str = "/organizations/config/external-credentials";
const KEY: &str = "0193a1b2-0000-7000-8000-0000000000aa";

fn made(result: &Value) -> Reply {
    let meta = json!({"consistency": receipt(true)});
    Reply::json(201, &json!({"meta": meta, "errors": [], "result": result}))
        .with("concordat-write-id", WRITE)
        .with("concordat-position", &position(7).to_string())
}

fn assert_is(seen: &Seen, method: &str, target: &str, body: Option<&Value>) {
    assert_eq!((seen.method.as_str(), seen.target.as_str()), (method, target));
    assert_eq!(seen.header("slashid-orgid"), Some(ORG));
    assert_eq!(seen.header("slashid-api-key"), Some(API_KEY));
    match body {
        Some(body) => assert_eq!(seen.json(), *body),
        None => assert_eq!(seen.body, ""),
    }
    if method != "GET" {
        assert_eq!(seen.header("slashid-required-consistency"), Some("local_region"));
        assert_eq!(seen.header("idempotency-key").map(str::len), Some(36), "a UUID");
    }
}

fn name(text: &str) -> ResourceName {
    ResourceName::new(text).expect("a name")
}

#[tokio::test]
async fn saml_credentials() {
    let shown = json!({
        "id": "s-1", "idp_metadata_url": "https://idp.example/m", "label": "Okta",
        "email_claims": ["mail"], "enable_in_slashid_oidc_authz_server": true,
    });
    let fake = Fake::start([
        made(&shown),
        Reply::result(&shown).with("etag", "\"v\""),
        Reply::result(&json!([shown])).with("concordat-read", "current"),
        Reply::written(200, true),
        Reply::written(200, true),
    ])
    .await;
    let client = fake.client();
    let members = SamlMembers { label: Some("Okta".into()), ..SamlMembers::default() };
    let idp_metadata_url = "https://idp.example/m".to_owned();
    let create = SamlCreate { idp_metadata_url, members };
    let created = client.saml().create(create).send().await.unwrap();
    assert_eq!(
        (created.credential.id.as_str(), &created.credential.email_claims[..]),
        ("s-1", &["mail".to_owned()][..])
    );
    assert_eq!(created.written.write_id.to_string(), WRITE);
    let read = client.saml().get(&name("s-1")).await.unwrap();
    assert_eq!((read.value, read.etag.as_deref()), (created.credential, Some("\"v\"")));
    assert_eq!(client.saml().list().await.unwrap().items.len(), 1);
    let idp_metadata_url = Some("https://idp.example/n".to_owned());
    let patch = SamlPatch { idp_metadata_url, ..SamlPatch::default() };
    client.saml().patch(&name("s-1"), patch).if_match(WRITE).send().await.unwrap();
    client.saml().delete(&name("s-1")).send().await.unwrap();

    let seen = fake.seen();
    let body = json!({"idp_metadata_url": "https://idp.example/m", "label": "Okta"});
    assert_is(&seen[0], "POST", SAML, Some(&body));
    assert_is(&seen[1], "GET", &format!("{SAML}/s-1"), None);
    assert!(seen[2].target.starts_with(SAML), "{}", seen[2].target);
    let body = json!({"idp_metadata_url": "https://idp.example/n"});
    assert_is(&seen[3], "PATCH", &format!("{SAML}/s-1"), Some(&body));
    assert_eq!(seen[3].header("if-match"), Some(format!("\"{WRITE}\"").as_str()));
    assert_is(&seen[4], "DELETE", &format!("{SAML}/s-1"), None);
}

#[tokio::test]
async fn external_credentials() {
    let shown = json!({
        "external_cred_id": "e-1", "organization_id": ORG, "extcred_provider": "google",
        "extcred_type": "api_key", "extcred_label": "maps", "json_blob": {"key": 1.0},
    });
    let fake = Fake::start([
        made(&json!(["e-1"])),
        Reply::result(&shown),
        Reply::written(200, true),
        Reply::written(200, true),
        Reply::written(200, true),
    ])
    .await;
    let client = fake.client();
    let external = client.external_credentials();
    let create = ExternalCreate {
        extcred_provider: "google".parse().unwrap(),
        extcred_type: "api_key".parse().unwrap(),
        extcred_label: None,
        // As it is written: it is the caller's document.
        json_blob: JsonText::new("{\"key\":1.0}").unwrap(),
    };
    let created = external.create(create).send().await.unwrap();
    assert_eq!(created.id, name("e-1"));
    let read = external.get(&created.id).await.unwrap().value;
    assert_eq!(read.json_blob.as_ref().map(JsonText::as_str), Some("{\"key\":1.0}"));
    let patch = ExternalPatch { extcred_label: Some("m".into()), json_blob: None };
    external.patch(&created.id, patch).send().await.unwrap();
    external.delete(&created.id).send().await.unwrap();
    external.delete_all().send().await.unwrap();

    let seen = fake.seen();
    assert!(seen[0].body.contains("\"json_blob\":{\"key\":1.0}"), "{}", seen[0].body);
    assert_is(&seen[1], "GET", &format!("{EXTERNAL}/e-1"), None);
    let body = json!({"extcred_label": "m"});
    assert_is(&seen[2], "PATCH", &format!("{EXTERNAL}/e-1"), Some(&body));
    assert_is(&seen[3], "DELETE", &format!("{EXTERNAL}?credentialId=e-1"), None);
    let all = format!("{EXTERNAL}?credentialId=&deleteAll=true");
    assert_is(&seen[4], "DELETE", &all, None);
}

#[tokio::test]
async fn attributes() {
    let fake = Fake::start([
        Reply::written(200, true),
        Reply::result(&json!({"name": "a/b", "value": [1]})),
        Reply::written(200, true),
    ])
    .await;
    let client = fake.client();
    let value = AttributeSet { value: JsonText::new("[1]").unwrap() };
    client.attributes().put(&name("a/b"), value).send().await.unwrap();
    let read = client.attributes().get(&name("a/b")).await.unwrap();
    assert_eq!(read.value.value.as_ref().map(JsonText::as_str), Some("[1]"));
    client.attributes().delete(&name("a/b")).send().await.unwrap();

    let (seen, path) = (fake.seen(), "/organizations/attributes/a%2Fb");
    assert_is(&seen[0], "PUT", path, Some(&json!({"value": [1]})));
    assert_is(&seen[1], "GET", path, None);
    assert_is(&seen[2], "DELETE", path, None);
}

#[tokio::test]
async fn api_keys() {
    let new = json!({"id": KEY, "api_key": "ck_new", "rights": ["read", "secrets:read"]});
    let listed = json!([{"id": KEY, "rights": ["read", "of a later release"], "current": true}]);
    let fake =
        Fake::start([made(&new), Reply::result(&listed), Reply::written(200, true), made(&new)])
            .await;
    let client = fake.client();
    let issue = client.api_keys().issue([Right::Read, Right::SecretsRead]).label("login");
    let created = issue.expires_at("2027-01-01T00:00:00Z").send().await.unwrap();
    assert_eq!(created.key.api_key.expose(), "ck_new");
    assert!(!format!("{created:?}").contains("ck_new"), "a key is not shown");
    let keys = client.api_keys().list().await.unwrap();
    assert_eq!((keys.items.len(), keys.items[0].rights.len()), (1, 2));
    assert!(keys.items[0].current);
    client.api_keys().revoke(KEY.parse().unwrap()).send().await.unwrap();
    assert_eq!(client.api_keys().rotate().send().await.unwrap().key.api_key.expose(), "ck_new");

    let (seen, path) = (fake.seen(), "/organizations/api-keys");
    let body = json!({
        "rights": ["read", "secrets:read"], "label": "login", "expires_at": "2027-01-01T00:00:00Z",
    });
    assert_is(&seen[0], "POST", path, Some(&body));
    assert_is(&seen[1], "GET", path, None);
    assert_is(&seen[2], "DELETE", &format!("{path}/{KEY}"), None);
    assert_is(&seen[3], "PUT", path, None);
}

#[tokio::test]
async fn bindings() {
    let shown = json!({"binding": "jitsudo", "client_id": "c-1"});
    let fake = Fake::start([
        Reply::written(200, true),
        Reply::result(&shown).with("concordat-read", "current"),
    ])
    .await;
    let (client, binding) = (fake.client(), "jitsudo".parse().unwrap());
    let client_id = ClientId::new("c-1").unwrap();
    client.bindings().set(&binding, client_id.clone()).send().await.unwrap();
    let read = client.bindings().get(&binding).await.unwrap();
    assert_eq!((read.value.client_id, read.freshness), (client_id, Freshness::Current));

    let seen = fake.seen();
    assert_is(&seen[0], "PUT", "/v1/bindings/jitsudo", Some(&json!({"client_id": "c-1"})));
    assert_is(&seen[1], "GET", "/v1/bindings/jitsudo", None);
}

#[tokio::test]
async fn an_organizations_own_policies() {
    let text = "forbid (principal, action, resource);";
    let fake =
        Fake::start([Reply::written(200, true), Reply::result(&json!({"policies": text}))]).await;
    let client = fake.client();
    client.policies().set_own(text).send().await.unwrap();
    assert_eq!(client.policies().own().await.unwrap().value.policies, text);

    let (seen, path) = (fake.seen(), "/organizations/policies");
    assert_is(&seen[0], "PUT", path, Some(&json!({"policies": text})));
    assert_is(&seen[1], "GET", path, None);
}
