//! Metric families under construction.

use std::collections::BTreeMap;

use prometheus::proto::{Counter, Gauge, LabelPair, Metric as Sample, MetricFamily, MetricType};

use super::catalogue::{Kind, Metric};

/// Families by name; those without a sample are left out.
#[derive(Default)]
pub(super) struct Families {
    families: BTreeMap<&'static str, MetricFamily>,
}

impl Families {
    /// Adds one sample. The label values stand in the order of the metric's labels.
    pub(super) fn set(&mut self, metric: &'static Metric, labels: &[&str], value: f64) {
        debug_assert_eq!(metric.labels.len(), labels.len(), "{}", metric.name);
        let family = self.families.entry(metric.name).or_insert_with(|| {
            let mut family = MetricFamily::default();
            family.set_name(metric.name.to_owned());
            family.set_help(metric.help.to_owned());
            family.set_field_type(match metric.kind {
                Kind::Counter => MetricType::COUNTER,
                Kind::Gauge => MetricType::GAUGE,
            });
            family
        });
        let mut sample = Sample::default();
        let pairs = metric.labels.iter().zip(labels).map(|(name, value)| {
            let mut pair = LabelPair::default();
            pair.set_name((*name).to_owned());
            pair.set_value((*value).to_owned());
            pair
        });
        sample.set_label(pairs.collect());
        match metric.kind {
            Kind::Counter => {
                let mut counter = Counter::default();
                counter.set_value(value);
                sample.set_counter(counter);
            }
            Kind::Gauge => {
                let mut gauge = Gauge::default();
                gauge.set_value(value);
                sample.set_gauge(gauge);
            }
        }
        family.mut_metric().push(sample);
    }

    /// Adds one sample of a number of things.
    pub(super) fn count(&mut self, metric: &'static Metric, labels: &[&str], value: u64) {
        self.set(metric, labels, number(value));
    }

    /// Adds one sample of a yes or no.
    pub(super) fn flag(&mut self, metric: &'static Metric, labels: &[&str], value: bool) {
        self.set(metric, labels, f64::from(u8::from(value)));
    }

    /// Adds one sample for each value of a closed set: 1 for the one that holds.
    pub(super) fn one_of<'a>(
        &mut self,
        metric: &'static Metric,
        all: impl IntoIterator<Item = &'a str>,
        holds: Option<&str>,
    ) {
        for value in all {
            self.flag(metric, &[value], holds == Some(value));
        }
    }

    /// All families with samples, by name.
    pub(super) fn into_vec(self) -> Vec<MetricFamily> {
        self.families.into_values().collect()
    }
}

/// A count as a sample; exact up to 2^53.
#[expect(clippy::as_conversions, reason = "Prometheus knows no other number than f64")]
pub(super) fn number(value: u64) -> f64 {
    value as f64
}

/// A signed position as a sample; exact up to 2^53.
#[expect(clippy::as_conversions, reason = "Prometheus knows no other number than f64")]
pub(super) fn signed(value: i64) -> f64 {
    value as f64
}
