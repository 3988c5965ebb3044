//! Contract 4: Apple's options, with a key that is checked and never shown again.

use p256::{
    SecretKey,
    elliptic_curve::rand_core::OsRng,
    pkcs8::{EncodePrivateKey, LineEnding},
};
use serde_json::{Value, json};

use crate::world::{Caller, SECRET, assert_success, assert_written, caller, one};

/// A new P-256 key in PKCS#8 PEM.
pub(crate) fn private_key() -> String {
    let key = SecretKey::random(&mut OsRng);
    key.to_pkcs8_pem(LineEnding::LF).expect("a key is encoded").to_string()
}

pub(crate) fn options(key: &str) -> Value {
    json!({"private_key": key, "team_id": "TEAM123456", "key_id": "KEY1234567"})
}

fn draft(client_id: &str, options: &Value) -> Value {
    json!({
        "client_id": client_id, "client_secret": SECRET, "provider": "apple",
        "options": {"apple": options},
    })
}

fn with(options: &Value, member: &str, value: Value) -> Value {
    let mut options = options.clone();
    options[member] = value;
    options
}

async fn kept(name: &str) -> (Caller, String) {
    let (caller, key) = (caller(name).await, private_key());
    caller.create(&draft("kept", &options(&key))).await;
    (caller, key)
}

#[tokio::test]
async fn a_key_that_parses_is_kept_and_shown_as_redacted() {
    let (caller, key) = kept("apple").await;
    let expected = json!({"apple": {
        "authorize_scopes": ["openid", "email", "name"], "private_key": "[redacted]",
        "team_id": "TEAM123456", "key_id": "KEY1234567", "secret_lifetime": "720h0m0s",
    }});
    assert_eq!(caller.shown("kept").await["options"], expected);
    let middle = key.lines().nth(1).expect("a line of the key");
    for target in [
        caller.get("kept").await,
        caller.request("GET", crate::world::OIDC).send(&caller.urls[0]).await,
    ] {
        assert!(!target.text().contains(middle), "{target:?}");
    }
    // Sent back as it was shown, it keeps the stored key.
    let back = with(&expected["apple"], "secret_lifetime", json!("24h"));
    let change = json!({"options": {"apple": back}});
    assert_written(&caller.send(&caller.patch("kept", &change)).await, 200);
    assert_eq!(caller.shown("kept").await["options"]["apple"]["secret_lifetime"], "24h0m0s");
    let new_key = with(&options(&private_key()), "authorize_scopes", json!(["extra"]));
    let change = json!({"options": {"apple": new_key}});
    assert_written(&caller.send(&caller.patch("kept", &change)).await, 200);
    let shown = caller.shown("kept").await;
    assert_eq!(shown["options"]["apple"]["private_key"], "[redacted]");
    assert_eq!(shown["options"]["apple"]["secret_lifetime"], "720h0m0s", "replaced whole");
}

/// As editors, key stores and copy and paste leave them (RFC 7468 allows a parser to accept all of
/// these). The secret that is minted with it shows that the stored key can be used.
#[tokio::test]
async fn a_key_is_taken_in_every_form_of_a_file() {
    let (caller, key) = kept("forms of keys").await;
    let body: String = key.lines().filter(|line| !line.starts_with('-')).collect();
    let on_one_line = format!("-----BEGIN PRIVATE KEY-----\n{body}\n-----END PRIVATE KEY-----");
    for (number, form) in
        [format!("{key}\n\n"), key.replace('\n', "\r\n"), format!("\u{feff}{key}"), on_one_line]
            .iter()
            .enumerate()
    {
        let id = format!("form-{number}");
        caller.create(&draft(&id, &options(form))).await;
        let secret = format!("{}/client-secret", one(&id));
        let read = caller.request("GET", &secret).send(&caller.urls[0]).await;
        let minted = assert_success(&read, 200)["result"].take();
        assert!(minted.to_string().contains("eyJ"), "{form:?}: no token");
    }
}

