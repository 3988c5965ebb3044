//! The calls of gRPC beside the same requests in JSON: every call is described and has both routes, every
//! described field is read, and every answer is what its description says.

use concordat_proto::limits;
use http::{HeaderMap, HeaderValue, Method, Request, header::CONTENT_TYPE};
use proptest::prelude::*;
use prost::Message as _;
use prost_reflect::{
    DynamicMessage, FieldDescriptor, Kind, MessageDescriptor, ReflectMessage as _, Value,
};

use super::{Part, Service, Zitadel, message, routes};
use crate::{
    api::{operation::Action, outcome::Malformed, request::Input},
    dialect::{
        NATIVE,
        traits::{Dialect, Route},
    },
    grpc::{frame, schema},
};

const PARTS: [Part; 4] = [Part::Legacy, Part::Deactivate, Part::Reactivate, Part::Generic];
const SERVICES: [(Service, &str); 2] = [
    (Service::Admin, "zitadel.admin.v1.AdminService"),
    (Service::Management, "zitadel.management.v1.ManagementService"),
];

fn all(service: Service) -> impl Iterator<Item = &'static Route> {
    PARTS.into_iter().flat_map(move |part| routes::of(service, part))
}

fn calls(service: Service) -> impl Iterator<Item = &'static Route> {
    all(service).filter(|route| route.path.starts_with("/zitadel."))
}

fn parsed(route: &Route, media: &'static str, id: &str, body: &[u8]) -> Result<Action, Malformed> {
    let headers = &HeaderMap::from_iter([(CONTENT_TYPE, HeaderValue::from_static(media))]);
    (route.parse)(&Input { path_parameter: id, query: "", headers, body })
}

fn called(route: &Route, message: &DynamicMessage) -> Result<Action, Malformed> {
    parsed(route, "application/grpc", "", &frame::of_message(&message.encode_to_vec()))
}

/// Numbers are what clients send: a field keeps its own for ever. `UPDATE_EXPECT=1` writes the file.
#[test]
fn no_field_has_another_number() {
    let mut lines = Vec::new();
    let is_ours = |name: &str| name.starts_with("zitadel.");
    for message in schema::pool().all_messages().filter(|it| is_ours(it.full_name())) {
        let fields = message.fields().map(|field| {
            let list = if field.is_list() { "repeated " } else { "" };
            format!("{} = {}: {list}{:?}\n", field.full_name(), field.number(), field.kind())
        });
        lines.extend(fields);
    }
    for values in schema::pool().all_enums().filter(|it| is_ours(it.full_name())) {
        let numbers = values.values().map(|it| format!("{} = {}\n", it.full_name(), it.number()));
        lines.extend(numbers);
    }
    lines.sort();
    let text = lines.concat();
    if std::env::var_os("UPDATE_EXPECT").is_some() {
        let file = concat!(env!("CARGO_MANIFEST_DIR"), "/src/dialect/zitadel/proto/numbers.txt");
        std::fs::write(file, &text).expect("a file");
    } else {
        assert_eq!(text, include_str!("proto/numbers.txt"));
    }
}

#[test]
fn the_described_calls_are_the_routes() {
    for (service, name) in SERVICES {
        let described = schema::service(name).expect("it is described");
        let mut paths: Vec<_> =
            described.methods().map(|method| format!("/{name}/{}", method.name())).collect();
        let mut served: Vec<_> = calls(service).map(|route| route.path.to_owned()).collect();
        let health = PARTS.into_iter().filter_map(|part| routes::health(service, part));
        let health = health.flat_map(|health| health.paths);
        served.extend(health.filter(|it| it.0 == Method::POST).map(|it| it.1.to_owned()));
        paths.sort();
        served.sort();
        assert_eq!(served, paths);
        assert!(calls(service).all(|route| route.method == Method::POST));
    }
}

