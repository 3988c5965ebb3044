//! Which method and path is which operation, and who may ask: a table, not code.
//!
//! Matched on the path as it was sent, before any decoding, so that an id holding `%2F` is one
//! segment.

use http::Method;

use crate::{auth::Access, dialect::Operation};

/// What a route leads to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Target {
    /// An operation of the native API.
    Operation(Operation, Access),
    /// Whether the process answers.
    Live,
    /// Whether the node is a full member.
    Ready,
    /// Prometheus.
    Metrics,
    /// The state's digests, by which operators compare replicas.
    Digest,
}

struct Route {
    method: Method,
    path: &'static str,
    target: Target,
    demo_only: bool,
}

const fn route(method: Method, path: &'static str, operation: Operation, access: Access) -> Route {
    let target = Target::Operation(operation, access);
    let demo_only = matches!(operation, Operation::DemoCut | Operation::DemoHeal);
    Route { method, path, target, demo_only }
}

const fn plain(path: &'static str, target: Target) -> Route {
    Route { method: Method::GET, path, target, demo_only: false }
}

const OIDC: &str = "/organizations/sso/oidc/provider-credentials";
const OIDC_ONE: &str = "/organizations/sso/oidc/provider-credentials/{oauth_client_id}";
const SECRET: &str = "/organizations/sso/oidc/provider-credentials/{oauth_client_id}/client-secret";
const ORGS: &str = "/v1/organizations";
const NODE: &str = "/v1/cluster/nodes/{node_id}";
const REGIONS: &str = "/v1/cluster/regions";
const REGION: &str = "/v1/cluster/regions/{region}";
const FAILOVER: &str = "/v1/cluster/regions/{region}/failover";
const DIVERGENCE: &str = "/v1/cluster/regions/{region}/divergence";
const ORG: &str = "/v1/organizations/{organization_id}";
const ORG_MOVE: &str = "/v1/organizations/{organization_id}/move";

const ROUTES: &[Route] = &[
    route(Method::GET, OIDC, Operation::OidcList, Access::Org),
    route(Method::POST, OIDC, Operation::OidcCreate, Access::Org),
    route(Method::GET, OIDC_ONE, Operation::OidcGet, Access::Org),
    route(Method::PATCH, OIDC_ONE, Operation::OidcPatch, Access::Org),
    route(Method::DELETE, OIDC_ONE, Operation::OidcDelete, Access::Org),
    route(Method::GET, SECRET, Operation::SecretGet, Access::Org),
    route(Method::GET, "/v1/writes/{write_id}", Operation::ReceiptGet, Access::Either),
    route(Method::POST, ORGS, Operation::OrgCreate, Access::Operator),
    route(Method::GET, ORGS, Operation::OrgList, Access::Operator),
    route(Method::GET, ORG, Operation::OrgGet, Access::Operator),
    route(Method::PATCH, ORG, Operation::OrgPatch, Access::Operator),
    route(Method::POST, ORG_MOVE, Operation::OrgMove, Access::Operator),
    route(Method::GET, "/v1/cluster", Operation::ClusterGet, Access::Operator),
    route(Method::PATCH, "/v1/cluster", Operation::ClusterPatch, Access::Operator),
    route(Method::GET, "/v1/cluster/nodes", Operation::NodeList, Access::Operator),
    route(Method::PATCH, NODE, Operation::NodePatch, Access::Operator),
    route(Method::DELETE, NODE, Operation::NodeDelete, Access::Operator),
    route(Method::GET, REGIONS, Operation::RegionList, Access::Operator),
    route(Method::POST, REGIONS, Operation::RegionAdd, Access::Operator),
    route(Method::PATCH, REGION, Operation::RegionPatch, Access::Operator),
    route(Method::DELETE, REGION, Operation::RegionDelete, Access::Operator),
    route(Method::POST, FAILOVER, Operation::RegionFailover, Access::Operator),
    route(Method::GET, DIVERGENCE, Operation::DivergenceGet, Access::Operator),
    plain("/v1/cluster/digest", Target::Digest),
    route(Method::POST, "/v1/demo/cut", Operation::DemoCut, Access::Operator),
    route(Method::POST, "/v1/demo/heal", Operation::DemoHeal, Access::Operator),
    plain("/livez", Target::Live),
    plain("/readyz", Target::Ready),
    plain("/metrics", Target::Metrics),
];

