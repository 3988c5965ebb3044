//! The query: known parameters at most once, unknown ones ignored.

use super::malformed;
use crate::{
    api::{operation::Page, outcome::Malformed},
    percent,
};

/// The parameters that an operation knows.
pub(in crate::dialect) struct Query<'a> {
    text: &'a str,
}

impl<'a> Query<'a> {
    pub(in crate::dialect) const fn new(text: &'a str) -> Self {
        Self { text }
    }

    /// The only value of a parameter. As in a form, `+` is a space.
    pub(in crate::dialect) fn single(&self, name: &str) -> Result<Option<String>, Malformed> {
        let mut found = None;
        for pair in self.text.split('&').filter(|pair| !pair.is_empty()) {
            let (key, value) = pair.split_once('=').unwrap_or((pair, ""));
            if decode(key).as_deref() != Some(name) {
                continue;
            }
            let value = decode(value)
                .ok_or_else(|| malformed(format!("query parameter {name}: bad encoding")))?;
            if found.replace(value).is_some() {
                return Err(malformed(format!("query parameter {name} is given twice")));
            }
        }
        Ok(found)
    }

    pub(in crate::dialect) fn page(&self) -> Result<Page, Malformed> {
        let limit = self.number("limit", 1)?;
        let offset = self.number("offset", 0)?.unwrap_or(0);
        Ok(Page { limit, offset })
    }

    fn number(&self, name: &str, least: usize) -> Result<Option<usize>, Malformed> {
        let Some(text) = self.single(name)? else { return Ok(None) };
        let digits = (1..=9).contains(&text.len()) && text.bytes().all(|b| b.is_ascii_digit());
        match text.parse() {
            Ok(number) if digits && number >= least => Ok(Some(number)),
            Ok(_) | Err(_) => {
                Err(malformed(format!("{name} must be a whole number of at least {least}")))
            }
        }
    }
}

fn decode(text: &str) -> Option<String> {
    let text = text.replace('+', " ");
    percent::decode(&text).map(std::borrow::Cow::into_owned)
}
