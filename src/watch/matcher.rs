//! Finds the row of the catalogue for a text in one pass over its first bytes.
//!
//! All anchored begins are kept in one compressed prefix tree. Walking it visits each byte of the text at most once, and yields
//! the begins that the text has; a row's remaining condition is looked at only then. Texts that leave the tree without a row are
//! rare, and are compared with the few rows that are anchored at their end.

use std::sync::OnceLock;

use super::event_table::{Pattern, Rest, patterns};
use super::occurrence::LogFile;

/// More begins of one text than this cannot be nested in the catalogue (a test counts them).
const MAX_NESTED: usize = 4;

#[derive(Debug, Default)]
struct Node {
    /// Bytes between the parent and this node.
    label: &'static [u8],
    rows: Vec<&'static Pattern>,
    /// First byte of each child's label, and the child.
    children: Vec<(u8, usize)>,
}

/// The catalogue, ready to be asked.
#[derive(Debug)]
pub struct Matcher {
    nodes: Vec<Node>,
    /// Child of the root by first byte; 0 is none.
    root: [usize; 256],
    /// Rows anchored at their end.
    ends: Vec<(&'static [u8], &'static Pattern)>,
}

impl Matcher {
    /// The one matcher, built from the catalogue at its first use.
    pub fn get() -> &'static Self {
        static MATCHER: OnceLock<Matcher> = OnceLock::new();
        MATCHER.get_or_init(|| Self::new(patterns()))
    }

    fn new(rows: impl Iterator<Item = &'static Pattern>) -> Self {
        let mut matcher = Self { nodes: vec![Node::default()], root: [0; 256], ends: Vec::new() };
        for row in rows {
            match (row.start, row.rest) {
                ("", Rest::Ends(end)) => matcher.ends.push((end.as_bytes(), row)),
                _ => {
                    let node = matcher.node_for(row.start.as_bytes());
                    matcher.nodes[node].rows.push(row);
                }
            }
        }
        for (first, child) in &matcher.nodes[0].children {
            matcher.root[usize::from(*first)] = *child;
        }
        matcher
    }

    /// The node that `start` leads to; created, and others split, as needed.
    fn node_for(&mut self, mut start: &'static [u8]) -> usize {
        let mut at = 0;
        while let Some(first) = start.first() {
            let Some(slot) = self.nodes[at].children.iter().position(|(byte, _)| byte == first) else {
                self.nodes.push(Node { label: start, ..Node::default() });
                let new = self.nodes.len() - 1;
                self.nodes[at].children.push((*first, new));
                return new;
            };
            let child = self.nodes[at].children[slot].1;
            let label = self.nodes[child].label;
            let common = label.iter().zip(start).take_while(|(a, b)| a == b).count();
            if common < label.len() {
                let (head, tail) = label.split_at(common);
                self.nodes[child].label = tail;
                self.nodes.push(Node { label: head, rows: Vec::new(), children: vec![(tail[0], child)] });
                let new = self.nodes.len() - 1;
                self.nodes[at].children[slot].1 = new;
                at = new;
            } else {
                at = child;
            }
            start = &start[common..];
        }
        at
    }

    /// The row for a text of a log, if the catalogue knows it.
    #[inline]
    #[must_use]
    pub fn find(&self, log: LogFile, text: &[u8]) -> Option<&'static Pattern> {
        self.find_as_is(log, text).or_else(|| {
            if text.first() != Some(&b'[') {
                return None;
            }
            let close = memchr::memchr(b']', text)?;
            self.find_as_is(log, text.get(close + 1..)?.trim_ascii_start())
        })
    }

    #[inline]
    fn find_as_is(&self, log: LogFile, text: &[u8]) -> Option<&'static Pattern> {
        let first = *text.first()?;
        let mut met = [(0, 0); MAX_NESTED];
        let mut count = 0;
        let mut node = self.root[usize::from(first)];
        let mut depth = 0;
        while node != 0 {
            let here = &self.nodes[node];
            if !text[depth..].starts_with(here.label) {
                break;
            }
            depth += here.label.len();
            if !here.rows.is_empty() && count < MAX_NESTED {
                met[count] = (node, depth);
                count += 1;
            }
            node = text.get(depth).map_or(0, |next| {
                here.children.iter().find(|(byte, _)| byte == next).map_or(0, |(_, child)| *child)
            });
        }
        for (node, depth) in met[..count].iter().rev() {
            let rest = &text[*depth..];
            for row in &self.nodes[*node].rows {
                if row.logs.holds(log) && row.rest.fits(rest) {
                    return Some(row);
                }
            }
        }
        let text = text.trim_ascii_end();
        self.ends.iter().find(|(end, row)| text.ends_with(end) && row.logs.holds(log)).map(|(_, row)| *row)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn no_text_has_more_nested_begins_than_are_remembered() {
        for row in patterns() {
            let mut begins: Vec<_> = patterns()
                .map(|other| other.start)
                .filter(|s| !s.is_empty() && row.start.starts_with(s))
                .collect();
            begins.sort_unstable();
            begins.dedup();
            assert!(begins.len() <= MAX_NESTED, "{}: {begins:?}", row.start);
        }
    }

    #[test]
    fn rows_without_begin_are_anchored_at_their_end() {
        for row in patterns().filter(|row| row.start.is_empty()) {
            assert!(matches!(row.rest, Rest::Ends(_)), "{row:?}");
        }
    }

    #[test]
    fn the_tree_finds_what_a_plain_search_finds() {
        let matcher = Matcher::get();
        for row in patterns().filter(|row| !row.start.is_empty()) {
            let mut at = 0;
            let mut rest = row.start.as_bytes();
            while !rest.is_empty() {
                let child = matcher.nodes[at].children.iter().find(|(byte, _)| *byte == rest[0]).unwrap().1;
                rest = rest.strip_prefix(matcher.nodes[child].label).unwrap();
                at = child;
            }
            assert!(matcher.nodes[at].rows.iter().any(|found| std::ptr::eq(*found, row)), "{}", row.start);
        }
    }
}
