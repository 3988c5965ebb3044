//! The request of each call, and the parsing of its answer.

use std::time::Duration;

use concordat_client::{
    Client, ClientError, Freshness, OidcOptions, Outcome, Provider, RequiredConsistency, Secret,
};
use serde_json::json;

use crate::fake::{
    API_KEY, Fake, OPERATOR_KEY, ORG, Reply, Seen, WRITE, builder, nobody, position, receipt,
};

const PATH: &str = "/organizations/sso/oidc/provider-credentials";

fn assert_is_the_organizations(seen: &Seen) {
    assert_eq!(seen.header("slashid-orgid"), Some(ORG));
    assert_eq!(seen.header("slashid-api-key"), Some(API_KEY));
}

fn assert_is_the_operators(seen: &Seen) {
    assert_eq!(seen.header("slashid-orgid"), None);
    assert_eq!(seen.header("slashid-api-key"), Some(OPERATOR_KEY));
}

fn assert_is_a_write(seen: &Seen, consistency: &str, timeout: &str) {
    assert_eq!(seen.header("slashid-required-consistency"), Some(consistency));
    assert_eq!(seen.header("slashid-required-consistency-timeout"), Some(timeout));
    assert_eq!(seen.header("concordat-idempotency-lifetime"), Some("600"));
    assert_eq!(seen.header("idempotency-key").map(str::len), Some(36), "a UUID");
}

#[tokio::test]
async fn create() {
    let fake = Fake::start([Reply::written(201, true)]).await;
    let secret = Secret::new("s3cret".into());
    let client = fake.client();
    let write = client.oidc().create("a/b", secret, Provider::Azuread);
    let options = OidcOptions::azuread("common").scopes(["x"]);
    let written =
        write.label("A").enable_in_authz_server(false).options(options).send().await.unwrap();
    assert_eq!(written.write_id.to_string(), WRITE);
    assert_eq!(written.position, Some(position(7)));
    assert_eq!(written.etag, Some(format!("\"{WRITE}\"")));
    assert!(written.receipt.achieved && written.receipt.regions.len() == 2);

    let seen = &fake.seen()[0];
    assert_eq!((seen.method.as_str(), seen.target.as_str()), ("POST", PATH));
    assert_is_the_organizations(seen);
    assert_is_a_write(seen, "local_region", "30");
    assert_eq!(seen.header("content-type"), Some("application/json"));
    let body = json!({
        "client_id": "a/b", "client_secret": "s3cret", "provider": "azuread", "label": "A",
        "enable_in_slashid_oidc_authz_server": false,
        "options": {"azuread": {"tenant": "common", "authorize_scopes": ["x"]}},
    });
    assert_eq!(seen.json(), body);
}

#[tokio::test]
async fn patch_and_delete() {
    let fake = Fake::start([Reply::written(200, true)]).await;
    let client = fake.client();
    let write = client.oidc().patch("a/b");
    let write = write.client_secret(Secret::new("new".into())).external_cred_id("e");
    let write = write.consistency(RequiredConsistency::AllRegions).if_match(WRITE);
    let write = write.timeout(Duration::from_millis(4001)).idempotency_key("k".repeat(36));
    write.send().await.unwrap();
    client.oidc().delete("a/b").if_match("*").send().await.unwrap();
    client.oidc().patch("x").send().await.unwrap();

    let seen = fake.seen();
    let target = format!("{PATH}/a%2Fb");
    assert_eq!((seen[0].method.as_str(), &seen[0].target), ("PATCH", &target));
    assert_is_a_write(&seen[0], "all_regions", "5");
    assert_eq!(seen[0].header("idempotency-key"), Some("k".repeat(36).as_str()));
    assert_eq!(seen[0].header("if-match"), Some(format!("\"{WRITE}\"").as_str()));
    assert_eq!(seen[0].json(), json!({"client_secret": "new", "external_cred_id": "e"}));
    assert_eq!((seen[1].method.as_str(), &seen[1].target), ("DELETE", &target));
    assert_is_a_write(&seen[1], "local_region", "30");
    assert_eq!((seen[1].header("if-match"), seen[1].body.as_str()), (Some("*"), ""));
    assert_eq!(seen[1].header("content-type"), None);
    assert_eq!((seen[2].body.as_str(), seen[2].header("if-match")), ("{}", None));
    assert_ne!(seen[1].header("idempotency-key"), seen[2].header("idempotency-key"));
}

