//! The route table: method and path to operation and dialect. Nothing here reads a request's body.
//!
//! The table consists of the dialects' own routes, the pages, and the calls that the node itself answers.
//! It is matched on the raw path, before any decoding, so that an id with `%2F` is one segment.

use http::Method;

use crate::{
    dialect::{
        REGISTRY,
        traits::{Dialect, Health, Route},
    },
    grpc::builtin::{self, Builtin},
};

/// The target of a route.
#[derive(Clone, Copy)]
pub(crate) enum Target {
    /// An operation, by a route of a dialect.
    Operation(&'static dyn Dialect, &'static Route),
    /// Where a dialect says that the process answers, which needs no key.
    Health(&'static dyn Dialect, &'static Health),
    /// A page, which needs no key either.
    Page(Page),
    /// A call that the node itself answers, which needs none either.
    Builtin(Builtin),
}

/// The pages of the process itself.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Page {
    /// Whether the process answers.
    Live,
    /// Whether the node is a full member.
    Ready,
    /// Prometheus.
    Metrics,
    /// The document of OpenAPI.
    OpenApi,
    /// The page that shows it.
    Docs,
    /// A file of that page.
    DocsFile,
}

/// The paths of the pages.
pub(crate) const PAGES: [(&str, Page); 6] = [
    ("/livez", Page::Live),
    ("/readyz", Page::Ready),
    ("/metrics", Page::Metrics),
    ("/openapi.json", Page::OpenApi),
    ("/docs", Page::Docs),
    ("/docs/{file}", Page::DocsFile),
];

impl std::fmt::Debug for Target {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Operation(_, route) => route.operation.fmt(f),
            Self::Health(_, health) => health.fmt(f),
            Self::Page(page) => page.fmt(f),
            Self::Builtin(call) => call.fmt(f),
        }
    }
}

/// The result for a method and a path.
#[derive(Debug)]
pub(crate) enum Found<'a> {
    /// A target, and the path parameter as it was sent.
    Target(Target, &'a str),
    /// The path is known, the method is not; these are.
    OtherMethods(Target, Vec<&'static str>),
    /// Neither.
    Nothing,
}

/// The table, made searchable.
#[derive(Clone)]
pub(crate) struct Routes {
    with_demo: bool,
    by_path: matchit::Router<Vec<(Method, Target)>>,
}

impl std::fmt::Debug for Routes {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Routes")
    }
}

/// All routes of all dialects, the pages, and the node's own calls.
fn all() -> impl Iterator<Item = (&'static str, Method, Target)> {
    let of = |dialect: &'static dyn Dialect| {
        dialect
            .routes()
            .iter()
            .map(move |route| (route.path, route.method.clone(), Target::Operation(dialect, route)))
    };
    let health = |dialect: &'static dyn Dialect| {
        dialect.health().into_iter().flat_map(move |health| {
            let target = Target::Health(dialect, health);
            health.paths.iter().map(move |(method, path)| (*path, method.clone(), target))
        })
    };
    let health = REGISTRY.into_iter().flat_map(health);
    let pages = PAGES.iter().map(|(path, page)| (*path, Method::GET, Target::Page(*page)));
    let calls = builtin::PATHS.iter();
    let calls = calls.map(|(path, call)| (*path, Method::POST, Target::Builtin(*call)));
    REGISTRY.into_iter().flat_map(of).chain(health).chain(pages).chain(calls)
}

fn is_demo(target: &Target) -> bool {
    matches!(target, Target::Operation(_, route) if route.operation.spec().is_demo)
}

impl Routes {
    /// All routes, those of the demo only if this is one.
    pub(crate) fn new(with_demo: bool) -> Self {
        let mut paths: Vec<(&str, Vec<(Method, Target)>)> = Vec::new();
        for (path, method, target) in all().filter(|(.., target)| with_demo || !is_demo(target)) {
            match paths.iter_mut().find(|(known, _)| *known == path) {
                Some((_, methods)) => methods.push((method, target)),
                None => paths.push((path, vec![(method, target)])),
            }
        }
        let mut by_path = matchit::Router::new();
        for (path, methods) in paths {
            by_path.insert(path, methods).expect("no two dialects have the same path");
        }
        Self { with_demo, by_path }
    }

    /// Whether those of the demo are among them.
    pub(crate) const fn with_demo(&self) -> bool {
        self.with_demo
    }

