//! Contract 4: the options of each provider except Apple.

use serde_json::{Value, json};

use crate::world::{SECRET, assert_written, caller, draft};

/// Each provider and the scopes that are always requested.
const SCOPES: [(&str, &[&str]); 8] = [
    ("google", &["openid", "email", "profile"]),
    ("github", &["read:user", "user:email"]),
    ("bitbucket", &["account"]),
    ("gitlab", &["read_user"]),
    ("facebook", &["email", "public_profile"]),
    ("line", &["openid", "email", "profile"]),
    ("azuread", &["openid", "email", "profile", "User.Read"]),
    ("okta", &["openid", "email", "profile"]),
];

fn of(provider: &str, client_id: &str) -> Value {
    json!({"client_id": client_id, "client_secret": SECRET, "provider": provider})
}

/// A provider's options in the answer to GET, from its scopes.
fn shown(provider: &str, scopes: &[&str]) -> Value {
    let mut object = json!({"authorize_scopes": scopes});
    match provider {
        "azuread" => object["tenant"] = json!("common"),
        "okta" => object["organization_url"] = json!(""),
        _ => {}
    }
    json!({ provider: object })
}

#[tokio::test]
async fn every_provider_has_its_scopes_and_defaults() {
    let caller = caller("scopes").await;
    for (provider, always) in SCOPES {
        caller.create(&of(provider, provider)).await;
        assert_eq!(caller.shown(provider).await["options"], shown(provider, always));
        // Always the same ones first, then the given ones, each once, case-sensitive.
        let given = ["zeta", always[0], "zeta", "Email", "alpha"];
        let options = json!({ provider: {"authorize_scopes": given} });
        assert_written(
            &caller.send(&caller.patch(provider, &json!({"options": options}))).await,
            200,
        );
        let effective = [always, &["zeta", "Email", "alpha"]].concat();
        assert_eq!(caller.shown(provider).await["options"], shown(provider, &effective));
        // A sub-object replaces the stored one whole; none leaves it.
        for untouched in [json!({"options": {}}), json!({"label": "x"})] {
            assert_written(&caller.send(&caller.patch(provider, &untouched)).await, 200);
            assert_eq!(caller.shown(provider).await["options"], shown(provider, &effective));
        }
        let empty = json!({"options": {provider: {}}});
        assert_written(&caller.send(&caller.patch(provider, &empty)).await, 200);
        assert_eq!(caller.shown(provider).await["options"], shown(provider, always));
    }
}

#[tokio::test]
async fn a_foreign_option_is_400() {
    let caller = caller("foreign").await;
    caller.create(&draft("kept")).await;
    for options in [
        json!({"github": {}}),
        json!({"github": {"authorize_scopes": ["x"]}}),
        json!({"google": {}, "github": {}}),
        json!({"okta": {"organization_url": "https://example.okta.com"}}),
    ] {
        let mut body = draft("new");
        body["options"] = options.clone();
        caller.refuses(&caller.post(&body), 400, "options").await;
        caller.refuses(&caller.patch("kept", &json!({"options": options})), 400, "options").await;
    }
    // For an unknown provider it is an unknown member.
    let unknown = json!({"options": {"myspace": {"authorize_scopes": 1}}});
    assert_written(&caller.send(&caller.patch("kept", &unknown)).await, 200);
}

#[tokio::test]
async fn tenants_of_azuread() {
    let caller = caller("tenants").await;
    caller.create(&of("azuread", "a")).await;
    for tenant in [
        "common",
        "organizations",
        "consumers",
        "consumer",
        "contoso.onmicrosoft.com",
        "9188040d-6c67-4c5b-b112-36a304b66dad",
    ] {
        let change = json!({"options": {"azuread": {"tenant": tenant}}});
        assert_written(&caller.send(&caller.patch("a", &change)).await, 200);
        assert_eq!(caller.shown("a").await["options"]["azuread"]["tenant"], tenant);
    }
    for wrong in
        ["", "everybody", "a b.com", "-x.com", "https://contoso.com", "9188040d", ".", "a..b"]
    {
        let change = json!({"options": {"azuread": {"tenant": wrong}}});
        caller.refuses(&caller.patch("a", &change), 400, "tenant").await;
    }
}

#[tokio::test]
async fn organization_urls_of_okta() {
    let caller = caller("okta").await;
    caller.create(&of("okta", "a")).await;
    let long = |length: usize| {
        let start = "https://example.okta.com/";
        format!("{start}{}", "x".repeat(length - start.len()))
    };
    for url in ["https://example.okta.com", "", &long(2048)] {
        let change = json!({"options": {"okta": {"organization_url": url}}});
        assert_written(&caller.send(&caller.patch("a", &change)).await, 200);
        assert_eq!(caller.shown("a").await["options"]["okta"]["organization_url"], *url);
    }
    for wrong in [
        "http://example.okta.com",
        "example.okta.com",
        "https://",
        "ftp://x",
        "https://a b",
        &long(2049),
    ] {
        let change = json!({"options": {"okta": {"organization_url": wrong}}});
        caller.refuses(&caller.patch("a", &change), 400, "organization_url").await;
    }
}
