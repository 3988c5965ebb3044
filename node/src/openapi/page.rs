//! The document's own texts: what it is, the pages that need no key, and the native credentials.

use serde_json::{Value, json};

use crate::{
    dialect::{
        common::terms::Names,
        describe::{Credential, Described},
    },
    http::route::{PAGES, Page},
};

pub(super) const TAG: &str = "Pages";
pub(super) const ABOUT: &str = "Without a key: probes, counters and this documentation.";

/// `info`.
pub(super) fn info() -> Value {
    json!({
        "title": "Concordat",
        "version": env!("CARGO_PKG_VERSION"),
        "summary": "A cross-region replicated store for SSO credentials.",
        "description": "Every node serves all of this on one port. `HEAD` is answered wherever `GET` is. \
                        A known path with another method is 405 with `Allow`, an unknown path 404 with \
                        plain text, or in the form of the dialect whose path it is below. Members and enum values may be added: a client must ignore what it \
                        does not know.",
        "license": { "name": "Apache 2.0", "identifier": env!("CARGO_PKG_LICENSE") },
    })
}

/// A key, and the organization that it is one of.
pub(super) fn native_credentials(names: &Names) -> [Credential; 2] {
    let key = Credential {
        name: "Key",
        header: Some(names.key.shown),
        about: "A key of an organization, or of an operator.",
    };
    let organization = Credential {
        name: "Organization",
        header: Some(names.organization.shown),
        about: "The id of the organization whose key is given.",
    };
    [key, organization]
}

/// Where a dialect says that the process answers.
pub(super) fn health(of: &Described) -> Value {
    let content = json!({ "application/json": { "schema": { "type": "object" } } });
    json!({
        "operationId": format!("healthz_{}", of.id),
        "tags": [of.tag],
        "summary": "Whether the process answers",
        "security": [],
        "responses": { "200": { "description": "It does.", "content": content } },
    })
}

/// The pages, by path: each is a `GET`. Files of the viewer are none.
pub(super) fn operations() -> impl Iterator<Item = (&'static str, Value)> {
    PAGES.iter().filter_map(|(path, page)| Some((*path, operation(*page)?)))
}

fn operation(page: Page) -> Option<Value> {
    let text = |media: &str| json!({ media: { "schema": { "type": "string" } } });
    let plain = text("text/plain");
    let ok = |content: &Value| json!({ "200": { "description": "It is.", "content": content } });
    let (id, summary, responses) = match page {
        Page::Live => ("livez", "Whether the process answers", ok(&plain)),
        Page::Ready => ("readyz", "Whether the node is ready", ready(&plain)),
        Page::Metrics => ("metrics", "Counters for Prometheus", ok(&plain)),
        Page::OpenApi => (
            "openapi",
            "This document",
            cached(&json!({ "application/json": { "schema": { "type": "object" } } })),
        ),
        Page::Docs => ("docs", "This document for people", cached(&text("text/html"))),
        Page::DocsFile => return None,
    };
    let mut operation = json!({
        "operationId": id, "tags": [TAG], "summary": summary, "security": [], "responses": responses,
    });
    if page == Page::Ready {
        operation["parameters"] = ready_parameters();
    }
    Some(operation)
}

fn ready(content: &Value) -> Value {
    json!({
        "200": { "description": "It is.", "content": content },
        "400": { "description": "`for` has another value.", "content": content },
        "503": { "description": "It is not.", "content": content },
    })
}

fn ready_parameters() -> Value {
    let purpose = json!({ "type": "string", "enum": ["reads", "writes"], "default": "reads" });
    json!([
        { "name": "for", "in": "query", "description": "For what it must be ready.", "schema": purpose },
        {
            "name": "verbose", "in": "query", "allowEmptyValue": true,
            "description": "With the state of each part.", "schema": { "type": "string" },
        },
    ])
}

fn cached(content: &Value) -> Value {
    let headers = json!({ "ETag": { "$ref": "#/components/headers/ETag" } });
    json!({
        "200": { "description": "It is.", "content": content, "headers": headers },
        "304": { "description": "`If-None-Match` names it.", "headers": headers },
    })
}
