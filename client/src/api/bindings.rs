//! Dialects that know one credential of an organization: `/v1/bindings`.

use bytes::Bytes;
use concordat_proto::{
    api::credential::{Binding as Document, BindingSet},
    id::ClientId,
    registration::Binding,
};
use http::Method;

use crate::{
    api::{
        read,
        write::{Write, Written, json_body, sealed},
    },
    call::core::Core,
    error::ClientError,
    model::{identity::Identity, read::Read},
};

const PATH: &str = "/v1/bindings";

/// The bindings of an organization.
#[derive(Debug, Clone, Copy)]
pub struct Bindings<'a> {
    pub(crate) core: &'a Core,
}

impl<'a> Bindings<'a> {
    /// Reads the credential that a dialect is bound to.
    ///
    /// # Errors
    /// When there is no answer, or it is a refusal (404: it is bound to none).
    pub async fn get(self, binding: &Binding) -> Result<Read<Document>, ClientError> {
        read::one(self.core, Identity::Org, format!("{PATH}/{binding}")).await
    }

    /// Binds a dialect to a credential, in place of an earlier one.
    pub fn set(self, binding: &Binding, client_id: ClientId) -> Write<'a, SetBinding> {
        let path = format!("{PATH}/{binding}");
        Write::new(self.core, SetBinding { path, body: BindingSet { client_id } })
    }
}

/// A dialect is bound to a credential.
#[derive(Debug)]
pub struct SetBinding {
    path: String,
    body: BindingSet,
}

impl sealed::Action for SetBinding {
    type Done = Written;
    const OPERATOR: bool = false;
    fn target(&self) -> (Method, String) {
        (Method::PUT, self.path.clone())
    }
    fn body(&self) -> Result<Bytes, ClientError> {
        json_body(&self.body)
    }
    fn done(&self, written: Written, _body: &[u8]) -> Option<Written> {
        Some(written)
    }
}
