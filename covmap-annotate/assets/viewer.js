// The radiograph under its outlines: window, zoom, pan, and what is drawn over it.

import { KINDS } from "./layers.js";

const canvas = document.getElementById("view");
const context = canvas.getContext("2d");

/** State of the view; other modules read it and ask for `draw`. */
export const view = {
  width: 0, height: 0, aspect: 1, scale: 1, x: 0, y: 0, centre: 32768, span: 65536, inverted: false,
  layers: null, hidden: new Set(), fill: true, zones: true, over: null, preview: null, readings: null, cursor: null, scores: null,
};

let levels, bits, film, overlay, filmPixels, overlayPixels, asked = false, filmStale = false, lungBoxes = null;

const surface = (width, height) => Object.assign(document.createElement("canvas"), { width, height });

/** Takes a new radiograph; `data` are its bytes. */
export function load(info, data, layers) {
  Object.assign(view, { width: info.width, height: info.height, aspect: info.pixel_aspect_ratio || 1, layers, preview: null, readings: null, over: null, cursor: null });
  bits = info.bits;
  levels = bits === 16 ? new Uint16Array(data) : new Uint8Array(data);
  film = surface(info.width, info.height);
  overlay = surface(info.width, info.height);
  filmPixels = film.getContext("2d").createImageData(info.width, info.height);
  overlayPixels = overlay.getContext("2d").createImageData(info.width, info.height);
  autoWindow();
  refresh();
  fit();
}

/** The radiograph as it is windowed now. */
export function filmCanvas() {
  if (filmStale) paintFilm();
  return film;
}

export const level = (x, y) => levels[y * view.width + x] * (bits === 16 ? 1 : 257);
export const rawLevels = () => ({ levels, top: bits === 16 ? 65535 : 255 });

/** From the darkest to the brightest hundredth of the pixels. */
export function autoWindow() {
  const shift = bits === 16 ? 8 : 0;
  const counts = new Uint32Array(256);
  for (let i = 0; i < levels.length; i += 7) counts[levels[i] >> shift]++;
  const total = counts.reduce((a, b) => a + b, 0);
  const quantile = (share) => {
    let sum = 0, i = 0;
    while (i < 255 && (sum += counts[i]) < share * total) i++;
    return i;
  };
  setWindow(257 * (quantile(0.005) + quantile(0.995) + 1) / 2, 257 * Math.max(2, quantile(0.995) - quantile(0.005) + 1));
}

export function setWindow(centre, span) {
  view.centre = Math.max(0, Math.min(65535, centre));
  view.span = Math.max(256, Math.min(131072, span));
  filmStale = true;
  draw();
}

export function invert() {
  view.inverted = !view.inverted;
  filmStale = true;
  draw();
}

function paintFilm() {
  const top = bits === 16 ? 65535 : 255, step = 65535 / top;
  const table = new Uint32Array(top + 1);
  for (let v = 0; v <= top; v++) {
    let grey = Math.round(255 * ((v * step - view.centre) / view.span + 0.5));
    grey = Math.max(0, Math.min(255, grey));
    if (view.inverted) grey = 255 - grey;
    table[v] = 0xff000000 | (grey << 16) | (grey << 8) | grey;
  }
  const out = new Uint32Array(filmPixels.data.buffer);
  for (let i = 0; i < out.length; i++) out[i] = table[levels[i]];
  film.getContext("2d").putImageData(filmPixels, 0, 0);
  filmStale = false;
}

const packed = ([r, g, b], alpha) => ((alpha << 24) | (b << 16) | (g << 8) | r) >>> 0;
const COLOUR = Object.fromEntries(KINDS.map((k) => [k.layer + k.value, { edge: packed(k.colour, 255), area: packed(k.colour, 66), soft: packed(k.colour, 20) }]));
COLOUR.lung255 = { edge: packed([200, 210, 220], 255), area: packed([200, 210, 220], 66), soft: packed([200, 210, 220], 20) };

/** Paints the outlines anew, within a box where only that has changed. */
export function refresh(box) {
  const { width, height, layers } = view;
  if (!layers) return;
  // Outlines as thick as a pixel of the screen at the usual size.
  const thick = Math.max(1, Math.round(Math.max(width, height) / 900));
  const [bx, by, bw, bh] = box ?? [0, 0, width, height];
  const x0 = Math.max(0, bx - thick), y0 = Math.max(0, by - thick), x1 = Math.min(width, bx + bw + thick), y1 = Math.min(height, by + bh + thick);
  const out = new Uint32Array(overlayPixels.data.buffer);
  const lung = layers.lung.values, infection = layers.infection.values;
  const lungs = !view.hidden.has("lung"), opacity = !view.hidden.has("infection");
  const edge = (m, i, x, y, v) =>
    x < thick || y < thick || x >= width - thick || y >= height - thick ||
    m[i - thick] !== v || m[i + thick] !== v || m[i - thick * width] !== v || m[i + thick * width] !== v;
  for (let y = y0; y < y1; y++) {
    for (let x = x0, i = y * width + x0; x < x1; x++, i++) {
      let colour = 0;
      const o = opacity ? infection[i] : 0, l = lungs ? lung[i] : 0;
      if (o) colour = edge(infection, i, x, y, o) ? COLOUR["infection" + o].edge : view.fill ? COLOUR["infection" + o].area : 0;
      if (l && !o) colour = edge(lung, i, x, y, l) ? COLOUR["lung" + l].edge : view.fill ? COLOUR["lung" + l].soft : 0;
      out[i] = colour;
    }
  }
  overlay.getContext("2d").putImageData(overlayPixels, 0, 0, x0, y0, x1 - x0, y1 - y0);
  lungBoxes = null;
  draw();
}

