//! The descriptions of all services, which the build has compiled.
//!
//! They are part of the program: one that cannot be read is a fault of the build, and ends the process at
//! its first use.

use std::sync::LazyLock;

use prost_reflect::{DescriptorPool, MessageDescriptor, MethodDescriptor, ServiceDescriptor};

static COMPILED: &[u8] = include_bytes!(concat!(env!("OUT_DIR"), "/services.bin"));

static POOL: LazyLock<DescriptorPool> =
    LazyLock::new(|| DescriptorPool::decode(COMPILED).expect("the build has compiled it"));

/// All descriptions.
pub(crate) fn pool() -> &'static DescriptorPool {
    &POOL
}

/// A service, by its full name.
pub(crate) fn service(name: &str) -> Option<ServiceDescriptor> {
    POOL.get_service_by_name(name)
}

/// The call of a path, `/<service>/<method>`.
pub(crate) fn method(path: &str) -> Option<MethodDescriptor> {
    let (service, method) = path.strip_prefix('/')?.split_once('/')?;
    self::service(service)?.methods().find(|known| known.name() == method)
}

/// A message, by its full name.
pub(crate) fn message(name: &str) -> Option<MessageDescriptor> {
    POOL.get_message_by_name(name)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_call_is_found_by_its_path() {
        let check = method("/grpc.health.v1.Health/Check").expect("it is described");
        assert_eq!(check.input().full_name(), "grpc.health.v1.HealthCheckRequest");
        assert!(check.is_server_streaming() != (check.name() == "Check"));
        for other in [
            "/grpc.health.v1.Health/Chec",
            "/grpc.health.v1.Health",
            "grpc.health.v1.Health/Check",
            "/grpc.health.v1.Health/Check/",
            "/grpc.health.v1/Check",
            "/",
            "",
        ] {
            assert!(method(other).is_none(), "{other}");
        }
    }
}
