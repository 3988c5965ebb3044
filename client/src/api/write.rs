//! A write before it is sent, whatever it changes: its required consistency, its timeout, and the
//! key under which it happens at most once.

use std::{fmt, time::Duration};

use bytes::Bytes;
use concordat_proto::{
    consistency::{Position, Receipt, RequiredConsistency},
    id::WriteId,
    limits,
};
use http::{HeaderMap, HeaderValue, Method};
use serde::Serialize;
use zeroize::Zeroizing;

use crate::{
    call::{
        core::Core,
        entropy, header, run,
        types::{self, Answer, Call, Kind},
    },
    error::ClientError,
    model::identity::Identity,
};

/// Seconds for which a server remembers a write's key; longer than any call lasts.
const IDEMPOTENCY_LIFETIME_S: u64 = 600;
const _: () = {
    assert!(
        IDEMPOTENCY_LIFETIME_S >= limits::IDEMPOTENCY_LIFETIME_MIN.as_secs(),
        "the contract's least"
    );
    assert!(
        IDEMPOTENCY_LIFETIME_S > 2 * limits::CONSISTENCY_TIMEOUT_MAX.as_secs(),
        "outlives a call"
    );
};

/// A write that reached its required consistency.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct Written {
    /// The required level, and the state of each region.
    pub receipt: Receipt,
    /// The write's name.
    pub write_id: WriteId,
    /// Its place in the order of its organization's writes.
    pub position: Option<Position>,
    /// The new version's tag, for `if_match`.
    pub etag: Option<String>,
}

/// A write before it is sent. Every setting is optional.
#[must_use = "a write does nothing until it is sent"]
pub struct Write<'a, A> {
    core: &'a Core,
    pub(crate) action: A,
    consistency: Option<RequiredConsistency>,
    timeout: Option<Duration>,
    idempotency_key: Option<String>,
    if_match: Option<String>,
}

/// The change of a write. Not for use outside of this crate.
pub trait Action: sealed::Action {}
impl<A: sealed::Action> Action for A {}

/// A change of something that exists, which may depend on its version.
pub trait Conditional: Action {}

pub(crate) mod sealed {
    use super::{Bytes, ClientError, Method, Written};

    /// The specifics of a kind of write.
    pub trait Action: Send + Sync {
        /// The value of a success.
        type Done;
        /// Whether it is the operator's, not an organization's.
        const OPERATOR: bool;
        /// Method and path.
        fn target(&self) -> (Method, String);
        /// The JSON, or nothing.
        fn body(&self) -> Result<Bytes, ClientError>;
        /// Makes the answer of a success out of its body; `None` if that has not the form.
        fn done(&self, written: Written, body: &[u8]) -> Option<Self::Done>;
    }
}

impl<'a, A: Action> Write<'a, A> {
    pub(crate) const fn new(core: &'a Core, action: A) -> Self {
        let (consistency, timeout, idempotency_key, if_match) = (None, None, None, None);
        Self { core, action, consistency, timeout, idempotency_key, if_match }
    }

    /// How far it must be replicated before it is answered.
    pub fn consistency(mut self, required: RequiredConsistency) -> Self {
        self.consistency = Some(required);
        self
    }

    /// How long to wait for that: 1 to 120 s, whole seconds (rounded up).
    pub fn timeout(mut self, timeout: Duration) -> Self {
        self.timeout = Some(timeout);
        self
    }

    /// A key of your own in place of the one made for this write: to repeat a write whose outcome
    /// is unknown, or one of an earlier run of your program. It is remembered for ten minutes.
    pub fn idempotency_key(mut self, key: impl Into<String>) -> Self {
        self.idempotency_key = Some(key.into());
        self
    }

