// Agreement over the cases that this reader is done with.

import { $, get, make } from "./api.js";

const number = (v) => (v == null ? "–" : v.toFixed(2));

export async function show(reader) {
  const base = `/api/readers/${reader}/agreement`;
  $("agreement-dialog").showModal();
  $("agreement").replaceChildren(make("p", { className: "quiet" }, "Computing…"));
  const found = await get(base);
  if (!found.pairs.length) {
    $("agreement").replaceChildren(make("p", {}, "No case yet that you and somebody else are done with."));
    return;
  }
  const table = (head, rows) => make("table", {}, make("tr", {}, ...head.map((t) => make("th", {}, t))), ...rows.map((r) => make("tr", {}, ...r.map((t) => make("td", {}, String(t))))));
  const link = (end, text) => make("a", { className: "button", href: `${base}.${end}`, download: `agreement.${end}` }, text);
  $("agreement").replaceChildren(
    table(["Readers", "cases", "Dice opacity", "Dice lungs", ..."ABCDEF".split("").map((z) => `κ ${z}`), "ICC(2,1)"],
      found.pairs.map((p) => [p.readers.join(" / "), p.cases, number(p.dice_infection), number(p.dice_lungs), ...p.kappa.map((k) => number(k?.quadratic)), number(p.icc)])),
    make("p", { className: "quiet" }, `κ: Cohen's kappa with quadratic weights. ICC(2,1) of all readers: ${number(found.icc)} over ${found.icc_cases} cases.`),
    make("h3", {}, "Against STAPLE's consensus"),
    table(["Reader", "cases", "sensitivity", "specificity", "Dice"], found.against.map((a) => [a.reader, a.cases, number(a.sensitivity), number(a.specificity), number(a.dice)])),
    make("img", { src: `${base}.svg`, alt: "Dice of every case and kappa of every zone, by pair of readers" }),
    make("p", {}, link("csv", "CSV"), " ", link("svg", "SVG")),
  );
}
