// Small parts that both views are made of.

import { h } from "./preact.js";
import { duration, has, moment, number, t, told } from "./texts.js";

const VERDICT_TONE = {
  unchanged: "good", trimmed: "good", reindexed: "good", index_loss: "bad", message_loss: "bad", refuse_start: "bad", inconclusive: "warn",
};
const SEVERITY_TONE = { critical: "bad", damage: "bad", warning: "warn", notable: "warn" };

export const verdictTone = (verdict) => VERDICT_TONE[verdict] ?? "warn";
export const severityTone = (severity) => SEVERITY_TONE[severity] ?? "";

export const word = (text, tone) => h("span", { class: `word ${tone}` }, text);
export const verdictWord = (verdict) => word(t(`verdict.${verdict}`), verdictTone(verdict));

// A verdict in one sentence, of an answer of /api/v1/preview or of what /api/v1/store says of the next start.
export function verdictSentence(answer) {
  const { assumed, totals, start, verdict } = answer;
  return t(`sentence.${verdict}`, {
    release: assumed.version ?? t("unknown_release"),
    lost: number(totals.units_lost ?? 0),
    queues: number(answer.queues_with_loss ?? answer.queues.filter((queue) => queue.units_lost > 0).length),
    emptied: totals.queues_emptied > 0 ? t("emptied_queues", { queues: number(totals.queues_emptied) }) : "",
    others: totals.units_lost > 0 ? t("other_messages", { lost: number(totals.units_lost) }) : "",
    removed: number(totals.units_removed),
    dropped: number(totals.messages_dropped),
    exit_code: start.exit_code ?? "?",
    why: told(answer.not_modelled[0] ?? ""),
  });
}

export const when = (ms) => h("time", { dateTime: new Date(ms).toISOString(), title: new Date(ms).toISOString() }, moment(ms));
export const ago = (ms, now) => t("ago", { time: duration(Math.max(0, now - ms)) });

// Pairs of a name and a value; pairs without a value are left out.
export const facts = (pairs) =>
  h("dl", null, pairs.filter((pair) => pair && ![null, undefined, false, ""].includes(pair[1]))
    .flatMap(([name, value]) => [h("dt", { key: name }, name), h("dd", { key: `${name}=` }, value)]));

// Whether a start comes as far as its queues: what is counted of them means nothing else. Some starts are refused only then.
export const isLoaded = ({ start, totals }) => start.outcome === "starts" || totals.queues > 0;

// What is known of a start that does not come off; of any other, nothing.
export const refusal = ({ exit_code: code, path }) => [[t("fact.exit_code"), code], [t("fact.because_of"), path && h("code", null, path)]];

// A part of the page under the text of this name, which names the part for those who do not see it.
export const card = (title, shape, ...content) =>
  h("section", { class: `card ${shape}`, "aria-labelledby": title }, h("h2", { id: title }, t(title)), ...content);

// What may be wider than the window; it can be scrolled by keyboard too.
export const wide = (label, content) => h("div", { class: "scroll", tabIndex: 0, role: "group", "aria-label": label }, content);

// Something that went wrong: the name of its text, and what the exporter or the browser says of it.
export class Trouble extends Error {
  constructor(key, values, message) {
    super(message);
    Object.assign(this, { key, values });
  }
}

// The same in words, those of the reader's language first.
export function trouble({ key, values, message }) {
  if (!key) return message;
  return message ? t("told_why", { what: t(key, values), why: message }) : t(key, values);
}

export const NO_ANSWER = "old.no_answer";

// What the exporter answers.
export async function fetched(path, signal) {
  const none = ({ message }) => { throw new Trouble(NO_ANSWER, {}, message); };
  const answer = await fetch(path, { cache: "no-store", signal }).catch(none);
  if (answer.ok) return answer.json().catch(none);
  const { error, message } = await answer.json().catch(() => ({}));
  const key = `error.${error}`;
  throw new Trouble(has(key) ? key : "unknown_error", { status: answer.status }, message);
}

// Text to the clipboard, also where the page does not come over TLS and the clipboard's own interface is closed.
export async function copy(text) {
  if (navigator.clipboard && window.isSecureContext) return navigator.clipboard.writeText(text);
  const area = document.createElement("textarea");
  area.value = text;
  area.setAttribute("readonly", "");
  document.body.append(area);
  area.select();
  const done = document.execCommand("copy");
  area.remove();
  if (!done) throw new Error("copy");
}
