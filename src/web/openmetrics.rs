//! Metric families as text, in the two forms that Prometheus reads.
//!
//! | | text 0.0.4 | OpenMetrics 1.0.0 |
//! |---|---|---|
//! | counter `x_total` is announced as | `x_total` | `x` |
//! | its sample | `x_total` | `x_total` |
//! | quotes in help texts | as they are | escaped |
//! | infinity | `inf` | `+Inf` |
//! | end | nothing | `# EOF` |
//!
//! Counters and gauges only, without timestamps: the exporter makes no others. Two families must not differ by `_total` alone,
//! as OpenMetrics would see one name twice.
//!
//! Source: the OpenMetrics 1.0 specification; the older form is left to the `prometheus` crate.

use prometheus::proto::{Metric, MetricFamily, MetricType};
use prometheus::{Encoder, TextEncoder};

use super::Format;

const COUNTER_SUFFIX: &str = "_total";

/// Writes `families` in `format`; families without samples are left out.
#[must_use]
pub fn encode(format: Format, families: &[MetricFamily]) -> Vec<u8> {
    let is_known = |f: &MetricFamily| matches!(f.get_field_type(), MetricType::COUNTER | MetricType::GAUGE);
    debug_assert!(families.iter().all(is_known), "only counters and gauges are made");
    let shown = families.iter().filter(|f| is_known(f) && !f.get_metric().is_empty() && !f.name().is_empty());
    match format {
        Format::Text => {
            let shown: Vec<MetricFamily> = shown.cloned().collect();
            let mut out = Vec::new();
            TextEncoder::new().encode(&shown, &mut out).expect("named families with samples can be written");
            out
        }
        Format::OpenMetrics => {
            let mut out = String::new();
            shown.for_each(|family| write_family(&mut out, family));
            out.push_str("# EOF\n");
            out.into_bytes()
        }
    }
}

fn write_family(out: &mut String, family: &MetricFamily) {
    let is_counter = family.get_field_type() == MetricType::COUNTER;
    let (name, suffix) = match (is_counter, family.name().strip_suffix(COUNTER_SUFFIX)) {
        (true, Some(stem)) => (stem, COUNTER_SUFFIX),
        (true, None) => (family.name(), COUNTER_SUFFIX),
        (false, _) => (family.name(), ""),
    };
    let kind = if is_counter { "counter" } else { "gauge" };
    out.extend(["# TYPE ", name, " ", kind, "\n"]);
    if !family.help().is_empty() {
        out.extend(["# HELP ", name, " "]);
        write_escaped(out, family.help());
        out.push('\n');
    }
    for metric in family.get_metric() {
        out.extend([name, suffix]);
        write_labels(out, metric);
        let value =
            if is_counter { metric.get_counter().get_value() } else { metric.get_gauge().get_value() };
        out.extend([" ", &number(value), "\n"]);
    }
}

fn write_labels(out: &mut String, metric: &Metric) {
    let mut separator = "{";
    for label in metric.get_label() {
        out.extend([separator, label.name(), "=\""]);
        write_escaped(out, label.value());
        out.push('"');
        separator = ",";
    }
    if separator == "," {
        out.push('}');
    }
}

fn write_escaped(out: &mut String, text: &str) {
    for c in text.chars() {
        match c {
            '\\' => out.push_str("\\\\"),
            '"' => out.push_str("\\\""),
            '\n' => out.push_str("\\n"),
            other => out.push(other),
        }
    }
}

fn number(value: f64) -> String {
    if value.is_nan() {
        return "NaN".into();
    }
    if value.is_infinite() {
        return if value > 0.0 { "+Inf" } else { "-Inf" }.into();
    }
    // `{:?}` is the shortest text that reads back to the same number, with an exponent where digits would get many.
    let text = format!("{value:?}");
    text.strip_suffix(".0").map_or_else(|| text.clone(), str::to_owned)
}

#[cfg(test)]
mod tests {
    use super::*;
    use prometheus::proto::{Counter, Gauge, LabelPair};
    use proptest::prelude::*;

    fn labels(pairs: &[(&str, &str)]) -> Vec<LabelPair> {
        let pair = |(name, value): &(&str, &str)| {
            let mut label = LabelPair::default();
            label.set_name((*name).into());
            label.set_value((*value).into());
            label
        };
        pairs.iter().map(pair).collect()
    }

