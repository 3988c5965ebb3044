//! The fields of a message in JSON (the JSON mapping of protobuf): each in lowerCamelCase or as it is
//! declared, enums by name or number, 64-bit numbers also as texts, `null` like an absent field, and
//! unknown fields ignored.
//!
//! An error names the field, and never repeats its value.

use concordat_proto::secret::Secret;

use crate::{
    api::{outcome::Malformed, request::Input},
    dialect::common::{
        body,
        json::{self, Object, Scalar},
        malformed,
    },
};

/// The fields that were not read yet.
pub(super) struct Fields(Object);

impl Fields {
    /// Those of the body. An empty one is an empty message.
    pub(super) fn of_body(input: &Input<'_>) -> Result<Self, Malformed> {
        if input.body.is_empty() {
            return json::parse_object(b"{}").map(Self);
        }
        body::object(input).map(Self)
    }

    pub(super) fn text(&mut self, field: &str) -> Result<String, Malformed> {
        Ok(self.either(field, Object::text)?.unwrap_or_default())
    }

    pub(super) fn secret(&mut self, field: &str) -> Result<Secret, Malformed> {
        self.text(field).map(Secret::new)
    }

    pub(super) fn flag(&mut self, field: &str) -> Result<bool, Malformed> {
        Ok(self.either(field, Object::bool)?.unwrap_or_default())
    }

    pub(super) fn texts(&mut self, field: &str) -> Result<Vec<String>, Malformed> {
        Ok(self.either(field, Object::texts)?.unwrap_or_default())
    }

    /// A number below `2^bits` that is not negative.
    pub(super) fn number(&mut self, field: &str, bits: u32) -> Result<u64, Malformed> {
        let number = match self.either(field, Object::scalar)? {
            None => Some(0),
            Some(Scalar::Number(number)) => number,
            Some(Scalar::Text(text)) => unsigned(&text),
        };
        let number = number.filter(|number| number.checked_shr(bits).unwrap_or(0) == 0);
        number.ok_or_else(|| self.0.expected(field, &format!("a whole number of {bits} bits")))
    }

    /// The number of an enum's value; the names are those of 0, 1 and so on.
    pub(super) fn enumeration(
        &mut self,
        field: &str,
        names: &[&'static str],
    ) -> Result<u64, Malformed> {
        let number = match self.either(field, Object::scalar)? {
            None => Some(0),
            Some(Scalar::Number(number)) => number,
            Some(Scalar::Text(text)) => {
                let place = names.iter().position(|name| *name == text);
                place.map(|place| place as u64)
            }
        };
        let expected = || self.0.expected(field, &format!("one of {}", names.join(", ")));
        number.ok_or_else(expected)
    }

    pub(super) fn message(&mut self, field: &str) -> Result<Option<Self>, Malformed> {
        Ok(self.either(field, Object::object)?.map(Self))
    }

    pub(super) fn messages(&mut self, field: &str) -> Result<Vec<Self>, Malformed> {
        let all = self.either(field, Object::objects)?.unwrap_or_default();
        Ok(all.into_iter().map(Self).collect())
    }

    /// A field by either of its names.
    fn either<T>(
        &mut self,
        field: &str,
        take: impl Fn(&mut Object, &str) -> Result<Option<T>, Malformed>,
    ) -> Result<Option<T>, Malformed> {
        let found = take(&mut self.0, field)?;
        let declared = declared(field);
        if declared == field {
            return Ok(found);
        }
        match (found, take(&mut self.0, &declared)?) {
            (Some(_), Some(_)) => Err(malformed(format!("{field} is given twice"))),
            (found, other) => Ok(found.or(other)),
        }
    }
}

/// The name of a field as it is declared: `client_id` for `clientId`.
fn declared(field: &str) -> String {
    let mut name = String::with_capacity(field.len() + 4);
    for c in field.chars() {
        if c.is_ascii_uppercase() {
            name.push('_');
        }
        name.push(c.to_ascii_lowercase());
    }
    name
}

/// Digits only: `parse` alone would accept a sign.
fn unsigned(text: &str) -> Option<u64> {
    let are_digits = text.bytes().all(|b| b.is_ascii_digit());
    text.parse().ok().filter(|_| are_digits)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn fields(body: &str) -> Fields {
        Fields(json::parse_object(body.as_bytes()).expect("an object"))
    }

    const NAMES: [&str; 2] = ["ZERO", "ONE"];

    #[test]
    fn both_names_are_known_and_null_is_absent() {
        for body in [r#"{"clientId":"a"}"#, r#"{"client_id":"a"}"#, r#"{"client_id":"a","x":[1]}"#]
        {
            assert_eq!(fields(body).text("clientId").as_deref(), Ok("a"), "{body}");
        }
        for body in ["{}", r#"{"clientId":null}"#, r#"{"client_id":null,"clientId":null}"#] {
            assert_eq!(fields(body).text("clientId").as_deref(), Ok(""), "{body}");
        }
        let twice = fields(r#"{"clientId":"a","client_id":"a"}"#).text("clientId");
        assert_eq!(twice.unwrap_err().to_string(), "clientId is given twice");
        let wrong = fields(r#"{"client_id":5}"#).text("clientId");
        assert_eq!(wrong.unwrap_err().to_string(), "client_id must be a string");
        assert_eq!(declared("isIdTokenMapping"), "is_id_token_mapping");
    }

    #[test]
    fn numbers_are_numbers_or_texts_of_their_size() {
        let number = |value: &str, bits| fields(&format!("{{\"n\":{value}}}")).number("n", bits);
        for (value, bits, expected) in [
            ("null", 32, 0),
            ("7", 32, 7),
            ("\"7\"", 64, 7),
            ("4294967295", 32, 4_294_967_295),
            ("\"18446744073709551615\"", 64, u64::MAX),
        ] {
            assert_eq!(number(value, bits), Ok(expected), "{value}");
        }
        for (value, bits) in [
            ("-1", 64),
            ("1.5", 64),
            ("\"\"", 64),
            ("\"+1\"", 64),
            ("4294967296", 32),
            ("true", 32),
        ] {
            assert!(number(value, bits).is_err(), "{value}");
        }
    }

    #[test]
    fn enums_are_names_or_numbers() {
        let value = |value: &str| fields(&format!("{{\"e\":{value}}}")).enumeration("e", &NAMES);
        for (given, expected) in [("null", 0), ("\"ZERO\"", 0), ("\"ONE\"", 1), ("1", 1), ("9", 9)]
        {
            assert_eq!(value(given), Ok(expected), "{given}");
        }
        for bad in ["\"one\"", "\"1\"", "-1", "1.5", "[]"] {
            let told = value(bad).unwrap_err().to_string();
            assert!(told.starts_with("e must be "), "{bad}: {told}");
        }
    }

    #[test]
    fn nested_messages_are_read_alike() {
        let mut outer = fields(r#"{"idpQueries":[{"idp_id":"1"},{}],"list_query":{"asc":true}}"#);
        let queries = outer.messages("idpQueries").expect("a list");
        let ids: Vec<_> = queries.into_iter().map(|mut query| query.text("idpId")).collect();
        assert_eq!(ids, [Ok("1".to_owned()), Ok(String::new())]);
        let mut query = outer.message("listQuery").expect("a message").expect("it is there");
        assert_eq!(query.flag("asc"), Ok(true));
        assert!(fields(r#"{"q":[1]}"#).messages("q").is_err());
        assert!(fields(r#"{"q":[null]}"#).messages("q").is_err());
    }
}
