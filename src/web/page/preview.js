// The preview: what the next start would do to this store, as asked here or as captured in a file.

import { Component, h } from "./preact.js";
import { comparison } from "./comparison.js";
import { Trouble, card, copy, facts, fetched, isLoaded, refusal, severityTone, trouble, verdictSentence, verdictTone, verdictWord, when, word } from "./parts.js";
import { asked, questionForm } from "./question.js";
import { Table } from "./table.js";
import { bytes, duration, has, number, t, told } from "./texts.js";

// Time between two answers, and as a multiple of what the last one took: asking again must not weigh on the disk.
const EVERY = 15_000;
const REST = 50;
// A comparison reads the store once for each of its cells: unasked for only where that is little.
const SMALL = 64 * 1024 * 1024;
const SHOWN = 200;
// Parts told of those that a file lacks.
const LACKING = 5;
const SCHEMA_VERSION = 1;

// What is read of a preview: a kind of value, a test of it, a list of such, or parts by name; one with "?" may be null, and "*" is any name.
const FORM = {
  schema_version: (value) => value === SCHEMA_VERSION,
  store: { root: "string", mode: "string", broker_state: "string" },
  assumed: {
    "version?": "string", "version_source?": "string", shutdown: "string", shutdown_source: "string",
    overrides: { "*": "string" }, without: ["string"],
  },
  verdict: (value) => has(`verdict.${value}`),
  complete: "boolean",
  consistent: "boolean",
  start: { "outcome?": "string", "exit_code?": "number", "path?": "string" },
  commitlog: { min_offset: "number", max_offset: "number", scan_from: "number", scan_end: "number", messages_scanned: "number" },
  "truncation?": { fires: "boolean", process_offset: "number", consumequeue_max_physical_offset: "number" },
  reput_from: "number",
  queues: [{
    topic: "string", queue: "number", before: { max_offset: "number" }, after_load: { max_offset: "number" },
    units_removed: "number", units_added: "number", "units_lost?": "number", "next_offset?": "number",
  }],
  totals: {
    queues: "number", queues_changed: "number", queues_emptied: "number", units_removed: "number", "units_lost?": "number",
    messages_dropped: "number",
  },
  files: { unlinked: ["string"], created: ["string"] },
  index: { unlinked: ["string"] },
  log: [{ level: "string", text: "string", count: "number" }],
  not_modelled: ["string"],
  findings: [{ id: "string", severity: "string", summary: "string", evidence: {}, "upstream?": "string", releases: "string" }],
  remedies: [{
    id: "string", title: "string", steps: ["string"], verdict: "string", "units_lost?": "number", messages_dropped: "number",
    duration_seconds: "number",
  }],
  estimate: { duration_seconds: "number", basis: "string" },
};

function fits(value, form) {
  if (typeof form === "function") return form(value);
  if (typeof form === "string") return typeof value === form;
  return Array.isArray(form) ? Array.isArray(value) : typeof value === "object" && value !== null;
}

// Places at which a value is not of its form.
function* lacking(value, form, place = "") {
  const below = (name) => (place ? `${place}.${name}` : name);
  if (!fits(value, form)) yield place;
  else if (Array.isArray(form)) for (const [at, each] of value.entries()) yield* lacking(each, form[0], `${place}[${at}]`);
  else if (typeof form === "object") for (const [named, part] of Object.entries(form)) {
    const name = named.replace("?", "");
    if (name === "*") for (const [any, each] of Object.entries(value)) yield* lacking(each, part, below(any));
    else if (name === named || (value[name] ?? null) !== null) yield* lacking(value[name], part, below(name));
  }
}

// The preview in a file.
async function captured(file) {
  const text = await file.text();
  let answer;
  try {
    answer = Object(JSON.parse(text));
  } catch ({ message }) {
    throw new Trouble("file.no_json", { file: file.name }, message);
  }
  if (answer.schema_version > SCHEMA_VERSION) {
    throw new Trouble("file.newer", { file: file.name, version: answer.schema_version, known: SCHEMA_VERSION });
  }
  const parts = [];
  for (const place of lacking(answer, FORM)) if (parts.push(place) > LACKING) break;
  if (parts.length > LACKING) parts[LACKING] = "…";
  if (parts.length > 0) throw new Trouble("file.no_preview", { file: file.name, parts: parts.join(", ") });
  return answer;
}