    /// Sends it, to as many nodes and as often as it takes, always under the same key.
    ///
    /// # Errors
    /// [`ClientError::Pending`] when it is not yet where it is required to be;
    /// [`ClientError::OutcomeUnknown`] when it is not known whether it was done; with every other
    /// error it was not done.
    pub async fn send(self) -> Result<A::Done, ClientError> {
        let key = self.idempotency_key.clone().unwrap_or_else(entropy::idempotency_key);
        let timeout = self.timeout.unwrap_or(self.core.shared.timeout);
        types::check_timeout(timeout)?;
        let (method, target) = self.action.target();
        let call = Call {
            identity: Self::identity(),
            method,
            target,
            headers: self.headers(&key)?,
            body: self.action.body()?,
            kind: Kind::Write { key },
            timeout,
        };
        // A success without the required members is not a node's answer.
        let understand = |answer: &Answer| {
            self.done(answer).ok_or("it has no receipt, or not the expected result")
        };
        let outcome = run::run(self.core, &call, &understand).await;
        self.remember(&outcome);
        outcome.map(|(_, done)| done)
    }

    fn done(&self, answer: &Answer) -> Option<A::Done> {
        let receipt = answer.head.receipt()?;
        let etag = header::text(&answer.headers, &http::header::ETAG).map(str::to_owned);
        let position = receipt.position.or_else(|| header::position(&answer.headers));
        let written = Written { write_id: receipt.write_id, position, etag, receipt };
        self.action.done(written, &answer.body)
    }

    const fn identity() -> Identity {
        if A::OPERATOR { Identity::Operator } else { Identity::Org }
    }

    fn headers(&self, key: &str) -> Result<HeaderMap, ClientError> {
        let required = self.consistency.unwrap_or(self.core.shared.consistency);
        let mut headers = HeaderMap::new();
        let required = HeaderValue::from_static(required.as_str());
        headers.insert(header::REQUIRED_CONSISTENCY, required);
        headers.extend(key_headers(key)?);
        if let Some(tag) = &self.if_match {
            let tag = header::value("the entity tag", &header::entity_tag(tag))?;
            headers.insert(http::header::IF_MATCH, tag);
        }
        Ok(headers)
    }

    /// Keeps the position for reads that shall see this write.
    fn remember<T>(&self, outcome: &Result<(Answer, T), ClientError>) {
        let (Identity::Org, Some(org)) = (Self::identity(), &self.core.org) else { return };
        let position = match outcome {
            Ok((answer, _)) => header::position(&answer.headers)
                .or_else(|| answer.head.receipt().and_then(|receipt| receipt.position)),
            Err(ClientError::Pending(pending)) => pending.receipt.position,
            Err(_) => None,
        };
        if let Some(position) = position {
            self.core.shared.session.on_position(org.id, position);
        }
    }
}

/// The headers under which a write happens at most once.
pub(crate) fn key_headers(key: &str) -> Result<HeaderMap, ClientError> {
    if !concordat_proto::header::is_idempotency_key(key) {
        return Err(ClientError::config("an idempotency key is 1 to 255 printable characters"));
    }
    let mut headers = HeaderMap::new();
    headers.insert(header::IDEMPOTENCY_KEY, header::value("the idempotency key", key)?);
    headers.insert(header::IDEMPOTENCY_LIFETIME, IDEMPOTENCY_LIFETIME_S.into());
    Ok(headers)
}

impl<A: Conditional> Write<'_, A> {
    /// Only if the stored version still has this tag; else it is refused with 412.
    pub fn if_match(mut self, etag: impl Into<String>) -> Self {
        self.if_match = Some(etag.into());
        self
    }
}

impl<A> fmt::Debug for Write<'_, A> {
    /// Without the content, which may contain secrets.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Write")
            .field("consistency", &self.consistency)
            .field("timeout", &self.timeout)
            .field("idempotency_key", &self.idempotency_key)
            .field("if_match", &self.if_match)
            .finish_non_exhaustive()
    }
}

/// A body of JSON that is zeroed when it is no longer needed, as far as this crate can.
pub(crate) fn json_body(value: &impl Serialize) -> Result<Bytes, ClientError> {
    let mut text = Zeroizing::new(Vec::with_capacity(limits::BODY_BYTES_MAX));
    serde_json::to_writer(&mut *text, value)
        .map_err(|_| ClientError::config("the body cannot be written as JSON"))?;
    if text.len() > limits::BODY_BYTES_MAX {
        return Err(ClientError::config("the body is larger than a server accepts"));
    }
    Ok(Bytes::from_owner(text))
}
