//! The demo that most tests share, an organization for each of them, and the common form of every
//! answer.

use std::collections::BTreeSet;

use concordat_tests::{
    demo::{Demo, DemoOptions, Org},
    http::{Request, Response},
};
use serde_json::{Value, json};
use tokio::sync::OnceCell;

pub(crate) const OIDC: &str = "/organizations/sso/oidc/provider-credentials";
/// Longer than any other, so that a message that repeats it is noticed.
pub(crate) const SECRET: &str = "s3cr3t-that-nobody-may-ever-read-again";

static DEMO: OnceCell<Demo> = OnceCell::const_new();

/// The demo of all tests that need none of their own.
pub(crate) async fn demo() -> &'static Demo {
    DEMO.get_or_init(|| Demo::start(DemoOptions::default())).await
}

/// An organization's user, who talks to one node of each region.
#[derive(Debug, Clone)]
pub(crate) struct Caller {
    /// A node of each region, the home region first.
    pub(crate) urls: Vec<String>,
    pub(crate) org: Org,
}

/// A user of a new organization of the shared demo.
pub(crate) async fn caller(name: &str) -> Caller {
    caller_at(demo().await, name).await
}

/// A user of a new organization of any demo.
pub(crate) async fn caller_at(demo: &Demo, name: &str) -> Caller {
    Caller { urls: demo.urls(), org: demo.new_org(name).await }
}

/// The path of a credential whose id needs no encoding.
pub(crate) fn one(client_id: &str) -> String {
    format!("{OIDC}/{client_id}")
}

/// The least that a POST may hold.
pub(crate) fn draft(client_id: &str) -> Value {
    json!({"client_id": client_id, "client_secret": SECRET, "provider": "google"})
}

impl Caller {
    /// A request with the organization and its key.
    pub(crate) fn request(&self, method: &str, target: &str) -> Request {
        Request::new(method, target)
            .header("SlashID-OrgID", &self.org.id)
            .header("SlashID-API-Key", &self.org.api_key)
    }

    pub(crate) fn post(&self, body: &Value) -> Request {
        self.request("POST", OIDC).json(body)
    }

    pub(crate) fn patch(&self, client_id: &str, body: &Value) -> Request {
        self.request("PATCH", &one(client_id)).json(body)
    }

    pub(crate) fn delete(&self, client_id: &str) -> Request {
        self.request("DELETE", &one(client_id))
    }

    /// Sends to the home region.
    pub(crate) async fn send(&self, request: &Request) -> Response {
        let response = request.send(&self.urls[0]).await;
        assert!(!response.text().contains(SECRET), "a secret was answered: {response:?}");
        response
    }

    /// Creates a credential at home.
    pub(crate) async fn create(&self, body: &Value) -> Response {
        let response = self.send(&self.post(body)).await;
        assert_eq!(response.status, 201, "{response:?}");
        response
    }

    /// The credential as one region shows it.
    pub(crate) async fn get_at(&self, region: usize, client_id: &str) -> Response {
        self.request("GET", &one(client_id)).send(&self.urls[region]).await
    }

    /// The credential as the home region shows it.
    pub(crate) async fn get(&self, client_id: &str) -> Response {
        self.get_at(0, client_id).await
    }

    /// The credential's object, which must be there.
    pub(crate) async fn shown(&self, client_id: &str) -> Value {
        assert_success(&self.get(client_id).await, 200)["result"].take()
    }

    /// The whole list, as the home region shows it.
    pub(crate) async fn list(&self) -> Vec<Value> {
        let body = assert_success(&self.request("GET", OIDC).send(&self.urls[0]).await, 200);
        body["result"].as_array().expect("a list").clone()
    }

    /// All that can be seen of the organization: each credential and its version.
    pub(crate) async fn everything(&self) -> Vec<(Value, String)> {
        let mut everything = Vec::new();
        for credential in self.list().await {
            let id = credential["client_id"].as_str().expect("an id");
            let answer = self.get(&percent_encode(id)).await;
            assert_eq!(assert_success(&answer, 200)["result"], credential);
            everything.push((credential, answer.header("etag").expect("a version").to_owned()));
        }
        everything
    }

