//! The schema, and the default set. Both are texts of this build: they are parsed once, and a test
//! compares them with the operations.

use std::{collections::BTreeMap, iter, sync::LazyLock};

use cedar_policy::{Entity, EntityTypeName, Schema};

use crate::api::operation::Operation;

/// The schema, as text.
pub(crate) const SCHEMA: &str = include_str!("schema.cedarschema");
/// The default set, as text.
pub(crate) const DEFAULT: &str = include_str!("default.cedar");

/// The schema.
pub(super) static PARSED: LazyLock<Schema> = LazyLock::new(|| {
    Schema::from_cedarschema_str(SCHEMA).expect("the schema is a part of this build, and tested").0
});

/// Each action with its groups, by its name: a part of the entities of a question.
pub(super) static ACTIONS: LazyLock<BTreeMap<String, Vec<Entity>>> = LazyLock::new(|| {
    let all = PARSED.action_entities().expect("the schema's own actions");
    let with_groups = |action: &Entity| {
        let groups = all.ancestors(&action.uid()).into_iter().flatten();
        let groups = groups.filter_map(|group| all.get(group)).cloned();
        (
            action.uid().id().unescaped().to_owned(),
            iter::once(action.clone()).chain(groups).collect(),
        )
    };
    all.iter().map(with_groups).collect()
});

/// Whether an operator may ask for an operation in an organization's place, in a dialect that lets the
/// organization be named beside the key, where a policy permits it. None of these answers with a secret.
pub(crate) const fn is_open_to_operators(operation: Operation) -> bool {
    matches!(
        operation,
        Operation::EntryList
            | Operation::EntryGet
            | Operation::EntryCreate
            | Operation::EntryChange
            | Operation::EntryDelete
    )
}

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
