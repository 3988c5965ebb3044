//! The rules of fields, in the words of the validator that the published services use: the first field
//! that breaks one is named, in the order of the message.
//!
//! What the store demands beyond that is said in the same form. No text repeats a value.

use std::ops::RangeInclusive;

use concordat_proto::{id::ClientId, limits, registration::Number, scopes, secret::Secret};

use super::{
    error::{self, Reason},
    request::TEXT_MAX,
    service::Service,
};
use crate::{
    api::outcome::Malformed,
    dialect::common::{malformed, mask},
};

/// The length of an id, a name, an issuer or a client id, in characters.
pub(super) const TEXT: RangeInclusive<usize> = 1..=TEXT_MAX;
/// No credential has this number: in place of an id that is no number.
const NOBODY: Number = Number(0);

/// A message, by its published name.
#[derive(Clone, Copy)]
pub(super) struct Message(pub(super) &'static str);

impl Message {
    /// A field breaks a rule.
    pub(super) fn invalid(self, field: &str, reason: &str) -> Malformed {
        malformed(format!("invalid {}.{field}: {reason}", self.0))
    }

    /// A field's own message is invalid.
    pub(super) fn embedded(self, field: &str, cause: &Malformed) -> Malformed {
        self.invalid(field, &format!("embedded message failed validation | caused by: {cause}"))
    }

    /// The length of a text in characters.
    pub(super) fn length(
        self,
        field: &str,
        text: &str,
        range: RangeInclusive<usize>,
    ) -> Result<(), Malformed> {
        let (min, max) = (*range.start(), *range.end());
        if range.contains(&text.chars().count()) {
            return Ok(());
        }
        let reason = match min {
            0 => format!("value length must be at most {max} runes"),
            _ => format!("value length must be between {min} and {max} runes, inclusive"),
        };
        Err(self.invalid(field, &reason))
    }

    /// The number and the lengths of a list's texts.
    pub(super) fn items(
        self,
        field: &str,
        items: &[String],
        count_max: usize,
        range: &RangeInclusive<usize>,
    ) -> Result<(), Malformed> {
        if items.len() > count_max {
            let reason = format!("value must contain no more than {count_max} item(s)");
            return Err(self.invalid(field, &reason));
        }
        for (place, item) in items.iter().enumerate() {
            self.length(&format!("{field}[{place}]"), item, range.clone())?;
        }
        Ok(())
    }

    /// The value of an enum; `values` are those of 0, 1 and so on.
    pub(super) fn defined<T: Copy>(
        self,
        field: &str,
        number: u64,
        values: &[T],
    ) -> Result<T, Malformed> {
        let value = usize::try_from(number).ok().and_then(|number| values.get(number));
        let undefined = || self.invalid(field, "value must be one of the defined enum values");
        value.copied().ok_or_else(undefined)
    }

    /// The length of an id, and the object that it names.
    pub(super) fn id(self, field: &str, text: &str) -> Result<Number, Malformed> {
        self.length(field, text, TEXT)?;
        if text.trim().is_empty() {
            return Err(error::ID_MISSING.malformed());
        }
        Ok(number(text).unwrap_or(NOBODY))
    }

    /// A trimmed text that the store can keep as a client id.
    pub(super) fn client_id(self, text: &str) -> Result<ClientId, Malformed> {
        const FIELD: &str = "ClientId";
        // No path can name these (RFC 3986, 5.2.4).
        if matches!(text, "." | "..") {
            return Err(self.invalid(FIELD, "value must be other than . and .."));
        }
        ClientId::new(text).map_err(|_| self.invalid(FIELD, WITHOUT_CONTROL))
    }

    /// A trimmed text that the store can keep as an issuer.
    pub(super) fn issuer(self, text: String) -> Result<String, Malformed> {
        let is_plain = !text.chars().any(char::is_control);
        if is_plain { Ok(text) } else { Err(self.invalid("Issuer", WITHOUT_CONTROL)) }
    }

    /// Scopes that the store can keep.
    pub(super) fn scopes(self, given: Vec<String>) -> Result<Vec<String>, Malformed> {
        const FIELD: &str = "Scopes";
        if given.len() > limits::SCOPES_MAX {
            let reason = format!("value must contain no more than {} item(s)", limits::SCOPES_MAX);
            return Err(self.invalid(FIELD, &reason));
        }
        match given.iter().position(|scope| !scopes::is_scope(scope)) {
            None => Ok(given),
            Some(place) => {
                let reason = "value must be a scope of 1 to 256 characters without white space";
                Err(self.invalid(&format!("{FIELD}[{place}]"), reason))
            }
        }
    }

    /// A secret that may be stored: nothing that stands for one. An empty one is none.
    pub(super) fn secret(
        self,
        secret: Secret,
        service: Service,
    ) -> Result<Option<Secret>, Malformed> {
        if secret.expose().is_empty() {
            return Ok(None);
        }
        if secret.expose().trim().is_empty() {
            return Err(Reason::SECRET.of(service).malformed());
        }
        if mask::is_mask(secret.expose()) {
            let reason = "value must be the secret itself, not what is shown in its place";
            return Err(self.invalid("ClientSecret", reason));
        }
        Ok(Some(secret))
    }
}

const WITHOUT_CONTROL: &str = "value must not contain control characters";

/// A text without the white space around it. Nothing may be left out but what `reason` names.
pub(super) fn trimmed(text: &str, service: Service, reason: Reason) -> Result<String, Malformed> {
    match text.trim() {
        "" => Err(reason.of(service).malformed()),
        text => Ok(text.to_owned()),
    }
}

/// The number whose decimal text this is.
pub(super) fn number(text: &str) -> Option<Number> {
    let number = Number(text.parse().ok()?);
    (number.is_valid() && number.0.to_string() == text).then_some(number)
}
