//! The document and its page: without a key, cacheable, and all from the node itself.

use concordat_tests::http::{Request, Response};

use crate::world::demo;

async fn get(target: &str) -> Response {
    Request::new("GET", target).send(&demo().await.urls()[0]).await
}

#[tokio::test]
async fn the_document_is_served_without_a_key() {
    let answer = get("/openapi.json").await;
    assert_eq!((answer.status, answer.header("content-type")), (200, Some("application/json")));
    assert_eq!(answer.header("cache-control"), Some("no-cache"));
    let served = answer.json();
    assert_eq!(served["openapi"], "3.1.0");
    let stored = include_str!("../../../docs/openapi.json");
    let stored: serde_json::Value = serde_json::from_str(stored).expect("JSON");
    assert_eq!(served, stored, "a demo serves the document of docs/openapi.json");
}

#[tokio::test]
async fn what_is_known_is_not_sent_again() {
    for target in ["/openapi.json", "/docs", "/docs/swagger-ui-bundle.js"] {
        let first = get(target).await;
        let etag = first.header("etag").expect("an entity tag").to_owned();
        for known in [etag.as_str(), "*", &format!("\"x\", {etag}"), &format!("W/{etag}")] {
            let request = Request::new("GET", target).header("If-None-Match", known);
            let again = request.send(&demo().await.urls()[0]).await;
            assert_eq!((again.status, again.body.len()), (304, 0), "{target} {known}");
            assert_eq!(again.header("etag"), Some(etag.as_str()));
        }
        let request = Request::new("GET", target).header("If-None-Match", "\"another\"");
        let again = request.send(&demo().await.urls()[0]).await;
        assert_eq!((again.status, &again.body), (200, &first.body), "{target}");
    }
}

/// Every file that the page names is there, and its policy allows nothing else.
#[tokio::test]
async fn the_page_needs_no_network() {
    let page = get("/docs").await;
    assert_eq!((page.status, page.header("content-type")), (200, Some("text/html; charset=utf-8")));
    let policy = page.header("content-security-policy").expect("a policy");
    assert!(policy.starts_with("default-src 'none'; script-src 'self';"), "{policy}");
    assert!(!policy.contains("unsafe") && !policy.contains("http"), "{policy}");
    let text = page.text();
    let named = text.split('"').filter(|part| part.starts_with('/'));
    let mut files = 0;
    for file in named {
        let answer = get(file).await;
        assert_eq!(answer.status, 200, "{file}");
        assert!(!answer.body.is_empty(), "{file}");
        files += 1;
    }
    assert_eq!(files, 4, "{text}");
}

#[tokio::test]
async fn an_unknown_file_is_an_unknown_path() {
    for target in ["/docs/index.html", "/docs/..%2fCargo.toml", "/docs/", "/docs/a/b"] {
        let answer = get(target).await;
        assert_eq!((answer.status, answer.text()), (404, "404 page not found".to_owned()));
    }
}

#[tokio::test]
async fn the_document_is_read_and_not_written() {
    for target in ["/openapi.json", "/docs"] {
        let answer = Request::new("POST", target).send(&demo().await.urls()[0]).await;
        assert_eq!((answer.status, answer.header("allow")), (405, Some("GET, HEAD")), "{target}");
    }
}
