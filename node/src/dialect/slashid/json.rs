//! A request's body as a tree that keeps what serde_json would hide: that a member came twice.
//!
//! [`Object`] gives members out by name and expected type; `null` is the same as nothing, and what
//! nobody asks for is ignored. Neither has `Debug`: they hold secrets.

use std::{collections::BTreeMap, fmt};

use serde::de::{self, Deserialize, Deserializer, MapAccess, SeqAccess, Visitor};

use super::bad_request;
use crate::dialect::Rejection;

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

/// An object of the body, whose members are taken out one by one.
pub(super) struct Object {
    /// What leads to it: `options.apple.`, or nothing.
    path: String,
    members: BTreeMap<String, Value>,
}

/// The body, which must be one object.
pub(super) fn parse_object(body: &[u8]) -> Result<Object, Rejection> {
    match serde_json::from_slice(body) {
        Ok(Value::Object(members)) => Ok(Object { path: String::new(), members }),
        Ok(_) => Err(bad_request("the body must be a JSON object")),
        Err(error) => {
            let what = if error.is_data() { "holds a member twice" } else { "is malformed JSON" };
            let (line, column) = (error.line(), error.column());
            Err(bad_request(format!("the body {what} (line {line}, column {column})")))
        }
    }
}

impl Object {
    /// "`member` must be `expected`".
    pub(super) fn expected(&self, member: &str, expected: &str) -> Rejection {
        bad_request(format!("{}{member} must be {expected}", self.path))
    }

    /// What is there, if it must be.
    pub(super) fn required<T>(&self, member: &str, value: Option<T>) -> Result<T, Rejection> {
        value.ok_or_else(|| bad_request(format!("{}{member} is required", self.path)))
    }

    fn take(&mut self, member: &str) -> Option<Value> {
        self.members.remove(member).filter(|value| !matches!(value, Value::Null))
    }

    pub(super) fn text(&mut self, member: &str) -> Result<Option<String>, Rejection> {
        match self.take(member) {
            None => Ok(None),
            Some(Value::Text(text)) => Ok(Some(text)),
            Some(_) => Err(self.expected(member, "a string")),
        }
    }

    pub(super) fn bool(&mut self, member: &str) -> Result<Option<bool>, Rejection> {
        match self.take(member) {
            None => Ok(None),
            Some(Value::Bool(value)) => Ok(Some(value)),
            Some(_) => Err(self.expected(member, "a boolean")),
        }
    }

    pub(super) fn number(&mut self, member: &str) -> Result<Option<u64>, Rejection> {
        match self.take(member) {
            None => Ok(None),
            Some(Value::Number(Some(value))) => Ok(Some(value)),
            Some(_) => Err(self.expected(member, "a whole number")),
        }
    }

    pub(super) fn object(&mut self, member: &str) -> Result<Option<Self>, Rejection> {
        match self.take(member) {
            None => Ok(None),
            Some(Value::Object(members)) => {
                Ok(Some(Self { path: format!("{}{member}.", self.path), members }))
            }
            Some(_) => Err(self.expected(member, "an object")),
        }
    }

    pub(super) fn texts(&mut self, member: &str) -> Result<Option<Vec<String>>, Rejection> {
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
