//! Contract 1.6 and 1.7: invalid bodies, and the size limits.

use concordat_tests::http::Request;
use serde_json::{Value, json};

use crate::world::{Caller, OIDC, SECRET, assert_success, assert_written, caller, draft, one};

async fn kept(name: &str) -> Caller {
    let caller = caller(name).await;
    caller.create(&draft("kept")).await;
    caller
}

/// POST and PATCH with any text.
fn both(caller: &Caller) -> [Request; 2] {
    [caller.request("POST", OIDC), caller.request("PATCH", &one("kept"))]
}

#[tokio::test]
async fn what_is_no_json_object_is_400() {
    let caller = kept("no objects").await;
    let cut = draft("new").to_string();
    for body in [
        "",
        "{",
        "{]",
        "nothing",
        &cut[..cut.len() - 1],
        &format!("{cut}}}"),
        &format!("{cut} {cut}"),
        "{'client_id': 'x'}",
        "{\"client_id\": \"x\",}",
        "[]",
        &format!("[{cut}]"),
        "null",
        "\"text\"",
        "1",
        "true",
        "\u{feff}{}",
    ] {
        for request in both(&caller) {
            caller.refuses(&request.json_text(body), 400, "body").await;
        }
    }
    for request in both(&caller) {
        let not_utf8 = [b"{\"label\":\"".as_slice(), &[0xff, 0xfe], b"\"}"].concat();
        caller.refuses(&request.clone().json_text(not_utf8), 400, "body").await;
        let deep = format!("{}{}", "[".repeat(20_000), "]".repeat(20_000));
        let deep = format!("{{\"unknown\":{deep}}}");
        caller.refuses(&request.clone().json_text(deep), 400, "body").await;
        caller.refuses(&request, 400, "body").await;
    }
}

#[tokio::test]
async fn a_member_that_comes_twice_is_400() {
    let caller = kept("twice").await;
    for body in [
        r#"{"client_id":"new","client_id":"new","client_secret":"s","provider":"google"}"#,
        r#"{"label":"a","label":"b"}"#,
        r#"{"unknown":{"a":1,"a":2}}"#,
        r#"{"options":{"google":{"authorize_scopes":[]},"google":{"authorize_scopes":["x"]}}}"#,
    ] {
        for request in both(&caller) {
            caller.refuses(&request.json_text(body), 400, "twice").await;
        }
    }
}

#[tokio::test]
async fn another_type_is_400() {
    let caller = kept("types").await;
    for (member, wrong) in [
        ("client_id", json!(1)),
        ("client_secret", json!([SECRET])),
        ("provider", json!({"google": true})),
        ("label", json!(true)),
        ("external_cred", json!(7)),
        ("external_cred_id", json!({})),
        ("enable_in_slashid_oidc_authz_server", json!("true")),
        ("enable_in_slashid_oidc_authz_server", json!(1)),
        ("options", json!("none")),
        ("options", json!([])),
        ("options", json!({"google": []})),
        ("options", json!({"google": {"authorize_scopes": "email"}})),
        ("options", json!({"google": {"authorize_scopes": [1]}})),
    ] {
        let mut body = draft("new");
        body[member] = wrong.clone();
        caller.refuses(&caller.post(&body), 400, member).await;
        caller.refuses(&caller.patch("kept", &json!({ member: wrong })), 400, member).await;
    }
}

#[tokio::test]
async fn another_media_type_is_415() {
    let caller = kept("media types").await;
    let body = draft("new").to_string();
    for request in both(&caller) {
        for wrong in
            ["text/plain", "application/x-www-form-urlencoded", "application/jsonp", "json", ""]
        {
            let request = request.clone().header("Content-Type", wrong).body(body.clone());
            caller.refuses(&request, 415, "application/json").await;
        }
        caller.refuses(&request.clone().body(body.clone()), 415, "application/json").await;
        let two = request.json_text(body.clone()).header("Content-Type", "text/plain");
        caller.refuses(&two, 415, "application/json").await;
    }
    for right in ["application/json; charset=utf-8", "Application/JSON"] {
        let request = caller.request("PATCH", &one("kept")).header("Content-Type", right);
        assert_written(&caller.send(&request.body("{}")).await, 200);
    }
}

