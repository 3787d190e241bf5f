//! What dispatch wants to know of a message's properties.
//!
//! Upstream: `CommitLog.checkMessageAndReturnSize`, and what it makes of the properties.

use crate::format::message::Message;
use crate::format::properties::names;

/// The properties that dispatch looks at, found in one pass.
#[derive(Default)]
pub struct Noted<'b> {
    pub tags: Option<&'b [u8]>,
    pub keys: Option<&'b [u8]>,
    pub delay: Option<&'b [u8]>,
    pub inner_num: Option<&'b [u8]>,
    pub inner_base: Option<&'b [u8]>,
    pub light_queues: Option<&'b [u8]>,
    pub light_offsets: Option<&'b [u8]>,
    pub has_uniq_key: bool,
}

impl<'b> Noted<'b> {
    pub fn of(message: &Message<'b>) -> Self {
        const UNIQ_KEY: &[u8] = names::UNIQ_KEY.as_bytes();
        const TAGS: &[u8] = names::TAGS.as_bytes();
        const KEYS: &[u8] = names::KEYS.as_bytes();
        const DELAY: &[u8] = names::DELAY.as_bytes();
        const INNER_NUM: &[u8] = names::INNER_NUM.as_bytes();
        const INNER_BASE: &[u8] = names::INNER_BASE.as_bytes();
        const LIGHT_QUEUES: &[u8] = names::INNER_MULTI_DISPATCH.as_bytes();
        const LIGHT_OFFSETS: &[u8] = names::INNER_MULTI_QUEUE_OFFSET.as_bytes();
        let mut noted = Self::default();
        for (name, value) in message.properties.iter() {
            let place = match name {
                UNIQ_KEY => {
                    noted.has_uniq_key = true;
                    continue;
                }
                TAGS => &mut noted.tags,
                KEYS => &mut noted.keys,
                DELAY => &mut noted.delay,
                INNER_NUM => &mut noted.inner_num,
                INNER_BASE => &mut noted.inner_base,
                LIGHT_QUEUES => &mut noted.light_queues,
                LIGHT_OFFSETS => &mut noted.light_offsets,
                _ => continue,
            };
            *place = Some(value);
        }
        noted
    }
}
