// One store under several releases, with each remedy or kind of stop.

import { h } from "./preact.js";
import { verdictWord, wide } from "./parts.js";
import { has, number, t } from "./texts.js";

const column = (name) => (has(`remedy.${name}`) ? t(`remedy.${name}`) : name);

export function comparison(answer) {
  const { columns, rows, best } = answer;
  const cell = (row, name) => {
    const found = row.cells.find((each) => each.column === name);
    if (!found) return h("td", { key: name }, "–");
    const isBest = best && best.version === row.version && best.column === name;
    return h("td", { key: name, class: isBest ? "best" : "" }, verdictWord(found.verdict),
      found.units_lost > 0 && h("div", null, t("compare.lost", { n: number(found.units_lost) })),
      found.messages_dropped > 0 && h("div", null, t("compare.dropped", { n: number(found.messages_dropped) })),
      found.exit_code !== null && h("div", null, t("compare.exit_code", { code: found.exit_code })));
  };
  return [
    wide(t("compare.title"), h("table", null,
      h("thead", null, h("tr", null, h("th", { scope: "col" }, t("fact.release")),
        columns.map((name) => h("th", { key: name, scope: "col" }, column(name))))),
      h("tbody", null, rows.map((row) => h("tr", { key: row.version },
        h("th", { scope: "row" }, row.version), columns.map((name) => cell(row, name))))))),
    best && h("p", { key: "best" }, t("compare.best", { release: best.version, column: column(best.column) })),
  ];
}
