//! `grpc.reflection`: the descriptions of the services, for tools. Requests are answered one by one, before the
//! caller ends its side.
//!
//! Only what is public is described: the names and the fields of requests and responses.

use std::{collections::BTreeSet, sync::Arc, time::Duration};

use bytes::BytesMut;
use concordat_proto::limits;
use http::{HeaderMap, Response};
use prost::Message as _;
use prost_reflect::{
    DescriptorPool, DynamicMessage, FileDescriptor, MessageDescriptor, MethodDescriptor, Value,
};

use super::{
    frame,
    media::Form,
    message,
    reply::{self, INTERNAL, INVALID_ARGUMENT, NOT_FOUND, RESOURCE_EXHAUSTED, Status, UNAVAILABLE},
    schema,
    streams::{self, Step},
};
use crate::{
    dialect::traits::ResponseBody,
    http::body::{Body, BodyError},
    node::Node,
};

/// The longest silence of a caller.
const IDLE_MAX: Duration = limits::CALL_STREAM_IDLE_MAX;

/// Answers the requests of a stream. gRPC-Web has no streams of requests.
pub(crate) fn serve(
    node: &Arc<Node>,
    form: Form,
    path: &str,
    body: Body,
) -> Response<ResponseBody> {
    let failed = |code, text: &str| {
        reply::response(form, HeaderMap::new(), None, &Status::failed(code, text))
    };
    let Some(method) = schema::method(path).filter(|_| form == Form::Grpc) else {
        return failed(
            reply::UNIMPLEMENTED,
            "reflection is a stream of requests, which needs gRPC",
        );
    };
    let Some(place) = node.streams.place() else {
        return failed(RESOURCE_EXHAUSTED, "this node has too many streams");
    };
    let requests = Requests {
        node: Arc::clone(node),
        method,
        body,
        unread: BytesMut::new(),
        left: limits::CALL_STREAM_MESSAGES_MAX,
    };
    streams::response(form, place, requests, Requests::step)
}

struct Requests {
    node: Arc<Node>,
    method: MethodDescriptor,
    body: Body,
    unread: BytesMut,
    left: usize,
}

impl Requests {
    async fn step(mut self) -> Step<Self> {
        match self.next().await {
            Ok(Some(answer)) => Step::Message(answer, self),
            Ok(None) => Step::End(Status::ok()),
            Err(status) => Step::End(status),
        }
    }

    /// The answer to the next request; nothing at the end.
    async fn next(&mut self) -> Result<Option<Vec<u8>>, Status> {
        loop {
            let split = frame::split(&self.unread).map_err(|wrong| message::refused(&wrong))?;
            if let Some((request, rest)) = split {
                let answer = answer(&self.method, request)?;
                let read = self.unread.len() - rest.len();
                drop(self.unread.split_to(read));
                let too_many = || Status::failed(RESOURCE_EXHAUSTED, "too many requests");
                self.left = self.left.checked_sub(1).ok_or_else(too_many)?;
                return Ok(Some(answer));
            }
            let part = tokio::select! {
                () = self.node.streams.stopped() => {
                    return Err(Status::failed(UNAVAILABLE, "the node stops"));
                }
                part = self.body.part(IDLE_MAX) => part,
            };
            match part {
                Ok(Some(part)) => self.unread.extend_from_slice(&part),
                Ok(None) if self.unread.is_empty() => return Ok(None),
                Ok(None) => {
                    return Err(Status::failed(INVALID_ARGUMENT, "the last request is cut off"));
                }
                Err(error @ (BodyError::TooSlow | BodyError::Broken)) => {
                    return Err(message::unread(error));
                }
            }
        }
    }
}

/// The answer to one request, as bytes.
fn answer(method: &MethodDescriptor, request: &[u8]) -> Result<Vec<u8>, Status> {
    let request = message::decoded(method.input().full_name(), request)?;
    let built = built(&method.output(), &request);
    let answer = built.ok_or_else(|| Status::failed(INTERNAL, "the answer is not described"))?;
    Ok(answer.encode_to_vec())
}

