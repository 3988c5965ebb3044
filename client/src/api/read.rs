//! Reads, and the paths and queries of all calls.

use bytes::Bytes;
use http::{HeaderMap, Method};
use percent_encoding::{AsciiSet, NON_ALPHANUMERIC, utf8_percent_encode};
use serde::de::DeserializeOwned;

use crate::{
    call::{
        core::Core,
        header, run,
        types::{Answer, Call, Kind, Understood},
    },
    error::ClientError,
    model::{
        envelope,
        freshness::Freshness,
        identity::Identity,
        read::{Page, Read},
    },
};

/// Everything but the unreserved characters of a URL.
const RESERVED: &AsciiSet = &NON_ALPHANUMERIC.remove(b'-').remove(b'.').remove(b'_').remove(b'~');

/// A text as one segment of a path, or one value of a query.
pub(crate) fn encode(text: &str) -> String {
    utf8_percent_encode(text, RESERVED).to_string()
}

/// A path with the query members that are there.
pub(crate) fn target(path: &str, query: &[(&str, Option<String>)]) -> String {
    let members = query.iter().filter_map(|(name, value)| {
        value.as_ref().map(|value| format!("{name}={}", encode(value)))
    });
    let query = members.collect::<Vec<_>>().join("&");
    if query.is_empty() { path.to_owned() } else { format!("{path}?{query}") }
}

/// Reads a state that is not older than what this client has seen already, if monotonic reads are
/// on. If that was lost with its region, the caller gets one error (410); later reads count anew.
async fn read<T>(
    core: &Core,
    identity: Identity,
    target: String,
    understand: &(dyn Fn(&Answer) -> Understood<T> + Sync),
) -> Result<(Answer, T), ClientError> {
    let request = (Method::GET, target, Bytes::new());
    read_by(core, identity, request, understand).await
}

/// The same, by a method and a body.
async fn read_by<T>(
    core: &Core,
    identity: Identity,
    (method, target, body): (Method, String, Bytes),
    understand: &(dyn Fn(&Answer) -> Understood<T> + Sync),
) -> Result<(Answer, T), ClientError> {
    let mut headers = HeaderMap::new();
    let mut kind = Kind::Read;
    if let (Identity::Org, Some(org)) = (identity, &core.org)
        && let Some(position) = core.shared.session.at_least(org.id)
    {
        headers.insert(header::AT_LEAST, header::value("the position", &position.to_string())?);
        kind = Kind::WaitingRead;
    }
    let timeout = core.shared.timeout;
    let call = Call { identity, method, target, headers, body, kind, timeout };
    let answer = run::run(core, &call, understand).await.inspect_err(|error| {
        if let (Some(org), ClientError::Refused { status: 410, .. }) = (&core.org, error) {
            core.shared.session.forget(org.id);
        }
    })?;
    if let (Identity::Org, Some(org)) = (identity, &core.org)
        && let Some(position) = header::position(&answer.0.headers)
    {
        core.shared.session.on_position(org.id, position);
    }
    Ok(answer)
}

/// The result of an answer that must have one.
pub(crate) fn result<T: DeserializeOwned>(answer: &Answer) -> Understood<T> {
    match envelope::result(&answer.body) {
        Ok(Some(result)) => Ok(result),
        Ok(None) => Err("it has no result"),
        Err(_) => Err("its result has not the expected form"),
    }
}

/// Reads one thing, which must be there.
pub(crate) async fn one<T: DeserializeOwned>(
    core: &Core,
    identity: Identity,
    target: String,
) -> Result<Read<T>, ClientError> {
    let (answer, value) = read(core, identity, target, &result).await?;
    let etag = header::text(&answer.headers, &http::header::ETAG).map(str::to_owned);
    Ok(Read { value, etag, freshness: Freshness::of(&answer.headers) })
}

/// Asks for one thing with a body that says what is asked.
pub(crate) async fn asked<T: DeserializeOwned>(
    core: &Core,
    identity: Identity,
    target: String,
    body: Bytes,
) -> Result<Read<T>, ClientError> {
    let request = (Method::POST, target, body);
    let (answer, value) = read_by(core, identity, request, &result).await?;
    Ok(Read { value, etag: None, freshness: Freshness::of(&answer.headers) })
}

/// Reads a list; one that is left out is empty.
pub(crate) async fn list<T: DeserializeOwned>(
    core: &Core,
    identity: Identity,
    target: String,
) -> Result<Page<T>, ClientError> {
    let understand = |answer: &Answer| {
        let items: Result<Option<Vec<T>>, _> = envelope::result(&answer.body);
        items.map_err(|_| "its result has not the expected form")
    };
    let (answer, items) = read(core, identity, target, &understand).await?;
    let pagination = answer.head.pagination();
    Ok(Page {
        items: items.unwrap_or_default(),
        total_count: pagination.total_count,
        cursor: pagination.cursor,
        freshness: Freshness::of(&answer.headers),
    })
}

/// Reads all pages of a list. It is as fresh as its least fresh page.
pub(crate) async fn whole_list<T: DeserializeOwned>(
    core: &Core,
    identity: Identity,
    path: &str,
    query: &[(&str, Option<String>)],
) -> Result<Page<T>, ClientError> {
    let mut whole: Page<T> = list(core, identity, target(path, query)).await?;
    while let Some(cursor) = whole.cursor.take() {
        let mut query = query.to_vec();
        query.push(("cursor", Some(cursor.clone())));
        let page: Page<T> = list(core, identity, target(path, &query)).await?;
        whole.items.extend(page.items);
        whole.total_count = page.total_count;
        if whole.freshness == Freshness::Current {
            whole.freshness = page.freshness;
        }
        // A server that repeats itself would be asked for ever.
        whole.cursor = page.cursor.filter(|next| *next != cursor);
    }
    Ok(whole)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn targets() {
        assert_eq!(
            encode("123-abc.apps.googleusercontent.com"),
            "123-abc.apps.googleusercontent.com"
        );
        assert_eq!(encode("a/b c%é?"), "a%2Fb%20c%25%C3%A9%3F");
        assert_eq!(target("/x", &[("a", None)]), "/x");
        let query = [("a", Some("1".to_owned())), ("b", None), ("c", Some("&".to_owned()))];
        assert_eq!(target("/x", &query), "/x?a=1&c=%26");
    }
}
