// A small chart of lines over time.

import { h } from "./preact.js";
import { clock, t } from "./texts.js";

const HEIGHT = 190;
const LEFT = 78;
const RIGHT = 10;
const TOP = 8;
const BOTTOM = 24;
const TICKS = 4;

// The next larger of 1, 2, 5 times a power of `base` parts.
function step(span, base) {
  const raw = span / TICKS;
  let power = 1;
  while (power * base <= raw) power *= base;
  const lead = raw / power;
  const round = base === 1024 ? [1, 2, 4, 8, 16, 32, 64, 128, 256, 512, 1024] : [1, 2, 5, 10];
  return round.find((each) => each >= lead) * power;
}

function line(points, x, y) {
  let path = "";
  let isDown = false;
  for (const [at, value] of points) {
    if (value === null) {
      isDown = false;
      continue;
    }
    path += `${isDown ? "L" : "M"}${x(at).toFixed(1)} ${y(value).toFixed(1)}`;
    isDown = true;
  }
  return path;
}

// `series`: [{ name, points: [[ms, value or null]] }], at most two; `form` writes a value, `base` is what its units are parts of.
export function chart({ title, series, form, base = 10 }) {
  // Letters keep their size: a narrow window gets a narrow drawing.
  const width = window.innerWidth < 600 ? 330 : 640;
  const known = series.flatMap(({ points }) => points).filter(([, value]) => value !== null);
  if (known.length < 2) return h("p", { class: "quiet" }, t("chart.too_few"));
  const times = series.flatMap(({ points }) => points.map(([at]) => at));
  const [from, to] = [Math.min(...times), Math.max(...times)];
  const values = known.map(([, value]) => value);
  const [least, most] = [Math.min(...values), Math.max(...values)];
  const each = step(Math.max(most - (least > most / 2 ? least : 0), most / 100, 1), base);
  const bottom = least > most / 2 ? Math.floor(least / each) * each : 0;
  const top = Math.max(Math.ceil(most / each) * each, bottom + each);
  const x = (at) => LEFT + ((at - from) / Math.max(to - from, 1)) * (width - LEFT - RIGHT);
  const y = (value) => HEIGHT - BOTTOM - ((value - bottom) / (top - bottom)) * (HEIGHT - TOP - BOTTOM);
  const ticks = [];
  for (let value = bottom; value <= top; value += each) ticks.push(value);
  const last = series.map(({ name, points }) => `${name}: ${form(points.at(-1)[1])}`).join("; ");
  return h("figure", { style: { margin: 0 } },
    h("svg", { class: "chart", viewBox: `0 0 ${width} ${HEIGHT}`, role: "img", "aria-label": `${title}. ${last}` },
      ticks.map((value) => h("g", { key: value },
        h("line", { class: "grid", x1: LEFT, x2: width - RIGHT, y1: y(value), y2: y(value) }),
        h("text", { x: LEFT - 6, y: y(value) + 4, "text-anchor": "end" }, form(value, each)))),
      h("text", { x: LEFT, y: HEIGHT - 6 }, clock(from)),
      h("text", { x: width - RIGHT, y: HEIGHT - 6, "text-anchor": "end" }, clock(to)),
      series.map(({ name, points }, at) => h("path", { key: name, class: at ? "second" : "first", d: line(points, x, y) }))),
    h("figcaption", { class: "legend" }, series.map(({ name, points }, at) =>
      h("span", { key: name, class: at ? "second" : "first" }, `${name}: ${form(points.at(-1)[1])}`))));
}
