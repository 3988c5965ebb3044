//! The services, and the parts of each that are dialects of their own. Nothing else is here, so that every
//! file may know them.

/// A service of the API.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Service {
    /// `/admin/v1`: of the whole instance, which is the key's organization.
    Admin,
    /// `/management/v1`: of one organization.
    Management,
}

/// The calls of a service that have the same messages and errors. A response is rendered by its
/// operation alone, so that calls which differ in more are parts of their own.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Part {
    /// The older configurations.
    Legacy,
    /// The call that sets one of them aside.
    Deactivate,
    /// The call that takes it back into use.
    Reactivate,
    /// Providers of all kinds, and the changes of the generic ones.
    Generic,
}
