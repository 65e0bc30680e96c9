// The page: one reader, one case at a time.

import { $, Refused, get, key, levels, make, post } from "./api.js";
import * as agreement from "./agreement.js";
import * as compare from "./compare.js";
import { KINDS, Layers } from "./layers.js";
import * as proposals from "./proposals.js";
import * as saving from "./saving.js";
import * as scores from "./scores.js";
import * as tools from "./tools.js";
import * as viewer from "./viewer.js";
import * as worklist from "./worklist.js";

const { view } = viewer;
let reader = null, current = null, loading = 0, commentTimer = null, progress = null;

const base = () => `/api/readers/${reader}`;
const at = (id) => `${base()}/cases/${id}`;

// The reader

async function choose(known) {
  const dialog = $("reader-dialog");
  $("reader-name").hidden = known.length > 0;
  $("known-readers").replaceChildren(...known.map((name) => make("button", { type: "button", onclick: () => { $("reader-name").value = name; dialog.close("ok"); } }, name)));
  dialog.querySelector("menu").hidden = known.length > 0;
  let name = "";
  do {
    dialog.showModal();
    await new Promise((done) => dialog.addEventListener("close", done, { once: true }));
    name = $("reader-name").value.trim().toLowerCase();
  } while (!/^[a-z0-9][a-z0-9._-]{0,63}$/.test(name));
  return name;
}

async function become(name) {
  await leave();
  reader = name;
  $("reader").textContent = name;
  $("export").href = `${base()}/export.tar`;
  current = null;
  await list();
}

// The list

async function list() {
  const found = await get(`${base()}/cases`);
  progress = found.progress;
  worklist.load(found.cases);
  const { done, total, failed } = progress;
  $("networks").textContent = done < total ? `Networks: ${done} of ${total} cases` : failed ? `${failed} files cannot be read` : "";
}

async function watch() {
  try {
    if (progress && progress.done < progress.total) await list();
    if (current && !view.layers) return;
    if (current?.awaited && !document.hidden) await fetchProposals();
  } catch { /* asked again soon */ }
}

/** Proposals that have come since the case was opened. */
async function fetchProposals() {
  const id = current.id;
  const info = await get(at(id));
  if (current?.id !== id || info.proposals.length === current.proposals.length) return;
  Object.assign(current, { proposals: info.proposals, awaited: info.awaited, disagreement: info.disagreement });
  proposals.load(info.proposals, take);
  facts();
}

// A case

async function leave() {
  tools.cancel();
  commentNow();
  proposals.close();
  compare.hide();
  if (current && saving.pending() > 1) saving.save(`${at(current.id)}/changes`, { part: "time", version: 0 });
}

async function open(id) {
  if (current?.id === id && view.layers) return;
  await leave();
  await saving.settled();
  const turn = ++loading;
  delete document.body.dataset.case;
  worklist.mark(id);
  hideMessage();
  try {
    const [info, data] = await Promise.all([get(at(id)), levels(`/api/cases/${id}/pixels`)]);
    if (turn !== loading) return;
    current = info;
    saving.restart();
    viewer.load(info, data, new Layers(info.width, info.height, info.draft));
    tools.suit(info.width);
    proposals.load(info.proposals, take);
    for (const part of ["layer", "score", "comment", "accept"]) $(`${part}-section`).hidden = false;
    $("empty").hidden = true;
    $("comment").value = info.draft.comment;
    lock();
    facts();
    history.replaceState(null, "", `#${reader}/${id}`);
    document.body.dataset.case = id;
  } catch (e) {
    if (turn === loading) message(e.message);
  }
}

function lock() {
  const final = current.draft.compared;
  tools.pen.locked = final;
  scores.load(current.draft.zones, final);
  $("comment").disabled = $("accept").disabled = final;
  $("accept").textContent = current.accepted ? "Accept again" : "Accept";
  $("compare").hidden = !current.others.length;
  $("compare").title = current.others.join(", ");
  if (final) saving.show("saved", "This reading is final");
}

