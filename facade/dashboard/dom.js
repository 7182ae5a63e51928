// Elements without templates: no HTML is ever made from text, so nothing can be injected.

import { NONE } from "./words.js";

/** @typedef {Node | string | number | null | undefined | false} Child */

/**
 * An element. `class`, `text`, `on*` (listeners), `data-*` and `aria-*` are understood;
 * true is a bare attribute; false, null and undefined leave it out.
 * @param {string} tag
 * @param {Record<string, any> | null} [props]
 * @param {...(Child | Child[])} children
 * @returns {any}
 */
export function el(tag, props, ...children) {
  const node = document.createElement(tag);
  for (const [name, value] of Object.entries(props ?? {})) {
    if (value === false || value === null || value === undefined) continue;
    if (name.startsWith("on")) node.addEventListener(name.slice(2), value);
    else if (name === "class") node.className = value;
    else if (name === "text") node.textContent = value;
    else node.setAttribute(name, value === true ? "" : String(value));
  }
  fill(node, ...children);
  return node;
}

/** The dash of what is not known: seen as one, and heard as words, where readers skip dashes. */
function dash() {
  const node = document.createElement("span");
  node.setAttribute("role", "img");
  node.setAttribute("aria-label", "no value");
  node.textContent = NONE;
  return node;
}

/**
 * Replaces what the node holds.
 * @param {Element} node
 * @param {...(Child | Child[])} children
 */
export function fill(node, ...children) {
  const kept = children.flat().filter(child => child !== null && child !== undefined
    && child !== false).map(child => (child === NONE ? dash() : typeof child === "number"
    ? String(child) : child));
  node.replaceChildren(.../** @type {any[]} */ (kept));
}

/**
 * Sets a text only where it differs: an untouched node costs no layout and no announcement.
 * @param {Element} node
 * @param {string} text
 */
export function put(node, text) {
  if (node.textContent === text) return;
  if (text === NONE) node.replaceChildren(dash());
  else node.textContent = text;
}

/**
 * Puts the focus on a view's heading where nothing has it: whoever came by a key hears where.
 * @param {Element} box
 */
export function announce(box) {
  if (document.activeElement !== document.body && document.activeElement) return;
  if (document.body.classList.contains("split") || document.querySelector("dialog[open]")) return;
  /** @type {HTMLElement | null} */ (box.querySelector("h1"))?.focus({ preventScroll: true });
}

const SHAPES = {
  known: ["circle", { cx: 8, cy: 8, r: 6.2, fill: "currentColor" }],
  warning: ["path", { d: "M8 1.6 15.2 14.4H.8Z", fill: "currentColor" }],
  breached: ["path", { d: "M2.6 2.6 13.4 13.4M13.4 2.6 2.6 13.4", fill: "none",
    stroke: "currentColor", "stroke-width": 3.2 }],
  unknown: ["path", { d: "M4.4 5.4a3.6 3.6 0 1 1 5.5 3.1C8.6 9.3 8 9.9 8 11.2M8 13v2.6",
    fill: "none", stroke: "currentColor", "stroke-width": 2.3 }],
  stale: ["circle", { cx: 8, cy: 8, r: 5.8, fill: "none", stroke: "currentColor",
    "stroke-width": 2, "stroke-dasharray": "3.2 2.4" }],
  halted: ["path", { d: "M2.5 2.5h11v11h-11z", fill: "currentColor" }],
  observe: ["path", { d: "M8 1.6 14.4 8 8 14.4 1.6 8Z", fill: "none", stroke: "currentColor",
    "stroke-width": 2 }],
  gate: ["path", { d: "M1.5 1.5v13M14.5 1.5v13M1.5 2.6h13M4 5h8v4H4zM1.5 12.6q1.6-1.6 3.2 0t3.3 0"
    + " 3.3 0 3.2 0", fill: "none", stroke: "currentColor", "stroke-width": 1.2 }],
};
const SAME = { closing: "breached", discrepancy: "warning" };
const SVG = "http://www.w3.org/2000/svg";

/**
 * A glyph of ours; the words stand beside it.
 * @param {string} name
 */
export function glyph(name) {
  const [tag, attributes] = SHAPES[SAME[name] ?? name];
  const box = document.createElementNS(SVG, "svg");
  box.setAttribute("viewBox", "0 0 16 16");
  box.setAttribute("aria-hidden", "true");
  box.setAttribute("class", "glyph");
  const shape = document.createElementNS(SVG, tag);
  for (const [key, value] of Object.entries(attributes)) shape.setAttribute(key, String(value));
  box.append(shape);
  return box;
}

/**
 * A favicon in the colour of the worst state.
 * @param {string} name
 */
export function favicon(name) {
  const colour = { closing: "#de5a45", breached: "#de5a45", unknown: "#a86fb0", warning: "#d9a400",
    discrepancy: "#d9a400", stale: "#a86fb0", halted: "#7d8288", known: "#1f8fd6" }[name];
  const box = glyph(name);
  box.setAttribute("xmlns", SVG);
  box.setAttribute("color", colour ?? "#7d8288");
  const link = /** @type {HTMLLinkElement} */ (document.getElementById("favicon"));
  const address = "data:image/svg+xml," + encodeURIComponent(box.outerHTML);
  if (link.href !== address) link.href = address;
}

/**
 * Glyph and word of a state.
 * @param {string} severity
 * @param {string} words
 */
export function stateBadge(severity, words) {
  return el("span", { class: `state s-${severity}` }, glyph(severity), el("span", null, words));
}

/**
 * A meter: the bar is what is used, the tick is the warning line.
 * @param {number | null} used percent
 * @param {number | null} warn percent
 * @param {string} label
 */
export function meter(used, warn, label) {
  const bar = el("span", { class: "bar" });
  const tick = el("span", { class: "tick" });
  const box = el("span", { class: "meter" }, bar, tick);
  setMeter(box, used, warn, label);
  return box;
}

const VALUED = ["aria-valuemin", "aria-valuemax", "aria-valuenow", "aria-valuetext"];

/**
 * Moves a meter made by `meter`.
 * @param {any} box
 * @param {number | null} used
 * @param {number | null} warn
 * @param {string} label
 */
export function setMeter(box, used, warn, label) {
  const [bar, tick] = box.children;
  const clipped = used === null ? 0 : Math.max(0, Math.min(100, used));
  bar.style.width = `${clipped}%`;
  tick.hidden = warn === null;
  if (warn !== null) tick.style.left = `${Math.min(100, warn)}%`;
  // A meter must have a value: where there is none it would be heard as zero.
  const said = used === null ? { role: "img", "aria-label": `${label}: unknown` }
    : { role: "meter", "aria-label": label, "aria-valuemin": "0", "aria-valuemax": "100",
      "aria-valuenow": String(Math.round(clipped * 10) / 10),
      "aria-valuetext": `${Math.round(used * 10) / 10} %` };
  for (const name of VALUED) if (!(name in said)) box.removeAttribute(name);
  for (const [name, value] of Object.entries(said)) {
    if (box.getAttribute(name) !== value) box.setAttribute(name, value);
  }
  box.classList.toggle("blank", used === null);
}
