//! Whether an answer is one that `docs/openapi.json` describes: its status, its media type, its headers
//! and its body. Every answer to a [`crate::http::Request`] that is sent is checked, so that no test can
//! see one that the document does not know.
//!
//! The document is read as any client would read it, and is stricter here in one point: the values of an
//! extensible enum are all there are.

use std::{
    collections::BTreeMap,
    sync::{
        Arc, LazyLock, Mutex, PoisonError,
        atomic::{AtomicBool, Ordering},
    },
};

use jsonschema::Validator;
use serde_json::{Value, json};

use crate::message::{Request, Response};

static DOCUMENT: LazyLock<Document> = LazyLock::new(Document::read);
/// In these a request may have each member by another name, and enums by number, which no schema says.
const WITH_OTHER_SPELLINGS: &str = "ZITADEL";

static IS_OFF: AtomicBool = AtomicBool::new(false);

/// No more checks in this process: it talks to another build than this one.
pub fn switch_off() {
    IS_OFF.store(true, Ordering::Relaxed);
}

/// Checks the answer to a request, and the request if it was accepted.
///
/// # Errors
/// With what the document does not know.
pub fn check(request: &Request, response: &Response) -> Result<(), String> {
    if IS_OFF.load(Ordering::Relaxed) {
        return Ok(());
    }
    DOCUMENT.check(request, response)
}

struct Document {
    whole: Value,
    validators: Mutex<BTreeMap<String, Arc<Validator>>>,
}

impl Document {
    fn read() -> Self {
        let text = include_str!("../../docs/openapi.json");
        let mut whole = serde_json::from_str(text).expect("docs/openapi.json is JSON");
        close_enums(&mut whole);
        Self { whole, validators: Mutex::default() }
    }

    fn check(&self, request: &Request, response: &Response) -> Result<(), String> {
        let path = request.target().split('?').next().unwrap_or_default();
        let Some(item) = self.item(path) else { return Ok(()) };
        let method = match request.method() {
            "HEAD" => "get".to_owned(),
            method => method.to_lowercase(),
        };
        let Some(operation) = item.get(&method) else { return self.check_other(item, response) };
        let described = &operation["responses"][response.status.to_string()];
        if described.is_null() {
            return Err(format!("status {} is not described", response.status));
        }
        self.check_response(self.resolved(described), response, request.method() == "HEAD")?;
        let takes = &operation["requestBody"]["content"]["application/json"]["schema"];
        let tag = operation["tags"][0].as_str().unwrap_or_default();
        let is_spelled = !tag.starts_with(WITH_OTHER_SPELLINGS);
        if is_spelled && (200..300).contains(&response.status) && !takes.is_null() {
            let body = serde_json::from_slice(request.body_bytes());
            let body = body.map_err(|error| format!("a body that is no JSON is taken: {error}"))?;
            self.validate(takes, &body).map_err(|why| format!("a body is taken: {why}"))?;
        }
        Ok(())
    }

    /// A method that the path does not know. The form of the failure is that of the path's others.
    fn check_other(&self, item: &Value, response: &Response) -> Result<(), String> {
        let operations = item.as_object().into_iter().flat_map(serde_json::Map::values);
        let mut references = operations.filter_map(|it| it["responses"]["400"]["$ref"].as_str());
        let Some(reference) = references.next().filter(|_| response.status == 405) else {
            return Ok(());
        };
        let reference = reference.replace("400", "405");
        self.check_response(self.resolved(&json!({ "$ref": reference })), response, false)
    }

    fn check_response(
        &self,
        described: &Value,
        response: &Response,
        is_head: bool,
    ) -> Result<(), String> {
        let headers = described["headers"].as_object().into_iter().flatten();
        for (name, header) in headers {
            self.check_header(name, self.resolved(header), response)?;
        }
        let Some(content) = described["content"].as_object() else {
            return match response.body.is_empty() {
                true => Ok(()),
                false => Err("a body is not described".to_owned()),
            };
        };
        let media_type = response.header("content-type").unwrap_or_default();
        let essence = media_type.split(';').next().unwrap_or_default().trim();
        let Some(media) = content.get(essence) else {
            return Err(format!("the media type {media_type:?} is not described"));
        };
        if is_head || essence != "application/json" {
            return Ok(());
        }
        self.validate(&media["schema"], &response.json())
    }

    fn check_header(&self, name: &str, header: &Value, response: &Response) -> Result<(), String> {
        let value = response.header(&name.to_lowercase());
        let Some(text) = value else {
            return match header["required"].as_bool() {
                Some(true) => Err(format!("{name} is absent")),
                Some(false) | None => Ok(()),
            };
        };
        let is_number = header["schema"]["type"] == "integer";
        let value = match text.parse::<u64>() {
            Ok(number) if is_number => json!(number),
            Ok(_) | Err(_) => json!(text),
        };
        self.validate(&header["schema"], &value).map_err(|why| format!("{name}: {why}"))
    }

