//! Columns for a terminal.

use std::fmt::Write as _;

/// To which side a column leans.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Lean {
    /// Words.
    Left,
    /// Numbers.
    Right,
}

/// Rows under a head, each column as wide as it must be; the first gives way where a line would be wider than `width`.
#[must_use]
pub fn table(head: &[(&str, Lean)], rows: &[Vec<String>], width: usize) -> String {
    let mut widths: Vec<usize> = head.iter().map(|(name, _)| name.chars().count()).collect();
    for row in rows {
        for (column, cell) in row.iter().enumerate().take(widths.len()) {
            widths[column] = widths[column].max(cell.chars().count());
        }
    }
    let rest: usize = widths.iter().skip(1).map(|width| width + 2).sum();
    if let Some(first) = widths.first_mut() {
        let least = 8.min(*first);
        *first = (*first).min(width.saturating_sub(rest + 2)).max(least);
    }
    let mut text = String::new();
    let names: Vec<String> = head.iter().map(|(name, _)| (*name).to_owned()).collect();
    for row in std::iter::once(&names).chain(rows) {
        let mut line = String::new();
        for ((cell, width), (_, lean)) in row.iter().zip(&widths).zip(head) {
            let cell = shortened(cell, *width);
            // Writing to a string cannot fail.
            let _ = match lean {
                Lean::Left => write!(line, "  {cell:<width$}"),
                Lean::Right => write!(line, "  {cell:>width$}"),
            };
        }
        text.push_str(line.trim_end());
        text.push('\n');
    }
    text
}

fn shortened(cell: &str, width: usize) -> String {
    if cell.chars().count() <= width {
        return cell.to_owned();
    }
    let mut short: String = cell.chars().take(width.saturating_sub(1)).collect();
    short.push('…');
    short
}

/// A name of the store for a terminal: control characters are written out, and those that nobody sees but that change what is seen.
#[must_use]
pub fn printable(name: &str) -> String {
    let mut shown = String::with_capacity(name.len());
    for char in name.chars() {
        if char.is_control() || is_invisible(char) {
            shown.extend(char.escape_default());
        } else {
            shown.push(char);
        }
    }
    shown
}

/// Whether nobody sees this character: directions, joiners, ends of lines and paragraphs, marks of byte order, tags.
#[must_use]
pub fn is_invisible(char: char) -> bool {
    matches!(char,
        '\u{ad}' | '\u{61c}' | '\u{180e}' | '\u{200b}'..='\u{200f}' | '\u{2028}'..='\u{202e}' | '\u{2060}'..='\u{206f}'
        | '\u{feff}' | '\u{fff9}'..='\u{fffb}' | '\u{e0000}'..='\u{e007f}')
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_first_column_gives_way() {
        let head = [("TOPIC", Lean::Left), ("LOST", Lean::Right)];
        let rows = [vec!["a-topic-with-a-long-name".to_owned(), "7".to_owned()]];
        assert_eq!(table(&head, &rows, 24), "  TOPIC             LOST\n  a-topic-with-a-…     7\n");
        assert_eq!(
            table(&head, &rows, 80),
            "  TOPIC                     LOST\n  a-topic-with-a-long-name     7\n"
        );
    }

    #[test]
    fn a_name_does_nothing_to_the_terminal() {
        assert_eq!(printable("a\u{1b}[2J\nb"), "a\\u{1b}[2J\\nb");
        assert_eq!(printable("\u{9b}2J\u{202e}txt\u{2028}"), "\\u{9b}2J\\u{202e}txt\\u{2028}");
        assert_eq!(printable("订单-\"ä\"\\n"), "订单-\"ä\"\\n");
    }
}
