// Brush, eraser, polygon, growing; pan, zoom and window with the mouse.

import { $, make } from "./api.js";
import { grow } from "./grow.js";
import { KINDS } from "./layers.js";
import { draw, place, point, rawLevels, refresh, setWindow, view, zoom } from "./viewer.js";

export const TOOLS = [
  { id: "brush", name: "Brush", key: "B" },
  { id: "eraser", name: "Eraser", key: "E" },
  { id: "polygon", name: "Polygon", key: "P" },
  { id: "grow", name: "Grow", key: "G" },
  { id: "pan", name: "Pan", key: "H" },
];

/** What is drawn, and with what. */
export const pen = { tool: "brush", kind: KINDS[0], locked: true };

const canvas = $("view");
let commit = () => {}, drag = null, corners = null, spaced = false, hover = null;

/** `save` takes what a tool drew. */
export function start(save) {
  commit = save;
  for (const tool of TOOLS) {
    $("tool-buttons").append(make("button", { title: `${tool.name} (${tool.key})`, dataset: { tool: tool.id }, onclick: () => choose(tool.id) }, tool.name));
  }
  canvas.addEventListener("pointerdown", down);
  canvas.addEventListener("pointermove", move);
  canvas.addEventListener("pointerup", up);
  canvas.addEventListener("pointercancel", up);
  canvas.addEventListener("pointerleave", () => { hover = null; pointer(); });
  canvas.addEventListener("dblclick", closePolygon);
  canvas.addEventListener("contextmenu", (e) => e.preventDefault());
  canvas.addEventListener("wheel", wheel, { passive: false });
  $("size").addEventListener("input", sized);
  $("tolerance").addEventListener("input", sized);
  addEventListener("keydown", (e) => { if (e.key === " " && !typing(e)) { spaced = true; canvas.dataset.tool = "pan"; e.preventDefault(); } });
  addEventListener("keyup", (e) => { if (e.key === " ") { spaced = false; canvas.dataset.tool = pen.tool; } });
  sized();
  choose("brush");
}

export const typing = (event) => /^(INPUT|TEXTAREA|SELECT)$/.test(event.target.tagName) && !["range", "checkbox", "radio"].includes(event.target.type);

export function choose(tool) {
  cancel();
  pen.tool = tool;
  canvas.dataset.tool = tool;
  for (const button of $("tool-buttons").children) button.setAttribute("aria-pressed", button.dataset.tool === tool);
  $("tolerance-group").hidden = tool !== "grow";
  pointer();
}

/** Ends what is half drawn. */
export function cancel() {
  if (drag?.kind === "paint") {
    view.layers?.cancel();
    refresh();
  }
  corners = drag = view.over = null;
  draw();
}

export function resize(by) {
  $("size").value = Math.max(1, Math.round($("size").value * by + Math.sign(by - 1)));
  sized();
}

/** Size of the brush for an image: a share of its width that suits lungs. */
export function suit(width) {
  $("size").max = Math.round(width / 5);
  $("size").value = Math.max(3, Math.round(width / 40));
  sized();
}

function sized() {
  $("size-value").textContent = `${$("size").value} px`;
  $("tolerance-value").textContent = `${$("tolerance").value} %`;
  pointer();
}

const radius = () => Number($("size").value) / 2;
const value = () => (pen.tool === "eraser" ? 0 : pen.kind.value);
/** Where opacity may be drawn. */
const allowed = () => {
  const lung = view.layers.lung.values;
  return pen.kind.layer === "infection" && $("within").checked && lung.some((v) => v) ? (i) => lung[i] !== 0 : () => true;
};

function pointer() {
  const round = pen.tool === "brush" || pen.tool === "eraser";
  const colour = pen.tool === "eraser" ? "#fff" : `rgb(${pen.kind.colour.join()})`;
  view.cursor = hover && round && view.layers && !spaced ? { x: hover[0], y: hover[1], radius: radius(), colour } : null;
  draw();
}

function down(event) {
  if (!view.layers) return;
  canvas.focus({ preventScroll: true });
  canvas.setPointerCapture(event.pointerId);
  const at = point(event), from = [event.clientX, event.clientY];
  if (event.button === 2) drag = { kind: "window", from, centre: view.centre, span: view.span };
  else if (event.button === 1 || spaced || pen.tool === "pan") drag = { kind: "pan", from, x: view.x, y: view.y };
  else if (event.button !== 0 || pen.locked) return;
  else if (pen.tool === "polygon") addCorner(at, event);
  else if (pen.tool === "grow") {
    const [x, y] = at.map(Math.floor);
    if (x < 0 || y < 0 || x >= view.width || y >= view.height) return;
    view.layers.begin(pen.kind.layer);
    drag = { kind: "grow", from, x, y, tolerance: Number($("tolerance").value), may: allowed() };
    regrow();
  } else {
    view.layers.begin(pen.kind.layer);
    drag = { kind: "paint", last: at, may: allowed() };
    stamp(at, at);
  }
  event.preventDefault();
}

