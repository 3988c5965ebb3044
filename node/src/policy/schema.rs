//! The schema, and the default set. Both are texts of this build: they are parsed once, and a test
//! compares them with the operations.

use std::sync::LazyLock;

use cedar_policy::{Entities, EntityTypeName, Schema};

/// The schema, as text.
pub(crate) const SCHEMA: &str = include_str!("schema.cedarschema");
/// The default set, as text.
pub(crate) const DEFAULT: &str = include_str!("default.cedar");

/// The schema.
pub(super) static PARSED: LazyLock<Schema> = LazyLock::new(|| {
    Schema::from_cedarschema_str(SCHEMA).expect("the schema is a part of this build, and tested").0
});

/// The actions with their groups: the entities of every question.
pub(super) static ACTIONS: LazyLock<Entities> =
    LazyLock::new(|| PARSED.action_entities().expect("the schema's own actions"));

/// The types of entities.
pub(super) struct Types {
    pub(super) action: EntityTypeName,
    pub(super) cluster: EntityTypeName,
    pub(super) organization: EntityTypeName,
    pub(super) key: EntityTypeName,
    pub(super) operator: EntityTypeName,
    pub(super) credential: EntityTypeName,
}

/// The types of entities.
pub(super) static TYPES: LazyLock<Types> = LazyLock::new(|| {
    let of = |name: &str| name.parse().expect("a type of the schema");
    Types {
        action: of("Action"),
        cluster: of("Cluster"),
        organization: of("Organization"),
        key: of("Key"),
        operator: of("Operator"),
        credential: of("Credential"),
    }
});
