//! Failover, retries, and the errors when nothing helps.

use std::time::{Duration, Instant};

use concordat_client::{ClientError, RequiredConsistency, TransportError};
use serde_json::json;

use crate::fake::{Fake, Reply, builder, nobody};

#[tokio::test]
async fn the_second_endpoint_when_the_first_refuses_the_connection() {
    let fake = Fake::start([Reply::written(200, true)]).await;
    let client = builder()
        .region("us-iowa", [nobody().await, nobody().await])
        .region("asia-japan", [&fake.url])
        .build()
        .unwrap();
    client.oidc().delete("a").send().await.unwrap();
    assert_eq!(fake.seen().len(), 1);
}

#[tokio::test]
async fn a_lost_write_is_repeated_under_its_key() {
    let first = Fake::start([Reply::HangUp]).await;
    let second = Fake::start([
        Reply::refusal(500, "broken"),
        Reply::HangUp,
        Reply::Answer(200, Vec::new(), "<html>".into()),
        Reply::written(200, true),
    ])
    .await;
    let client = builder().endpoints([&first.url, &second.url]).build().unwrap();
    let write = client.oidc().patch("a").label("x").if_match("v");
    write.consistency(RequiredConsistency::AllRegions).send().await.unwrap();

    let mut seen = first.seen();
    assert!(!seen.is_empty());
    seen.extend(second.seen());
    assert!(seen.len() >= 5);
    let (request, repeats) = seen.split_first().unwrap();
    for repeat in repeats {
        assert_eq!(repeat.header("idempotency-key"), request.header("idempotency-key"));
        assert_eq!(repeat.header("if-match"), request.header("if-match"));
        assert_eq!((&repeat.method, &repeat.target), (&request.method, &request.target));
        assert_eq!(repeat.body, request.body);
    }
}

#[tokio::test]
async fn a_busy_node_is_asked_again_after_the_pause_it_asks_for() {
    let busy = Reply::refusal(503, "no leader").with("retry-after", "1");
    let limited = Reply::refusal(429, "too many").with("retry-after", "1");
    let fake = Fake::start([busy, limited, Reply::written(200, true)]).await;
    #[expect(clippy::disallowed_methods, reason = "a pause is measured from outside")]
    let began = Instant::now();
    fake.client().oidc().delete("a").send().await.unwrap();
    assert!(began.elapsed() >= Duration::from_secs(2));
    let seen = fake.seen();
    assert_eq!(seen.len(), 3);
    let timeout: u64 =
        seen[2].header("slashid-required-consistency-timeout").unwrap().parse().unwrap();
    assert!(timeout <= 28, "the repeat waits for what is left: {timeout}");
}

#[tokio::test]
async fn refusals_are_final() {
    for status in [400, 401, 403, 404, 409, 412, 422] {
        let fake = Fake::start([Reply::refusal(status, "because")]).await;
        let error = fake.client().oidc().delete("a").send().await.unwrap_err();
        assert!(matches!(error, ClientError::Refused { .. }), "{error:?}");
        assert_eq!(error.status(), Some(status));
        assert_eq!(error.to_string(), format!("refused with status {status}: because"));
        assert_eq!(fake.seen().len(), 1);
    }
    let unrouted = Reply::Answer(404, Vec::new(), "404 page not found".into());
    let fake = Fake::start([unrouted]).await;
    let error = fake.client().oidc().get("a").await.unwrap_err();
    assert!(error.to_string().contains("no such route"), "{error}");
}

#[tokio::test]
async fn nobody_there_is_certainly_not_done() {
    let client = builder().endpoint(nobody().await).build().unwrap();
    let error = client.oidc().delete("a").send().await.unwrap_err();
    let ClientError::Unavailable { status: None, source: Some(source), .. } = error else {
        panic!("{error:?}")
    };
    assert!(matches!(source, TransportError::Connect { .. }));
}

