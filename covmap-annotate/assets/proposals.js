// Proposals of the networks side by side; a key takes one.

import { $, make } from "./api.js";
import { fromRuns, KINDS } from "./layers.js";
import { contour, draw, filmCanvas, view } from "./viewer.js";

const COLOUR = { infection: KINDS[0].colour, lung: [150, 175, 200] };

let proposals = [], take = () => {};

/** Decodes the proposals of a case; `pick` takes one of them. */
export function load(list, pick) {
  const { width, height } = view;
  take = pick;
  proposals = list.map((p) => ({
    model: p.model,
    name: p.name ?? p.model,
    lung: p.lung && fromRuns(p.lung, width * height),
    infection: p.infection && fromRuns(p.infection, width * height),
  }));
  for (const p of proposals) {
    p.pictures = [];
    if (p.lung) p.pictures.push(contour(p.lung, COLOUR.lung));
    if (p.infection) p.pictures.push(contour(p.infection, COLOUR.infection, 70));
  }
  show();
}

/** The n-th proposal, from 1. */
export const pick = (n) => proposals[n - 1] && take(proposals[n - 1]);

export function show() {
  $("proposal-section").hidden = !proposals.length;
  $("proposals").replaceChildren(...proposals.map((p, i) => tile(p, i, 300)));
  if (!$("gallery").hidden) $("gallery").replaceChildren(...proposals.map((p, i) => tile(p, i, 900)));
}

function tile(p, i, most) {
  const scale = Math.min(1, most / view.width);
  const canvas = Object.assign(document.createElement("canvas"), { width: Math.round(view.width * scale), height: Math.round(view.height * scale * view.aspect) });
  const context = canvas.getContext("2d");
  context.imageSmoothingQuality = "high";
  for (const picture of [filmCanvas(), ...p.pictures]) context.drawImage(picture, 0, 0, canvas.width, canvas.height);
  const button = make("button", {
    className: "tile", title: p.model, ariaPressed: String(view.layers.infection.source === p.model),
    onclick: () => { close(); take(p); },
    onpointerenter: () => preview(p), onpointerleave: () => preview(null),
  }, canvas, make("span", {}, make("kbd", {}, String(i + 1)), p.name));
  return button;
}

function preview(p) {
  if (!p || view.readings) view.preview = null;
  else {
    const both = Object.assign(document.createElement("canvas"), { width: view.width, height: view.height });
    for (const picture of p.pictures) both.getContext("2d").drawImage(picture, 0, 0);
    view.preview = both;
  }
  draw();
}

/** All proposals large, or away with them. */
export function gallery(open = $("gallery").hidden) {
  $("gallery").hidden = !open || !proposals.length;
  show();
}

export function close() {
  preview(null);
  $("gallery").hidden = true;
}