export class PreviewPage extends Component {
  constructor(props) {
    super(props);
    this.state = { query: asked(), answer: null, at: null, error: null, refused: null, isAsking: false, file: null, compared: {}, copied: null };
  }

  componentDidMount() {
    this.ask();
  }

  componentWillUnmount() {
    clearTimeout(this.timer);
  }

  async ask(query = this.state.query) {
    clearTimeout(this.timer);
    const isOther = String(query) !== String(this.state.query);
    if (isOther) history.replaceState(null, "", `?${query}`);
    const number = (this.asking = (this.asking ?? 0) + 1);
    this.setState({ query, isAsking: true, file: null, ...(isOther && { compared: {}, answer: null }) });
    const begun = performance.now();
    try {
      const answer = await fetched(`/api/v1/preview?${query}`);
      if (number !== this.asking) return;
      const isFirst = isOther || !this.state.answer;
      this.setState({ answer, at: Date.now(), error: null, isAsking: false });
      if (isFirst && answer.bytes_read <= SMALL) await this.compare("remedies");
    } catch (error) {
      if (number !== this.asking) return;
      this.setState({ error, isAsking: false });
    }
    const again = () => (document.hidden || this.state.file ? this.wait(again, EVERY) : this.ask());
    this.wait(again, Math.max(EVERY, REST * (performance.now() - begun)));
  }

  wait(then, time) {
    clearTimeout(this.timer);
    this.timer = setTimeout(then, time);
  }

  async compare(kind) {
    const { query } = this.state;
    const set = (value) => this.setState({ compared: { ...this.state.compared, [kind]: value } });
    set({ isAsking: true });
    const rest = new URLSearchParams([...query].filter(([name]) => name !== "queues"));
    try {
      const answer = await fetched(`/api/v1/compare?${rest}${kind === "remedies" ? "&remedies=true" : ""}`);
      if (String(query) === String(this.state.query)) set({ answer });
    } catch (error) {
      set({ error });
    }
  }

  async open(file) {
    try {
      const answer = await captured(file);
      clearTimeout(this.timer);
      this.asking = (this.asking ?? 0) + 1;
      this.setState({ answer, at: file.lastModified, error: null, refused: null, isAsking: false, file: file.name, compared: {} });
    } catch (refused) {
      // What was shown stays, and is asked for as before.
      this.setState({ refused });
    }
  }

  async copySteps({ id, steps }) {
    try {
      await copy(steps.map((step, at) => `${at + 1}. ${told(step)}`).join("\n"));
      this.setState({ copied: id });
    } catch {
      this.setState({ copied: null, error: new Trouble("remedies.not_copied") });
    }
  }

  render({ state }, { query, answer, at, error, refused, isAsking, file }) {
    const ask = (query) => { this.setState({ refused: null }); this.ask(query); };
    return [
      error && h("p", { key: "error", class: "banner bad", role: "alert" }, trouble(error)),
      refused && h("p", { key: "refused", class: "banner bad", role: "alert" }, trouble(refused)),
      file && h("p", { key: "file", class: "banner" }, t("file.shown", { file }), " ",
        h("button", { type: "button", onClick: () => ask() }, t("file.close"))),
      h("p", { key: "status", class: "quiet", role: "status", style: { gridColumn: "1 / -1", margin: 0 } },
        isAsking && !answer ? t("ask.reading") : at && [t("as_of"), " ", when(at)]),
      answer && verdict(answer),
      answer && card("facts.title", "third", assumedFacts(answer), logFacts(answer)),
      h("section", { key: "ask", class: "card", "aria-labelledby": "ask.title" }, h("details", { open: query.size > 0 }, h("summary", { id: "ask.title" }, t("ask.title")),
        questionForm({ query, releases: state?.exporter.releases ?? [], onAsk: ask }),
        h("div", { class: "row" },
          h("label", null, t("file.open"), h("input", {
            type: "file", accept: ".json,application/json",
            onChange: ({ target }) => {
              if (target.files[0]) this.open(target.files[0]);
              // The same file may have changed when it is chosen again.
              target.value = "";
            },
          })),
          answer && h("button", { type: "button", onClick: () => save(answer) }, t("file.save"))))),
      answer && this.answer(answer),
    ];
  }

