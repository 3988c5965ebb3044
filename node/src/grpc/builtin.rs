//! The calls that the node itself answers, by their paths. They need no key: they say what is public.

/// A call of the node's own.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Builtin {
    /// Whether the node, or a service of it, is ready.
    HealthCheck,
    /// The same, and each change of it.
    HealthWatch,
    /// The descriptions of the services.
    Reflection,
}

/// The paths. The second version of reflection differs in its name alone.
pub(crate) const PATHS: [(&str, Builtin); 4] = [
    ("/grpc.health.v1.Health/Check", Builtin::HealthCheck),
    ("/grpc.health.v1.Health/Watch", Builtin::HealthWatch),
    ("/grpc.reflection.v1.ServerReflection/ServerReflectionInfo", Builtin::Reflection),
    ("/grpc.reflection.v1alpha.ServerReflection/ServerReflectionInfo", Builtin::Reflection),
];

#[cfg(test)]
mod tests {
    use super::*;
    use crate::grpc::schema;

    #[test]
    fn every_path_is_described() {
        for (path, _) in PATHS {
            assert!(schema::method(path).is_some(), "{path}");
        }
    }
}
