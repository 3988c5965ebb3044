//! Whether the document describes exactly what serves, and the file in `docs` is the document.

use std::{collections::BTreeSet, fs, path::Path};

use serde_json::Value;

use super::document::document;
use crate::{
    dialect::{REGISTRY, describe::Description, traits::Route},
    grpc::schema,
    http::route::{PAGES, Page},
};

/// The operations of a document: method and path.
fn described(document: &Value) -> BTreeSet<(String, String)> {
    let paths = document["paths"].as_object().expect("paths");
    let of = |(path, item): (&String, &Value)| -> Vec<(String, String)> {
        let methods = item.as_object().expect("a path").keys();
        methods.map(|method| (method.to_uppercase(), path.clone())).collect()
    };
    paths.iter().flat_map(of).collect()
}

fn each(value: &Value, visit: &mut dyn FnMut(&str, &Value)) {
    match value {
        Value::Object(members) => members.iter().for_each(|(name, member)| {
            visit(name, member);
            each(member, visit);
        }),
        Value::Array(items) => items.iter().for_each(|item| each(item, visit)),
        Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) => {}
    }
}

/// The routes that are no operations of OpenAPI: calls of gRPC, which their services' own descriptions describe, and
/// what is known and never done.
fn is_undescribed(path: &str) -> bool {
    schema::method(path).is_some() || path.ends_with("/_migrate")
}

#[test]
fn the_described_operations_are_those_that_are_served() {
    for with_demo in [false, true] {
        let mut served = BTreeSet::new();
        for dialect in REGISTRY {
            for route in dialect.routes() {
                let is_here = with_demo || !route.operation.spec().is_demo;
                if is_here && !is_undescribed(route.path) {
                    served.insert((route.method.to_string(), route.path.to_owned()));
                }
            }
        }
        let health = REGISTRY.into_iter().filter_map(|dialect| dialect.health());
        for (method, path) in health.flat_map(|health| health.paths) {
            if !is_undescribed(path) {
                served.insert((method.to_string(), (*path).to_owned()));
            }
        }
        let pages = PAGES.iter().filter(|(_, page)| *page != Page::DocsFile);
        served.extend(pages.map(|(path, _)| ("GET".to_owned(), (*path).to_owned())));
        assert_eq!(described(&document(with_demo)), served);
    }
}

#[test]
fn every_description_is_of_a_route() {
    let name = |description: &Description| (description.summary, description.variant);
    let mut used = BTreeSet::new();
    for dialect in REGISTRY {
        let described = dialect.described();
        let find = |route: &Route| described.find(route.operation, route.path);
        used.extend(dialect.routes().iter().filter_map(find).map(name));
    }
    for description in REGISTRY.iter().flat_map(|dialect| dialect.described().operations) {
        assert!(used.contains(&name(description)), "{}", description.summary);
    }
}

#[test]
fn operation_ids_are_unique_and_references_lead_somewhere() {
    let document = document(true);
    let mut ids = BTreeSet::new();
    let mut references = BTreeSet::new();
    each(&document, &mut |name, member| match (name, member.as_str()) {
        ("operationId", Some(id)) => assert!(ids.insert(id.to_owned()), "two are {id}"),
        ("$ref", Some(target)) => drop(references.insert(target.to_owned())),
        _ => {}
    });
    for target in &references {
        let path = target.strip_prefix('#').expect("a reference into the document");
        assert!(document.pointer(path).is_some(), "{target} leads nowhere");
    }
    assert!(references.len() > 50 && ids.len() > 50, "{} {}", references.len(), ids.len());
}

#[test]
fn a_body_is_described_where_the_table_has_one() {
    for dialect in REGISTRY {
        let described = dialect.described();
        for route in dialect.routes() {
            let found = described.find(route.operation, route.path);
            let Some(description) = found else { continue };
            if description.takes.is_some() {
                assert!(route.operation.spec().has_body, "{} {}", route.method, route.path);
            }
        }
    }
}

/// What every dialect has is generated once, so that no dialect can forget it.
#[test]
fn every_operation_has_what_the_table_implies() {
    let document = document(true);
    for dialect in REGISTRY {
        for route in dialect.routes().iter().filter(|route| !is_undescribed(route.path)) {
            let method = route.method.as_str().to_lowercase();
            let operation = &document["paths"][route.path][method];
            let responses = &operation["responses"];
            let mut statuses = vec!["400", "401", "403", "503"];
            if route.operation.is_write() {
                statuses.extend(["408", "409", "412", "413", "415", "422", "429"]);
            }
            for status in statuses {
                assert!(responses[status].is_object(), "{status} of {}", route.path);
            }
            let has_security = operation["security"].as_array().is_some_and(|any| !any.is_empty());
            assert!(has_security, "{}", route.path);
        }
    }
}

#[test]
fn the_file_in_docs_is_the_document() {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../docs/openapi.json");
    let mut text = serde_json::to_string_pretty(&document(true)).expect("plain data is JSON");
    text.push('\n');
    if std::env::var_os("UPDATE_EXPECT").is_some() {
        fs::write(&path, &text).expect("the file is written");
    }
    let stored = fs::read_to_string(&path).unwrap_or_default();
    assert!(stored == text, "docs/openapi.json is stale: run `make openapi` and commit the file");
}