#[tokio::test]
async fn a_whole_list_is_read_page_by_page_and_is_as_fresh_as_the_stalest() {
    let page = |id: &str, cursor: Option<&str>| {
        let items = json!([{"client_id": id, "provider": "google", "options": {}}]);
        let pagination = json!({"limit": 1000, "offset": 0, "total_count": 3, "cursor": cursor});
        Reply::json(200, &json!({"meta": {"pagination": pagination}, "result": items}))
    };
    let fake = Fake::start([
        page("a", Some("one")).with("concordat-read", "current"),
        page("b", Some("two")).with("concordat-read", "stale"),
        page("c", None).with("concordat-read", "current"),
        page("a", Some("one")).with("concordat-read", "current"),
        page("b", Some("one")).with("concordat-read", "current"),
    ])
    .await;
    let client = fake.client();
    let whole = client.oidc().list().provider(Provider::Google).send().await.unwrap();
    let ids: Vec<_> = whole.items.iter().map(|item| item.client_id.to_string()).collect();
    assert_eq!((ids.join(""), whole.total_count, whole.cursor), ("abc".to_owned(), Some(3), None));
    assert!(whole.freshness.is_stale());
    let repeating = client.oidc().list().send().await.unwrap();
    assert_eq!(repeating.items.len(), 2, "a server that repeats a cursor ends the list");
    let seen = fake.seen();
    let targets: Vec<_> =
        seen[..3].iter().map(|seen| seen.target.rsplit_once('?').unwrap().1).collect();
    let first = "oauth_provider=google";
    assert_eq!(targets, [first, &format!("{first}&cursor=one"), &format!("{first}&cursor=two")]);
}

#[tokio::test]
async fn reads_tell_how_current_they_are() {
    let credential = json!({"client_id": "a", "provider": "new-one", "later": 1, "label": null});
    let stale = "stale; as-of=2025-01-02T03:04:05Z";
    let fake = Fake::start([
        Reply::result(&credential).with("concordat-read", "current").with("etag", "\"v\""),
        Reply::result(&json!([credential])).with("concordat-read", stale),
        Reply::json(200, &json!({"meta": {"pagination": {"total_count": 9}}})),
        Reply::refusal(404, "no such credential").with("concordat-read", stale),
    ])
    .await;
    let client = fake.client();
    let read = client.oidc().get("a").await.unwrap();
    assert_eq!((read.value.provider.to_string(), read.value.label), ("new-one".to_owned(), None));
    assert_eq!((read.etag.as_deref(), read.freshness), (Some("\"v\""), Freshness::Current));
    let list = client.oidc().list().provider(Provider::Okta).limit(5).offset(10);
    let page = list.send().await.unwrap();
    assert_eq!(page.items.len(), 1);
    assert!(page.freshness.is_stale());
    let page = client.oidc().list().send().await.unwrap();
    assert_eq!((page.items.len(), page.total_count), (0, Some(9)));
    assert_eq!(page.freshness, Freshness::Unmarked);
    let error = client.oidc().get("b").await.unwrap_err();
    let ClientError::Refused { status: 404, messages, freshness } = error else {
        panic!("{error:?}")
    };
    assert_eq!(messages, ["no such credential"]);
    assert!(freshness.is_stale(), "it may have been made since");

    let seen = fake.seen();
    assert_is_the_organizations(&seen[0]);
    assert_eq!(seen[0].target, format!("{PATH}/a"));
    assert_eq!(seen[1].target, format!("{PATH}?oauth_provider=okta&limit=5&offset=10"));
    for seen in &seen {
        for name in ["idempotency-key", "slashid-required-consistency", "concordat-at-least"] {
            assert_eq!(seen.header(name), None, "{name}");
        }
    }
}

#[tokio::test]
async fn pending_is_waited_for() {
    let fake = Fake::start([Reply::written(408, false), Reply::result(&receipt(true))]).await;
    let client = fake.client();
    let error = client.oidc().delete("a").send().await.unwrap_err();
    let ClientError::Pending(pending) = error else { panic!("{error:?}") };
    assert_eq!(pending.write_id().to_string(), WRITE);
    assert_eq!(pending.receipt().outcome, Outcome::Committed);
    assert!(!pending.receipt().achieved && !pending.receipt().regions[0].applied);
    assert_eq!(client.last_position(), Some(position(7)), "it is committed there");
    let receipt = pending.wait(&client, Duration::from_secs(20)).await.unwrap();
    assert!(receipt.achieved && receipt.regions[0].applied);

    let seen = fake.seen();
    assert_eq!(seen.len(), 2, "a 408 is not tried again");
    assert_eq!(seen[1].target, format!("/v1/writes/{WRITE}?required=all_regions&wait=20"));
    assert_eq!(seen[0].header("idempotency-key"), Some(pending.idempotency_key()));
    assert_is_the_organizations(&seen[1]);

    client.write(WRITE.parse().unwrap()).as_operator().wait(Duration::ZERO).await.unwrap();
    let seen = fake.seen();
    assert_eq!(seen[0].target, format!("/v1/writes/{WRITE}?required=all_regions"));
    assert_is_the_operators(&seen[0]);
}