    /// Sends a request that must be refused with this status, by a message with this in it, and
    /// without any effect.
    pub(crate) async fn refuses(&self, request: &Request, status: u16, message: &str) -> Response {
        let before = self.everything().await;
        let answer = self.send(request).await;
        let told = assert_failure(&answer, status);
        assert!(told.contains(message), "{request:?}: {message:?} is not in {told:?}");
        assert_eq!(self.everything().await, before, "{request:?} has changed something");
        if matches!(status, 401 | 404 | 409 | 412 | 422) {
            // It was answered from replicated state.
            assert_marked(&answer);
        }
        answer
    }
}

/// Every byte but letters and digits as `%XX`.
pub(crate) fn percent_encode(text: &str) -> String {
    let encode = |byte: u8| match byte {
        b if b.is_ascii_alphanumeric() => char::from(b).to_string(),
        b => format!("%{b:02X}"),
    };
    text.bytes().map(encode).collect()
}

/// The names of an object's members.
pub(crate) fn members(value: &Value) -> BTreeSet<&str> {
    value
        .as_object()
        .unwrap_or_else(|| panic!("an object, not {value}"))
        .keys()
        .map(String::as_str)
        .collect()
}

fn assert_json(response: &Response, status: u16) -> Value {
    assert_eq!(response.status, status, "{response:?}");
    assert_eq!(response.header("content-type"), Some("application/json"), "{response:?}");
    assert_eq!(response.header("cache-control"), Some("no-store"), "{response:?}");
    let vary = response.header("vary").unwrap_or_default();
    assert!(vary.contains("slashid-orgid") && vary.contains("slashid-api-key"), "{response:?}");
    // The error comes first: a log that truncates answers shows it.
    assert!(response.text().starts_with("{\"errors\":["), "{response:?}");
    response.json()
}

/// A success in its envelope, which is returned.
pub(crate) fn assert_success(response: &Response, status: u16) -> Value {
    let body = assert_json(response, status);
    assert_eq!(body["errors"], json!([]), "{response:?}");
    assert!(body["meta"].is_object(), "{response:?}");
    assert!(members(&body).is_subset(&["meta", "errors", "result"].into()), "{response:?}");
    body
}

/// A success without a value but its receipt, which is returned.
pub(crate) fn assert_written(response: &Response, status: u16) -> Value {
    let mut body = assert_success(response, status);
    assert!(body.get("result").is_none(), "{response:?}");
    body["meta"]["consistency"].take()
}

/// A failure in its envelope; its messages are returned.
pub(crate) fn assert_failure(response: &Response, status: u16) -> String {
    let body = assert_json(response, status);
    assert_eq!(members(&body), ["meta", "errors"].into(), "{response:?}");
    let errors = body["errors"].as_array().expect("errors");
    assert!(!errors.is_empty(), "{response:?}");
    let mut messages = Vec::new();
    for error in errors {
        assert_eq!(members(error), ["httpcode", "message"].into(), "{response:?}");
        assert_eq!(error["httpcode"], status, "{response:?}");
        messages.push(error["message"].as_str().expect("a message"));
    }
    let messages = messages.join("; ");
    assert!(!messages.trim().is_empty(), "{response:?}");
    assert!(!messages.contains(SECRET), "{response:?}");
    messages
}

/// `Concordat-Read`, which every answer from replicated state has: whether it is current.
pub(crate) fn assert_marked(response: &Response) -> bool {
    let mark = response.header("concordat-read").unwrap_or_else(|| panic!("no mark: {response:?}"));
    let stale = mark.strip_prefix("stale; as-of=");
    let is_time =
        |text: &str| text.len() >= 20 && text.as_bytes()[10] == b'T' && text.ends_with('Z');
    assert!(mark == "current" || stale.is_some_and(is_time), "{mark}");
    stale.is_none()
}