  answer(answer) {
    return [
      answer.findings.length > 0 && card("findings.title", "half", answer.findings.map(finding)),
      answer.remedies.length > 0 && card("remedies.title", "half", answer.remedies.map((each, at) => this.remedy(each, at))),
      queues(answer),
      !this.state.file && card("compare.title", "", this.comparison("remedies", answer), this.comparison("shutdowns", answer)),
      files(answer),
      lines(answer),
    ];
  }

  remedy(remedy, at) {
    const { id, title, verdict, units_lost: lost, messages_dropped: dropped, duration_seconds: seconds, steps } = remedy;
    return h("article", { key: id, class: "remedy" },
      h("h3", null, `${at + 1}. ${told(title)} `, verdictWord(verdict)),
      h("p", { class: "quiet" }, [
        lost === null ? t("remedies.no_start") : t("remedies.lost", { n: number(lost) }),
        dropped > 0 && t("compare.dropped", { n: number(dropped) }),
        verdict !== "refuse_start" && t("remedies.takes", { time: duration(seconds * 1000) }),
      ].filter(Boolean).join(" · ")),
      h("ol", { class: "steps" }, steps.map((step) => h("li", { key: step }, isCommand(step) ? h("code", null, step) : told(step)))),
      h("button", { type: "button", onClick: () => this.copySteps(remedy) },
        this.state.copied === id ? t("remedies.copied") : t("remedies.copy")));
  }

  comparison(kind, { bytes_read: read }) {
    const { answer, error, isAsking } = this.state.compared[kind] ?? {};
    return h("div", { key: kind },
      answer && comparison(answer),
      error && h("p", { role: "alert" }, trouble(error)),
      !answer && h("button", { type: "button", disabled: isAsking, onClick: () => this.compare(kind) },
        isAsking ? t("ask.reading") : t(`compare.by_${kind}`, { size: bytes(read) })));
  }
}

const isCommand = (step) => /^(mv|rm) /.test(step);

function verdict(answer) {
  const { remedies: [best], verdict, findings } = answer;
  const loses = best && (best.units_lost === 0 && best.messages_dropped === 0 ? "nothing" : "least");
  const critical = findings.find(({ severity }) => severity === "critical");
  const advice = best
    ? t(`advice.remedy_loses_${loses}`, { remedy: told(best.title) })
    : ["unchanged", "trimmed", "reindexed"].includes(verdict) && critical
      ? t("advice.look_first", { finding: critical.id })
      : t(`advice.${verdict}`);
  return card("answer.title", `verdict wide ${verdictTone(verdict)}`,
    h("p", null, verdictWord(verdict)),
    h("p", { class: "sentence", role: "status" }, verdictSentence(answer)),
    h("p", null, h("strong", null, t("advice.title")), " ", advice),
    !answer.complete && h("p", null, t("fact.incomplete")),
    !answer.consistent && h("p", null, t("fact.inconsistent")),
    answer.not_modelled.map((note) => h("p", { key: note }, t("facts.left_out"), " ", told(note))));
}

function assumedFacts({ store, assumed }) {
  return facts([
    [t("fact.root"), h("code", null, store.root)],
    [t("fact.log_kind"), t(`log.${store.mode}`)],
    [t("fact.broker"), t(`state.${store.broker_state}`)],
    [t("fact.release"), assumed.version && `${assumed.version} (${t(`source.${assumed.version_source}`)})`],
    [t("fact.shutdown"), `${t(`shutdown.${assumed.shutdown}`)} (${t(`by.${assumed.shutdown_source}`)})`],
    [t("ask.set"), Object.entries(assumed.overrides).map(([key, value]) => `${key}=${value}`).join(" ")],
    [t("ask.without"), assumed.without.join(" ")],
  ]);
}

