//! What reads answer: a value or a list, with what the node could prove about it.

use http::{HeaderMap, Method};
use percent_encoding::{AsciiSet, NON_ALPHANUMERIC, utf8_percent_encode};
use serde::de::DeserializeOwned;

use crate::{
    call::{self, Answer, Call, Kind},
    client::{Client, Identity},
    envelope,
    error::ClientError,
    header::{self, Freshness},
    judge::Understood,
};

/// One thing as it was read.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct Read<T> {
    /// The thing.
    pub value: T,
    /// Its version, for `if_match`.
    pub etag: Option<String>,
    /// Whether it is surely current.
    pub freshness: Freshness,
}

/// A part of a list.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct Page<T> {
    /// The items asked for.
    pub items: Vec<T>,
    /// How many there are in all, where the server said so.
    pub total_count: Option<u64>,
    /// Whether the list is surely current.
    pub freshness: Freshness,
}

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

/// Reads what is not older than what this client has seen already, if it is set to. Where that was
/// lost with its region the caller is told so once (410); what it sees from then on is counted anew.
async fn read<T>(
    client: &Client,
    identity: Identity,
    target: String,
    understand: &(dyn Fn(&Answer) -> Understood<T> + Sync),
) -> Result<(Answer, T), ClientError> {
    let mut headers = HeaderMap::new();
    let mut kind = Kind::Read;
    if let (Identity::Org, Some(org)) = (identity, &client.org)
        && let Some(position) = client.shared.session.at_least(org.id)
    {
        headers.insert(header::AT_LEAST, header::value("the position", &position.to_string())?);
        kind = Kind::WaitingRead;
    }
    let timeout = client.shared.timeout;
    let method = Method::GET;
    let body = bytes::Bytes::new();
    let call = Call { identity, method, target, headers, body, kind, timeout };
    let answer = call::run(client, &call, understand).await.inspect_err(|error| {
        if let (Some(org), ClientError::Refused { status: 410, .. }) = (&client.org, error) {
            client.shared.session.forget(org.id);
        }
    })?;
    if let (Identity::Org, Some(org)) = (identity, &client.org)
        && let Some(position) = header::position(&answer.0.headers)
    {
        client.shared.session.on_position(org.id, position);
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
    client: &Client,
    identity: Identity,
    target: String,
) -> Result<Read<T>, ClientError> {
    let (answer, value) = read(client, identity, target, &result).await?;
    let etag = header::text(&answer.headers, &http::header::ETAG).map(str::to_owned);
    Ok(Read { value, etag, freshness: Freshness::of(&answer.headers) })
}

/// Reads a list; one that is left out is empty.
pub(crate) async fn list<T: DeserializeOwned>(
    client: &Client,
    identity: Identity,
    target: String,
) -> Result<Page<T>, ClientError> {
    let understand = |answer: &Answer| {
        let items: Result<Option<Vec<T>>, _> = envelope::result(&answer.body);
        items.map_err(|_| "its result has not the expected form")
    };
    let (answer, items) = read(client, identity, target, &understand).await?;
    Ok(Page {
        items: items.unwrap_or_default(),
        total_count: answer.head.pagination().total_count,
        freshness: Freshness::of(&answer.headers),
    })
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
