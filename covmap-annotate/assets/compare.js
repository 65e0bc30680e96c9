// What all readers decided on a case, once this one and another are done.

import { $, make } from "./api.js";
import { fromRuns } from "./layers.js";
import { contour, draw, view } from "./viewer.js";

const COLOURS = [[86, 180, 233], [230, 159, 0], [0, 200, 140], [204, 121, 167], [240, 228, 66], [213, 94, 0]];

let found = null, layer = "infection", shown = new Set();

export function show(result) {
  found = result;
  shown = new Set(result.readers.map((r) => r.reader));
  layer = "infection";
  render();
}

export function hide() {
  found = null;
  view.readings = null;
  $("compare-section").hidden = true;
  draw();
}

export const comparing = () => found !== null;

function render() {
  const { width, height } = view;
  const everybody = [...found.readers.map((r, i) => ({ ...r, colour: COLOURS[i % COLOURS.length] })), { reader: "consensus", ...found.consensus, colour: [255, 255, 255] }];
  view.readings = everybody.filter((r) => shown.has(r.reader) && r[layer]).map((r) => contour(fromRuns(r[layer], width * height), r.colour, 28));
  draw();
  const tick = (r) => {
    const swatch = make("span", { className: "swatch" });
    swatch.style.background = `rgb(${r.colour.join()})`;
    const box = make("input", { type: "checkbox", checked: shown.has(r.reader), onchange: (e) => { e.target.checked ? shown.add(r.reader) : shown.delete(r.reader); render(); } });
    return make("label", { className: "who" }, box, swatch, r.reader);
  };
  const number = (v, digits = 2) => (v == null ? "" : Number(v).toFixed(digits));
  const head = make("tr", {}, make("th", {}, "Reader"), ...["A", "B", "C", "D", "E", "F", "Σ", "s"].map((t) => make("th", {}, t)));
  const rows = everybody.map((r) => {
    const row = make("tr", {}, make("td", {}, tick(r)));
    if (!r.zones) return row;
    r.zones.forEach((score, z) => {
      const apart = found.readers.some((o) => o.zones[z] !== score);
      row.append(make("td", { className: apart ? "apart" : "" }, score == null ? "" : String(score)));
    });
    row.append(make("td", {}, r.global == null ? "" : String(r.global)), make("td", {}, number(r.seconds, 0)));
    return row;
  });
  const layers = ["infection", "lung"].map((l) => make("button", { ariaPressed: String(l === layer), onclick: () => { layer = l; render(); } }, l === "lung" ? "Lungs" : "Opacity"));
  const dice = found.dice.map((d) => make("tr", {}, make("td", {}, d.readers.join(" / ")), make("td", {}, number(d.infection)), make("td", {}, number(d.lung))));
  const comments = found.readers.filter((r) => r.comment).map((r) => make("p", {}, make("b", {}, `${r.reader}: `), r.comment));
  $("compare-section").replaceChildren(
    make("h3", {}, "Comparison", make("button", { onclick: hide }, "Close")),
    make("div", { className: "group" }, ...layers),
    make("table", {}, head, ...rows),
    make("table", {}, make("tr", {}, make("th", {}, "Dice"), make("th", {}, "opacity"), make("th", {}, "lungs")), ...dice),
    ...comments,
  );
  $("compare-section").hidden = false;
}