/// What was found for a method and a path.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Found<'a> {
    /// A target, and the path parameter as it was sent.
    Target(Target, &'a str),
    /// The path is known, the method is not; these are.
    OtherMethods(Vec<&'static str>),
    /// Neither.
    Nothing,
}

/// The table, made searchable.
#[derive(Clone)]
pub(crate) struct Routes {
    by_path: matchit::Router<Vec<(Method, Target)>>,
}

impl std::fmt::Debug for Routes {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Routes")
    }
}

impl Routes {
    /// All routes, those of the demo only if this is one.
    pub(crate) fn new(is_demo: bool) -> Self {
        let mut by_path = matchit::Router::new();
        let there = || ROUTES.iter().filter(|route| is_demo || !route.demo_only);
        let mut paths: Vec<&str> = there().map(|route| route.path).collect();
        paths.dedup();
        for path in paths {
            let same_path = there().filter(|route| route.path == path);
            let methods = same_path.map(|route| (route.method.clone(), route.target)).collect();
            by_path.insert(path, methods).expect("the table's rows of one path stand together");
        }
        Self { by_path }
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
                Found::OtherMethods(known.copied().collect())
            }
        }
    }
}

/// The names under which a method of the table is known.
fn names(method: &Method) -> &'static [&'static str] {
    const NAMES: [&[&str]; 4] = [&["GET", "HEAD"], &["POST"], &["PATCH"], &["DELETE"]];
    let mut all = NAMES.into_iter();
    all.find(|names| names[0] == method.as_str()).expect("the table uses no other")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn operation<'a>(routes: &Routes, method: Method, path: &'a str) -> (Operation, &'a str) {
        let found = routes.find(&method, path);
        let Found::Target(Target::Operation(operation, _), parameter) = found else {
            panic!("{method} {path}: {found:?}")
        };
        (operation, parameter)
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
        assert_eq!(routes.find(&Method::GET, path), Found::Nothing);
        let path = "/organizations/sso/oidc/provider-credentials/";
        assert_eq!(routes.find(&Method::GET, path), Found::Nothing);
    }

    #[test]
    fn other_methods_are_named() {
        let routes = Routes::new(false);
        assert_eq!(
            routes.find(&Method::PUT, OIDC),
            Found::OtherMethods(vec!["GET", "HEAD", "POST"])
        );
        let path = "/organizations/sso/oidc/provider-credentials/x";
        assert_eq!(
            routes.find(&Method::POST, path),
            Found::OtherMethods(vec!["GET", "HEAD", "PATCH", "DELETE"])
        );
        // Where GET is not, HEAD is not.
        let path = "/v1/demo/cut";
        let found = Routes::new(true).find(&Method::HEAD, path);
        assert_eq!(found, Found::OtherMethods(vec!["POST"]));
    }

    #[test]
    fn head_leads_where_get_does() {
        let routes = Routes::new(true);
        for route in ROUTES.iter().filter(|route| route.method == Method::GET) {
            let path = route.path.replace(['{', '}'], "");
            assert_eq!(routes.find(&Method::HEAD, &path), routes.find(&Method::GET, &path));
        }
    }

    #[test]
    fn demo_routes_are_only_in_the_demo() {
        assert_eq!(Routes::new(false).find(&Method::POST, "/v1/demo/cut"), Found::Nothing);
        let demo = Routes::new(true);
        assert_eq!(operation(&demo, Method::POST, "/v1/demo/cut"), (Operation::DemoCut, ""));
        assert_eq!(operation(&demo, Method::POST, "/v1/demo/heal"), (Operation::DemoHeal, ""));
    }

    #[test]
    fn every_row_is_found() {
        let routes = Routes::new(true);
        for route in ROUTES {
            let path = route.path.replace(['{', '}'], "");
            assert!(
                matches!(routes.find(&route.method, &path), Found::Target(t, _) if t == route.target),
                "{} {path}",
                route.method
            );
        }
    }
}
