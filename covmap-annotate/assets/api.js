// What the page asks its server.

export class Refused extends Error {
  constructor(status, text) {
    super(text);
    this.status = status;
  }
}

async function ask(path, options) {
  const answer = await fetch(path, options);
  if (answer.ok) return answer;
  let text = `the server says ${answer.status}`;
  try {
    text = (await answer.json()).error ?? text;
  } catch { /* no JSON: the status has to do */ }
  throw new Refused(answer.status, text);
}

export const get = async (path) => (await ask(path)).json();

export const levels = async (path) => (await ask(path)).arrayBuffer();

export const post = async (path, body, options = {}) =>
  (await ask(path, { method: "POST", headers: { "Content-Type": "application/json" }, body: typeof body === "string" ? body : JSON.stringify(body), ...options })).json();

/** Shorthand for elements. */
export const $ = (id) => document.getElementById(id);

/** An element with properties and children. */
export function make(tag, properties = {}, ...children) {
  const element = document.createElement(tag);
  for (const [name, value] of Object.entries(properties)) {
    if (name === "dataset") Object.assign(element.dataset, value);
    else if (name in element) element[name] = value;
    else element.setAttribute(name, value);
  }
  element.append(...children);
  return element;
}

/** A name for a change; also where the page is not in a secure context. */
export const key = () => Array.from(crypto.getRandomValues(new Uint32Array(4)), (n) => n.toString(16).padStart(8, "0")).join("");
