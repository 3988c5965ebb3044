//! Contract 4: the list, its filter and its pages.

use serde_json::{Value, json};

use crate::world::{
    Caller, OIDC, SECRET, assert_marked, assert_success, assert_written, caller, members,
};

async fn page(caller: &Caller, query: &str) -> (Vec<String>, Value) {
    let answer = caller.send(&caller.request("GET", &format!("{OIDC}{query}"))).await;
    assert_marked(&answer);
    let body = assert_success(&answer, 200);
    assert_eq!(members(&body["meta"]), ["pagination"].into());
    let ids = body["result"].as_array().expect("a list").iter();
    let ids = ids.map(|it| it["client_id"].as_str().expect("an id").to_owned()).collect();
    (ids, body["meta"]["pagination"].clone())
}

#[tokio::test]
async fn an_empty_list() {
    let caller = caller("empty list").await;
    let (ids, pagination) = page(&caller, "").await;
    assert!(ids.is_empty());
    assert_eq!((&pagination["offset"], &pagination["total_count"]), (&json!(0), &json!(0)));
}

#[tokio::test]
async fn filter_limit_and_offset() {
    let caller = caller("pages").await;
    // Made out of order; "B" comes before "a": order of bytes.
    for (id, provider) in
        [("c", "google"), ("B", "github"), ("a", "google"), ("a.1", "github"), ("ü", "google")]
    {
        let body = json!({"client_id": id, "client_secret": SECRET, "provider": provider});
        caller.create(&body).await;
    }
    let all = ["B", "a", "a.1", "c", "ü"];
    let (ids, pagination) = page(&caller, "").await;
    assert_eq!(ids, all);
    assert_eq!(members(&pagination), ["limit", "offset", "total_count"].into());
    assert_eq!(pagination["total_count"], 5);
    for limit in 1..=6 {
        for offset in 0..=6 {
            let (ids, pagination) = page(&caller, &format!("?limit={limit}&offset={offset}")).await;
            let expected: Vec<&str> = all.into_iter().skip(offset).take(limit).collect();
            assert_eq!(ids, expected, "limit {limit}, offset {offset}");
            let expected = json!({"limit": limit, "offset": offset, "total_count": 5});
            let has_next = offset + limit < all.len();
            assert_eq!(pagination["cursor"].is_string(), has_next && !ids.is_empty());
            let mut pagination = pagination;
            pagination.as_object_mut().expect("an object").remove("cursor");
            assert_eq!(pagination, expected);
        }
    }
    assert_eq!(page(&caller, "?oauth_provider=google").await.0, ["a", "c", "ü"]);
    let (ids, pagination) = page(&caller, "?limit=1&oauth_provider=github&offset=1").await;
    assert_eq!((ids, &pagination["total_count"]), (vec!["a.1".to_owned()], &json!(2)));
    assert!(page(&caller, "?oauth_provider=apple&unknown=1").await.0.is_empty());
    assert_written(&caller.send(&caller.delete("a.1")).await, 200);
    assert_eq!(page(&caller, "?offset=1&limit=2").await.0, ["a", "c"]);
}

#[tokio::test]
async fn cursors_skip_nothing_when_credentials_end_meanwhile() {
    let caller = caller("cursors").await;
    for id in ["a", "b", "c", "d", "e"] {
        let body = json!({"client_id": id, "client_secret": SECRET, "provider": "google"});
        caller.create(&body).await;
    }
    let (first, pagination) = page(&caller, "?limit=2").await;
    assert_eq!(first, ["a", "b"]);
    for id in ["a", "b"] {
        assert_written(&caller.send(&caller.delete(id)).await, 200);
    }
    // An offset of 2 would begin at "e".
    let cursor = pagination["cursor"].as_str().expect("there are more");
    let (second, pagination) = page(&caller, &format!("?limit=2&cursor={cursor}")).await;
    assert_eq!((second, &pagination["total_count"]), (vec!["c".into(), "d".into()], &json!(3)));
    let cursor = pagination["cursor"].as_str().expect("there are more");
    let (last, pagination) = page(&caller, &format!("?cursor={cursor}")).await;
    assert_eq!((last, pagination.get("cursor")), (vec!["e".to_owned()], None));
    assert_eq!(pagination["limit"], 1000);
}

#[tokio::test]
async fn a_page_has_no_more_bytes_than_one_may_have() {
    let caller = caller("bytes").await;
    // Each is a little under the longest body; 20 of them are more than 1 MiB.
    let value = "x".repeat(60_000);
    for number in 0..20 {
        let target = format!("/organizations/attributes/large-{number:02}");
        let body = json!({"value": value});
        assert_written(&caller.send(&caller.request("PUT", &target).json(&body)).await, 200);
    }
    let (mut seen, mut cursor) = (Vec::new(), String::new());
    loop {
        let target = format!("/organizations/attributes{cursor}");
        let answer = caller.send(&caller.request("GET", &target)).await;
        let body = assert_success(&answer, 200);
        let names = body["result"].as_array().expect("a list").iter().map(|it| it["name"].clone());
        seen.push(names.collect::<Vec<_>>());
        let pagination = &body["meta"]["pagination"];
        assert_eq!(pagination["total_count"], 20);
        match pagination["cursor"].as_str() {
            Some(next) => cursor = format!("?cursor={next}"),
            None => break,
        }
    }
    assert_eq!(seen.iter().map(Vec::len).collect::<Vec<_>>(), [17, 3]);
}

#[tokio::test]
async fn a_wrong_query_is_400() {
    let caller = caller("wrong queries").await;
    for (query, named) in [
        ("oauth_provider=", "oauth_provider"),
        ("oauth_provider=myspace", "oauth_provider"),
        ("oauth_provider=Google", "oauth_provider"),
        ("oauth_provider=google&oauth_provider=github", "oauth_provider"),
        ("oauth_provider=%zz", "oauth_provider"),
        ("limit=0", "limit"),
        ("limit=-1", "limit"),
        ("limit=", "limit"),
        ("limit=x", "limit"),
        ("limit=1.5", "limit"),
        ("limit=99999999999999999999", "limit"),
        ("cursor=%25", "cursor"),
        ("cursor=a", "cursor"),
        ("offset=-1", "offset"),
        ("offset=x", "offset"),
        ("limit=1&limit=2", "limit"),
    ] {
        caller.refuses(&caller.request("GET", &format!("{OIDC}?{query}")), 400, named).await;
    }
}

#[tokio::test]
async fn a_list_shows_no_other_organization() {
    let (one, other) = (caller("one").await, caller("other").await);
    one.create(&json!({"client_id": "x", "client_secret": SECRET, "provider": "line"})).await;
    assert!(other.list().await.is_empty());
    crate::world::assert_failure(&other.get("x").await, 404);
    let answer = other.send(&other.delete("x")).await;
    crate::world::assert_failure(&answer, 404);
    assert_eq!(one.list().await.len(), 1);
}