function move(event) {
  hover = point(event);
  if (drag?.kind === "pan") [view.x, view.y] = [drag.x + event.clientX - drag.from[0], drag.y + event.clientY - drag.from[1]];
  else if (drag?.kind === "window") setWindow(drag.centre + (event.clientY - drag.from[1]) * 100, drag.span + (event.clientX - drag.from[0]) * 200);
  else if (drag?.kind === "paint") {
    // All points since the last frame, or fast strokes become polygons.
    for (const e of event.getCoalescedEvents?.().length ? event.getCoalescedEvents() : [event]) {
      const at = point(e);
      stamp(drag.last, at);
      drag.last = at;
    }
  } else if (drag?.kind === "grow") {
    const tolerance = Math.max(1, Math.min(40, drag.tolerance + Math.round((drag.from[1] - event.clientY) / 8)));
    if (tolerance !== Number($("tolerance").value)) {
      $("tolerance").value = tolerance;
      sized();
      regrow();
    }
  }
  const [x, y] = hover.map(Math.floor);
  dispatchEvent(new CustomEvent("hover", { detail: x >= 0 && y >= 0 && x < view.width && y < view.height ? [x, y] : null }));
  pointer();
}

function up() {
  const kind = drag?.kind;
  drag = null;
  if (kind === "paint" || kind === "grow") finish(pen.tool);
}

function finish(tool) {
  const change = view.layers.end(tool);
  if (change) commit(change);
}

/** A thick line from a to b. */
function stamp(a, b) {
  const { width, height } = view, mask = view.layers[pen.kind.layer].values, v = value(), may = drag.may;
  const r = radius(), r2 = r * r;
  const x0 = Math.max(0, Math.floor(Math.min(a[0], b[0]) - r)), x1 = Math.min(width - 1, Math.ceil(Math.max(a[0], b[0]) + r));
  const y0 = Math.max(0, Math.floor(Math.min(a[1], b[1]) - r)), y1 = Math.min(height - 1, Math.ceil(Math.max(a[1], b[1]) + r));
  if (x1 < x0 || y1 < y0) return;
  const dx = b[0] - a[0], dy = b[1] - a[1], length = dx * dx + dy * dy;
  for (let y = y0; y <= y1; y++) {
    for (let x = x0; x <= x1; x++) {
      const px = x + 0.5 - a[0], py = y + 0.5 - a[1];
      const t = length ? Math.max(0, Math.min(1, (px * dx + py * dy) / length)) : 0;
      const ex = px - t * dx, ey = py - t * dy, i = y * width + x;
      if (ex * ex + ey * ey <= r2 && (v === 0 || may(i))) mask[i] = v;
    }
  }
  refresh([x0, y0, x1 - x0 + 1, y1 - y0 + 1]);
}

function regrow() {
  const mask = view.layers[pen.kind.layer].values;
  mask.set(view.layers.before.values);
  for (const i of grow(drag.x, drag.y, Number($("tolerance").value) / 100, rawLevels(), drag.may)) mask[i] = pen.kind.value;
  refresh();
}

function addCorner(at, event) {
  if (corners?.length > 2) {
    const [x, y] = place(...corners[0]), box = canvas.getBoundingClientRect();
    if (Math.hypot(event.clientX - box.left - x, event.clientY - box.top - y) < 9) return closePolygon();
  }
  corners = [...(corners ?? []), at];
  view.over = outlinePolygon;
  draw();
}

export function dropCorner() {
  corners = corners?.length > 1 ? corners.slice(0, -1) : null;
  draw();
}

export const drawing = () => corners !== null;

function outlinePolygon(context) {
  if (!corners) return;
  context.beginPath();
  for (const corner of [...corners, ...(hover ? [hover] : [])]) context.lineTo(...place(...corner));
  context.strokeStyle = `rgb(${pen.kind.colour.join()})`;
  context.lineWidth = 2;
  context.stroke();
  context.fillStyle = "#fff";
  for (const corner of corners) {
    const [x, y] = place(...corner);
    context.fillRect(x - 3, y - 3, 6, 6);
  }
}

/** Fills the polygon: pixels whose centres an odd number of its edges lie left of. */
export function closePolygon() {
  const path = corners;
  corners = view.over = null;
  if (!path || path.length < 3) return draw();
  const { width, height, layers } = view, { layer } = pen.kind, may = allowed();
  layers.begin(layer);
  for (let y = 0; y < height; y++) {
    const crossings = [];
    path.forEach(([ax, ay], i) => {
      const [bx, by] = path[(i + 1) % path.length];
      if ((ay <= y + 0.5) !== (by <= y + 0.5)) crossings.push(ax + (y + 0.5 - ay) / (by - ay) * (bx - ax));
    });
    crossings.sort((a, b) => a - b);
    for (let k = 0; k + 1 < crossings.length; k += 2) {
      const from = Math.max(0, Math.ceil(crossings[k] - 0.5)), to = Math.min(width, Math.ceil(crossings[k + 1] - 0.5));
      for (let x = from; x < to; x++) if (may(y * width + x)) layers[layer].values[y * width + x] = pen.kind.value;
    }
  }
  refresh();
  finish("polygon");
}

function wheel(event) {
  event.preventDefault();
  if (!view.width) return;
  const box = canvas.getBoundingClientRect();
  if (event.altKey) resize(event.deltaY < 0 ? 1.15 : 1 / 1.15);
  else zoom(Math.exp(-event.deltaY * (event.deltaMode ? 0.05 : 0.0015)), event.clientX - box.left, event.clientY - box.top);
}