function logFacts({ commitlog: log, truncation: cut, reput_from: reput, estimate, start }) {
  if (start.outcome !== "starts") return facts(refusal(start));
  return facts([
    [t("fact.log"), `${number(log.min_offset)} – ${number(log.max_offset)}`],
    [t("fact.scan"), `${number(log.scan_from)} – ${number(log.scan_end)}, ${t("fact.messages", { n: number(log.messages_scanned) })}`],
    [t("fact.truncation"), cut && t(cut.fires ? "fact.cut_at" : "fact.no_cut", {
      at: number(cut.process_offset), end: number(cut.consumequeue_max_physical_offset),
    })],
    [t("fact.dispatch_from"), number(reput)],
    [t("fact.load_takes"), h("span", { title: told(estimate.basis) }, duration(estimate.duration_seconds * 1000))],
  ]);
}

function finding({ id, severity, summary, evidence, upstream, releases }) {
  const [repository, issue] = upstream?.split("#") ?? [];
  return h("article", { key: id, class: "finding" },
    h("h3", null, word(t(`severity.${severity}`), severityTone(severity)), " ", h("code", null, id)),
    h("p", null, told(summary)),
    has(`finding.${id}`) && h("p", { class: "quiet" }, t(`finding.${id}`)),
    h("p", { class: "quiet" }, t("findings.releases", { releases: told(releases) }),
      upstream && [" ", issue ? h("a", { href: `https://github.com/${repository}/issues/${issue}`, rel: "noreferrer" }, upstream) : upstream]),
    Object.keys(evidence).length > 0 && h("details", null, h("summary", null, t("findings.evidence")),
      h("pre", null, JSON.stringify(evidence, null, 2))));
}

function queues(answer) {
  if (!isLoaded(answer)) return null;
  const { queues, totals } = answer;
  const end = (place) => (queue) => queue[place].max_offset;
  const count = (id) => ({ id, title: t(`queues.${id}`), value: (queue) => queue[id], show: (queue) => number(queue[id]), isNumber: true });
  const ends = (id, value) => ({ id, title: t(`queues.${id}`), value, show: (queue) => number(value(queue)), isNumber: true });
  const columns = [
    { id: "topic", title: t("queues.topic"), value: (queue) => queue.topic },
    { id: "queue", title: t("queues.queue"), value: (queue) => queue.queue, isNumber: true },
    ends("before", end("before")),
    ends("after", end("after_load")),
    count("units_removed"),
    count("units_added"),
    count("units_lost"),
    count("next_offset"),
  ];
  return card("queues.title", "",
    h("p", null, t("queues.summary", { changed: number(totals.queues_changed), all: number(totals.queues) })),
    queues.length > 0 && h(Table, {
      label: t("queues.title"), rows: queues, columns, order: ["units_lost", -1],
      isLike: (queue, text) => `${queue.topic}/${queue.queue}`.toLowerCase().includes(text),
      keyOf: (queue) => `${queue.topic}/${queue.queue}`,
    }));
}

function files({ files, index }) {
  const list = (key, paths) => paths.length > 0 && h("details", { key },
    h("summary", null, t(`files.${key}`, { n: number(paths.length) })),
    h("pre", null, paths.slice(0, SHOWN).join("\n"), paths.length > SHOWN && `\n${t("files.more", { n: number(paths.length - SHOWN) })}`));
  const lists = [list("unlinked", files.unlinked), list("created", files.created), list("index", index.unlinked)].filter(Boolean);
  return lists.length > 0 && card("files.title", "half", lists);
}

function lines({ log }) {
  return log.length > 0 && card("lines.title", "half", h("details", null,
    h("summary", null, t("lines.summary")),
    h("pre", null, log.slice(0, SHOWN).map(({ level, text, count }) => `${level} ${text}${count > 1 ? ` ×${count}` : ""}`).join("\n"))));
}

function save(answer) {
  const link = document.createElement("a");
  link.href = URL.createObjectURL(new Blob([JSON.stringify(answer, null, 1)], { type: "application/json" }));
  link.download = `preview-${answer.assumed.version ?? "unknown"}-${answer.verdict}.json`;
  link.click();
  setTimeout(() => URL.revokeObjectURL(link.href), 1000);
}