    /// Looks a request up. `HEAD` is known wherever `GET` is, and leads where it does.
    pub(crate) fn find<'a>(&self, method: &Method, path: &'a str) -> Found<'a> {
        let Ok(matched) = self.by_path.at(path) else { return Found::Nothing };
        let method = if method == Method::HEAD { &Method::GET } else { method };
        match matched.value.iter().find(|(known, _)| known == method) {
            Some((_, target)) => {
                let parameter = matched.params.iter().next().map_or("", |(_, value)| value);
                Found::Target(*target, parameter)
            }
            None => {
                let known = matched.value.iter().flat_map(|(known, _)| names(known));
                Found::OtherMethods(matched.value[0].1, known.copied().collect())
            }
        }
    }
}

/// The names under which a method of the table is known.
fn names(method: &Method) -> &'static [&'static str] {
    const NAMES: [&[&str]; 5] = [&["GET", "HEAD"], &["POST"], &["PUT"], &["PATCH"], &["DELETE"]];
    let mut all = NAMES.into_iter();
    all.find(|names| names[0] == method.as_str()).expect("the table uses no other")
}

impl Target {
    /// The dialect in which to answer.
    pub(crate) fn dialect(&self) -> &'static dyn Dialect {
        match self {
            Self::Operation(dialect, _) | Self::Health(dialect, _) => *dialect,
            Self::Page(_) | Self::Builtin(_) => REGISTRY[0],
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::api::operation::Operation;

    fn leads_to(target: &Target) -> Option<Operation> {
        match target {
            Target::Operation(_, route) => Some(route.operation),
            Target::Health(..) | Target::Page(_) | Target::Builtin(_) => None,
        }
    }

    fn operation<'a>(routes: &Routes, method: Method, path: &'a str) -> (Operation, &'a str) {
        let found = routes.find(&method, path);
        let Found::Target(Target::Operation(_, route), parameter) = found else {
            panic!("{method} {path}: {found:?}")
        };
        (route.operation, parameter)
    }

    fn others(routes: &Routes, method: Method, path: &str) -> Vec<&'static str> {
        let found = routes.find(&method, path);
        let Found::OtherMethods(_, methods) = found else { panic!("{method} {path}: {found:?}") };
        methods
    }

    #[test]
    fn parameters_stay_encoded_and_a_slash_in_one_is_no_path() {
        let routes = Routes::new(false);
        let path = "/organizations/sso/oidc/provider-credentials/a%2Fb%20c.apps";
        assert_eq!(
            operation(&routes, Method::PATCH, path),
            (Operation::OidcPatch, "a%2Fb%20c.apps")
        );
        let path = "/organizations/sso/oidc/provider-credentials/a/b";
        assert!(matches!(routes.find(&Method::GET, path), Found::Nothing));
        let path = "/organizations/sso/oidc/provider-credentials/";
        assert!(matches!(routes.find(&Method::GET, path), Found::Nothing));
    }

    #[test]
    fn other_methods_are_named() {
        let routes = Routes::new(false);
        let path = "/organizations/sso/oidc/provider-credentials";
        assert_eq!(others(&routes, Method::PUT, path), ["GET", "HEAD", "POST"]);
        let path = "/organizations/sso/oidc/provider-credentials/x";
        assert_eq!(others(&routes, Method::POST, path), ["GET", "HEAD", "PATCH", "DELETE"]);
        // A path without GET has no HEAD.
        assert_eq!(others(&Routes::new(true), Method::HEAD, "/v1/demo/cut"), ["POST"]);
    }

    #[test]
    fn head_leads_where_get_does() {
        let routes = Routes::new(true);
        for (path, ..) in all().filter(|(_, method, _)| method == Method::GET) {
            let path = path.replace(['{', '}'], "");
            let (head, get) = (routes.find(&Method::HEAD, &path), routes.find(&Method::GET, &path));
            assert_eq!(format!("{head:?}"), format!("{get:?}"));
        }
    }

    #[test]
    fn demo_routes_are_only_in_the_demo() {
        let found = Routes::new(false);
        assert!(matches!(found.find(&Method::POST, "/v1/demo/cut"), Found::Nothing));
        let demo = Routes::new(true);
        assert_eq!(operation(&demo, Method::POST, "/v1/demo/cut"), (Operation::DemoCut, ""));
        assert_eq!(operation(&demo, Method::POST, "/v1/demo/heal"), (Operation::DemoHeal, ""));
    }

    #[test]
    fn every_row_is_found() {
        let routes = Routes::new(true);
        for (path, method, target) in all() {
            let path = path.replace(['{', '}'], "");
            let Found::Target(found, _) = routes.find(&method, &path) else {
                panic!("{method} {path}")
            };
            assert_eq!(leads_to(&found), leads_to(&target), "{method} {path}");
        }
    }

    #[test]
    fn every_operation_has_a_route() {
        for row in crate::api::operation::TABLE {
            let is_its = |target: &Target| leads_to(target) == Some(row.operation);
            assert!(all().any(|(.., target)| is_its(&target)), "{}", row.name);
        }
    }
}
