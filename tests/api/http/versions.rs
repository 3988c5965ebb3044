//! Contract 3: `ETag`, `If-Match` and `If-None-Match`.

use concordat_tests::http::Response;
use serde_json::json;

use crate::world::{
    assert_failure, assert_marked, assert_success, assert_written, caller, draft, one,
};

fn etag(answer: &Response) -> String {
    answer.header("etag").unwrap_or_else(|| panic!("no version: {answer:?}")).to_owned()
}

fn write_id(answer: &Response) -> &str {
    answer.header("concordat-write-id").expect("a write id")
}

#[tokio::test]
async fn a_version_is_the_write_that_made_it() {
    let caller = caller("versions").await;
    let created = caller.create(&draft("a")).await;
    assert_eq!(etag(&created), format!("\"{}\"", write_id(&created)));
    assert_eq!(etag(&caller.get("a").await), etag(&created));
    let patched = caller.send(&caller.patch("a", &json!({"label": "x"}))).await;
    assert_eq!(etag(&patched), format!("\"{}\"", write_id(&patched)));
    assert_ne!(etag(&patched), etag(&created));
    for region in 0..3 {
        // Wherever it is read, once it is there.
        let request = caller.request("GET", &one("a"));
        let position = patched.header("concordat-position").expect("a position");
        let read = request.header("Concordat-At-Least", position).send(&caller.urls[region]).await;
        assert_eq!(etag(&read), etag(&patched));
    }
    let nothing = caller.send(&caller.patch("a", &json!({}))).await;
    assert_eq!(etag(&nothing), etag(&patched), "nothing was changed");
}

#[tokio::test]
async fn if_match() {
    let caller = caller("if-match").await;
    let old = etag(&caller.create(&draft("a")).await);
    let label = |text: &str| caller.patch("a", &json!({"label": text}));
    let new = caller.send(&label("1").header("If-Match", &old)).await;
    assert_written(&new, 200);
    let new = etag(&new);
    for wrong in [old.clone(), "\"what\"".into(), format!("W/{new}"), format!("{old}, \"x\"")] {
        let answer = caller.refuses(&label("2").header("If-Match", &wrong), 412, "If-Match").await;
        assert!(answer.header("concordat-write-id").is_some(), "{answer:?}");
        caller.refuses(&caller.delete("a").header("If-Match", &wrong), 412, "If-Match").await;
    }
    let bare = new.trim_matches('"').to_owned();
    for malformed in [bare.as_str(), "", "\"", "*, \"x\"", "x"] {
        caller.refuses(&label("2").header("If-Match", malformed), 400, "If-Match").await;
    }
    // For a missing credential, 404 comes first.
    let other = caller.patch("other", &json!({"label": "x"})).header("If-Match", &new);
    caller.refuses(&other, 404, "").await;
    let two = label("3").header("If-Match", &old).header("If-Match", &new);
    assert_written(&caller.send(&two).await, 200);
    assert_written(&caller.send(&label("4").header("If-Match", "*")).await, 200);
    let last = etag(&caller.get("a").await);
    assert_written(&caller.send(&caller.delete("a").header("If-Match", &last)).await, 200);
}

#[tokio::test]
async fn only_one_of_two_with_the_same_version_wins() {
    let caller = caller("race").await;
    let mut version = etag(&caller.create(&draft("a")).await);
    for round in 0..5 {
        let everywhere = |number: usize| {
            caller
                .patch("a", &json!({"label": format!("{round}-{number}")}))
                .header("If-Match", &version)
                .header("SlashID-Required-Consistency", "all_regions")
        };
        let requests = [everywhere(0), everywhere(1), everywhere(2)];
        let [zero, one, two] = [0, 1, 2].map(|at| requests[at].send(&caller.urls[at]));
        let answers = tokio::join!(zero, one, two);
        let answers = [answers.0, answers.1, answers.2];
        let mut statuses = answers.each_ref().map(|answer| answer.status);
        statuses.sort_unstable();
        assert_eq!(statuses, [200, 412, 412], "{answers:?}");
        let winner = answers.iter().position(|answer| answer.status == 200).expect("a winner");
        version = etag(&answers[winner]);
        for region in 0..3 {
            let read = caller.get_at(region, "a").await;
            assert_eq!(etag(&read), version);
            let label = format!("{round}-{winner}");
            assert_eq!(assert_success(&read, 200)["result"]["label"], *label);
        }
    }
}

#[tokio::test]
async fn if_none_match() {
    let caller = caller("if-none-match").await;
    let version = etag(&caller.create(&draft("a")).await);
    let get = |tags: &str| caller.request("GET", &one("a")).header("If-None-Match", tags);
    for matching in
        [version.clone(), "*".into(), format!("W/{version}"), format!("\"x\", {version}")]
    {
        let answer = caller.send(&get(&matching)).await;
        assert_eq!((answer.status, answer.body.len()), (304, 0), "{answer:?}");
        assert_eq!(etag(&answer), version);
        assert!(answer.header("content-type").is_none(), "{answer:?}");
        assert_marked(&answer);
    }
    for other in ["\"x\"", "\"01234567-89ab-7def-8123-456789abcdef\""] {
        let answer = caller.send(&get(other)).await;
        assert_success(&answer, 200);
        assert_eq!(etag(&answer), version);
    }
    assert_failure(&caller.send(&get("what")).await, 400);
    let other = caller.request("GET", &one("other")).header("If-None-Match", "*");
    assert_failure(&caller.send(&other).await, 404);
}
