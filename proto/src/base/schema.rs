//! The schemas of texts, for documents that describe the HTTP APIs (feature `schema`). A schema here says
//! what the parser of the same type takes, and never more.

/// The schema of a type that is a text: JSON, beside `"type": "string"`.
macro_rules! text_schema {
    ($name:ty, { $($json:tt)* }) => {
        #[cfg(feature = "schema")]
        impl schemars::JsonSchema for $name {
            fn inline_schema() -> bool {
                true
            }
            fn schema_name() -> std::borrow::Cow<'static, str> {
                stringify!($name).into()
            }
            fn json_schema(_: &mut schemars::SchemaGenerator) -> schemars::Schema {
                schemars::json_schema!({ "type": "string", $($json)* })
            }
        }
    };
}

pub(crate) use text_schema;