/// The messages that differ from a message in one field.
fn changed(message: &DynamicMessage, descriptor: &MessageDescriptor) -> Vec<DynamicMessage> {
    let with = |field: &FieldDescriptor, value: Value| {
        let mut message = message.clone();
        message.set_field(field, value);
        message
    };
    let mut all = Vec::new();
    for field in descriptor.fields() {
        let values = match (field.kind(), field.is_list()) {
            (Kind::String, true) => vec![Value::List(vec![Value::String("openid".to_owned())])],
            (Kind::String, false) => vec![Value::String("2".to_owned())],
            (Kind::Bool, _) => vec![Value::Bool(true)],
            (Kind::Uint32, _) => vec![Value::U32(1)],
            (Kind::Uint64, _) => vec![Value::U64(1)],
            (Kind::Enum(_), _) => vec![Value::EnumNumber(1)],
            (Kind::Message(inner), is_list) => changed(&DynamicMessage::new(inner.clone()), &inner)
                .into_iter()
                .map(Value::Message)
                .map(|value| if is_list { Value::List(vec![value]) } else { value })
                .collect(),
            (kind, _) => panic!("{kind:?} is not read"),
        };
        all.extend(values.into_iter().map(|value| with(&field, value)));
    }
    all
}

/// A message with a text in each field that is one.
fn filled(descriptor: &MessageDescriptor) -> DynamicMessage {
    let mut message = DynamicMessage::new(descriptor.clone());
    for field in descriptor.fields().filter(|field| matches!(field.kind(), Kind::String)) {
        if !field.is_list() {
            message.set_field(&field, Value::String("1".to_owned()));
        }
    }
    message
}

/// A field that `decode` does not know by its described name would change nothing.
#[test]
fn every_described_field_is_read() {
    for (service, _) in SERVICES {
        for route in calls(service) {
            let descriptor = schema::method(route.path).expect("it is described").input();
            let base = filled(&descriptor);
            let mut outcomes = vec![called(route, &base)];
            assert!(outcomes[0].is_ok(), "{}: {outcomes:?}", route.path);
            for message in changed(&base, &descriptor) {
                let outcome = called(route, &message);
                assert!(!outcomes.contains(&outcome), "{}: {message}", route.path);
                outcomes.push(outcome);
            }
        }
    }
}

/// The route in JSON of a call: the macro puts it as many places before as there are calls.
fn in_json(service: Service, call: &Route) -> &'static Route {
    PARTS
        .into_iter()
        .map(|part| routes::of(service, part))
        .find_map(|routes| {
            let place = routes.iter().position(|route| route.path == call.path)?;
            let count = routes.iter().filter(|it| it.path.starts_with("/zitadel.")).count();
            routes.get(place.checked_sub(count)?)
        })
        .expect("it has one")
}

#[test]
fn a_request_is_the_same_in_every_encoding() {
    for (service, _) in SERVICES {
        for call in calls(service) {
            let json = in_json(service, call);
            assert_eq!(json.operation, call.operation, "{}", call.path);
            let has_id = json.path.contains('{');
            let descriptor = schema::method(call.path).expect("it is described").input();
            let base = filled(&descriptor);
            for mut message in std::iter::once(base.clone()).chain(changed(&base, &descriptor)) {
                let by_call = called(call, &message);
                let body = serde_json::to_vec(&message).expect("JSON");
                let id = ["idp_id", "id"].into_iter();
                let id = id.filter_map(|name| message.take_field_by_name(name)).next();
                let id = id.and_then(|id| id.as_str().map(str::to_owned)).unwrap_or_default();
                let id = if has_id { id.as_str() } else { "" };
                let by_json = parsed(json, "application/json", id, &body);
                assert_eq!(by_json, by_call, "{} {message}", call.path);
            }
        }
    }
}

