//! The document: an operation for each described route, then the pages, then what both refer to.

use std::collections::BTreeMap;

use http::Method;
use serde_json::{Map, Value, json};

use super::{neutral, page, schemas::Schemas};
use crate::{
    api::operation::Caller,
    dialect::{
        REGISTRY,
        describe::{Credential, Credentials, Described, Description, SchemaOf, Success},
        traits::Route,
    },
};

const JSON: &str = "application/json";

/// Makes the document; with the demo's operations only for the demo.
pub(super) fn document(with_demo: bool) -> Value {
    let mut draft = Draft::new();
    for dialect in REGISTRY {
        let described = dialect.described();
        draft.tag(described.tag, described.about);
        let health = dialect.health().map_or(&[][..], |health| health.paths);
        for (_, path) in health.iter().filter(|(method, _)| method == Method::GET) {
            draft.add(path, "get", page::health(&described));
        }
        for route in dialect.routes() {
            let is_here = with_demo || !route.operation.spec().is_demo;
            if let Some(description) =
                described.find(route.operation, route.path).filter(|_| is_here)
            {
                draft.operation(&described, route, description);
            }
        }
    }
    draft.tag(page::TAG, page::ABOUT);
    for (path, operation) in page::operations() {
        draft.add(path, "get", operation);
    }
    draft.finish()
}

struct Draft {
    schemas: Schemas,
    tags: Vec<Value>,
    paths: BTreeMap<String, Map<String, Value>>,
    responses: Map<String, Value>,
    credentials: BTreeMap<&'static str, Credential>,
}

impl Draft {
    fn new() -> Self {
        Self {
            schemas: Schemas::new(),
            tags: Vec::new(),
            paths: BTreeMap::new(),
            responses: Map::new(),
            credentials: BTreeMap::new(),
        }
    }

    fn tag(&mut self, name: &str, about: &str) {
        let tag = json!({ "name": name, "description": about });
        if !self.tags.contains(&tag) {
            self.tags.push(tag);
        }
    }

    fn add(&mut self, path: &str, method: &str, operation: Value) {
        self.paths.entry(path.to_owned()).or_default().insert(method.to_owned(), operation);
    }

    fn operation(&mut self, of: &Described, route: &Route, description: &Description) {
        let spec = route.operation.spec();
        let mut id = format!("{}_{}", spec.name, of.id);
        if !description.variant.is_empty() {
            id = format!("{id}_{}", description.variant);
        }
        let about = if spec.is_demo { "In the demo only. " } else { "" };
        let mut operation = json!({
            "operationId": id,
            "tags": [of.tag],
            "summary": description.summary,
            "description": format!("{about}{}", neutral::caller(spec.caller)),
            "security": self.security(&of.credentials, spec.caller),
            "parameters": self.parameters(route, description),
            "responses": self.responses(of, route, description),
        });
        if let Some(schema) = description.takes {
            let schema = self.schemas.request(schema);
            let content = json!({ JSON: { "schema": schema } });
            operation["requestBody"] = json!({ "required": true, "content": content });
        }
        self.add(route.path, &route.method.as_str().to_ascii_lowercase(), operation);
    }

    fn parameters(&mut self, route: &Route, description: &Description) -> Value {
        let mut all = Vec::new();
        let named = |part: &'static str| part.strip_prefix('{')?.strip_suffix('}');
        for name in route.path.split('/').filter_map(named) {
            let schema = match description.path {
                Some(schema) => self.schemas.request(schema),
                None => json!({ "type": "string", "minLength": 1 }),
            };
            all.push(json!({ "name": name, "in": "path", "required": true, "schema": schema }));
        }
        for parameter in description.query {
            let schema = self.schemas.request(parameter.schema);
            all.push(json!({
                "name": parameter.name, "in": "query", "description": parameter.about, "schema": schema,
            }));
        }
        for name in neutral::taken(route.operation.spec().kind) {
            all.push(json!({ "$ref": format!("#/components/parameters/{name}") }));
        }
        Value::Array(all)
    }

