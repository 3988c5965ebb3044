//! Domain values and their frozen mirrors.
//!
//! `Mirror<F>` converts a domain type to and from the frozen type `F`; a type that has changed has
//! one for each of its versions. The macros write the mirrors of structs and enums field by field:
//! a domain type that gains a field does not compile until its bytes are defined.

use std::{fmt, time::Duration};

use serde::{Deserialize, Deserializer, Serialize, Serializer, de};

use crate::{
    base::{
        id::{ClientId, ClusterId, GroupId, KeyId, NodeId, OrgId, WriteId},
        log::{LogId, LogIndex, Term},
        region::Region,
        time::LogTime,
    },
    wire::error::WireError,
};

/// A domain type's shape as the frozen type `F`.
pub(in crate::wire) trait Mirror<F>: Sized {
    /// Its frozen form.
    fn freeze(&self) -> F;
    /// The value, checked.
    fn thaw(frozen: F) -> Result<Self, WireError>;
}

/// The frozen form of an id.
pub(in crate::wire) type V1Id = [u8; 16];

/// Bytes that are copied only once they are known to be there.
#[derive(Debug)]
pub(in crate::wire) struct Blob(Vec<u8>);

/// Text that is copied only once it is known to be there.
#[derive(Debug)]
pub(in crate::wire) struct Text(String);

impl Serialize for Blob {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_bytes(&self.0)
    }
}

impl<'de> Deserialize<'de> for Blob {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Visitor;
        impl de::Visitor<'_> for Visitor {
            type Value = Blob;
            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("bytes")
            }
            fn visit_bytes<E: de::Error>(self, bytes: &[u8]) -> Result<Blob, E> {
                Ok(Blob(bytes.to_vec()))
            }
        }
        deserializer.deserialize_bytes(Visitor)
    }
}

impl Serialize for Text {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(&self.0)
    }
}

impl<'de> Deserialize<'de> for Text {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Visitor;
        impl de::Visitor<'_> for Visitor {
            type Value = Text;
            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("text")
            }
            fn visit_str<E: de::Error>(self, text: &str) -> Result<Text, E> {
                Ok(Text(text.to_owned()))
            }
        }
        deserializer.deserialize_str(Visitor)
    }
}

/// Mirrors of types that wrap one value.
macro_rules! mirror_leaf {
    ($($domain:ty as $frozen:ty: |$value:ident| $freeze:expr, |$from:ident| $thaw:expr;)*) => {$(
        impl Mirror<$frozen> for $domain {
            fn freeze(&self) -> $frozen {
                let $value = self;
                $freeze
            }
            fn thaw($from: $frozen) -> Result<Self, WireError> {
                $thaw
            }
        }
    )*};
}

mirror_leaf! {
    bool as bool: |v| *v, |f| Ok(f);
    u8 as u8: |v| *v, |f| Ok(f);
    u32 as u32: |v| *v, |f| Ok(f);
    u64 as u64: |v| *v, |f| Ok(f);
    [u8; 32] as [u8; 32]: |v| *v, |f| Ok(f);
    Vec<u8> as Blob: |v| Blob(v.clone()), |f| Ok(f.0);
    String as Text: |v| Text(v.clone()), |f| Ok(f.0);
    OrgId as V1Id: |v| v.to_bytes(), |f| Ok(Self::from_bytes(f));
    WriteId as V1Id: |v| v.to_bytes(), |f| Ok(Self::from_bytes(f));
    KeyId as V1Id: |v| v.to_bytes(), |f| Ok(Self::from_bytes(f));
    ClusterId as V1Id: |v| v.to_bytes(), |f| Ok(Self::from_bytes(f));
    GroupId as u32: |v| v.0, |f| Ok(Self(f));
    NodeId as u64: |v| v.0, |f| Ok(Self(f));
    LogIndex as u64: |v| v.0, |f| Ok(Self(f));
    Term as u64: |v| v.0, |f| Ok(Self(f));
    LogTime as u64: |v| v.0, |f| Ok(Self(f));
    ClientId as Text: |v| Text(v.as_str().to_owned()), |f| Ok(Self::new(f.0)?);
    Region as Text: |v| Text(v.as_str().to_owned()), |f| Ok(Self::new(f.0)?);
}

impl<F, T: Mirror<F>> Mirror<Option<F>> for Option<T> {
    fn freeze(&self) -> Option<F> {
        self.as_ref().map(Mirror::freeze)
    }
    fn thaw(frozen: Option<F>) -> Result<Self, WireError> {
        frozen.map(T::thaw).transpose()
    }
}

impl<F, T: Mirror<F>> Mirror<Vec<F>> for Vec<T> {
    fn freeze(&self) -> Vec<F> {
        self.iter().map(Mirror::freeze).collect()
    }
    fn thaw(frozen: Vec<F>) -> Result<Self, WireError> {
        frozen.into_iter().map(T::thaw).collect()
    }
}

