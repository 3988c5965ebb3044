//! Contract 7: keys that end while something is asked with them. `dialects/slashid/keys.txt` has their life.

use std::time::Duration;

use concordat_proto::{consistency::Position, log::LogIndex};
use concordat_tests::http::{Request, Response};
use serde_json::{Value, json};
use time::{OffsetDateTime, format_description::well_known::Rfc3339};
use tokio::{
    join,
    time::{Instant, sleep},
};

use crate::world::{
    Caller, OIDC, assert_failure, assert_marked, assert_success, caller, draft, one,
};

const KEYS: &str = "/organizations/api-keys";
/// Time for a key's end.
const SOON: Duration = Duration::from_millis(1500);
/// Time for a request to be let in, before its key is revoked.
const LET_IN: Duration = Duration::from_millis(500);

/// A key of the caller's organization, known in every region: its id, and a caller with it.
async fn issued(caller: &Caller, body: &Value) -> (String, Caller) {
    let request = everywhere(caller.request("POST", KEYS).json(body));
    let made = assert_success(&caller.send(&request).await, 201);
    let text = |member: &str| made["result"][member].as_str().expect("a text").to_owned();
    let mut other = caller.clone();
    other.org.api_key = text("api_key");
    (text("id"), other)
}

fn everywhere(request: Request) -> Request {
    request.header("SlashID-Required-Consistency", "all_regions")
}

async fn revoke(caller: &Caller, id: &str) {
    let revoked = caller.send(&everywhere(caller.request("DELETE", &format!("{KEYS}/{id}")))).await;
    assert_eq!(revoked.status, 204, "{revoked:?}");
}

/// Sends a request that waits, and revokes the key of it meanwhile.
async fn revoked_during(caller: &Caller, id: &str, request: Request) -> Response {
    let url = &caller.urls[1];
    let begun = Instant::now();
    let revoking = async {
        sleep(LET_IN).await;
        revoke(caller, id).await;
    };
    let asking = async { (request.send(url).await, begun.elapsed()) };
    let ((answer, after), ()) = join!(asking, revoking);
    assert!(after > LET_IN, "it was never let in: {answer:?}");
    answer
}

#[tokio::test]
async fn a_key_that_is_revoked_during_a_wait_is_unknown_after_it() {
    let caller = caller("waiting keys").await;
    let created = caller.create(&draft("a")).await;
    let position = created.header("concordat-position").expect("a position");
    let position: Position = position.parse().expect("ours");
    let future = Position { index: LogIndex(position.index.0 + 1_000_000), ..position }.to_string();
    let rights = json!({"rights": ["read"]});

    let (id, reader) = issued(&caller, &rights).await;
    let read = reader.request("GET", &one("a")).header("Concordat-At-Least", &future);
    let read = read.header("SlashID-Required-Consistency-Timeout", "3");
    let answer = revoked_during(&caller, &id, read).await;
    assert_failure(&answer, 401);
    assert_marked(&answer);

    let (id, reader) = issued(&caller, &rights).await;
    let unknown = "01a1fe87-b874-7052-a1a5-8067a1b52069";
    let receipt = reader.request("GET", &format!("/v1/writes/{unknown}?wait=3"));
    let answer = revoked_during(&caller, &id, receipt).await;
    assert_failure(&answer, 401);
    assert_marked(&answer);
}

#[tokio::test]
async fn an_expired_key_opens_nothing() {
    let caller = caller("expiring keys").await;
    let expires_at = (OffsetDateTime::now_utc() + SOON).format(&Rfc3339).expect("a time");
    let body = json!({"rights": ["read", "write"], "expires_at": expires_at});
    let (_, reader) = issued(&caller, &body).await;
    let deadline = Instant::now() + 10 * SOON;
    for url in &reader.urls {
        loop {
            let answer = reader.request("GET", OIDC).send(url).await;
            if answer.status == 401 {
                assert_marked(&answer);
                break;
            }
            assert_success(&answer, 200);
            assert!(Instant::now() < deadline, "it does not expire");
        }
    }
    assert_failure(&reader.send(&reader.post(&draft("late"))).await, 401);
    let listed = assert_success(&caller.send(&caller.request("GET", KEYS)).await, 200);
    assert_eq!(listed["meta"]["pagination"]["total_count"], 1, "{listed}");
}

#[tokio::test]
async fn an_organization_has_a_bounded_number_of_keys() {
    let caller = caller("many keys").await;
    let request = caller.request("POST", KEYS).json(&json!({"rights": ["read"]}));
    for _ in 1..32 {
        assert_success(&caller.send(&request).await, 201);
    }
    let full = caller.send(&request).await;
    assert!(assert_failure(&full, 409).contains("maximum number of API keys"), "{full:?}");
}

#[tokio::test]
async fn other_dialects_know_the_keys_too() {
    let caller = caller("keys elsewhere").await;
    let (id, reader) = issued(&caller, &json!({"rights": ["read"]})).await;
    let bearer = format!("Bearer {}", reader.org.api_key);
    let search = Request::new("POST", "/management/v1/idps/templates/_search")
        .header("Authorization", &bearer)
        .json(&json!({}));
    for url in &caller.urls {
        assert_eq!(search.send(url).await.status, 200);
    }
    revoke(&caller, &id).await;
    for url in &caller.urls {
        assert_eq!(search.send(url).await.status, 401);
    }
}