#[tokio::test]
async fn a_pause_longer_than_the_deadline_is_not_waited_for() {
    let busy = Reply::refusal(503, "no leader").with("retry-after", "60");
    let fake = Fake::start([busy]).await;
    let error = fake.client().oidc().delete("a").send().await.unwrap_err();
    let ClientError::Unavailable { status, retry_after, messages, .. } = error else {
        panic!("{error:?}")
    };
    assert_eq!((status, retry_after), (Some(503), Some(Duration::from_secs(60))));
    assert_eq!(messages, ["no leader"]);
}

#[tokio::test]
async fn lost_for_good_is_unknown() {
    let fake = Fake::start([Reply::HangUp]).await;
    let client = fake.client();
    let write = client.oidc().delete("a").timeout(Duration::from_secs(1));
    let error = write.idempotency_key("my key").send().await.unwrap_err();
    let ClientError::OutcomeUnknown { idempotency_key, attempts, source } = error else {
        panic!("{error:?}")
    };
    assert_eq!(idempotency_key, "my key");
    assert_eq!(attempts, fake.seen().len());
    assert!(matches!(*source, ClientError::Transport(TransportError::Lost { .. })));
}

#[tokio::test]
async fn unknown_stays_unknown_when_the_repeat_is_turned_away() {
    let fake = Fake::start([Reply::HangUp, Reply::refusal(401, "no such key")]).await;
    let error = fake.client().oidc().delete("a").send().await.unwrap_err();
    assert!(matches!(error, ClientError::OutcomeUnknown { .. }), "{error:?}");
    assert_eq!(error.status(), Some(401));

    let fake = Fake::start([Reply::HangUp, Reply::decided(412, "changed")]).await;
    let error = fake.client().oidc().delete("a").if_match("v").send().await.unwrap_err();
    assert!(matches!(error, ClientError::Refused { status: 412, .. }), "{error:?}");

    // The node's own refusal: it may be a consequence of the first attempt.
    let fake = Fake::start([Reply::HangUp, Reply::refusal(409, "already")]).await;
    let error = fake.client().oidc().delete("a").send().await.unwrap_err();
    assert!(matches!(error, ClientError::OutcomeUnknown { .. }), "{error:?}");
}

#[tokio::test]
async fn a_success_that_tells_nothing_is_not_believed() {
    let fake = Fake::start([Reply::json(200, &json!({"meta": {}, "errors": []}))]).await;
    let error = fake.client().oidc().delete("a").send().await.unwrap_err();
    assert!(matches!(error, ClientError::OutcomeUnknown { .. }), "{error:?}");
    let fake = Fake::start([Reply::result(&json!("not a credential"))]).await;
    let error = fake.client().oidc().get("a").await.unwrap_err();
    assert!(matches!(error, ClientError::Transport(TransportError::Malformed { .. })), "{error:?}");
}

#[tokio::test]
async fn a_document_without_its_id_or_with_a_wrong_one_is_refused() {
    for node in [json!({"live": true}), json!({"node_id": "aa", "live": true})] {
        let status = json!({"regions": [{"region": "us-iowa", "nodes": [node]}]});
        let fake = Fake::start([Reply::result(&status)]).await;
        let error = fake.client().cluster_status().await.unwrap_err();
        let is_refused = matches!(error, ClientError::Transport(TransportError::Malformed { .. }));
        assert!(is_refused, "{error:?}");
    }
}

#[tokio::test]
async fn reads_fail_over_too() {
    let broken = Fake::start([Reply::HangUp]).await;
    let busy = Fake::start([Reply::refusal(503, "starting")]).await;
    let whole = Fake::start([Reply::result(&json!({"client_id": "a"}))]).await;
    let urls = [&broken.url, &busy.url, &whole.url];
    let client = builder().endpoints(urls).build().unwrap();
    client.oidc().get("a").await.unwrap();
    client.oidc().get("a").await.unwrap();
    assert_eq!(whole.seen().len(), 2);
    assert_eq!(broken.seen().len(), 1, "it is passed over for a while");
}
