//! Which form of the metrics a client gets.

/// A form in which metrics are written.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Format {
    /// Prometheus text, version 0.0.4; also what people get.
    Text,
    /// OpenMetrics text, version 1.0.0.
    OpenMetrics,
}

impl Format {
    /// Value of the `Content-Type` header.
    #[must_use]
    pub fn content_type(self) -> &'static str {
        match self {
            Self::Text => "text/plain; version=0.0.4; charset=utf-8",
            Self::OpenMetrics => "application/openmetrics-text; version=1.0.0; charset=utf-8",
        }
    }

    /// The form that an `Accept` header prefers; text if it prefers none, accepts neither, or is not there.
    ///
    /// A range applies with the quality of its most specific match, as RFC 9110 has it; ranges that cannot be read are passed over.
    #[must_use]
    pub fn negotiate(accept: Option<&str>) -> Self {
        let ranges: Vec<Range> = accept.unwrap_or_default().split(',').filter_map(Range::parse).collect();
        let quality = |format: Self| {
            let matches =
                ranges.iter().filter_map(|range| range.specificity(format).map(|s| (s, range.quality)));
            matches.max_by(|a, b| a.0.cmp(&b.0).then(a.1.total_cmp(&b.1))).map_or(0.0, |(_, quality)| quality)
        };
        if quality(Self::OpenMetrics) > quality(Self::Text) { Self::OpenMetrics } else { Self::Text }
    }
}

/// One media range of an `Accept` header.
struct Range {
    media: String,
    version: Option<String>,
    quality: f64,
}

impl Range {
    fn parse(text: &str) -> Option<Self> {
        let mut parts = text.split(';').map(str::trim);
        let media = parts.next().filter(|media| media.contains('/'))?.to_lowercase();
        let mut range = Self { media, version: None, quality: 1.0 };
        for (name, value) in parts.filter_map(|part| part.split_once('=')) {
            match name.trim().to_lowercase().as_str() {
                "q" => {
                    range.quality = value.trim().parse().ok().filter(|q| (0.0..=1.0).contains(q))?;
                }
                "version" => range.version = Some(value.trim().trim_matches('"').to_owned()),
                _ => {}
            }
        }
        Some(range)
    }

    /// How closely the range names `format`; `None` if it does not cover it.
    fn specificity(&self, format: Format) -> Option<u8> {
        let (media, family, version) = match format {
            Format::Text => ("text/plain", "text/*", "0.0.4"),
            Format::OpenMetrics => ("application/openmetrics-text", "application/*", "1.0.0"),
        };
        match (self.media.as_str(), self.version.as_deref()) {
            (named, Some(asked)) if named == media => (asked == version).then_some(3),
            (named, None) if named == media => Some(2),
            (named, _) if named == family => Some(1),
            ("*/*", _) => Some(0),
            _ => None,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn the_header_decides_by_quality() {
        use Format::{OpenMetrics, Text};
        let prometheus_2 = "application/openmetrics-text;version=1.0.0,application/openmetrics-text;version=0.0.1;\
                            q=0.75,text/plain;version=0.0.4;q=0.5,*/*;q=0.1";
        let prometheus_3 = "application/openmetrics-text;version=1.0.0;escaping=allow-utf-8;q=0.5,\
                            application/openmetrics-text;version=0.0.1;q=0.4,text/plain;version=1.0.0;\
                            escaping=allow-utf-8;q=0.3,text/plain;version=0.0.4;q=0.2,*/*;q=0.1";
        let browser = "text/html,application/xhtml+xml,application/xml;q=0.9,*/*;q=0.8";
        let cases = [
            (prometheus_2, OpenMetrics),
            (prometheus_3, OpenMetrics),
            (browser, Text),
            ("*/*", Text),
            ("", Text),
            ("application/json", Text),
            ("application/openmetrics-text", OpenMetrics),
            ("Application/OpenMetrics-Text; Version=\"1.0.0\"; Q=0.5, text/plain; q=0.4", OpenMetrics),
            ("application/openmetrics-text; version=0.0.1", Text),
            ("application/openmetrics-text; version=1.0.0; q=0.2, text/plain; q=0.5", Text),
            ("application/openmetrics-text; version=1.0.0; q=0.3, */*; q=0.5", Text),
            ("application/openmetrics-text, text/plain", Text),
            ("application/*, text/plain; q=0.5", OpenMetrics),
            ("*/*; q=0.5, text/plain; q=0", OpenMetrics),
            ("application/openmetrics-text; q=0", Text),
            ("application/openmetrics-text; q=NaN", Text),
            ("application/openmetrics-text; q=2", Text),
            (";;q=,,/;=", Text),
        ];
        for (accept, format) in cases {
            assert_eq!(Format::negotiate(Some(accept)), format, "{accept}");
        }
        assert_eq!(Format::negotiate(None), Text);
    }

    proptest! {
        #[test]
        fn no_header_makes_negotiation_panic(accept in ".{0,60}") {
            let _ = Format::negotiate(Some(&accept));
        }
    }
}
