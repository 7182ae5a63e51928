// The list of accounts: tabs, filter, columns, totals, selection.

import { me } from "./api.js";
import { COLUMNS, columnsOf, isTiny, NARROW, slimWidth, TINY, USUAL } from "./columns.js";
import { el, fill, glyph, put } from "./dom.js";
import { culprit } from "./filter.js";
import { makeOrder } from "./order.js";
import { makeRows } from "./rowing.js";
import { say } from "./speech.js";
import { chosen, onRows, rows, totals } from "./store.js";
import { TABS } from "./states.js";
import { counted, money, NONE, number } from "./words.js";

/**
 * @param {{ open: (key: string) => void, bulk: (what: string, picked: any[]) => void,
 *   opened: () => string, empty: () => Node, isReady: () => boolean }} hooks
 */
export function makeList(hooks) {
  const params = new URLSearchParams(location.search);
  let text = params.get("q") ?? "", tab = params.get("state") ?? "";
  let ids = (params.get("cols") ?? "").split(",").filter(Boolean);
  const selected = new Set();
  /** @type {Map<string, number>} */
  const outlined = new Map();
  let current = "", anchor = -1, holdUntil = 0, queued = false;

  const filterBox = el("input", { type: "search", id: "filter", value: text, spellcheck: "false",
    autocomplete: "off", "aria-label": "Filter accounts",
    placeholder: "Filter: 1007  room<500  used>80", oninput: () => {
      text = filterBox.value;
      remember();
      refresh(true);
    } });
  const tabs = el("div", { class: "tabs", role: "group", "aria-label": "Accounts by state" });
  const chips = el("p", { class: "chips" });
  const moved = el("button", { class: "chip moved", hidden: true, onclick: () => refresh(true) });
  const chooser = makeChooser();
  const headRow = el("tr", { "aria-rowindex": 1 });
  const group = el("colgroup");
  const caption = el("caption", { class: "hidden" }, "Accounts, the most urgent first");
  const table = el("table", { class: "desk" }, caption, group, el("thead", null, headRow));
  const port = el("div", { class: "port", tabindex: 0, role: "region",
    "aria-label": "Accounts" }, table);
  const none = el("div", { class: "none" });
  const sums = el("div", { class: "sums", role: "region", "aria-label": "Totals" });
  const bulk = el("div", { class: "bulk", hidden: true, role: "region",
    "aria-label": "Selected accounts" });
  const box = el("section", { class: "list", "aria-label": "Desk" },
    el("h1", { class: "hidden" }, "Accounts"),
    el("div", { class: "bar-top" }, tabs, moved, chooser.box), chips, port, none, bulk, sums);
  const order = makeOrder(() => port.matches(":hover") || port.contains(document.activeElement)
    && document.activeElement !== port || selected.size > 0);
  const drawn = makeRows(port, table, { selected, open: hooks.opened,
    isOutlined: row => (outlined.get(row.key) ?? 0) > Date.now() });
  const wanted = (params.get("sort") ?? "state").split(":");
  order.by({ id: wanted[0], down: wanted[1] === "down" });

  function isNarrow() {
    return matchMedia("(max-width: 700px)").matches || document.body.classList.contains("split");
  }

  function columnIds() {
    if (isNarrow()) return isTiny() ? TINY : NARROW;
    return ids.length ? ids : USUAL;
  }

  function remember() {
    const next = new URLSearchParams(location.search);
    for (const [name, value] of [["q", text], ["state", tab], ["cols", ids.join()],
      ["sort", order.sort.id === "state" && !order.sort.down ? ""
        : order.sort.id + (order.sort.down ? ":down" : "")]]) {
      if (value) next.set(name, value);
      else next.delete(name);
    }
    const query = next.toString().replaceAll("%3A", ":").replaceAll("%2C", ",");
    history.replaceState(history.state, "", location.pathname + (query ? `?${query}` : ""));
  }

  function drawHead() {
    const columns = columnsOf(columnIds());
    fill(group, el("col", { class: "c-pick" }), columns.map(column => {
      const col = el("col");
      col.style.width = isNarrow() ? slimWidth(column) : column.width;
      return col;
    }));
    fill(headRow, el("td", { class: "c-pick" }), columns.map(column => {
      const isHere = order.sort.id === column.id;
      const way = order.sort.down ? "descending" : "ascending";
      return el("th", { scope: "col", class: column.num ? "num" : "",
        "aria-sort": isHere ? way : null },
      el("button", { "aria-label": column.said ?? null, onclick: () => sortBy(column.id) },
        isNarrow() && column.id === "room" ? "Room" : column.head));
    }));
    table.setAttribute("aria-colcount", String(columns.length + 1));
  }

  function sortBy(id) {
    order.by({ id, down: order.sort.id === id && !order.sort.down });
    remember();
    drawHead();
    refresh(true);
  }

  /** Draws tabs, chips, totals and rows anew. @param {boolean} now the order too, at once */
  function refresh(now, worse = []) {
    const { terms, counts, found } = chosen(text, tab);
    const inserted = order.take(found, now, worse);
    if (inserted && port.scrollTop > 0) port.scrollTop += inserted * drawn.rowHeight();
    if (inserted) holdUntil = performance.now() + 400;
    drawTabs(counts);
    fill(chips, terms.map(one => el("span", { class: one.problem ? "chip bad" : "chip",
      title: one.problem ?? "" }, one.text, one.problem ? ` (${one.problem})` : null)));
    chips.hidden = !terms.length;
    moved.hidden = order.moved === 0;
    put(moved, `${counted(order.moved, "row")} changed place`);
    table.setAttribute("aria-rowcount", String(found.length + 1));
    port.hidden = !found.length;
    none.hidden = Boolean(found.length);
    if (!found.length) drawNone(terms);
    drawTotals(found);
    drawBulk();
    draw();
  }

  function drawNone(terms) {
    if (rows.size) {
      const by = culprit(terms, [...rows.values()]);
      fill(none, el("p", { class: "big" }, "No account is left."), el("p", null, by
        ? `“${by}” removed the last of ${number(rows.size, 0)}.`
        : `None of ${number(rows.size, 0)} is in this state now.`),
      el("button", { onclick: () => clear() }, "Show all accounts"));
    } else if (hooks.isReady()) {
      if (!none.querySelector(".first-steps")) fill(none, hooks.empty());
    } else fill(none, el("p", { class: "quiet" }, "Reading accounts…"));
  }

  function clear() {
    text = filterBox.value = "";
    tab = "";
    remember();
    refresh(true);
  }

  function drawTabs(counts) {
    if (!tabs.children.length) {
      for (const one of TABS) {
        tabs.append(el("button", { class: `tab s-${one.name}`, "data-tab": one.name,
          "aria-pressed": "false", onclick: () => {
            tab = tab === one.name ? "" : one.name;
            remember();
            refresh(true);
          } }, glyph(one.name), el("span", { class: "word" }, one.words),
        el("span", { class: "count" }, "0")));
      }
    }
    for (const button of /** @type {any[]} */ ([...tabs.children])) {
      const count = counts[button.dataset.tab] ?? 0;
      put(button.lastChild, number(count, 0));
      button.classList.toggle("zero", count === 0);
      button.setAttribute("aria-pressed", String(tab === button.dataset.tab));
    }
  }

  function drawTotals(found) {
    fill(sums, totals(found).slice(0, 6).map(([currency, sum]) => el("dl", null,
      el("div", null, el("dt", null, counted(sum.accounts, "account")), el("dd", null, currency)),
      pair("Equity", money(sum.equity, currency)),
      pair("Floating", money(sum.profit, currency, true), sum.profit),
      pair("Today", sum.days ? money(sum.today, currency, true) : NONE, sum.today),
      sum.unknown ? pair("Not valued", number(sum.unknown, 0)) : null)));
  }

  function pair(name, value, gain = 0) {
    return el("div", null, el("dt", null, name),
      el("dd", { "data-gain": gain ? (gain < 0 ? "loss" : "gain") : null }, value));
  }

  function picked() {
    return order.rows.filter(row => selected.has(row.key));
  }

  function drawBulk() {
    bulk.hidden = selected.size === 0;
    if (bulk.hidden) return;
    const count = number(selected.size, 0);
    const acts = me()?.role === "viewer" ? [] : ["halt", "flatten"];
    if (bulk.dataset.count === count) return;
    bulk.dataset.count = count;
    fill(bulk, el("b", null, `${count} selected`), acts.map(what => el("button", { class: what,
      onclick: () => hooks.bulk(what, picked()) },
    `${what === "halt" ? "Halt" : "Flatten"} ${count}…`)),
    el("button", { onclick: () => exportCsv(picked()) }, "Export CSV"),
    el("button", { class: "plain", onclick: () => {
      selected.clear();
      refresh(false);
    } }, "Clear"));
  }

  function draw() {
    if (document.body.classList.contains("away")) return;
    drawn.draw(order.rows, columnIds());
  }

  function soon() {
    if (queued) return;
    queued = true;
    requestAnimationFrame(() => {
      queued = false;
      draw();
    });
  }

  function pick(at, isRange) {
    const row = order.rows[at];
    if (!row) return;
    if (isRange && anchor >= 0) {
      const [from, to] = [Math.min(anchor, at), Math.max(anchor, at)];
      for (const one of order.rows.slice(from, to + 1)) selected.add(one.key);
    } else if (!selected.delete(row.key)) selected.add(row.key);
    anchor = at;
    refresh(false);
  }

  function at() {
    return order.rows.findIndex(row => row.key === current);
  }

  drawn.body.addEventListener("click", event => {
    const line = event.target.closest("tr[data-key]");
    if (!line || performance.now() < holdUntil) return;
    current = line.dataset.key;
    if (event.target.closest(".c-pick")) pick(at(), event.shiftKey);
    else hooks.open(current);
  });
  drawn.body.addEventListener("focusin", event => {
    const line = event.target.closest("tr[data-key]");
    if (line) current = line.dataset.key;
  });
  port.addEventListener("scroll", soon, { passive: true });
  addEventListener("resize", () => {
    drawHead();
    soon();
  });
  onRows((changed, worse) => {
    for (const row of worse) {
      outlined.set(row.key, Date.now() + 1_000);
      say(`${row.snap.login} breached ${row.guard?.name ?? "a rule"}`);
    }
    refresh(false, worse);
  });
  drawHead();
  setInterval(soon, 1_000);

  function makeChooser() {
    const fields = el("fieldset", null, el("legend", null, "Columns"), COLUMNS.map(column =>
      el("label", null, el("input", { type: "checkbox", value: column.id,
        checked: (ids.length ? ids : USUAL).includes(column.id), onchange: () => {
          ids = [...fields.querySelectorAll("input:checked")].map(input => input.value);
          if (ids.join() === USUAL.join()) ids = [];
          remember();
          drawHead();
          draw();
        } }), column.head)));
    return { box: el("details", { class: "chooser" }, el("summary", null, "Columns"), fields) };
  }

  return {
    box, filterBox, refresh, drawHead,
    /** Moves the focus by rows; the row it is on. @param {number} by */
    move(by) {
      if (!order.rows.length) return null;
      const next = Math.max(0, Math.min(order.rows.length - 1, at() < 0 ? 0 : at() + by));
      current = order.rows[next].key;
      drawn.focus(order.rows, next, columnIds());
      return order.rows[next];
    },
    current: () => rows.get(current) ?? null,
    pickCurrent: isRange => pick(at(), isRange),
    deselect() {
      const had = selected.size > 0;
      selected.clear();
      if (had) refresh(false);
      return had;
    },
    focusCurrent() {
      if (at() >= 0) drawn.focus(order.rows, at(), columnIds());
      else port.focus();
    },
  };
}

/** Ungrouped numbers with points, as other programs read them. @param {any[]} picked */
function exportCsv(picked) {
  const head = ["server", "login", "state", "guard", "used_percent", "room", "equity", "currency"];
  const lines = picked.map(row => [row.snap.server, row.snap.login, row.severity,
    row.guard?.name ?? "", row.used ?? "", row.room ?? "", row.snap.equity ?? "",
    row.snap.currency].map(value => (/[",\n]|^[=+@]/.test(String(value))
    ? `"${String(value).replaceAll('"', '""')}"` : value)).join());
  const blob = new Blob([[head.join(), ...lines].join("\n") + "\n"], { type: "text/csv" });
  const link = el("a", { href: URL.createObjectURL(blob), download: "accounts.csv" });
  link.click();
  setTimeout(() => URL.revokeObjectURL(link.href), 1_000);
}
