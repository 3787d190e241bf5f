// What is seen now: the next start at a glance, the broker's phase, what is lost, lag and offsets, disks, incidents.

import { h } from "./preact.js";
import { chart } from "./chart.js";
import { ago, card, facts, isLoaded, refusal, severityTone, verdictSentence, verdictTone, verdictWord, when, wide, word } from "./parts.js";
import { bytes, duration, has, moment, number, percent, t, told } from "./texts.js";

const LOSSES = ["recovery", "unexplained", "retention", "topic_delete"];
const FEED = 100;

export function overview({ state, events, points }) {
  if (!state) return h("p", { class: "card" }, t("waiting"));
  return [
    nextStart(state),
    broker(state),
    losses(state),
    disk(state),
    card("lag.title", "half", lag(points)),
    card("offsets.title", "half", offsets(points)),
    feed(events),
  ];
}

function nextStart({ next_start: next, exporter }) {
  if (!next) return card("next.title", "verdict wide", h("p", null, t("next.unknown")));
  const { totals } = next;
  return card("next.title", `verdict wide ${verdictTone(next.verdict)}`,
    h("p", null, verdictWord(next.verdict), " ", h("span", { class: "quiet" },
      t(next.is_of_running ? "next.if_killed" : "next.as_it_stands"), ", ", ago(next.made_at, exporter.now))),
    h("p", { class: "sentence", role: "status" }, verdictSentence(next)),
    facts([
      ...refusal(next.start),
      ...(isLoaded(next) ? [
        [t("fact.units_lost"), number(totals.units_lost)],
        [t("fact.queues_emptied"), number(totals.queues_emptied)],
        [t("fact.messages_dropped"), number(totals.messages_dropped)],
        [t("fact.load_takes"), duration(next.estimate.duration_seconds * 1000)],
      ] : []),
      !next.complete && [t("fact.complete"), t("fact.incomplete")],
    ]),
    next.findings.filter(({ severity }) => severity !== "info").map((finding) =>
      h("p", { key: finding.id }, word(t(`severity.${finding.severity}`), severityTone(finding.severity)), " ", told(finding.summary))),
    h("p", null, h("a", { href: "/preview" }, t("next.more"))));
}

function broker({ broker, store, exporter }) {
  const { progress, last_start: start } = broker;
  const part = (name) => progress[name] !== null && h("div", { key: name },
    h("label", { class: "inline" }, t(`part.${name}`), " ", percent(progress[name])),
    h("progress", { value: progress[name], "aria-label": t(`part.${name}`) }));
  return card("broker.title", "third",
    facts([
      [t("fact.phase"), broker.phase && word(t(`phase.${broker.phase}`), phaseTone(broker.phase))],
      [t("fact.since"), broker.phase && [when(broker.phase_since), " (", ago(broker.phase_since, exporter.now), ")"]],
      [t("fact.release"), broker.release && `${broker.release.version} (${t(`source.${broker.release.source}`)})`],
      [t("fact.log_kind"), store?.log_kind && t(`log.${store.log_kind}`)],
      [t("fact.cluster"), broker.cluster],
      [t("fact.last_start"), start && when(start.began_at)],
      [t("fact.stopped_before"), start?.previous_shutdown && t(`shutdown.${start.previous_shutdown}`)],
      [t("fact.load_failures"), broker.load_failures > 0 && number(broker.load_failures)],
      [t("fact.root"), store && h("code", null, store.root)],
    ]),
    progress && h("div", { role: "status" }, part("consumequeue"), part("commitlog"),
      progress.estimated_end && h("p", null, t("broker.estimated_end"), " ", when(progress.estimated_end))));
}

const phaseTone = (phase) => (phase === "running" ? "good" : phase === "failed" ? "bad" : "warn");

function losses({ losses, store }) {
  const gone = LOSSES.filter((reason) => losses[reason].last_at);
  const bad = store?.consumequeue;
  return card("losses.title", "half",
    gone.length === 0
      ? h("p", null, t("losses.none"))
      : wide(t("losses.title"), h("table", null,
        h("thead", null, h("tr", null,
          h("th", { scope: "col" }, t("losses.reason")),
          ["vanished_queues", "vanished_files", "units_removed"].map((name) =>
            h("th", { key: name, scope: "col", class: "number" }, t(`losses.${name}`))),
          h("th", { scope: "col" }, t("losses.last_at")))),
        h("tbody", null, gone.map((reason) => {
          const of = losses[reason];
          const tone = reason === "recovery" || reason === "unexplained" ? "bad" : "";
          return h("tr", { key: reason },
            h("th", { scope: "row" }, word(t(`explained.${reason}`), tone)),
            h("td", { class: "number" }, number(of.vanished_queues)),
            h("td", { class: "number" }, number(of.vanished_files)),
            h("td", { class: "number" }, number(of.units_removed)),
            h("td", null, when(of.last_at)));
        })))),
    bad && facts([
      [t("fact.queues"), number(sum(bad.by_class, "queues"))],
      [t("fact.units"), number(sum(bad.by_class, "units"))],
    ]));
}

const sum = (classes, name) => Object.values(classes).reduce((total, each) => total + each[name], 0);

function disk({ disk }) {
  const thresholds = Object.entries(disk.threshold_ratio).sort(([, a], [, b]) => a - b);
  const crossed = (used) => thresholds.filter(([, ratio]) => used >= ratio).length;
  return card("disk.title", "half",
    Object.entries(disk.used_ratio).filter(([, used]) => used !== null).map(([area, used]) => {
      const tone = ["", "warn", "bad", "bad"][crossed(used)];
      return h("div", { key: area },
        h("p", null, t(`area.${area}`), ": ", h("strong", null, percent(used))),
        h("div", { class: `bar ${tone}`, role: "meter", "aria-valuenow": Math.round(used * 100), "aria-valuemin": 0, "aria-valuemax": 100, "aria-label": t(`area.${area}`) },
          h("i", { style: { width: `${used * 100}%` } }),
          thresholds.map(([name, ratio]) => h("b", { key: name, style: { left: `${ratio * 100}%` }, title: t(`threshold.${name}`) }))));
    }),
    facts(thresholds.map(([name, ratio]) => [percent(ratio), t(`threshold.${name}`)])));
}

const lag = (points) => chart({
  title: t("lag.title"), form: bytes, base: 1024,
  series: [{ name: t("lag.bytes"), points: points.map((point) => [point.at, point.lag_bytes]) }],
});

const offsets = (points) => chart({
  title: t("offsets.title"), form: bytes, base: 1024,
  series: [
    { name: t("offsets.log"), points: points.map((point) => [point.at, point.log_max]) },
    { name: t("offsets.queues"), points: points.map((point) => [point.at, point.queues_max]) },
  ],
});

function feed(events) {
  const shown = events.slice(-FEED).reverse();
  const title = ({ kind, event }) => {
    const key = kind === "log" || kind === "forecast" ? `event.${event}` : `event.${kind}`;
    return has(key) ? t(key) : event || kind;
  };
  return card("feed.title", "feed-card",
    shown.length === 0 ? h("p", null, t("feed.none")) : h("ol", { class: "feed", reversed: true, tabIndex: 0, "aria-label": t("feed.title") },
      shown.map((entry) => h("li", { key: entry.seq, class: severityTone(entry.severity) },
        h("time", { dateTime: new Date(entry.at).toISOString() }, moment(entry.at)),
        h("span", null, word(t(`severity.${entry.severity}`), severityTone(entry.severity)), " ", title(entry),
          entry.count > 1 && ` ×${number(entry.count)}`),
        h("p", { class: "quiet" }, told(entry.summary))))));
}
