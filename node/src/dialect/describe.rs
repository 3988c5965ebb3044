//! The description of a dialect's operations, from which `/openapi.json` is made.
//!
//! A dialect says what only it knows: a summary, its query parameters, and the types of bodies. What the
//! table of operations implies (headers, marks, statuses, rights) is added by [`crate::openapi`], and
//! must not be repeated here. Schemas come from the types that parse and render, never from JSON by hand.

use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};

use super::common::terms::Names;
use crate::{api::operation::Operation, grpc::schema};

/// The schema of a type.
pub type SchemaOf = fn(&mut SchemaGenerator) -> Schema;

/// The schema of a body's type.
#[must_use]
pub const fn of<T: JsonSchema>() -> SchemaOf {
    SchemaGenerator::subschema_for::<T>
}

/// The schema of a whole number.
pub fn whole<const LEAST: u64, const MOST: u64>(_: &mut SchemaGenerator) -> Schema {
    json_schema!({ "type": "integer", "minimum": LEAST, "maximum": MOST })
}

/// What a dialect says of itself and of its operations.
#[derive(Debug, Clone, Copy)]
pub struct Described {
    /// Behind the operation's name in each `operationId`; unique.
    pub id: &'static str,
    /// The heading of its operations.
    pub tag: &'static str,
    /// A sentence below it.
    pub about: &'static str,
    /// The credentials that it takes.
    pub credentials: Credentials,
    /// The body of every failure.
    pub failure: SchemaOf,
    /// Its operations. A route that none of them describes is no operation of OpenAPI.
    pub operations: &'static [Description],
}

impl Described {
    /// The description of an operation's route: the first one of the operation and the end of the path. A
    /// call of gRPC has none: its service's own description says what it is.
    #[must_use]
    pub fn find(&self, operation: Operation, path: &str) -> Option<&'static Description> {
        if schema::method(path).is_some() {
            return None;
        }
        self.operations.iter().find(|it| it.operation == operation && path.ends_with(it.ends))
    }
}

/// The credentials that a dialect takes.
#[derive(Debug, Clone, Copy)]
pub enum Credentials {
    /// Those of the native headers: the key, and the organization where it is an organization's.
    Named(&'static Names),
    /// Alternatives, each of them a set.
    AnyOf(&'static [&'static [Credential]]),
}

/// A credential of a request.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Credential {
    /// Its name in the document.
    pub name: &'static str,
    /// The header that carries it; none is `Authorization: Bearer`.
    pub header: Option<&'static str>,
    /// What it is.
    pub about: &'static str,
}

/// A parameter of the query.
#[derive(Debug, Clone, Copy)]
pub struct Parameter {
    /// Its name.
    pub name: &'static str,
    /// What it is for.
    pub about: &'static str,
    /// Its values.
    pub schema: SchemaOf,
}

/// The body of a success.
#[derive(Debug, Clone, Copy)]
pub enum Success {
    /// No body.
    Empty,
    /// JSON.
    Json(SchemaOf),
}

/// The description of an operation's route.
#[derive(Debug, Clone, Copy)]
pub struct Description {
    /// The operation.
    pub operation: Operation,
    /// The end of the route's path, where routes of one operation differ in more than an alias.
    pub ends: &'static str,
    /// Behind the operation's name in `operationId`, where the operation has several routes.
    pub variant: &'static str,
    /// One line.
    pub summary: &'static str,
    /// The parameter of the path; any text where nothing is said.
    pub path: Option<SchemaOf>,
    /// The parameters of the query.
    pub query: &'static [Parameter],
    /// The request's body.
    pub takes: Option<SchemaOf>,
    /// The body of a success.
    pub returns: Success,
    /// The statuses of a success.
    pub statuses: &'static [u16],
    /// Statuses of failures that the table of operations does not imply.
    pub fails: &'static [u16],
    /// Whether the value has a version: `ETag`, and 304 on a read.
    pub has_version: bool,
}

/// An operation's description, to be completed by the functions below.
#[must_use]
pub const fn describe(operation: Operation, summary: &'static str) -> Description {
    Description {
        operation,
        ends: "",
        variant: "",
        summary,
        path: None,
        query: &[],
        takes: None,
        returns: Success::Empty,
        statuses: &[200],
        fails: &[],
        has_version: false,
    }
}

impl Description {
    /// Only of the routes whose path ends so; `variant` makes the `operationId` unique.
    #[must_use]
    pub const fn at(self, ends: &'static str, variant: &'static str) -> Self {
        Self { ends, variant, ..self }
    }

    /// The type of the path's parameter.
    #[must_use]
    pub const fn of<T: JsonSchema>(self) -> Self {
        Self { path: Some(of::<T>()), ..self }
    }

    /// Parameters of the query.
    #[must_use]
    pub const fn query(self, query: &'static [Parameter]) -> Self {
        Self { query, ..self }
    }

    /// The type of the request's body.
    #[must_use]
    pub const fn takes<T: JsonSchema>(self) -> Self {
        Self { takes: Some(of::<T>()), ..self }
    }

    /// The type of a success's body.
    #[must_use]
    pub const fn returns<T: JsonSchema>(self) -> Self {
        self.shows(of::<T>())
    }

    /// The schema of a success's body.
    #[must_use]
    pub const fn shows(self, schema: SchemaOf) -> Self {
        Self { returns: Success::Json(schema), ..self }
    }

    /// The statuses of a success, 200 alone if nothing else is said.
    #[must_use]
    pub const fn answers(self, statuses: &'static [u16]) -> Self {
        Self { statuses, ..self }
    }

    /// Further statuses of failures.
    #[must_use]
    pub const fn fails(self, fails: &'static [u16]) -> Self {
        Self { fails, ..self }
    }

    /// The value has a version.
    #[must_use]
    pub const fn versioned(self) -> Self {
        Self { has_version: true, ..self }
    }
}