#[tokio::test]
async fn organizations() {
    let org = json!({"id": ORG, "org_name": "O", "tenant_name": "T", "home_region": "us-iowa"});
    let mut created = org.clone();
    created["api_key"] = json!("ck_shown_once");
    let body = json!({"meta": {"consistency": receipt(true)}, "errors": [], "result": created});
    let fake = Fake::start([Reply::json(201, &body), Reply::result(&json!([org]))]).await;
    let client = fake.client();
    let region = "us-iowa".parse().unwrap();
    let write = client.organizations().create("O").home_region(&region);
    let created = write.id(ORG.parse().unwrap()).send().await.unwrap();
    assert_eq!(created.api_key.expose(), "ck_shown_once");
    assert_eq!(created.organization.id.to_string(), ORG);
    assert!(!format!("{created:?}").contains("ck_shown_once"));
    assert_eq!(client.last_position(), None, "it is not a write of this client's organization");
    let page = client.organizations().list().limit(2).offset(4).send().await.unwrap();
    assert_eq!(page.items, [created.organization]);

    let seen = fake.seen();
    assert_eq!((seen[0].method.as_str(), seen[0].target.as_str()), ("POST", "/v1/organizations"));
    assert_is_a_write(&seen[0], "local_region", "30");
    let body = json!({"org_name": "O", "home_region": "us-iowa", "id": ORG});
    assert_eq!(seen[0].json(), body);
    assert_eq!(seen[1].target, "/v1/organizations?limit=2&offset=4");
    seen.iter().for_each(assert_is_the_operators);
}

#[tokio::test]
async fn cluster_status() {
    let status = json!({"cluster_id": ORG, "write_available": {"all_regions": {"ok": true}}});
    let fake = Fake::start([Reply::result(&status)]).await;
    let status = fake.client().cluster_status().await.unwrap();
    assert!(status.write_available.all_regions.ok && !status.write_available.local_region.ok);
    let seen = &fake.seen()[0];
    assert_eq!((seen.method.as_str(), seen.target.as_str()), ("GET", "/v1/cluster"));
    assert_is_the_operators(seen);
}

#[tokio::test]
async fn reads_wait_for_what_the_client_has_seen() {
    let one = Reply::result(&json!({"client_id": "a"}));
    let fake = Fake::start([one.clone(), Reply::written(200, true), one]).await;
    let client = fake.client();
    client.oidc().get("a").await.unwrap();
    client.oidc().patch("a").send().await.unwrap();
    client.oidc().get("a").await.unwrap();
    client.with_org(WRITE.parse().unwrap(), Secret::new("k".into())).oidc().get("a").await.unwrap();

    let seen = fake.seen();
    let at_least = |n: usize| seen[n].header("concordat-at-least");
    assert_eq!((at_least(0), at_least(3)), (None, None));
    assert_eq!(at_least(2), Some(position(7).to_string().as_str()));
    assert_eq!(seen[2].header("slashid-required-consistency-timeout"), Some("30"));
}

#[tokio::test]
async fn what_cannot_work_is_not_sent() {
    let fake = Fake::start([Reply::written(200, true)]).await;
    let client = fake.client();
    let is_config = |error: &ClientError| matches!(error, ClientError::Config { .. });
    for timeout in [Duration::ZERO, Duration::from_secs(121)] {
        let error = client.oidc().delete("a").timeout(timeout).send().await.unwrap_err();
        assert!(is_config(&error), "{error:?}");
    }
    for id in ["", "a\nb"] {
        assert!(is_config(&client.oidc().delete(id).send().await.unwrap_err()));
        assert!(is_config(&client.oidc().get(id).await.unwrap_err()));
    }
    let key = client.oidc().delete("a").idempotency_key("ä").send().await.unwrap_err();
    assert!(is_config(&key));
    let nameless = Client::builder().endpoint(&fake.url).build().unwrap();
    assert!(is_config(&nameless.oidc().get("a").await.unwrap_err()));
    assert!(is_config(&nameless.cluster_status().await.unwrap_err()));
    assert!(fake.seen().is_empty());

    assert!(is_config(&builder().build().unwrap_err()), "no endpoint");
    let nobody = nobody().await;
    let nonsense = builder().endpoint(&nobody).default_timeout(Duration::ZERO);
    assert!(is_config(&nonsense.build().unwrap_err()));
    assert!(is_config(&builder().region("US", [&nobody]).build().unwrap_err()));
    let key = builder().endpoint(&nobody).operator_key(Secret::new("a\nb".into()));
    assert!(is_config(&key.build().unwrap_err()));
}

#[tokio::test]
async fn secrets_are_not_shown() {
    let client = builder().endpoint(nobody().await).build().unwrap();
    let secret = Secret::new("hunter2".into());
    let write = client.oidc().create("a", secret.clone(), Provider::Okta);
    let patch = client.oidc().patch("a").client_secret(secret.clone());
    let options = OidcOptions::apple("T", "K", Some(secret));
    let shown = format!("{client:?} {:?} {write:?} {patch:?} {options:?}", builder());
    let error = write.send().await.unwrap_err();
    let shown = format!("{shown} {error:?} {error}");
    for secret in ["hunter2", API_KEY, OPERATOR_KEY] {
        assert!(!shown.contains(secret), "{shown}");
    }
}
