//! The fields of a message, by the description of its call: from JSON (the JSON mapping of protobuf) or from a
//! frame of gRPC.
//!
//! In JSON each has its name in lowerCamelCase or as it is declared, enums are names or numbers, 64-bit numbers
//! may be texts, `null` is like an absent field, and unknown fields are ignored. An error names the field, and
//! never repeats its value.

use concordat_proto::secret::Secret;
use prost_reflect::{
    DynamicMessage, FieldDescriptor, Kind, MessageDescriptor, ReflectMessage as _, Value,
};

use crate::{
    api::{outcome::Malformed, request::Input},
    dialect::common::{
        body,
        json::{self, Object, Scalar},
        malformed,
    },
    grpc::{frame, media::Form, schema},
    percent,
};

/// The fields that were not read yet. One that was not given has its zero value.
pub(super) struct Fields(DynamicMessage);

impl Fields {
    /// Those of the body in JSON, with the id of the path, whatever the body has in its place. An empty body
    /// is an empty message.
    pub(super) fn of_body(input: &Input<'_>, call: &str) -> Result<Self, Malformed> {
        let object = match input.body {
            [] => json::parse_object(b"{}"),
            _ => body::object(input),
        };
        of_json(object?, described(call)?).and_then(|message| with_id(message, input))
    }

    /// The id of the path alone.
    pub(super) fn of_path(input: &Input<'_>, call: &str) -> Result<Self, Malformed> {
        with_id(DynamicMessage::new(described(call)?), input)
    }

    /// Those of a call's message.
    pub(super) fn of_frame(input: &Input<'_>, call: &str) -> Result<Self, Malformed> {
        let descriptor = described(call)?;
        let form = Form::of(input.headers).unwrap_or(Form::Grpc);
        let bytes = frame::message(form, input.body)?;
        let wrong = || malformed(format!("the message is no {}", descriptor.full_name()));
        let message = DynamicMessage::decode(descriptor.clone(), &bytes[..]);
        message.map(Self).map_err(|_| wrong())
    }

    pub(super) fn text(&mut self, field: &str) -> String {
        match self.0.take_field_by_name(field) {
            Some(Value::String(text)) => text,
            Some(_) | None => String::new(),
        }
    }

    pub(super) fn secret(&mut self, field: &str) -> Secret {
        Secret::new(self.text(field))
    }

    pub(super) fn flag(&mut self, field: &str) -> bool {
        self.0.take_field_by_name(field).and_then(|value| value.as_bool()).unwrap_or_default()
    }

    pub(super) fn texts(&mut self, field: &str) -> Vec<String> {
        let text = |value| if let Value::String(text) = value { Some(text) } else { None };
        self.list(field).into_iter().filter_map(text).collect()
    }

    pub(super) fn number(&mut self, field: &str) -> u64 {
        let value = self.0.take_field_by_name(field);
        value.and_then(|value| value.as_u64().or(value.as_u32().map(u64::from))).unwrap_or_default()
    }

    /// The number of an enum's value. One below zero is one that no enum has.
    pub(super) fn enumeration(&mut self, field: &str) -> u64 {
        let value = self.0.take_field_by_name(field).and_then(|value| value.as_enum_number());
        u64::try_from(value.unwrap_or_default()).unwrap_or(u64::MAX)
    }

    pub(super) fn message(&mut self, field: &str) -> Option<Self> {
        self.0.take_field_by_name(field).and_then(Self::of_value)
    }

    pub(super) fn messages(&mut self, field: &str) -> Vec<Self> {
        self.list(field).into_iter().filter_map(Self::of_value).collect()
    }

    fn list(&mut self, field: &str) -> Vec<Value> {
        match self.0.take_field_by_name(field) {
            Some(Value::List(list)) => list,
            Some(_) | None => Vec::new(),
        }
    }

    fn of_value(value: Value) -> Option<Self> {
        if let Value::Message(message) = value { Some(Self(message)) } else { None }
    }
}

/// The description of a call's request.
fn described(call: &str) -> Result<MessageDescriptor, Malformed> {
    let method = schema::method(call).ok_or(Malformed::Unsupported("the call is not described"))?;
    Ok(method.input())
}

/// With the id of the path, if it has one.
fn with_id(mut message: DynamicMessage, input: &Input<'_>) -> Result<Fields, Malformed> {
    if !input.path_parameter.is_empty() {
        let id = percent::decode(input.path_parameter);
        let id = id.ok_or_else(|| malformed("the id in the path is badly encoded"))?;
        let descriptor = message.descriptor();
        let field =
            ["idp_id", "id"].into_iter().find_map(|name| descriptor.get_field_by_name(name));
        if let Some(field) = field {
            message.set_field(&field, Value::String(id.into_owned()));
        }
    }
    Ok(Fields(message))
}

