//! The query: known parameters at most once, unknown ones ignored.

use std::time::Duration;

use concordat_proto::{consistency::RequiredConsistency, header, limits, oidc::Provider};

use super::{bad_request, percent};
use crate::dialect::{Page, Rejection};

/// The parameters that an operation knows.
pub(super) struct Query<'a> {
    text: &'a str,
}

impl<'a> Query<'a> {
    pub(super) const fn new(text: &'a str) -> Self {
        Self { text }
    }

    /// The only value of a parameter. As in a form, `+` is a space.
    fn single(&self, name: &str) -> Result<Option<String>, Rejection> {
        let mut found = None;
        for pair in self.text.split('&').filter(|pair| !pair.is_empty()) {
            let (key, value) = pair.split_once('=').unwrap_or((pair, ""));
            if decode(key).as_deref() != Some(name) {
                continue;
            }
            let value = decode(value)
                .ok_or_else(|| bad_request(format!("query parameter {name}: bad encoding")))?;
            if found.replace(value).is_some() {
                return Err(bad_request(format!("query parameter {name} is given twice")));
            }
        }
        Ok(found)
    }

    pub(super) fn provider(&self) -> Result<Option<Provider>, Rejection> {
        let Some(text) = self.single("oauth_provider")? else { return Ok(None) };
        let provider = text.parse().map_err(|_| {
            bad_request(format!("oauth_provider must be one of {}", provider_names()))
        })?;
        Ok(Some(provider))
    }

    pub(super) fn page(&self) -> Result<Page, Rejection> {
        let limit = self.number("limit", 1)?;
        let offset = self.number("offset", 0)?.unwrap_or(0);
        Ok(Page { limit, offset })
    }

    fn number(&self, name: &str, least: usize) -> Result<Option<usize>, Rejection> {
        let Some(text) = self.single(name)? else { return Ok(None) };
        let digits = (1..=9).contains(&text.len()) && text.bytes().all(|b| b.is_ascii_digit());
        match text.parse() {
            Ok(number) if digits && number >= least => Ok(Some(number)),
            Ok(_) | Err(_) => {
                Err(bad_request(format!("{name} must be a whole number of at least {least}")))
            }
        }
    }

    pub(super) fn wait(&self) -> Result<Option<Duration>, Rejection> {
        let Some(text) = self.single("wait")? else { return Ok(None) };
        let most = limits::RECEIPT_WAIT_MAX;
        match header::parse_seconds(&text) {
            Some(wait) if wait >= Duration::from_secs(1) && wait <= most => Ok(Some(wait)),
            Some(_) | None => Err(bad_request(format!(
                "wait must be a whole number of seconds from 1 to {}",
                most.as_secs()
            ))),
        }
    }

    /// Of a receipt: where the write must have been applied. Everywhere, unless it says otherwise:
    /// what the write itself required is the caller's to know, and repeats of it may differ.
    pub(super) fn required(&self) -> Result<RequiredConsistency, Rejection> {
        let Some(text) = self.single("required")? else {
            return Ok(RequiredConsistency::AllRegions);
        };
        text.parse()
            .map_err(|_| bad_request("required must be local_region or all_regions".to_owned()))
    }
}

fn decode(text: &str) -> Option<String> {
    let text = text.replace('+', " ");
    percent::decode(&text).map(std::borrow::Cow::into_owned)
}

/// All providers, for messages.
pub(super) fn provider_names() -> String {
    Provider::ALL.map(Provider::as_str).join(", ")
}