    fn validate(&self, schema: &Value, value: &Value) -> Result<(), String> {
        let validator = self.validator(schema);
        let wrong: Vec<String> = validator
            .iter_errors(value)
            .map(|error| format!("{} (at {:?})", error, error.instance_path().to_string()))
            .collect();
        if wrong.is_empty() { Ok(()) } else { Err(wrong.join("; ")) }
    }

    fn validator(&self, schema: &Value) -> Arc<Validator> {
        let key = schema.to_string();
        let mut known = self.validators.lock().unwrap_or_else(PoisonError::into_inner);
        let validator = known.entry(key).or_insert_with(|| {
            let root = json!({
                "$schema": "https://json-schema.org/draft/2020-12/schema",
                "allOf": [schema],
                "components": self.whole["components"],
            });
            let options = jsonschema::options().should_validate_formats(true);
            Arc::new(options.build(&root).expect("a schema of the document"))
        });
        Arc::clone(validator)
    }

    /// The path's item: one without parameters before one with them.
    fn item(&self, path: &str) -> Option<&Value> {
        let paths = self.whole["paths"].as_object().expect("paths");
        paths.get(path).or_else(|| {
            let found = paths.iter().find(|(template, _)| matches(template, path));
            found.map(|(_, item)| item)
        })
    }

    fn resolved<'a>(&'a self, value: &'a Value) -> &'a Value {
        let Some(reference) = value["$ref"].as_str() else { return value };
        let pointer = reference.strip_prefix('#').expect("a reference into the document");
        self.whole.pointer(pointer).unwrap_or_else(|| panic!("{reference} leads nowhere"))
    }
}

fn matches(template: &str, path: &str) -> bool {
    let (mut template, mut path) = (template.split('/'), path.split('/'));
    loop {
        match (template.next(), path.next()) {
            (None, None) => return true,
            (Some(part), Some(given)) if part.starts_with('{') && !given.is_empty() => {}
            (Some(part), Some(given)) if part == given => {}
            (_, _) => return false,
        }
    }
}

/// A value that the document does not list is not yet described.
fn close_enums(value: &mut Value) {
    match value {
        Value::Object(members) => {
            if let Some(values) = members.remove("x-extensible-enum") {
                let values = values.as_array().into_iter().flatten().cloned();
                let all: Vec<Value> = values.chain([Value::Null]).collect();
                members.insert("enum".to_owned(), Value::Array(all));
            }
            members.values_mut().for_each(close_enums);
        }
        Value::Array(items) => items.iter_mut().for_each(close_enums),
        Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) => {}
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const ONE: &str = "/organizations/sso/oidc/provider-credentials/a";

    fn checked(method: &str, target: &str, status: u16, body: &Value) -> Result<(), String> {
        let headers = [("content-type", "application/json"), ("retry-after", "1")];
        let headers = headers.map(|(name, value)| (name.to_owned(), value.to_owned())).to_vec();
        let response = Response { status, headers, body: body.to_string().into_bytes() };
        check(&Request::new(method, target), &response)
    }

    #[test]
    fn an_answer_is_as_it_is_described() {
        let found = json!({
            "errors": [], "meta": {}, "result": { "client_id": "a", "provider": "google" },
        });
        assert_eq!(checked("GET", ONE, 200, &found), Ok(()));
        let failed = json!({ "errors": [{ "httpcode": 404, "message": "x" }], "meta": {} });
        assert_eq!(checked("GET", ONE, 404, &failed), Ok(()));
        assert_eq!(checked("POST", "/nothing", 418, &failed), Ok(()));
    }

    #[test]
    fn what_is_not_described_is_found() {
        let found = json!({ "errors": [], "meta": {}, "result": { "provider": "google" } });
        assert!(checked("GET", ONE, 200, &found).is_err(), "no client id");
        let found = json!({
            "errors": [], "meta": {}, "result": { "client_id": "a", "provider": "another" },
        });
        assert!(checked("GET", ONE, 200, &found).is_err(), "an unknown provider");
        assert!(checked("GET", ONE, 200, &json!({ "errors": [], "meta": {} })).is_err());
        let failed = json!({ "errors": [{ "httpcode": 404, "message": "x" }], "meta": {} });
        assert!(checked("GET", ONE, 418, &failed).is_err(), "an unknown status");
        assert!(checked("GET", ONE, 200, &failed).is_err(), "a success with errors");
        assert!(checked("GET", ONE, 404, &json!({ "errors": [], "meta": {} })).is_err());
    }
}
