//! The audit trail: who has read a secret, and who has changed who may.

use concordat_tests::{http::Response, wait};
use serde_json::{Value, json};

use crate::world::{Caller, SECRET, assert_success, caller, demo, draft, one};

/// The lines of the audit trail that have all of these texts.
async fn lines(texts: &[&str]) -> Vec<String> {
    let log = std::fs::read_to_string(demo().await.log_path()).expect("the demo's log");
    let lines = log.lines().filter(|line| line.contains(" audit: "));
    lines.filter(|line| texts.iter().all(|text| line.contains(text))).map(str::to_owned).collect()
}

/// Waits for one line with all of these texts, which no other line has.
async fn assert_line(texts: &[&str]) {
    let line = wait::eventually("the line is written", async || {
        let found = lines(texts).await;
        if found.len() == 1 { Ok(found[0].clone()) } else { Err(format!("{texts:?}: {found:?}")) }
    })
    .await;
    assert!(!line.contains("ck_") && !line.contains(SECRET), "{line}");
}

async fn at_home(caller: &Caller, method: &str, target: &str, body: Option<Value>) -> Response {
    let request = caller.request(method, target);
    let request = if let Some(body) = body { request.json(&body) } else { request };
    request.send(&caller.urls[0]).await
}

/// The id of the key that asks.
async fn own_key(caller: &Caller) -> String {
    let listed = at_home(caller, "GET", "/organizations/api-keys", None).await;
    let keys = assert_success(&listed, 200)["result"].take();
    let mut keys = keys.as_array().expect("keys").iter();
    let own = keys.find(|key| key["current"] == true).expect("the one that asks");
    own["id"].as_str().expect("an id").to_owned()
}

fn equals(name: &str, value: &str) -> String {
    format!("{name}={value}")
}

/// Who has asked, as a line says it.
fn by(caller: &Caller, key: &str) -> [String; 2] {
    [equals("organization", &caller.org.id), equals("key", key)]
}

#[tokio::test]
async fn each_read_of_a_secret_is_a_line() {
    let caller = caller("audited reads").await;
    caller.create(&draft("audited")).await;
    let blob = json!({"extcred_provider": "generic", "extcred_type": "api_key",
                      "json_blob": {"key": SECRET}});
    let external = "/organizations/config/external-credentials";
    let made = at_home(&caller, "POST", external, Some(blob)).await;
    let id = assert_success(&made, 201)["result"][0].as_str().expect("an id").to_owned();
    let by = by(&caller, &own_key(&caller).await);
    let by = by.each_ref().map(String::as_str);
    assert_eq!(lines(&by).await, [""; 0], "nothing was read yet");

    let secret = format!("{}/client-secret", one("audited"));
    assert_eq!(at_home(&caller, "GET", &secret, None).await.status, 200);
    let of = ["a client secret was read", "client_id=\"audited\"", "is_current=true"];
    assert_line(&[&by[..], &of].concat()).await;
    let read = at_home(&caller, "GET", &format!("{external}/{id}"), None).await;
    assert_eq!(read.status, 200);
    let about = format!("external_cred_id=\"{id}\"");
    assert_line(&[&by[..], &["an external credential was read", &about]].concat()).await;

    // What shows no secret is none.
    let missing = format!("{}/client-secret", one("none"));
    assert_eq!(at_home(&caller, "GET", &missing, None).await.status, 404);
    assert_eq!(at_home(&caller, "GET", &one("audited"), None).await.status, 200);
    assert_eq!(at_home(&caller, "GET", &secret, None).await.status, 200);
    wait::eventually("the second read is a line too", async || {
        let found = lines(&by).await;
        if found.len() == 3 { Ok(()) } else { Err(format!("{found:?}")) }
    })
    .await;
}

#[tokio::test]
async fn each_change_of_who_may_open_an_organization_is_a_line() {
    let mut caller = caller("audited keys").await;
    let keys = "/organizations/api-keys";
    let first = own_key(&caller).await;
    let by_first = by(&caller, &first);
    let by_first = by_first.each_ref().map(String::as_str);
    let made = at_home(&caller, "POST", keys, Some(json!({"rights": ["admin"]}))).await;
    let made = assert_success(&made, 201)["result"].take();
    let text = |name: &str| made[name].as_str().expect("a text").to_owned();
    let (second, second_key) = (text("id"), text("api_key"));
    let about = equals("about", &second);
    let issue = ["action=\"key_issue\"", "result=\"committed\"", "is_operator=false", &about];
    assert_line(&[&by_first[..], &issue].concat()).await;

    let mut of_second = caller.clone();
    of_second.org.api_key = second_key;
    let by_second = by(&caller, &second);
    let by_second = by_second.each_ref().map(String::as_str);
    let more = Some(json!({"rights": ["admin", "read"]}));
    assert_eq!(at_home(&of_second, "POST", keys, more).await.status, 403);
    let refused = ["action=\"key_issue\"", "result=\"refused\""];
    assert_line(&[&by_second[..], &refused].concat()).await;
    let revoked = at_home(&of_second, "DELETE", &format!("{keys}/{second}"), None).await;
    assert_eq!(revoked.status, 204, "{revoked:?}");
    let revoke = ["action=\"key_revoke\"", "result=\"committed\"", &about];
    assert_line(&[&by_second[..], &revoke].concat()).await;

    let rotated = at_home(&caller, "PUT", keys, None).await;
    let rotated = assert_success(&rotated, 200)["result"].take();
    let about = equals("about", rotated["id"].as_str().expect("an id"));
    let rotate = ["action=\"key_rotate\"", "result=\"committed\"", &about];
    assert_line(&[&by_first[..], &rotate].concat()).await;

    caller.org.api_key = rotated["api_key"].as_str().expect("a key").to_owned();
    let third = own_key(&caller).await;
    let by_third = by(&caller, &third);
    let by_third = by_third.each_ref().map(String::as_str);
    let ended = at_home(&caller, "DELETE", "/organizations", None).await;
    assert_eq!(ended.status, 204, "{ended:?}");
    let end = ["action=\"own_org_delete\"", "result=\"committed\"", "write_id="];
    assert_line(&[&by_third[..], &end].concat()).await;
}

#[tokio::test]
async fn an_end_by_an_operator_is_a_line() {
    let caller = caller("audited end").await;
    let target = format!("/v1/organizations/{}", caller.org.id);
    let ended = demo().await.by_operator("DELETE", &target).send(&caller.urls[0]).await;
    assert_eq!(ended.status, 204, "{ended:?}");
    let organization = equals("organization", &caller.org.id);
    let end = ["action=\"org_delete\"", "is_operator=true", "result=\"committed\""];
    assert_line(&[&[&*organization], &end[..]].concat()).await;
}
