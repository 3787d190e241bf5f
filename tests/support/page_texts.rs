//! The page's table of texts, and whether it knows a sentence of the exporter.

use std::collections::BTreeMap;
use std::sync::LazyLock;

use rocketmq_store_exporter::preview::Preview;
use serde::Deserialize;

/// `src/web/page/texts.json`.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Texts {
    /// Texts of the page, by name.
    pub keys: BTreeMap<String, Text>,
    /// Sentences that the exporter says in English.
    pub sentences: Vec<Text>,
}

/// One text in both languages.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Text {
    /// English.
    pub en: String,
    /// 简体中文.
    pub zh: String,
}

/// The table.
pub static TEXTS: LazyLock<Texts> = LazyLock::new(|| {
    let path = concat!(env!("CARGO_MANIFEST_DIR"), "/src/web/page/texts.json");
    let text = std::fs::read_to_string(path).expect("the page has its texts");
    serde_json::from_str(&text).expect("the texts are JSON of the known form")
});

/// Names between braces, without the words to choose from behind them, and what stands around: one piece of text more than names.
pub fn placeholders(text: &str) -> (Vec<&str>, Vec<&str>) {
    let (mut names, mut around) = (Vec::new(), Vec::new());
    let mut rest = text;
    while let Some((before, (name, after))) =
        rest.split_once('{').and_then(|(before, behind)| Some((before, behind.split_once('}')?)))
    {
        around.push(before);
        names.push(name.split(':').next().unwrap_or(name));
        rest = after;
    }
    around.push(rest);
    (names, around)
}

/// The text with the words that go with each number, for all numbers that are one or many.
pub fn forms(text: &str) -> Vec<String> {
    let Some((before, inside, after)) = text.match_indices('{').find_map(|(at, _)| {
        let (inside, after) = text[at + 1..].split_once('}')?;
        inside.contains(':').then_some((&text[..at], inside, after))
    }) else {
        return vec![text.to_owned()];
    };
    let (name, words) = inside.split_once(':').expect("it was looked for");
    let words: Vec<_> = words.split('|').collect();
    assert_eq!(words.len(), 2, "{text}");
    let with = |choice: usize| {
        // The same number takes the same choice throughout.
        let mut form = format!("{before}{}{after}", words[choice]);
        while let Some(at) = form.find(&format!("{{{name}:")) {
            let end = at + form[at..].find('}').expect("a brace is closed");
            let word = form[at..end].split([':', '|']).nth(1 + choice).expect("two words").to_owned();
            form.replace_range(at..=end, &word);
        }
        forms(&form)
    };
    [with(0), with(1)].concat()
}

/// Whether the page can say this sentence of the exporter in another language.
pub fn is_known(sentence: &str) -> bool {
    TEXTS.sentences.iter().flat_map(|known| forms(&known.en)).any(|known| {
        let (_, around) = placeholders(&known);
        let (first, rest) = around.split_first().expect("there is one piece at least");
        let Some(mut text) = sentence.strip_prefix(first) else { return false };
        let Some((last, middle)) = rest.split_last() else { return text.is_empty() };
        for piece in middle {
            match text.get(1..).and_then(|behind| behind.split_once(piece)) {
                Some((_, behind)) => text = behind,
                None => return false,
            }
        }
        text.len() > last.len() && text.ends_with(last)
    })
}

/// Asserts that the page can say in another language all that an answer says.
pub fn assert_knows(preview: &Preview) {
    let findings = preview.findings.iter().map(|finding| &finding.summary);
    let remedies = preview.remedies.iter().flat_map(|remedy| remedy.steps.iter().chain([&remedy.title]));
    // Commands are to be copied as they are.
    let is_command = |step: &&String| ["mv ", "rm "].iter().any(|command| step.starts_with(command));
    let all = findings.chain(remedies.filter(|step| !is_command(step))).chain(&preview.forecast.not_modelled);
    for sentence in all {
        assert!(is_known(sentence), "no sentence in texts.json is like {sentence:?}");
    }
}
