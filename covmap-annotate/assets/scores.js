// Brixia: six zones, 0 to 3 each.

import { $, make } from "./api.js";
import { draw, view } from "./viewer.js";

const MEANING = ["no abnormalities", "interstitial infiltrates", "interstitial and alveolar, interstitial predominant", "interstitial and alveolar, alveolar predominant"];
const PLACE = ["right upper", "right middle", "right lower", "left upper", "left middle", "left lower"];

let zones = [], change = () => {};

export function start(save) {
  change = save;
  // Row by row as they lie in the image: A D, B E, C F.
  for (const z of [0, 3, 1, 4, 2, 5]) {
    const row = make("div", { className: "zone", role: "radiogroup", ariaLabel: `Zone ${"ABCDEF"[z]}, ${PLACE[z]}` }, make("b", { title: PLACE[z] }, "ABCDEF"[z]));
    for (let score = 0; score < 4; score++) {
      row.append(make("button", { role: "radio", title: MEANING[score], dataset: { zone: z, score }, onclick: () => set(z, zones[z] === score ? null : score) }, String(score)));
    }
    $("zones").append(row);
  }
}

export function load(scores, locked) {
  zones = [...scores];
  for (const button of $("zones").querySelectorAll("button")) button.disabled = locked;
  show();
}

function set(zone, score) {
  zones[zone] = score;
  show();
  change([...zones]);
}

function show() {
  for (const button of $("zones").querySelectorAll("button")) button.setAttribute("aria-checked", zones[button.dataset.zone] === Number(button.dataset.score));
  const done = zones.every((z) => z != null);
  $("global").textContent = done ? `${zones.reduce((a, b) => a + b, 0)} of 18` : "";
  view.scores = zones;
  draw();
}