fn built(output: &MessageDescriptor, request: &DynamicMessage) -> Option<DynamicMessage> {
    let (name, value) = match found(schema::pool(), request) {
        Found::Files(files) => {
            ("file_descriptor_response", vec![("file_descriptor_proto", Value::List(files))])
        }
        Found::Services(names) => {
            let one = inner(output, "list_services_response", "service")?;
            let service = |name| message_of(one.clone(), vec![("name", Value::String(name))]);
            let all: Option<Vec<_>> = names.into_iter().map(service).collect();
            let all = all?.into_iter().map(Value::Message).collect();
            ("list_services_response", vec![("service", Value::List(all))])
        }
        Found::NoExtensions(base) => {
            ("all_extension_numbers_response", vec![("base_type_name", Value::String(base))])
        }
        Found::Nothing(code, text) => {
            let text = Value::String(text.to_owned());
            ("error_response", vec![("error_code", Value::I32(code)), ("error_message", text)])
        }
    };
    let Some(prost_reflect::Kind::Message(kind)) =
        output.get_field_by_name(name).map(|field| field.kind())
    else {
        return None;
    };
    let host = request.get_field_by_name("host")?.into_owned();
    let fields = vec![
        ("valid_host", host),
        ("original_request", Value::Message(request.clone())),
        (name, Value::Message(message_of(kind, value)?)),
    ];
    message_of(output.clone(), fields)
}

/// The message of a field within the message of a field.
fn inner(output: &MessageDescriptor, outer: &str, name: &str) -> Option<MessageDescriptor> {
    let outer = output.get_field_by_name(outer)?.kind();
    let field = outer.as_message()?.get_field_by_name(name)?;
    field.kind().as_message().cloned()
}

fn message_of(descriptor: MessageDescriptor, fields: Vec<(&str, Value)>) -> Option<DynamicMessage> {
    let mut message = DynamicMessage::new(descriptor);
    for (name, value) in fields {
        message.try_set_field_by_name(name, value).ok()?;
    }
    Some(message)
}

/// What a request asks for.
enum Found {
    /// Files, each an encoded `FileDescriptorProto`: the wanted one, then all that it imports.
    Files(Vec<Value>),
    /// The names of all services.
    Services(Vec<String>),
    /// A message that is known; no message has extensions.
    NoExtensions(String),
    /// It is not there.
    Nothing(i32, &'static str),
}

fn found(pool: &DescriptorPool, request: &DynamicMessage) -> Found {
    let text = |field: &str| {
        let is_given = request.has_field_by_name(field);
        let value = request.get_field_by_name(field).filter(|_| is_given)?;
        value.as_str().map(str::to_owned)
    };
    if text("list_services").is_some() {
        return Found::Services(pool.services().map(|it| it.full_name().to_owned()).collect());
    }
    let file = match (text("file_by_filename"), text("file_containing_symbol")) {
        (Some(name), _) => pool.get_file_by_name(&name),
        (None, Some(symbol)) => file_of(pool, symbol.trim_start_matches('.')),
        (None, None) => None,
    };
    if let Some(file) = file {
        return Found::Files(with_imports(file));
    }
    let base = text("all_extension_numbers_of_type");
    match base.filter(|base| pool.get_message_by_name(base).is_some()) {
        Some(base) => Found::NoExtensions(base),
        None if request.fields().any(|(field, _)| field.name() != "host") => {
            Found::Nothing(NOT_FOUND, "it is not described here")
        }
        None => Found::Nothing(INVALID_ARGUMENT, "the request asks for nothing"),
    }
}

/// The file of a service, a method, a message, a field, or an enum.
fn file_of(pool: &DescriptorPool, symbol: &str) -> Option<FileDescriptor> {
    let whole = |name: &str| {
        let service = pool.get_service_by_name(name).map(|it| it.parent_file());
        let message = || pool.get_message_by_name(name).map(|it| it.parent_file());
        let values = || pool.get_enum_by_name(name).map(|it| it.parent_file());
        service.or_else(message).or_else(values)
    };
    whole(symbol).or_else(|| {
        let (outer, name) = symbol.rsplit_once('.')?;
        let service = pool.get_service_by_name(outer);
        let method = service.and_then(|it| it.methods().find(|method| method.name() == name));
        let field = || pool.get_message_by_name(outer)?.get_field_by_name(name);
        method
            .map(|it| it.parent_service().parent_file())
            .or_else(|| field().map(|it| it.parent_message().parent_file()))
    })
}

/// A file and all that it imports, each once.
fn with_imports(file: FileDescriptor) -> Vec<Value> {
    let (mut known, mut waiting, mut files) = (BTreeSet::new(), vec![file], Vec::new());
    while let Some(file) = waiting.pop() {
        if known.insert(file.name().to_owned()) {
            waiting.extend(file.dependencies());
            files.push(Value::Bytes(file.encode_to_vec().into()));
        }
    }
    files
}

#[cfg(test)]
mod tests {
    use super::*;

