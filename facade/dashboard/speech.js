// What a screen reader is told, and short results for everybody: never more than one line at once.

import { el } from "./dom.js";

const EACH_MS = 5_000;
let lastMs = 0;
/** @type {string[]} */
let queue = [];
/** @type {ReturnType<typeof setTimeout> | undefined} */
let waiting;

/** Says it politely, at most one sentence each five seconds. @param {string} text */
export function say(text) {
  queue.push(text);
  if (!waiting) waiting = setTimeout(next, Math.max(0, lastMs + EACH_MS - Date.now()));
}

function next() {
  const text = queue.length > 2 ? `${queue.length} accounts changed state` : queue.shift();
  if (queue.length > 2) queue = [];
  const region = document.getElementById("polite");
  if (region && text) region.textContent = text;
  lastMs = Date.now();
  waiting = queue.length ? setTimeout(next, EACH_MS) : undefined;
}

/** Interrupts: only for a breach of the account in front of the person. @param {string} text */
export function shout(text) {
  const region = document.getElementById("assertive");
  if (region) region.textContent = text;
}

/** @param {string} text @param {string} [kind] `good` or `bad` */
export function toast(text, kind = "good") {
  const box = document.getElementById("toasts");
  const note = el("div", { class: `toast ${kind}` }, el("span", null, text),
    el("button", { class: "plain", "aria-label": "Dismiss", onclick: () => note.remove() }, "✕"));
  box?.append(note);
  while (box && box.children.length > 4) box.firstChild?.remove();
  if (kind === "good") setTimeout(() => note.remove(), 8_000);
}
