// One dialog at a time, made of the browser's own `dialog`: it keeps the focus and closes by Esc.

import { el } from "./dom.js";

/** Opens a dialog; `close` ends it, also when the browser does. */
export function openDialog(title, ...children) {
  const back = document.activeElement;
  const head = el("h2", { id: "dialog-title", tabindex: -1 }, title);
  const body = el("div", null, ...children);
  const box = el("dialog", { "aria-labelledby": "dialog-title" }, head, body);
  document.body.append(box);
  const closed = new Promise(resolve => box.addEventListener("close", () => {
    box.remove();
    if (back instanceof HTMLElement && back.isConnected) back.focus();
    resolve(null);
  }));
  box.showModal();
  return { box, body, head, closed, close: () => box.close() };
}

/** A field with its label. @param {string} label @param {Record<string, any>} [props] */
export function field(label, props = {}) {
  const input = el("input", { autocomplete: "off", spellcheck: "false", ...props });
  return { input, node: el("label", { class: "field" }, label, input) };
}

/** @param {string} name that is heard @param {any[]} lines @param {string[]} heads */
export function plainTable(name, heads, lines) {
  const isNum = head => head.endsWith("#");
  return el("table", { "aria-label": name }, el("thead", null, el("tr", null, heads.map(head =>
    el("th", { scope: "col", class: isNum(head) ? "num" : "" }, head.replace("#", ""))))),
  el("tbody", null, lines.map(line => el("tr", null, line.map((cell, at) =>
    el("td", { class: isNum(heads[at]) ? "num" : "" }, cell))))));
}
