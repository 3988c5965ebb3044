//! Contract 4: the life cycle of a credential.

use serde_json::json;

use crate::world::{
    OIDC, SECRET, assert_failure, assert_marked, assert_success, assert_written, caller, draft,
    members, one, percent_encode,
};

#[tokio::test]
async fn create_get_patch_delete() {
    let caller = caller("a life").await;
    let body = json!({
        "client_id": "123-abc.apps.googleusercontent.com", "client_secret": SECRET,
        "provider": "google", "label": "one", "external_cred": "ext-1",
        "enable_in_slashid_oidc_authz_server": true,
        "options": {"google": {"authorize_scopes": ["calendar"]}},
    });
    let id = "123-abc.apps.googleusercontent.com";
    let created = caller.send(&caller.post(&body)).await;
    assert_written(&created, 201);
    let expected = json!({
        "client_id": id, "provider": "google", "label": "one", "external_cred_id": "ext-1",
        "enable_in_slashid_oidc_authz_server": true,
        "options": {"google": {"authorize_scopes": ["openid", "email", "profile", "calendar"]}},
    });
    let got = caller.send(&caller.request("GET", &one(id))).await;
    assert_eq!(assert_success(&got, 200)["result"], expected);
    assert_marked(&got);

    let change = json!({"client_secret": format!("{SECRET}-2"), "label": "two"});
    assert_written(&caller.send(&caller.patch(id, &change)).await, 200);
    let mut changed = expected.clone();
    changed["label"] = json!("two");
    assert_eq!(caller.shown(id).await, changed);

    let switch = json!({"enable_in_slashid_oidc_authz_server": false, "external_cred_id": "ext-2"});
    assert_written(&caller.send(&caller.patch(id, &switch)).await, 200);
    changed["enable_in_slashid_oidc_authz_server"] = json!(false);
    changed["external_cred_id"] = json!("ext-2");
    assert_eq!(caller.shown(id).await, changed);

    assert_written(&caller.send(&caller.delete(id)).await, 200);
    assert_failure(&caller.get(id).await, 404);
    assert!(caller.list().await.is_empty());
}

#[tokio::test]
async fn the_least_shows_the_defaults_and_never_a_secret() {
    let caller = caller("the least").await;
    caller.create(&draft("least")).await;
    let shown = caller.shown("least").await;
    let scopes = json!({"google": {"authorize_scopes": ["openid", "email", "profile"]}});
    assert_eq!(shown["options"], scopes);
    for member in ["client_secret", "external_cred"] {
        assert!(!members(&shown).contains(member), "{shown}");
    }
    for answer in
        [caller.get("least").await, caller.request("GET", OIDC).send(&caller.urls[0]).await]
    {
        assert!(!answer.text().contains(SECRET), "{answer:?}");
    }
}

/// A mask from a form, sent back as if it were a secret, would end all logins.
#[tokio::test]
async fn a_mask_is_no_secret() {
    let caller = caller("masks").await;
    caller.create(&draft("kept")).await;
    for mask in ["*", "********", "•••••", "●●●", "[redacted]", " **** "] {
        let change = caller.patch("kept", &json!({"client_secret": mask}));
        caller.refuses(&change, 400, "client_secret").await;
        let mut made = draft("new");
        made["client_secret"] = json!(mask);
        caller.refuses(&caller.post(&made), 400, "client_secret").await;
    }
    let change = caller.patch("kept", &json!({"client_secret": "*not a mask*"}));
    assert_eq!(caller.send(&change).await.status, 200);
}

#[tokio::test]
async fn a_change_of_nothing_changes_nothing() {
    let caller = caller("nothing").await;
    caller.create(&draft("kept")).await;
    let before = caller.everything().await;
    let receipt = assert_written(&caller.send(&caller.patch("kept", &json!({}))).await, 200);
    assert_eq!(receipt["achieved"], true);
    assert_eq!(caller.everything().await, before);
}

#[tokio::test]
async fn client_id_and_provider_cannot_be_changed() {
    let caller = caller("fixed").await;
    caller.create(&draft("kept")).await;
    let other = json!({"client_id": "other", "label": "changed"});
    caller.refuses(&caller.patch("kept", &other), 400, "client_id").await;
    let github = json!({"provider": "github", "label": "changed"});
    caller.refuses(&caller.patch("kept", &github), 400, "provider").await;
    let unknown = json!({"provider": "myspace"});
    caller.refuses(&caller.patch("kept", &unknown), 400, "provider").await;
    let same = json!({"client_id": "kept", "provider": "google", "label": "changed"});
    assert_written(&caller.send(&caller.patch("kept", &same)).await, 200);
    assert_eq!(caller.shown("kept").await["label"], "changed");
}

