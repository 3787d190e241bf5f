//! `messageDelayLevel`: how long a message of each level is delayed, and up to where those of each level were delivered.
//!
//! Upstream: `ScheduleMessageService.parseDelayLevel`, `correctDelayOffset` (of load up to 4.9.8), `DefaultMessageStore.parseDelayLevel`.

use serde_json::Value;

use super::forecast::LogLine;
use super::load::Load;
use super::parse::SCHEDULE_TOPIC;

impl Load<'_> {
    /// Offsets of the table `delayOffset.json` that lie outside of their queue.
    pub(super) fn tell_delay_offsets(&mut self, table: &Value) {
        let levels = 1..=delays(&self.setting.conf.message_delay_level).len();
        for (queue, level) in (0..).zip(levels) {
            let offset = table.get("offsetTable").and_then(|offsets| offsets.get(level.to_string()));
            let Some(offset) = offset.and_then(Value::as_i64) else { continue };
            // A queue that is not there is made.
            let slot = self.queues.place(SCHEDULE_TOPIC, queue).and_then(|at| self.queues.slots.get(at));
            let (min, max) = slot.map_or((0, 0), |slot| slot.queue.ends());
            let corrected = if offset > max { max } else { offset.max(min) };
            let odd = format!(
                "schedule CQ offset invalid. offset={offset}, cqMinOffset={min}, cqMaxOffset={max}, queueId={queue}"
            );
            let times = usize::from(offset < min) + usize::from(offset > max);
            let mut texts = vec![odd; times];
            if corrected != offset {
                texts.push(format!(
                    "correct delay offset [ delayLevel {level} ] from {offset} to {corrected}"
                ));
            }
            self.lines.extend(texts.into_iter().map(|text| LogLine::new("ERROR", text)));
        }
    }
}

/// `1s 5s 10s` in milliseconds, by level from 1 on.
#[must_use]
pub fn delays(levels: &str) -> Vec<i64> {
    levels.split(' ').map_while(delay).collect()
}

/// Whether the broker takes all levels; else it does not start (`ScheduleMessageService.parseDelayLevel`).
#[must_use]
pub fn takes_delays(levels: &str) -> bool {
    levels.split(' ').all(|level| delay(level).is_some())
}

fn delay(level: &str) -> Option<i64> {
    let (at, last) = level.char_indices().last()?;
    let unit = match last {
        's' => 1_000,
        'm' => 60_000,
        'h' => 3_600_000,
        'd' => 86_400_000,
        _ => return None,
    };
    level.get(..at)?.parse::<i64>().ok()?.checked_mul(unit)
}
