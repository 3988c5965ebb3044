//! The schemas of all bodies and parameters. A type that is both parsed and rendered has two: what a
//! request may leave out, a response always has. That of the request is then named with `Input`.

use std::collections::BTreeMap;

use schemars::{
    Schema, SchemaGenerator, generate::SchemaSettings, transform::transform_subschemas,
};
use serde_json::{Map, Value};

use crate::dialect::describe::SchemaOf;

const PATH: &str = "/components/schemas";
const REF: &str = "#/components/schemas/";
const INPUT: &str = "Input";

/// The schemas that were asked for so far.
pub(super) struct Schemas {
    requests: SchemaGenerator,
    responses: SchemaGenerator,
}

impl Schemas {
    pub(super) fn new() -> Self {
        let settings = || {
            let settings = SchemaSettings::draft2020_12().with(|settings| {
                settings.definitions_path = PATH.into();
                settings.meta_schema = None;
            });
            settings.with_transform(simplify)
        };
        Self {
            requests: settings().for_deserialize().into_generator(),
            responses: settings().for_serialize().into_generator(),
        }
    }

    /// Of what a node parses.
    pub(super) fn request(&mut self, schema: SchemaOf) -> Value {
        let mut schema = schema(&mut self.requests);
        simplify(&mut schema);
        let mut value = schema.to_value();
        // Which of them need it is known at the end: until then they are marked.
        mark(&mut value);
        value
    }

    /// Of what a node renders.
    pub(super) fn response(&mut self, schema: SchemaOf) -> Value {
        let mut schema = schema(&mut self.responses);
        simplify(&mut schema);
        schema.to_value()
    }

    /// The named ones. The references of `rest` to those of requests become final.
    pub(super) fn finish(mut self, rest: &mut Value) -> Map<String, Value> {
        let mut all = self.responses.take_definitions(true);
        let mut requests = self.requests.take_definitions(true);
        let renamed: BTreeMap<String, String> = requests
            .keys()
            .map(|name| {
                let is_taken = all.contains_key(name);
                (name.clone(), if is_taken { format!("{name}{INPUT}") } else { name.clone() })
            })
            .collect();
        for schema in requests.values_mut() {
            mark(schema);
        }
        for (name, mut schema) in requests {
            settle(&mut schema, &renamed);
            let name = renamed.get(&name).cloned().unwrap_or(name);
            all.insert(name, schema);
        }
        settle(rest, &renamed);
        all
    }
}

/// Before the name of a request's schema in a reference, until [`Schemas::finish`].
const MARK: &str = "input:";

fn mark(value: &mut Value) {
    each_reference(value, &|name| format!("{MARK}{name}"));
}

fn settle(value: &mut Value, renamed: &BTreeMap<String, String>) {
    each_reference(value, &|name| match name.strip_prefix(MARK) {
        Some(name) => renamed.get(name).cloned().unwrap_or_else(|| name.to_owned()),
        None => name.to_owned(),
    });
}

fn each_reference(value: &mut Value, change: &dyn Fn(&str) -> String) {
    match value {
        Value::Object(members) => {
            for (name, member) in members {
                match member {
                    Value::String(text) if name == "$ref" => {
                        if let Some(name) = text.strip_prefix(REF) {
                            *text = format!("{REF}{}", change(name));
                        }
                    }
                    Value::String(_) | Value::Null | Value::Bool(_) | Value::Number(_) => {}
                    Value::Array(_) | Value::Object(_) => each_reference(member, change),
                }
            }
        }
        Value::Array(items) => items.iter_mut().for_each(|item| each_reference(item, change)),
        Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) => {}
    }
}

/// A reader ignores unknown members, and formats of whole numbers are no formats of JSON Schema.
fn simplify(schema: &mut Schema) {
    transform_subschemas(&mut simplify, schema);
    if schema.get("additionalProperties") == Some(&Value::Bool(false)) {
        schema.remove("additionalProperties");
    }
    let is_number = |format: &Value| format.as_str().is_some_and(|text| text.starts_with("uint"));
    if schema.get("format").is_some_and(is_number) {
        schema.remove("format");
    }
    // As such a reader takes an absent member of an enum.
    if schema.get("default") == Some(&Value::String(String::new())) {
        schema.remove("default");
    }
    // The lines of a doc comment are one text.
    if let Some(Value::String(text)) = schema.get_mut("description") {
        *text = text.replace('\n', " ");
    }
}
