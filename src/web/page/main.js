// Starts the page, keeps what it shows fresh, and draws it anew when something has changed.

import { h, render } from "./preact.js";
import { overview } from "./overview.js";
import { PreviewPage } from "./preview.js";
import { NO_ANSWER, fetched, trouble, when, word } from "./parts.js";
import { LANGUAGES, duration, load, number, speak, spoken, t } from "./texts.js";

const EVERY = 2000;
// What the exporter knows is called old when it is this much older than now, in ms.
const OLD_LOOK = 60_000;
const OLD_FORECAST = 300_000;

const isPreview = location.pathname === "/preview";
const seen = { state: null, events: [], points: [], answeredAt: null, failure: null };

const get = (path) => fetched(path, AbortSignal.timeout(10_000));

// What is new, and the last of what is known once more: an entry that comes again in the same second only counts up.
async function newer({ events, points }) {
  const [entry, point] = [events.at(-1), points.at(-1)];
  const [state, told, history] = await Promise.all([
    get("/api/v1/store"),
    get(`/api/v1/events?since=${(entry?.seq ?? 1) - 1}`),
    get(`/api/v1/history?since=${(point?.at ?? 0) - 1}`),
  ]);
  // An exporter that lacks what was last known is another process, with other entries, or has forgotten it.
  const isSame = (!entry || (told.events[0]?.seq === entry.seq && told.events[0].at === entry.at)) && (!point || history.points[0]?.at === point.at);
  if (!isSame) return newer({ events: [], points: [] });
  return { state, events: [...events.slice(0, -1), ...told.events].slice(-1000), points: [...points.slice(0, -1), ...history.points] };
}

async function refresh() {
  try {
    const { state, events, points } = await newer(seen);
    Object.assign(seen, { state, events, points: points.filter(({ at }) => state.exporter.now - at <= 3_600_000), answeredAt: Date.now(), failure: null });
  } catch (error) {
    // What was seen stays, under a banner that tells how old it is.
    seen.failure = error;
  }
  draw();
}

function banners() {
  const { state, answeredAt, failure } = seen;
  const found = [];
  if (failure) {
    const what = answeredAt ? t("old.no_answer_since", { time: duration(Date.now() - answeredAt) }) : t(NO_ANSWER);
    const why = failure.key === NO_ANSWER ? failure.message : trouble(failure);
    found.push(h("p", { key: "answer", class: "banner bad" }, t("told_why", { what, why })));
  }
  if (!state) return found;
  const { now, tasks } = state.exporter;
  for (const [task, { stuck_ms: stuck }] of Object.entries(tasks)) {
    if (stuck !== null) {
      found.push(h("p", { key: task, class: "banner bad" }, t("own.stuck", { task: t(`task.${task}`), time: duration(stuck) })));
    }
  }
  if (state.store && now - state.store.seen_at > OLD_LOOK) {
    found.push(h("p", { key: "look", class: "banner" }, t("old.look", { time: duration(now - state.store.seen_at) })));
  }
  if (state.next_start && now - state.next_start.made_at > OLD_FORECAST) {
    found.push(h("p", { key: "forecast", class: "banner" }, t("old.forecast", { time: duration(now - state.next_start.made_at) })));
  }
  if (state.store && state.store.root_state !== "store") {
    found.push(h("p", { key: "root", class: "banner bad" },
      h("strong", null, t(`root.${state.store.root_state}`)), " ", h("code", null, state.store.root)));
  }
  return found;
}

// How the exporter itself fares: what its kernel holds it to, and whether its tasks panicked. A word is loud only where it is to be seen.
function own({ confined, confinement_gaps: gaps, tasks }) {
  const lacking = Object.keys(confined).filter((part) => !confined[part]).map((part) => t(`confined.${part}`));
  const panicked = Object.entries(tasks).filter(([, { panics }]) => panics > 0);
  const isWell = panicked.length === 0 && Object.values(tasks).every(({ stuck_ms: stuck }) => stuck === null);
  return h("span", { class: "own", title: gaps.join("; ") || undefined },
    lacking.length === 0 ? t("own.confined") : gaps.length === 0 ? t("own.not_confined") : word(t("own.confined_in_part", { parts: lacking.join(", ") }), "warn"),
    isWell && [", ", t("own.tasks_go_on")],
    panicked.map(([task, { panics }]) => [" ", word(t("own.panicked", { task: t(`task.${task}`), n: number(panics) }), "warn")]));
}

function page() {
  const { state } = seen;
  const broker = state?.broker.name ?? state?.store?.root ?? "";
  const link = (path, key) =>
    h("a", { href: path, "aria-current": location.pathname === path ? "page" : undefined }, t(key));
  return [
    h("a", { class: "skip", href: "#main" }, t("skip")),
    h("header", null,
      h("h1", null, t("title"), broker && ": ", h("span", { class: "broker" }, broker)),
      h("nav", { "aria-label": t("title") }, link("/", "nav.overview"), link("/preview", "nav.preview")),
      h("span", { class: "row push", role: "group", "aria-label": t("language") },
        Object.entries(LANGUAGES).map(([language, name]) =>
          h("button", {
            key: language, type: "button", lang: language, "aria-pressed": String(spoken() === language),
            onClick: () => { speak(language); draw(); },
          }, name)))),
    h("main", { id: "main", tabIndex: -1 },
      h("div", { role: "status", style: { gridColumn: "1 / -1", display: "contents" } }, banners()),
      isPreview ? h(PreviewPage, { state, language: spoken() }) : overview(seen)),
    h("footer", null,
      state && h("span", null, `rocketmq-store-exporter ${state.exporter.version}`),
      state && own(state.exporter),
      state && h("span", null, t("as_of"), " ", when(state.exporter.now)),
      state && h("a", { href: state.exporter.telemetry_path }, t("metrics")),
      ["store", "queues", "events", "history", "preview", "compare"].map((name) =>
        h("a", { key: name, href: `/api/v1/${name}` }, `/api/v1/${name}`))),
  ];
}

function draw() {
  const verdict = seen.state?.next_start?.verdict;
  document.title = [verdict && t(`verdict.${verdict}`), seen.state?.broker.name, t("title")].filter(Boolean).join(" · ");
  render(page(), document.getElementById("page"));
}

async function follow() {
  if (!document.hidden) await refresh();
  setTimeout(follow, EVERY);
}

await load();
draw();
document.addEventListener("visibilitychange", () => { if (!document.hidden) refresh(); });
follow();
