//! Probes: alive, ready, counters. They need no key and tell nothing of any organisation.

use crate::{
    dialect::Answer,
    http::status::{OK, UNAVAILABLE},
    node::Node,
};

/// `/livez`: the process answers.
pub(crate) fn live() -> Answer {
    text(OK, "ok\n".to_owned())
}

/// `/readyz`: the node is a full member. With `?verbose`, what is in the way.
pub(crate) fn ready(node: &Node, query: &str) -> Answer {
    let verbose = query.split('&').any(|part| part == "verbose" || part.starts_with("verbose="));
    let (status, plain, line) = match node.groups.ready() {
        Ok(()) => (OK, "ok\n", "[+] cluster: ok\nready\n".to_owned()),
        Err(reason) => (UNAVAILABLE, "not ready\n", format!("[-] cluster: {reason}\nnot ready\n")),
    };
    text(status, if verbose { line } else { plain.to_owned() })
}

/// `/metrics`.
pub(crate) fn metrics(node: &Node) -> Answer {
    let in_flight = node.limits.requests.saturating_sub(node.places.available_permits());
    let page = node.metrics.page(&node.groups.metrics(), &node.log.0.stats(), in_flight);
    let mut answer = text(OK, page);
    answer.headers = vec![("content-type", "text/plain; version=0.0.4; charset=utf-8".into())];
    answer
}

fn text(status: u16, body: String) -> Answer {
    let headers = vec![("content-type", "text/plain; charset=utf-8".to_owned())];
    Answer { status, headers, body: Some(body.into_bytes()) }
}
