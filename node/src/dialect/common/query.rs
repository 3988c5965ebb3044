//! The query: known parameters at most once, unknown ones ignored.
//!
//! A list's cursor is an opaque text that an answer has and the next request repeats. It holds the name of the
//! last item, so that nothing is skipped when items end meanwhile.

use base64::{Engine, engine::general_purpose::URL_SAFE_NO_PAD};

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
        Ok(Page { limit, offset, after: None })
    }

    /// The same for a list whose pages say where the next one begins.
    pub(in crate::dialect) fn page_after(&self) -> Result<Page, Malformed> {
        let after = self.single("cursor")?.map(|text| name_in(&text)).transpose()?;
        Ok(Page { after, ..self.page()? })
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

/// The longest cursor that is read: longer than that of any name.
const CURSOR_BYTES_MAX: usize = 4096;

/// The cursor after an item with this name.
pub(in crate::dialect) fn cursor(name: &str) -> String {
    URL_SAFE_NO_PAD.encode(name)
}

/// The name in a cursor.
fn name_in(text: &str) -> Result<String, Malformed> {
    let decoded = || URL_SAFE_NO_PAD.decode(text).ok();
    let bytes = (text.len() <= CURSOR_BYTES_MAX).then(decoded).flatten();
    let name = bytes.and_then(|bytes| String::from_utf8(bytes).ok());
    name.ok_or_else(|| malformed("cursor must be one that an earlier page had"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_cursor_is_read_as_it_was_written() {
        for name in ["", "a", "123-abc.apps.googleusercontent.com", "ü/?&=+ "] {
            assert_eq!(name_in(&cursor(name)).unwrap(), name);
        }
        for none in ["a", "%", "_-8", &"A".repeat(CURSOR_BYTES_MAX + 4)] {
            assert!(name_in(none).is_err(), "{none}");
        }
    }
}
