//! What a table of `config/` must look like for the broker to take it (R3).
//!
//! Upstream: `ConfigManager.decode` of each table, through fastjson. JSON of another shape counts as damage where fastjson or
//! the code behind it throws, and only there. The rows were found by giving each table's own `load()` some hundred texts, in all
//! releases but 4.9.8 and 5.1.2.

use serde_json::Value;

use super::table_field;
use crate::broker::release::Release;
use crate::format::loose_json::{self, LooseJsonError};

/// What one entry of a table is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Entry {
    /// An object.
    Object,
    /// A number; keys are numbers too.
    Number,
    /// Numbers by numbers.
    Numbers,
    /// Objects by numbers.
    Objects,
}

/// What the table's map may be besides an object.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Map {
    /// Nothing else.
    Given,
    /// Left out.
    Optional,
    /// Left out or `null`.
    Nullable,
}

/// What `dataVersion` may be where it is there.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Version {
    /// An object.
    Object,
    /// Or nothing.
    Nullable,
    /// Anything: the table does not have it, or does not read it.
    Any,
}

/// A table since a release.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Form {
    name: &'static str,
    since: Release,
    /// Key of its map.
    map: &'static str,
    entry: Entry,
    map_is: Map,
    version: Version,
    /// White space and `""` stand for a table without entries.
    takes_blank: bool,
}

const fn form(name: &'static str, since: Release, map: &'static str, entry: Entry) -> Form {
    Form { name, since, map, entry, map_is: Map::Optional, version: Version::Object, takes_blank: true }
}

const CONSUMER_OFFSET: Form = Form {
    map_is: Map::Nullable,
    version: Version::Any,
    ..form("consumerOffset", (4, 9, 4), "offsetTable", Entry::Numbers)
};
const CONSUMER_OFFSET_500: Form =
    Form { since: (5, 0, 0), version: Version::Nullable, takes_blank: false, ..CONSUMER_OFFSET };
const GROUP: Form = Form {
    version: Version::Any,
    takes_blank: false,
    ..form("subscriptionGroup", (4, 9, 4), "subscriptionGroupTable", Entry::Object)
};
const GROUP_510: Form = Form { since: (5, 1, 0), takes_blank: true, ..GROUP };
const ORDER: Form = Form {
    map_is: Map::Nullable,
    version: Version::Any,
    ..form("consumerOrderInfo", (5, 0, 0), "table", Entry::Objects)
};
const DELAY: Form =
    Form { version: Version::Any, ..form("delayOffset", (4, 9, 4), "offsetTable", Entry::Number) };

/// Rows of one table stand together, oldest first.
const FORMS: [Form; 14] = [
    form("topics", (4, 9, 4), "topicConfigTable", Entry::Object),
    Form {
        map_is: Map::Given,
        ..form("topicQueueMapping", (5, 0, 0), "topicQueueMappingInfoMap", Entry::Object)
    },
    CONSUMER_OFFSET,
    CONSUMER_OFFSET_500,
    Form { name: "lmqConsumerOffset", ..CONSUMER_OFFSET },
    Form { name: "lmqConsumerOffset", ..CONSUMER_OFFSET_500 },
    GROUP,
    GROUP_510,
    Form { since: (5, 3, 1), version: Version::Object, ..GROUP_510 },
    Form {
        map_is: Map::Nullable,
        version: Version::Any,
        ..form("consumerFilter", (4, 9, 4), "filterDataByTopic", Entry::Object)
    },
    ORDER,
    Form { since: (5, 1, 0), map_is: Map::Optional, ..ORDER },
    DELAY,
    Form { since: (5, 0, 0), version: Version::Nullable, ..DELAY },
];
/// Not below `.json`, and in no other way special.
const TIMER_METRICS: Form = form("timermetrics", (5, 0, 0), "timingCount", Entry::Object);

/// fastjson 2 takes neither `[]` nor white space for nothing.
pub(super) const FASTJSON_2: Release = (5, 4, 0);
/// fastjson 1.2.83 takes `true` for a number.
const FASTJSON_1_2_83: Release = (5, 1, 0);

/// The table that a release reads from this text; `None` if it takes the text for damaged. A table without a form is any JSON.
#[must_use]
pub fn read(name: &str, release: Release, text: &[u8]) -> Option<Value> {
    let text = text.strip_prefix("\u{feff}".as_bytes()).unwrap_or(text);
    let mut forms = FORMS.iter().chain([&TIMER_METRICS]);
    let form = forms.rfind(|form| form.name == name && form.since <= release);
    let is_fastjson_2 = release >= FASTJSON_2;
    let table = match loose_json::parse(text) {
        Ok(table) => table,
        Err(LooseJsonError::Empty) if !is_fastjson_2 && form.is_none_or(|form| form.takes_blank) => {
            Value::Null
        }
        Err(_) => return None,
    };
    form.is_none_or(|form| form.takes(&table, release)).then_some(table)
}