/// The message that an object describes.
fn of_json(mut object: Object, descriptor: MessageDescriptor) -> Result<DynamicMessage, Malformed> {
    let mut message = DynamicMessage::new(descriptor.clone());
    for field in descriptor.fields() {
        let Some(value) = either(&mut object, &field)? else { continue };
        let oneof = field.containing_oneof();
        if let Some(oneof) = oneof.filter(|oneof| oneof.fields().any(|it| message.has_field(&it))) {
            let names: Vec<_> = oneof.fields().map(|it| it.json_name().to_owned()).collect();
            let (last, before) = names.split_last().map_or(("", &[][..]), |(l, b)| (l.as_str(), b));
            let text = format!("a {} may be one of {} and {last}", oneof.name(), before.join(", "));
            return Err(malformed(text));
        }
        message.set_field(&field, value);
    }
    Ok(message)
}

/// A field by either of its names.
fn either(object: &mut Object, field: &FieldDescriptor) -> Result<Option<Value>, Malformed> {
    let found = value(object, field.json_name(), field)?;
    if field.name() == field.json_name() {
        return Ok(found);
    }
    match (found, value(object, field.name(), field)?) {
        (Some(_), Some(_)) => Err(malformed(format!("{} is given twice", field.json_name()))),
        (found, other) => Ok(found.or(other)),
    }
}

/// The value of a field under one of its names.
fn value(
    object: &mut Object,
    name: &str,
    field: &FieldDescriptor,
) -> Result<Option<Value>, Malformed> {
    let value = match (field.kind(), field.is_list()) {
        (Kind::String, true) => {
            object.texts(name)?.map(|all| Value::List(all.into_iter().map(Value::String).collect()))
        }
        (Kind::String, false) => object.text(name)?.map(Value::String),
        (Kind::Bool, false) => object.bool(name)?.map(Value::Bool),
        (Kind::Uint64, false) => number(object, name, 64)?.map(Value::U64),
        (Kind::Uint32, false) => {
            let number = number(object, name, 32)?;
            number.and_then(|number| u32::try_from(number).ok()).map(Value::U32)
        }
        (Kind::Enum(values), false) => {
            let number = |text: &str| values.get_value_by_name(text).map(|value| value.number());
            let names = || values.values().map(|value| value.name().to_owned()).collect();
            enumeration(object, name, number, names)?.map(Value::EnumNumber)
        }
        (Kind::Message(message), true) => {
            let Some(objects) = object.objects(name)? else { return Ok(None) };
            let all = objects.into_iter().map(|object| of_json(object, message.clone()));
            let all = all.map(|message| message.map(Value::Message));
            Some(Value::List(all.collect::<Result<_, _>>()?))
        }
        (Kind::Message(message), false) => match object.object(name)? {
            Some(object) => Some(Value::Message(of_json(object, message)?)),
            None => None,
        },
        // No request has a field of another kind.
        _ => None,
    };
    Ok(value)
}

/// A number below `2^bits` that is not negative.
fn number(object: &mut Object, name: &str, bits: u32) -> Result<Option<u64>, Malformed> {
    let number = match object.scalar(name)? {
        None => return Ok(None),
        Some(Scalar::Number(number)) => number,
        Some(Scalar::Text(text)) => unsigned(&text),
    };
    let number = number.filter(|number| number.checked_shr(bits).unwrap_or(0) == 0);
    let expected = || object.expected(name, &format!("a whole number of {bits} bits"));
    number.ok_or_else(expected).map(Some)
}

/// The number of an enum's value.
fn enumeration(
    object: &mut Object,
    name: &str,
    number: impl Fn(&str) -> Option<i32>,
    names: impl Fn() -> Vec<String>,
) -> Result<Option<i32>, Malformed> {
    let found = match object.scalar(name)? {
        None => return Ok(None),
        // No enum has a value that is so great.
        Some(Scalar::Number(number)) => {
            number.map(|number| i32::try_from(number).unwrap_or(i32::MAX))
        }
        Some(Scalar::Text(text)) => number(&text),
    };
    let expected = || object.expected(name, &format!("one of {}", names().join(", ")));
    found.ok_or_else(expected).map(Some)
}

