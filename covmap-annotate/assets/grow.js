// Growing from a seed: what is about as bright as its surroundings and hangs together with it.

import { view } from "./viewer.js";

let smooth = null, of = null;

/** Means of 5 x 5 pixels, so that grain does not stop the growth; made once an image. */
function smoothed({ levels }) {
  if (of === levels) return smooth;
  const { width, height } = view;
  const rows = new Float32Array(levels.length);
  smooth = new Float32Array(levels.length);
  of = levels;
  const sum = (from, to, at, step, n, length) => {
    // A running mean of five along a row or column, edges repeated.
    let total = 3 * from[at] + from[at + step * Math.min(1, length - 1)] + from[at + step * Math.min(2, length - 1)];
    for (let i = 0; i < n; i++) {
      to[at + i * step] = total / 5;
      total += from[at + step * Math.min(length - 1, i + 3)] - from[at + step * Math.max(0, i - 2)];
    }
  };
  for (let y = 0; y < height; y++) sum(levels, rows, y * width, 1, width, width);
  for (let x = 0; x < width; x++) sum(rows, smooth, x, width, height, height);
  return smooth;
}

/** Pixels (indices) that grow from (x, y); `may` says where they may be. `tolerance` is a share of all levels. */
export function grow(x, y, tolerance, raw, may) {
  const { width, height } = view;
  const mean = smoothed(raw);
  const start = y * width + x, seed = mean[start], reach = tolerance * raw.top;
  const limit = Math.max(width, height) / 3;
  const seen = new Uint8Array(mean.length);
  const found = [start];
  if (!may(start)) return [];
  seen[start] = 1;
  for (let next = 0; next < found.length; next++) {
    const i = found[next], cx = i % width, cy = (i - cx) / width;
    const visit = (j, nx, ny) => {
      if (seen[j]) return;
      seen[j] = 1;
      if (Math.abs(mean[j] - seed) <= reach && Math.hypot(nx - x, ny - y) <= limit && may(j)) found.push(j);
    };
    if (cx > 0) visit(i - 1, cx - 1, cy);
    if (cx < width - 1) visit(i + 1, cx + 1, cy);
    if (cy > 0) visit(i - width, cx, cy - 1);
    if (cy < height - 1) visit(i + width, cx, cy + 1);
  }
  return found;
}