/** A mask as a transparent picture in one colour, outlined. */
export function contour(values, colour, area = 0) {
  const { width, height } = view;
  const picture = surface(width, height);
  const pixels = picture.getContext("2d").createImageData(width, height);
  const out = new Uint32Array(pixels.data.buffer);
  const thick = Math.max(1, Math.round(Math.max(width, height) / 600));
  const edge = packed(colour, 255), inside = packed(colour, area);
  for (let y = 0, i = 0; y < height; y++) {
    for (let x = 0; x < width; x++, i++) {
      if (!values[i]) continue;
      const at = x < thick || y < thick || x >= width - thick || y >= height - thick ||
        !values[i - thick] || !values[i + thick] || !values[i - thick * width] || !values[i + thick * width];
      out[i] = at ? edge : inside;
    }
  }
  picture.getContext("2d").putImageData(pixels, 0, 0);
  return picture;
}

export function fit() {
  const { clientWidth: w, clientHeight: h } = canvas;
  const height = view.height * view.aspect;
  view.scale = Math.min(w / view.width, h / height) * 0.98;
  view.x = (w - view.width * view.scale) / 2;
  view.y = (h - height * view.scale) / 2;
  draw();
}

/** Zooms around a point of the screen. */
export function zoom(factor, x = canvas.clientWidth / 2, y = canvas.clientHeight / 2) {
  const scale = Math.max(0.05, Math.min(40, view.scale * factor));
  view.x = x - (x - view.x) * scale / view.scale;
  view.y = y - (y - view.y) * scale / view.scale;
  view.scale = scale;
  draw();
}

/** Screen to image. */
export const point = (event) => {
  const box = canvas.getBoundingClientRect();
  return [(event.clientX - box.left - view.x) / view.scale, (event.clientY - box.top - view.y) / view.scale / view.aspect];
};

/** Image to screen, relative to the canvas. */
export const place = (x, y) => [view.x + x * view.scale, view.y + y * view.scale * view.aspect];

/** Draws before the next frame. */
export function draw() {
  if (asked) return;
  asked = true;
  requestAnimationFrame(() => {
    asked = false;
    paint();
  });
}

function paint() {
  const ratio = devicePixelRatio || 1;
  const [w, h] = [Math.round(canvas.clientWidth * ratio), Math.round(canvas.clientHeight * ratio)];
  if (canvas.width !== w || canvas.height !== h) Object.assign(canvas, { width: w, height: h });
  context.setTransform(1, 0, 0, 1, 0, 0);
  context.fillStyle = "#000";
  context.fillRect(0, 0, w, h);
  if (!view.width) return;
  if (filmStale) paintFilm();
  context.setTransform(ratio * view.scale, 0, 0, ratio * view.scale * view.aspect, ratio * view.x, ratio * view.y);
  context.imageSmoothingEnabled = view.scale * ratio < 3;
  context.imageSmoothingQuality = "high";
  context.drawImage(film, 0, 0);
  if (view.readings) view.readings.forEach((picture) => context.drawImage(picture, 0, 0));
  else {
    context.globalAlpha = view.preview ? 0.25 : 1;
    context.drawImage(overlay, 0, 0);
    context.globalAlpha = 1;
    if (view.preview) context.drawImage(view.preview, 0, 0);
  }
  context.setTransform(ratio, 0, 0, ratio, 0, 0);
  if (view.layers && view.zones && !view.hidden.has("lung") && !view.readings) zones();
  if (view.over) view.over(context);
  if (view.cursor) {
    const [x, y] = place(view.cursor.x, view.cursor.y);
    context.beginPath();
    context.ellipse(x, y, view.cursor.radius * view.scale, view.cursor.radius * view.scale * view.aspect, 0, 0, 7);
    context.strokeStyle = "#000c";
    context.lineWidth = 3;
    context.stroke();
    context.strokeStyle = view.cursor.colour;
    context.lineWidth = 1.5;
    context.stroke();
  }
}

/** Thirds of each lung's own box, as the score's zones. */
function zones() {
  lungBoxes ??= [view.layers.extent(100), view.layers.extent(200)];
  context.font = "600 12px system-ui, sans-serif";
  context.textBaseline = "middle";
  context.lineWidth = 1;
  lungBoxes.forEach((box, side) => {
    if (!box) return;
    for (let third = 0; third < 3; third++) {
      const top = box.y0 + (box.y1 + 1 - box.y0) * third / 3, middle = box.y0 + (box.y1 + 1 - box.y0) * (third + 0.5) / 3;
      const [left, y] = place(box.x0, top), [right] = place(box.x1 + 1, top), [, at] = place(0, middle);
      if (third) {
        context.setLineDash([4, 5]);
        context.strokeStyle = "#ffffff70";
        context.beginPath();
        context.moveTo(left, y);
        context.lineTo(right, y);
        context.stroke();
        context.setLineDash([]);
      }
      const zone = side * 3 + third, score = view.scores?.[zone];
      context.textAlign = side ? "left" : "right";
      context.fillStyle = "#ffffffb0";
      context.fillText("ABCDEF"[zone] + (score == null ? "" : ` ${score}`), side ? right + 6 : left - 6, at);
    }
  });
}

new ResizeObserver(() => (view.width ? fit() : draw())).observe(canvas);