/// Whether a text that is no JSON has what fastjson takes all the same: a comment, a single quote, a bare word for a key, a comma
/// too many or too few, an odd number, a control character or `\x` within a string. Releases differ in which of these they take. A
/// word that no colon follows, and a string that is not closed, none takes.
#[must_use]
pub fn is_lenient(text: &[u8]) -> bool {
    let text = text.strip_prefix("\u{feff}".as_bytes()).unwrap_or(text);
    let (mut in_string, mut is_escaped, mut is_odd_string, mut before) = (false, false, false, b' ');
    for (at, byte) in text.iter().copied().enumerate() {
        if in_string {
            is_odd_string |= (byte < b' ' && byte != 0) || (is_escaped && byte == b'x');
            in_string = byte != b'"' || is_escaped;
            if !in_string && is_odd_string {
                return true;
            }
            is_escaped = byte == b'\\' && !is_escaped;
            before = b'"';
            continue;
        }
        let is_odd = match before {
            b',' if matches!(byte, b'}' | b']') => true,
            b'{' | b',' => byte == b',' || is_bare_key(&text[at..]),
            b':' => matches!(byte, b'N' | b'u' | b'+'),
            b'0' if byte.is_ascii_digit() => true,
            b'}' | b']' | b'"' | b'0'..=b'9' => byte == b'"',
            _ => false,
        };
        if is_odd || matches!(byte, b'\'' | b'/' | 0x0b | 0x0c | 0x80..) {
            return true;
        }
        in_string = byte == b'"';
        // A zero within a number is no leading one.
        let is_within = byte == b'0' && (before.is_ascii_digit() || matches!(before, b'.' | b'+'));
        if !byte.is_ascii_whitespace() {
            before = if is_within { b'1' } else { byte };
        }
    }
    false
}

/// Whether a word without quotes begins here, with a colon behind it.
fn is_bare_key(text: &[u8]) -> bool {
    let is_of_word = |byte: &u8| byte.is_ascii_alphanumeric() || matches!(byte, b'_' | b'$' | b'.' | b'-');
    let len = text.iter().take_while(|byte| is_of_word(byte)).count();
    let begins = text.first().is_some_and(|byte| byte.is_ascii_alphabetic() || matches!(byte, b'_' | b'$'));
    begins && text[len..].iter().find(|byte| !byte.is_ascii_whitespace()) == Some(&b':')
}

impl Form {
    fn takes(&self, table: &Value, release: Release) -> bool {
        // Where fastjson 1 looks for an object, an array without elements gives it none.
        let is_nothing = |value: &Value| {
            value.is_null()
                || (release < FASTJSON_2 && value.as_array().is_some_and(Vec::is_empty))
                || value.as_str().is_some_and(str::is_empty)
        };
        let Some(fields) = table.as_object() else {
            return if table.is_string() { self.takes_blank && is_nothing(table) } else { is_nothing(table) };
        };
        let version = fields.get("dataVersion").is_none_or(|version| match self.version {
            Version::Object => version.is_object(),
            Version::Nullable => version.is_object() || is_nothing(version),
            Version::Any => true,
        });
        let map = match fields.get(self.map) {
            None => self.map_is != Map::Given,
            Some(Value::Null) => self.map_is == Map::Nullable,
            Some(map) => map
                .as_object()
                .is_some_and(|map| map.iter().all(|(key, entry)| self.takes_entry(key, entry, release))),
        };
        version && map
    }

    fn takes_entry(&self, key: &str, entry: &Value, release: Release) -> bool {
        let has_number = key.parse::<i32>().is_ok();
        let within = |takes: &dyn Fn(&Value) -> bool| {
            entry.as_object().is_some_and(|entries| {
                entries.iter().all(|(key, entry)| key.parse::<i32>().is_ok() && takes(entry))
            })
        };
        match self.entry {
            Entry::Object => {
                entry.as_object().is_some_and(|fields| table_field::are_taken(self.name, fields, release))
            }
            Entry::Number => has_number && is_number(entry, release),
            Entry::Numbers => within(&|entry| is_number(entry, release)),
            Entry::Objects => within(&Value::is_object),
        }
    }
}

/// Whether fastjson makes a `Long` of it.
pub(super) fn is_number(value: &Value, release: Release) -> bool {
    match value {
        Value::Number(number) => {
            number.is_i64()
                || (number.is_f64() && number.as_f64().is_some_and(|number| number.abs() < 9.2e18))
        }
        Value::String(text) => text.parse::<i64>().is_ok(),
        Value::Bool(_) => release >= FASTJSON_1_2_83,
        _ => false,
    }
}
