//! `/`: what is seen, for people.

use std::fmt::Write as _;

use axum::extract::State;
use axum::response::Html;

use super::router::Shared;
use crate::observe::shrinkage::Explained;
use crate::preview::text as preview_text;

pub(super) async fn page(State(shared): State<Shared>) -> Html<String> {
    let observer = shared.observer();
    let mut rows = Vec::new();
    let mut row = |name: &'static str, value: String| rows.push((name, value));
    let picture = observer.picture.as_deref();
    let unknown = || "not known yet".to_owned();
    row(
        "root",
        picture.map_or_else(unknown, |picture| {
            format!("{} ({})", picture.root.display(), picture.root_state.as_str())
        }),
    );
    row("broker", observer.phase().map_or_else(unknown, |phase| phase.as_str().replace('_', " ")));
    row(
        "release",
        observer
            .memory
            .release
            .as_ref()
            .map_or_else(unknown, |release| format!("{} (by {})", release.version, release.source.as_str())),
    );
    if let Some(picture) = picture {
        row("log", picture.log_kind.map_or_else(unknown, |kind| kind.as_str().to_owned()));
        row("end of the log", picture.log.max.map_or_else(unknown, |max| max.to_string()));
        row("dispatch behind", picture.log.lag_bytes.map_or_else(unknown, |lag| format!("{lag} bytes")));
        let sums = picture.queues.by_class.values();
        let (queues, units) =
            sums.fold((0, 0), |(queues, units), sums| (queues + sums.queues, units + sums.units));
        row("queues", format!("{queues} with {units} units"));
    }
    if let Some(outlook) = observer.outlook.as_deref() {
        let when = if outlook.is_of_running { "if killed now" } else { "as it stands" };
        row("next start", format!("{when}: {}", preview_text::sentence(&outlook.preview)));
    }
    for explained in Explained::ALL {
        let gone = observer.memory.losses.gone(explained);
        if gone.last_at.is_some() {
            let (queues, files, units) = (gone.vanished_queues, gone.vanished_files, gone.units_removed);
            row(explained.as_str(), format!("{queues} queues, {files} files, {units} units are gone"));
        }
    }
    let mut html = String::from(HEAD);
    for (name, value) in rows {
        let _ = writeln!(html, "<tr><th scope=row>{name}</th><td>{}</td></tr>", escape(&value));
    }
    html.push_str("</table>\n<h2>Events</h2>\n<ol reversed>\n");
    for entry in observer.memory.feed.since(0).rev().take(50) {
        let times = if entry.count > 1 { format!(" (×{})", entry.count) } else { String::new() };
        let _ = writeln!(
            html,
            "<li class={}><time data-ms={}>{} UTC</time> {}{times}</li>",
            escape(&entry.severity),
            entry.at,
            entry.at.as_utc(),
            escape(&entry.summary)
        );
    }
    let _ = write!(
        html,
        "</ol>\n<p><a href=\"{0}\">{0}</a> <a href=/api/v1/store>/api/v1/store</a> \
         <a href=/api/v1/queues>/api/v1/queues</a> <a href=/api/v1/events>/api/v1/events</a> \
         <a href=/api/v1/preview>/api/v1/preview</a></p>\n</html>\n",
        escape(&shared.telemetry_path)
    );
    Html(html)
}

const HEAD: &str = "<!doctype html>
<html lang=en>
<meta charset=utf-8>
<meta name=viewport content=\"width=device-width, initial-scale=1\">
<meta http-equiv=refresh content=5>
<title>RocketMQ store</title>
<style>
:root { color-scheme: light dark; font-family: system-ui, sans-serif; }
body { margin: 2rem auto; max-width: 60rem; padding: 0 1rem; overflow-wrap: anywhere; }
th { text-align: start; padding-inline-end: 1rem; font-weight: 600; }
time { font-variant-numeric: tabular-nums; opacity: .7; }
.damage { color: light-dark(#b00020, #ff8a80); font-weight: 600; }
</style>
<h1>RocketMQ store</h1>
<table>
";

/// Text that is no HTML: topics and log lines come from anywhere.
fn escape(text: &str) -> String {
    let mut escaped = String::with_capacity(text.len());
    for c in text.chars() {
        match c {
            '&' => escaped.push_str("&amp;"),
            '<' => escaped.push_str("&lt;"),
            '>' => escaped.push_str("&gt;"),
            '"' => escaped.push_str("&quot;"),
            '\'' => escaped.push_str("&#39;"),
            c => escaped.push(c),
        }
    }
    escaped
}
