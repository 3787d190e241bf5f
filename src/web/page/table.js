// A table that can be sorted and filtered, and shows one page of its rows at a time: 50,000 rows cost no more than 100.

import { Component, h } from "./preact.js";
import { wide } from "./parts.js";
import { number, t } from "./texts.js";

const PAGE = 100;

// Properties: `label`; `rows`; `columns`: [{ id, title, value(row), show(row)?, isNumber? }], `order`: [column, -1 or 1];
// `isLike(row, text)` finds by lower-case text; `keyOf(row)`.
export class Table extends Component {
  constructor(props) {
    super(props);
    this.state = { order: props.order, text: "", page: 0 };
  }

  // Rows as they are to be shown; kept while nothing that matters changes.
  shown() {
    const { rows, columns, isLike } = this.props;
    const { order, text } = this.state;
    const made = this.made;
    if (made && made.rows === rows && made.order === order && made.text === text) return made.shown;
    const wanted = text.trim().toLowerCase();
    const shown = wanted ? rows.filter((row) => isLike(row, wanted)) : [...rows];
    const [id, way] = order;
    const value = columns.find((column) => column.id === id).value;
    // By code points, as the exporter sorts: a comparison by language takes seconds for 50,000 rows.
    const compare = (a, b) => (a < b ? -1 : a > b ? 1 : 0);
    shown.sort((a, b) => way * compare(value(a) ?? -1, value(b) ?? -1));
    this.made = { rows, order, text, shown };
    return shown;
  }

  sort({ id, isNumber }) {
    const [now, way] = this.state.order;
    const next = now === id ? -way : isNumber ? -1 : 1;
    this.setState({ order: [id, next], page: 0 });
  }

  render({ label, rows, columns, keyOf }, { order, text, page }) {
    const shown = this.shown();
    const pages = Math.max(1, Math.ceil(shown.length / PAGE));
    const at = Math.min(page, pages - 1);
    const turn = (to) => () => this.setState({ page: to });
    return h("div", null,
      h("div", { class: "row" },
        h("label", null, t("table.filter"), h("input", {
          type: "search", value: text, onInput: (event) => this.setState({ text: event.target.value, page: 0 }),
        })),
        h("span", { class: "quiet", role: "status" }, t("table.count", { shown: number(shown.length), all: number(rows.length) }))),
      wide(label, h("table", null,
        h("thead", null, h("tr", null, columns.map((column) => {
          const isBy = order[0] === column.id;
          const sorted = !isBy ? undefined : order[1] > 0 ? "ascending" : "descending";
          return h("th", { key: column.id, scope: "col", class: column.isNumber ? "number" : "", "aria-sort": sorted },
            h("button", { type: "button", onClick: () => this.sort(column) },
              column.title, isBy ? (order[1] > 0 ? " ▲" : " ▼") : ""));
        }))),
        h("tbody", null, shown.slice(at * PAGE, (at + 1) * PAGE).map((row) =>
          h("tr", { key: keyOf(row) }, columns.map((column) =>
            h("td", { key: column.id, class: column.isNumber ? "number" : "topic" },
              (column.show ?? column.value)(row)))))))),
      pages > 1 && h("div", { class: "row" },
        h("button", { type: "button", disabled: at === 0, onClick: turn(at - 1) }, t("table.previous")),
        h("span", null, t("table.page", { page: number(at + 1), pages: number(pages) })),
        h("button", { type: "button", disabled: at === pages - 1, onClick: turn(at + 1) }, t("table.next"))));
  }
}