#[tokio::test]
async fn more_than_64_kib_is_413() {
    let caller = kept("large").await;
    let padded = |length: usize| {
        let body = json!({"label": "large"}).to_string();
        format!("{body}{}", " ".repeat(length - body.len()))
    };
    let patch = caller.request("PATCH", &one("kept"));
    assert_written(&caller.send(&patch.clone().json_text(padded(64 * 1024))).await, 200);
    for length in [64 * 1024 + 1, 3 << 20] {
        for request in both(&caller) {
            caller.refuses(&request.json_text(padded(length)), 413, "65536").await;
        }
    }
    // Without saying how long it is.
    let chunked = patch.header("Content-Type", "application/json");
    let chunked = chunked.header("Transfer-Encoding", "chunked");
    let mut bytes = chunked.to_bytes();
    for _ in 0..70 {
        bytes.extend_from_slice(b"400\r\n");
        bytes.extend([b' '; 0x400]);
        bytes.extend_from_slice(b"\r\n");
    }
    bytes.extend_from_slice(b"0\r\n\r\n");
    let before = caller.everything().await;
    let answer = concordat_tests::http::exchange(&caller.urls[0], &bytes, false).await.unwrap();
    crate::world::assert_failure(&answer, 413);
    assert_eq!(caller.everything().await, before);
}

#[tokio::test]
async fn null_is_absent_and_the_unknown_is_ignored() {
    let caller = kept("null").await;
    let mut body = draft("new");
    for member in ["label", "external_cred", "external_cred_id", "options"] {
        body[member] = Value::Null;
    }
    body["enable_in_slashid_oidc_authz_server"] = Value::Null;
    body["unknown"] = json!({"deep": [1, "x", null, 1.5, -3]});
    caller.create(&body).await;
    let mut expected = caller.shown("kept").await;
    expected["client_id"] = json!("new");
    assert_eq!(caller.shown("new").await, expected);
    for required in ["client_id", "client_secret", "provider"] {
        let mut body = draft("other");
        body[required] = Value::Null;
        caller.refuses(&caller.post(&body), 400, required).await;
        body.as_object_mut().expect("an object").remove(required);
        caller.refuses(&caller.post(&body), 400, required).await;
    }
    let before = caller.everything().await;
    let nothing =
        json!({"client_secret": null, "label": null, "options": {"google": null}, "x": 1});
    assert_written(&caller.send(&caller.patch("kept", &nothing)).await, 200);
    assert_eq!(caller.everything().await, before);
}

#[tokio::test]
async fn a_get_or_delete_may_say_that_it_has_no_json() {
    let caller = kept("empty").await;
    for target in [OIDC.to_owned(), one("kept")] {
        let request = caller.request("GET", &target).json_text("");
        assert_success(&caller.send(&request).await, 200);
    }
    let request = caller.delete("kept").json_text("");
    assert_written(&caller.send(&request).await, 200);
}

#[tokio::test]
async fn limits() {
    let caller = kept("limits").await;
    let scope = |length: usize| json!({"google": {"authorize_scopes": ["x".repeat(length)]}});
    let scopes = |count: usize| {
        let scopes: Vec<String> = (0..count).map(|number| format!("s{number}")).collect();
        json!({"google": {"authorize_scopes": scopes}})
    };
    for (member, most, more) in [
        ("client_secret", json!("s".repeat(4096)), json!("s".repeat(4097))),
        ("label", json!("ü".repeat(256)), json!("ü".repeat(257))),
        ("options", scope(256), scope(257)),
        ("options", scopes(64), scopes(65)),
    ] {
        let most = caller.patch("kept", &json!({ member: most }));
        assert_written(&caller.send(&most).await, 200);
        caller.refuses(&caller.patch("kept", &json!({ member: more })), 400, "").await;
        let mut body = draft("new");
        body[member] = more;
        caller.refuses(&caller.post(&body), 400, "").await;
    }
    for wrong in ["", "a b", "a\tb", "a\u{a0}b"] {
        let options = json!({"google": {"authorize_scopes": [wrong]}});
        caller.refuses(&caller.patch("kept", &json!({"options": options})), 400, "scope").await;
    }
    caller
        .refuses(&caller.patch("kept", &json!({"client_secret": ""})), 400, "client_secret")
        .await;
    caller.create(&draft(&"i".repeat(255))).await;
    for wrong in ["".to_owned(), "i".repeat(256), "a\u{0}b".into(), "a\nb".into(), "\u{7f}".into()]
    {
        caller.refuses(&caller.post(&draft(&wrong)), 400, "client_id").await;
    }
}
