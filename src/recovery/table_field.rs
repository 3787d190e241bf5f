//! Which values fastjson takes for the fields of an entry of a table, where upstream's class has no text there.
//!
//! Upstream: `TopicConfig`, `SubscriptionGroupConfig`, `TopicQueueMappingDetail`, `TimerMetrics.Metric`. Found with the rows of
//! [`super::table_form`], by the fields that each of these shares with all releases; fields of the same type go by the same rule.

use serde_json::{Map, Value};

use super::table_form::{FASTJSON_2, is_number};
use crate::broker::release::Release;

/// Type of a field.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Kind {
    /// `int`.
    Int,
    /// `AtomicLong`.
    Count,
    /// `boolean`.
    Flag,
    /// `TopicFilterType`, by its name or its number.
    FilterType,
    /// `Map<String, String>`, since 5.0.0.
    Texts,
}

/// Release that brought [`Kind::Texts`].
const TEXTS_SINCE: Release = (5, 0, 0);
/// First release that takes no object for an `AtomicLong` any more.
const COUNT_IS_NO_OBJECT: Release = (5, 5, 0);
/// `SINGLE_TAG` and `MULTI_TAG`.
const FILTER_TYPES: u64 = 2;

const FIELDS: [(&str, &[(&str, Kind)]); 4] = [
    (
        "topics",
        &[
            ("readQueueNums", Kind::Int),
            ("writeQueueNums", Kind::Int),
            ("perm", Kind::Int),
            ("topicSysFlag", Kind::Int),
            ("order", Kind::Flag),
            ("topicFilterType", Kind::FilterType),
            ("attributes", Kind::Texts),
        ],
    ),
    (
        "subscriptionGroup",
        &[
            ("retryQueueNums", Kind::Int),
            ("retryMaxTimes", Kind::Int),
            ("consumeEnable", Kind::Flag),
            ("consumeFromMinEnable", Kind::Flag),
            ("consumeBroadcastEnable", Kind::Flag),
            ("notifyConsumerIdsChangedEnable", Kind::Flag),
        ],
    ),
    ("topicQueueMapping", &[("totalQueues", Kind::Int)]),
    ("timermetrics", &[("count", Kind::Count)]),
];

/// Whether a release takes all fields of an entry of a table.
#[must_use]
pub fn are_taken(table: &str, entry: &Map<String, Value>, release: Release) -> bool {
    let fields = FIELDS.iter().find(|(name, _)| *name == table).map_or(&[][..], |(_, fields)| fields);
    fields.iter().all(|(name, kind)| entry.get(*name).is_none_or(|value| kind.takes(value, release)))
}

impl Kind {
    fn takes(self, value: &Value, release: Release) -> bool {
        let is_fastjson_2 = release >= FASTJSON_2;
        match (self, value) {
            (_, Value::Null) => true,
            (Self::Int, Value::Bool(_)) | (Self::Flag, Value::Bool(_) | Value::Number(_)) => true,
            (Self::Int, Value::Number(number)) => {
                number.as_f64().is_some_and(|number| (-2_147_483_648.0..2_147_483_648.0).contains(&number))
            }
            (Self::Int, Value::String(text)) => text.is_empty() || text.parse::<i32>().is_ok(),
            (Self::Int, Value::Object(_)) => is_fastjson_2,
            (Self::Count, Value::Object(_)) => is_fastjson_2 && release < COUNT_IS_NO_OBJECT,
            (Self::Count, value) => is_number(value, release),
            (Self::Flag, Value::String(text)) => matches!(&**text, "" | "true" | "false"),
            (Self::FilterType, Value::Number(number)) => number.as_u64().is_some_and(|at| at < FILTER_TYPES),
            (Self::FilterType, value) => !value.is_array(),
            (Self::Texts, Value::Object(_)) => true,
            (Self::Texts, Value::String(text)) if text.is_empty() => is_fastjson_2 || release < TEXTS_SINCE,
            (Self::Texts, _) => release < TEXTS_SINCE,
            (Self::Int | Self::Flag, _) => false,
        }
    }
}
