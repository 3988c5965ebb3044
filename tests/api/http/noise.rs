//! No input makes a replica panic or an apply fail: random damage to requests, and to the bodies
//! and headers of well-formed ones. Afterwards every node lives, agrees, and works.

use std::{collections::BTreeMap, time::Duration};

use concordat_tests::{
    demo::{Demo, DemoOptions},
    http::{self, Request},
    process,
    rng::{Rng, seed},
    wait,
};
use serde_json::{Value, json};
use tokio::{task::JoinSet, time::timeout};

use crate::world::{Caller, OIDC, assert_success, assert_written, caller_at, draft, one};

const BODIES: usize = 400;
const REQUESTS: usize = 400;
const AT_ONCE: usize = 20;
/// A damaged request may be the beginning of a longer one whose rest never comes.
const PATIENCE: Duration = Duration::from_millis(250);

const PIECES: [&str; 16] = [
    "\"",
    "{",
    "}",
    "[",
    "]",
    ",",
    ":",
    "null",
    "1e999",
    "-0",
    "\\u0000",
    "\\ud800",
    "\u{feff}",
    "\0",
    "\"client_id\":",
    "99999999999999999999",
];

/// Damages bytes in one to four places.
fn damage(rng: &mut Rng, bytes: &mut Vec<u8>) {
    for _ in 0..=rng.below(3) {
        let place = usize::try_from(rng.below(bytes.len() as u64 + 1)).expect("a place");
        match rng.below(4) {
            0 if place < bytes.len() => bytes[place] = rng.next().to_le_bytes()[0],
            1 if place < bytes.len() => {
                bytes.remove(place);
            }
            2 => bytes.truncate(place),
            _ => {
                let piece = PIECES[usize::try_from(rng.below(16)).expect("a piece")];
                bytes.splice(place..place, piece.bytes());
            }
        }
    }
}

fn templates(caller: &Caller) -> [Request; 5] {
    let key = crate::credentials::apple::private_key();
    let apple = json!({
        "client_id": "apple", "client_secret": "x", "provider": "apple",
        "options": {"apple": crate::credentials::apple::options(&key)},
    });
    let mut full = draft("full");
    full["label"] = json!("label");
    full["options"] = json!({"google": {"authorize_scopes": ["a", "b"]}});
    [
        caller.post(&full),
        caller.post(&apple),
        caller.patch("kept", &json!({"label": "noise", "client_secret": "x"})),
        caller.patch("full", &full),
        caller.request("GET", &format!("{OIDC}?oauth_provider=google&limit=1&offset=0")),
    ]
}

async fn damaged_bodies(rng: &mut Rng, caller: &Caller) {
    let templates = templates(caller);
    let mut statuses: BTreeMap<u16, usize> = BTreeMap::new();
    for number in 0..BODIES {
        let template = &templates[number % 4];
        let bytes = template.to_bytes();
        let begin = bytes.windows(4).position(|it| it == b"\r\n\r\n").expect("a body") + 4;
        let mut body = bytes[begin..].to_vec();
        damage(rng, &mut body);
        let answer = template.clone().body(body).send(&caller.urls[number % 3]).await;
        assert!(answer.status < 500 && answer.status != 408, "{template:?}: {answer:?}");
        *statuses.entry(answer.status).or_default() += 1;
    }
    println!("damaged bodies: {statuses:?}");
    assert!(statuses[&400] > BODIES / 4, "hardly any was damaged: {statuses:?}");
}

async fn damaged_requests(rng: &mut Rng, caller: &Caller) {
    let templates = templates(caller);
    let mut statuses: BTreeMap<u16, usize> = BTreeMap::new();
    for batch in 0..REQUESTS / AT_ONCE {
        let mut asked = JoinSet::new();
        for number in 0..AT_ONCE {
            let mut bytes = templates[(batch + number) % 5].to_bytes();
            damage(rng, &mut bytes);
            let url = caller.urls[number % 3].clone();
            asked.spawn(async move {
                let answer = timeout(PATIENCE, http::exchange(&url, &bytes, false)).await;
                (bytes, answer)
            });
        }
        for (bytes, answer) in asked.join_all().await {
            if let Ok(Ok(answer)) = answer {
                assert!(answer.status < 500, "{:?}: {answer:?}", String::from_utf8_lossy(&bytes));
                *statuses.entry(answer.status).or_default() += 1;
            }
        }
    }
    println!("damaged requests: {statuses:?}");
}

/// Waits until all replicas are at one index, with one digest in each group.
async fn agree(demo: &Demo) {
    wait::eventually("all replicas stand at the same index", async || {
        let mut seen: Vec<Value> = Vec::new();
        for url in demo.urls() {
            let answer = demo.by_operator("GET", "/v1/cluster/digest").send(&url).await;
            let result = assert_success(&answer, 200)["result"].take();
            seen.push(result.get("groups").unwrap_or(&result).clone());
        }
        if seen.iter().all(|groups| *groups == seen[0]) { Ok(()) } else { Err(format!("{seen:?}")) }
    })
    .await;
}

#[tokio::test]
async fn noise_breaks_nothing() {
    let seed = seed();
    println!("CONCORDAT_SEED={seed}");
    let mut rng = Rng::new(seed);
    let demo = Demo::start(DemoOptions::default()).await;
    let caller = caller_at(&demo, "noise").await;
    let created = caller.post(&draft("kept")).header("SlashID-Required-Consistency", "all_regions");
    assert_written(&caller.send(&created).await, 201);
    damaged_bodies(&mut rng, &caller).await;
    damaged_requests(&mut rng, &caller).await;
    for url in demo.urls() {
        let last = caller.patch("kept", &json!({"label": "after the noise"}));
        let last = last.header("SlashID-Required-Consistency", "all_regions");
        assert_written(&last.send(&url).await, 200);
        let read = caller.request("GET", &one("kept")).send(&url).await;
        assert_eq!(assert_success(&read, 200)["result"]["label"], "after the noise");
    }
    agree(&demo).await;
    let log = process::text(&demo.log_path());
    assert!(!log.contains("panicked"), "{log}");
}
