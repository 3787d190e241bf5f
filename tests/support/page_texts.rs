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

/// Names between braces, and what stands around them: one piece of text more than names.
pub fn placeholders(text: &str) -> (Vec<&str>, Vec<&str>) {
    let (mut names, mut around) = (Vec::new(), Vec::new());
    let mut rest = text;
    while let Some((before, (name, after))) =
        rest.split_once('{').and_then(|(before, behind)| Some((before, behind.split_once('}')?)))
    {
        around.push(before);
        names.push(name);
        rest = after;
    }
    around.push(rest);
    (names, around)
}

/// Whether the page can say this sentence of the exporter in another language.
pub fn is_known(sentence: &str) -> bool {
    TEXTS.sentences.iter().any(|known| {
        let (_, around) = placeholders(&known.en);
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
