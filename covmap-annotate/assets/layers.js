// Masks, the runs they travel as, and what undoes a change.

/** What can be drawn: a value of a layer. */
export const KINDS = [
  { layer: "infection", value: 1, name: "Ground glass", swatch: "hazy", colour: [255, 176, 0] },
  { layer: "infection", value: 2, name: "Consolidation", swatch: "dense", colour: [255, 79, 109] },
  { layer: "lung", value: 100, name: "Right lung", swatch: "right", colour: [74, 163, 255] },
  { layer: "lung", value: 200, name: "Left lung", swatch: "left", colour: [95, 211, 141] },
];

/** Values of runs (value, length, ...) as bytes. */
export function fromRuns(runs, length) {
  const values = new Uint8Array(length);
  let at = 0;
  for (let i = 0; i < runs.length; i += 2) {
    if (runs[i]) values.fill(runs[i], at, at + runs[i + 1]);
    at += runs[i + 1];
  }
  return values;
}

/** Runs of a box of a plane that is `stride` wide. */
export function toRuns(values, stride, [x, y, w, h]) {
  const runs = [];
  let value = -1, count = 0;
  for (let row = y; row < y + h; row++) {
    for (let i = row * stride + x, end = i + w; i < end; i++) {
      if (values[i] === value) count++;
      else {
        if (count) runs.push(value, count);
        value = values[i];
        count = 1;
      }
    }
  }
  if (count) runs.push(value, count);
  return runs;
}

/** Writes runs into a box. */
export function putRuns(values, stride, [x, y, w], runs) {
  let column = 0, row = y;
  for (let i = 0; i < runs.length; i += 2) {
    for (let left = runs[i + 1]; left > 0;) {
      const part = Math.min(left, w - column);
      const start = row * stride + x + column;
      values.fill(runs[i], start, start + part);
      left -= part;
      column += part;
      if (column === w) [column, row] = [0, row + 1];
    }
  }
}

/** The smallest box in which two planes differ, or null. */
export function difference(a, b, width, height) {
  let x0 = width, x1 = -1, y0 = height, y1 = -1;
  for (let y = 0, i = 0; y < height; y++) {
    for (let x = 0; x < width; x++, i++) {
      if (a[i] !== b[i]) {
        if (x < x0) x0 = x;
        if (x > x1) x1 = x;
        if (y < y0) y0 = y;
        y1 = y;
      }
    }
  }
  return x1 < 0 ? null : [x0, y0, x1 - x0 + 1, y1 - y0 + 1];
}

/** Both masks of a draft, and the changes that can be undone. */
export class Layers {
  constructor(width, height, draft) {
    Object.assign(this, { width, height, undone: [], done: [] });
    this.lung = { values: fromRuns(draft.lung.runs, width * height), source: draft.lung.source, touched: draft.versions.lung > 0 };
    this.infection = { values: fromRuns(draft.infection.runs, width * height), source: draft.infection.source, touched: draft.versions.infection > 0 };
  }

  /** Copies a layer before it is drawn on. */
  begin(layer) {
    this.before = { layer, values: this[layer].values.slice(), source: this[layer].source };
  }

  /** Drops what was drawn since `begin`. */
  cancel() {
    if (this.before) this[this.before.layer].values.set(this.before.values);
    this.before = null;
  }

  /** What was drawn since `begin` as a change to save, or null where nothing changed. */
  end(tool, source = this.before.source) {
    const { layer, values, source: old } = this.before;
    this.before = null;
    const now = this[layer];
    const box = difference(values, now.values, this.width, this.height) ?? (source === old ? null : [0, 0, 1, 1]);
    if (!box) return null;
    now.source = source;
    now.touched = true;
    const change = { layer, box, before: toRuns(values, this.width, box), after: toRuns(now.values, this.width, box), from: old, to: source };
    this.done.push(change);
    this.undone = [];
    return { layer, tool, box, runs: change.after, source };
  }

  undo() {
    return this.step(this.done, this.undone, "undo", "before", "from");
  }

  redo() {
    return this.step(this.undone, this.done, "redo", "after", "to");
  }

  step(from, to, tool, runs, source) {
    const change = from.pop();
    if (!change) return null;
    to.push(change);
    putRuns(this[change.layer].values, this.width, change.box, change[runs]);
    this[change.layer].source = change[source];
    return { layer: change.layer, tool, box: change.box, runs: change[runs], source: change[source] };
  }

  /** Pixels of a value. */
  area(layer, value) {
    let n = 0;
    for (const v of this[layer].values) if (v === value) n++;
    return n;
  }

  /** Top, bottom, left, right of a lung, or null. */
  extent(side) {
    const { values } = this.lung;
    const box = { x0: this.width, x1: -1, y0: this.height, y1: -1 };
    for (let y = 0, i = 0; y < this.height; y++) {
      for (let x = 0; x < this.width; x++, i++) {
        if (values[i] !== side) continue;
        if (x < box.x0) box.x0 = x;
        if (x > box.x1) box.x1 = x;
        if (y < box.y0) box.y0 = y;
        box.y1 = y;
      }
    }
    return box.x1 < 0 ? null : box;
  }
}