function facts() {
  const { width, height, bits, view: projection, notes, spacing_mm: spacing, disagreement, patient } = current;
  const parts = [`${width} × ${height}, ${bits} bit`, projection !== "unknown" ? projection.toUpperCase() : "", spacing ? `${spacing[0].toFixed(3)} mm` : "",
    disagreement == null ? "" : `networks differ ${Math.round(100 * disagreement)} %`, ...notes.map((n) => n.replaceAll("-", " "))];
  if (patient) parts.push(...[patient.name, patient.id, patient.birth_date, patient.sex].filter(Boolean));
  $("case-id").textContent = current.id;
  $("case-facts").textContent = parts.filter(Boolean).join(" · ");
  layerPanel();
}

// Changes

function store(change) {
  const { layer, tool, box, runs, source } = change;
  const version = ++current.draft.versions[layer];
  saving.save(`${at(current.id)}/changes`, { part: layer, version, tool, source, box, runs });
  worklist.setStatus(current.id, current.accepted ? "accepted" : "started");
  proposals.show();
  layerPanel();
}

/** Takes a proposal: its opacity, and its lungs as long as the reader has not drawn any. */
function take(proposal) {
  if (tools.pen.locked || !view.layers) return;
  let before = null;
  for (const layer of ["infection", "lung"]) {
    const { source, touched, values } = view.layers[layer];
    const own = layer === "lung" && touched && source === "hand" && values.some((v) => v);
    if (!proposal[layer] || own) continue;
    view.layers.begin(layer);
    values.set(proposal[layer]);
    const change = view.layers.end("pick", proposal.model);
    if (!change) continue;
    // One key, one undo.
    view.layers.done.at(-1).joined = Boolean(before);
    before = change;
    store(change);
  }
  proposals.close();
  viewer.refresh();
}

function travel(way) {
  if (tools.pen.locked || !view.layers) return;
  tools.cancel();
  for (let more = true; more;) {
    more = way === "undo" && view.layers.done.at(-1)?.joined;
    const change = view.layers[way]();
    if (!change) return;
    viewer.refresh(change.box);
    store(change);
    more ||= way === "redo" && view.layers.undone.at(-1)?.joined;
  }
}

function clear(layer) {
  if (tools.pen.locked || !view.layers) return;
  view.layers.begin(layer);
  view.layers[layer].values.fill(0);
  const change = view.layers.end("clear", "hand");
  viewer.refresh();
  if (change) store(change);
}

function scored(zones) {
  current.draft.zones = zones;
  saving.save(`${at(current.id)}/changes`, { part: "scores", version: ++current.draft.versions.scores, zones });
  worklist.setStatus(current.id, current.accepted ? "accepted" : "started");
}

function commentNow() {
  clearTimeout(commentTimer);
  commentTimer = null;
  if (!current || $("comment").value === current.draft.comment) return;
  current.draft.comment = $("comment").value;
  saving.save(`${at(current.id)}/changes`, { part: "comment", version: ++current.draft.versions.comment, text: current.draft.comment });
}

async function accept() {
  if (!current || tools.pen.locked || $("accept").disabled) return;
  if (tools.drawing()) return tools.closePolygon();
  commentNow();
  $("accept").disabled = true;
  try {
    await saving.settled();
    const { lung, infection, scores: s, comment } = current.draft.versions;
    const id = current.id;
    current.accepted = await post(`${at(id)}/accept`, { versions: [lung, infection, s, comment], seconds: saving.seconds(), key: key() });
    saving.show("saved", "Accepted");
    await list();
    if (current?.id === id && !worklist.nextToDo()) await again();
  } catch (e) {
    message(e.message, e instanceof Refused && e.status === 409);
  } finally {
    $("accept").disabled = tools.pen.locked;
  }
}

/** Loads the case as the server has it. */
async function again() {
  const id = current?.id;
  saving.forget();
  tools.cancel();
  current = view.layers = null;
  if (id) await open(id);
}

async function compareNow() {
  if (!current.draft.compared) {
    const dialog = $("compare-dialog");
    dialog.returnValue = "";
    dialog.showModal();
    await new Promise((done) => dialog.addEventListener("close", done, { once: true }));
    if (dialog.returnValue !== "yes") return;
  }
  try {
    await saving.settled();
    const result = await post(`${at(current.id)}/compare`, {});
    current.draft.compared = true;
    lock();
    compare.show(result);
  } catch (e) {
    message(e.message);
  }
}