impl<F, G, T: Mirror<F>, E: Mirror<G>> Mirror<Result<F, G>> for Result<T, E> {
    fn freeze(&self) -> Result<F, G> {
        self.as_ref().map(Mirror::freeze).map_err(Mirror::freeze)
    }
    fn thaw(frozen: Result<F, G>) -> Result<Self, WireError> {
        match frozen {
            Ok(value) => T::thaw(value).map(Ok),
            Err(error) => E::thaw(error).map(Err),
        }
    }
}

impl<F, G, T: Mirror<F>, U: Mirror<G>> Mirror<(F, G)> for (T, U) {
    fn freeze(&self) -> (F, G) {
        (self.0.freeze(), self.1.freeze())
    }
    fn thaw(frozen: (F, G)) -> Result<Self, WireError> {
        Ok((T::thaw(frozen.0)?, U::thaw(frozen.1)?))
    }
}

impl<F, T: Mirror<F>> Mirror<F> for Box<T> {
    fn freeze(&self) -> F {
        (**self).freeze()
    }
    fn thaw(frozen: F) -> Result<Self, WireError> {
        T::thaw(frozen).map(Box::new)
    }
}

/// The frozen mirror of a struct, field by field; `check` is what must hold of the whole.
macro_rules! mirror_struct {
    ($($frozen:ident for $domain:ty $(, check $check:path)? {
        $($field:ident: $shape:ty),* $(,)?
    })*) => {$(
        #[derive(Debug, serde::Serialize, serde::Deserialize)]
        pub(in crate::wire) struct $frozen {
            $($field: $shape),*
        }

        impl $crate::wire::frozen::mirror::Mirror<$frozen> for $domain {
            fn freeze(&self) -> $frozen {
                let Self { $($field),* } = self;
                $frozen { $($field: $crate::wire::frozen::mirror::Mirror::freeze($field)),* }
            }
            fn thaw(frozen: $frozen) -> Result<Self, $crate::wire::error::WireError> {
                let value = Self {
                    $($field: $crate::wire::frozen::mirror::Mirror::thaw(frozen.$field)?),*
                };
                $($check(&value)?;)?
                Ok(value)
            }
        }
    )*};
}

/// The frozen mirror of an enum. Variants keep their places; new ones are appended.
macro_rules! mirror_enum {
    ($($frozen:ident for $domain:ty $(, check $check:path)? {
        $($variant:ident $({ $($field:ident: $shape:ty),* $(,)? })? $(($inner:ident: $of:ty))?),*
        $(,)?
    })*) => {$(
        #[derive(Debug, serde::Serialize, serde::Deserialize)]
        #[allow(clippy::large_enum_variant, reason = "it lives for one call, and a box costs more")]
        pub(in crate::wire) enum $frozen {
            $($variant $({ $($field: $shape),* })? $(($of))?),*
        }

        impl $crate::wire::frozen::mirror::Mirror<$frozen> for $domain {
            fn freeze(&self) -> $frozen {
                #[allow(unused_imports, reason = "an enum may have unit variants only")]
                use $crate::wire::frozen::mirror::Mirror;
                match self {
                    $(Self::$variant $({ $($field),* })? $(($inner))? => $frozen::$variant
                        $({ $($field: Mirror::freeze($field)),* })?
                        $((Mirror::freeze($inner)))?),*
                }
            }
            fn thaw(frozen: $frozen) -> Result<Self, $crate::wire::error::WireError> {
                #[allow(unused_imports, reason = "an enum may have unit variants only")]
                use $crate::wire::frozen::mirror::Mirror;
                let value = match frozen {
                    $($frozen::$variant $({ $($field),* })? $(($inner))? => Self::$variant
                        $({ $($field: Mirror::thaw($field)?),* })?
                        $((Mirror::thaw($inner)?))?),*
                };
                $($check(&value)?;)?
                Ok(value)
            }
        }
    )*};
}
pub(in crate::wire) use {mirror_enum, mirror_struct};

mirror_struct! {
    V1LogId for LogId { term: u64, index: u64 }
}

/// A span of time.
#[derive(Debug, Serialize, Deserialize)]
pub(in crate::wire) struct V1Duration {
    seconds: u64,
    nanoseconds: u32,
}

impl Mirror<V1Duration> for Duration {
    fn freeze(&self) -> V1Duration {
        V1Duration { seconds: self.as_secs(), nanoseconds: self.subsec_nanos() }
    }
    fn thaw(frozen: V1Duration) -> Result<Self, WireError> {
        crate::wire::error::ensure(frozen.nanoseconds < 1_000_000_000, "duration")?;
        Ok(Self::new(frozen.seconds, frozen.nanoseconds))
    }
}
