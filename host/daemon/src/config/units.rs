//! Sizes and times with their units, as people write them.

use std::str::FromStr;
use std::time::Duration;

use millstream_runtime::Bandwidth;
use serde::Deserialize;

/// A number of bytes, written such as `64 MiB`, `10 MB` or `512`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Size(pub(crate) u64);

impl Size {
    pub(crate) const fn mebibytes(count: u64) -> Self {
        Self(count << 20)
    }
}

impl FromStr for Size {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        text.parse::<bytesize::ByteSize>()
            .map(|size| Self(size.as_u64()))
            .map_err(|_| {
                format!("\"{text}\" is not a size; write a number and a unit, such as \"64 MiB\"")
            })
    }
}

impl<'de> Deserialize<'de> for Size {
    fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        String::deserialize(deserializer)?
            .parse()
            .map_err(serde::de::Error::custom)
    }
}

/// A length of time, written such as `90s`, `5m`, `7days` or `1h 30m`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Span(pub(crate) Duration);

impl Span {
    pub(crate) const fn millis(millis: u64) -> Self {
        Self(Duration::from_millis(millis))
    }

    pub(crate) const fn seconds(seconds: u64) -> Self {
        Self(Duration::from_secs(seconds))
    }

    pub(crate) fn as_millis(self) -> u64 {
        u64::try_from(self.0.as_millis()).unwrap_or(u64::MAX)
    }
}

impl<'de> Deserialize<'de> for Span {
    fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = String::deserialize(deserializer)?;
        humantime::parse_duration(&text).map(Self).map_err(|_| {
            serde::de::Error::custom(format!(
                "\"{text}\" is not a length of time; write a number and a unit, such as \"90s\", \
                 \"5m\" or \"7days\""
            ))
        })
    }
}

/// A rate of transfer, written such as `512 kbit/s` or `1.5 Mbit/s`, in kilobits of 1000 bits.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Rate(pub(crate) Bandwidth);

impl FromStr for Rate {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let units = [("kbit/s", 1.0), ("Mbit/s", 1e3), ("Gbit/s", 1e6)];
        units
            .iter()
            .find_map(|(unit, kilobits)| Some((text.trim().strip_suffix(unit)?, kilobits)))
            .and_then(|(number, kilobits)| Some(number.trim().parse::<f64>().ok()? * kilobits))
            .filter(|kilobits| (1.0..=f64::from(u32::MAX)).contains(kilobits))
            // The check above keeps the value inside the bounds of the type.
            .and_then(|kilobits| format!("{kilobits:.0}").parse().ok())
            .map(|kilobits| Self(Bandwidth::from_kilobits(kilobits)))
            .ok_or_else(|| {
                format!(
                    "\"{text}\" is not a bandwidth; write a number and a unit, such as \"512 \
                     kbit/s\" or \"2 Mbit/s\""
                )
            })
    }
}

impl<'de> Deserialize<'de> for Rate {
    fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        String::deserialize(deserializer)?
            .parse()
            .map_err(serde::de::Error::custom)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sizes_need_a_unit_that_exists() {
        assert_eq!("64 MiB".parse(), Ok(Size(64 << 20)));
        assert_eq!("10MB".parse(), Ok(Size(10_000_000)));
        assert_eq!("512".parse(), Ok(Size(512)));
        assert!("10 miles".parse::<Size>().unwrap_err().contains("64 MiB"));
    }

    #[test]
    fn a_bandwidth_is_read_in_kilobits() {
        let kilobits = |text: &str| text.parse().map(|rate: Rate| rate.0.kilobits().get());
        assert_eq!(kilobits("512 kbit/s"), Ok(512));
        assert_eq!(kilobits("1.5Mbit/s"), Ok(1500));
        for wrong in ["512", "0 kbit/s", "-1 Mbit/s", "9999999 Gbit/s", "fast"] {
            assert!(
                kilobits(wrong).unwrap_err().contains("512 kbit/s"),
                "{wrong}"
            );
        }
    }
}
