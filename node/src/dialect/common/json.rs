//! A request's body as a tree that keeps duplicate members, which serde_json would hide.
//!
//! [`Object`] returns members by name and expected type; `null` is the same as an absent member unless
//! it is asked for by [`Object::given`], and members that are not read are ignored. Neither type has `Debug`: they hold secrets.
//!
//! JSON has no bounds for numbers (RFC 8259, 6), serde_json does: a number beyond an `f64` is a
//! number like any other here, which no member can be.

use std::{collections::BTreeMap, fmt, str::FromStr};

use concordat_proto::time::LogTime;
use serde::de::{self, Deserialize, Deserializer, MapAccess, SeqAccess, Visitor};
use time::{OffsetDateTime, format_description::well_known::Rfc3339};

use super::malformed;
use crate::api::outcome::Malformed;

const DUPLICATE: &str = "duplicate member";

enum Value {
    Null,
    Bool(bool),
    /// A whole number that is not negative has its value.
    Number(Option<u64>),
    Text(String),
    List(Vec<Value>),
    Object(BTreeMap<String, Value>),
}

impl<'de> Deserialize<'de> for Value {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_any(ValueVisitor)
    }
}

struct ValueVisitor;

impl<'de> Visitor<'de> for ValueVisitor {
    type Value = Value;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("JSON")
    }
    fn visit_unit<E: de::Error>(self) -> Result<Value, E> {
        Ok(Value::Null)
    }
    fn visit_bool<E: de::Error>(self, value: bool) -> Result<Value, E> {
        Ok(Value::Bool(value))
    }
    fn visit_u64<E: de::Error>(self, value: u64) -> Result<Value, E> {
        Ok(Value::Number(Some(value)))
    }
    fn visit_i64<E: de::Error>(self, _: i64) -> Result<Value, E> {
        Ok(Value::Number(None))
    }
    fn visit_f64<E: de::Error>(self, _: f64) -> Result<Value, E> {
        Ok(Value::Number(None))
    }
    fn visit_str<E: de::Error>(self, text: &str) -> Result<Value, E> {
        Ok(Value::Text(text.to_owned()))
    }
    fn visit_string<E: de::Error>(self, text: String) -> Result<Value, E> {
        Ok(Value::Text(text))
    }
    fn visit_seq<A: SeqAccess<'de>>(self, mut items: A) -> Result<Value, A::Error> {
        let mut list = Vec::new();
        while let Some(item) = items.next_element()? {
            list.push(item);
        }
        Ok(Value::List(list))
    }
    fn visit_map<A: MapAccess<'de>>(self, mut members: A) -> Result<Value, A::Error> {
        let mut object = BTreeMap::new();
        while let Some((name, value)) = members.next_entry()? {
            if object.insert(name, value).is_some() {
                return Err(de::Error::custom(DUPLICATE));
            }
        }
        Ok(Value::Object(object))
    }
}

/// What a body has of a member that should be a string, for dialects in which `null` means something.
pub(in crate::dialect) enum Given {
    /// It is left out.
    Absent,
    /// It is `null`.
    Null,
    /// A string.
    Text(String),
    /// Another value.
    Other,
}

/// The value of a member that may be a text or a number.
pub(in crate::dialect) enum Scalar {
    /// A text.
    Text(String),
    /// A number; one that is whole and not negative has its value.
    Number(Option<u64>),
}

/// An object of the body, whose members are taken out one by one.
pub(in crate::dialect) struct Object {
    /// The path to it: `options.apple.`, or nothing.
    path: String,
    members: BTreeMap<String, Value>,
}

/// The body, which must be one object.
pub(in crate::dialect) fn parse_object(body: &[u8]) -> Result<Object, Malformed> {
    let parsed = serde_json::from_slice(body).or_else(|error| match without_huge_numbers(body) {
        Some(body) => serde_json::from_slice(&body),
        None => Err(error),
    });
    match parsed {
        Ok(Value::Object(members)) => Ok(Object { path: String::new(), members }),
        Ok(_) => Err(malformed("the body must be a JSON object")),
        Err(error) => {
            let what = if error.is_data() { "holds a member twice" } else { "is malformed JSON" };
            let (line, column) = (error.line(), error.column());
            Err(malformed(format!("the body {what} (line {line}, column {column})")))
        }
    }
}

/// The body with each number beyond the bounds of an `f64` replaced by a fraction of the same length,
/// so that places in messages stay right; `None` where there is none.
fn without_huge_numbers(body: &[u8]) -> Option<Vec<u8>> {
    let mut body = body.to_vec();
    let (mut place, mut is_changed) = (0, false);
    while let Some(byte) = body.get(place) {
        let length = match byte {
            b'"' => string_length(&body[place..]),
            b'-' | b'0'..=b'9' => {
                let length = number_length(&body[place..]);
                let number = &mut body[place..place + length];
                if is_huge_number(number) {
                    number.fill(b'0');
                    number[1] = b'.';
                    is_changed = true;
                }
                length
            }
            _ => 1,
        };
        place += length;
    }
    is_changed.then_some(body)
}

