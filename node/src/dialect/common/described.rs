//! Descriptions in the native envelope: the schemas of its successes and failures, and the parameters of
//! lists. A dialect with bodies of its own needs only the parameters.

use std::borrow::Cow;

use concordat_proto::api::envelope::Envelope;
use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};

use crate::dialect::describe::{Description, Parameter, of, whole};

/// Nine digits.
const ITEMS_MAX: u64 = 999_999_999;
/// The page of a list.
pub(in crate::dialect) const LIMIT: Parameter = Parameter {
    name: "limit",
    about: "The most items that are returned.",
    schema: whole::<1, ITEMS_MAX>,
};
/// The page of a list.
pub(in crate::dialect) const OFFSET: Parameter = Parameter {
    name: "offset",
    about: "The items that are skipped.",
    schema: whole::<0, ITEMS_MAX>,
};

/// Where a page begins.
pub(in crate::dialect) const CURSOR: Parameter = Parameter {
    name: "cursor",
    about: "Begins after the page whose meta.pagination had this cursor.",
    schema: of::<String>(),
};

impl Description {
    /// A success with this result.
    pub(in crate::dialect) const fn result<T: JsonSchema>(self) -> Self {
        self.shows(result::<T>)
    }

    /// A success with this result, or without one where a log has decided.
    pub(in crate::dialect) const fn result_or_none<T: JsonSchema>(self) -> Self {
        self.shows(result_or_none::<T>)
    }

    /// A success without a result.
    pub(in crate::dialect) const fn no_result(self) -> Self {
        self.shows(no_result)
    }
}

fn result<T: JsonSchema>(generator: &mut SchemaGenerator) -> Schema {
    let envelope = generator.subschema_for::<Envelope<T>>();
    json_schema!({ "allOf": [envelope, success()], "required": ["result"] })
}

fn result_or_none<T: JsonSchema>(generator: &mut SchemaGenerator) -> Schema {
    let envelope = generator.subschema_for::<Envelope<T>>();
    json_schema!({ "allOf": [envelope, success()] })
}

fn no_result(generator: &mut SchemaGenerator) -> Schema {
    let envelope = generator.subschema_for::<Envelope<()>>();
    json_schema!({ "allOf": [envelope, success()], "not": { "required": ["result"] } })
}

fn success() -> Schema {
    json_schema!({ "type": "object", "properties": { "errors": { "maxItems": 0 } } })
}

/// The envelope of a failure.
#[derive(Debug)]
pub(in crate::dialect) struct Failure;

impl JsonSchema for Failure {
    fn schema_name() -> Cow<'static, str> {
        "Failure".into()
    }

    fn json_schema(generator: &mut SchemaGenerator) -> Schema {
        let envelope = generator.subschema_for::<Envelope<()>>();
        json_schema!({
            "allOf": [envelope, { "type": "object", "properties": { "errors": { "minItems": 1 } } }],
            "not": { "required": ["result"] },
        })
    }
}