#[tokio::test]
async fn a_key_that_does_not_parse_is_400() {
    let (caller, key) = kept("bad keys").await;
    let other_curve = "-----BEGIN PRIVATE KEY-----\n\
        MC4CAQAwBQYDK2VwBCIEIHcHbQpzGKV9PBbBclGyZkXfTC+H68CZKrF3+6UduSwq\n\
        -----END PRIVATE KEY-----\n";
    let broken = key.replacen("MIG", "MIH", 1);
    for wrong in [
        "",
        "no key",
        "[redacted]",
        &key.replace("PRIVATE KEY", "PUBLIC KEY"),
        &key.replace("PRIVATE KEY", "EC PRIVATE KEY"),
        &key[..key.len() / 2],
        &broken,
        other_curve,
        &format!("{key}{}", "\n".repeat(9000)),
    ] {
        let body = draft("new", &options(wrong));
        let told = caller.refuses(&caller.post(&body), 400, "private_key").await.text();
        assert!(!told.contains(key.lines().nth(1).expect("a line")), "{told}");
        if wrong != "[redacted]" {
            let change = json!({"options": {"apple": options(wrong)}});
            caller.refuses(&caller.patch("kept", &change), 400, "private_key").await;
        }
    }
}

#[tokio::test]
async fn what_is_required_of_apple() {
    let (caller, key) = kept("requirements").await;
    let mut without = draft("new", &json!({}));
    caller.refuses(&caller.post(&without), 400, "private_key").await;
    without.as_object_mut().expect("an object").remove("options");
    caller.refuses(&caller.post(&without), 400, "apple").await;
    for member in ["private_key", "team_id", "key_id"] {
        let less = with(&options(&key), member, Value::Null);
        caller.refuses(&caller.post(&draft("new", &less)), 400, member).await;
        let change = json!({"options": {"apple": less}});
        caller.refuses(&caller.patch("kept", &change), 400, member).await;
    }
    for member in ["team_id", "key_id"] {
        for wrong in ["", "SHORT", "ELEVENCHARS", "TEN-CHARS-", "TÜRKÇE1234"] {
            let wrong = draft("new", &with(&options(&key), member, json!(wrong)));
            caller.refuses(&caller.post(&wrong), 400, member).await;
        }
    }
}

#[tokio::test]
async fn lifetimes_are_go_durations() {
    let (caller, _) = kept("lifetimes").await;
    let lifetime = |text: &str| {
        let back = with(&options("[redacted]"), "secret_lifetime", json!(text));
        caller.patch("kept", &json!({"options": {"apple": back}}))
    };
    // As Go's time.ParseDuration and Duration.String have them.
    for (given, shown) in [
        ("300s", "5m0s"),
        ("5m", "5m0s"),
        ("24h", "24h0m0s"),
        ("1h15m30.918273645s", "1h15m30.918273645s"),
        ("+5.5h", "5h30m0s"),
        ("300000ms", "5m0s"),
        ("300000000us", "5m0s"),
        ("300000000µs", "5m0s"),
        ("300000000μs", "5m0s"),
        ("300000000001ns", "5m0.000000001s"),
        (".5h", "30m0s"),
        ("1.h", "1h0m0s"),
        ("10m10m", "20m0s"),
        ("15777000s", "4382h30m0s"),
    ] {
        assert_written(&caller.send(&lifetime(given)).await, 200);
        assert_eq!(
            caller.shown("kept").await["options"]["apple"]["secret_lifetime"],
            shown,
            "{given}"
        );
    }
    for wrong in [
        "",
        "0",
        "5",
        "1d",
        "24H",
        "h",
        "1h 5m",
        "-1h",
        "299.999999999s",
        "15777000.000000001s",
        "9223372036854775808ns",
        "1e3s",
        "١h",
        "720h0m0s ",
    ] {
        caller.refuses(&lifetime(wrong), 400, "secret_lifetime").await;
    }
}
