// Texts in the reader's language. All of them stand in texts.json; nothing else on the page is written in one.

export const LANGUAGES = { en: "English", zh: "简体中文" };

let table = {};
let sentences = [];
let language = chosen();

function chosen() {
  const kept = remembered();
  if (kept in LANGUAGES) return kept;
  return navigator.languages.find((tag) => tag.slice(0, 2) in LANGUAGES)?.slice(0, 2) ?? "en";
}

// Storage may be forbidden; then a choice lasts as long as the page.
function remembered() {
  try {
    return localStorage.getItem("language");
  } catch {
    return null;
  }
}

export async function load() {
  const texts = await (await fetch("/assets/texts.json")).json();
  table = texts.keys;
  sentences = texts.sentences.map((each) => ({ ...each, pattern: pattern(each.en) }));
  document.documentElement.lang = locale();
}

export function speak(chosen) {
  language = chosen;
  document.documentElement.lang = locale();
  try {
    localStorage.setItem("language", chosen);
  } catch {
    // Nothing is lost but the choice.
  }
}

export const spoken = () => language;
const locale = () => ({ en: "en", zh: "zh-CN" })[language];

// The text for `key`, with `{name}` filled in, and of `{name:one|many}` the one that goes with the number.
export function t(key, values = {}) {
  const text = table[key]?.[language];
  return text === undefined ? key : fill(text, values);
}

// Whether there is a text for `key`.
export const has = (key) => key in table;

const fill = (text, values) => text.replace(/\{(\w+)(?::([^|}]*)\|([^}]*))?\}/g, (whole, name, one, many) =>
  one === undefined ? values[name] ?? whole : String(values[name]) === "1" ? one : many);

function pattern(text) {
  const literal = (part) => part.replace(/[.*+?^${}()|[\]\\]/g, "\\$&");
  const place = (inside) => {
    const [name, words] = inside.split(":");
    return words === undefined ? `(?<${name}>.+)` : `(?:${words.split("|").map(literal).join("|")})`;
  };
  const parts = text.split(/\{([^}]+)\}/).map((part, at) => (at % 2 ? place(part) : literal(part)));
  return new RegExp(`^${parts.join("")}$`, "s");
}

// Places in sentences of the exporter where others stand, or a word of it.
const TOLD = { why: told, first: told, reason: (word) => (has(`explained.${word}`) ? t(`explained.${word}`) : word) };

// A sentence of the exporter, which speaks English, in the reader's language; as it is where it is not known, like a line of the
// broker's log or a command.
export function told(sentence) {
  if (language === "en") return sentence;
  for (const known of sentences) {
    const found = known.pattern.exec(sentence);
    if (!found) continue;
    const places = Object.entries(found.groups ?? {}).map(([name, text]) => [name, TOLD[name]?.(text) ?? text]);
    return fill(known[language], Object.fromEntries(places));
  }
  return sentence;
}

export const number = (value) => (value === null || value === undefined ? "–" : value.toLocaleString(locale()));

// Bytes in the largest unit of which there is one, told to the next `exact` of them.
export function bytes(value, exact) {
  if (value === null || value === undefined) return "–";
  const units = ["B", "KiB", "MiB", "GiB", "TiB"];
  let at = 0;
  let rest = value;
  while (Math.abs(rest) >= 1024 && at < units.length - 1) {
    rest /= 1024;
    at += 1;
  }
  const digits = exact ? Math.max(0, Math.ceil(-Math.log10(exact / 1024 ** at))) : at ? 1 : 0;
  return `${rest.toLocaleString(locale(), { maximumFractionDigits: Math.min(digits, 6) })} ${units[at]}`;
}

export function duration(ms) {
  if (ms < 1000) return t("unit.ms", { n: number(Math.round(ms)) });
  const seconds = ms / 1000;
  if (seconds < 90) return t("unit.s", { n: number(Math.round(seconds * 10) / 10) });
  const minutes = seconds / 60;
  if (minutes < 90) return t("unit.min", { n: number(Math.round(minutes)) });
  const hours = minutes / 60;
  return hours < 48 ? t("unit.h", { n: number(Math.round(hours)) }) : t("unit.d", { n: number(Math.round(hours / 24)) });
}

export const percent = (ratio) => ratio.toLocaleString(locale(), { style: "percent", maximumFractionDigits: 1 });

// Local time, written alike in all languages.
const two = (value) => String(value).padStart(2, "0");
const day = (date) => `${date.getFullYear()}-${two(date.getMonth() + 1)}-${two(date.getDate())}`;
const time = (date) => [date.getHours(), date.getMinutes(), date.getSeconds()].map(two).join(":");
export const clock = (ms) => time(new Date(ms));
export const moment = (ms) => `${day(new Date(ms))} ${clock(ms)}`;