#[test]
fn a_body_that_is_no_message_is_refused() {
    let route = calls(Service::Admin).find(|route| route.path.ends_with("/GetProviderByID"));
    let route = route.expect("a call");
    let of = |body: &[u8]| parsed(route, "application/grpc", "", body).expect_err("it is refused");
    assert!(matches!(of(b""), Malformed::Syntax(_)));
    assert!(matches!(of(b"\x01\0\0\0\0"), Malformed::Unsupported(_)));
    assert_eq!(of(&vec![0; limits::BODY_BYTES_MAX + 1]), Malformed::BodyTooLarge);
    let text = of(&frame::of_message(b"\x0a\x02\xff\xff")).to_string();
    assert_eq!(text, "the message is no zitadel.admin.v1.GetProviderByIDRequest");
}

proptest! {
    #[test]
    fn no_message_panics_and_no_secret_is_repeated(
        secret in "S[A-Za-z0-9]{11,40}",
        bytes in proptest::collection::vec(any::<u8>(), 0..40),
        place in 0_usize..26,
    ) {
        let (service, _) = SERVICES[place % 2];
        let route = calls(service).nth(place / 2).expect("a call");
        let mut message = filled(&schema::method(route.path).expect("it is described").input());
        if message.descriptor().get_field_by_name("client_secret").is_some() {
            message.set_field_by_name("client_secret", Value::String(secret.clone()));
        }
        let message = [message.encode_to_vec(), bytes].concat();
        let outcome = parsed(route, "application/grpc", "", &frame::of_message(&message));
        if let Err(malformed) = outcome {
            prop_assert!(!malformed.to_string().contains(&secret));
        }
    }
}

fn described(name: &str) -> Vec<(String, i32)> {
    let values = schema::pool().get_enum_by_name(name).expect("it is described");
    values.values().map(|value| (value.name().to_owned(), value.number())).collect()
}

#[test]
fn enums_of_answers_are_the_described_ones() {
    for (name, values) in message::enumerations() {
        let described = described(&format!("zitadel.idp.v1.{name}"));
        for value in &values {
            assert!(described.contains(value), "{name}: {value:?} of {described:?}");
        }
        // Providers of some types are never stored.
        assert!(name == "ProviderType" || values.len() == described.len(), "{name}");
    }
}

#[test]
fn a_call_waits_no_longer_than_its_caller() {
    let dialect = Zitadel { service: Service::Admin, part: Part::Generic, names: NATIVE };
    let operation = crate::api::operation::Operation::EntryChange;
    let waits = |all: &[(&'static str, &'static str)]| {
        let mut headers = HeaderMap::new();
        for (name, value) in all {
            headers.insert(*name, HeaderValue::from_static(value));
        }
        dialect.terms(operation, &headers).map(|terms| terms.timeout.as_millis())
    };
    let call = ("content-type", "application/grpc");
    let timeout = ("slashid-required-consistency-timeout", "2");
    assert_eq!(waits(&[call]), Ok(30_000));
    assert_eq!(waits(&[call, ("grpc-timeout", "1500m")]), Ok(1500));
    assert_eq!(waits(&[call, timeout, ("grpc-timeout", "1500m")]), Ok(1500));
    assert_eq!(waits(&[call, timeout, ("grpc-timeout", "1M")]), Ok(2000));
    assert!(waits(&[call, ("grpc-timeout", "1")]).is_err());
    // JSON knows no such header.
    let json = ("content-type", "application/json");
    assert_eq!(waits(&[json, ("grpc-timeout", "1")]), Ok(30_000));
}

#[test]
fn a_path_takes_its_own_media_types() {
    let dialect = Zitadel { service: Service::Admin, part: Part::Generic, names: NATIVE };
    let admits = |path: &str, media: &str| {
        let request = Request::post(path).version(http::Version::HTTP_2);
        let head = request.header(CONTENT_TYPE, media).body(()).unwrap().into_parts().0;
        dialect.admit(&head)
    };
    let call = "/zitadel.admin.v1.AdminService/ListProviders";
    assert_eq!(admits(call, "application/grpc"), Ok(()));
    assert!(matches!(admits(call, "application/json"), Err(Malformed::MediaType(_))));
    assert_eq!(admits("/admin/v1/idps/_search", "application/json"), Ok(()));
}