    fn family(name: &str, help: &str, kind: MetricType, samples: &[(&[(&str, &str)], f64)]) -> MetricFamily {
        let mut family = MetricFamily::default();
        family.set_name(name.into());
        family.set_help(help.into());
        family.set_field_type(kind);
        let sample = |(pairs, value): &(&[(&str, &str)], f64)| {
            let mut metric = Metric::from_label(labels(pairs));
            let (mut gauge, mut counter) = (Gauge::default(), Counter::default());
            gauge.set_value(*value);
            counter.set_value(*value);
            match kind {
                MetricType::GAUGE => metric.set_gauge(gauge),
                _ => metric.set_counter(counter),
            }
            metric
        };
        family.set_metric(samples.iter().map(sample).collect());
        family
    }

    fn text(format: Format, families: &[MetricFamily]) -> String {
        String::from_utf8(encode(format, families)).unwrap()
    }

    #[test]
    fn a_counter_is_announced_without_its_suffix() {
        let families = [
            family(
                "x_events_total",
                "Events.",
                MetricType::COUNTER,
                &[(&[("event", "a"), ("log", "b")], 3.0), (&[("event", "c"), ("log", "")], 0.0)],
            ),
            family("x_odd", "Named oddly.", MetricType::COUNTER, &[(&[], 1.5)]),
            family("x_up", "", MetricType::GAUGE, &[(&[], 1.0)]),
        ];
        let expected = r#"# TYPE x_events counter
# HELP x_events Events.
x_events_total{event="a",log="b"} 3
x_events_total{event="c",log=""} 0
# TYPE x_odd counter
# HELP x_odd Named oddly.
x_odd_total 1.5
# TYPE x_up gauge
x_up 1
# EOF
"#;
        assert_eq!(text(Format::OpenMetrics, &families), expected);
    }

    #[test]
    fn the_older_form_keeps_the_suffix_and_has_no_end_mark() {
        let families = [family("x_total", "A \"b\" \\.", MetricType::COUNTER, &[(&[("a", "\"\\\n")], 2.0)])];
        let expected = "# HELP x_total A \"b\" \\\\.\n# TYPE x_total counter\nx_total{a=\"\\\"\\\\\\n\"} 2\n";
        assert_eq!(text(Format::Text, &families), expected);
    }

    #[test]
    fn hostile_texts_stay_on_their_line() {
        let hostile = "a\"} 1\n# EOF\nx{b=\"\\";
        let families = [family("x", hostile, MetricType::GAUGE, &[(&[("topic", hostile)], 1.0)])];
        let expected = r#"# TYPE x gauge
# HELP x a\"} 1\n# EOF\nx{b=\"\\
x{topic="a\"} 1\n# EOF\nx{b=\"\\"} 1
# EOF
"#;
        assert_eq!(text(Format::OpenMetrics, &families), expected);
    }

    #[test]
    fn numbers_read_back_to_the_same() {
        let shown = [
            (0.0, "0"),
            (-1.0, "-1"),
            (0.1, "0.1"),
            (1_795_416_890.473, "1795416890.473"),
            (1_189_738.0, "1189738"),
            (9_007_199_254_740_992.0, "9007199254740992"),
            (1e300, "1e300"),
            (5e-324, "5e-324"),
            (f64::INFINITY, "+Inf"),
            (f64::NEG_INFINITY, "-Inf"),
            (f64::NAN, "NaN"),
        ];
        for (value, text) in shown {
            assert_eq!(number(value), text);
        }
    }

    #[test]
    fn what_has_no_samples_is_left_out() {
        let families = [family("x", "None.", MetricType::GAUGE, &[])];
        assert_eq!(text(Format::OpenMetrics, &families), "# EOF\n");
        assert_eq!(text(Format::Text, &families), "");
    }

    proptest! {
        #[test]
        fn any_label_value_can_be_read_back(value in any::<String>()) {
            let families = [family("x", &format!("h{value}"), MetricType::GAUGE, &[(&[("topic", &value)], 1.0)])];
            let written = text(Format::OpenMetrics, &families);
            prop_assert_eq!(written.matches('\n').count(), 4);
            let line = written.split('\n').nth(2).unwrap();
            let inner = line.strip_prefix("x{topic=\"").and_then(|l| l.strip_suffix("\"} 1")).unwrap();
            let mut read = String::new();
            let mut chars = inner.chars();
            while let Some(c) = chars.next() {
                prop_assert_ne!(c, '"');
                match (c, if c == '\\' { chars.next() } else { None }) {
                    ('\\', Some('n')) => read.push('\n'),
                    ('\\', Some(escaped)) => read.push(escaped),
                    (plain, _) => read.push(plain),
                }
            }
            prop_assert_eq!(read, value);
        }
    }
}