    fn asked(version: &str, field: &str, text: &str) -> DynamicMessage {
        let path = format!("/grpc.reflection.{version}.ServerReflection/ServerReflectionInfo");
        let method = schema::method(&path).expect("it is described");
        let fields =
            vec![("host", Value::String("h".to_owned())), (field, Value::String(text.to_owned()))];
        let request = message_of(method.input(), fields).expect("a request");
        let bytes = answer(&method, &request.encode_to_vec()).expect("an answer");
        let answer = DynamicMessage::decode(method.output(), &bytes[..]).expect("an answer");
        assert_eq!(answer.get_field_by_name("valid_host").expect("one").as_str(), Some("h"));
        answer
    }

    fn files(field: &str, text: &str) -> usize {
        let answer = asked("v1", field, text);
        let response = answer.get_field_by_name("file_descriptor_response").expect("a field");
        let response = response.as_message().expect("a message").clone();
        let files = response.get_field_by_name("file_descriptor_proto").expect("a field");
        files.as_list().expect("a list").len()
    }

    fn error(field: &str, text: &str) -> Option<i32> {
        let answer = asked("v1", field, text);
        let error = answer.get_field_by_name("error_response").expect("a field").into_owned();
        let error = error.as_message().filter(|_| answer.has_field_by_name("error_response"))?;
        error.get_field_by_name("error_code").expect("a field").as_i32()
    }

    #[test]
    fn all_services_are_listed_in_both_versions() {
        for version in ["v1", "v1alpha"] {
            let answer = serde_json::to_value(asked(version, "list_services", "")).expect("JSON");
            let services = answer["listServicesResponse"]["service"].as_array().expect("a list");
            let names: Vec<_> = services.iter().filter_map(|it| it["name"].as_str()).collect();
            assert_eq!(names.len(), schema::pool().services().len());
            assert!(names.contains(&"grpc.health.v1.Health"), "{names:?}");
        }
    }

    #[test]
    fn files_are_found_by_name_and_by_symbol() {
        assert_eq!(files("file_by_filename", "grpc/health/v1/health.proto"), 1);
        assert_eq!(files("file_by_filename", "google/rpc/status.proto"), 2, "with its import");
        for symbol in [
            "grpc.health.v1.Health",
            ".grpc.health.v1.Health",
            "grpc.health.v1.Health.Check",
            "grpc.health.v1.HealthCheckRequest",
            "grpc.health.v1.HealthCheckRequest.service",
            "grpc.health.v1.HealthCheckResponse.ServingStatus",
        ] {
            assert_eq!(files("file_containing_symbol", symbol), 1, "{symbol}");
        }
    }

    #[test]
    fn what_is_not_there_is_an_error_of_its_request_alone() {
        for (field, text) in [
            ("file_by_filename", "none.proto"),
            ("file_containing_symbol", "grpc.health.v1.Health.None"),
            ("file_containing_symbol", ""),
            ("all_extension_numbers_of_type", "none"),
        ] {
            assert_eq!(error(field, text), Some(NOT_FOUND), "{field} {text}");
        }
        assert_eq!(error("host", "h"), Some(INVALID_ARGUMENT));
        assert_eq!(error("all_extension_numbers_of_type", "google.rpc.Status"), None);
    }
}