/// Up to and with the closing quote, or all there is.
fn string_length(text: &[u8]) -> usize {
    let mut is_escaped = false;
    let end = text.iter().skip(1).position(|byte| {
        let is_end = *byte == b'"' && !is_escaped;
        is_escaped = *byte == b'\\' && !is_escaped;
        is_end
    });
    end.map_or(text.len(), |end| end + 2)
}

fn number_length(text: &[u8]) -> usize {
    let is_of_number = |byte: &u8| matches!(byte, b'0'..=b'9' | b'+' | b'-' | b'.' | b'e' | b'E');
    text.iter().position(|byte| !is_of_number(byte)).unwrap_or(text.len())
}

/// Whether it is a number of JSON's grammar, `-? int frac? exp?`, and its value has no bounds. The
/// shortest is `1e309`.
fn is_huge_number(token: &[u8]) -> bool {
    let Ok(text) = std::str::from_utf8(token) else { return false };
    let are_digits = |text: &str| !text.is_empty() && text.bytes().all(|b| b.is_ascii_digit());
    let unsigned = text.strip_prefix('-').unwrap_or(text);
    let (mantissa, exponent) = unsigned.split_once(['e', 'E']).unwrap_or((unsigned, "0"));
    let (whole, fraction) = mantissa.split_once('.').unwrap_or((mantissa, "0"));
    let is_number = are_digits(whole)
        && (whole == "0" || !whole.starts_with('0'))
        && are_digits(fraction)
        && are_digits(exponent.strip_prefix(['+', '-']).unwrap_or(exponent));
    is_number && text.parse().is_ok_and(f64::is_infinite)
}

impl Object {
    /// "`member` must be `expected`".
    pub(in crate::dialect) fn expected(&self, member: &str, expected: &str) -> Malformed {
        malformed(format!("{}{member} must be {expected}", self.path))
    }

    /// A required member.
    pub(in crate::dialect) fn required<T>(
        &self,
        member: &str,
        value: Option<T>,
    ) -> Result<T, Malformed> {
        value.ok_or_else(|| malformed(format!("{}{member} is required", self.path)))
    }

    /// Whether a member is there, and not `null`.
    pub(in crate::dialect) fn has(&self, member: &str) -> bool {
        self.members.get(member).is_some_and(|value| !matches!(value, Value::Null))
    }

    fn take(&mut self, member: &str) -> Option<Value> {
        self.members.remove(member).filter(|value| !matches!(value, Value::Null))
    }

    pub(in crate::dialect) fn text(&mut self, member: &str) -> Result<Option<String>, Malformed> {
        match self.take(member) {
            None => Ok(None),
            Some(Value::Text(text)) => Ok(Some(text)),
            Some(_) => Err(self.expected(member, "a string")),
        }
    }

    /// A text of at most `max` characters.
    pub(in crate::dialect) fn limited(
        &mut self,
        member: &str,
        max: usize,
    ) -> Result<Option<String>, Malformed> {
        let text = self.text(member)?;
        if text.as_ref().is_some_and(|text| text.chars().count() > max) {
            return Err(self.expected(member, &format!("at most {max} characters long")));
        }
        Ok(text)
    }

    /// A text that has a form of its own, which `expected` names.
    pub(in crate::dialect) fn parsed<T: FromStr>(
        &mut self,
        member: &str,
        expected: &str,
    ) -> Result<Option<T>, Malformed> {
        let Some(text) = self.text(member)? else { return Ok(None) };
        text.parse().map(Some).map_err(|_| self.expected(member, expected))
    }

    /// A time, to the millisecond: one of 1970 or later.
    pub(in crate::dialect) fn time(&mut self, member: &str) -> Result<Option<LogTime>, Malformed> {
        let Some(text) = self.text(member)? else { return Ok(None) };
        let time = OffsetDateTime::parse(&text, &Rfc3339).ok();
        let millis = time.map(|time| time.unix_timestamp_nanos().div_euclid(1_000_000));
        let time = millis.and_then(|millis| u64::try_from(millis).ok()).map(LogTime);
        time.map(Some).ok_or_else(|| self.expected(member, "a time as of RFC 3339"))
    }

    /// A member that should be a string, `null` apart from an absent one.
    pub(in crate::dialect) fn given(&mut self, member: &str) -> Given {
        match self.members.remove(member) {
            None => Given::Absent,
            Some(Value::Null) => Given::Null,
            Some(Value::Text(text)) => Given::Text(text),
            Some(Value::Bool(_) | Value::Number(_) | Value::List(_) | Value::Object(_)) => {
                Given::Other
            }
        }
    }

