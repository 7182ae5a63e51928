// Virtual rows: of ten thousand only those in sight are elements.

import { cellOf, columnsOf, setCell } from "./columns.js";
import { el } from "./dom.js";
import { sentence } from "./states.js";
import { rows } from "./store.js";

const SPARE = 6;

/**
 * @param {HTMLElement} port what scrolls
 * @param {HTMLElement} table
 * @param {{ selected: Set<string>, open: () => string, isOutlined: (row: any) => boolean }} marks
 */
export function makeRows(port, table, marks) {
  const above = el("tr", { class: "spacer", "aria-hidden": "true" }, el("td"));
  const below = el("tr", { class: "spacer", "aria-hidden": "true" }, el("td"));
  const body = el("tbody", null, above, below);
  table.append(body);
  /** @type {Map<string, any>} */
  const live = new Map();
  let ids = "";

  // A row that has the focus is heard as a sentence, not as a dozen numbers without their heads.
  body.addEventListener("focusin", event => {
    const row = event.target.matches("tr[data-key]") ? rows.get(event.target.dataset.key) : null;
    if (row) {
      event.target.setAttribute("aria-label",
        `${row.snap.login} on ${row.snap.server}. ${sentence(row, Date.now())}`);
    }
  });
  body.addEventListener("focusout", event => event.target.removeAttribute("aria-label"));

  function rowHeight() {
    return parseFloat(getComputedStyle(table).getPropertyValue("--row")) || 32;
  }

  function make(row, columns, now) {
    const box = el("input", { type: "checkbox", class: "pick", tabindex: -1,
      "aria-label": `Select ${row.snap.login}` });
    const line = el("tr", { tabindex: -1, "data-key": row.key }, el("td", { class: "c-pick" }, box),
      columns.map(column => cellOf(column, row, now)));
    return line;
  }

  /**
   * Draws what is in sight.
   * @param {any[]} shown all of them, in order
   * @param {string[]} wanted ids of columns
   */
  function draw(shown, wanted) {
    const now = Date.now(), height = rowHeight(), columns = columnsOf(wanted);
    if (ids !== wanted.join()) {
      for (const line of live.values()) line.node.remove();
      live.clear();
      ids = wanted.join();
    }
    const head = table.querySelector("thead")?.clientHeight ?? 0;
    const first = Math.max(0, Math.floor(port.scrollTop / height) - SPARE);
    const last = Math.min(shown.length,
      Math.ceil((port.scrollTop + port.clientHeight - head) / height) + SPARE);
    const keep = new Set();
    for (let at = first; at < last; at++) keep.add(shown[at].key);
    for (const [key, line] of live) {
      if (keep.has(key)) continue;
      if (line.node.contains(document.activeElement)) port.focus({ preventScroll: true });
      line.node.remove();
      live.delete(key);
    }
    above.firstChild.style.height = `${first * height}px`;
    below.firstChild.style.height = `${Math.max(0, shown.length - last) * height}px`;
    above.hidden = first === 0;
    below.hidden = last >= shown.length;
    let before = above;
    for (let at = first; at < last; at++) {
      const line = place(shown[at], at, columns, now);
      if (before.nextSibling !== line) before.after(line);
      before = line;
    }
  }

  function place(row, at, columns, now) {
    let known = live.get(row.key);
    if (!known) {
      known = { node: make(row, columns, now), version: row.version, severity: "" };
      live.set(row.key, known);
    }
    const { node } = known;
    const isNew = known.version !== row.version;
    known.version = row.version;
    columns.forEach((column, place_) => {
      if (isNew || column.ages) setCell(column, node.children[place_ + 1], row, now);
    });
    const index = String(at + 2);
    if (node.getAttribute("aria-rowindex") !== index) node.setAttribute("aria-rowindex", index);
    const isPicked = marks.selected.has(row.key);
    node.firstChild.firstChild.checked = isPicked;
    const name = `r-${row.severity}${isPicked ? " picked" : ""}${at % 2 ? " odd" : ""}`
      + `${marks.open() === row.key ? " open" : ""}${marks.isOutlined(row) ? " fresh" : ""}`;
    if (node.className !== name) node.className = name;
    return node;
  }

  return {
    body,
    draw,
    rowHeight,
    /** Puts the focus on a row, scrolling to it. @param {any[]} shown @param {number} at */
    focus(shown, at, wanted) {
      const height = rowHeight();
      const head = table.querySelector("thead")?.clientHeight ?? 0;
      const top = at * height, room = port.clientHeight - head;
      if (top < port.scrollTop) port.scrollTop = top;
      else if (top + height > port.scrollTop + room) port.scrollTop = top + height - room;
      draw(shown, wanted);
      live.get(shown[at].key)?.node.focus({ preventScroll: true });
    },
    count: () => live.size,
  };
}
