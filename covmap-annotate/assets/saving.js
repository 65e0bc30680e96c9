// Changes on their way to the disk: one after the other, again and again until the server has them; and the reader's time.

import { $, Refused, key, post } from "./api.js";

const IDLE_AFTER = 60_000;

const queue = [];
let spent = 0, busy = false, failures = 0, onConflict = () => {}, taken = performance.now(), lastInput = performance.now(), active = 0;

/** Counts time only while the page is in sight and somebody does something. */
function tick() {
  const now = performance.now();
  if (document.visibilityState === "visible" && now - lastInput < IDLE_AFTER) active += now - taken;
  taken = now;
}
setInterval(tick, 1000);
for (const kind of ["pointerdown", "pointermove", "keydown", "wheel"]) {
  addEventListener(kind, () => { tick(); lastInput = performance.now(); }, { passive: true, capture: true });
}

/** Seconds of work since this was asked last. */
export function seconds() {
  tick();
  const now = Math.round(active) / 1000;
  active = 0;
  spent += now;
  return now;
}

/** Seconds of work on this case since it was opened. */
export const total = () => spent + active / 1000;

/** Another case. */
export function restart() {
  active = spent = 0;
}

/** As above, without taking them. */
export const pending = () => active / 1000;

export function show(state, text) {
  $("saved").dataset.state = state;
  $("saved").textContent = text;
}

/** Says who is told where a change met another one. */
export const conflicts = (tell) => { onConflict = tell; };

/** Queues a change of a case. */
export function save(path, change) {
  queue.push({ path, body: JSON.stringify({ key: key(), seconds: seconds(), ...change }) });
  pump();
}

/** When everything is on the disk. */
export async function settled() {
  while (queue.length) await new Promise((done) => setTimeout(done, 20));
}

/** Drops what waits: the case is loaded afresh. */
export function forget() {
  queue.length = 0;
}

async function pump() {
  if (busy) return;
  busy = true;
  while (queue.length) {
    const next = queue[0];
    show(failures ? "waiting" : "saving", failures ? `Server not reached: ${queue.length} to save` : "Saving…");
    try {
      // keepalive outlives the page, but for small bodies only.
      await post(next.path, next.body, { keepalive: next.body.length < 60_000 });
      failures = 0;
      if (queue[0] === next) queue.shift();
    } catch (e) {
      if (e instanceof Refused && e.status !== 500) {
        queue.length = 0;
        show("conflict", "Not saved");
        onConflict(e);
        busy = false;
        return;
      }
      // The same change is sent again: it has a name, so that it counts once.
      failures++;
      show("waiting", `Server not reached: ${queue.length} to save`);
      await new Promise((done) => setTimeout(done, Math.min(5000, 200 * 2 ** Math.min(failures, 5))));
    }
  }
  busy = false;
  show("saved", "Saved");
}

addEventListener("beforeunload", (event) => {
  if (queue.length) event.preventDefault();
});