// Panels

function layerPanel() {
  const total = view.layers.area("lung", 100) + view.layers.area("lung", 200) + view.layers.area("lung", 255);
  const rows = KINDS.map((kind, i) => {
    const area = view.layers.area(kind.layer, kind.value);
    const share = kind.layer === "infection" && total ? `${(100 * area / total).toFixed(1)} %` : area ? `${area.toLocaleString("en")} px` : "";
    const name = make("button", { className: "name", ariaPressed: String(kind === tools.pen.kind), title: `Draw (${"ASDF"[i]})`, onclick: () => draw(kind) }, make("span", { className: `swatch ${kind.swatch}` }), kind.name);
    return make("div", { className: "layer", dataset: { kind: kind.layer + kind.value } }, name, make("small", {}, share));
  });
  const switches = ["infection", "lung"].map((layer) => make("div", { className: "layer" },
    make("label", { className: "name" }, make("input", { type: "checkbox", checked: !view.hidden.has(layer), onchange: () => toggle(layer) }), layer === "lung" ? " Show lungs" : " Show opacity"),
    make("button", { onclick: () => clear(layer), disabled: tools.pen.locked }, "Clear")));
  $("layers").replaceChildren(rows[0], rows[1], switches[0], rows[2], rows[3], switches[1]);
}

function draw(kind) {
  tools.pen.kind = kind;
  if (tools.pen.tool === "pan") tools.choose("brush");
  if (view.hidden.delete(kind.layer)) viewer.refresh();
  layerPanel();
}

function toggle(layer) {
  if (!view.hidden.delete(layer)) view.hidden.add(layer);
  viewer.refresh();
  layerPanel();
}

function message(text, reload = false) {
  $("message").replaceChildren(text, ...(reload ? [make("button", { onclick: again }, "Load it again")] : []), make("button", { onclick: hideMessage }, "Close"));
  $("message").hidden = false;
}

const hideMessage = () => { $("message").hidden = true; };

// Keys

const KEYS = [
  ["1 … 9", "take the proposal of that number", null],
  ["C", "proposals side by side, large", () => proposals.gallery()],
  ["B E P G H", "brush, eraser, polygon, grow, pan", null],
  ["A S D F", "ground glass, consolidation, right lung, left lung", null],
  ["[ ]", "smaller or larger brush; Alt and wheel too", null],
  ["Ctrl Z", "undo; with Shift, redo", null],
  ["X", "hide or show all outlines", () => { view.hidden.size ? view.hidden.clear() : (view.hidden.add("lung"), view.hidden.add("infection")); viewer.refresh(); layerPanel(); }],
  ["V", "fill the outlines, or not", () => { view.fill = !view.fill; viewer.refresh(); }],
  ["Z", "zones, or not", () => { view.zones = !view.zones; viewer.draw(); }],
  ["0", "whole image", () => viewer.fit()],
  ["+ −", "zoom; wheel too", null],
  ["W", "window of the image", () => viewer.autoWindow()],
  ["I", "invert", invert],
  ["J K", "next, last case", null],
  ["Enter", "accept and go on; closes a polygon", accept],
  ["Esc", "end what is half drawn", () => { tools.cancel(); proposals.close(); if (compare.comparing()) compare.hide(); }],
  ["Right button", "window: across for width, down for level", null],
  ["Space, middle button", "pan", null],
  ["Grow", "click a seed; hold and move up or down for the tolerance", null],
];

function invert() {
  viewer.invert();
  $("invert").setAttribute("aria-pressed", view.inverted);
}

