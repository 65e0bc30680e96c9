// The work list: only rows in sight are in the document, so that thousands are as usable as ten.

import { $, make } from "./api.js";

const HEIGHT = 40;
const STATUSES = ["unseen", "proposed", "started", "accepted", "disputed"];

let cases = [], shown = [], wanted = new Set(STATUSES), current = null, open = () => {};

export function start(choose) {
  open = choose;
  $("statuses").append(...STATUSES.map((status) => make("button", { ariaPressed: "true", dataset: { status }, onclick: toggle }, status)));
  $("search").addEventListener("input", filter);
  $("rows").addEventListener("scroll", draw);
  $("rows").addEventListener("keydown", (e) => {
    if (e.key === "ArrowDown" || e.key === "ArrowUp") {
      e.preventDefault();
      step(e.key === "ArrowDown" ? 1 : -1);
    }
  });
  new ResizeObserver(draw).observe($("rows"));
}

function toggle(event) {
  const { status } = event.currentTarget.dataset;
  // One of all: that one alone. Otherwise on and off; none is all.
  if (wanted.size === STATUSES.length) wanted = new Set([status]);
  else if (!wanted.delete(status)) wanted.add(status);
  if (!wanted.size) wanted = new Set(STATUSES);
  for (const button of $("statuses").children) button.setAttribute("aria-pressed", wanted.has(button.dataset.status));
  filter();
}

export function load(list) {
  cases = list;
  const counts = Object.groupBy(list, (c) => c.status);
  for (const button of $("statuses").children) button.textContent = `${button.dataset.status} ${counts[button.dataset.status]?.length ?? 0}`;
  filter();
}

function filter() {
  const text = $("search").value.toLowerCase();
  shown = cases.filter((c) => wanted.has(c.status) && c.id.toLowerCase().includes(text));
  $("count").textContent = `${shown.length} of ${cases.length} cases`;
  $("tall").style.height = `${shown.length * HEIGHT}px`;
  draw();
}

function draw() {
  const box = $("rows");
  const first = Math.max(0, Math.floor(box.scrollTop / HEIGHT) - 4), last = Math.min(shown.length, first + Math.ceil(box.clientHeight / HEIGHT) + 8);
  $("tall").replaceChildren(...shown.slice(first, last).map((c, i) => {
    const row = make("div", {
      className: "row", role: "option", ariaSelected: String(c.id === current), dataset: { status: c.status, id: c.id }, onclick: () => open(c.id), title: c.fault ?? c.id,
    }, make("b", {}, c.id), make("small", {}, c.fault ? "cannot be read" : c.disagreement == null ? c.status : `${c.status}, networks differ ${Math.round(100 * c.disagreement)} %`));
    if (c.fault) row.dataset.fault = "";
    if (c.disagreement != null) {
      const bar = make("i");
      bar.style.setProperty("--share", `${100 * c.disagreement}%`);
      row.append(bar);
    }
    row.style.top = `${(first + i) * HEIGHT}px`;
    return row;
  }));
}

/** Marks a case as open and brings it into sight. */
export function mark(id) {
  current = id;
  const i = shown.findIndex((c) => c.id === id), box = $("rows");
  if (i >= 0 && (i * HEIGHT < box.scrollTop || (i + 1) * HEIGHT > box.scrollTop + box.clientHeight)) box.scrollTop = (i - 2) * HEIGHT;
  draw();
}

export function setStatus(id, status) {
  const known = cases.find((c) => c.id === id);
  if (known && known.status !== status) {
    known.status = status;
    load(cases);
  }
}

/** The next or last case in sight. */
export function step(by) {
  const i = shown.findIndex((c) => c.id === current);
  const next = shown[i < 0 ? 0 : i + by];
  if (next) open(next.id);
}

/** After this case, the next one that waits for the reader. */
export function nextToDo() {
  const waits = (c) => !c.fault && c.id !== current && (c.status === "proposed" || c.status === "started" || c.status === "unseen");
  const i = shown.findIndex((c) => c.id === current);
  const next = shown.slice(i + 1).find(waits) ?? shown.find(waits) ?? cases.find(waits);
  if (next) open(next.id);
  return Boolean(next);
}
