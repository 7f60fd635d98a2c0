//! Enumerations that travel as small numbers.

/// An enumeration whose values travel as CBOR unsigned integers.
pub(crate) trait Coded: Copy + 'static {
    /// Every value, by rising code.
    const VALUES: &'static [Self];

    /// The number on the wire.
    fn number(self) -> u8;

    /// The name in the specification.
    fn label(self) -> &'static str;
}

/// Defines an enumeration with the numbers that stand for its values on the wire.
macro_rules! codes {
    (
        $(#[$about:meta])*
        pub enum $name:ident {
            $($(#[$about_value:meta])* $value:ident = $code:literal,)+
        }
    ) => {
        $(#[$about])*
        #[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
        #[repr(u8)]
        pub enum $name {
            $($(#[$about_value])* $value = $code,)+
        }

        impl $name {
            /// The number that stands for the value on the wire.
            #[must_use]
            pub const fn code(self) -> u8 {
                self as u8
            }

            /// The value for which a number stands, if there is one.
            #[must_use]
            pub const fn from_code(code: u8) -> Option<Self> {
                match code {
                    $($code => Some(Self::$value),)+
                    _ => None,
                }
            }

            /// The name of the value.
            #[must_use]
            pub const fn name(self) -> &'static str {
                match self {
                    $(Self::$value => stringify!($value),)+
                }
            }
        }

        impl std::fmt::Display for $name {
            fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
                f.pad(self.name())
            }
        }

        impl $crate::codes::Coded for $name {
            const VALUES: &'static [Self] = &[$(Self::$value),+];

            fn number(self) -> u8 {
                self.code()
            }

            fn label(self) -> &'static str {
                self.name()
            }
        }
    };
}

pub(crate) use codes;