    fn responses(&mut self, of: &Described, route: &Route, description: &Description) -> Value {
        let spec = route.operation.spec();
        let mut all = Map::new();
        for status in description.statuses {
            let mut response = json!({
                "description": neutral::meaning(*status),
                "headers": neutral::marks(Some(spec.kind), *status, description.has_version),
            });
            if let Success::Json(schema) = description.returns {
                let schema = self.schemas.response(schema);
                response["content"] = json!({ JSON: { "schema": schema } });
            }
            all.insert(status.to_string(), response);
        }
        if description.has_version && !spec.operation.is_write() {
            let headers = neutral::marks(Some(spec.kind), 304, true);
            let response = json!({ "description": neutral::meaning(304), "headers": headers });
            all.insert("304".to_owned(), response);
        }
        let failures = neutral::failures(spec, route.path);
        for status in failures.iter().chain(description.fails) {
            all.insert(status.to_string(), self.failure(of.failure, *status));
        }
        let first = REGISTRY[0].described().failure;
        for status in neutral::OF_ANY_PATH {
            all.insert(status.to_string(), self.failure(first, status));
        }
        // No operation has it, and every path may.
        self.failure(of.failure, 405);
        Value::Object(all)
    }

    /// A failure's response, which all operations with the same body share.
    fn failure(&mut self, schema: SchemaOf, status: u16) -> Value {
        let schema = self.schemas.response(schema);
        let name = schema["$ref"].as_str().and_then(|path| path.rsplit('/').next());
        let name = format!("{}{status}", name.unwrap_or("Failure"));
        let reference = json!({ "$ref": format!("#/components/responses/{name}") });
        let response = json!({
            "description": neutral::meaning(status),
            "headers": neutral::marks(None, status, false),
            "content": { JSON: { "schema": schema } },
        });
        self.responses.insert(name, response);
        reference
    }

    fn security(&mut self, credentials: &Credentials, caller: Caller) -> Value {
        let any_of: Vec<Vec<Credential>> = match credentials {
            Credentials::AnyOf(any_of) => any_of.iter().map(|all| all.to_vec()).collect(),
            Credentials::Named(names) => {
                let [key, organization] = page::native_credentials(names);
                match caller {
                    Caller::Operator => vec![vec![key]],
                    Caller::Organization(_) => vec![vec![key, organization]],
                    Caller::Either => vec![vec![key, organization], vec![key]],
                }
            }
        };
        let mut alternatives = Vec::new();
        for set in any_of {
            let mut requirement = Map::new();
            for credential in set {
                requirement.insert(credential.name.to_owned(), json!([]));
                self.credentials.insert(credential.name, credential);
            }
            alternatives.push(Value::Object(requirement));
        }
        Value::Array(alternatives)
    }

    fn finish(mut self) -> Value {
        let scheme = |credential: &Credential| match credential.header {
            Some(name) => json!({
                "type": "apiKey", "in": "header", "name": name, "description": credential.about,
            }),
            None => json!({ "type": "http", "scheme": "bearer", "description": credential.about }),
        };
        let schemes: Map<String, Value> =
            self.credentials.iter().map(|(name, it)| ((*name).to_owned(), scheme(it))).collect();
        let parameters = neutral::parameters(&mut self.schemas);
        let mut rest = json!({ "paths": self.paths, "responses": self.responses });
        let schemas = self.schemas.finish(&mut rest);
        json!({
            "openapi": "3.1.0",
            "info": page::info(),
            "servers": [{ "url": "/", "description": "The node that served this document." }],
            "tags": self.tags,
            "paths": rest["paths"].take(),
            "components": {
                "schemas": schemas,
                "responses": rest["responses"].take(),
                "parameters": parameters,
                "headers": neutral::headers(),
                "securitySchemes": schemes,
            },
        })
    }
}