/// Digits only: `parse` alone would accept a sign.
fn unsigned(text: &str) -> Option<u64> {
    let are_digits = text.bytes().all(|b| b.is_ascii_digit());
    text.parse().ok().filter(|_| are_digits)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(message: &str, body: &str) -> Result<Fields, Malformed> {
        let descriptor = schema::message(message).expect("it is described");
        let object = json::parse_object(body.as_bytes()).expect("an object");
        of_json(object, descriptor).map(Fields)
    }

    fn wrong(message: &str, body: &str) -> String {
        read(message, body).err().unwrap_or_else(|| panic!("{body} is taken")).to_string()
    }

    const GENERIC: &str = "zitadel.admin.v1.AddGenericOIDCProviderRequest";
    const LIST: &str = "zitadel.v1.ListQuery";
    const OPTIONS: &str = "zitadel.idp.v1.Options";
    const SEARCH: &str = "zitadel.management.v1.ListProvidersRequest";

    #[test]
    fn both_names_are_known_and_null_is_absent() {
        let client_id = |body| read(GENERIC, body).expect("fields").text("client_id");
        for body in [r#"{"clientId":"a"}"#, r#"{"client_id":"a"}"#, r#"{"client_id":"a","x":[1]}"#]
        {
            assert_eq!(client_id(body), "a", "{body}");
        }
        for body in ["{}", r#"{"clientId":null}"#, r#"{"client_id":null,"clientId":null}"#] {
            assert_eq!(client_id(body), "", "{body}");
        }
        let twice = wrong(GENERIC, r#"{"clientId":"a","client_id":"a"}"#);
        assert_eq!(twice, "clientId is given twice");
        assert_eq!(wrong(GENERIC, r#"{"client_id":5}"#), "client_id must be a string");
    }

    #[test]
    fn numbers_are_numbers_or_texts_of_their_size() {
        let body = |name: &str, value: &str| format!("{{\"{name}\":{value}}}");
        for (name, value, expected) in [
            ("limit", "null", 0),
            ("limit", "7", 7),
            ("offset", "\"7\"", 7),
            ("limit", "4294967295", 4_294_967_295),
            ("offset", "\"18446744073709551615\"", u64::MAX),
        ] {
            let mut fields = read(LIST, &body(name, value)).expect("fields");
            assert_eq!(fields.number(name), expected, "{value}");
        }
        for (name, value) in [
            ("offset", "-1"),
            ("offset", "1.5"),
            ("offset", "\"\""),
            ("offset", "\"+1\""),
            ("limit", "4294967296"),
            ("limit", "true"),
        ] {
            assert!(read(LIST, &body(name, value)).is_err(), "{value}");
        }
    }

    #[test]
    fn enums_are_names_or_numbers() {
        let body = |value: &str| format!("{{\"autoLinking\":{value}}}");
        for (given, expected) in [
            ("null", 0),
            ("\"AUTO_LINKING_OPTION_UNSPECIFIED\"", 0),
            ("\"AUTO_LINKING_OPTION_USERNAME\"", 1),
            ("1", 1),
            ("9", 9),
            ("9999999999", 2_147_483_647),
        ] {
            let mut fields = read(OPTIONS, &body(given)).expect("fields");
            assert_eq!(fields.enumeration("auto_linking"), expected, "{given}");
        }
        for bad in ["\"auto_linking_option_email\"", "\"1\"", "-1", "1.5", "[]"] {
            let text = wrong(OPTIONS, &body(bad));
            assert!(text.starts_with("autoLinking must be "), "{bad}: {text}");
        }
        assert!(wrong(OPTIONS, &body("\"x\"")).ends_with(", AUTO_LINKING_OPTION_EMAIL"));
    }

    #[test]
    fn nested_messages_are_read_alike() {
        let body = r#"{"queries":[{"idp_id_query":{"id":"1"}},{}],"query":{"asc":true}}"#;
        let mut outer = read(SEARCH, body).expect("fields");
        let ids = outer.messages("queries").into_iter();
        let ids = ids.map(|mut query| query.message("idp_id_query").map(|mut it| it.text("id")));
        assert_eq!(ids.collect::<Vec<_>>(), [Some("1".to_owned()), None]);
        assert!(outer.message("query").expect("a message").flag("asc"));
        for bad in [r#"{"queries":[1]}"#, r#"{"queries":[null]}"#, r#"{"query":[]}"#] {
            assert!(read(SEARCH, bad).is_err(), "{bad}");
        }
        let both = r#"{"queries":[{"idpIdQuery":{"id":"1"},"idpNameQuery":{}}]}"#;
        assert_eq!(
            wrong(SEARCH, both),
            "a query may be one of idpIdQuery, idpNameQuery and ownerTypeQuery"
        );
    }

    /// A field of another kind would be read as if it were absent.
    #[test]
    fn no_request_has_a_field_of_an_unknown_kind() {
        let mut waiting: Vec<MessageDescriptor> = Vec::new();
        for service in ["zitadel.admin.v1.AdminService", "zitadel.management.v1.ManagementService"]
        {
            let service = schema::service(service).expect("it is described");
            assert_eq!(service.methods().len(), 14);
            waiting.extend(service.methods().map(|method| method.input()));
        }
        while let Some(message) = waiting.pop() {
            for field in message.fields() {
                match (field.kind(), field.is_list()) {
                    (Kind::Message(inner), _) => waiting.push(inner),
                    (Kind::String, _)
                    | (Kind::Bool | Kind::Uint32 | Kind::Uint64 | Kind::Enum(_), false) => {}
                    (kind, _) => panic!("{}: {kind:?}", field.full_name()),
                }
            }
        }
    }
}