    pub(in crate::dialect) fn bool(&mut self, member: &str) -> Result<Option<bool>, Malformed> {
        match self.take(member) {
            None => Ok(None),
            Some(Value::Bool(value)) => Ok(Some(value)),
            Some(_) => Err(self.expected(member, "a boolean")),
        }
    }

    pub(in crate::dialect) fn number(&mut self, member: &str) -> Result<Option<u64>, Malformed> {
        match self.take(member) {
            None => Ok(None),
            Some(Value::Number(Some(value))) => Ok(Some(value)),
            Some(_) => Err(self.expected(member, "a whole number")),
        }
    }

    /// A text or a number, where a member may be either.
    pub(in crate::dialect) fn scalar(&mut self, member: &str) -> Result<Option<Scalar>, Malformed> {
        match self.take(member) {
            None => Ok(None),
            Some(Value::Text(text)) => Ok(Some(Scalar::Text(text))),
            Some(Value::Number(number)) => Ok(Some(Scalar::Number(number))),
            Some(_) => Err(self.expected(member, "a string or a number")),
        }
    }

    pub(in crate::dialect) fn objects(
        &mut self,
        member: &str,
    ) -> Result<Option<Vec<Self>>, Malformed> {
        let list = match self.take(member) {
            None => return Ok(None),
            Some(Value::List(list)) => list,
            Some(_) => return Err(self.expected(member, "an array of objects")),
        };
        let mut objects = Vec::with_capacity(list.len());
        for (place, item) in list.into_iter().enumerate() {
            let Value::Object(members) = item else {
                return Err(self.expected(member, "an array of objects"));
            };
            objects.push(Self { path: format!("{}{member}[{place}].", self.path), members });
        }
        Ok(Some(objects))
    }

    pub(in crate::dialect) fn object(&mut self, member: &str) -> Result<Option<Self>, Malformed> {
        match self.take(member) {
            None => Ok(None),
            Some(Value::Object(members)) => {
                Ok(Some(Self { path: format!("{}{member}.", self.path), members }))
            }
            Some(_) => Err(self.expected(member, "an object")),
        }
    }

    pub(in crate::dialect) fn texts(
        &mut self,
        member: &str,
    ) -> Result<Option<Vec<String>>, Malformed> {
        let list = match self.take(member) {
            None => return Ok(None),
            Some(Value::List(list)) => list,
            Some(_) => return Err(self.expected(member, "an array of strings")),
        };
        let mut texts = Vec::with_capacity(list.len());
        for item in list {
            let Value::Text(text) = item else {
                return Err(self.expected(member, "an array of strings"));
            };
            texts.push(text);
        }
        Ok(Some(texts))
    }
}

/// The value of a member that is one of these names; else "`member` must be a or b".
pub(in crate::dialect) fn one_of<T: FromStr, const N: usize>(
    body: &Object,
    member: &str,
    text: &str,
    names: [&str; N],
) -> Result<T, Malformed> {
    let known = names.contains(&text).then(|| text.parse().ok()).flatten();
    known.ok_or_else(|| body.expected(member, &names.join(" or ")))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn masked(text: &str) -> Option<String> {
        without_huge_numbers(text.as_bytes()).map(|body| String::from_utf8(body).expect("text"))
    }

    #[test]
    fn numbers_beyond_all_bounds_are_numbers() {
        let long = format!("{{\"x\":{}}}", "9".repeat(400));
        for body in ["{\"x\":1e400}", "{\"x\":[-1.5E+0400, {\"y\":1e309}]}", &long] {
            let masked = masked(body).expect("a huge number");
            assert_eq!(masked.len(), body.len(), "{masked}");
            assert!(parse_object(body.as_bytes()).is_ok(), "{body}");
        }
        let mut body = parse_object(b"{\"label\":1e400,\"n\":1e400}").expect("an object");
        assert_eq!(body.text("label").unwrap_err().to_string(), "label must be a string");
        assert_eq!(body.number("n").unwrap_err().to_string(), "n must be a whole number");
    }

    #[test]
    fn nothing_else_is_forgiven() {
        for body in [
            "{\"x\":1e308}",
            "{\"x\":1e-400}",
            "{\"x\":\"1e400 \\\" 1e400\"}",
            "{\"x\":01e400}",
            "{\"x\":1e400.}",
            "{\"x\":1.e400}",
            "{\"x\":--1e400}",
            "{\"x\":1e}",
            "\"",
            "\"1e400",
            "\"\\",
            "",
        ] {
            assert_eq!(masked(body), None, "{body}");
        }
        let place =
            |body: &str| parse_object(body.as_bytes()).err().expect("malformed").to_string();
        assert_eq!(place("{\"x\":1e400,}"), "the body is malformed JSON (line 1, column 12)");
        assert_eq!(place("{\"x\":1e400 \"x\""), place("{\"x\":0.000 \"x\""));
        assert!(place("{\"x\":1e400,\"x\":1}").contains("twice"));
    }
}
