// What is asked of the next start: a form, and the same as the query of the page's address and of /api/v1/preview.

import { h } from "./preact.js";
import { t } from "./texts.js";

export const WITHOUT = ["abort", "checkpoint", "dledger-checkpoint", "index"];
export const MODES = ["plain", "dledger", "controller"];
export const SHUTDOWNS = ["clean", "unclean"];
const NAMES = ["version", "mode", "shutdown", "set", "without", "queues"];

// The question in the page's address.
export function asked() {
  const query = new URLSearchParams();
  for (const [name, value] of new URLSearchParams(location.search)) if (NAMES.includes(name) && value) query.append(name, value);
  return query;
}

// The question in a form.
export function read(form) {
  const query = new URLSearchParams();
  const fields = new FormData(form);
  for (const name of ["version", "mode", "shutdown"]) if (fields.get(name)) query.set(name, fields.get(name));
  for (const pair of fields.get("set").trim().split(/\s+/).filter(Boolean)) query.append("set", pair);
  for (const file of fields.getAll("without")) query.append("without", file);
  if (fields.get("queues")) query.set("queues", "all");
  return query;
}

// The question sets only what the fields begin with: what is chosen since stays until it is asked, however often the page is drawn.
export function questionForm({ query, releases, onAsk }) {
  const shown = (name, value) => (name === "version" ? value : t(`${name === "mode" ? "log" : "shutdown"}.${value}`));
  // What was asked stands among the choices, also a release that is no row of the table.
  const choices = (name, values) => (values.includes(query.get(name)) ? values : [...values, query.get(name)].filter(Boolean));
  const options = (name, values) => h("label", null, t(`ask.${name}`),
    h("select", { name },
      h("option", { value: "" }, t("ask.as_found")),
      choices(name, values).map((value) => h("option", { key: value, value, selected: value === query.get(name) }, shown(name, value)))));
  return h("form", { onSubmit: (event) => { event.preventDefault(); onAsk(read(event.target)); } },
    options("version", releases),
    options("shutdown", SHUTDOWNS),
    options("mode", MODES),
    h("fieldset", null, h("legend", null, t("ask.without")), WITHOUT.map((file) =>
      h("label", { key: file, class: "inline" },
        h("input", { type: "checkbox", name: "without", value: file, defaultChecked: query.getAll("without").includes(file) }), h("code", null, file)))),
    h("label", null, t("ask.set"), h("input", {
      name: "set", placeholder: "recheckReputOffsetFromCq=true", spellcheck: false, defaultValue: query.getAll("set").join(" "),
    })),
    h("label", { class: "inline" }, h("input", { type: "checkbox", name: "queues", defaultChecked: query.get("queues") === "all" }), t("ask.all_queues")),
    h("button", { class: "main", type: "submit" }, t("ask.ask")));
}