#[tokio::test]
async fn an_unknown_provider_is_400() {
    let caller = caller("providers").await;
    caller.create(&draft("kept")).await;
    for wrong in ["", "Google", "GOOGLE", "saml", "google "] {
        let mut body = draft("new");
        body["provider"] = json!(wrong);
        caller.refuses(&caller.post(&body), 400, "provider").await;
    }
}

#[tokio::test]
async fn a_second_of_the_same_id_is_409() {
    let caller = caller("duplicates").await;
    caller.create(&draft("kept")).await;
    let answer = caller.refuses(&caller.post(&draft("kept")), 409, "client_id").await;
    assert!(answer.header("concordat-write-id").is_some(), "{answer:?}");
    let mut github = draft("kept");
    github["provider"] = json!("github");
    caller.refuses(&caller.post(&github), 409, "client_id").await;
    // Another organization may hold the same one.
    let other = crate::world::caller("the same id").await;
    other.create(&draft("kept")).await;
    assert_written(&other.send(&other.delete("kept")).await, 200);
    assert_success(&caller.get("kept").await, 200);
}

#[tokio::test]
async fn an_unknown_id_is_404_in_the_envelope() {
    let caller = caller("unknown").await;
    caller.create(&draft("kept")).await;
    for request in [
        caller.request("GET", &one("other")),
        caller.patch("other", &json!({"label": "changed"})),
        caller.patch("other", &json!({})),
        caller.delete("other"),
    ] {
        caller.refuses(&request, 404, "credential").await;
    }
}

#[tokio::test]
async fn nothing_is_resurrected() {
    let caller = caller("resurrection").await;
    let mut body = draft("phoenix");
    body["label"] = json!("first");
    caller.create(&body).await;
    assert_written(&caller.send(&caller.delete("phoenix")).await, 200);
    caller.refuses(&caller.patch("phoenix", &json!({"label": "second"})), 404, "").await;
    caller.refuses(&caller.delete("phoenix"), 404, "").await;
    // A new one under the old name has nothing of the old one.
    let mut body = draft("phoenix");
    body["provider"] = json!("github");
    caller.create(&body).await;
    let shown = caller.shown("phoenix").await;
    assert!(!members(&shown).contains("label"), "{shown}");
    assert_eq!(shown["provider"], "github");
}

#[tokio::test]
async fn the_alias_of_external_cred_id() {
    let caller = caller("alias").await;
    caller.create(&draft("kept")).await;
    let different = json!({"external_cred": "a", "external_cred_id": "b"});
    caller.refuses(&caller.patch("kept", &different), 400, "external_cred").await;
    let mut body = draft("new");
    body["external_cred"] = json!("a");
    body["external_cred_id"] = json!("b");
    caller.refuses(&caller.post(&body), 400, "external_cred").await;
    for change in
        [json!({"external_cred": "x", "external_cred_id": "x"}), json!({"external_cred": "x"})]
    {
        assert_written(&caller.send(&caller.patch("kept", &change)).await, 200);
        assert_eq!(caller.shown("kept").await["external_cred_id"], "x");
    }
}

#[tokio::test]
async fn ids_are_decoded_once() {
    let caller = caller("ids").await;
    for id in ["a/b", "%2F", "100%", "ü ö", "a+b", "?q=1#f", "...", "a%2Fb", "🔑"] {
        caller.create(&draft(id)).await;
        let path = percent_encode(id);
        assert_eq!(caller.shown(&path).await["client_id"], id);
        assert_written(&caller.send(&caller.patch(&path, &json!({"label": "x"}))).await, 200);
        assert_written(&caller.send(&caller.delete(&path)).await, 200);
        assert_failure(&caller.get(&path).await, 404);
    }
    for path in ["%", "%2", "%zz", "%ff", "a%00b", "%0A"] {
        for request in [
            caller.request("GET", &one(path)),
            caller.patch(path, &json!({"label": "x"})),
            caller.delete(path),
        ] {
            caller.refuses(&request, 400, "path").await;
        }
    }
    caller.refuses(&caller.request("GET", &one(&"i".repeat(256))), 400, "path").await;
}
