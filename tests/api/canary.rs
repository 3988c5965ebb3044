//! Promise 8: no secret is in the clear in any file, log line at trace level, metric or answer.
//!
//! Left out are the two files whose purpose is to hold keys: the demo's keyring and its operator
//! key, which a restart prints again. They are their owner's alone, which is checked instead.

use std::os::unix::fs::PermissionsExt;

use concordat_tests::{
    canary::{Canary, Search, files},
    demo::{Demo, DemoOptions},
    http::Request,
    process,
};
use p256::{SecretKey, elliptic_curve::rand_core::{OsRng, RngCore}, pkcs8::DecodePrivateKey};
use serde_json::json;

use crate::{
    apple,
    world::{Caller, assert_failure, assert_written, caller_at, percent_encode},
};

/// The names of files that may hold a key.
const KEY_FILES: [&str; 2] = ["keyring", "operator-key"];

fn unique() -> String {
    let mut bytes = [0; 24];
    OsRng.fill_bytes(&mut bytes);
    let letters = b"ABCDEFGHJKLMNPQRSTUVWXYZabcdefghijkmnopqrstuvwxyz23456789-_";
    let letter = |byte: &u8| char::from(letters[usize::from(*byte) % letters.len()]);
    bytes.iter().map(letter).collect()
}

/// What was planted, and how answers to it looked.
struct Planted {
    canaries: Vec<Canary>,
    answers: Vec<u8>,
}

impl Planted {
    fn add(&mut self, name: &str, secret: &str) {
        self.canaries.push(Canary::new(name, secret.as_bytes()));
    }

    async fn send(&mut self, caller: &Caller, region: usize, request: &Request) -> u16 {
        let answer = request.send(&caller.urls[region]).await;
        self.answers.extend(format!("{answer:?}").into_bytes());
        answer.status
    }
}

async fn plant(demo: &Demo, caller: &Caller) -> Planted {
    let mut planted = Planted { canaries: Vec::new(), answers: Vec::new() };
    let everywhere = |request: Request| {
        request.header("SlashID-Required-Consistency", "all_regions").header("Idempotency-Key", &unique())
    };
    for region in 0..3 {
        let (first, second) = (unique(), unique());
        planted.add("a created client_secret", &first);
        planted.add("a changed client_secret", &second);
        let id = format!("plain/{region}");
        let body = json!({"client_id": id, "client_secret": first, "provider": "github"});
        let created = everywhere(caller.post(&body));
        assert_eq!(planted.send(caller, region, &created).await, 201);
        // Refused with a secret in hand: as a duplicate, in a header's name, ill-formed.
        assert_eq!(planted.send(caller, region, &caller.post(&body)).await, 409);
        let wrong = caller.post(&body).header("SlashID-Required-Consistency", "x");
        assert_eq!(planted.send(caller, region, &wrong).await, 400);
        let cut = format!("{}, ", json!({"client_secret": second}).to_string().trim_end_matches('}'));
        let cut = caller.request("PATCH", &crate::world::one("x")).json_text(cut);
        assert_eq!(planted.send(caller, region, &cut).await, 400);
        let typed = caller.patch("x", &json!({"client_secret": {"deep": second}}));
        assert_eq!(planted.send(caller, region, &typed).await, 400);
        let changed = everywhere(caller.patch(&percent_encode(&id), &json!({"client_secret": second})));
        assert_eq!(planted.send(caller, region, &changed).await, 200);

        let key = apple::private_key();
        let lines: Vec<&str> = key.lines().collect();
        planted.add("a private key's text", lines[1]);
        let scalar = SecretKey::from_pkcs8_pem(&key).expect("a key").to_bytes();
        planted.canaries.push(Canary::new("a private key's number", &scalar));
        let body = json!({
            "client_id": format!("apple-{region}"), "client_secret": unique(), "provider": "apple",
            "options": {"apple": apple::options(&key)},
        });
        assert_eq!(planted.send(caller, region, &everywhere(caller.post(&body))).await, 201);
        for target in [crate::world::OIDC, &crate::world::one(&format!("apple-{region}"))] {
            assert_eq!(planted.send(caller, region, &caller.request("GET", target)).await, 200);
        }
        let stranger = unique();
        planted.add("a wrong key", &stranger);
        let wrong = caller.request("GET", crate::world::OIDC).with("SlashID-API-Key", &stranger);
        let answer = wrong.send(&caller.urls[region]).await;
        assert_failure(&answer, 401);
        planted.answers.extend(answer.body);
    }
    planted.add("the organisation's key", &caller.org.api_key);
    planted.add("the demo organisation's key", &demo.org.api_key);
    planted
}

#[tokio::test]
async fn no_secret_is_in_the_clear() {
    let options = DemoOptions { log_level: "trace", ..DemoOptions::default() };
    let demo = Demo::start(options).await;
    let caller = caller_at(&demo, "canaries").await;
    let mut planted = plant(&demo, &caller).await;
    for target in ["/v1/cluster", "/v1/organizations"] {
        let request = demo.by_operator("GET", target);
        assert_eq!(planted.send(&caller, 0, &request).await, 200);
    }
    let wrong = Request::new("GET", "/v1/cluster").header("SlashID-API-Key", &unique());
    assert_eq!(planted.send(&caller, 0, &wrong).await, 401);
    for url in demo.all_urls() {
        let metrics = Request::new("GET", "/metrics").send(&url).await;
        planted.answers.extend(metrics.body);
    }
    // So that logs and states are closed: what a kill leaves is what a thief finds.
    let last = caller.patch("apple-0", &json!({"label": "last"}));
    let last = last.header("SlashID-Required-Consistency", "all_regions");
    assert_written(&caller.send(&last).await, 200);

    planted.add("the operator's key", &demo.operator_key);
    let search = Search::new(planted.canaries);
    assert!(search.in_bytes(&planted.answers).is_empty(), "{:?}", search.in_bytes(&planted.answers));
    let (findings, count, bytes) = search.in_directory(demo.data_dir(), &KEY_FILES);
    println!("looked through {count} files of {bytes} bytes");
    assert!(findings.is_empty(), "{findings:#?}");
    assert!(count >= 9 && bytes > 100_000, "three nodes have logs and states: {count}, {bytes}");
    for path in files(demo.data_dir()) {
        let name = path.file_name().unwrap_or_default().to_string_lossy().into_owned();
        if KEY_FILES.contains(&name.as_str()) {
            let mode = path.metadata().expect("metadata").permissions().mode();
            assert_eq!(mode & 0o077, 0, "{path:?} is not its owner's alone");
        }
    }
    let log = process::bytes(&demo.log_path());
    let text = String::from_utf8_lossy(&log);
    for level in ["TRACE", "DEBUG"] {
        assert!(text.contains(level), "the log was not at {level}");
    }
    println!("looked through {} bytes of log", log.len());
    assert!(search.in_bytes(&log).is_empty(), "in the log: {:?}", search.in_bytes(&log));
}