function pressed(event) {
  if (tools.typing(event) || document.querySelector("dialog[open]")) return;
  const name = event.key.length === 1 ? event.key.toLowerCase() : event.key;
  if (event.ctrlKey || event.metaKey) {
    if (name === "z" || name === "y") {
      event.preventDefault();
      travel(name === "y" || event.shiftKey ? "redo" : "undo");
    }
    return;
  }
  if (name === "?") return $("help-dialog").showModal();
  if (name === "j" || name === "k") return worklist.step(name === "j" ? 1 : -1);
  if (!current || !view.layers || event.altKey) return;
  if (name === "Enter" && event.target.closest("button, a, input, [role=listbox]")) return;
  const tool = tools.TOOLS.find((t) => t.key.toLowerCase() === name);
  if (/^[1-9]$/.test(name)) proposals.pick(Number(name));
  else if (tool) tools.choose(tool.id);
  else if ("asdf".includes(name) && name.length === 1) draw(KINDS["asdf".indexOf(name)]);
  else if (name === "[" || name === "]") tools.resize(name === "]" ? 1.15 : 1 / 1.15);
  else if (name === "+" || name === "=" || name === "-") viewer.zoom(name === "-" ? 0.8 : 1.25);
  else if (name === "Backspace" && tools.drawing()) tools.dropCorner();
  else {
    const entry = KEYS.find(([k, , run]) => run && (k.toLowerCase() === name || (k === "Esc" && name === "Escape") || (k === "Enter" && name === "Enter")));
    if (!entry) return;
    entry[2]();
  }
  event.preventDefault();
}

// Start

async function importFile() {
  const [file] = $("import-file").files;
  if (!file) return;
  try {
    const done = await post(`${base()}/import`, await file.text());
    const lines = [`${done.cases.length} cases have drafts of yours now.`, ...done.skipped.map(([image, why]) => `${image}: ${why}`)];
    if (done.ignored.length) lines.push(`Neither lung nor opacity, left out: ${done.ignored.join(", ")}`);
    $("import-result").replaceChildren(...lines.map((l) => make("p", {}, l)));
    await list();
    await again();
  } catch (e) {
    $("import-result").replaceChildren(make("p", {}, e.message));
  }
  $("import-file").value = "";
}

async function begin() {
  worklist.start(open);
  tools.start(store);
  scores.start(scored);
  saving.conflicts((e) => message(e.message, true));
  addEventListener("keydown", pressed);
  addEventListener("hover", ({ detail }) => {
    $("reading").textContent = detail ? `${detail[0]}, ${detail[1]}: ${viewer.level(...detail)}` : "";
  });
  $("undo").onclick = () => travel("undo");
  $("redo").onclick = () => travel("redo");
  $("fit").onclick = viewer.fit;
  $("auto-window").onclick = viewer.autoWindow;
  $("invert").onclick = invert;
  $("side-by-side").onclick = () => proposals.gallery();
  $("accept").onclick = accept;
  $("compare").onclick = compareNow;
  $("show-agreement").onclick = () => agreement.show(reader).catch((e) => message(e.message));
  $("show-import").onclick = () => { $("import-result").replaceChildren(); $("import-dialog").showModal(); };
  $("import-file").onchange = importFile;
  $("show-help").onclick = () => $("help-dialog").showModal();
  $("help").append(...KEYS.flatMap(([keys, text]) => [make("dt", {}, make("kbd", {}, keys)), make("dd", {}, text)]));
  $("comment").addEventListener("input", () => { clearTimeout(commentTimer); commentTimer = setTimeout(commentNow, 700); });
  $("comment").addEventListener("change", commentNow);
  document.addEventListener("visibilitychange", () => {
    if (!document.hidden || !current) return;
    commentNow();
    if (saving.pending() > 1) saving.save(`${at(current.id)}/changes`, { part: "time", version: 0 });
  });
  const session = await get("/api/session");
  const [named, id] = decodeURIComponent(location.hash.slice(1)).split("/");
  const known = session.readers;
  const fits = named && (known.length ? known.includes(named) : true);
  await become(fits ? named : known.length === 1 ? known[0] : await choose(known));
  $("reader").disabled = known.length === 1;
  $("reader").onclick = async () => { await become(await choose(known)); location.hash = reader; location.reload(); };
  if (id) await open(id);
  setInterval(watch, 1500);
  setInterval(() => {
    if (!current) return;
    const spent = Math.round(current.draft.seconds + saving.total());
    $("clock").textContent = `${Math.floor(spent / 60)}:${String(spent % 60).padStart(2, "0")}`;
  }, 1000);
  document.body.dataset.ready = "";
}

begin().catch((e) => message(e.message));
