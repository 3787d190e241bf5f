//! Names that one release or another takes from `broker.conf`.
//!
//! Upstream: `MixAll.properties2Object` on `BrokerConfig`, `MessageStoreConfig`, `NettyServerConfig`, `NettyClientConfig` and `AuthConfig`, 4.9.4
//! to 5.5.1; `tests/lab/property_names` asks them and writes the list. A broker passes over every other name without a word.

/// A name a line, in the order of their bytes.
const NAMES: &str = include_str!("property_names.txt");

/// Whether some release takes a property of this name, which is case-sensitive.
#[must_use]
pub fn is_property(name: &str) -> bool {
    NAMES.lines().any(|known| known == name)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::broker::BrokerConf;
    use crate::format::java_properties::JavaProperties;

    #[test]
    fn a_name_that_decides_about_recovery_is_one_that_a_release_takes() {
        let mut decides = 0;
        for name in NAMES.lines() {
            let mut alone = JavaProperties::default();
            alone.set(name, "1");
            let (read, _) = BrokerConf::as_broker_takes_it(&alone);
            decides += usize::from(read.other.is_empty());
        }
        assert!(decides > 60 && decides < NAMES.lines().count(), "{decides}");
        assert!(NAMES.lines().is_sorted());
    }

    #[test]
    fn the_name_is_taken_as_it_is_written() {
        assert!(is_property("recheckReputOffsetFromCq") && is_property("namesrvAddr"));
        for other in
            ["recheckReputOffsetFromCQ", "mapedFileSizeCommitLog", "", "name\nsrvAddr", "flushDiskType "]
        {
            assert!(!is_property(other), "{other:?}");
        }
    }
}
