//! List prices by region, from one table with a date: `prices.json`.
//!
//! A price stands there with its source: `R` was read in what AWS publishes, `D`
//! is derived from one that was, `K` is what is commonly known and was not read
//! again. One that does not stand there is estimated from us-east-1's by the rule
//! of its region and marked `E`: it is no price. Nothing counts AWS's free tier.

use std::collections::BTreeMap;
use std::fmt;

use serde::Deserialize;

use crate::Outcome;

const TABLE: &str = include_str!("prices.json");
/// The region whose prices are all known.
const KNOWN: &str = "us-east-1";

/// What has a price, and of how much of it that is the price.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(crate) enum Good {
    /// A million calls of the HTTP API.
    ApiCalls,
    /// A million invocations.
    Invocations,
    /// A second of a gigabyte.
    #[serde(rename = "gb_seconds_arm64")]
    GbSecondsArm64,
    /// The same on the other processor.
    #[serde(rename = "gb_seconds_x86_64")]
    GbSecondsX86,
    /// A million write request units.
    Writes,
    /// A million read request units.
    Reads,
    /// A gigabyte in a table for a month.
    Storage,
    /// A gigabyte of a table under point-in-time recovery for a month.
    Recovery,
    /// A gigabyte of log lines that are taken in.
    Logs,
    /// A gigabyte that leaves the region.
    DataOut,
    /// A secret for a month.
    Secret,
    /// A million calls of Secrets Manager.
    SecretCalls,
    /// An encryption key for a month.
    Key,
    /// A metric of our own for a month.
    Metric,
    /// The alarms of one deployment for a month.
    Alarms,
    /// An hour of the gateway with the fixed address.
    NatHours,
    /// An hour of that address.
    AddressHours,
}

impl Good {
    /// What its price is of.
    pub(crate) fn unit(self) -> &'static str {
        match self {
            Self::ApiCalls | Self::SecretCalls => "M calls",
            Self::Invocations => "M",
            Self::GbSecondsArm64 | Self::GbSecondsX86 => "GB s",
            Self::Writes | Self::Reads => "M units",
            Self::Storage | Self::Recovery => "GB month",
            Self::Logs | Self::DataOut => "GB",
            Self::Secret | Self::Key | Self::Metric | Self::Alarms => "",
            Self::NatHours | Self::AddressHours => "hours",
        }
    }
}

/// Where a price is from.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
pub(crate) enum Source {
    /// Read in what AWS publishes.
    R,
    /// Derived from such a one.
    D,
    /// Commonly known, not read again.
    K,
    /// Estimated by a rule.
    E,
}

impl fmt::Display for Source {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Debug::fmt(self, f)
    }
}

#[derive(Deserialize)]
struct Table {
    as_of: String,
    regions: BTreeMap<String, Region>,
}

#[derive(Clone, Deserialize)]
struct Region {
    currency: String,
    estimate: Estimate,
    prices: BTreeMap<Good, (f64, Source)>,
}

#[derive(Clone, Deserialize)]
struct Estimate {
    times: f64,
    rule: String,
}

/// The prices of one region.
pub(crate) struct Prices {
    /// When the table was made.
    pub(crate) as_of: String,
    pub(crate) currency: String,
    /// How a price is estimated that is not known.
    pub(crate) rule: String,
    here: Region,
    known: Region,
}

impl Prices {
    /// Those of this region.
    pub(crate) fn of(region: &str) -> Outcome<Self> {
        let mut table: Table = serde_json::from_str(TABLE)?;
        let names: Vec<String> = table.regions.keys().cloned().collect();
        let known = table.regions.get(KNOWN).cloned();
        let here = table.regions.remove(region);
        let here = here.ok_or_else(|| format!("{region} is none of {}", names.join(", ")))?;
        Ok(Self {
            as_of: table.as_of,
            currency: here.currency.clone(),
            rule: here.estimate.rule.clone(),
            here,
            known: known.ok_or("the table has no region whose prices are known")?,
        })
    }

    /// The price of a good, and where it is from.
    pub(crate) fn price(&self, good: Good) -> Outcome<(f64, Source)> {
        if let Some(price) = self.here.prices.get(&good) {
            return Ok(*price);
        }
        let known = self.known.prices.get(&good);
        let (price, _) = known.ok_or_else(|| format!("{good:?} has no price anywhere"))?;
        Ok((price * self.here.estimate.times, Source::E))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_not_known_is_marked() {
        let check = |region: &str, good, expected: (f64, Source)| {
            let (price, source) = Prices::of(region).unwrap().price(good).unwrap();
            assert!(
                (price - expected.0).abs() < 1e-9,
                "{region} {good:?} {price}"
            );
            assert_eq!(source, expected.1, "{region} {good:?}");
        };
        check("us-east-1", Good::Writes, (0.625, Source::R));
        check("eu-central-1", Good::Writes, (0.625, Source::E));
        check("cn-north-1", Good::Writes, (11.1538, Source::R));
        check("cn-northwest-1", Good::ApiCalls, (8.0, Source::E));
        assert!(Prices::of("mars-east-1").is_err());
    }
}
